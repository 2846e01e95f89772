"""Mutations: each root field is one transaction; the record in its payload is a compiled read in that transaction."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from inspect import isawaitable
from typing import Any
from uuid import UUID

import orjson
from graphql import ExecutionResult, Executor, GraphQLError, GraphQLObjectType, get_named_type
from graphql.pyutils import Path

from crm_graph.access import Access
from crm_graph.catalog import PG_TYPES, Catalog
from crm_graph.errors import BadVariables, CrmError, RequestFault, UserFault
from crm_graph.fragments import const, render, sql
from crm_graph.messages import Locale
from crm_graph.resolvers.arguments import require_short
from crm_graph.resolvers.binding import Binding
from crm_graph.resolvers.derived import fill, in_object
from crm_graph.resolvers.documents import Document, Operation, Problem
from crm_graph.resolvers.listings import one_of
from crm_graph.resolvers.operations import Operations
from crm_graph.resolvers.plan import Limits, Lookup, ObjectPlan
from crm_graph.resolvers.planner import Planner
from crm_graph.resolvers.read import derived_fields
from crm_graph.resolvers.rows import Context
from crm_graph.resolvers.selection import SelectionReader, reader_of
from crm_graph.resolvers.sql import Writer
from crm_graph.resolvers.trusted_documents import TrustedDocuments
from crm_graph.services import idempotency
from crm_graph.services.listings import ListedRef
from crm_graph.services.reads import ReadLog
from crm_graph.services.uploads import NO_FILES, FileLimits
from crm_graph.transaction import Transaction

Begin = Callable[[], AbstractAsyncContextManager[Transaction]]


async def _free(_context: "MutationContext") -> None:
    """Charges nothing."""


@dataclass(frozen=True, slots=True)
class RecordRef:
    """A record in a payload; it is read, with the asker's rights, when the payload is completed."""

    entity: str
    id: UUID


@dataclass
class MutationContext:
    """What the fields of one mutation operation share. `tx` is the transaction of the field that is running, `failure`
    what refused it: the field is then completed a second time, without the verb, to tell of it. `unread` is why its
    record could not be read, which takes the change back; `committed` counts the fields that took effect, `position` is
    how far they reach in the log. `charge` is called before anything runs, and notes what the operation costs.
    `unkept` is an answer that may not be told again from a store: who repeats it is written down again.
    With `rights_approval`, edits of rights are proposed.
    """

    operations: Operations
    begin: Begin
    locale: Locale
    document: Document
    operation: Operation
    variables: Mapping[str, Any]
    idempotency_key: str | None = None
    idempotency_lifetime: timedelta = idempotency.LIFETIME
    charge: Callable[["MutationContext"], Awaitable[None]] = _free
    requested: int = 0
    remaining: int | None = None
    trusted: TrustedDocuments | None = None
    audit: ReadLog | None = None
    unkept: bool = False
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    rights_approval: bool = False
    files: FileLimits = NO_FILES
    tx: Transaction | None = None
    failure: CrmError | None = None
    unread: Exception | None = None
    committed: int = 0
    position: str | None = None
    shown_once: list[str] = field(default_factory=list)
    """Texts that go out in the answer and nowhere else: stored for a retry, it has null in their place."""

    @property
    def catalog(self) -> Catalog:
        return self.operations.catalog

    @property
    def limits(self) -> Limits:
        return self.operations.limits

    def transaction(self) -> Transaction:
        """The running field's transaction."""
        if self.tx is None:
            raise RuntimeError("no transaction outside a mutation field")
        return self.tx

    def reads(self) -> ReadLog:
        """Where reads that matter are counted and written down."""
        if self.audit is None:
            raise RuntimeError("this hub keeps no log of reads")
        return self.audit

    def reader(self) -> SelectionReader:
        """Reads the selection of an entity in a payload."""
        return reader_of(
            self.document.schema,
            self.operation.node,
            self.document.fragments,
            self.variables,
            self.limits.max_depth,
        )

    def request_hash(self, access: Access) -> bytes:
        """SHA-256 of what was asked and under which rights: a stored answer is not told to who has lost some since."""
        asked = [access.fingerprint, self.document.text, self.operation.name, dict(self.variables)]
        body = orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(body).digest()


class MutationExecutor(Executor[Any]):
    """graphql-core's executor with two changes: a root field runs in a transaction, a record is a compiled read."""

    context_value: MutationContext

    def execute_field(
        self, parent_type: GraphQLObjectType, source: Any, field_details_list: Any, path: Path, position_context: Any
    ) -> Any:
        run = super().execute_field
        if parent_type is not self.schema.mutation_type or path.prev is not None:
            return run(parent_type, source, field_details_list, path, position_context)

        async def complete() -> Any:
            answer = run(parent_type, source, field_details_list, path, position_context)
            return await answer if isawaitable(answer) else answer

        return _in_transaction(self.context_value, str(path.key), complete)

    def complete_value(  # noqa: PLR0917 - the same
        self, return_type: Any, field_details_list: Any, info: Any, path: Any, result: Any, position_context: Any
    ) -> Any:
        if isinstance(result, RecordRef | ListedRef):
            return _record(self.context_value, result, field_details_list, get_named_type(return_type))
        return super().complete_value(return_type, field_details_list, info, path, result, position_context)


