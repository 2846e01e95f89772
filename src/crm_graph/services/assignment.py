"""Assignment: a record gets another owner or team. What else changes with it, the noun says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm_graph.errors import Invalid, NotFound, RuleViolated
from crm_graph.models.users import UserStatus
from crm_graph.services import records
from crm_graph.services.commands import Mode, Outcome, Update
from crm_graph.services.drafts import Draft, Noun, desk_for
from crm_graph.services.rows import Row
from crm_graph.transaction import Transaction

MAX_REASON = 500


@dataclass(frozen=True, slots=True)
class Assign:
    """Give a record to a user, or to a team whose members may then take it. `reason` is what people read later."""

    id: UUID
    to_user: UUID | None = None
    to_team: UUID | None = None
    reason: str | None = None


Further = Callable[[Transaction, Assign], Row]
"""The columns that change with the owner."""


@dataclass(frozen=True, slots=True)
class _Assignee:
    active: bool
    primary_team: UUID | None
    teams: frozenset[UUID]


def _nothing(_tx: Transaction, _command: Assign) -> Row:
    return {}


async def assign(
    tx: Transaction, noun: Noun, commands: Sequence[Assign], mode: Mode, further: Further = _nothing
) -> list[Outcome]:
    """Change owner and team of records. One that is theirs already is UNCHANGED."""
    tx.require(noun.action(tx, "assign"))
    desk = desk_for(tx, noun)
    drafts = [desk.read_update(index, Update(command.id)) for index, command in enumerate(commands)]
    await records.attach(desk, drafts)
    users = await _assignees(tx, [c.to_user for c in commands if c.to_user is not None])
    teams = await _teams(tx, [c.to_team for c in commands if c.to_team is not None])
    for draft, command in zip(drafts, commands, strict=True):
        if not draft.errors:
            check_reason(draft, command.reason)
            _assign(draft, command, users, teams, lambda c: further(tx, c))
    return await records.write(desk, drafts, mode)


def check_reason(draft: Draft, reason: str | None) -> None:
    """Refuse a reason that is too long, or that no database holds."""
    if reason is not None and len(reason) > MAX_REASON:
        draft.refuse(Invalid("text_too_long", path=("reason",), max=MAX_REASON))
    elif "\0" in (reason or ""):
        draft.refuse(Invalid("text_control_characters", path=("reason",)))


def _assign(
    draft: Draft,
    command: Assign,
    users: dict[UUID, _Assignee],
    teams: frozenset[UUID],
    further: Callable[[Assign], Row],
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
    if draft.errors:
        return
    team = command.to_team or (user.primary_team if user is not None else None)
    if (draft.value("owner_id"), draft.value("team_id")) == (command.to_user, team):
        return
    draft.verb, draft.reason = "assigned", command.reason
    draft.row.update(owner_id=command.to_user, team_id=team, **further(command))


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
