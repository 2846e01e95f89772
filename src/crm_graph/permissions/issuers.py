"""OpenID Connect issuers as rows: whose tokens people may come with, and which claims give which roles and teams."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from crm_graph.permissions.store import Connection

ALGORITHMS = ("ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512")
"""The asymmetric ones of RFC 7518 and RFC 8037: nobody but the issuer can sign."""
MAX_PATH = 8
MAX_VALUES = 1_000
"""Of a claim; what a token names beyond is not looked at."""


@dataclass(frozen=True, slots=True)
class ClaimRule:
    """Who has this value in the claim at `claim`, alone or in a list, has the roles and is of the teams."""

    claim: tuple[str, ...]
    value: str
    roles: tuple[str, ...]
    teams: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IssuerRule:
    """An active issuer, and what its access tokens must be. No `clients` are any."""

    id: UUID
    version: int
    url: str
    name: str
    audiences: tuple[str, ...]
    clients: frozenset[str]
    algorithms: frozenset[str]
    plain_tokens: bool
    leeway_s: int
    role_map: tuple[ClaimRule, ...]
    sign_in_client: str | None = None
    sign_in_secret: str | None = field(default=None, repr=False)
    sign_in_scope: str = "openid"

    @property
    def origin(self) -> str:
        """What rows say of a role that is from this issuer's claims."""
        return origin_of(self.id)

    def given_by(self, claims: Mapping[str, Any]) -> tuple[frozenset[str], frozenset[str]]:
        """The keys of all roles that the claims give, and of all teams."""
        found: dict[tuple[str, ...], frozenset[str]] = {}
        for rule in self.role_map:
            if rule.claim not in found:
                found[rule.claim] = _values(claims, rule.claim)
        rules = [rule for rule in self.role_map if rule.value in found[rule.claim]]
        return frozenset(r for rule in rules for r in rule.roles), frozenset(t for rule in rules for t in rule.teams)


def origin_of(issuer_id: UUID) -> str:
    """The origin of roles that an issuer's claims gave."""
    return f"issuer:{issuer_id}"


def _values(claims: Mapping[str, Any], path: Sequence[str]) -> frozenset[str]:
    value: Any = claims
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    values = value[:MAX_VALUES] if isinstance(value, list) else [value]
    return frozenset(one for one in values if isinstance(one, str))


async def load_issuers(connection: Connection) -> dict[str, IssuerRule]:
    """All active issuers, by what their tokens name as `iss`."""
    records = await connection.fetch(
        "SELECT id, version, url, name, audiences::text AS audiences, clients::text AS clients,"
        " algorithms::text AS algorithms, plain_tokens, leeway_seconds, role_map::text AS role_map,"
        " sign_in_client, sign_in_secret, sign_in_scope"
        " FROM issuers WHERE status = 'ACTIVE'"
    )
    return {record["url"]: _rule(record) for record in records}


def _rule(record: asyncpg.Record) -> IssuerRule:
    return IssuerRule(
        id=record["id"],
        version=record["version"],
        url=record["url"],
        name=record["name"],
        audiences=tuple(orjson.loads(record["audiences"])),
        clients=frozenset(orjson.loads(record["clients"])),
        algorithms=frozenset(orjson.loads(record["algorithms"])) & frozenset(ALGORITHMS),
        plain_tokens=record["plain_tokens"],
        leeway_s=record["leeway_seconds"],
        role_map=claim_rules(orjson.loads(record["role_map"])),
        sign_in_client=record["sign_in_client"],
        sign_in_secret=record["sign_in_secret"],
        sign_in_scope=record["sign_in_scope"],
    )


def claim_rules(role_map: Sequence[Mapping[str, Any]]) -> tuple[ClaimRule, ...]:
    """A claim map as its row holds it."""
    return tuple(
        ClaimRule(tuple(rule["claim"]), rule["value"], tuple(rule["roles"]), tuple(rule.get("teams", ())))
        for rule in role_map
    )
