"""The hub in process: documents go in as a role set's operations, bytes come out, all on one connection."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import orjson
from graphql import ExecutionResult
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.access import Access
from crm_graph.catalog import Catalog
from crm_graph.db import LaneConnection, dsn, engine_on, raw_json
from crm_graph.lanes import Lanes
from crm_graph.messages import Locale
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.rules import Policy
from crm_graph.proof.datasets import SOURCE
from crm_graph.proof.rows import NOON, Connection, Tables, id_source
from crm_graph.resolvers.bulk_reads import BulkReads
from crm_graph.resolvers.documents import read_document
from crm_graph.resolvers.exports.preparing import PreparedExport, prepare_export
from crm_graph.resolvers.exports.running import Rows
from crm_graph.resolvers.operations import Operations, RoleSchemas
from crm_graph.resolvers.plan import Limits
from crm_graph.resolvers.questions import Answer as QuestionAnswer
from crm_graph.resolvers.read import Reader, derived_fields
from crm_graph.resolvers.write import Begin, MutationContext, run_mutation
from crm_graph.schema.vocabulary import vocabulary_of
from crm_graph.services.explanations import Explaining
from crm_graph.services.grant_previews import Previewing
from crm_graph.services.reads import AuditedRead, Note
from crm_graph.transaction import begin

Lane = TypeVar("Lane", bound=LaneConnection)

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
    search_rare=1,
    search_anywhere=2,
    search_some=3,
    search_broad=1,
    search_newest=3,
    lookup_rows=2,
)
"""Limits that small data reaches."""


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


class Engine:
    """Compiled reads on one connection, over a catalog, with the schemas of its role sets."""

    def __init__(
        self,
        connection: Connection,
        catalog: Catalog,
        schema_of: RoleSchemas,
        *,
        limits: Limits = SMALL,
        now: datetime = NOON,
        policy: Policy,
    ) -> None:
        self.connection, self.catalog, self.schema_of = connection, catalog, schema_of
        self.limits, self.now, self.policy = limits, now, policy
        self.operations = Operations(catalog, schema_of, limits, max_tokens=20_000)
        self.vocabulary = vocabulary_of(catalog)
        self.log = Kept()
        lanes = Lanes(self._held, 1, wait_s=1, lend_s=60)
        self.reader = Reader(lanes, self.operations, Boundless(), self.log, bulk=BulkReads(0, 1), answers=self._answers)

    async def _held(self) -> Connection:
        return self.connection

    def _answers(
        self, connection: Any, asker: Principal, now: datetime, locale: Locale, note: Note
    ) -> Mapping[str, QuestionAnswer]:
        explaining = Explaining(
            connection, self.policy, self.catalog, asker, now, locale, "Asia/Shanghai", note, self.vocabulary
        )
        previewing = Previewing(connection, self.policy, self.catalog, asker, now, locale, _never_valid, {}, note)
        return {
            "explainAccess": explaining.explain,
            "accessReport": explaining.report,
            "previewGrants": previewing.preview,
        }

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
            request_id=lambda: "proof",
        )
        return data, cost

    async def export(
        self, principal: Principal, text: str, variables: Mapping[str, Any] | None = None
    ) -> tuple[PreparedExport, list[bytes]]:
        """An export and all of its rows, read in the transaction that is open. Raises CrmError."""
        given = variables or {}
        prepared = await prepare_export(self.operations, text, None, given, None, access=principal.access)
        await self.connection.execute(prepared.declare.text, *prepared.bind(given, principal, self.now))
        computed = derived_fields(self.connection, principal, self.catalog, self.now, "en")
        rows, found = Rows(self.connection, prepared.derived, computed), []
        while batch := await rows.batch():
            found += batch
        await self.connection.execute("CLOSE export")
        return prepared, found

    async def changed(self, principal: Principal, text: str, variables: Mapping[str, Any]) -> bytes:
        """The answer of a mutation within the transaction that is open, with its errors. Raises CrmError."""
        return await mutated(self.operations, self.writing(principal), principal, text, variables)

    def writing(self, principal: Principal) -> Begin:
        """Begins what somebody writes within the transaction that is open."""
        ids = id_source(7)
        return lambda: begin(
            self._writes, principal, self.catalog, lambda: self.now, ids, source=SOURCE, request_id="proof"
        )

    @cached_property
    def _writes(self) -> AsyncEngine:
        return engine_on(self.connection)


async def _never_valid(_access: Access, _document: str) -> None:
    """There are no documents."""


async def mutated(
    operations: Operations, begin_: Begin, principal: Principal, text: str, variables: Mapping[str, Any]
) -> bytes:
    """The answer of a mutation. Raises CrmError."""
    document = read_document(text, await operations.schema(principal.access), max_tokens=20_000)
    context = MutationContext(
        operations=operations,
        begin=begin_,
        locale="en",
        document=document,
        operation=document.operation(None),
        variables=variables,
        audit=Kept(),
    )
    result: ExecutionResult = await run_mutation(context)
    errors = [(e.message, e.path, repr(e.original_error)) for e in result.errors or ()]
    return orjson.dumps([result.data, errors], default=str)


@asynccontextmanager
async def reading(connection: Connection) -> AsyncIterator[None]:
    """A transaction that leaves nothing behind."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()


async def lane_to(url: str, kind: type[Lane]) -> Lane:
    """A connection with the settings of those that reads take, but for being read-only."""
    settings = {"jit": "off", "plan_cache_mode": "force_generic_plan", "TimeZone": "UTC"}
    made: Lane = await asyncpg.connect(dsn(url), connection_class=kind, server_settings=settings)
    made.keep(100)
    await raw_json(made)
    return made
