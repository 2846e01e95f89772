"""GraphQL over HTTP (current draft): the edge of `/graphql`. Reads go from the cache to the database and back as bytes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import orjson
import structlog
from graphql import ExecutionResult, GraphQLError
from starlette.types import Receive, Scope, Send

from crm_graph.errors import BadVariables, CrmError, RequestFault, Unauthenticated
from crm_graph.messages import Locale, locale_of, render
from crm_graph.permissions.principals import Principal, Principals
from crm_graph.resolvers.documents import Document, Operation
from crm_graph.resolvers.read import Operations, Reader
from crm_graph.resolvers.write import Begin, MutationContext, run_mutation
from crm_graph.web.graphiql import page as graphiql_page

log = structlog.get_logger(__name__)

RESPONSE_JSON = b"application/graphql-response+json"
JSON = b"application/json"
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class HttpError(Exception):
    """A request that is no GraphQL request; answered as plain JSON."""

    status: int
    message: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """What was asked, as it came."""

    query: str
    operation_name: str | None
    variables: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


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
        max_body_bytes: int,
    ) -> None:
        self._principals = principals
        self._operations = operations
        self._reader = reader
        self._begin_for = begin_for
        self._clock = clock
        self._max_body = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        accept = headers.get(b"accept", b"*/*")
        method = scope["method"]
        if method == "GET" and b"text/html" in accept and not scope["query_string"]:
            await _send(send, 200, graphiql_page(), [(b"content-type", b"text/html; charset=utf-8")])
            return
        media = _media_type(accept)
        try:
            if media is None:
                raise HttpError(406, "Accept application/graphql-response+json or application/json.")
            answer = await self._answer(method, headers, scope, receive, media)
        except HttpError as error:
            body = orjson.dumps({"errors": [{"message": error.message}]})
            answer = Answer(error.status, body, error.headers)
        content_type = (media or JSON) + b"; charset=utf-8"
        await _send(send, answer.status, answer.body, [(b"content-type", content_type), *answer.headers])

    async def _answer(
        self, method: str, headers: Mapping[bytes, bytes], scope: Scope, receive: Receive, media: bytes
    ) -> Answer:
        request_id = uuid4().hex
        locale: Locale = "en"
        try:
            language = headers.get(b"accept-language")
            locale = locale_of(language.decode("latin-1")) if language else "en"
            principal = await self._authenticate(headers)
            request = await self._read_request(method, headers, scope, receive)
            document = await self._operations.document(request.query, principal.access)
            operation = document.operation(request.operation_name)
            if operation.is_query:
                data = await self._reader.run(document, operation, request.variables, principal, self._clock())
                return Answer(200, b'{"data":' + data + b"}")
            if method == "GET":
                raise HttpError(405, "A mutation needs POST.", ((b"allow", b"POST"),))
            return await self._mutate(document, operation, request, headers, principal, locale, request_id)
        except CrmError as error:
            return _refusal(error, locale, media, request_id)
        except HttpError:
            raise
        except Exception:
            log.exception("request_failed", request_id=request_id)
            return _refusal(CrmError(), locale, media, request_id)

    async def _authenticate(self, headers: Mapping[bytes, bytes]) -> Principal:
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not token:
            raise Unauthenticated
        try:
            return await self._principals.authenticate(token.strip().decode("ascii"))
        except UnicodeDecodeError:
            raise Unauthenticated from None

    async def _read_request(
        self, method: str, headers: Mapping[bytes, bytes], scope: Scope, receive: Receive
    ) -> GraphQLRequest:
        if method == "POST":
            if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != JSON:
                raise HttpError(415, "Send application/json.", ((b"accept-post", JSON),))
            return _from_json(await _body(receive, headers, self._max_body))
        if method == "GET":
            return _from_query(scope["query_string"])
        raise HttpError(405, "Use GET or POST.", ((b"allow", b"GET, POST"),))

    async def _mutate(
        self,
        document: Document,
        operation: Operation,
        request: GraphQLRequest,
        headers: Mapping[bytes, bytes],
        principal: Principal,
        locale: Locale,
        request_id: str,
    ) -> Answer:
        key = headers.get(b"idempotency-key")
        context = MutationContext(
            catalog=self._operations.catalog,
            limits=self._operations.limits,
            begin=self._begin_for(principal, request_id),
            locale=locale,
            document=document,
            operation=operation,
            variables=request.variables,
            idempotency_key=_idempotency_key(key) if key is not None else None,
        )
        result = await run_mutation(context)
        failure = next((e.original_error for e in result.errors or () if isinstance(e.original_error, CrmError)), None)
        if isinstance(failure, RequestFault) and result.data is None:
            raise failure
        return Answer(200, _result_body(result, locale, request_id))


def _idempotency_key(raw: bytes) -> str:
    """The header's value; a quoted string (RFC 8941) loses its quotes."""
    try:
        key = raw.decode("ascii").strip().strip('"')
    except UnicodeDecodeError:
        key = ""
    if not 1 <= len(key) <= 200:
        raise BadVariables("idempotency_key", path=("Idempotency-Key",))
    return key


