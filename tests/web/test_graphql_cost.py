"""What requests cost: told in each answer, and refused before anything runs where it is too much."""

from .conftest import Crm

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
