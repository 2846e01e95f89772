"""The policy as rows: the default table goes in once, the rows come out as a `Policy`, a change raises the version."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import asyncpg
import orjson
import structlog
from sqlalchemy import null, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from crm_graph.access import Level, RowScope
from crm_graph.models import Grant, Role
from crm_graph.models.fields import DataClass
from crm_graph.models.ids import EntityCode, IdSource
from crm_graph.models.roles import RowRule
from crm_graph.permissions.effective import effective_access, full_access, scopes_of
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import GrantRule, Policy, RoleRule, where

__all__ = [
    "POLICY_CHANNEL",
    "effective_access",
    "full_access",
    "has_raised_policy_version",
    "load_policy",
    "raise_policy_version",
    "scopes_of",
    "sync_default_policy",
]

log = structlog.get_logger(__name__)

POLICY_CHANNEL = "crm_policy"
"""The channel on which a new policy version is told, at commit."""
_RAISED = "policy_version_raised"
"""What a session notes of itself once it has changed rights."""

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
E_ = TypeVar("E_", bound=StrEnum)


def utc_now() -> datetime:
    """The clock of a process that nobody gave another."""
    return datetime.now(UTC)


async def raise_policy_version(session: AsyncSession) -> int:
    """Say that rights changed: roles, grants, memberships, teams, a user's status, clients, keys. Whoever changes one
    calls this in the same transaction; every process knows it within a second of the commit. Gives the new version.
    """
    version = await session.scalar(
        text(
            "INSERT INTO policy_version AS p (id, version) VALUES (1, 1)"
            " ON CONFLICT (id) DO UPDATE SET version = p.version + 1 RETURNING version"
        )
    )
    await session.execute(
        text("SELECT pg_notify(:channel, :version)"), {"channel": POLICY_CHANNEL, "version": str(version)}
    )
    session.info[_RAISED] = True
    return int(version or 0)


def has_raised_policy_version(session: AsyncSession) -> bool:
    """Whether the session has said that rights changed, whatever became of it since."""
    return _RAISED in session.info


async def sync_default_policy(
    session: AsyncSession, *, ids: IdSource | None = None, clock: Callable[[], datetime] = utc_now
) -> list[str]:
    """Write the built-in roles that are not there yet, and give their keys; a role that exists is the admin's and stays
    as it is. The caller commits. Replicas that start together wait for one another on the row of the version.
    """
    ids = ids or IdSource(clock)
    await session.execute(text("INSERT INTO policy_version (id) VALUES (1) ON CONFLICT (id) DO NOTHING"))
    await session.execute(text("SELECT version FROM policy_version WHERE id = 1 FOR UPDATE"))
    existing = set(await session.scalars(select(Role.key)))
    missing = [role for key, role in DEFAULT_ROLES.items() if key not in existing]
    for role in missing:
        row = role_row(role, ids, clock(), builtin=True)
        session.add(row)
        await session.flush()
        session.add_all(grant_rows(row.id, role, ids))
    if missing:
        await session.flush()
        await raise_policy_version(session)
    return [role.key for role in missing]


def role_row(role: RoleRule, ids: IdSource, now: datetime, *, builtin: bool) -> Role:
    """The row of a new role, whose grants stand in rows of their own."""
    return Role(
        id=ids.new(EntityCode.ROLE),
        key=role.key,
        name_en=role.name_en,
        name_zh=role.name_zh,
        description=role.description,
        builtin=builtin,
        actions=sorted(role.actions),
        inherits=list(role.inherits),
        version=1,
        created_at=now,
        updated_at=now,
    )


def grant_rows(role_id: UUID, role: RoleRule, ids: IdSource) -> Iterable[Grant]:
    """The rows of a role's grants."""
    for entity_type, rules in role.grants.items():
        for rule in rules:
            yield Grant(
                id=ids.new(EntityCode.GRANT),
                role_id=role_id,
                entity_type=entity_type,
                row_rule=rule.scope.rule,
                predicate=orjson.loads(rule.scope.predicate) if rule.scope.predicate else null(),
                levels={data_class.value: level.name for data_class, level in rule.levels.items()},
                field_levels={path: level.name for path, level in rule.fields.items()},
                writes=list(rule.writes),
                personal_level=rule.personal.name,
            )


