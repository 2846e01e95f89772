"""The API's own scalars and their GraphQL definitions."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NewType

import strawberry
from graphql import GraphQLError, Undefined, ValueNode
from graphql.utilities import value_from_ast_untyped
from strawberry.types.scalar import ScalarDefinition

from crm_graph.catalog import Kind
from crm_graph.errors import CrmError
from crm_graph.messages import render
from crm_graph.scalars import PARSERS, Parser, operand_parser, read_literal

BigInt = NewType("BigInt", int)
Currency = NewType("Currency", str)
Lenient = NewType("Lenient", object)
JSON = NewType("JSON", object)


def _strict(parse: Parser, name: str) -> Callable[[Any], Any]:
    def parse_value(raw: Any) -> Any:
        if isinstance(raw, Mapping) and Undefined in raw.values():
            raise GraphQLError(f"A variable cannot stand inside a {name}; let the whole value be one.")
        try:
            return parse(raw)
        except CrmError as error:
            raise GraphQLError(render(error, "en"), original_error=error) from None

    return parse_value


def _scalar(
    name: str, description: str, parse: Callable[[Any], Any], literal: Callable[..., Any] = read_literal
) -> ScalarDefinition:
    def parse_literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
        try:
            return parse(literal(node, variables))
        except GraphQLError as error:
            raise GraphQLError(error.message, node, original_error=error.original_error) from None

    definition: ScalarDefinition = strawberry.scalar(
        name=name,
        description=description,
        serialize=lambda value: value,
        parse_value=parse,
        parse_literal=parse_literal,
    )
    return definition


SCALARS: Mapping[object, ScalarDefinition] = {
    Decimal: _scalar(
        "Decimal",
        'A decimal number as a string: `"1200.50"`. A number of JSON is taken up to 15 digits.',
        _strict(PARSERS[Kind.DECIMAL], "Decimal"),
    ),
    date: _scalar(
        "Date",
        'A calendar date, ISO 8601: `"2026-11-22"`. A filter also takes one relative to the day of the request: '
        '`{ ago: "P90D" }`, `{ in: "P1M" }`, `{ start: "month" }` (day, week from Monday, month, quarter, year), or '
        'both, the start moved by the duration: `{ start: "month", ago: "P1M" }` is the first day of last month. '
        "Durations are ISO 8601 without hours, minutes and seconds; days are those of your time zone, or of `zone`.",
        _strict(operand_parser(Kind.DATE), "Date"),
    ),
    datetime: _scalar(
        "DateTime",
        'A moment in ISO 8601, answered in UTC: `"2026-11-22T08:00:00+00:00"`. Inputs need a zone. A filter also takes '
        'one relative to the request: `{ ago: "P90D" }`, `{ in: "PT8H" }`, `{ start: "month" }` (hour, day, week from '
        'Monday, month, quarter, year), or both, the start moved by the duration: `{ start: "month", ago: "P1M" }` is '
        "the start of last month. Durations are ISO 8601; days and months are those of your time zone, or of `zone`: "
        '`{ start: "day", zone: "Asia/Shanghai" }`.',
        _strict(operand_parser(Kind.DATE_TIME), "DateTime"),
    ),
    BigInt: _scalar("BigInt", "A 64-bit integer as a string.", _strict(PARSERS[Kind.BIG_INT], "BigInt")),
    Currency: _scalar("Currency", "A currency code, ISO 4217: `CNY`.", _strict(PARSERS[Kind.TEXT], "Currency")),
    Lenient: _scalar(
        "Lenient",
        'Any scalar, as systems and people write it (`"是"`, `"2026/11/22"`, `12.5`); checked item by item.',
        lambda raw: raw,
    ),
    JSON: _scalar("JSON", "Any JSON value.", lambda raw: raw, value_from_ast_untyped),
}
