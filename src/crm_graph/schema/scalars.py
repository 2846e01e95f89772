"""The API's own scalars and their GraphQL definitions."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NewType

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

from crm_graph.catalog import Kind
from crm_graph.errors import CrmError
from crm_graph.scalars import PARSERS, Parser

BigInt = NewType("BigInt", int)
Currency = NewType("Currency", str)
Lenient = NewType("Lenient", object)
JSON = NewType("JSON", object)


def _strict(parse: Parser, name: str) -> Callable[[Any], Any]:
    def parse_value(raw: Any) -> Any:
        try:
            return parse(raw)
        except CrmError:
            raise GraphQLError(f"This is not a {name}.") from None

    return parse_value


def _scalar(name: str, description: str, parse: Callable[[Any], Any]) -> ScalarDefinition:
    definition: ScalarDefinition = strawberry.scalar(
        name=name, description=description, serialize=lambda value: value, parse_value=parse
    )
    return definition


SCALARS: Mapping[object, ScalarDefinition] = {
    Decimal: _scalar(
        "Decimal", 'A decimal number as a string: `"1200.50"`.', _strict(PARSERS[Kind.DECIMAL], "Decimal")
    ),
    date: _scalar("Date", 'A calendar date, ISO 8601: `"2026-11-22"`.', _strict(PARSERS[Kind.DATE], "Date")),
    datetime: _scalar(
        "DateTime",
        'A moment in ISO 8601, answered in UTC: `"2026-11-22T08:00:00+00:00"`. Inputs need a zone.',
        _strict(PARSERS[Kind.DATE_TIME], "DateTime"),
    ),
    BigInt: _scalar("BigInt", "A 64-bit integer as a string.", _strict(PARSERS[Kind.BIG_INT], "BigInt")),
    Currency: _scalar("Currency", "A currency code, ISO 4217: `CNY`.", _strict(PARSERS[Kind.TEXT], "Currency")),
    Lenient: _scalar(
        "Lenient",
        'Any scalar, as systems and people write it (`"是"`, `"2026/11/22"`, `12.5`); checked item by item.',
        lambda raw: raw,
    ),
    JSON: _scalar("JSON", "Any JSON value.", lambda raw: raw),
}
