"""Cursors: the order key of a row, opaque, and bound to the order it was made for."""

import hashlib
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from crm_graph.catalog import Field, Kind
from crm_graph.errors import BadVariables
from crm_graph.scalars import Parser, parse_int, parser_for

MAX_LENGTH = 32_000
"""Room for a dozen texts of the longest that are ordered by, each of characters of four bytes."""


def signature(entity: str, keys: Sequence[tuple[str, str, str]]) -> str:
    """A short name of an order; a cursor carries it so that it cannot continue another one."""
    return hashlib.sha256(repr((entity, list(keys))).encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class CursorKey:
    """Parses one key out of a cursor."""

    signature: str
    index: int
    length: int
    kind: Kind
    parse: Parser

    def __call__(self, raw: Any) -> Any:
        value = _decode(raw, self.signature, self.length)[self.index]
        if value is None:
            return None
        try:
            return _READERS.get(self.kind, self.parse)(value)
        except (BadVariables, ValueError, ArithmeticError):
            raise BadVariables("cursor") from None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise BadVariables("cursor")
    return moment.astimezone(UTC)


# Keys stand in a cursor as Postgres prints them; anybody can make one up, so each is held to its type's range.
_READERS: dict[Kind, Parser] = {
    Kind.DATE_TIME: _moment,
    Kind.INT: lambda text: parse_int(int(text)),
    Kind.BOOLEAN: lambda text: text == "true",
}


def cursor_key(sign: str, index: int, length: int, field: Field) -> CursorKey:
    """The parser of one order key."""
    return CursorKey(sign, index, length, field.kind, parser_for(field.kind, field.enum))


def _decode(raw: Any, sign: str, length: int) -> list[Any]:
    if not isinstance(raw, str) or len(raw) > MAX_LENGTH:
        raise BadVariables("cursor")
    try:
        parts = orjson.loads(b64decode(raw, validate=True))
    except ValueError:
        raise BadVariables("cursor") from None
    if not isinstance(parts, list) or not parts or not all(_is_key(p) for p in parts):
        raise BadVariables("cursor")
    if parts[0] != sign:
        raise BadVariables("cursor_of_other_order")
    if len(parts) != length + 1:
        raise BadVariables("cursor")
    return parts[1:]


def _is_key(part: Any) -> bool:
    return part is None or isinstance(part, str)
