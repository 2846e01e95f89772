"""Stage 4: a prepared operation is bound to the request's variables and run; the bytes of Postgres are the answer."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import asyncpg
import orjson
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    execute_sync,
)

from crm_graph.access import Access
from crm_graph.bounded import Bounded
from crm_graph.catalog import Catalog, EntityType
from crm_graph.db import DATABASE_FAILURES, ENDED_MEANWHILE
from crm_graph.errors import BadVariables, CrmError, TimedOut, Unavailable, UserFault, ValidationFailed
from crm_graph.fragments import Const, Statement
from crm_graph.lanes import Lanes
from crm_graph.messages import Locale
from crm_graph.permissions.principals import Principal
from crm_graph.replicas.reads import Replica
from crm_graph.resolvers.binding import Binding
from crm_graph.resolvers.cost import Cost, cost_of_read, cost_of_refusal, require_within
from crm_graph.resolvers.derived import Compute, Site, fill, sites_of
from crm_graph.resolvers.documents import Document, Operation, check_variables, is_constant, read_document
from crm_graph.resolvers.plan import Limits, Literal
from crm_graph.resolvers.planner import plan_read
from crm_graph.resolvers.selection import reader_of
from crm_graph.resolvers.sql import compile_read
from crm_graph.services import workflows

KEPT_SCHEMAS = 64
DOCUMENT_CHARACTERS = 1_000_000
STATEMENT_CHARACTERS = 20_000_000
KNOWN_BYTES = 50_000_000
SHAPE_CHARACTERS = 10_000
"""Variables of a larger shape are compiled for each time: what is kept is not to be filled with keys."""
NOTHING = Binding()
RoleSchemas = Callable[[Access], GraphQLSchema]


@dataclass(frozen=True, slots=True)
class PreparedRead:
    """A query compiled for one role set and one shape of its variables. `unused` values are checked all the same.
    `known` is the whole answer where no row is asked for; its statement is empty and never run.
    """

    statement: Statement
    cost: Cost
    derived: tuple[Site, ...] = ()
    arguments: Binding = NOTHING
    unused: Binding | None = None
    known: bytes | None = None

    def bind(self, variables: Mapping[str, Any], principal: Principal, now: datetime) -> list[Any]:
        """The statement's arguments. Raises BadVariables for a value that does not fit."""
        if self.unused is not None:
            self.unused.values(variables, principal, now)
        return self.arguments.values(variables, principal, now)


class Operations:
    """Documents and prepared operations of one process, by role set. What is kept is bounded by its text, since a
    hostile document is large: a syntax tree takes some hundred times the memory of its characters. `found` and
    `compiled` count how often a prepared operation was there, and how often not.
    """

    def __init__(self, catalog: Catalog, role_schemas: RoleSchemas, limits: Limits, *, max_tokens: int) -> None:
        self.catalog = catalog
        self.limits = limits
        self._role_schemas = role_schemas
        self._max_tokens = max_tokens
        self._documents: Bounded[tuple[str, str], Document] = Bounded(DOCUMENT_CHARACTERS, _document_weight)
        self._prepared: Bounded[tuple[Any, ...], PreparedRead] = Bounded(STATEMENT_CHARACTERS, _statement_weight)
        self._known: Bounded[tuple[Any, ...], PreparedRead] = Bounded(KNOWN_BYTES, _known_weight)
        self._compiling: dict[tuple[Any, ...], asyncio.Task[PreparedRead]] = {}
        self.found = 0
        self.compiled = 0
        self._schemas: Bounded[str, asyncio.Task[GraphQLSchema]] = Bounded(KEPT_SCHEMAS)

    def kept_document(self, text: str, access: Access) -> Document | None:
        """The document, if it was asked for before by this role set."""
        return self._documents.get((text, access.fingerprint))

    async def document(self, text: str, access: Access) -> Document:
        """The document, valid for the role set. Raises ParseFailed or ValidationFailed."""
        found = self.kept_document(text, access)
        if found is None:
            schema = await self.schema(access)
            found = await asyncio.to_thread(read_document, text, schema, self._max_tokens)
            self._documents.put((text, access.fingerprint), found)
        return found

    async def schema(self, access: Access) -> GraphQLSchema:
        """The role set's schema, built once, off the event loop."""
        building = self._schemas.get(access.fingerprint)
        if building is None:
            building = asyncio.create_task(asyncio.to_thread(self._role_schemas, access))
            self._schemas.put(access.fingerprint, building)
        try:
            return await asyncio.shield(building)
        finally:
            if building.done() and (building.cancelled() or building.exception()):
                self._schemas.discard(access.fingerprint)

    def kept_read(
        self, document: Document, operation: Operation, variables: Mapping[str, Any], access: Access
    ) -> PreparedRead | None:
        """The compiled query, if its shape was asked for before by this role set."""
        key = (document.text, access.fingerprint, operation.name, operation.shape(variables))
        prepared = self._prepared.get(key) or self._known.get(key)
        if prepared is not None:
            self.found += 1
        return prepared

    async def prepare(
        self, document: Document, operation: Operation, variables: Mapping[str, Any], access: Access
    ) -> PreparedRead:
        """The compiled query, from the cache where its shape was seen before. It is compiled off the event loop: a
        large document takes some 0.2 s, in which others are answered.
        """
        key = (document.text, access.fingerprint, operation.name, operation.shape(variables))
        while (prepared := self.kept_read(document, operation, variables, access)) is None:
            others = self._compiling.get(key)
            if others is None:
                compiling = asyncio.create_task(self._compile(key, document, operation, variables, access))
                self._compiling[key] = compiling
                compiling.add_done_callback(lambda task: self._compiled(key, task))
                return await asyncio.shield(compiling)
            # Nobody is told what was wrong with the values of somebody else: without a result it is compiled anew.
            await asyncio.wait((others,))
        return prepared

    def _compiled(self, key: tuple[Any, ...], task: asyncio.Task[PreparedRead]) -> None:
        """Let the next one in. Who asked may have gone: a failure counts as seen."""
        del self._compiling[key]
        if not task.cancelled():
            task.exception()

    async def _compile(
        self,
        key: tuple[Any, ...],
        document: Document,
        operation: Operation,
        variables: Mapping[str, Any],
        access: Access,
    ) -> PreparedRead:
        self.compiled += 1
        asked = (document, operation, variables, access)
        prepared = await asyncio.to_thread(_prepared, *asked, self.catalog, self.limits)
        if len(repr(key[-1])) <= SHAPE_CHARACTERS:
            kept = self._prepared if prepared.known is None else self._known
            kept.put(key, prepared)
        return prepared


