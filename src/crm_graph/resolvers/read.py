"""Stage 4: a prepared operation is bound to the request's variables and run; the bytes of Postgres are the answer."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import asyncpg

from crm_graph.catalog import Catalog, EntityType
from crm_graph.db import DATABASE_FAILURES, ENDED_MEANWHILE
from crm_graph.errors import BadVariables, CrmError, TimedOut, Unavailable
from crm_graph.lanes import Lanes, each_lent
from crm_graph.messages import Locale
from crm_graph.permissions.principals import Principal
from crm_graph.replicas.reads import Replica
from crm_graph.resolvers.bulk_reads import BulkReads
from crm_graph.resolvers.cost import cost_of_refusal, require_within
from crm_graph.resolvers.derived import Compute, fill
from crm_graph.resolvers.documents import Document, Operation, check_variables
from crm_graph.resolvers.lookups import LookupSite, RequestId, told
from crm_graph.resolvers.operations import Operations, PreparedRead
from crm_graph.resolvers.questions import Answers, answer_all
from crm_graph.services import role_holders, workflows
from crm_graph.services.reads import LOOKUPS, AuditedRead, ReadLog


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
class _Filling:
    """What an answer wants filled in that no column holds; `noted` is what has to be written down of it."""

    prepared: PreparedRead
    principal: Principal
    catalog: Catalog
    now: datetime
    locale: Locale
    answers: Answers
    noted: Sequence[AuditedRead] = ()

    async def fill(self, answer: bytes, connection: Any) -> bytes:
        """The whole answer, asked for on the connection that read the rows."""
        if self.prepared.derived:
            computed = derived_fields(connection, self.principal, self.catalog, self.now, self.locale)
            answer = await fill(answer, self.prepared.derived, each_lent(connection, computed))
        if self.prepared.questions:
            noted: list[AuditedRead] = []
            answers = self.answers(connection, self.principal, self.now, self.locale, noted.append)
            answer = await answer_all(answer, self.prepared.questions, each_lent(connection, answers))
            self.noted = noted
        return answer


@dataclass(slots=True)
class _Ask:
    """A statement with its arguments: it can be run on one connection and, if that fails, on another."""

    statement: str
    arguments: list[Any]
    filling: _Filling | None

    async def run(self, lanes: Lanes | Replica, connection: Any) -> bytes:
        """The answer; the connection goes back to where it came from, and an unfinished statement is ended with it."""
        ended_well = False
        try:
            fetch = connection.fetches.get(self.statement) or await connection.prepared(self.statement)
            rows = await fetch(*self.arguments)
            answer: bytes = rows[0][0]
            if self.filling is not None:
                answer = await self.filling.fill(answer, connection)
            ended_well = True
        except CrmError:
            # It is about what was asked; no statement runs.
            ended_well = True
            raise
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

    def __init__(
        self,
        lanes: Lanes,
        operations: Operations,
        purse: Purse,
        read_log: ReadLog,
        replica: Replica | None = None,
        *,
        bulk: BulkReads,
        answers: Answers,
    ) -> None:
        self._lanes = lanes
        self._operations = operations
        self._purse = purse
        self._log = read_log
        self._bulk = bulk
        self._replica = replica
        self._answers = answers

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

    async def run(  # noqa: C901, PLR0912 - each further coroutine costs a small read a hundredth of its time
        self,
        document: Document,
        operation: Operation,
        variables: Mapping[str, Any],
        *,
        principal: Principal,
        now: datetime,
        locale: Locale,
        request_id: RequestId,
        after: int = 0,
    ) -> Answered:
        """The answer and its cost, from a state that holds everything up to the position `after`. Raises CrmError;
        TIMEOUT and UNAVAILABLE are ours.
        """
        prepared = self._operations.kept_read(operation, variables)
        if prepared is None:
            prepared = await self._prepare(document, operation, variables, principal)
        try:
            arguments = prepared.bind(variables, principal, now)
        except CrmError:
            # A prepared shape skips this check; what is told of a value must not depend on what was asked before.
            check_variables(document, operation, variables)
            raise
        if prepared.questions:
            # Whole inputs are read by who answers, who takes them for what their types say.
            check_variables(document, operation, variables)
        requested = prepared.cost.of(arguments)
        require_within(requested, self._operations.limits)
        remaining = self._purse.spend(principal, requested)
        if remaining is None:
            remaining = await self._purse.charge(principal, requested)
        if prepared.known is not None:
            return prepared.known, requested, remaining
        filling = None
        if prepared.derived or prepared.questions:
            filling = _Filling(prepared, principal, self._operations.catalog, now, locale, self._answers)
        ask = _Ask(prepared.statement.text, arguments, filling)
        data = None
        if prepared.lookups:
            await self._allow(prepared.lookups, variables, principal)
        elif self._replica is not None and not prepared.feeds:
            data = await self._from_replica(self._replica, ask, principal, after)
        if data is None:
            try:
                connection = self._lanes.at_hand() or await self._lanes.take()
            except (*_LOST, TimeoutError):
                raise Unavailable from None
            try:
                data = await ask.run(self._lanes, connection)
            except (asyncpg.QueryCanceledError, TimeoutError):
                raise TimedOut from None
            except _LOST:
                raise Unavailable from None
        if prepared.lookups:
            data = await self._written_down(data, prepared.lookups, variables, principal, request_id())
        if prepared.feeds:
            data = self._operations.cursors.sealed(data)
        if filling is not None and filling.noted:
            await self._log.write(principal, request_id(), filling.noted)
        if prepared.lists:
            crossed = self._bulk.count(principal, prepared.lists, arguments, data)
            if crossed:
                await self._log.write(principal, request_id(), crossed)
        return data, requested, remaining

    async def _allow(self, lookups: Sequence[LookupSite], variables: Mapping[str, Any], principal: Principal) -> None:
        """Take the values that are looked up from the asker's allowance. Raises RateLimited."""
        await self._log.allow(LOOKUPS, principal, sum(len(lookup.values(variables)) for lookup in lookups))

    async def _written_down(
        self,
        answer: bytes,
        lookups: Sequence[LookupSite],
        variables: Mapping[str, Any],
        principal: Principal,
        request_id: str,
    ) -> bytes:
        """The answer, once it stands in the log who is told what. Raises Unavailable where it cannot be written."""
        data, reads = told(answer, lookups, variables, self._log.hashes)
        await self._log.write(principal, request_id, reads)
        return data

    async def _from_replica(self, replica: Replica, ask: _Ask, principal: Principal, after: int) -> bytes | None:
        """The answer of the replica; None where the primary has to answer. Whatever the replica fails with (it went
        away, a row version was cleaned up under the read, a table is not there yet), the primary decides; but a
        statement that took too long is not begun again.
        """
        connection = await replica.take(principal.user_id, after)
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

    async def held_roles(_entity: EntityType, ids: Sequence[UUID]) -> Mapping[UUID, Any]:
        return await role_holders.held_roles(connection, ids, now)

    return {"available_transitions": available_transitions, "held_roles": held_roles}
