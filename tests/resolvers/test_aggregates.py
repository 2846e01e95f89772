"""Rules of aggregates that are known in advance, each on the small company."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from crm_graph.access import Level
from crm_graph.errors import CrmError
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.rules import ALL, OWN, GrantRule, RoleRule, grant
from crm_graph.proof.engine import principal_of, reading
from crm_graph.proof.rows import Connection, insert
from crm_graph.resolvers.plan import Limits
from reference.company import OPPORTUNITY, PEOPLE, USER, company
from reference.compiled import Compiled, access_of, default_access, schema_of

READ, MASKED = Level.READ, Level.MASKED


@pytest.fixture
async def compiled(connection: Connection) -> AsyncIterator[Compiled]:
    async with reading(connection):
        await insert(connection, company())
        yield Compiled(connection)


def person(role: str) -> Principal:
    return principal_of(company(), USER[PEOPLE[role][0]], default_access([role]))


def wang_with(**grants: tuple[GrantRule, ...]) -> Principal:
    """Wang, with these grants by type and nothing else."""
    role = RoleRule("test", "test", "test", "", grants)
    return principal_of(company(), USER["wang"], access_of({"test": role}, ["test"]))


async def groups(compiled: Compiled, who: Principal, query: str, **variables: Any) -> Any:
    """The groups of an aggregate, which is the only field of the query."""
    (answer,) = (await compiled.data(who, query, variables)).values()
    return answer["groups"]


async def refusal(compiled: Compiled, who: Principal, query: str, **variables: Any) -> CrmError:
    with pytest.raises(CrmError) as caught:
        await compiled.run(who, query, variables)
    return caught.value


async def test_all_rows_are_one_group_even_when_there_is_none(compiled: Compiled) -> None:
    query = (
        "{ leadsAggregate(where: { or: [] }) { groups { count sum { score } avg { score } countDistinct { name } } } }"
    )

    found = await groups(compiled, person("crm_manager"), query)

    assert found == [{"count": 0, "sum": {"score": None}, "avg": {"score": None}, "countDistinct": {"name": 0}}]


async def test_grouped_rows_of_which_there_is_none_are_no_group(compiled: Compiled) -> None:
    query = "{ leadsAggregate(where: { or: [] }, groupBy: [{ intent: true }]) { groups { count } } }"

    assert await groups(compiled, person("crm_manager"), query) == []


async def test_days_begin_in_the_zone_that_is_asked_for_else_in_the_viewers(compiled: Compiled) -> None:
    await compiled.connection.execute("UPDATE leads SET created_at = '2026-03-31T20:00:00Z'")
    query = """query($zone: String) {
      leadsAggregate(groupBy: [{ createdAt: { by: MONTH, zone: $zone } }]) { groups { key { createdAt } } }
    }"""
    who = person("crm_manager")

    assert await groups(compiled, who, query, zone="America/New_York") == [{"key": {"createdAt": "2026-03-01"}}]
    assert await groups(compiled, who, query, zone="Asia/Shanghai") == [{"key": {"createdAt": "2026-04-01"}}]
    assert await groups(compiled, who, query) == [{"key": {"createdAt": "2026-04-01"}}]


@pytest.mark.parametrize(
    ("by", "day"),
    [("DAY", "12-31"), ("WEEK", "12-28"), ("MONTH", "12-01"), ("QUARTER", "10-01"), ("YEAR", "01-01")],
)
async def test_a_date_is_cut_to_the_first_day_of_its_period(compiled: Compiled, by: str, day: str) -> None:
    query = """{
      opportunitiesAggregate(groupBy: { expectedCloseOn: { by: %s } }, where: { expectedCloseOn: { isNull: false } }) {
        groups { key { expectedCloseOn } }
      }
    }"""

    assert await groups(compiled, person("crm_manager"), query % by) == [{"key": {"expectedCloseOn": f"2026-{day}"}}]


async def test_amounts_without_a_rate_are_left_out_of_sums_in_base_currency(compiled: Compiled) -> None:
    await compiled.connection.execute("UPDATE opportunities SET amount_base = NULL WHERE id = $1", OPPORTUNITY["hotel"])
    query = "{ opportunitiesAggregate%s { groups { count sum { amount { amount currency } } } } }"
    who = person("crm_manager")

    assert await groups(compiled, who, query % "") == [
        {"count": 3, "sum": {"amount": {"amount": "120000.00", "currency": "CNY"}}}
    ]
    assert await groups(compiled, who, query % "(groupBy: { currency: true })") == [
        {"count": 2, "sum": {"amount": {"amount": "120000.00", "currency": "CNY"}}},
        {"count": 1, "sum": {"amount": {"amount": "50000.00", "currency": "USD"}}},
    ]


async def test_amounts_say_the_base_currency_of_the_company(connection: Connection) -> None:
    async with reading(connection):
        await insert(connection, company())
        compiled = Compiled(connection, Limits(base_currency="EUR"))
        query = "{ opportunitiesAggregate { groups { max { amount { amount currency } } } } }"

        found = await groups(compiled, person("crm_manager"), query)

    assert found == [{"max": {"amount": {"amount": "360000.00", "currency": "EUR"}}}]


async def test_amounts_whose_currency_is_withheld_are_never_mixed(compiled: Compiled) -> None:
    who = wang_with(
        opportunity=(
            grant(ALL, fields={"amount": READ, "currency": MASKED}),
            grant(OWN, fields={"amount": READ, "currency": READ}),
        )
    )
    await compiled.connection.execute("UPDATE opportunities SET amount = 7, amount_base = 7 WHERE amount IS NULL")
    query = """{
      opportunitiesAggregate(groupBy: [{ currency: true }]) {
        groups { key { currency } count sum { amount { amount currency } } }
      }
    }"""

    assert await groups(compiled, who, query) == [
        {"key": {"currency": "CNY"}, "count": 1, "sum": {"amount": {"amount": "120000.00", "currency": "CNY"}}},
        {"key": {"currency": "USD"}, "count": 1, "sum": {"amount": {"amount": "50000.00", "currency": "USD"}}},
        {"key": {"currency": None}, "count": 1, "sum": {"amount": None}},
    ]


async def test_a_related_row_out_of_scope_has_no_keys(compiled: Compiled) -> None:
    who = wang_with(opportunity=(grant(ALL, fields={"name": READ}),), customer=(grant(OWN, fields={"name": READ}),))
    query = """{
      opportunitiesAggregate(groupBy: [{ customer: { name: true } }]) { groups { key { customer { name } } count } }
    }"""

    assert await groups(compiled, who, query) == [
        {"key": {"customer": {"name": "Haidian Hotel Ltd"}}, "count": 1},
        {"key": {"customer": {"name": "王小明"}}, "count": 1},
        {"key": {"customer": {"name": None}}, "count": 1},
    ]


async def test_groups_of_equal_measures_are_ordered_by_their_keys(compiled: Compiled) -> None:
    query = "{ stagesAggregate(groupBy: [{ key: true }], orderBy: [{ count: DESC }]) { groups { key { key } count } } }"

    found = await groups(compiled, person("crm_manager"), query)

    assert found == [{"key": {"key": key}, "count": 4} for key in ("active", "done", "open")]


async def test_more_groups_than_asked_for_are_told(compiled: Compiled) -> None:
    query = """query($n: Int) {
      stagesAggregate(groupBy: [{ key: true }], first: $n) { groupsCapped groups { key { key } } }
    }"""
    who = person("crm_manager")

    some = await compiled.data(who, query, {"n": 2})
    all_ = await compiled.data(who, query, {"n": 3})
    none = await compiled.data(who, query, {"n": 0})

    assert [len(a["stagesAggregate"]["groups"]) for a in (some, all_, none)] == [2, 3, 0]
    assert [a["stagesAggregate"]["groupsCapped"] for a in (some, all_, none)] == [True, False, True]


async def test_a_key_that_rows_are_not_grouped_by_is_null(compiled: Compiled) -> None:
    query = """query($by: [StageGroupBy!]) {
      stagesAggregate(groupBy: $by, where: { key: { eq: "open" } }, first: 1) {
        groups { key { key position pipeline { key } } }
      }
    }"""
    who = person("crm_manager")

    assert await groups(compiled, who, query, by=[{"position": True}, {"key": False}]) == [
        {"key": {"key": None, "position": 1, "pipeline": None}}
    ]
    assert await groups(compiled, who, query, by=[{"key": True}, {"pipeline": {"key": True}}]) == [
        {"key": {"key": "open", "position": None, "pipeline": {"key": "default"}}}
    ]
    assert await groups(compiled, who, query) == [{"key": {"key": None, "position": None, "pipeline": None}}]


BY_VARIABLES = """query($by: [CustomerGroupBy!], $having: CustomerHaving, $order: [CustomerAggregateOrderBy!]) {
  customersAggregate(groupBy: $by, having: $having, orderBy: $order, archived: INCLUDE) {
    groups { key { kind createdAt } count }
  }
}"""


async def test_a_variable_decides_anew_what_rows_are_grouped_by(compiled: Compiled) -> None:
    who = person("crm_manager")

    async def asked(**variables: Any) -> list[tuple[Any, ...]]:
        found = await groups(compiled, who, BY_VARIABLES, **variables)
        return [(g["key"]["kind"], g["key"]["createdAt"], g["count"]) for g in found]

    year = {"createdAt": {"by": "YEAR", "zone": "Asia/Shanghai"}}
    month = {"createdAt": {"by": "MONTH", "zone": "Asia/Shanghai"}}
    assert await asked(by=[{"kind": True}]) == [("ORGANIZATION", None, 2), ("PERSON", None, 4)]
    assert await asked(by=[{"kind": False}]) == [(None, None, 6)]
    assert await asked(by=[year]) == [(None, "2024-01-01", 1), (None, "2025-01-01", 3), (None, "2026-01-01", 2)]
    assert len(await asked(by=[month])) == 6
    assert await asked(by=[year], having={"count": {"gt": 1}}) == [(None, "2025-01-01", 3), (None, "2026-01-01", 2)]
    assert await asked(by=[year], having={"count": {"gt": 2}}) == [(None, "2025-01-01", 3)]
    assert await asked(by=[year], order=[{"count": "DESC"}], having={"count": {"gt": 1}}) == [
        (None, "2025-01-01", 3),
        (None, "2026-01-01", 2),
    ]
    assert await asked(by=[year], order=[{"key": {"createdAt": "DESC"}}], having={"count": {"gt": 1}}) == [
        (None, "2026-01-01", 2),
        (None, "2025-01-01", 3),
    ]


async def test_another_zone_finds_the_prepared_operation(compiled: Compiled) -> None:
    who = person("crm_manager")
    document = await compiled.operations.document(BY_VARIABLES, who.access)
    operation = document.operation(None)

    def shape(by: str, zone: str) -> Any:
        return operation.shape({"by": [{"createdAt": {"by": by, "zone": zone}}]})

    assert shape("MONTH", "Asia/Shanghai") == shape("MONTH", "UTC")
    assert shape("MONTH", "Asia/Shanghai") != shape("YEAR", "Asia/Shanghai")
    assert operation.shape({"by": [{"kind": True}]}) != operation.shape({"by": [{"kind": 1}]})


@pytest.mark.parametrize("first", [-1, 1_001])
async def test_too_many_or_fewer_than_no_groups_are_refused(compiled: Compiled, first: int) -> None:
    query = "query($n: Int) { customersAggregate(first: $n) { groupsCapped } }"

    error = await refusal(compiled, person("crm_manager"), query, n=first)

    assert (error.code, error.template_key, error.path) == ("BAD_VARIABLES", "page_size", ("n",))
    assert error.details["limit"] == 1_000


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "", "+08:00", "x" * 1_000, "Asia/Shanghai\0", "posix/UTC", "localtime"]
)
async def test_an_unknown_zone_is_refused(compiled: Compiled, zone: str) -> None:
    query = """query($by: [CustomerGroupBy!]) { customersAggregate(groupBy: $by) { groups { count } } }"""
    by = [{"createdAt": {"by": "DAY", "zone": zone}}]

    error = await refusal(compiled, person("crm_manager"), query, by=by)

    assert (error.code, error.path) == ("BAD_VARIABLES", ("by", 0, "createdAt", "zone"))


async def test_a_zone_that_the_database_does_not_know_is_refused_too(compiled: Compiled) -> None:
    who = replace(person("crm_manager"), time_zone="Mars/Olympus")
    query = "{ customersAggregate(groupBy: [{ createdAt: { by: DAY } }]) { groups { count } } }"

    error = await refusal(compiled, who, query)

    assert (error.code, error.template_key) == ("BAD_VARIABLES", "time_zone_invalid")


TOO_MANY_KEYS = ", ".join(
    f"{name}: true" for name in ["id", "name", "tier", "city", "kind", "number", "phone", "version", "currency"]
)
ARGUMENTS = [
    ("groupBy: [{ tier: true }, { tier: true }]", "group_key_twice", ("groupBy", 1, "tier")),
    (
        "groupBy: [{ createdAt: { by: YEAR } }, { createdAt: { by: MONTH } }]",
        "group_key_twice",
        ("groupBy", 1, "createdAt"),
    ),
    (
        f"groupBy: [{{ {TOO_MANY_KEYS} }}]",
        "too_many_group_keys",
        ("groupBy",),
    ),
    (
        f"groupBy: [{{ parent: {{ {'parent: { ' * 8} name: true {'}' * 8} }} }}]",
        "too_many_group_keys",
        ("groupBy",),
    ),
    ("orderBy: [{ key: { tier: ASC } }]", "order_by_no_key", ("orderBy", 0, "key", "tier")),
    ("having: { count: null }", "predicate_null", ("having", "count")),
    ("having: { sum: { orderCount: { gt: null } } }", "predicate_null", ("having", "sum", "orderCount", "gt")),
    (f"having: {{ {'not: { ' * 13} count: {{ gt: 1 }} {'}' * 13} }}", "predicate_depth", ("having",) + ("not",) * 13),
]


@pytest.mark.parametrize(("arguments", "template", "path"), ARGUMENTS)
async def test_arguments_that_make_no_sense_are_refused_by_their_path(
    compiled: Compiled, arguments: str, template: str, path: tuple[str | int, ...]
) -> None:
    query = f"{{ a: customersAggregate({arguments}) {{ groups {{ count }} }} }}"

    error = await refusal(compiled, person("crm_manager"), query)

    assert (error.code, error.template_key, error.path) == ("VALIDATION_FAILED", template, ("a", *path))


async def test_a_condition_of_too_many_terms_is_refused(compiled: Compiled) -> None:
    query = "query($having: CustomerHaving) { customersAggregate(having: $having) { groups { count } } }"

    error = await refusal(
        compiled, person("crm_manager"), query, having={"or": [{"count": {"gt": n}} for n in range(1_001)]}
    )

    assert (error.code, error.template_key) == ("VALIDATION_FAILED", "predicate_too_long")


@pytest.mark.parametrize(
    "part",
    [
        "(groupBy: [{ phone: true }]) { groups { count } }",
        '(having: { max: { phone: { gt: "1" } } }) { groups { count } }',
        "(orderBy: [{ countDistinct: { phone: ASC } }]) { groups { count } }",
        " { groups { min { phone } } }",
        " { groups { countDistinct { phone } } }",
        " { groups { key { phone } } }",
        "(groupBy: [{ owner: { name: true } }]) { groups { count } }",
        " { groups { sum { orderCount } } }",
        "(having: { sum: { orderCount: { gt: 1 } } }) { groups { count } }",
    ],
)
async def test_what_is_never_read_cannot_be_grouped_or_measured(compiled: Compiled, part: str) -> None:
    who = wang_with(customer=(grant(ALL, fields={"name": READ, "phone": MASKED}),))

    error = await refusal(compiled, who, f"{{ customersAggregate{part} }}")

    assert (error.code, error.template_key) == ("VALIDATION_FAILED", "validation_failed")


def test_a_schema_has_no_type_of_which_nothing_is_left() -> None:
    who = wang_with(customer=(grant(ALL, fields={"name": READ, "phone": MASKED}),))

    schema = schema_of(who.access)

    left = {name for name in schema.type_map if name.startswith("Customer")}
    assert left & {"CustomerSum", "CustomerAvg", "CustomerNumberHaving", "CustomerNumberOrderBy"} == set()
    assert {"CustomerAggregate", "CustomerGroup", "CustomerRange", "CustomerGroupBy"} <= left
    assert not any(name.startswith("Opportunity") for name in schema.type_map)


async def test_a_document_text_is_measured_by_no_function(compiled: Compiled) -> None:
    query = "{ customersAggregate(groupBy: [{ description: true }]) { groups { count } } }"

    error = await refusal(compiled, person("crm_manager"), query)

    assert (error.code, error.template_key) == ("VALIDATION_FAILED", "validation_failed")


MANY = """
INSERT INTO customers (id, kind, name, tier, created_at, updated_at)
SELECT gen_random_uuid(), 'PERSON', 'n' || g, (ARRAY['STANDARD', 'SILVER', 'GOLD'])[1 + g % 3], now(), now()
FROM generate_series(1, 5000) AS g
"""


@pytest.mark.parametrize("order", ["count: DESC", "key: { tier: ASC }"])
async def test_many_rows_are_grouped_by_one_hash_aggregate(compiled: Compiled, order: str) -> None:
    await compiled.connection.execute(MANY)
    await compiled.connection.execute("ANALYZE customers")
    query = f"{{ customersAggregate(groupBy: [{{ tier: true }}], orderBy: [{{ {order} }}]) {{ groups {{ count }} }} }}"
    who = person("crm_manager")

    statement = await compiled.statement(who, query)
    plan = await compiled.connection.fetch(f"EXPLAIN {statement}", 50)

    steps = [line for (line,) in plan if "Aggregate" in line or "Scan on customers" in line or "SubPlan" in line]
    assert [step.split("(")[0].strip(" ->") for step in steps] == [
        "Aggregate",
        "HashAggregate",
        "Seq Scan on customers t1",
    ]
