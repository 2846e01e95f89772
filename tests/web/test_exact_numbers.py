"""Decimals and large whole numbers over HTTP: what is stored and compared with is what was written, to the digit."""

from typing import Any

import pytest

from .conftest import Answer, Crm

WRITTEN = "9007199254740993.01"
UPDATE = """mutation($id: ID!, $a: Decimal) {
  updateOpportunity(id: $id, input: { amount: $a }) { opportunity { amount { amount } } errors { code message } }
}"""
FIND = "query($a: Decimal) { opportunities(where: { amount: { eq: $a } }) { totalCount } }"
UPSERT = """mutation($items: [UpsertCustomerItem!]!) {
  upsertCustomers(source: "exact", items: $items) { outcomes { result errors { code path message } } }
}"""
INEXACT = f'A number of more than 15 digits may have been rounded on its way. Give it as a string: "{WRITTEN}".'


async def opportunity(crm: Crm) -> str:
    customer = await crm.make("sun", "customer", kind="ORGANIZATION", name="准确")
    made = await crm.make("sun", "opportunity", name="Exact", customerId=customer["id"], amount="1.00")
    return str(made["id"])


async def send(crm: Crm, query: str, variables: str, **headers: str) -> Answer:
    """A document with variables as they are written here."""
    query = query.replace("\n", " ").replace('"', '\\"')
    return await crm.post(f'{{"query": "{query}", "variables": {variables}}}', **headers)


@pytest.mark.parametrize("number", [WRITTEN, "1000000000000000.5", "18446744073709551617", "0.1234567890123456"])
async def test_a_json_number_that_may_be_rounded_is_refused_and_nothing_is_written(crm: Crm, number: str) -> None:
    id_ = await opportunity(crm)

    written = await send(crm, UPDATE, f'{{"id": "{id_}", "a": {number}}}')
    read = await send(crm, FIND, f'{{"a": {number}}}')
    told = await send(crm, FIND, f'{{"a": {number}}}', Accept_Language="zh")

    for answer in (written, read):
        status, code, message = answer.error
        assert (status, code) == (400, "BAD_VARIABLES")
        assert INEXACT in message
    assert "请以字符串形式给出" in told.error[2]
    assert await crm.count("opportunities WHERE id = $1 AND amount = 1", id_) == 1


@pytest.mark.parametrize(
    ("number", "stored"),
    [
        (f'"{WRITTEN}"', WRITTEN),
        ("9007199254740993", "9007199254740993.00"),
        ("999999999999999.0", "999999999999999.00"),
        ("9999999999999.99", "9999999999999.99"),
        ("0.1", "0.10"),
    ],
)
async def test_what_is_exact_is_stored_and_found(crm: Crm, number: str, stored: str) -> None:
    id_ = await opportunity(crm)

    written = await send(crm, UPDATE, f'{{"id": "{id_}", "a": {number}}}')
    found = await send(crm, FIND, f'{{"a": {number}}}')

    assert written.payload("updateOpportunity")["opportunity"] == {"amount": {"amount": stored}}
    assert found.data["opportunities"]["totalCount"] >= 1
    assert await crm.count(f"opportunities WHERE id = $1 AND amount = {stored}", id_) == 1


@pytest.mark.parametrize("literal", ["4503599627370497.01", "4503599627370497.010e0", '"4503599627370497.01"'])
async def test_a_literal_is_exact_at_any_length(crm: Crm, literal: str) -> None:
    id_ = await opportunity(crm)
    update = UPDATE.replace(", $a: Decimal", "").replace("$a", literal)
    written = await crm.ask("sun", update, {"id": id_})
    default = FIND.replace("$a: Decimal", f"$a: Decimal = {literal}")
    where = f'{{ id: {{ eq: "{id_}" }} amount: {{ eq: %s }} }}'
    counts = [
        (await crm.ask("sun", f"{{ opportunities(where: {where % value}) {{ totalCount }} }}")).data["opportunities"]
        for value in (literal, "4503599627370497.00", "4503599627370497.02")
    ]

    assert written.payload("updateOpportunity")["opportunity"] == {"amount": {"amount": "4503599627370497.01"}}
    assert [count["totalCount"] for count in counts] == [1, 0, 0]
    assert (await crm.ask("sun", default)).data["opportunities"]["totalCount"] >= 1


async def test_an_item_of_a_bulk_upsert_is_refused_for_a_number_that_may_be_rounded(crm: Crm) -> None:
    def item(key: str, more: str) -> str:
        return f'{{"externalId": "{key}", "name": "Exact", "kind": "PERSON", {more}}}'

    items = [
        item("a", f'"annualRevenue": {WRITTEN}'),
        item("b", f'"annualRevenue": "{WRITTEN}"'),
        item("c", '"city": 18446744073709551617'),
        item("d", '"employeeCount": 1e30'),
    ]

    answer = await send(crm, UPSERT, f'{{"items": [{", ".join(items)}]}}')

    outcomes: Any = answer.payload("upsertCustomers")["outcomes"]
    assert [(o["result"], [(e["code"], e["path"], e["message"]) for e in o["errors"]]) for o in outcomes] == [
        ("REJECTED", [("INVALID", ["annualRevenue"], INEXACT)]),
        ("CREATED", []),
        ("REJECTED", [("INVALID", ["city"], INEXACT)]),
        ("REJECTED", [("INVALID", ["employeeCount"], INEXACT)]),
    ]


async def test_a_literal_of_a_bulk_upsert_is_exact(crm: Crm) -> None:
    values = f'{{ externalId: "literal", name: "Exact", kind: "PERSON", annualRevenue: {WRITTEN}, city: 12.0 }}'
    outcomes = "{ outcomes { id result errors { message } } }"
    query = f'mutation {{ upsertCustomers(source: "exact", items: [{values}]) {outcomes} }}'

    (outcome,) = (await crm.ask("sun", query)).payload("upsertCustomers")["outcomes"]

    assert (outcome["result"], outcome["errors"]) == ("CREATED", [])
    stored = f"customers WHERE id = $1 AND annual_revenue = {WRITTEN} AND city = '12'"
    assert await crm.count(stored, outcome["id"]) == 1
