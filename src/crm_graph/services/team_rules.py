"""What a change of teams, and of who works in them, must keep to: one at a time, by who sees all teams and users, and
nobody comes to more teams by what they change themselves (docs/decisions/0047).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from crm_graph.access import EVERY_ROW, Level
from crm_graph.errors import RuleViolated
from crm_graph.permissions.store import raise_policy_version
from crm_graph.services.role_rules import Standing, may_still, standing
from crm_graph.transaction import NotGranted, Transaction

_TOLD_OF: Mapping[str, Collection[str]] = {"team": ("key",), "user": ("username", "kind", "status")}
"""What answers tell of teams and users: that a name is taken, who is in the way, who has left or is a job."""

_REACH = """
SELECT u.id,
       (SELECT m.team_id FROM team_members m WHERE m.user_id = u.id AND m.is_primary) AS team,
       ARRAY(SELECT m.team_id FROM team_members m WHERE m.user_id = u.id) AS teams,
       ARRAY(SELECT below.id FROM team_members m JOIN teams own ON own.id = m.team_id
             JOIN teams below ON starts_with(below.path, own.path) WHERE m.user_id = u.id) AS below
FROM users u WHERE u.id = ANY($1::uuid[])
"""


@dataclass(frozen=True, slots=True)
class Reach:
    """The teams of a user: the primary one, all of them, and with those below."""

    team: UUID | None
    teams: frozenset[UUID]
    below: frozenset[UUID]

    def within(self, other: "Reach", made: UUID | None) -> bool:
        """Whether no record comes in by it that did not by the other; a team that was made now has none."""
        below = self.below - {made}
        return self.teams <= other.teams and below <= other.below and self.team in (None, other.team)


@dataclass(frozen=True, slots=True)
class Opened:
    """How it stands before a change, which nobody else changes until it ends."""

    rights: Standing
    reach: Mapping[UUID, Reach]


async def opened(tx: Transaction, action: str) -> Opened:
    """Lock the rights of the company, as an edit of roles does. Raises NotGranted for who has lost the action while
    they waited, and RuleViolated for who sees teams or users in part: answers would tell of the others.
    """
    tx.require(action)
    rights = await standing(tx)
    if not await may_still(tx, rights.policy, tx.principal.user_id, action):
        raise NotGranted(action=action)
    for entity, told in _TOLD_OF.items():
        everywhere = [g for g in tx.access.grants(entity) if g.scope == EVERY_ROW]
        if not all(any(g.level(field) is Level.READ for g in everywhere) for field in told):
            raise RuleViolated("directory_seen_in_part")
    return Opened(rights, await _reach(tx, _askers(tx)))


async def settle(tx: Transaction, before: Opened, made: UUID | None = None) -> None:
    """Let a change hold everywhere. Raises RuleViolated where who asked for it comes to more teams."""
    after = await _reach(tx, before.reach)
    if not all(reach.within(before.reach[id_], made) for id_, reach in after.items()):
        raise RuleViolated("own_teams")
    await raise_policy_version(tx.session)


def _askers(tx: Transaction) -> Iterable[UUID]:
    """Who asks, and who proposed what somebody else approves."""
    return [id_ for id_ in (tx.principal.user_id, tx.on_behalf_of_id) if id_ is not None]


async def _reach(tx: Transaction, ids: Iterable[UUID]) -> Mapping[UUID, Reach]:
    rows = await tx.driver().fetch(_REACH, list(ids))
    return {row["id"]: Reach(row["team"], frozenset(row["teams"]), frozenset(row["below"])) for row in rows}
