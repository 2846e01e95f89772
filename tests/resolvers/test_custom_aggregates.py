"""Custom fields in groups and measures, with rights of their own."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from crm_graph.access import Level
from crm_graph.errors import CrmError
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.rules import ALL, OWN, GrantRule, RoleRule, grant
from crm_graph.proof.engine import principal_of, reading
from crm_graph.proof.rows import Connection, insert
from reference.company import USER, company
from reference.compiled import Compiled, access_of, catalog

READ, MASKED = Level.READ, Level.MASKED
EVERY = dict.fromkeys((f"custom.{key}" for key in catalog()["customer"].custom), READ)


@pytest.fixture
async def compiled(connection: Connection) -> AsyncIterator[Compiled]:
    async with reading(connection):
        await insert(connection, company())
        yield Compiled(connection)


def wang_with(*customers: GrantRule, **others: tuple[GrantRule, ...]) -> Principal:
    role = RoleRule("test", "test", "test", "", {"customer": customers, **others})
    return principal_of(company(), USER["wang"], access_of({"test": role}, ["test"]))


ALL_SEEN = wang_with(grant(ALL, fields={"number": READ, **EVERY}))


async def set_custom(compiled: Compiled, **by_number: Any) -> None:
    """Custom values of customers by number, `C_1` for C-1; the others have none."""
    await compiled.connection.execute("UPDATE customers SET custom = '{}'")
    for number, values in by_number.items():
        statement = "UPDATE customers SET custom = $1::text::jsonb WHERE number = $2"
        await compiled.connection.execute(statement, json.dumps(values), number.replace("_", "-"))


async def groups(compiled: Compiled, arguments: str, selected: str, who: Principal = ALL_SEEN, **more: Any) -> Any:
    query = f"{{ customersAggregate({arguments}) {{ groups {{ {selected} }} }} }}"
    return (await compiled.data(who, query, more))["customersAggregate"]["groups"]


async def test_rows_are_grouped_by_custom_fields(compiled: Compiled) -> None:
    await set_custom(compiled, C_0={"vip": True}, C_1={"vip": True, "visitTime": "EVENING"}, C_2={"vip": "yes"})

    found = await groups(
        compiled,
        "groupBy: [{ custom: { vip: true, visitTime: true } }],"
        " orderBy: [{ key: { custom: { vip: DESC_NULLS_LAST } } }]",
        "count key { number custom { vip visitTime visits __typename } }",
    )

    keys = {"visits": None, "__typename": "CustomerCustomGroupKey"}
    assert found == [
        {"count": 1, "key": {"number": None, "custom": {"vip": True, "visitTime": "EVENING", **keys}}},
        {"count": 1, "key": {"number": None, "custom": {"vip": True, "visitTime": None, **keys}}},
        {"count": 3, "key": {"number": None, "custom": {"vip": None, "visitTime": None, **keys}}},
    ]


async def test_custom_keys_are_null_where_rows_are_not_grouped_by_one(compiled: Compiled) -> None:
    assert await groups(compiled, "groupBy: []", "count key { custom { vip } }") == [
        {"count": 5, "key": {"custom": None}}
    ]


async def test_custom_dates_are_cut_to_periods_and_moments_in_a_zone(compiled: Compiled) -> None:
    await set_custom(compiled, C_1={"anniversary": "2026-11-22", "calledAt": "2026-03-31T20:00:00Z"})
    where = "where: { custom: { anniversary: { isNull: false } } }"
    by = "groupBy: [{ custom: { anniversary: { by: QUARTER }, calledAt: { by: MONTH%s } } }]"
    key = "key { custom { anniversary calledAt } }"

    for zone, month in ((', zone: "America/New_York"', "03"), (', zone: "Asia/Shanghai"', "04"), ("", "04")):
        found = await groups(compiled, f"{where}, {by % zone}", key)
        assert found == [{"key": {"custom": {"anniversary": "2026-10-01", "calledAt": f"2026-{month}-01"}}}]


async def test_custom_numbers_are_measured_and_what_is_of_another_type_is_left_out(compiled: Compiled) -> None:
    await set_custom(
        compiled,
        C_0={"visits": 2147483647, "floorArea": "1.50", "anniversary": "2024-02-29", "loyaltyCard": "b"},
        C_1={"visits": 2, "floorArea": 1.5, "anniversary": "1990-05-01", "loyaltyCard": "a"},
        C_2={"visits": "many", "floorArea": "NaN", "anniversary": "infinity", "loyaltyCard": 7},
    )
    ranged = "custom { visits floorArea anniversary loyaltyCard }"

    (found,) = await groups(
        compiled,
        "first: 1",
        "sum { custom { visits floorArea __typename } } avg { custom { visits floorArea } }"
        f" min {{ {ranged} }} max {{ {ranged} }} countDistinct {{ custom {{ floorArea visitTime vip }} }}",
    )

    assert found == {
        "sum": {"custom": {"visits": "2147483649", "floorArea": "3.0", "__typename": "CustomerCustomSum"}},
        "avg": {"custom": {"visits": "1073741824.500000", "floorArea": "1.500000"}},
        "min": {"custom": {"visits": 2, "floorArea": "1.5", "anniversary": "1990-05-01", "loyaltyCard": "a"}},
        "max": {"custom": {"visits": 2147483647, "floorArea": "1.5", "anniversary": "2024-02-29", "loyaltyCard": "b"}},
        "countDistinct": {"custom": {"floorArea": 1, "visitTime": 0, "vip": 0}},
    }


async def test_equal_decimals_are_one_group_however_they_are_written(compiled: Compiled) -> None:
    await set_custom(compiled, C_0={"floorArea": "12.50"}, C_1={"floorArea": 12.5}, C_2={"floorArea": "12.500"})

    found = await groups(
        compiled,
        "groupBy: [{ custom: { floorArea: true } }], orderBy: [{ count: DESC }], first: 1",
        "count key { custom { floorArea } }",
    )

    assert found == [{"count": 3, "key": {"custom": {"floorArea": "12.5"}}}]


async def test_groups_are_kept_and_ordered_by_custom_measures(compiled: Compiled) -> None:
    await set_custom(
        compiled,
        C_0={"visitTime": "MORNING", "visits": 1},
        C_1={"visitTime": "MORNING", "visits": 3},
        C_2={"visitTime": "EVENING", "visits": 9},
        C_3={"vip": True, "visits": 1},
    )

    found = await groups(
        compiled,
        "groupBy: [{ custom: { visitTime: true } }], having: { sum: { custom: { visits: { gte: 4 } } } },"
        " orderBy: [{ max: { custom: { visits: DESC } } }]",
        "key { custom { visitTime } } sum { custom { visits } }",
    )

    assert found == [
        {"key": {"custom": {"visitTime": "EVENING"}}, "sum": {"custom": {"visits": "9"}}},
        {"key": {"custom": {"visitTime": "MORNING"}}, "sum": {"custom": {"visits": "4"}}},
    ]


async def test_related_records_are_grouped_by_their_customers_custom_fields(compiled: Compiled) -> None:
    await set_custom(compiled, C_4={"visitTime": "MORNING"})
    who = wang_with(grant(ALL, fields=EVERY), ticket=(grant(ALL, fields={"subject": READ, "custom.class": READ}),))
    await compiled.connection.execute("UPDATE tickets SET custom = '{\"class\": \"leak\"}' WHERE number = 'T-1'")
    keys = "{ customer: { custom: { visitTime: true } } }, { custom: { class: true } }"
    query = """{ ticketsAggregate(groupBy: [%s]) {
      groups { count key { custom { class } customer { custom { visitTime __typename } } } }
    } }"""

    found = (await compiled.data(who, query % keys))["ticketsAggregate"]["groups"]

    typed = {"__typename": "CustomerCustomGroupKey"}
    assert found == [
        {"count": 1, "key": {"custom": {"class": "leak"}, "customer": {"custom": {"visitTime": "MORNING", **typed}}}},
        {"count": 1, "key": {"custom": {"class": None}, "customer": {"custom": {"visitTime": None, **typed}}}},
    ]


async def test_withheld_custom_cells_are_null_in_groups_and_measures(compiled: Compiled) -> None:
    await set_custom(
        compiled,
        C_1={"visits": 5, "loyaltyCard": "mine"},
        C_4={"visits": 50, "loyaltyCard": "theirs"},
    )
    who = wang_with(
        grant(ALL, fields={"number": READ, "custom.loyaltyCard": MASKED}),
        grant(OWN, fields={"custom.loyaltyCard": READ, "custom.visits": READ}),
    )

    found = await groups(
        compiled,
        "groupBy: [{ custom: { loyaltyCard: true } }]",
        "count key { custom { loyaltyCard } } sum { custom { visits } } max { custom { loyaltyCard } }",
        who,
    )

    mine, nobodys = {"loyaltyCard": "mine"}, {"loyaltyCard": None}
    assert found == [
        {"count": 1, "key": {"custom": mine}, "sum": {"custom": {"visits": "5"}}, "max": {"custom": mine}},
        {"count": 4, "key": {"custom": nobodys}, "sum": {"custom": {"visits": None}}, "max": {"custom": nobodys}},
    ]


@pytest.mark.parametrize("hidden", ["visits", "neverWas"])
@pytest.mark.parametrize(
    "query",
    [
        "{ customersAggregate(groupBy: [{ custom: { %s: true } }]) { groups { count } } }",
        "{ customersAggregate(having: { sum: { custom: { %s: { gt: 1 } } } }) { groups { count } } }",
        "{ customersAggregate(orderBy: [{ max: { custom: { %s: ASC } } }]) { groups { count } } }",
        "{ customersAggregate { groups { key { custom { %s } } } } }",
        "{ customersAggregate { groups { sum { custom { %s } } } } }",
    ],
)
async def test_a_custom_field_that_is_not_read_is_as_unknown_as_one_that_never_was(
    compiled: Compiled, query: str, hidden: str
) -> None:
    who = wang_with(grant(ALL, fields={"custom.visits": MASKED, "custom.floorArea": READ, "custom.vip": READ}))

    with pytest.raises(CrmError) as caught:
        await compiled.run(who, query % hidden)

    (problem,) = caught.value.details["problems"]
    assert f"'{hidden}'" in problem.error.message
    assert "floorArea" not in problem.error.message


async def test_who_reads_no_custom_number_has_no_sum_of_any(compiled: Compiled) -> None:
    schema = await compiled.operations.schema(wang_with(grant(ALL, fields={"custom.vip": READ})).access)

    assert [n for n in schema.type_map if n.startswith("CustomerCustom") and ("Sum" in n or "Number" in n)] == []
    assert {n for n in schema.type_map if n.startswith("CustomerCustomGroup")} == {
        "CustomerCustomGroupKey",
        "CustomerCustomGroupBy",
    }


async def test_who_reads_custom_numbers_alone_has_sums(compiled: Compiled) -> None:
    await set_custom(compiled, C_1={"visits": 4})

    found = await groups(
        compiled, "first: 1", "sum { custom { visits } }", wang_with(grant(ALL, fields={"custom.visits": READ}))
    )

    assert found == [{"sum": {"custom": {"visits": "4"}}}]


@pytest.mark.parametrize(
    ("arguments", "code", "path"),
    [
        ("having: { sum: { custom: null } }", "VALIDATION_FAILED", "having sum custom"),
        ("having: { sum: { custom: { visits: null } } }", "VALIDATION_FAILED", "having sum custom visits"),
        (
            "groupBy: [{ custom: { vip: true } }, { custom: { vip: true } }]",
            "VALIDATION_FAILED",
            "groupBy 1 custom vip",
        ),
        ("orderBy: [{ key: { custom: { vip: ASC } } }]", "VALIDATION_FAILED", "orderBy 0 key custom vip"),
        (
            'groupBy: [{ custom: { calledAt: { by: DAY, zone: "Mars" } } }]',
            "BAD_VARIABLES",
            "groupBy 0 custom calledAt zone",
        ),
    ],
)
async def test_what_is_wrong_is_led_to(compiled: Compiled, arguments: str, code: str, path: str) -> None:
    with pytest.raises(CrmError) as caught:
        await groups(compiled, arguments, "count")

    led = " ".join(map(str, caught.value.path))
    assert (caught.value.code, led) == (code, f"customersAggregate {path}")
