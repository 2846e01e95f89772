"""What comes in at `/graphql`: the body, and the GraphQL request in it."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.types import Message, Receive

from crm_graph.errors import ContentTooLarge, CostExceeded, MalformedRequest, UnsupportedMediaType
from crm_graph.web.negotiation import JSON

WRITABLE_DEPTH = 254
"""The levels that orjson writes."""
MAX_CONTAINERS = 250_000
"""The objects and lists of a body: parsing so many takes a quarter of a second, and nothing else runs meanwhile."""
MAX_VALUES = 2_000_000
"""The values of a body, by its commas: as long, and some 200 MB."""


GraphQLRequest = tuple[str | None, str | None, str | None, Mapping[str, Any]]
"""What was asked, as it came: a document as text, by its id, or both; the name of an operation, and variables."""


def whole_body(message: Message, headers: Mapping[bytes, bytes], limit: int) -> bytes | None:
    """The body that came in one piece with the first message, as most do; None where `read_body` has to look after it.
    Raises UnsupportedMediaType for what is not JSON as we read it: in UTF-8, and not compressed.
    """
    encoding = headers.get(b"content-encoding")
    if not _is_json(headers.get(b"content-type", b"")) or (encoding and encoding.strip().lower() != b"identity"):
        raise UnsupportedMediaType
    body: bytes = message.get("body", b"")
    if message.get("more_body") or message["type"] == "http.disconnect" or len(body) > limit:
        return None
    return body


@lru_cache(maxsize=256)
def _is_json(content_type: bytes) -> bool:
    media, *parameters = (p.strip().lower() for p in content_type.split(b";"))
    charsets = [p.partition(b"=")[2].strip(b'"') for p in parameters if p.startswith(b"charset=")]
    return media == JSON and all(c in (b"utf-8", b"utf8") for c in charsets)


async def read_body(message: Message, receive: Receive, headers: Mapping[bytes, bytes], limit: int) -> bytes:
    """The body of a request, of at most `limit` bytes, after the first message of it."""
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or int(length) > limit:
        raise ContentTooLarge(limit=limit)
    chunks = [message.get("body", b"")]
    size = len(chunks[0])
    while True:
        if message["type"] == "http.disconnect":
            raise MalformedRequest("body_cut_off")
        if size > limit:
            raise ContentTooLarge(limit=limit)
        if not message.get("more_body"):
            return b"".join(chunks)
        message = await receive()
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])


def from_json(body: bytes) -> GraphQLRequest:
    """The request of a POST. Raises MalformedRequest, and CostExceeded before it parses what takes long."""
    containers = body.count(b"[") + body.count(b"{")
    if containers > MAX_CONTAINERS:
        raise CostExceeded("too_many_containers", limit=MAX_CONTAINERS)
    if len(body) > MAX_VALUES and body.count(b",") > MAX_VALUES:
        raise CostExceeded("too_many_values", limit=MAX_VALUES)
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MalformedRequest("body_not_json") from None
    if isinstance(data, list):
        raise MalformedRequest("body_is_batch")
    if not isinstance(data, dict):
        raise MalformedRequest("body_not_object")
    return _request(data, may_be_deep=containers > WRITABLE_DEPTH)


def from_query(query_string: bytes) -> GraphQLRequest:
    """The request of a GET. Raises MalformedRequest."""
    try:
        pairs = parse_qs(query_string.decode("ascii"), keep_blank_values=True, max_num_fields=10, errors="strict")
    except ValueError:
        raise MalformedRequest("query_string_invalid") from None
    data: dict[str, Any] = {key: values[-1] for key, values in pairs.items()}
    for name in ("variables", "extensions"):
        if data.get(name):
            try:
                data[name] = orjson.loads(data[name])
            except orjson.JSONDecodeError:
                raise MalformedRequest("parameter_not_object", name=name) from None
        else:
            data.pop(name, None)
    return _request(data, may_be_deep=True)


def _request(data: Mapping[str, Any], *, may_be_deep: bool) -> GraphQLRequest:
    query, name, document_id = data.get("query"), data.get("operationName"), data.get("documentId")
    variables, extensions = data.get("variables"), data.get("extensions")
    if document_id is not None and not isinstance(document_id, str):
        raise MalformedRequest("parameter_not_string", name="documentId")
    if not isinstance(query, str) and (query is not None or document_id is None):
        raise MalformedRequest("parameter_not_string", name="query")
    if name is not None and not isinstance(name, str):
        raise MalformedRequest("parameter_not_string", name="operationName")
    if variables is not None and not isinstance(variables, dict):
        raise MalformedRequest("parameter_not_object", name="variables")
    if extensions is not None and not isinstance(extensions, dict):
        raise MalformedRequest("parameter_not_object", name="extensions")
    if may_be_deep:
        _require_shallow(variables)
    return query, document_id, name or None, variables or {}


def _require_shallow(variables: dict[str, Any] | None) -> None:
    """Refuse variables that are nested deeper than orjson writes: what reads them recurses."""
    try:
        orjson.dumps(variables)
    except orjson.JSONEncodeError:
        raise CostExceeded("variables_too_deep", limit=WRITABLE_DEPTH) from None
