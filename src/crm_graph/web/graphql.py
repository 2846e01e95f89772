"""GraphQL over HTTP (current draft): the edge of `/graphql`. Reads go to the database and back as bytes."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from secrets import token_hex
from time import perf_counter
from typing import Any, NamedTuple

import orjson
import structlog
from graphql import ExecutionResult, GraphQLError
from starlette.types import Message, Receive, Scope, Send

from crm_graph.errors import (
    BadVariables,
    CostExceeded,
    CrmError,
    MalformedRequest,
    MethodNotAllowed,
    NotAcceptable,
    RateLimited,
    RequestFault,
    Unauthenticated,
    UnsupportedMediaType,
    ValidationFailed,
)
from crm_graph.messages import Locale, locale_of, render
from crm_graph.permissions.authentication import Principals
from crm_graph.permissions.budgets import Budgets
from crm_graph.permissions.principals import Principal
from crm_graph.replicas.positions import HEADER
from crm_graph.resolvers.cost import REFUSED_CHARACTER, cost_of_mutation, require_within
from crm_graph.resolvers.documents import Document, Operation
from crm_graph.resolvers.operations import Operations
from crm_graph.resolvers.read import Answered, Reader
from crm_graph.resolvers.trusted_documents import TrustedDocuments
from crm_graph.resolvers.write import Begin, MutationContext, run_mutation
from crm_graph.services.reads import Audit
from crm_graph.services.uploads import FileLimits
from crm_graph.web import graphiql
from crm_graph.web.authentication import authenticate, challenge, known
from crm_graph.web.compression import WORTH_BYTES, packed
from crm_graph.web.disconnects import ClientGone, Disconnects
from crm_graph.web.graphql_requests import (
    from_json,
    from_query,
    read_body,
    whole_body,
)
from crm_graph.web.metrics import RequestCounts
from crm_graph.web.negotiation import JSON, RESPONSE_JSON, media_type, takes_gzip
from crm_graph.web.quota import quota, spent
from crm_graph.web.simulation import HEADER as SIMULATE_HEADER
from crm_graph.web.simulation import Simulations

log = structlog.get_logger(__name__)

_POSITION = HEADER.lower().encode()
_SIMULATE = SIMULATE_HEADER.lower().encode()
Headers = list[tuple[bytes, bytes]]
_NO_STORE = (b"cache-control", b"no-store")
"""No cache may keep an answer, so that none has to be told what it varies with."""
_CONTENT_TYPES = {media: (b"content-type", media + b"; charset=utf-8") for media in (JSON, RESPONSE_JSON)}
_PARTIAL_SUCCESS = 294
"""An answer with data and errors (GraphQL over HTTP, September 2026)."""


_CLIENT_CLOSED_REQUEST = 499
"""Nobody gets this answer; the metrics count it by the number that nginx gives it."""


class Answer(NamedTuple):
    """Status, body and headers beside those that every answer has."""

    status: int
    body: bytes
    headers: Sequence[tuple[bytes, bytes]] = ()


class Call(NamedTuple):
    """One HTTP request. `media` is the type of its answer, None where the client takes none of ours."""

    method: str
    headers: Mapping[bytes, bytes]
    query_string: bytes
    receive: Receive
    media: bytes | None
    locale: Locale
    number: int


BeginFor = Callable[[Principal, str], Begin]
"""Transactions of a principal and a request id."""


class GraphQLEndpoint:
    """The ASGI application behind `/graphql`."""

    def __init__(
        self,
        principals: Principals,
        operations: Operations,
        reader: Reader,
        begin_for: BeginFor,
        clock: Callable[[], datetime],
        *,
        budgets: Budgets,
        audit: Audit,
        counts: RequestCounts,
        trusted: TrustedDocuments,
        position: Callable[[bytes], int] | None,
        max_body_bytes: int,
        idempotency_lifetime: timedelta,
        rights_approval: bool,
        files: FileLimits,
    ) -> None:
        self._principals = principals
        self.operations = operations
        self._budgets = budgets
        self._audit = audit
        self._simulations = Simulations(principals, operations.catalog, audit)
        self._counts = counts
        self._reader = reader
        self._trusted = trusted
        self._begin_for = begin_for
        self._clock = clock
        self._position = position
        self._max_body = max_body_bytes
        self._idempotency_lifetime = idempotency_lifetime
        self._rights_approval = rights_approval
        self._files = files
        self._process = token_hex(8)
        self._numbers = count(1)
        self._disconnects = Disconnects()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, and count it. All in one: each coroutine costs a small read a hundredth of its time."""
        began, status = perf_counter(), 500
        try:
            headers: Mapping[bytes, bytes] = dict(scope["headers"])
            accept = headers.get(b"accept") or b"*/*"
            if scope["method"] == "GET" and b"text/html" in accept and not scope["query_string"]:
                status = await _send(send, headers, Answer(200, graphiql.page(), graphiql.HEADERS))
                return
            language = headers.get(b"accept-language")
            locale = locale_of(language.decode("latin-1")) if language else "en"
            media = media_type(accept)
            call = Call(scope["method"], headers, scope["query_string"], receive, media, locale, next(self._numbers))
            try:
                answer = await self._answer(call)
            except Exception as failure:  # noqa: BLE001 - who asked is told, whatever it is
                answer = self._failed(failure, call)
            status, body, told = answer
            told = (_CONTENT_TYPES[media or JSON], *told)
            if len(body) >= WORTH_BYTES and b"accept-encoding" in headers:
                await _send(send, headers, Answer(status, body, told))
                return
            await send(_start(status, told, len(body)))
            await send({"type": "http.response.body", "body": body})
        finally:
            self._counts.add("/graphql", status, perf_counter() - began)

    def _failed(self, failure: Exception, call: Call) -> Answer:
        """What is answered for a request that came to nothing."""
        if isinstance(failure, CrmError):
            return self._refusal(failure, call)
        if isinstance(failure, ClientGone):
            return Answer(_CLIENT_CLOSED_REQUEST, b"")
        if isinstance(failure, RecursionError):
            return self._refusal(CostExceeded("too_deep_to_parse"), call)
        log.error("request_failed", request_id=self._request_id(call), exc_info=failure)
        return self._refusal(CrmError(), call)

    def _request_id(self, call: Call) -> str:
        """Unique over processes and starts, and cheap: a random part for the process, and a number."""
        return f"{self._process}{call.number:016x}"

    def _refusal(self, error: CrmError, call: Call) -> Answer:
        """The answer to a request that did not run; under application/json a well-formed one is answered with 200."""
        errors = errors_told(error, call.locale, self._request_id(call))
        status = error.status if isinstance(error, RequestFault) else 500
        if status == 400 and call.media == JSON and not isinstance(error, MalformedRequest):
            status = 200
        return Answer(status, orjson.dumps({"errors": errors}), tuple(_headers(error, call)))

    async def _answer(self, call: Call) -> Answer:
        if call.media is None:
            raise NotAcceptable
        now = self._clock()
        principal = known(self._principals, call.headers, now) or await authenticate(self._principals, call.headers)
        simulated = call.headers.get(_SIMULATE)
        if simulated is not None:
            principal = await self._simulations.principal(principal, simulated, self._request_id(call))
        if call.method == "POST":
            message = await call.receive()
            # The usual one without a coroutine.
            whole = whole_body(message, call.headers, self._max_body)
            body = await read_body(message, call.receive, call.headers, self._max_body) if whole is None else whole
            request = from_json(body)
        elif call.method == "GET":
            body = call.query_string
            request = from_query(body)
        else:
            raise MethodNotAllowed(allow="GET, POST")
        text, document_id, operation_name, variables = request
        if text is None or document_id is not None or self._trusted.only:
            text = await self._trusted.text(document_id, text)
        kept = self.operations.kept_document(text, principal.access)
        document = kept or await self._reader.document(text, principal)
        operation = document.operation(operation_name)
        if operation.is_query:
            # Nobody may wait for the answer any more; then its statement is cancelled.
            task = self._disconnects.enter(call.receive)
            try:
                answered = await self._reader.run(
                    document,
                    operation,
                    variables,
                    principal=principal,
                    now=now,
                    locale=call.locale,
                    request_id=partial(self._request_id, call),
                    after=_position(call.headers, self._position) if self._position is not None else 0,
                )
            except BadVariables:
                self._budgets.fine(principal, len(body) * REFUSED_CHARACTER)
                raise
            except asyncio.CancelledError:
                if not self._disconnects.took(task):
                    raise
                raise ClientGone from None
            finally:
                self._disconnects.leave(task)
            return Answer(200, _query_body(answered), quota(self._budgets.per_minute(principal), answered[2]))
        return await self._mutate(call, principal, document, operation, variables)

    async def _mutate(
        self, call: Call, principal: Principal, document: Document, operation: Operation, variables: Mapping[str, Any]
    ) -> Answer:
        if call.method == "GET":
            raise MethodNotAllowed(allow="POST")
        if _SIMULATE in call.headers:
            raise ValidationFailed("simulation_reads")
        key, request_id = call.headers.get(b"idempotency-key"), self._request_id(call)
        context = MutationContext(
            operations=self.operations,
            begin=self._begin_for(_speaking(principal, call.locale), request_id),
            locale=call.locale,
            document=document,
            operation=operation,
            variables=variables,
            idempotency_key=_idempotency_key(key) if key is not None else None,
            idempotency_lifetime=self._idempotency_lifetime,
            charge=partial(self._charge_mutation, principal),
            trusted=self._trusted,
            audit=self._audit,
            rights_approval=self._rights_approval,
            files=self._files,
        )
        result = await run_mutation(context)
        failure = next((e.original_error for e in result.errors or () if isinstance(e.original_error, CrmError)), None)
        if isinstance(failure, RequestFault) and not context.committed:
            raise failure
        status = _PARTIAL_SUCCESS if result.errors and call.media == RESPONSE_JSON else 200
        told = quota(self._budgets.per_minute(principal), context.remaining)
        if context.position is not None:
            told = (*told, (_POSITION, context.position.encode()))
        return Answer(status, _result_body(result, context, request_id), told)

    async def _charge_mutation(self, principal: Principal, context: MutationContext) -> None:
        context.requested = cost_of_mutation(
            context.document,
            context.operation,
            context.variables,
            catalog=context.catalog,
            access=principal.access,
            limits=context.limits,
        )
        require_within(context.requested, context.limits)
        context.remaining = await self._budgets.charge(principal, context.requested)