async def _in_transaction(context: MutationContext, key: str, complete: Callable[[], Awaitable[Any]]) -> Any:
    """Run one mutation field. What the user can correct rolls its transaction back and becomes the payload's errors;
    what refuses the request is raised as it is while nothing has taken effect; all else is an error of this field.
    """
    context.failure = context.unread = None
    context.unkept = False
    try:
        answer = await _committed(context, key, complete)
        context.committed += 1
        return orjson.Fragment(answer)
    except UserFault as fault:
        context.failure = fault
    except GraphQLError:
        raise
    except Exception as failure:
        if isinstance(failure, RequestFault) and not context.committed:
            raise
        raise GraphQLError("the field failed", path=[key], original_error=failure) from failure
    finally:
        context.tx = None
    return await complete()


async def _committed(context: MutationContext, key: str, complete: Callable[[], Awaitable[Any]]) -> bytes:
    """The field's answer, after its transaction."""
    async with context.begin() as tx:
        context.tx = tx
        answer = await _answer(context, tx, key, complete)
    context.position = tx.position
    return answer


async def _answer(context: MutationContext, tx: Transaction, key: str, complete: Callable[[], Awaitable[Any]]) -> bytes:
    """The field's answer, stored under its idempotency key with the change; a retry is answered and not repeated."""
    if context.idempotency_key is not None:
        lifetime = context.idempotency_lifetime
        stored = await idempotency.claim(tx, context.idempotency_key, key, context.request_hash(tx.access), lifetime)
        if stored is not None:
            tx.discard()
            return stored
    answer = orjson.dumps(await _unwrapped(complete))
    if context.unread is not None:
        raise context.unread
    if context.idempotency_key is not None and context.unkept:
        await idempotency.release(tx, context.idempotency_key, key)
    elif context.idempotency_key is not None:
        stored = _without(answer, context.shown_once)
        await idempotency.store(tx, context.idempotency_key, key, stored, tx.subject_id)
    return answer


def _without(answer: bytes, texts: Sequence[str]) -> bytes:
    """An answer with null for what is shown once, under whatever names it was asked for."""
    for text in texts:
        answer = answer.replace(orjson.dumps(text), b"null")
    return answer


async def _unwrapped(complete: Callable[[], Awaitable[Any]]) -> Any:
    """The completed field. Its failure leaves the executor as it was raised, so that the transaction can tell it."""
    try:
        return await complete()
    except GraphQLError as error:
        raise error.original_error or error from error


async def _record(
    context: MutationContext, ref: RecordRef | ListedRef, field_details_list: Any, type_: GraphQLObjectType
) -> Any:
    """The entity of a payload. What is wrong with its selection shows only now, and nothing of the field may stay."""
    try:
        # Several records of one payload are completed at once, and there is one connection.
        async with context.reading:
            return await _read_record(context, ref, field_details_list, type_)
    except Exception as error:  # noqa: BLE001 - `_committed` raises it, once the executor is out of the way
        context.unread = error
        return None


async def _read_record(
    context: MutationContext, ref: RecordRef | ListedRef, field_details_list: Any, type_: GraphQLObjectType
) -> Any:
    """The entity of a payload as raw JSON; None when it has left the asker's scope."""
    tx = context.transaction()
    selections = [
        selection
        for details in field_details_list
        if details.node.selection_set
        for selection in details.node.selection_set.selections
    ]
    selection = context.reader().read(type_, selections)
    if isinstance(ref, ListedRef):
        one = render(one_of(ref.listing, const(ref.key, PG_TYPES[ref.listing.of]), selection))
        told = await tx.driver().fetchval(
            one.text, *Binding(one.sources).values(context.variables, tx.principal, tx.now)
        )
        return None if told is None else orjson.Fragment(told)
    # The record's history tells of this change already.
    await tx.flush()
    entity = context.catalog[ref.entity]
    plan = Planner(context.catalog, tx.access, context.limits).object(entity, selection)
    answer = await _fetch(context, tx, plan, ref)
    return None if answer is None else orjson.Fragment(answer)


async def _fetch(context: MutationContext, tx: Transaction, plan: ObjectPlan, ref: RecordRef) -> bytes | None:
    writer = Writer(Context(context.catalog, tx.access, context.limits))
    statement = render(sql("SELECT {row}", row=writer.lookup(Lookup("", plan, id=const(ref.id, "uuid")))))
    arguments = Binding(statement.sources).values(context.variables, tx.principal, tx.now)
    answer: bytes | None = await tx.driver().fetchval(statement.text, *arguments)
    sites = tuple(in_object(plan, ()))
    if answer is None or not sites:
        return answer
    return await fill(answer, sites, derived_fields(tx.driver(), tx.principal, context.catalog, tx.now, context.locale))


async def run_mutation(context: MutationContext) -> ExecutionResult:
    """Run a valid mutation operation. Raises BadVariables for variables that do not fit, and what `charge` raises; what
    fails in a field is told in the result.
    """
    require_short(context.variables)
    executor = MutationExecutor.build(
        context.document.schema,
        context.document.node,
        context_value=context,
        raw_variable_values=dict(context.variables),
        operation_name=context.operation.name or None,
        hide_suggestions=True,
    )
    if isinstance(executor, list):
        raise BadVariables("bad_variables", problems=[Problem(error) for error in executor])
    await context.charge(context)
    running = executor.execute_operation()
    result = await running if isawaitable(running) else running
    if not isinstance(result, ExecutionResult):
        raise TypeError("mutations are not answered incrementally")
    return result
