"""The engine under test, in process: documents go in as a role set's operations, bytes come out, on one connection."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest
from graphql import GraphQLSchema

from crm_graph.access import Access
from crm_graph.bounded import Bounded
from crm_graph.catalog import Catalog, build_catalog
from crm_graph.db import Fetch, LaneConnection, dsn, raw_json
from crm_graph.lanes import Lanes
from crm_graph.messages import Locale
from crm_graph.permissions.effective import effective_access
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.rules import Policy, RoleRule
from crm_graph.resolvers.bulk_reads import BulkReads
from crm_graph.resolvers.exports.preparing import PreparedExport, prepare_export
from crm_graph.resolvers.exports.running import Rows
from crm_graph.resolvers.operations import Operations, RoleSchemas
from crm_graph.resolvers.plan import Limits
from crm_graph.resolvers.questions import Answer
from crm_graph.resolvers.read import Reader
from crm_graph.schema.build import build_schema, role_schemas
from crm_graph.services.explanations import Explaining
from crm_graph.services.reads import AuditedRead, Note
from reference.custom import CUSTOM_FIELDS
from reference.rows import NOON, Connection, Tables

SMALL = Limits(
    default_page=4,
    max_page=6,
    max_offset=12,
    count_cap=5,
    max_children=3,
    max_groups=5,
    max_cost=10**9,
    search_window=3,
    search_count_cap=2,
    search_hits=5,
    search_sample=2,
    search_usual=1,
    search_newest=3,
    lookup_rows=2,
)
"""Limits that small data reaches."""


@cache
def catalog() -> Catalog:
    """The one catalog of a run."""
    return build_catalog(CUSTOM_FIELDS)


@cache
def full_schema() -> GraphQLSchema:
    """The one complete schema of a run."""
    return build_schema(catalog())


@cache
def _role_schemas() -> RoleSchemas:
    return role_schemas(full_schema(), catalog())


_SCHEMAS: Bounded[str, GraphQLSchema] = Bounded(100)


def schema_of(access: Access) -> GraphQLSchema:
    """The schema of a role set, built once for a run."""
    found = _SCHEMAS.get(access.fingerprint)
    if found is None:
        found = _role_schemas()(access)
        _SCHEMAS.put(access.fingerprint, found)
    return found


def default_access(roles: Collection[str]) -> Access:
    """What the default policy gives to a role set."""
    return effective_access(_default_policy(), catalog(), roles)


@cache
def _default_policy() -> Policy:
    return Policy(1, DEFAULT_ROLES)


def access_of(roles: Mapping[str, RoleRule], held: Collection[str]) -> Access:
    """What a policy of a test gives to a role set."""
    return effective_access(Policy(1, roles), catalog(), held)


def principal_of(tables: Tables, user_id: UUID, access: Access) -> Principal:
    """A user with some access and the teams that the rows give."""
    (user,) = (u for u in tables["users"] if u["id"] == user_id)
    own = sorted(m["team_id"] for m in tables["team_members"] if m["user_id"] == user_id)
    primary = [m["team_id"] for m in tables["team_members"] if m["user_id"] == user_id and m.get("is_primary")]
    return Principal(
        user_id=user_id,
        username=user["username"],
        client_id=None,
        source="api",
        roles=access.roles,
        team_id=primary[0] if primary else None,
        team_ids=tuple(own),
        team_tree_ids=tuple(_below(tables, own)),
        access=access,
        locale="en",
        time_zone="Asia/Shanghai",
    )


def _below(tables: Tables, own: Collection[UUID]) -> Sequence[UUID]:
    paths = [t["path"] for t in tables["teams"] if t["id"] in own]
    return sorted(t["id"] for t in tables["teams"] if any(t["path"].startswith(path) for path in paths))


class Boundless:
    """A purse without a bottom."""

    def spend(self, _principal: Principal, _cost: int) -> None:
        """Leave it to `charge`."""

    async def charge(self, _principal: Principal, _cost: int) -> None:
        """Nothing is ever missing from it."""

    @asynccontextmanager
    async def deposit(self, _principal: Principal, _cost: int) -> AsyncIterator[None]:
        """Hold nothing."""
        yield


class Kept:
    """A log of reads that is kept in memory. Hashes are the values themselves."""

    def __init__(self) -> None:
        self.reads: list[AuditedRead] = []
        self.hashes = self

    def of(self, _entity: str, value: str) -> str:
        """The value, for tests to see."""
        return value

    async def allow(self, _purpose: str, _principal: Principal, _times: int) -> None:
        """There is no end to it."""

    async def write(self, _principal: Principal, _request_id: str, reads: Sequence[AuditedRead]) -> None:
        """Keep them."""
        self.reads += reads


@dataclass
class Compiled:
    """Compiled reads on one connection."""

    connection: Connection
    limits: Limits = field(default_factory=Limits)
    now: datetime = NOON
    policy: Policy = field(default_factory=_default_policy)

    def __post_init__(self) -> None:
        self.operations = Operations(catalog(), schema_of, self.limits, max_tokens=20_000)
        self.log = Kept()
        lanes = Lanes(self._held, 1, wait_s=1, lend_s=60)
        self.reader = Reader(lanes, self.operations, Boundless(), self.log, bulk=BulkReads(0, 1), answers=self._answers)

    def _answers(
        self, connection: Any, asker: Principal, now: datetime, locale: Locale, note: Note
    ) -> Mapping[str, Answer]:
        explaining = Explaining(connection, self.policy, catalog(), asker, now, locale, "Asia/Shanghai", note)
        return {"explainAccess": explaining.explain, "accessReport": explaining.report}

    async def _held(self) -> Connection:
        return self.connection

    async def run(self, principal: Principal, text: str, variables: Mapping[str, Any] | None = None) -> bytes:
        """The `data` of the answer. Raises CrmError."""
        data, _ = await self.answered(principal, text, variables)
        return data

    async def answered(
        self, principal: Principal, text: str, variables: Mapping[str, Any] | None = None
    ) -> tuple[bytes, int]:
        """The `data` of the answer, and its cost. Raises CrmError."""
        document = await self.operations.document(text, principal.access)
        data, cost, _ = await self.reader.run(
            document,
            document.operation(None),
            variables or {},
            principal=principal,
            now=self.now,
            locale="en",
            request_id=lambda: "test",
        )
        return data, cost

    async def data(self, principal: Principal, text: str, variables: Mapping[str, Any] | None = None) -> Any:
        """The answer, read."""
        return orjson.loads(await self.run(principal, text, variables))

    async def statement(self, principal: Principal, text: str, variables: Mapping[str, Any] | None = None) -> str:
        """The SQL that a query is answered by."""
        document = await self.operations.document(text, principal.access)
        prepared = await self.operations.prepare(document, document.operation(None), variables or {}, principal.access)
        return prepared.statement.text

    async def export(
        self, principal: Principal, text: str, variables: Mapping[str, Any] | None = None
    ) -> tuple[PreparedExport, list[bytes]]:
        """An export and all of its rows, read in the transaction that is open. Raises CrmError."""
        given = variables or {}
        prepared = await prepare_export(self.operations, text, None, given, None, access=principal.access)
        await self.connection.execute(prepared.declare.text, *prepared.bind(given, principal, self.now))
        rows, found = Rows(self.connection, prepared.derived, {}), []
        while batch := await rows.batch():
            found += batch
        await self.connection.execute("CLOSE export")
        return prepared, found


@asynccontextmanager
async def reading(connection: Connection) -> AsyncIterator[None]:
    """A transaction that leaves nothing behind."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()