def _result_body(result: ExecutionResult, locale: Locale, request_id: str) -> bytes:
    body: dict[str, Any] = {"data": result.data}
    if result.errors:
        body["errors"] = [_execution_error(e, locale, request_id) for e in result.errors]
    return orjson.dumps(body)


def _execution_error(error: GraphQLError, locale: Locale, request_id: str) -> dict[str, Any]:
    """What went wrong while a mutation ran; what is not meant for callers is masked."""
    if isinstance(error.original_error, CrmError):
        told = _error_body(error.original_error, locale, request_id)
    elif error.original_error is None:
        told = {"message": error.message, "extensions": {"code": BadVariables.code}}
    else:
        log.error("mutation_failed", request_id=request_id, exc_info=error.original_error)
        told = _error_body(CrmError(), locale, request_id)
    if error.path:
        told["path"] = list(error.path)
    return told


def _refusal(error: CrmError, locale: Locale, media: bytes, request_id: str) -> Answer:
    """The answer to a request that did not run. Under application/json a well-formed request is answered with 200."""
    problems = error.details.get("problems")
    if problems:
        errors = [{**problem, "extensions": {"code": error.code}} for problem in problems]
    else:
        errors = [_error_body(error, locale, request_id)]
    status = error.status if isinstance(error, RequestFault) else 500
    if status == 400 and media == JSON:
        status = 200
    headers = ((b"www-authenticate", b'Bearer error="invalid_token"'),) if status == 401 else ()
    return Answer(status, orjson.dumps({"errors": errors}), headers)


def _error_body(error: CrmError, locale: Locale, request_id: str) -> dict[str, Any]:
    extensions: dict[str, Any] = {"code": error.code}
    if error.path:
        extensions["argument"] = [str(step) for step in error.path]
    if error.code == CrmError.code:
        extensions["requestId"] = request_id
    return {"message": render(error, locale), "extensions": extensions}


def _media_type(accept: bytes) -> bytes | None:
    """The response's media type by the Accept header: the first of ours that it names, application/json for any."""
    for item in accept.split(b","):
        media = item.partition(b";")[0].strip().lower()
        if media in (RESPONSE_JSON, JSON):
            return media
        if media in (b"*/*", b"application/*", b""):
            return JSON
    return None


async def _body(receive: Receive, headers: Mapping[bytes, bytes], limit: int) -> bytes:
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or int(length) > limit:
        raise HttpError(413, "The body is too large.")
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HttpError(400, "The request was cut off.")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise HttpError(413, "The body is too large.")
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)


def _from_json(body: bytes) -> GraphQLRequest:
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise HttpError(400, "The body is not JSON.") from None
    if not isinstance(data, dict):
        raise HttpError(400, "The body is a JSON object with query, variables and operationName.")
    return _request(data)


def _from_query(query_string: bytes) -> GraphQLRequest:
    try:
        pairs = parse_qs(query_string.decode("ascii"), keep_blank_values=True, max_num_fields=10, errors="strict")
    except ValueError:
        raise HttpError(400, "The query string could not be read.") from None
    data: dict[str, Any] = {key: values[-1] for key, values in pairs.items()}
    for name in ("variables", "extensions"):
        if data.get(name):
            try:
                data[name] = orjson.loads(data[name])
            except orjson.JSONDecodeError:
                raise HttpError(400, f"{name} is not JSON.") from None
        else:
            data.pop(name, None)
    return _request(data)


def _request(data: Mapping[str, Any]) -> GraphQLRequest:
    query, name = data.get("query"), data.get("operationName")
    variables, extensions = data.get("variables"), data.get("extensions")
    if not isinstance(query, str):
        raise HttpError(400, "query is a string.")
    if name is not None and not isinstance(name, str):
        raise HttpError(400, "operationName is a string.")
    if variables is not None and not isinstance(variables, dict):
        raise HttpError(400, "variables is an object.")
    if extensions is not None and not isinstance(extensions, dict):
        raise HttpError(400, "extensions is an object.")
    return GraphQLRequest(query, name or None, variables or {})


async def _send(send: Send, status: int, body: bytes, headers: Headers) -> None:
    headers = [*headers, (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
    headers.append((b"vary", b"Accept, Accept-Language, Authorization"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
