"""How each scalar kind is read from JSON and from documents, strictly; `services/values.py` reads the inputs of writes
leniently.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import partial
from math import isfinite, nan
from typing import Any
from uuid import UUID

from graphql import FloatValueNode, ListValueNode, ObjectValueNode, ValueNode
from graphql.utilities import value_from_ast_untyped

from crm_graph.catalog import Kind
from crm_graph.errors import BadVariables
from crm_graph.moments import parse_relative

Parser = Callable[[Any], Any]
_INT32 = range(-(2**31), 2**31)
_INT64 = range(-(2**63), 2**63)
_MAX_TEXT = 10_000
_EXACT_DIGITS = 15
"""The decimal digits that any double keeps (IEEE 754)."""


_EXPECTED: Mapping[Kind, str] = {
    Kind.ID: "not_an_id",
    Kind.INT: "not_an_int",
    Kind.BIG_INT: "not_a_big_int",
    Kind.DECIMAL: "number_invalid",
    Kind.DATE: "date_invalid",
    Kind.DATE_TIME: "date_time_invalid",
}


def _wrong(kind: Kind) -> BadVariables:
    return BadVariables(_EXPECTED.get(kind, "not_a_value"), kind=kind.value)


def parse_id(raw: Any) -> UUID:
    """A record id in the usual 36-character form."""
    if isinstance(raw, str) and len(raw) == 36:
        try:
            return UUID(raw)
        except ValueError:
            raise _wrong(Kind.ID) from None
    raise _wrong(Kind.ID)


def parse_text(raw: Any) -> str:
    """Text that Postgres can hold: no NUL, no lone surrogate, at most 10,000 characters."""
    if not isinstance(raw, str) or "\0" in raw or len(raw) > _MAX_TEXT:
        raise BadVariables("not_a_text", max=_MAX_TEXT)
    try:
        raw.encode()
    except UnicodeEncodeError:
        raise BadVariables("not_a_text", max=_MAX_TEXT) from None
    return raw


def parse_int(raw: Any) -> int:
    """A 32-bit integer, as GraphQL's Int."""
    if isinstance(raw, int) and not isinstance(raw, bool) and raw in _INT32:
        return raw
    raise _wrong(Kind.INT)


def parse_big_int(raw: Any) -> int:
    """A 64-bit integer, as a number or a string of digits."""
    try:
        value = int(raw) if isinstance(raw, str) and len(raw) <= 20 and raw.isascii() else raw
    except ValueError:
        raise _wrong(Kind.BIG_INT) from None
    if isinstance(value, int) and not isinstance(value, bool) and value in _INT64:
        return value
    raise _wrong(Kind.BIG_INT)


def exact_decimal(number: float) -> Decimal | None:
    """A finite float of JSON as it was written, or None where more was written than it holds: it has been rounded."""
    written = f"{number:.{_EXACT_DIGITS}g}"
    return Decimal(written) if abs(number) < 10**_EXACT_DIGITS and float(written) == number else None


def parse_decimal(raw: Any) -> Decimal:
    """A finite decimal, as a string or a number; at most 40 characters."""
    if isinstance(raw, bool) or not isinstance(raw, str | int | float | Decimal) or len(str(raw)) > 40:
        raise _wrong(Kind.DECIMAL)
    if isinstance(raw, float) and isfinite(raw):
        exact = exact_decimal(raw)
        if exact is None:
            raise BadVariables("number_inexact")
        raw = exact
    try:
        value = Decimal(str(raw))
    except InvalidOperation:
        raise _wrong(Kind.DECIMAL) from None
    if not value.is_finite() or abs(value.adjusted()) > 100:
        raise _wrong(Kind.DECIMAL)
    return value


def parse_boolean(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    raise _wrong(Kind.BOOLEAN)


def parse_date(raw: Any) -> date:
    """A calendar date, `YYYY-MM-DD`."""
    try:
        if isinstance(raw, str) and len(raw) == 10:
            return date.fromisoformat(raw)
    except ValueError:
        pass
    raise _wrong(Kind.DATE)


def parse_date_time(raw: Any) -> datetime:
    """An ISO 8601 moment; without a zone it would be a guess, so it is refused."""
    try:
        if isinstance(raw, str) and len(raw) <= 40:
            moment = datetime.fromisoformat(raw)
            if moment.tzinfo is not None:
                return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise _wrong(Kind.DATE_TIME)


def parse_enum(names: frozenset[str], raw: Any) -> str:
    if isinstance(raw, str) and raw in names:
        return str(raw)
    raise _wrong(Kind.ENUM)


PARSERS: Mapping[Kind, Parser] = {
    Kind.ID: parse_id,
    Kind.TEXT: parse_text,
    Kind.INT: parse_int,
    Kind.BIG_INT: parse_big_int,
    Kind.DECIMAL: parse_decimal,
    Kind.MONEY: parse_decimal,
    Kind.BOOLEAN: parse_boolean,
    Kind.DATE: parse_date,
    Kind.DATE_TIME: parse_date_time,
    Kind.TEXT_LIST: parse_text,
}


def parse_date_operand(raw: Any) -> Any:
    """A date, or a relative one."""
    return parse_relative(raw, dated=True) if isinstance(raw, Mapping) else parse_date(raw)


def parse_date_time_operand(raw: Any) -> Any:
    """A moment, or a relative one."""
    return parse_relative(raw, dated=False) if isinstance(raw, Mapping) else parse_date_time(raw)


_OPERANDS: Mapping[Kind, Parser] = {Kind.DATE: parse_date_operand, Kind.DATE_TIME: parse_date_time_operand}


def parser_for(kind: Kind, enum: type[StrEnum] | None = None) -> Parser:
    """The parser of a field's kind, of a list's items; it raises BadVariables for anything else."""
    return partial(parse_enum, frozenset(enum.__members__)) if enum is not None else PARSERS[kind]


def operand_parser(kind: Kind, enum: type[StrEnum] | None = None) -> Parser:
    """The parser of what a field of this kind is compared with: dates and moments may be relative."""
    return _OPERANDS.get(kind) or parser_for(kind, enum)


def parse_list(parse: Parser, items: Iterable[Any]) -> list[Any]:
    """The values of a list by the parser of one; errors carry the place of what is wrong."""
    values = []
    for index, item in enumerate(items):
        try:
            values.append(parse(item))
        except BadVariables as error:
            raise error.at(index) from None
    return values


def read_literal(node: ValueNode, variables: Mapping[str, Any] | None = None) -> Any:
    """A literal of a document as JSON has it, but for decimals: they are as exact as they are written."""
    match node:
        case FloatValueNode():
            try:
                return Decimal(node.value)
            except InvalidOperation:
                return nan
        case ListValueNode():
            return [read_literal(item, variables) for item in node.values]
        case ObjectValueNode():
            return {field.name.value: read_literal(field.value, variables) for field in node.fields}
    return value_from_ast_untyped(node, None if variables is None else dict(variables))


def is_timed(kind: Kind) -> bool:
    """Whether what a field of this kind is compared with may depend on the request's moment."""
    return kind in _OPERANDS
