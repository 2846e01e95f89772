"""What requests cost: told in each answer, and refused before anything runs where it is too much."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson
import pytest

from .conftest import Answer, Crm, hub_with

PAGES = "query($a: Int, $b: Int) { customers(first: $a) { nodes { tickets(first: $b) { nodes { owner { id } } } } } }"


async def test_an_answer_tells_what_it_cost(crm: Crm) -> None:
    small = await crm.ask("sun", PAGES, {"a": 2, "b": 3})
    large = await crm.ask("sun", PAGES, {"a": 200, "b": 200})

    assert small.json["extensions"]["cost"]["requested"] == 1 + 2 * (1 + 3 * 2)
    assert large.json["extensions"]["cost"]["requested"] == 1 + 200 * (1 + 200 * 2)
    assert list(small.json) == ["data", "extensions"]


async def test_a_change_tells_what_it_cost(crm: Crm) -> None:
    made = await crm.ask(
        "sun",
        """mutation { createLead(input: { name: "价目", phone: "13800138007" }) {
        lead { owner { id } } errors { code } } }""",
    )

    assert made.payload("createLead")["errors"] == []
    assert made.json["extensions"]["cost"]["requested"] == 10 + 1 + 1


async def test_a_query_that_costs_too_much_is_refused_before_it_runs(crm: Crm) -> None:
    document = """query($n: Int) { customers(first: $n) { nodes { tickets(first: $n) { nodes {
      customer { contracts(first: $n) { nodes { id } } } } } } } }"""

    refused = await crm.ask("sun", document, {"n": 200})
    in_chinese = await crm.ask("sun", document, {"n": 200}, Accept_Language="zh")
    smaller = await crm.ask("sun", document, {"n": 20})

    requested = 1 + 200 * (1 + 200 * (1 + 1 + 200))
    assert refused.error == (
        400,
        "COST_EXCEEDED",
        f"The request costs {requested}, and one may cost 250000. Ask for smaller pages or fewer levels.",
    )
    assert refused.json["errors"][0]["extensions"]["details"] == {"requested": requested, "limit": 250_000}
    assert in_chinese.error[2] == f"请求开销为 {requested}，上限为 250000，请缩小分页或减少层级。"
    assert smaller.json["extensions"]["cost"]["requested"] == 1 + 20 * (1 + 20 * (1 + 1 + 20))


async def test_a_change_that_costs_too_much_leaves_nothing_behind(crm: Crm) -> None:
    document = """mutation($n: Int) { createCustomer(input: { name: "贵客", kind: PERSON }) { customer {
      tickets(first: $n) { nodes { customer { contracts(first: $n) { nodes { id lines { id } } } } } } leads(first: $n)
      { nodes { customer { contracts(first: $n) { nodes { lines { id } owner { id } } } } } } } } }"""

    refused = await crm.ask("sun", document, {"n": 200})

    assert refused.error[:2] == (400, "COST_EXCEEDED")
    assert await crm.count("customers WHERE name = '贵客'") == 0


PAGE = "query($n: Int) { customers(first: $n) { nodes { name } } }"


async def limited(crm: Crm, per_minute: int | None) -> None:
    """Give the client `erp` a budget of its own."""
    async with crm.database.transaction():
        await crm.database.execute("UPDATE clients SET cost_per_minute = $1 WHERE client_id = 'erp'", per_minute)
        await crm.database.execute("UPDATE policy_version SET version = version + 1")


@pytest.fixture
async def small_budget(crm: Crm) -> AsyncIterator[httpx.AsyncClient]:
    """A hub where the client `erp` may spend 100 in a minute."""
    await limited(crm, 100)
    crm.clock.now += timedelta(minutes=1)
    async with hub_with(crm, crm.settings) as http:
        yield http
    await limited(crm, None)


async def asked(crm: Crm, http: httpx.AsyncClient, size: int, **headers: str) -> Answer:
    body = {"query": PAGE, "variables": {"n": size}}
    sent = {**crm.headers("erp"), **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Answer(await http.post("/graphql", json=body, headers=sent))


async def test_a_client_sees_its_budget_and_is_told_when_to_come_again(
    crm: Crm, small_budget: httpx.AsyncClient
) -> None:
    first = await asked(crm, small_budget, 59)
    over = await asked(crm, small_budget, 59)
    in_chinese = await asked(crm, small_budget, 59, Accept_Language="zh")
    less = await asked(crm, small_budget, 19)
    never = await asked(crm, small_budget, 150)

    assert first.json["extensions"] == {"cost": {"requested": 60, "remaining": 40}}
    assert first.response.headers["ratelimit-policy"] == '"cost";q=100;w=60;qu="cost"'
    assert first.response.headers["ratelimit"] == '"cost";r=40'
    assert over.error == (429, "RATE_LIMITED", "Your budget is spent. Try again in 12 s.")
    assert over.json["errors"][0]["extensions"]["details"] == {"retry_after": 12, "limit": 100}
    assert over.response.headers["retry-after"] == "12"
    assert over.response.headers["ratelimit"] == '"cost";r=0;t=12'
    assert over.response.headers["ratelimit-policy"] == '"cost";q=100;w=60;qu="cost"'
    assert in_chinese.error == (429, "RATE_LIMITED", "请求额度已用完，请在 12 秒后重试。")
    assert less.json["extensions"] == {"cost": {"requested": 20, "remaining": 20}}
    assert never.error[:2] == (400, "COST_EXCEEDED")


async def test_a_change_is_paid_from_the_same_budget(crm: Crm, small_budget: httpx.AsyncClient) -> None:
    def batch(number: int) -> dict[str, Any]:
        items = [{"externalId": f"B-{i}", "kind": "PERSON", "name": "预算"} for i in range(number)]
        text = """mutation($i: [UpsertCustomerItem!]!) { upsertCustomers(source: "erp", items: $i, dryRun: true) {
            outcomes { result } } }"""
        return {"query": text, "variables": {"i": items}}

    many = Answer(await small_budget.post("/graphql", json=batch(8), headers=crm.headers("erp")))
    more = Answer(await small_budget.post("/graphql", json=batch(8), headers=crm.headers("erp")))

    assert many.json["extensions"] == {"cost": {"requested": 80, "remaining": 20}}
    assert many.response.headers["ratelimit"] == '"cost";r=20'
    assert more.error[:2] == (429, "RATE_LIMITED")


async def sent(crm: Crm, http: httpx.AsyncClient, query: str) -> Answer:
    return Answer(await http.post("/graphql", json={"query": query}, headers=crm.headers("erp")))


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("{ customers { nodes { id }", "PARSE_FAILED"),
        ("{ customers { nothing } }", "VALIDATION_FAILED"),
        ("{ __typename " + "@nope " * 6 + "}", "COST_EXCEEDED"),
        ("{ customers(first: 1, last: 1) { totalCount } }", "VALIDATION_FAILED"),
    ],
)
async def test_a_document_that_is_refused_costs_a_unit_for_each_character(
    crm: Crm, small_budget: httpx.AsyncClient, document: str, code: str
) -> None:
    kept = await sent(crm, small_budget, "{ __typename }")
    assert kept.json["extensions"]["cost"] == {"requested": 0, "remaining": 100}
    for _ in range(2):
        assert (await sent(crm, small_budget, document)).error[1] == code
    answered = await sent(crm, small_budget, "{ __typename }")

    left = 100 - 2 * len(document)
    assert answered.json["extensions"]["cost"] == {"requested": 0, "remaining": left}


async def test_who_has_spent_the_budget_on_documents_that_were_refused_has_none_read(
    crm: Crm, small_budget: httpx.AsyncClient
) -> None:
    short, long = "{ nothing }", "{ nothing " + " " * 1_000 + "}"
    first = await sent(crm, small_budget, long)
    over = await sent(crm, small_budget, short)
    crm.clock.now += timedelta(seconds=7)
    later = await sent(crm, small_budget, short)

    assert first.error[:2] == (400, "VALIDATION_FAILED")
    assert over.error == (429, "RATE_LIMITED", "Your budget is spent. Try again in 7 s.")
    assert later.error[:2] == (400, "VALIDATION_FAILED")


async def test_variables_that_are_refused_cost_a_unit_for_each_character_of_the_request(crm: Crm) -> None:
    await limited(crm, 1_000)
    crm.clock.now += timedelta(minutes=1)
    body = orjson.dumps({"query": PAGE, "variables": {"n": "two"}})
    query_string = urlencode({"query": PAGE, "variables": '{"n":-1}'})
    headers = {**crm.headers("erp"), "content-type": "application/json"}
    async with hub_with(crm, crm.settings) as http:
        known = await asked(crm, http, 0)
        posted = Answer(await http.post("/graphql", content=body, headers=headers))
        after_one = await asked(crm, http, 0)
        got = Answer(await http.get(f"/graphql?{query_string}", headers=headers))
        after_both = await asked(crm, http, 0)
        for _ in range(10):
            await http.post("/graphql", content=body, headers=headers)
        # A block of 50 may have been leased while the last fines were on their way.
        over = [await asked(crm, http, 0) for _ in range(60)]
    await limited(crm, None)

    left = 1_000 - 1 - len(body) - 1
    assert known.json["extensions"]["cost"]["remaining"] == 999
    assert posted.error[:2] == got.error[:2] == (400, "BAD_VARIABLES")
    assert after_one.json["extensions"]["cost"]["remaining"] == left
    assert after_both.json["extensions"]["cost"]["remaining"] == left - len(query_string) - 1
    assert over[-1].error[:2] == (429, "RATE_LIMITED")


async def test_documents_that_a_change_is_given_are_paid_for(crm: Crm) -> None:
    register = "mutation($d: [String!]!) { registerDocuments(documents: $d) { errors { code path } } }"
    export = "mutation($i: CreateExportInput!) { createExport(input: $i) { errors { code path } } }"

    refused = await crm.ask("sun", register, {"d": ["{ nothing }", "{ customers"]})
    as_well = await crm.ask("sun", export, {"i": {"document": "{ nothing }", "format": "CSV"}})
    too_many = await crm.ask("sun", register, {"d": ["{ nothing }" + " " * 90_000] * 3})

    assert refused.refusals("registerDocuments") == [("INVALID", ["documents", "0"]), ("INVALID", ["documents", "1"])]
    assert refused.json["extensions"]["cost"]["requested"] == 20 + len("{ nothing }") + len("{ customers")
    assert as_well.refusals("createExport") == [("INVALID", ["document"])]
    assert as_well.json["extensions"]["cost"]["requested"] == 10 + len("{ nothing }")
    assert too_many.error[:2] == (400, "COST_EXCEEDED")


async def test_a_client_without_an_end_to_its_budget_is_told_of_none(crm: Crm) -> None:
    await limited(crm, 0)
    async with hub_with(crm, crm.settings) as http:
        answer = await asked(crm, http, 200)
    await limited(crm, None)

    assert answer.json["extensions"] == {"cost": {"requested": 201, "remaining": None}}
    assert "ratelimit" not in answer.response.headers