_POLICY = """
SELECT p.version, r.key, r.name_en, r.name_zh, r.description, r.actions::text AS actions,
       r.inherits::text AS inherits, g.entity_type, g.row_rule, g.predicate::text AS predicate,
       g.levels::text AS levels, g.personal_level, g.field_levels::text AS field_levels, g.writes::text AS writes
FROM policy_version p
LEFT JOIN roles r ON TRUE
LEFT JOIN grants g ON g.role_id = r.id
WHERE p.id = 1
ORDER BY r.key, g.entity_type, g.id
"""


async def load_policy(connection: Connection) -> Policy:
    """All roles and grants, with the version that they are of, in one statement. Names that this release does not know
    (a newer one may have written them) give nothing and are logged.
    """
    records = await connection.fetch(_POLICY)
    roles: dict[str, asyncpg.Record] = {}
    grants: dict[str, dict[str, list[GrantRule]]] = {}
    alike: dict[tuple[Any, ...], GrantRule] = {}
    for record in records:
        if record["key"] is None:
            continue
        roles.setdefault(record["key"], record)
        rule = _grant_rule(record, alike) if record["entity_type"] else None
        if rule is not None:
            grants.setdefault(record["key"], {}).setdefault(record["entity_type"], []).append(rule)
    return Policy(
        version=records[0]["version"] if records else 0,
        roles=MappingProxyType({key: _role_rule(record, grants.get(key, {})) for key, record in roles.items()}),
    )


def _role_rule(record: asyncpg.Record, grants: Mapping[str, list[GrantRule]]) -> RoleRule:
    return RoleRule(
        key=record["key"],
        name_en=record["name_en"],
        name_zh=record["name_zh"],
        description=record["description"] or "",
        grants=MappingProxyType({entity_type: tuple(rules) for entity_type, rules in grants.items()}),
        actions=frozenset(orjson.loads(record["actions"])),
        inherits=tuple(orjson.loads(record["inherits"])),
    )


_SAID = ("row_rule", "predicate", "levels", "field_levels", "writes", "personal_level")


def _grant_rule(record: asyncpg.Record, alike: dict[tuple[Any, ...], GrantRule]) -> GrantRule | None:
    """The rule of a grant. Those that say the same are one object: reading them is most of what loading takes."""
    said = tuple([record[name] for name in _SAID])
    found = alike.get(said)
    if found is None:
        found = _read_rule(record)
        if found is not None:
            alike[said] = found
    return found


def _read_rule(record: asyncpg.Record) -> GrantRule | None:
    rule = _known(RowRule, record["row_rule"], record)
    if rule is None:
        return None
    predicate = orjson.loads(record["predicate"]) if record["predicate"] else None
    levels = {
        data_class: _level(level, record)
        for name, level in orjson.loads(record["levels"]).items()
        if (data_class := _known(DataClass, name, record)) is not None
    }
    fields = {path: _level(level, record) for path, level in orjson.loads(record["field_levels"]).items()}
    return GrantRule(
        scope=RowScope(rule) if predicate is None else where(predicate),
        levels=MappingProxyType(levels),
        fields=MappingProxyType(fields),
        writes=tuple(orjson.loads(record["writes"])),
        personal=_level(record["personal_level"], record),
    )


def _known(kind: type[E_], name: str, record: asyncpg.Record) -> E_ | None:
    if name in kind.__members__:
        return kind[name]
    log.warning("grant_names_unknown", kind=kind.__name__, name=name, role=record["key"], type=record["entity_type"])
    return None


def _level(name: Any, record: asyncpg.Record) -> Level:
    if isinstance(name, str) and name in Level.__members__:
        return Level[name]
    log.warning("grant_names_unknown", kind="Level", name=name, role=record["key"], type=record["entity_type"])
    return Level.HIDDEN
