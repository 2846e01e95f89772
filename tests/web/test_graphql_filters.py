"""Filters over HTTP: relative values in variables, and everything odd that can stand in a filter."""

import time
from typing import Any

import orjson
import pytest

from .conftest import Answer, Crm

COUNT = "query($w: CustomerWhere) { customers(where: $w) { totalCount } }"
INVALID, VARIABLES = "VALIDATION_FAILED", "BAD_VARIABLES"
NO_TEXT = "A text of at most 10000 characters is expected, without the character NUL."
NEVER = "019aaaaa-0000-7000-8100-00000000%04x"


def nested(levels: int, key: str = "not") -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for _ in range(levels):
        tree = {key: [tree] if key != "not" else tree}
    return tree


async def twice(crm: Crm, where: Any) -> Answer:
    """Asked anew and again, answered alike, and soon."""
    started = time.monotonic()
    cold = await crm.ask("sun", COUNT, {"w": where})
    warm = await crm.ask("sun", COUNT, {"w": where})
    assert time.monotonic() - started < 5
    assert warm.response.content == cold.response.content
    return cold


async def test_filters_reckon_from_the_moment_of_the_request(crm: Crm) -> None:
    await crm.make("sun", "customer", kind="PERSON", name="Relative Rita")
    query = (
        'query($since: DateTime!) { customers(where: { createdAt: { gte: $since } name: { startsWith: "Relative" } })'
    )
    query += " { totalCount } }"

    today = await crm.ask("sun", query, {"since": {"start": "day"}})
    tomorrow = await crm.ask("sun", query, {"since": {"start": "day", "in": "P1D"}})

    assert (today.data["customers"]["totalCount"], tomorrow.data["customers"]["totalCount"]) == (1, 0)


async def test_inputs_of_mutations_take_no_relative_values(crm: Crm) -> None:
    customer = await crm.make("sun", "customer", kind="PERSON", name="Due")
    query = "mutation($i: CreateOpportunityInput!) { createOpportunity(input: $i) { errors { code path } } }"
    input_ = {"name": "x", "customerId": customer["id"], "expectedCloseOn": {"in": "P7D"}}

    answer = await crm.ask("sun", query, {"i": input_})

    assert answer.refusals("createOpportunity") == [("INVALID", ["expectedCloseOn"])]


@pytest.mark.parametrize(
    ("where", "code", "message"),
    [
        (nested(13), INVALID, "The condition is nested deeper than 12 levels."),
        (nested(50), INVALID, "The condition is nested deeper than 12 levels."),
        (nested(50, "or"), INVALID, "The condition is nested deeper than 12 levels."),
        ({"id": {"in": [NEVER % n for n in range(10_000)]}}, VARIABLES, "A list may have at most 5000 values."),
        ({"or": [{"name": {"eq": "x"}}] * 1_001}, INVALID, "There are more than 1000 conditions."),
        ({"id": {"in": [NEVER % 1, "x"]}}, VARIABLES, "An id is expected, as answers give it."),
        ({"name": {"startsWith": "a\0"}}, VARIABLES, NO_TEXT),
        ({"interactions": {"count": {"gte": 2**63}}}, VARIABLES, "non 32-bit signed integer value"),
        ({"interactions": {"count": {"isNull": True}}}, VARIABLES, "unknown field 'isNull'"),
        ({"interactions": {"count": {"gte": None}}}, INVALID, "Null is no condition here; use isNull."),
        ({"totalSpent": {"gt": "Infinity"}}, VARIABLES, "A number is expected, such as 1280.50."),
        ({"totalSpent": {"gt": "-NaN"}}, VARIABLES, "A number is expected, such as 1280.50."),
        ({"totalSpent": {"gt": "1e9999"}}, VARIABLES, "A number is expected, such as 1280.50."),
        ({"totalSpent": {"gt": "9" * 41}}, VARIABLES, "A number is expected, such as 1280.50."),
        ({"createdAt": {"gt": {"ago": "P9999999Y"}}}, VARIABLES, "A duration may have at most 1000 years."),
        ({"createdAt": {"gt": {"ago": {"ago": "P1D"}}}}, VARIABLES, "An ISO 8601 duration of whole numbers"),
        ({"createdAt": {"gt": {"start": "day", "zone": "Asia/\0"}}}, VARIABLES, "A time zone is expected"),
        ({"createdAt": {"in": [{"ago": "P1D"}] * 5_001}}, VARIABLES, "A list may have at most 5000 values."),
    ],
)  # fmt: skip
async def test_what_does_not_fit_a_filter_is_refused(crm: Crm, where: Any, code: str, message: str) -> None:
    answer = await twice(crm, where)

    (error,) = answer.json["errors"]
    assert (answer.status, error["extensions"]["code"]) == (400, code)
    assert message in error["message"]