def _prepared(  # noqa: PLR0917 - six things, each of its own type
    document: Document,
    operation: Operation,
    variables: Mapping[str, Any],
    access: Access,
    catalog: Catalog,
    limits: Limits,
) -> PreparedRead:
    """The compiled query. Runs in a thread, so it changes nothing that another one sees."""
    check_variables(document, operation, variables)
    reader = reader_of(document.schema, operation.node, document.fragments, variables, limits.max_depth)
    root = document.schema.query_type
    if root is None:
        raise ValidationFailed("unknown_operation")
    selections = operation.node.selection_set.selections
    roots = reader.roots(root, selections)
    introspected = {key: nodes for key, nodes in roots.items() if is_constant(nodes[0], document.schema)}
    literals = _introspected(document, operation, variables, introspected)
    selection = reader.read(root, selections, leave_out=introspected)
    try:
        plan = plan_read(selection, catalog, access, limits)
    except UserFault as fault:
        raise of_request(fault) from None
    plan = plan.with_literals(literals, order=list(roots))
    known = plan.known()
    if known is not None:
        return PreparedRead(Statement("", ()), cost_of_read(plan, (), limits), known=known)
    statement = compile_read(plan, catalog, access, limits)
    used = set(statement.sources)
    unused = tuple(source for source in dict.fromkeys(plan.given) if source not in used)
    cost = cost_of_read(plan, statement.sources, limits)
    return PreparedRead(
        statement, cost, sites_of(plan), Binding(statement.sources), Binding(unused) if unused else None
    )


def _introspected(
    document: Document, operation: Operation, variables: Mapping[str, Any], fields: Mapping[str, list[FieldNode]]
) -> list[Literal]:
    """Introspection depends on the role's schema alone, so its answer is part of the prepared operation."""
    if not fields:
        return []
    nodes = tuple(node for same in fields.values() for node in same)
    part = DocumentNode(
        definitions=(
            OperationDefinitionNode(
                operation=operation.node.operation,
                variable_definitions=operation.node.variable_definitions,
                directives=(),
                selection_set=SelectionSetNode(selections=nodes),
            ),
            *document.fragments.values(),
        )
    )
    result = execute_sync(document.schema, part, variable_values=dict(variables))
    if result.errors or result.data is None:
        raise ValidationFailed("introspection_failed")
    return [Literal(key, orjson.dumps(value)) for key, value in result.data.items()]


def _document_weight(document: Document) -> int:
    return len(document.text) + 100


def _statement_weight(prepared: PreparedRead) -> int:
    """Its text, and what of its values is large: literals."""
    consts = (s.value for s in prepared.statement.sources if isinstance(s, Const))
    return len(prepared.statement.text) + sum(len(c) for c in consts if isinstance(c, bytes)) + 1_000


def _known_weight(prepared: PreparedRead) -> int:
    return len(prepared.known or b"") + 1_000


def of_request(fault: UserFault) -> CrmError:
    """What is wrong with an argument refuses the whole request."""
    kind = BadVariables if fault.template_key.startswith("predicate_value") else ValidationFailed
    return kind(fault.template_key, path=fault.path, **fault.details)


class Purse(Protocol):
    """Pays for operations, as `Budgets` does."""

    def spend(self, principal: Principal, cost: int) -> int | None:
        """What is left after paying out of what is at hand; None where that does not do, and nothing is paid."""

    async def charge(self, principal: Principal, cost: int) -> int | None:
        """What is left after paying, None where there is no end. Raises RateLimited."""

    def deposit(self, principal: Principal, cost: int) -> AbstractAsyncContextManager[None]:
        """Hold what a document costs should it be refused, and give it back where it is not. Raises RateLimited."""


