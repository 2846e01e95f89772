"""A small company to write in: sales people in two teams, service, finance, a manager, the ERP and an admin."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.access import Access, Level, RowScope, TypeGrant
from crm_graph.catalog import Catalog, build_catalog
from crm_graph.db import ReadPool
from crm_graph.models.ids import EntityCode, IdSource
from crm_graph.models.roles import RowRule
from crm_graph.permissions.effective import effective_access, field_paths
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.rules import Policy
from crm_graph.services.default_workflows import install_default_workflows
from crm_graph.transaction import Transaction, begin

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that goes where a test puts it."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **step: int) -> None:
        self.now += timedelta(**step)


@dataclass
class World:
    """What a test acts with: principals by name, transactions, and rows as they were committed."""

    engine: AsyncEngine
    pool: ReadPool
    catalog: Catalog
    ids: IdSource
    clock: Clock = field(default_factory=Clock)
    people: dict[str, Principal] = field(default_factory=dict)
    teams: dict[str, UUID] = field(default_factory=dict)

    def begin(self, name: str, **options: Any) -> AbstractAsyncContextManager[Transaction]:
        """A transaction of one of the people."""
        return self.begin_as(self.people[name], **options)

    def begin_as(self, principal: Principal, **options: Any) -> AbstractAsyncContextManager[Transaction]:
        return begin(self.engine, principal, self.catalog, self.clock, self.ids, source=principal.source, **options)

    async def rows(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        return [dict(record) for record in await self.pool.fetch(query, *arguments)]

    async def row(self, query: str, *arguments: Any) -> dict[str, Any]:
        (row,) = await self.rows(query, *arguments)
        return row

    async def count(self, table: str) -> int:
        return int(await self.pool.fetchval(f"SELECT count(*) FROM {table}"))

    async def events(self, id_: UUID) -> list[dict[str, Any]]:
        """The events of a record in their order, JSON read."""
        found = await self.rows(
            "SELECT *, changed::text AS changed, before::text AS before, after::text AS after"
            " FROM events WHERE entity_id = $1 ORDER BY entity_version",
            id_,
        )
        return [{**e, **{k: orjson.loads(e[k]) for k in ("changed", "before", "after")}} for e in found]

    def with_grants(self, name: str, entity: str, grants: Sequence[TypeGrant]) -> Principal:
        """One of the people with other grants on one type."""
        old = self.people[name]
        types = {**old.access.types, entity: tuple(grants)}
        return replace(old, access=Access(old.access.roles, types, old.access.actions, 1))

    def grant(
        self, entity: str, rule: RowRule, levels: Mapping[str, Level], writes: Sequence[str], rest: Level = Level.READ
    ) -> TypeGrant:
        """A grant on a type: `levels` of single fields, `rest` of all others, and the fields it lets be written."""
        every = {path: rest for path, _ in field_paths(self.catalog, self.catalog[entity])}
        return TypeGrant(RowScope(rule), {**every, **levels}, frozenset(writes))


PEOPLE = {
    "li": ("sales", "east"),
    "wang": ("sales", "east"),
    "zhao": ("sales", "north"),
    "service": ("service", "service"),
    "finance": ("finance", None),
    "manager": ("crm_manager", None),
    "erp": ("erp", None),
    "admin": ("admin", None),
}


@pytest.fixture
async def world(clean: None, engine: AsyncEngine, pool: ReadPool) -> World:
    made = World(engine, pool, build_catalog(), IdSource())
    policy = Policy(1, DEFAULT_ROLES)
    async with engine.begin() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await install_default_workflows(driver, made.ids, NOON)
        for key in ("east", "north", "service"):
            made.teams[key] = made.ids.new(EntityCode.TEAM)
            await connection.exec_driver_sql(
                "INSERT INTO teams (id, kind, key, name, path, created_at, updated_at)"
                " VALUES ($1, 'TEAM', $2, $2, $2 || '/', $3, $3)",
                (made.teams[key], key, NOON),
            )
        for name, (role, team) in PEOPLE.items():
            made.people[name] = await _hire(connection, made, policy, name=name, role=role, team=team)
    return made


async def _hire(connection: Any, world: World, policy: Policy, *, name: str, role: str, team: str | None) -> Principal:
    id_ = world.ids.new(EntityCode.USER)
    await connection.exec_driver_sql(
        "INSERT INTO users (id, kind, username, name, created_at, updated_at) VALUES ($1, 'PERSON', $2, $2, $3, $3)",
        (id_, name, NOON),
    )
    team_id = None if team is None else world.teams[team]
    if team_id is not None:
        await connection.exec_driver_sql(
            "INSERT INTO team_members (user_id, team_id, is_primary) VALUES ($1, $2, true)", (id_, team_id)
        )
    teams = () if team_id is None else (team_id,)
    access = effective_access(policy, world.catalog, [role], None)
    source = "erp" if role == "erp" else "api"
    return Principal(id_, name, None, source, (role,), team_id, teams, teams, access, "zh-CN", "Asia/Shanghai")
