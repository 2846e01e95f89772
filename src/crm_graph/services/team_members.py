"""Who works in which team, and whose primary one it is. Each change is an event of the user, and holds everywhere
within a second.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from crm_graph.errors import CrmError, Invalid, LimitReached, NotFound, RuleViolated
from crm_graph.models.users import UserKind, UserStatus
from crm_graph.services.commands import Problems
from crm_graph.services.rights import Held, lock, rights_on
from crm_graph.services.role_inputs import Raw
from crm_graph.services.rows import Row
from crm_graph.services.team_rules import opened, settle
from crm_graph.transaction import EventDraft, Transaction

MAX_USERS = 200

_TEAMS = """
SELECT m.user_id, t.key, m.is_primary FROM team_members m JOIN teams t ON t.id = m.team_id
WHERE m.user_id = ANY($1::uuid[]) ORDER BY m.user_id, t.path
"""
_ADD = """
INSERT INTO team_members (user_id, team_id) SELECT id, $2::uuid FROM unnest($1::uuid[]) AS id
ON CONFLICT (user_id, team_id) DO NOTHING
"""
_NO_OTHER_PRIMARY = """
UPDATE team_members SET is_primary = false WHERE user_id = ANY($1::uuid[]) AND team_id <> $2 AND is_primary
"""
_PRIMARY = "UPDATE team_members SET is_primary = true WHERE user_id = ANY($1::uuid[]) AND team_id = $2"
_TAKE = "DELETE FROM team_members WHERE user_id = ANY($1::uuid[]) AND team_id = $2"
_CLAIMED = """
SELECT m.user_id, i.name FROM team_members m JOIN issuers i ON m.origin = 'issuer:' || i.id AND i.status = 'ACTIVE'
WHERE m.user_id = ANY($1::uuid[]) AND m.team_id = $2
"""
_CHOOSE_PRIMARY = """
UPDATE team_members m SET is_primary = true FROM (
    SELECT DISTINCT ON (o.user_id) o.user_id, o.team_id FROM team_members o JOIN teams t ON t.id = o.team_id
    WHERE o.user_id = ANY($1::uuid[])
      AND NOT EXISTS (SELECT FROM team_members p WHERE p.user_id = o.user_id AND p.is_primary)
    ORDER BY o.user_id, length(t.path) DESC, t.path
) chosen
WHERE m.user_id = chosen.user_id AND m.team_id = chosen.team_id
"""
_BUMP = "UPDATE users SET version = version + 1, updated_at = $2 WHERE id = ANY($1::uuid[]) RETURNING id, version"


@dataclass(frozen=True, slots=True)
class Teams:
    """The keys of a user's teams, and of the primary one."""

    teams: tuple[str, ...] = ()
    primary_team: str | None = None

    def told(self) -> Row:
        return {"teams": list(self.teams), "primary_team": self.primary_team}


async def add(tx: Transaction, given: Raw) -> UUID:
    """Let users be of a team, whose primary one it becomes where that is asked or they have none. Raises NotFound for
    a team or user that is not there, RuleViolated for an archived team, Invalid for who has left, LimitReached, and
    what `team_rules` refuse.
    """
    before = await opened(tx, "teams:update")
    team = await _team(tx, given)
    if team["archived_at"] is not None:
        raise RuleViolated("archived", path=("team",))
    ids = await _users(tx, given, leaving=False)
    was, driver = await _teams_of(tx, ids), tx.driver()
    await driver.execute(_ADD, ids, team["id"])
    if given.get("primary"):
        await driver.execute(_NO_OTHER_PRIMARY, ids, team["id"])
        await driver.execute(_PRIMARY, ids, team["id"])
    await choose_primary(tx, ids)
    if await _tell(tx, ids, was):
        await settle(tx, before)
    return UUID(str(team["id"]))


async def remove(tx: Transaction, given: Raw) -> UUID:
    """Let users be of a team no longer; who is not is left as they are. The one that lies deepest becomes primary in
    its place. Raises as `add` does, and RuleViolated for a membership that claims of an issuer give.
    """
    before = await opened(tx, "teams:update")
    team = await _team(tx, given)
    ids = await _users(tx, given, leaving=True)
    was, driver = await _teams_of(tx, ids), tx.driver()
    claimed = {row["user_id"]: row["name"] for row in await driver.fetch(_CLAIMED, ids, team["id"])}
    if claimed:
        places = {UUID(raw): n for n, raw in enumerate(given["users"])}
        raise Problems(
            [RuleViolated("team_comes_back", path=("users", places[id_]), issuer=i) for id_, i in claimed.items()]
        )
    await driver.execute(_TAKE, ids, team["id"])
    await choose_primary(tx, ids)
    if await _tell(tx, ids, was):
        await settle(tx, before)
    return UUID(str(team["id"]))


async def choose_primary(tx: Transaction, users: Sequence[UUID]) -> None:
    """Let who has teams and no primary one have that which lies deepest in the tree."""
    await tx.driver().execute(_CHOOSE_PRIMARY, users)


async def _team(tx: Transaction, given: Raw) -> Row:
    id_ = UUID(given["team"])
    held = await lock(tx, rights_on(tx, tx.catalog["team"]), [id_])
    if id_ not in held:
        raise NotFound(path=("team",))
    return held[id_].row


async def _users(tx: Transaction, given: Raw, *, leaving: bool) -> list[UUID]:
    """The users, locked. Raises Problems for each that is not there, or cannot be of a team."""
    named: Sequence[str] = given["users"]
    if len(named) > MAX_USERS:
        raise LimitReached("too_many_items", path=("users",), max=MAX_USERS)
    held = await lock(tx, rights_on(tx, tx.catalog["user"]), [UUID(raw) for raw in named])
    problems = [p for n, raw in enumerate(named) if (p := _problem(held.get(UUID(raw)), n, leaving=leaving))]
    if problems:
        raise Problems(problems)
    return sorted(held)


def _problem(held: Held | None, n: int, *, leaving: bool) -> CrmError | None:
    if held is None:
        return NotFound(path=("users", n))
    if held.row["kind"] == UserKind.SYSTEM:
        return RuleViolated("user_is_system", path=("users", n))
    if held.row["status"] == UserStatus.LEFT and not leaving:
        return Invalid("user_has_left", path=("users", n))
    return None


async def _teams_of(tx: Transaction, ids: Sequence[UUID]) -> Mapping[UUID, Teams]:
    found = dict.fromkeys(ids, Teams())
    for row in await tx.driver().fetch(_TEAMS, ids):
        so_far = found[row["user_id"]]
        primary = row["key"] if row["is_primary"] else so_far.primary_team
        found[row["user_id"]] = Teams((*so_far.teams, row["key"]), primary)
    return found


async def _tell(tx: Transaction, ids: Iterable[UUID], was: Mapping[UUID, Teams]) -> bool:
    """Note what has changed, if anything has."""
    becomes = await _teams_of(tx, list(ids))
    changed = [id_ for id_, teams in becomes.items() if teams != was[id_]]
    versions = {row["id"]: row["version"] for row in await tx.driver().fetch(_BUMP, changed, tx.now)}
    for id_ in changed:
        before, after = was[id_].told(), becomes[id_].told()
        names = [name for name in after if before[name] != after[name]]
        tx.record(
            EventDraft(
                type="user.updated",
                entity_type="user",
                entity_id=id_,
                entity_version=versions[id_],
                changed=names,
                before={name: before[name] for name in names},
                after={name: after[name] for name in names},
            )
        )
    return bool(changed)