def _position(headers: Mapping[bytes, bytes], read: Callable[[bytes], int]) -> int:
    """The position that a client has been told and wants to see."""
    told = headers.get(_POSITION)
    return 0 if told is None else read(told)


def _idempotency_key(raw: bytes) -> str:
    """The header's value; a quoted string (RFC 8941) loses its quotes."""
    try:
        key = raw.decode("ascii").strip().strip('"')
    except UnicodeDecodeError:
        key = ""
    if not 1 <= len(key) <= 200:
        raise BadVariables("idempotency_key", path=("Idempotency-Key",))
    return key


def _query_body(answered: Answered) -> bytes:
    data, requested, remaining = answered
    if remaining is None:
        return b'{"data":%b,"extensions":{"cost":{"requested":%d,"remaining":null}}}' % (data, requested)
    return b'{"data":%b,"extensions":{"cost":{"requested":%d,"remaining":%d}}}' % (data, requested, remaining)


def _result_body(result: ExecutionResult, context: MutationContext, request_id: str) -> bytes:
    body: dict[str, Any] = {"data": result.data}
    if result.errors:
        body["errors"] = [_execution_error(e, context.locale, request_id) for e in result.errors]
    body["extensions"] = {"cost": {"requested": context.requested, "remaining": context.remaining}}
    return orjson.dumps(body)