@pytest.mark.parametrize(
    "where",
    [
        {"id": {"in": []}},
        {"id": {"in": [NEVER % n for n in range(5_000)]}},
        {"name": {"eq": "😀" * 5_000}},
        {"name": {"containsInsensitive": "👩‍👩‍👧‍👦"}},
        {"name": {"endsWith": "%' OR '1'='1"}},
        {"name": {"containsInsensitive": "(x+x+)+y" * 1_000}},
        {"name": {"startsWith": "\U0010ffff"}},
        {"totalSpent": {"gt": "9" * 40}},
        {"interactions": {"count": {"gt": 2**31 - 1}}},
        {"interactions": {"count": {"in": []}}},
        {"createdAt": {"gt": {"in": "P1000Y"}}},
        {"or": [{"name": {"eq": str(n)}} for n in range(499)]},
        {"not": {"not": nested(10)}, "name": {"eq": "x"}},
    ],
)
async def test_odd_filters_that_fit_find_nothing(crm: Crm, where: Any) -> None:
    assert (await twice(crm, where)).data == {"customers": {"totalCount": 0}}


@pytest.mark.parametrize(
    ("value", "code", "message"),
    [
        ('"\\ud800"', "PARSE_FAILED", "The body is not JSON in UTF-8."),
        ("NaN", "PARSE_FAILED", "The body is not JSON in UTF-8."),
        ("Infinity", "PARSE_FAILED", "The body is not JSON in UTF-8."),
        ("1e999", "PARSE_FAILED", "The body is not JSON in UTF-8."),
        ("36893488147419103232", VARIABLES, "String cannot represent a non string value"),
    ],
)
async def test_json_that_no_filter_can_hold_is_refused(crm: Crm, value: str, code: str, message: str) -> None:
    body = f'{{"query": {orjson.dumps(COUNT).decode()}, "variables": {{"w": {{"name": {{"eq": {value}}}}}}}}}'
    answer = await crm.post(body)

    status, found, told = answer.error
    assert (status, found) == (400, code)
    assert message in told


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ('{ createdAt: { gt: { ago: "90D" } } }', "An ISO 8601 duration of whole numbers is expected"),
        ("{ createdAt: { gt: { start: decade } } }", "The start is one of these: hour, day, week"),
        ("{ createdAt: { gt: { ago: $d } } }", "A variable cannot stand inside a DateTime"),
        ('{ createdAt: { gt: [{ ago: "P1D" }] } }', "A date and time is expected, such as 2026-11-22T09:30:00+08:00."),
        ("{ interactions: { count: { gte: 9999999999 } } }", "non 32-bit signed integer value"),
        ("{ interactions: { count: { above: 1 } } }", "unknown field 'above'"),
        ('{ name: { matches: "(a+)+$" } }', "unknown field 'matches'"),
    ],
)  # fmt: skip
async def test_a_literal_that_does_not_fit_is_refused_with_its_place(crm: Crm, where: str, message: str) -> None:
    head = "query($d: String) " if "$d" in where else ""
    answer = await crm.ask("sun", f"{head}{{ customers(where: {where}) {{ totalCount }} }}")

    (error,) = answer.json["errors"]
    assert (answer.status, error["extensions"]["code"]) == (400, INVALID)
    assert message in error["message"]
    assert error["locations"][0]["line"] == 1


async def test_a_literal_deeper_than_a_filter_may_be_is_refused_with_its_path(crm: Crm) -> None:
    literal = '{ name: { eq: "x" } }'
    for _ in range(50):
        literal = f"{{ not: {literal} }}"
    answer = await crm.ask("sun", f"{{ all: customers(where: {literal}) {{ totalCount }} }}")

    (error,) = answer.json["errors"]
    assert (answer.status, error["extensions"]["code"]) == (400, INVALID)
    assert error["extensions"]["argument"] == ["all", "where", *["not"] * 13]
