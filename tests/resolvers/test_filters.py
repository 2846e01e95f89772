"""Filters that count other rows, look past the case of letters, or depend on the moment, on the small company."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from crm_graph.access import Level
from crm_graph.errors import BadVariables, CrmError, ValidationFailed
from crm_graph.fragments import Above
from crm_graph.moments import parse_relative
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.rules import ALL, GrantRule, RoleRule, grant, where
from crm_graph.proof.engine import principal_of, reading
from crm_graph.proof.rows import Connection, insert
from reference.company import PEOPLE, USER, company
from reference.compiled import Compiled, access_of, default_access

NAMES = "{ customers(orderBy: [{ number: ASC }], where: %s) { nodes { number } } }"


@pytest.fixture
async def compiled(connection: Connection) -> AsyncIterator[Compiled]:
    async with reading(connection):
        await insert(connection, company())
        yield Compiled(connection)


def person(role: str = "crm_manager") -> Principal:
    return principal_of(company(), USER[PEOPLE[role][0]], default_access([role]))


async def found(compiled: Compiled, condition: str, who: Principal | None = None) -> str:
    """The numbers of the customers that match."""
    answer = await compiled.data(who or person(), NAMES % condition)
    return " ".join(node["number"] for node in answer["customers"]["nodes"])


async def refusal(compiled: Compiled, text: str, **variables: Any) -> CrmError:
    with pytest.raises(CrmError) as caught:
        await compiled.run(person(), text, variables)
    return caught.value


@pytest.mark.parametrize(
    ("condition", "numbers"),
    [
        ("{ interactions: { count: { gte: 2 } } }", "C-2"),
        ("{ interactions: { count: { eq: 1 } } }", "C-1 C-3 C-4"),
        ("{ interactions: { count: { ne: 1 } } }", "C-0 C-2"),
        ("{ interactions: { count: { in: [0, 2] } } }", "C-0 C-2"),
        ("{ interactions: { count: { notIn: [0, 2] } } }", "C-1 C-3 C-4"),
        ("{ interactions: { count: { in: [] } } }", ""),
        ("{ interactions: { count: { gt: 0, lt: 2 } } }", "C-1 C-3 C-4"),
        ("{ interactions: { count: { lt: -1 } } }", ""),
        ("{ interactions: { count: { gte: -2147483648, lt: 2147483647 } } }", "C-0 C-1 C-2 C-3 C-4"),
        ("{ interactions: { count: {} } }", "C-0 C-1 C-2 C-3 C-4"),
        ("{ interactions: { count: { where: { channel: { eq: CALL } } } } }", "C-0 C-1 C-2 C-3 C-4"),
        ("{ interactions: { count: { eq: 1, where: { channel: { in: [CALL, EMAIL] } } } } }", "C-1 C-2"),
        ("{ contactPoints: { count: { gte: 2 } } }", "C-1"),
        ('{ collaborators: { count: { gte: 1, where: { username: { eq: "wang" } } } } }', "C-2"),
        ("{ not: { interactions: { count: { eq: 0 } } } }", "C-1 C-2 C-3 C-4"),
    ],
)  # fmt: skip
async def test_related_records_are_counted(compiled: Compiled, condition: str, numbers: str) -> None:
    assert await found(compiled, condition) == numbers


async def test_archived_and_invisible_records_are_not_counted(compiled: Compiled) -> None:
    only_visits = where({"channel": {"eq": "VISIT"}})
    role = RoleRule(
        "test", "test", "test", "",
        {"customer": (grant(ALL, fields={"number": Level.READ}),),
         "interaction": (grant(only_visits, fields={"channel": Level.READ}),)},
    )  # fmt: skip
    who = principal_of(company(), USER["wang"], access_of({"test": role}, ["test"]))
    two, one = "{ interactions: { count: { gte: 2 } } }", "{ interactions: { count: { gte: 1 } } }"

    assert (await found(compiled, two, who), await found(compiled, one, who)) == ("", "C-2")
    await compiled.connection.execute("UPDATE interactions SET archived_at = now() WHERE channel = 'VISIT'")
    assert (await found(compiled, two), await found(compiled, one, who)) == ("", "")


@pytest.mark.parametrize(
    ("condition", "numbers"),
    [
        ('{ email: { endsWith: "@example.com" } }', "C-1 C-4"),
        ('{ email: { endsWith: "@EXAMPLE.com" } }', ""),
        ('{ email: { endsWithInsensitive: "@EXAMPLE.com" } }', "C-1 C-4"),
        ('{ name: { startsWithInsensitive: "haidian h" } }', "C-2"),
        ('{ name: { containsInsensitive: "HOTEL" } }', "C-2"),
        ('{ name: { eqInsensitive: "HAIDIAN hotel LTD" } }', "C-2"),
        ('{ name: { endsWith: "" }, city: { endsWithInsensitive: "海" } }', "C-1 C-3"),
        ('{ name: { contains: ".*" } }', ""),
        ('{ name: { startsWithInsensitive: "%" } }', ""),
        ('{ name: { endsWith: "(a+)+$" } }', ""),
    ],
)
async def test_text_is_compared_as_text_with_or_without_case(compiled: Compiled, condition: str, numbers: str) -> None:
    assert await found(compiled, condition) == numbers


@pytest.mark.parametrize(
    ("stored", "asked", "matches"),
    [
        ("Ärger", "äRGER", True),
        ("ΟΔΟΣ", "οδοσ", True),
        ("ΟΔΟΣ", "οδος", False),
        ("Straße", "STRASSE", False),
        ("İzmir", "izmir", True),
        ("ＡＢＣ", "ａｂｃ", True),
        ("ＡＢＣ", "abc", False),
    ],
)
async def test_case_is_that_of_each_character_alone(
    compiled: Compiled, stored: str, asked: str, *, matches: bool
) -> None:
    await compiled.connection.execute("UPDATE customers SET name = $1 WHERE number = 'C-1'", stored)
    assert await found(compiled, f'{{ name: {{ eqInsensitive: "{asked}" }} }}') == ("C-1" if matches else "")


SINCE = "query($since: DateTime!) { customers(where: { createdAt: { gte: $since } }) { totalCount } }"


async def count_since(compiled: Compiled, since: Any, who: Principal | None = None) -> int:
    answer = await compiled.data(who or person(), SINCE, {"since": since})
    return int(answer["customers"]["totalCount"])


@pytest.mark.parametrize(
    ("since", "count"),
    [
        ("2024-12-22T04:00:00Z", 5),
        ({"ago": "P700D"}, 5),
        ({"ago": "P699DT23H"}, 4),
        ({"start": "year", "ago": "P1Y", "zone": "UTC"}, 4),
        ({"in": "P1D"}, 0),
    ],
)
async def test_a_variable_is_a_moment_or_relative_to_the_request(compiled: Compiled, since: Any, count: int) -> None:
    assert await count_since(compiled, since) == count


async def test_reckons_as_postgres_does(connection: Connection) -> None:
    random = Random(2)
    for _ in range(300):
        start, months, days = random.choice(("day", "week", "month", "quarter", "year")), random.randint(0, 40), 3
        now = datetime.fromtimestamp(random.randint(1_500_000_000, 1_790_000_000), UTC)
        zone = random.choice(("Asia/Shanghai", "America/New_York", "Europe/Berlin"))
        expected = await connection.fetchval(
            "SELECT (date_trunc($1, $2::timestamptz AT TIME ZONE $3)"
            " - make_interval(months => $4, days => $5)) AT TIME ZONE $3",
            start,
            now,
            zone,
            months,
            days,
        )
        relative = parse_relative({"start": start, "ago": f"P{months}M{days}D"}, dated=False)
        assert relative.value(now, ZoneInfo(zone)) == expected


async def test_one_prepared_operation_serves_all_days_and_zones(compiled: Compiled) -> None:
    who, text = person(), '{ customers(where: { createdAt: { gte: { start: "day", ago: "P300D" } } }) { totalCount } }'
    document = await compiled.operations.document(text, who.access)
    prepared = await compiled.operations.prepare(document, document.operation(None), {}, who.access)

    def bound(now: datetime, zone: str) -> Any:
        (since,) = (v for v in prepared.bind({}, replace(who, time_zone=zone), now) if isinstance(v, datetime))
        return since

    late, next_day = datetime(2026, 11, 22, 15, tzinfo=UTC), datetime(2026, 11, 22, 17, tzinfo=UTC)
    assert bound(late, "Asia/Shanghai") == datetime(2026, 1, 25, 16, tzinfo=UTC)
    assert bound(next_day, "Asia/Shanghai") == datetime(2026, 1, 26, 16, tzinfo=UTC)
    assert bound(next_day, "Europe/Berlin") == datetime(2026, 1, 25, 23, tzinfo=UTC)
    again = await compiled.operations.prepare(document, document.operation(None), {}, who.access)
    assert again is prepared


async def test_relative_values_stand_in_lists_defaults_and_beside_variables(compiled: Compiled) -> None:
    query = """
      query($day: Date = { start: "month", in: "P1M" }, $days: [Date!]) { opportunities(where: { or: [
        { expectedCloseOn: { in: [{ ago: "P0D" }, $day, "2026-12-31"] } }, { expectedCloseOn: { in: $days } }
      ] }) { nodes { name } } }"""

    one = await compiled.data(person(), query, {"day": "2020-01-01", "days": []})
    other = await compiled.data(person(), query.replace(', "2026-12-31"', ""), {"days": [{"in": "P39D"}, "2000-01-01"]})
    none = await compiled.data(person(), query.replace(', "2026-12-31"', ""), {"days": [{"in": "P38D"}]})

    kitchen = [{"name": "厨房电器"}]
    assert [a["opportunities"]["nodes"] for a in (one, other, none)] == [kitchen, kitchen, []]


@pytest.mark.parametrize(
    ("since", "message"),
    [
        ({"ago": "90D"}, "An ISO 8601 duration of whole numbers is expected, such as P90D or P1M."),
        ({"ago": "P9999999Y"}, "A duration may have at most 1000 years."),
        ({"start": "month", "zone": "Asia/Nowhere"}, "A time zone is expected, such as Asia/Shanghai."),
        ({}, 'Give start, ago or in, and perhaps a zone: { start: "month", ago: "P1M" }.'),
        ([{"ago": "P1D"}], "A date and time is expected, such as 2026-11-22T09:30:00+08:00."),
        (1_700_000_000, "A date and time is expected, such as 2026-11-22T09:30:00+08:00."),
    ],
)
async def test_a_wrong_moment_is_refused_alike_before_and_after_preparation(
    compiled: Compiled, since: Any, message: str
) -> None:
    cold = await refusal(compiled, SINCE, since=since)
    await count_since(compiled, {"ago": "P1D"})
    await count_since(compiled, {"start": "day", "zone": "UTC"})
    warm = await refusal(compiled, SINCE, since=since)

    assert isinstance(cold, BadVariables)
    assert [p.error.message for p in cold.details["problems"]] == [f"Variable '$since' has invalid value: {message}"]
    assert warm.details == cold.details


async def test_a_wrong_value_is_refused_where_it_decides_nothing(compiled: Compiled) -> None:
    text = "query($d: DateTime, $n: Int) { customers(where: { or: [{}, { archivedAt: { eq: $d } }]"
    text += " interactions: { count: { where: { durationSeconds: { gt: $n } } } } }) { totalCount } }"
    assert await compiled.data(person(), text, {"d": {"ago": "P1D"}, "n": 1}) == {"customers": {"totalCount": 5}}

    assert isinstance(await refusal(compiled, text, d={"ago": "P1H"}, n=1), BadVariables)
    assert isinstance(await refusal(compiled, text, d={"ago": "P2D"}, n=2**40), BadVariables)


async def test_a_variable_inside_a_value_is_refused_in_words(compiled: Compiled) -> None:
    text = "query($d: String!) { customers(where: { createdAt: { gte: { ago: $d } } }) { totalCount } }"
    error = await refusal(compiled, text, d="P1D")

    assert isinstance(error, ValidationFailed)
    (problem,) = error.details["problems"]
    assert problem.error.message.endswith("A variable cannot stand inside a DateTime; let the whole value be one.")


def wang_with(rule: GrantRule) -> Principal:
    role = RoleRule("test", "test", "test", "", {"customer": (rule,)})
    return principal_of(company(), USER["wang"], access_of({"test": role}, ["test"]))


async def test_row_rules_count_and_reckon_too(compiled: Compiled) -> None:
    busy = grant(where({"interactions": {"count": {"gte": 2}}}), fields={"number": Level.READ})
    recent = grant(where({"createdAt": {"gte": {"ago": "P399D"}}}), fields={"number": Level.READ})

    assert await found(compiled, "{}", wang_with(busy)) == "C-2"
    assert await found(compiled, "{}", wang_with(recent)) == "C-4"
    compiled.now = datetime(2026, 11, 21, 3, tzinfo=UTC)
    assert await found(compiled, "{}", wang_with(recent)) == "C-3 C-4"


async def test_conditions_of_an_operation_are_limited_together(compiled: Compiled) -> None:
    text = (
        "query($w: CustomerWhere) { one: customers(where: $w) { totalCount } two: customers(where: $w) { totalCount } }"
    )
    fits = {"or": [{"number": {"eq": str(n)}} for n in range(499)]}
    too_many = {"or": [{"number": {"eq": str(n)}} for n in range(500)]}

    assert await compiled.data(person(), text, {"w": fits}) == {"one": {"totalCount": 0}, "two": {"totalCount": 0}}
    error = await refusal(compiled, text, w=too_many)
    assert (error.code, error.template_key) == ("VALIDATION_FAILED", "predicate_too_long")
    assert error.path == ("two", "where", "or", 498, "number")


@pytest.mark.parametrize(
    ("prefix", "above"),
    [
        ("abc", "abd"),
        ("a\ud7ff", "a\ue000"),
        ("上海", "上浸"),
        ("😀", "😁"),
        ("a\U0010ffff", "b"),
        ("", "\U0010ffff" * 501),
        ("\U0010ffff" * 2, "\U0010ffff" * 501),
    ],
)
def test_the_text_above_all_that_begin_with_a_prefix(prefix: str, above: str) -> None:
    assert Above(None).of(prefix) == above


@pytest.mark.parametrize("prefix", ["", "a", "A", "z", "\ud7ff", "\U0010ffff", "é", "上"])
async def test_beginnings_are_found_whatever_stands_behind_them(compiled: Compiled, prefix: str) -> None:
    texts = [f"{prefix}{rest}" for rest in ("", "a", "\u0001", "\ue000", "\U0010ffff\U0010ffff")]
    for number, name in zip(("C-0", "C-1", "C-2", "C-3", "C-4"), texts, strict=True):
        await compiled.connection.execute("UPDATE customers SET name = $1 WHERE number = $2", name, number)
    query = "query($v: String!) { customers(where: { name: { startsWith: $v } }) { totalCount } }"

    assert await compiled.data(person(), query, {"v": prefix}) == {"customers": {"totalCount": 5}}
    assert await found(compiled, f"{{ name: {{ startsWith: {json.dumps(prefix)} }} }}") == "C-0 C-1 C-2 C-3 C-4"


async def test_a_beginning_is_answered_by_the_index(compiled: Compiled) -> None:
    await compiled.connection.execute(
        "INSERT INTO customers (id, kind, name, created_at, updated_at)"
        " SELECT crm_id(1), 'PERSON', md5(n::text), now(), now() FROM generate_series(1, 5000) AS n"
    )
    await compiled.connection.execute("ANALYZE customers")
    query = "query($v: String!) { customers(where: { name: { startsWith: $v } }) { nodes { name } } }"
    statement = await compiled.statement(person(), query, {"v": "abc"})
    await compiled.connection.execute(f"PREPARE begins AS {statement}")
    plan = await compiled.connection.fetch("EXPLAIN EXECUTE begins ('abc', 'abd', 50)")
    await compiled.connection.execute("DEALLOCATE begins")

    assert "ix_customers_name_id" in "\n".join(line[0] for line in plan)
