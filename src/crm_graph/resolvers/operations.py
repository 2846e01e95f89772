"""Documents and what was compiled of them, kept for the next request: stages 1 to 3, once for each shape."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from secrets import token_bytes
from typing import Any

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
from crm_graph.catalog import Catalog
from crm_graph.errors import BadVariables, CrmError, UserFault, ValidationFailed
from crm_graph.fragments import Const, Statement
from crm_graph.permissions.principals import Principal
from crm_graph.resolvers.binding import Binding
from crm_graph.resolvers.bulk_reads import Listed, listed_in
from crm_graph.resolvers.cost import Cost, cost_of_read
from crm_graph.resolvers.derived import Site, sites_of
from crm_graph.resolvers.documents import Document, Operation, check_variables, is_constant, read_document
from crm_graph.resolvers.feed.cursors import FeedCursors
from crm_graph.resolvers.lookups import LookupSite, lookups_of
from crm_graph.resolvers.plan import Feed, Limits, Literal
from crm_graph.resolvers.planner import plan_read
from crm_graph.resolvers.questions import Asked, asked_of
from crm_graph.resolvers.selection import reader_of
from crm_graph.resolvers.sql import compile_read
from crm_graph.scalars import Parser

KEPT_SCHEMAS = 64
KEPT_BYTES = 50_000_000
"""What documents and all that was compiled of them may take, about: some four thousand of them."""
TREE_BYTES = 100
"""What a character of a document takes as part of a syntax tree."""
READS = 500
"""So many shapes are kept of an operation, the latest."""
SHAPE_CHARACTERS = 10_000
"""Variables of a larger shape are compiled for each time: what is kept is not to be filled with keys."""
NOTHING = Binding()
RoleSchemas = Callable[[Access], GraphQLSchema]


@dataclass(frozen=True, slots=True)
class PreparedRead:
    """A query compiled for one role set and one shape of its variables. `unused` values are checked all the same.
    `known` is the whole answer where no row is asked for; its statement is empty and never run. `lookups` are what is
    written down before the answer is told, `lists` what is counted of it. With `feeds`, places in the log are to be
    sealed.
    """

    statement: Statement
    cost: Cost
    derived: tuple[Site, ...] = ()
    arguments: Binding = NOTHING
    unused: Binding | None = None
    known: bytes | None = None
    lookups: tuple[LookupSite, ...] = ()
    questions: tuple[Asked, ...] = ()
    lists: tuple[Listed, ...] = ()
    feeds: bool = False

    def bind(self, variables: Mapping[str, Any], principal: Principal, now: datetime) -> list[Any]:
        """The statement's arguments. Raises BadVariables for a value that does not fit."""
        if self.unused is not None:
            self.unused.values(variables, principal, now)
        return self.arguments.values(variables, principal, now)


class Operations:
    """Documents of one process by role set, each with what was compiled of its operations. `found` and `compiled` count
    how often a prepared operation was there, and how often not.
    """

    def __init__(
        self,
        catalog: Catalog,
        role_schemas: RoleSchemas,
        limits: Limits,
        *,
        max_tokens: int,
        cursors: FeedCursors | None = None,
    ) -> None:
        self.catalog = catalog
        self.limits = limits
        self._role_schemas = role_schemas
        self._max_tokens = max_tokens
        self.cursors = cursors or FeedCursors(token_bytes(32))
        self._documents: Bounded[tuple[str, str], Document] = Bounded(KEPT_BYTES, _weight)
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
            read = await asyncio.to_thread(read_document, text, schema, self._max_tokens)
            # Somebody else may have read it meanwhile: what is compiled of it is kept on one of them.
            found = self.kept_document(text, access)
            if found is None:
                found = read
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

    def kept_read(self, operation: Operation, variables: Mapping[str, Any]) -> PreparedRead | None:
        """The compiled query, if its shape was asked for before."""
        prepared: PreparedRead | None = operation.reads.get(operation.shape(variables))
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
        while (prepared := self.kept_read(operation, variables)) is None:
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
        prepared = await asyncio.to_thread(
            _prepared, *asked, catalog=self.catalog, limits=self.limits, opened=self.cursors
        )
        shape = key[-1]
        if len(repr(shape)) <= SHAPE_CHARACTERS:
            reads = operation.reads
            if len(reads) >= READS:
                del reads[next(iter(reads))]
            reads[shape] = prepared
            # Put back with its new weight.
            self._documents.put((document.text, access.fingerprint), document)
        return prepared


def _prepared(
    document: Document,
    operation: Operation,
    variables: Mapping[str, Any],
    access: Access,
    *,
    catalog: Catalog,
    limits: Limits,
    opened: Parser,
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
        plan = plan_read(selection, catalog, access, limits, opened)
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
        statement,
        cost,
        sites_of(plan),
        Binding(statement.sources),
        Binding(unused) if unused else None,
        lookups=lookups_of(plan),
        questions=asked_of(plan),
        lists=listed_in(plan, statement.sources, catalog),
        feeds=any(isinstance(root, Feed) for root in plan.roots),
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


def _weight(document: Document) -> int:
    """About the bytes that a document takes, with what was compiled of it: syntax trees, statements, literals."""
    reads = (prepared for operation in document.operations.values() for prepared in operation.reads.values())
    return TREE_BYTES * (len(document.text) + 10) + sum(_read_weight(prepared) for prepared in reads)


def _read_weight(prepared: PreparedRead) -> int:
    consts = (s.value for s in prepared.statement.sources if isinstance(s, Const))
    literals = sum(len(c) for c in consts if isinstance(c, bytes)) + len(prepared.known or b"")
    return len(prepared.statement.text) + literals + 1_000


def of_request(fault: UserFault) -> CrmError:
    """What is wrong with an argument refuses the whole request."""
    kind = BadVariables if fault.template_key.startswith("predicate_value") else ValidationFailed
    return kind(fault.template_key, path=fault.path, **fault.details)
