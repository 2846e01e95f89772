"""Custom fields in reads: typed and never failing, with rights of their own, filtered, ordered, found by an index."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from crm_graph.access import Level
from crm_graph.errors import CrmError, ValidationFailed
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.rules import ALL, OWN, GrantRule, RoleRule, grant, where
from crm_graph.proof.engine import principal_of, reading
from crm_graph.proof.rows import Connection, insert
from reference.company import USER, company
from reference.compiled import Compiled, access_of, catalog

READ, MASKED = Level.READ, Level.MASKED
EVERY = dict.fromkeys((f"custom.{key}" for key in catalog()["customer"].custom), READ)
NUMBERS = "{ customers(orderBy: [{ number: ASC }], where: %s) { nodes { number } } }"
COUNT = "{ customers(where: { custom: { %s } }) { totalCount } }"


@pytest.fixture
async def compiled(connection: Connection) -> AsyncIterator[Compiled]:
    async with reading(connection):
        await insert(connection, company())
        yield Compiled(connection)


def wang_with(*grants: GrantRule) -> Principal:
    role = RoleRule("test", "test", "test", "", {"customer": grants})
    return principal_of(company(), USER["wang"], access_of({"test": role}, ["test"]))


ALL_SEEN = wang_with(grant(ALL, fields={"number": READ, **EVERY}))


async def set_custom(compiled: Compiled, **by_number: Any) -> None:
    """Custom values of customers by number, `C_1` for C-1; the others have none."""
    for number, values in by_number.items():
        text = json.dumps(values)
        statement = "UPDATE customers SET custom = $1::text::jsonb WHERE number = $2"
        await compiled.connection.execute(statement, text, number.replace("_", "-"))


async def found(compiled: Compiled, condition: str, who: Principal = ALL_SEEN) -> str:
    answer = await compiled.data(who, NUMBERS % condition)
    return " ".join(node["number"] for node in answer["customers"]["nodes"])


RIGHT = {
    "loyaltyCard": "CH-1", "visits": 5.0, "floorArea": "12.50", "vip": True, "anniversary": "2024-02-29",
    "calledAt": "2026-11-22T12:00:00+08:00", "visitTime": "EVENING", "tags": ["a", 1, "b", None, {"c": 1}],
}  # fmt: skip
WRONG = {
    "loyaltyCard": "x" * 501, "visits": 1.5, "floorArea": "NaN", "vip": "true", "anniversary": "2026-02-30",
    "calledAt": "2026-11-22T12:00:00", "visitTime": "MIDNIGHT", "tags": "a",
}  # fmt: skip
WORSE = {
    "loyaltyCard": {"a": 1}, "visits": 1e300, "floorArea": 10**60, "vip": 1, "anniversary": "infinity",
    "calledAt": "2026-11-22T25:61:00Z", "visitTime": ["EVENING"], "tags": {"a": "b"},
}  # fmt: skip


async def test_values_are_typed_and_what_is_of_another_type_is_null(compiled: Compiled) -> None:
    await set_custom(compiled, C_1=RIGHT, C_2=WRONG, C_3=WORSE)
    fields = " ".join(EVERY).replace("custom.", "")
    answer = await compiled.data(
        ALL_SEEN, f"{{ customers(first: 4, orderBy: [{{ number: ASC }}]) {{ nodes {{ custom {{ {fields} }} }} }} }}"
    )

    nothing = dict.fromkeys(RIGHT)
    assert [node["custom"] for node in answer["customers"]["nodes"]] == [
        nothing,
        {**RIGHT, "visits": 5, "calledAt": "2026-11-22T04:00:00+00:00", "tags": ["a", "b"]},
        nothing,
        nothing,
    ]


@pytest.mark.parametrize(
    ("condition", "numbers"),
    [
        ('{ loyaltyCard: { eq: "CH-1" } }', "C-1"),
        ('{ loyaltyCard: { containsInsensitive: "ch" } }', "C-1 C-4"),
        ("{ visits: { gte: 5 } }", "C-1"),
        ("{ visits: { eq: 5 } }", "C-1"),
        ('{ floorArea: { lt: "12.6" } }', "C-1 C-4"),
        ("{ vip: { eq: false } }", "C-4"),
        ('{ anniversary: { lt: { ago: "P1Y" } } }', "C-1"),
        ('{ calledAt: { gte: { start: "day" } } }', "C-1"),
        ("{ visitTime: { in: [EVENING, MORNING] } }", "C-1 C-4"),
        ("{ visitTime: { eq: MORNING }, vip: { isNull: false } }", "C-4"),
        ('{ tags: { has: "a" } }', "C-1"),
        ('{ tags: { hasAny: ["b", "x"] } }', "C-1"),
        ('{ tags: { hasAll: ["a", "b"] } }', "C-1"),
        ('{ tags: { hasAll: ["a", "x"] } }', ""),
        ("{ tags: { hasAll: [] } }", "C-1 C-4"),
        ("{ tags: { hasAny: [] } }", ""),
        ("{ tags: { isEmpty: true } }", "C-4"),
        ("{ tags: { isEmpty: false } }", "C-1"),
        ("{ tags: { isNull: true } }", "C-0 C-2 C-3"),
        ('{ loyaltyCard: { ne: "CH-1" } }', "C-0 C-2 C-3 C-4"),
    ],
)
async def test_custom_fields_are_filtered_by(compiled: Compiled, condition: str, numbers: str) -> None:
    other = {"loyaltyCard": "ch-2", "floorArea": -3, "vip": False, "visitTime": "MORNING", "tags": []}
    await set_custom(compiled, C_1=RIGHT, C_2=WRONG, C_3=WORSE, C_4=other)

    assert await found(compiled, f"{{ custom: {condition} }}") == numbers


async def test_pages_follow_an_order_by_custom_fields(compiled: Compiled) -> None:
    await set_custom(compiled, C_1={"visits": 3}, C_2={"visits": 1}, C_3={"visits": "no number"}, C_4={"visits": 3})
    query = (
        "query($after: String) { customers(first: 2, after: $after, orderBy: [{ custom: { visits: DESC_NULLS_LAST } },"
    )
    query += " { number: ASC }]) { nodes { number } pageInfo { endCursor hasNextPage } } }"

    numbers, after = [], None
    for _ in range(3):
        page = (await compiled.data(ALL_SEEN, query, {"after": after}))["customers"]
        numbers.append([node["number"] for node in page["nodes"]])
        after = page["pageInfo"]["endCursor"]

    assert numbers == [["C-1", "C-4"], ["C-2", "C-0"], ["C-3"]]
    assert page["pageInfo"]["hasNextPage"] is False


async def test_a_custom_field_has_rights_of_its_own(compiled: Compiled) -> None:
    await set_custom(compiled, C_1=RIGHT, C_4=RIGHT)
    who = wang_with(
        grant(ALL, fields={"number": READ, "custom.vip": READ, "custom.loyaltyCard": MASKED}),
        grant(OWN, fields={"custom.loyaltyCard": READ}),
    )
    query = "{ customers(orderBy: [{ number: ASC }], where: { custom: { vip: { eq: true } } })"
    query += " { nodes { number maskedFields custom { loyaltyCard vip } } } }"

    answer = await compiled.data(who, query)

    assert answer["customers"]["nodes"] == [
        {"number": "C-1", "maskedFields": [], "custom": {"loyaltyCard": "CH-1", "vip": True}},
        {"number": "C-4", "maskedFields": ["custom.loyaltyCard"], "custom": {"loyaltyCard": None, "vip": True}},
    ]
    assert await found(compiled, '{ custom: { loyaltyCard: { eq: "CH-1" } } }', who) == "C-1"
    assert await found(compiled, "{ custom: { loyaltyCard: { isNull: true } } }", who) == "C-0 C-2 C-3 C-4"


@pytest.mark.parametrize("hidden", ["visits", "neverWas"])
async def test_a_hidden_custom_field_is_as_unknown_as_one_that_never_was(compiled: Compiled, hidden: str) -> None:
    who = wang_with(grant(ALL, fields={"number": READ, "custom.vip": READ}))
    for text, told in (
        ("{ customers { nodes { custom { %s } } } }", "Cannot query field '%s' on type 'CustomerCustom'."),
        (
            "{ customers(where: { custom: { %s: { eq: 1 } } }) { totalCount } }",
            "Expected value of type 'CustomerCustomWhere' not to include unknown field '%s', found: { %s: { eq: 1 } }.",
        ),
    ):
        with pytest.raises(ValidationFailed) as caught:
            await compiled.run(who, text % hidden)
        (problem,) = caught.value.details["problems"]
        assert problem.error.message == told.replace("%s", hidden)


async def test_who_reads_no_custom_field_has_no_custom(compiled: Compiled) -> None:
    who = wang_with(grant(ALL, fields={"number": READ}))
    for text in (
        "{ customers { nodes { custom { __typename } } } }",
        "{ customers(where: { custom: {} }) { totalCount } }",
        "{ customers(orderBy: [{ custom: {} }]) { totalCount } }",
    ):
        with pytest.raises(CrmError) as caught:
            await compiled.run(who, text)
        assert "custom" in caught.value.details["problems"][0].error.message
    schema = await compiled.operations.schema(who.access)
    assert [name for name in schema.type_map if name.startswith("CustomerCustom")] == []


async def test_keys_that_structural_fields_have_too_are_no_structure(compiled: Compiled) -> None:
    role = RoleRule("test", "test", "test", "", {"ticket": (grant(ALL, fields={"custom.class": READ}),)})
    access = access_of({"test": role}, ["test"])

    assert access.ceiling("ticket", "version") is READ
    assert access.ceiling("ticket", "custom.version") is Level.HIDDEN


async def test_row_rules_name_custom_fields(compiled: Compiled) -> None:
    await set_custom(compiled, C_1=RIGHT, C_4={"tags": ["vip"]})
    who = wang_with(grant(where({"custom": {"tags": {"hasAny": ["vip", "old"]}}}), fields={"number": READ}))

    assert await found(compiled, "{}", who) == "C-4"


@pytest.mark.parametrize(
    "condition", ['loyaltyCard: { eq: "CH-77" }', "visits: { eq: 77 }", 'tags: { has: "t77" }', "vip: { eq: true }"]
)
async def test_an_equality_is_answered_by_the_index(compiled: Compiled, condition: str) -> None:
    await compiled.connection.execute(
        "INSERT INTO customers (id, kind, name, created_at, updated_at, custom)"
        " SELECT crm_id(1), 'PERSON', 'x', now(), now(), jsonb_build_object('loyaltyCard', 'CH-' || n, 'visits', n,"
        " 'tags', jsonb_build_array('t' || n)) FROM generate_series(1, 5000) AS n"
    )
    await compiled.connection.execute("ANALYZE customers")
    query = COUNT % condition
    statement = await compiled.statement(ALL_SEEN, query)

    # Prepared by hand, so that the plan is the generic one that every request gets.
    await compiled.connection.execute(f"PREPARE asked AS {statement}")
    plan = await compiled.connection.fetch("EXPLAIN EXECUTE asked (NULL)")
    await compiled.connection.execute("DEALLOCATE asked")

    assert "ix_customers_custom" in "\n".join(line[0] for line in plan)
    assert (await compiled.data(ALL_SEEN, query))["customers"]["totalCount"] == (0 if "vip" in condition else 1)