Answered = tuple[bytes, int, int | None]
"""The `data` of a query as JSON bytes, what it cost, and what is left to who asked, None where there is no end."""


_LOST = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
    ENDED_MEANWHILE,
)


@dataclass(slots=True)
class _Ask:
    """A prepared read with its arguments: it can be run on one connection and, if that fails, on another."""

    prepared: PreparedRead
    arguments: list[Any]
    principal: Principal
    catalog: Catalog
    now: datetime
    locale: Locale

    async def run(self, lanes: Lanes | Replica, connection: Any) -> bytes:
        """The answer; the connection goes back to where it came from, and an unfinished statement is ended with it."""
        ended_well = False
        try:
            answer: bytes = await connection.fetchval(self.prepared.statement.text, *self.arguments)
            if self.prepared.derived:
                computed = derived_fields(connection, self.principal, self.catalog, self.now, self.locale)
                answer = await fill(answer, self.prepared.derived, computed)
            ended_well = True
        except asyncpg.QueryCanceledError:
            # The server ended the statement, and the connection with its plans is as good as before.
            ended_well = True
            raise
        except asyncpg.InvalidParameterValueError:
            # The one value that Postgres may know less of than we do: its time zones can be older than ours.
            ended_well = True
            raise BadVariables("time_zone_invalid") from None
        finally:
            if ended_well:
                lanes.give(connection)
            else:
                lanes.drop(connection)
        return answer


class Reader:
    """Runs compiled reads on a few connections: to a replica, where there is one that can answer, or to the primary."""

    def __init__(self, lanes: Lanes, operations: Operations, purse: Purse, replica: Replica | None = None) -> None:
        self._lanes = lanes
        self._operations = operations
        self._purse = purse
        self._replica = replica

    async def document(self, text: str, principal: Principal) -> Document:
        """A document that is new for its asker. Raises ParseFailed, ValidationFailed or CostExceeded, and RateLimited
        where the budget does not have what a refusal costs.
        """
        async with self._purse.deposit(principal, cost_of_refusal(text)):
            return await self._operations.document(text, principal.access)

    async def _prepare(
        self, document: Document, operation: Operation, variables: Mapping[str, Any], principal: Principal
    ) -> PreparedRead:
        async with self._purse.deposit(principal, cost_of_refusal(document.text)):
            return await self._operations.prepare(document, operation, variables, principal.access)

    async def run(
        self,
        document: Document,
        operation: Operation,
        variables: Mapping[str, Any],
        *,
        principal: Principal,
        now: datetime,
        locale: Locale,
        after: int = 0,
    ) -> Answered:
        """The answer and its cost, from a state that holds everything up to the position `after`. Raises CrmError;
        TIMEOUT and UNAVAILABLE are ours.
        """
        prepared = self._operations.kept_read(document, operation, variables, principal.access)
        if prepared is None:
            prepared = await self._prepare(document, operation, variables, principal)
        try:
            arguments = prepared.bind(variables, principal, now)
        except CrmError:
            # A prepared shape skips this check; what is told of a value must not depend on what was asked before.
            check_variables(document, operation, variables)
            raise
        requested = prepared.cost.of(arguments)
        require_within(requested, self._operations.limits)
        remaining = self._purse.spend(principal, requested)
        if remaining is None:
            remaining = await self._purse.charge(principal, requested)
        if prepared.known is not None:
            return prepared.known, requested, remaining
        ask = _Ask(prepared, arguments, principal, self._operations.catalog, now, locale)
        data = None if self._replica is None else await self._from_replica(self._replica, ask, after)
        return data or await self._from_primary(ask), requested, remaining

    async def _from_primary(self, ask: _Ask) -> bytes:
        try:
            connection = self._lanes.at_hand() or await self._lanes.take()
        except (*_LOST, TimeoutError):
            raise Unavailable from None
        try:
            return await ask.run(self._lanes, connection)
        except (asyncpg.QueryCanceledError, TimeoutError):
            raise TimedOut from None
        except _LOST:
            raise Unavailable from None

    async def _from_replica(self, replica: Replica, ask: _Ask, after: int) -> bytes | None:
        """The answer of the replica; None where the primary has to answer. Whatever the replica fails with (it went
        away, a row version was cleaned up under the read, a table is not there yet), the primary decides; but a
        statement that took too long is not begun again.
        """
        connection = await replica.take(ask.principal.user_id, after)
        if connection is None:
            return None
        try:
            return await ask.run(replica, connection)
        except asyncpg.QueryCanceledError:
            raise TimedOut from None
        except DATABASE_FAILURES as failure:
            replica.failed(failure)
            return None


def derived_fields(
    connection: Any, principal: Principal, catalog: Catalog, now: datetime, locale: Locale
) -> Mapping[str, Compute]:
    """The functions behind derived fields, on the connection that read the rows."""

    async def available_transitions(entity: EntityType, ids: Sequence[UUID]) -> Mapping[UUID, Any]:
        return await workflows.available_transitions(
            connection, principal, catalog, entity, ids, now=now, locale=locale
        )

    return {"available_transitions": available_transitions}
