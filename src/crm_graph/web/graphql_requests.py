"""What comes in at `/graphql`: the body, and the GraphQL request in it."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import orjson
from starlette.types import Receive

from crm_graph.errors import ContentTooLarge, CostExceeded, MalformedRequest
from crm_graph.web.negotiation import JSON


class GraphQLRequest(NamedTuple):
    """What was asked, as it came: a document as text, by its id, or both."""

    query: str | None
    document_id: str | None
    operation_name: str | None
    variables: Mapping[str, Any]


def is_plain_json(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the body is JSON as we read it: in UTF-8, and not compressed."""
    encoding = headers.get(b"content-encoding")
    if encoding is not None and encoding.strip().lower() != b"identity":
        return False
    return _is_json(headers.get(b"content-type", b""))


@lru_cache(maxsize=256)
def _is_json(content_type: bytes) -> bool:
    media, *parameters = (p.strip().lower() for p in content_type.split(b";"))
    charsets = [p.partition(b"=")[2].strip(b'"') for p in parameters if p.startswith(b"charset=")]
    return media == JSON and all(c in (b"utf-8", b"utf8") for c in charsets)


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], limit: int) -> bytes:
    """The body of a request, of at most `limit` bytes."""
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or int(length) > limit:
        raise ContentTooLarge(limit=limit)
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise MalformedRequest("body_cut_off")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise ContentTooLarge(limit=limit)
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)


def from_json(body: bytes) -> GraphQLRequest:
    """The request of a POST. Raises MalformedRequest."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MalformedRequest("body_not_json") from None
    if isinstance(data, list):
        raise MalformedRequest("body_is_batch")
    if not isinstance(data, dict):
        raise MalformedRequest("body_not_object")
    return _request(data)


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
    return _request(data)


def _request(data: Mapping[str, Any]) -> GraphQLRequest:
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
    return GraphQLRequest(query, document_id, name or None, _within_depth(variables or {}))


def _within_depth(variables: dict[str, Any]) -> dict[str, Any]:
    """The variables, unless they are nested deeper than the 254 levels that orjson writes: what reads them recurses."""
    try:
        orjson.dumps(variables)
    except orjson.JSONEncodeError:
        raise CostExceeded("too_deep_to_parse") from None
    return variables
