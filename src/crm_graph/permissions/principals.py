"""Principals: who asks, and how their row, teams, roles and rights are loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson

from crm_graph.access import Access
from crm_graph.catalog import Catalog
from crm_graph.errors import Unauthenticated
from crm_graph.moments import is_zone, zone_of
from crm_graph.permissions.rules import Policy
from crm_graph.permissions.store import Connection, effective_access
from crm_graph.permissions.tokens import TokenClaims

API_SOURCE = "api"
"""The source of what people and clients without a system of their own write."""
COMMAND_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `client_id` is the id of the client's row; `source` the external system it stands for, or `api`;
    `team_id` the primary team; `team_tree_ids` own teams and all below them; `cost_per_minute` the client's own budget.
    """

    user_id: UUID
    username: str
    client_id: UUID | None
    source: str
    roles: tuple[str, ...]
    team_id: UUID | None
    team_ids: tuple[UUID, ...]
    team_tree_ids: tuple[UUID, ...]
    access: Access
    locale: str
    time_zone: str
    cost_per_minute: int | None = None

    @property
    def zone(self) -> ZoneInfo:
        """Where the principal's days begin."""
        return zone_of(self.time_zone)

    def viewer_values(self) -> Mapping[str, Any]:
        """The values of the SQL sources `Viewer(…)`."""
        return {
            "id": self.user_id,
            "team_ids": self.team_ids,
            "team_tree_ids": self.team_tree_ids,
            "time_zone": self.time_zone,
            "locale": self.locale,
            "roles": self.roles,
            "team_id": self.team_id,
            "client_id": self.client_id,
        }


@dataclass(frozen=True, slots=True)
class Loaded:
    """A principal as of a policy version, when one of its roles ends (seconds since 1970, or infinite), of which epoch
    tokens of the hub hold, and after when others are issued that do (seconds since 1970).
    """

    principal: Principal
    version: int
    until: float
    token_epoch: int = 0
    suspended_at: float = float("-inf")

    def serves(self, claims: TokenClaims) -> bool:
        """Whether a valid token is from after what last ended all that were there."""
        if claims.identity is not None:
            return claims.issued_at > self.suspended_at
        return claims.epoch == self.token_epoch


_PRINCIPAL = """
SELECT (SELECT version FROM policy_version WHERE id = 1) AS version,
       u.id, u.username, u.locale, u.time_zone, c.id AS client_id,
       COALESCE(c.source, (SELECT min(o.source) FROM clients o WHERE o.user_id = u.id)) AS source,
       c.scopes::text AS scopes, c.cost_per_minute, u.suspended_at,
       CASE WHEN c.id IS NULL THEN u.token_epoch ELSE c.token_epoch END AS token_epoch,
       ARRAY(SELECT r.key FROM user_roles h JOIN roles r ON r.id = h.role_id
             WHERE h.user_id = u.id AND (h.expires_at IS NULL OR h.expires_at > $3) ORDER BY r.key) AS roles,
       (SELECT min(h.expires_at) FROM user_roles h WHERE h.user_id = u.id AND h.expires_at > $3) AS until,
       (SELECT m.team_id FROM team_members m WHERE m.user_id = u.id AND m.is_primary) AS team_id,
       ARRAY(SELECT m.team_id FROM team_members m WHERE m.user_id = u.id ORDER BY m.team_id) AS team_ids,
       ARRAY(SELECT DISTINCT below.id FROM team_members m JOIN teams own ON own.id = m.team_id
             JOIN teams below ON starts_with(below.path, own.path)
             WHERE m.user_id = u.id ORDER BY below.id) AS team_tree_ids
FROM users u
LEFT JOIN clients c ON c.client_id = $2 AND c.user_id = u.id AND c.status = 'ACTIVE'
WHERE u.id = $1 AND u.status = 'ACTIVE' AND u.archived_at IS NULL AND ($2::text IS NULL OR c.id IS NOT NULL)
"""


async def load_principal(
    connection: Connection,
    policy: Policy,
    catalog: Catalog,
    subject: UUID,
    *,
    client_id: str | None = None,
    scopes: frozenset[str] | None = None,
    now: datetime,
    time_zone: str = "Asia/Shanghai",
) -> Loaded:
    """A user as the rows say, for a client only within what it was registered for. Raises Unauthenticated unless user
    and client are active. `version` is that of the rows; a caller whose policy is of another one loads that first.
    `time_zone` is the company's, for a user whose own is none.
    """
    row = await connection.fetchrow(_PRINCIPAL, subject, client_id, now, timeout=COMMAND_TIMEOUT_S)
    if row is None:
        raise Unauthenticated
    granted = None if client_id is None else (scopes or frozenset()) & frozenset(orjson.loads(row["scopes"]))
    principal = Principal(
        user_id=row["id"],
        username=row["username"],
        client_id=row["client_id"],
        source=row["source"] or API_SOURCE,
        roles=tuple(row["roles"]),
        team_id=row["team_id"],
        team_ids=tuple(row["team_ids"]),
        team_tree_ids=tuple(row["team_tree_ids"]),
        access=effective_access(policy, catalog, row["roles"], granted),
        locale=row["locale"],
        time_zone=row["time_zone"] if is_zone(row["time_zone"]) else time_zone,
        cost_per_minute=row["cost_per_minute"],
    )
    until = row["until"].timestamp() if row["until"] else float("inf")
    suspended_at = row["suspended_at"].timestamp() if row["suspended_at"] else float("-inf")
    return Loaded(principal, row["version"] or 0, until, row["token_epoch"], suspended_at)
