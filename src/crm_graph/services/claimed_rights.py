"""What claims gave by rows, where an issuer changes: what it gives no longer is taken, and what claims at the person's
other issuers give, or its own once it is active again, is given without waiting for a token.
"""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from crm_graph.permissions.issuers import origin_of
from crm_graph.services.team_members import choose_primary
from crm_graph.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Mapped:
    """An issuer as it is now: the keys of roles and teams that its claims can give, none where it is suspended.
    `comes_back` says that it was suspended before, and that its map is the one by which tokens were read then.
    """

    issuer_id: UUID
    roles: Collection[str]
    teams: Collection[str]
    comes_back: bool


async def settle(tx: Transaction, mapped: Mapped) -> None:
    """Let rows say what claims give now. By a map that has changed since a person's newest token was read, nothing is
    given before the next. The rights of the company are locked by the caller, who raises their version.
    """
    driver, issuer, origin = tx.driver(), mapped.issuer_id, origin_of(mapped.issuer_id)
    affected: set[UUID] = set()
    for statement, kept in ((_TAKE_ROLES, mapped.roles), (_TAKE_TEAMS, mapped.teams)):
        affected.update(row["user_id"] for row in await driver.fetch(statement, origin, list(kept)))
    if mapped.comes_back:
        rows = await driver.fetch("SELECT user_id FROM identities WHERE issuer_id = $1", issuer)
        affected.update(row["user_id"] for row in rows)
    users = sorted(affected)
    await driver.execute(_GIVE, users, issuer, mapped.comes_back, tx.now)
    await choose_primary(tx, users)


_TAKE_ROLES = """
DELETE FROM user_roles h USING roles r WHERE r.id = h.role_id AND h.origin = $1 AND r.key <> ALL($2::text[])
RETURNING h.user_id
"""
_TAKE_TEAMS = """
DELETE FROM team_members m USING teams t WHERE t.id = m.team_id AND m.origin = $1 AND t.key <> ALL($2::text[])
RETURNING m.user_id
"""
# Its own change of the map is not in the log yet, so the caller says whether the issuer itself may give.
_GIVE = """
WITH said AS (
    SELECT i.user_id, i.issuer_id, s.name, i.roles, i.teams
    FROM identities i JOIN issuers s ON s.id = i.issuer_id AND s.status = 'ACTIVE'
    WHERE i.user_id = ANY($1::uuid[]) AND (s.id <> $2 OR $3) AND i.issuer_version >= (
        SELECT max(e.entity_version) FROM events e
        WHERE e.entity_id = s.id AND e.type LIKE 'issuer.%' AND e.changed ? 'role_map'
    )
), given AS (
    INSERT INTO user_roles (user_id, role_id, origin)
    SELECT DISTINCT ON (said.user_id, r.id) said.user_id, r.id, 'issuer:' || said.issuer_id
    FROM said CROSS JOIN jsonb_array_elements_text(said.roles) AS of_claims(key) JOIN roles r USING (key)
    ORDER BY said.user_id, r.id, said.name, said.issuer_id
    ON CONFLICT (user_id, role_id) DO UPDATE SET origin = EXCLUDED.origin, expires_at = NULL
    WHERE user_roles.expires_at <= $4
)
INSERT INTO team_members (user_id, team_id, origin)
SELECT DISTINCT ON (said.user_id, t.id) said.user_id, t.id, 'issuer:' || said.issuer_id
FROM said CROSS JOIN jsonb_array_elements_text(said.teams) AS of_claims(key)
JOIN teams t ON t.key = of_claims.key AND t.archived_at IS NULL
ORDER BY said.user_id, t.id, said.name, said.issuer_id
ON CONFLICT (user_id, team_id) DO NOTHING
"""
