"""Leads: the shared verbs, and assignment to a user or a team."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm_graph.errors import Invalid, NotFound, RuleViolated
from crm_graph.models.customers import PoolState
from crm_graph.models.users import UserStatus
from crm_graph.models.workflows import StageCategory
from crm_graph.services import records
from crm_graph.services.commands import Archive, Create, Mode, Outcome, Restore, Update
from crm_graph.services.drafts import Draft, Noun, desk_for
from crm_graph.services.stages import Move
from crm_graph.transaction import Transaction

MAX_REASON = 500


@dataclass(frozen=True, slots=True)
class AssignLead:
    """Give a lead to a user, or to a team whose members may then claim it. `reason` is what people read later."""

    id: UUID
    to_user: UUID | None = None
    to_team: UUID | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Assignee:
    active: bool
    primary_team: UUID | None
    teams: frozenset[UUID]


def _enter(_tx: Transaction, draft: Draft, move: Move) -> None:
    if move.origin is None:
        return
    lost = move.to.category is StageCategory.LOST
    draft.row["disqualification_reason"] = move.reason if lost else None
    draft.row["converted_at"] = move.at if move.to.category is StageCategory.WON else None


NOUN = Noun("lead", enter=_enter)


async def assign(tx: Transaction, commands: Sequence[AssignLead], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Change owner and team of leads; their stages stay. A lead that is theirs already is UNCHANGED."""
    tx.require("leads:assign")
    desk = desk_for(tx, NOUN)
    drafts = [desk.read_update(index, Update(command.id)) for index, command in enumerate(commands)]
    await records.attach(desk, drafts)
    users = await _assignees(tx, [c.to_user for c in commands if c.to_user is not None])
    teams = await _teams(tx, [c.to_team for c in commands if c.to_team is not None])
    for draft, command in zip(drafts, commands, strict=True):
        if not draft.errors:
            _assign(tx, draft, command, users, teams)
    return await records.write(desk, drafts, mode)


def _assign(
    tx: Transaction, draft: Draft, command: AssignLead, users: dict[UUID, _Assignee], teams: frozenset[UUID]
) -> None:
    user = None if command.to_user is None else users.get(command.to_user)
    if command.to_user is None and command.to_team is None:
        draft.refuse(Invalid("assignee_missing", path=("to",)))
    elif (command.to_user is not None and user is None) or (
        command.to_team is not None and command.to_team not in teams
    ):
        draft.refuse(NotFound(path=("to",)))
    elif user is not None and not user.active:
        draft.refuse(RuleViolated("user_not_active", path=("to",)))
    elif user is not None and command.to_team is not None and command.to_team not in user.teams:
        draft.refuse(RuleViolated("user_not_in_team", path=("to",)))
    elif command.reason is not None and len(command.reason) > MAX_REASON:
        draft.refuse(Invalid("text_too_long", path=("reason",), max=MAX_REASON))
    elif "\0" in (command.reason or ""):
        draft.refuse(Invalid("text_control_characters", path=("reason",)))
    if draft.errors:
        return
    team = command.to_team or (user.primary_team if user is not None else None)
    if (draft.value("owner_id"), draft.value("team_id")) == (command.to_user, team):
        return
    pool = PoolState.PUBLIC if command.to_user is None else PoolState.OWNED
    draft.verb, draft.reason = "assigned", command.reason
    draft.row.update(
        owner_id=command.to_user,
        team_id=team,
        assigned_at=tx.now,
        assignment_reason=command.reason,
        pool_state=pool,
        pooled_at=tx.now if pool is PoolState.PUBLIC else None,
    )


async def _assignees(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, _Assignee]:
    found = await tx.driver().fetch(
        "SELECT u.id, u.status, u.archived_at, m.team_id, m.is_primary FROM users u"
        " LEFT JOIN team_members m ON m.user_id = u.id WHERE u.id = ANY($1::uuid[])",
        sorted(set(ids)),
    )
    memberships: dict[UUID, list[Any]] = {}
    for record in found:
        memberships.setdefault(record["id"], []).append(record)
    return {
        id_: _Assignee(
            rows[0]["status"] == UserStatus.ACTIVE and rows[0]["archived_at"] is None,
            next((row["team_id"] for row in rows if row["is_primary"]), None),
            frozenset(row["team_id"] for row in rows if row["team_id"] is not None),
        )
        for id_, rows in memberships.items()
    }


async def _teams(tx: Transaction, ids: Sequence[UUID]) -> frozenset[UUID]:
    found = await tx.driver().fetch(
        "SELECT id FROM teams WHERE id = ANY($1::uuid[]) AND archived_at IS NULL", sorted(set(ids))
    )
    return frozenset(record["id"] for record in found)


async def create(tx: Transaction, commands: Sequence[Create], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Make leads; see `records.create`."""
    return await records.create(tx, NOUN, commands, mode)


async def update(tx: Transaction, commands: Sequence[Update], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Patch leads; see `records.update`."""
    return await records.update(tx, NOUN, commands, mode)


async def archive(tx: Transaction, commands: Sequence[Archive], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Archive leads; see `records.archive`."""
    return await records.archive(tx, NOUN, commands, mode)


async def restore(tx: Transaction, commands: Sequence[Restore], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Restore leads; see `records.restore`."""
    return await records.restore(tx, NOUN, commands, mode)
