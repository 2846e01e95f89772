"""The engine under test, in process: documents go in as a role set's operations, bytes come out, on one connection."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cache
from typing import Any

import orjson
import pytest
from graphql import GraphQLSchema

from crm_graph.access import Access
from crm_graph.bounded import Bounded
from crm_graph.catalog import Catalog, build_catalog
from crm_graph.db import Fetch, LaneConnection
from crm_graph.permissions.effective import effective_access
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.rules import Policy, RoleRule
from crm_graph.proof.engine import Engine, lane_to
from crm_graph.proof.rows import NOON, Connection
from crm_graph.resolvers.operations import RoleSchemas
from crm_graph.resolvers.plan import Limits
from crm_graph.schema.build import build_schema, role_schemas
from reference.custom import CUSTOM_FIELDS


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


class Compiled(Engine):
    """Compiled reads of the tests' catalog on one connection, with what tests ask beside answers."""

    def __init__(
        self,
        connection: Connection,
        limits: Limits | None = None,
        now: datetime = NOON,
        policy: Policy | None = None,
    ) -> None:
        known = policy or _default_policy()
        super().__init__(connection, catalog(), schema_of, limits=limits or Limits(), now=now, policy=known)

    async def run(self, principal: Principal, text: str, variables: Mapping[str, Any] | None = None) -> bytes:
        """The `data` of the answer. Raises CrmError."""
        data, _ = await self.answered(principal, text, variables)
        return data

    async def data(self, principal: Principal, text: str, variables: Mapping[str, Any] | None = None) -> Any:
        """The answer, read."""
        return orjson.loads(await self.run(principal, text, variables))

    async def statement(self, principal: Principal, text: str, variables: Mapping[str, Any] | None = None) -> str:
        """The SQL that a query is answered by."""
        document = await self.operations.document(text, principal.access)
        prepared = await self.operations.prepare(document, document.operation(None), variables or {}, principal.access)
        return prepared.statement.text


@pytest.fixture(scope="session")
async def connection(database_url: str) -> AsyncIterator[Connection]:
    """A lane to the database of the tests."""
    made = await lane_to(database_url, TestedConnection)
    yield made
    await made.close()


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