def _execution_error(error: GraphQLError, locale: Locale, request_id: str) -> dict[str, Any]:
    """What went wrong while a mutation ran; what is not meant for callers is masked."""
    if isinstance(error.original_error, CrmError):
        told = error_body(error.original_error, locale, request_id)
    elif error.original_error is None:
        told = {"message": error.message, "extensions": {"code": BadVariables.code}}
    else:
        log.error("mutation_failed", request_id=request_id, exc_info=error.original_error)
        told = error_body(CrmError(), locale, request_id)
    if error.path:
        told["path"] = list(error.path)
    return told


def _headers(error: CrmError, call: Call) -> Iterable[tuple[bytes, bytes]]:
    """What a refusal says in headers."""
    if isinstance(error, Unauthenticated):
        yield b"www-authenticate", challenge(call.headers)
    elif isinstance(error, RateLimited):
        yield from spent(error)
    elif isinstance(error, MethodNotAllowed):
        yield b"allow", error.details["allow"].encode()
    elif isinstance(error, UnsupportedMediaType):
        yield b"accept-post", JSON


def errors_told(error: CrmError, locale: Locale, request_id: str) -> list[dict[str, Any]]:
    """The `errors` of a request that is refused: each rule that it breaks, or the error itself."""
    problems = error.details.get("problems")
    if problems:
        return [{**problem.told(locale), "extensions": {"code": error.code}} for problem in problems]
    return [error_body(error, locale, request_id)]


def error_body(error: CrmError, locale: Locale, request_id: str) -> dict[str, Any]:
    """An error as clients are told of it, without its problems."""
    extensions: dict[str, Any] = {"code": error.code}
    if error.path:
        extensions["argument"] = [str(step) for step in error.path]
    if isinstance(error, CostExceeded | RateLimited):
        extensions["details"] = dict(error.details)
    if error.code == CrmError.code:
        extensions["requestId"] = request_id
    return {"message": render(error, locale), "extensions": extensions}


def _speaking(principal: Principal, locale: Locale) -> Principal:
    """The principal in the language of the request, which is that of all its messages."""
    return principal if principal.locale == locale else replace(principal, locale=locale)


async def _send(send: Send, asked: Mapping[bytes, bytes], answer: Answer) -> int:
    """Send an answer, compressed where the headers of the request take it so, and give its status."""
    status, body, headers = answer
    if len(body) >= WORTH_BYTES and takes_gzip(asked.get(b"accept-encoding", b"")):
        body, headers = await packed(body), (*headers, (b"content-encoding", b"gzip"))
    await send(_start(status, headers, len(body)))
    await send({"type": "http.response.body", "body": body})
    return status


def _start(status: int, headers: Sequence[tuple[bytes, bytes]], length: int) -> Message:
    sent = [*headers, (b"content-length", b"%d" % length), _NO_STORE]
    return {"type": "http.response.start", "status": status, "headers": sent}