@pytest.fixture(scope="session")
async def connection(database_url: str) -> AsyncIterator[Connection]:
    """`lane_to` the database of the tests."""
    made = await lane_to(database_url)
    yield made
    await made.close()


async def lane_to(url: str) -> "TestedConnection":
    """A connection with the settings of those that reads take, but for being read-only."""
    settings = {"jit": "off", "plan_cache_mode": "force_generic_plan", "TimeZone": "UTC"}
    made: TestedConnection = await asyncpg.connect(
        dsn(url), connection_class=TestedConnection, server_settings=settings
    )
    made.keep(100)
    await raw_json(made)
    return made


@asynccontextmanager
async def counted(connection: Connection) -> AsyncIterator[list[str]]:
    """The statements that run meanwhile, as their texts."""
    texts: list[str] = []

    def note(record: Any) -> None:
        texts.append(record.query)

    connection.add_query_logger(note)
    if isinstance(connection, TestedConnection):
        connection.texts = texts
    try:
        yield texts
        # asyncpg tells its loggers at the next turn of the loop.
        await asyncio.sleep(0)
    finally:
        connection.remove_query_logger(note)
        if isinstance(connection, TestedConnection):
            connection.texts = []


class TestedConnection(LaneConnection):
    """A connection of reads that notes what it runs prepared: asyncpg's loggers are not told."""

    __slots__ = ("texts",)
    __test__ = False

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.texts: list[str] = []

    async def prepared(self, statement: str) -> Fetch:
        fetch = await super().prepared(statement)

        def noted(*arguments: Any) -> Awaitable[Sequence[Any]]:
            self.texts.append(statement)
            return fetch(*arguments)

        self.fetches[statement] = noted
        return noted
