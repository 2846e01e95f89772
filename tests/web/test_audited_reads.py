"""Reads that matter over HTTP: who looks up what stands in the log before anybody is told, and never what it was."""

from typing import Any

import orjson
import pytest

from crm_graph.db import write_engine

from .conftest import Answer, Crm, hub_with
from .exporting import hire

LOOKUP = "query ($v: String!) { lookup(type: CUSTOMER, field: PHONE, value: $v) { ... on Customer { id phone } } }"
WHERE = "query ($w: CustomerWhere) { customers(where: $w) { nodes { phone } totalCount } }"


async def reads(crm: Crm, after: Any = None) -> list[dict[str, Any]]:
    """The reads of the log, oldest first, those since a moment."""
    found = await crm.database.fetch(
        "SELECT type, entity_type, entity_id, customer_id, actor_id, request_id, records, looked_for,"
        " changed::text AS changed, before::text AS before, after::text AS after"
        " FROM events WHERE is_read AND occurred_at > $1 ORDER BY id",
        after,
    )
    return [{**e, "changed": orjson.loads(e["changed"])} for e in found]


async def customer(crm: Crm, name: str, phone: str) -> str:
    made = await crm.make("sun", "customer", kind="PERSON", name=name, phone=phone)
    return str(made["id"])


async def test_a_lookup_is_written_down_without_what_was_looked_for(crm: Crm) -> None:
    id_, since = await customer(crm, "查找甲", "13871940011"), crm.clock()
    answer = await crm.ask("zhao", LOOKUP, {"v": "138 7194 0011"})
    assert answer.data == {"lookup": [{"id": id_, "phone": "138****0011"}]}
    (read,) = await reads(crm, since)
    assert (read["type"], read["records"], read["changed"]) == ("customer.looked_up", 1, ["phone"])
    assert str(read["entity_id"]) == str(read["customer_id"]) == id_
    assert read["actor_id"] == crm.users["zhao"]
    assert len(read["looked_for"]) == 32
    assert "7194" not in repr(read)


async def test_a_lookup_that_finds_nobody_is_written_down(crm: Crm) -> None:
    since = crm.clock()
    assert (await crm.ask("zhao", LOOKUP, {"v": "13871940012"})).data == {"lookup": []}
    (read,) = await reads(crm, since)
    assert (read["type"], read["entity_id"], read["records"]) == ("customer.looked_up", None, 0)


async def test_equal_values_are_known_as_equal_however_they_are_written(crm: Crm) -> None:
    await customer(crm, "查找乙", "13871940013")
    since = crm.clock()
    for value in ("13871940013", "+86 138-7194-0013", "138 7194 0013", "13871940014"):
        await crm.ask("zhao", LOOKUP, {"v": value})
    await crm.ask("zhao", WHERE, {"w": {"phone": {"eq": "+8613871940013"}}})
    looked_for = [read["looked_for"] for read in await reads(crm, since)]
    assert len(looked_for) == 5
    assert len({*looked_for[:3], looked_for[4]}) == 1
    assert looked_for[3] not in looked_for[:3]


async def test_an_exact_condition_finds_masked_rows_and_is_written_down_value_by_value(crm: Crm) -> None:
    first, second = await customer(crm, "查找丙", "13871940015"), await customer(crm, "查找丁", "13871940016")
    since = crm.clock()
    numbers = ["+8613871940016", "+8613871940015", "+8613871940017"]
    answer = await crm.ask("zhao", WHERE, {"w": {"and": [{"phone": {"in": numbers}}]}})
    assert answer.data["customers"] == {
        "nodes": [{"phone": "138****0016"}, {"phone": "138****0015"}],
        "totalCount": 2,
    }
    found = [(read["entity_id"] and str(read["entity_id"]), read["records"]) for read in await reads(crm, since)]
    assert found == [(second, 1), (first, 1), (None, 0)]
    assert len({read["looked_for"] for read in await reads(crm, since)}) == 3


@pytest.mark.parametrize(
    "where",
    [
        {"phone": {"startsWith": "+86138"}},
        {"phone": {"isNull": False}},
        {"phone": {"ne": "+8613871940015"}},
        {"phone": {"notIn": ["+8613871940015"]}},
        {"phone": {"contains": "1387194"}},
        {"or": [{"phone": {"eq": "+8613871940015"}}]},
        {"not": {"phone": {"eq": "+8613871940015"}}},
        {"subsidiaries": {"some": {"phone": {"eq": "+8613871940015"}}}},
    ],
    ids=str,
)
async def test_a_masked_field_can_be_asked_for_its_whole_value_alone(crm: Crm, where: dict[str, Any]) -> None:
    """Marketing reads no phone in full anywhere; the call centre may look it up."""
    await customer(crm, "查找戊", "13871940015")
    since = crm.clock()
    answer = await crm.ask("caller", WHERE, {"w": where})
    assert answer.error[:2] == (400, "VALIDATION_FAILED")
    assert await reads(crm, since) == []


async def test_reading_what_one_may_read_is_not_written_down(crm: Crm) -> None:
    await customer(crm, "查找己", "13871940018")
    since = crm.clock()
    found = await crm.ask("sun", WHERE, {"w": {"phone": {"eq": "+8613871940018"}}})
    assert found.data["customers"]["totalCount"] == 1
    assert await reads(crm, since) == []


async def test_more_values_than_one_condition_may_have_are_refused(crm: Crm) -> None:
    numbers = [f"+86138719500{n:02}" for n in range(21)]
    answer = await crm.ask("zhao", WHERE, {"w": {"phone": {"in": numbers}}})
    assert answer.error[:2] == (400, "BAD_VARIABLES")


async def test_lookups_are_limited_for_each_who_asks(crm: Crm) -> None:
    await customer(crm, "查找庚", "13871940019")

    def body(values: list[str]) -> dict[str, Any]:
        return {"query": WHERE, "variables": {"w": {"phone": {"in": values}}}}

    settings = crm.settings.model_copy(update={"lookups_per_minute": 4})
    async with hub_with(crm, settings) as http:
        ask = crm.headers("zhao")
        few = Answer(await http.post("/graphql", json=body(["+8613871940019", "1", "2"]), headers=ask))
        assert few.data["customers"]["totalCount"] == 1
        since = crm.clock()
        more = Answer(await http.post("/graphql", json=body(["1", "2"]), headers=crm.headers("zhao")))
        assert more.error[:2] == (429, "RATE_LIMITED")
        assert int(more.response.headers["retry-after"]) in range(1, 60)
        assert more.response.headers["ratelimit-policy"] == '"lookups";q=4;w=60'
        assert await reads(crm, since) == []
        too_many = Answer(await http.post("/graphql", json=body(list("12345")), headers=crm.headers("zhao")))
        assert too_many.error[:2] == (400, "COST_EXCEEDED")
        other = Answer(await http.post("/graphql", json=body(["1"]), headers=crm.headers("caller")))
        assert other.data["customers"]["totalCount"] == 0


async def test_nobody_is_told_what_cannot_be_written_down(crm: Crm) -> None:
    await customer(crm, "查找辛", "13871940020")
    nowhere = write_engine("postgresql://127.0.0.1:1/nowhere", crm.settings)
    async with hub_with(crm, crm.settings, engine=nowhere) as http:
        body = {"query": LOOKUP, "variables": {"v": "13871940020"}}
        answer = Answer(await http.post("/graphql", json=body, headers=crm.headers("zhao")))
        assert answer.error[:2] == (503, "UNAVAILABLE")
        unaudited = {"query": '{ customers(where: { name: { eq: "查找辛" } }) { totalCount } }'}
        assert Answer(await http.post("/graphql", json=unaudited, headers=crm.headers("zhao"))).data == {
            "customers": {"totalCount": 1}
        }


async def test_a_number_abroad_is_not_the_chinese_one_of_the_same_digits(crm: Crm) -> None:
    chinese = await customer(crm, "查找美甲", "+86 131 0555 0123")
    abroad = await customer(crm, "查找美乙", "+1 310 555 0123")
    since = crm.clock()
    for value, found in (("13105550123", chinese), ("+86 131 0555 0123", chinese), ("+1 310-555-0123", abroad)):
        answer = await crm.ask("sun", LOOKUP, {"v": value})
        assert [row["id"] for row in answer.data["lookup"]] == [found]
    looked_for = [read["looked_for"] for read in await reads(crm, since)]
    assert len(looked_for) == 3
    assert looked_for[0] == looked_for[1] != looked_for[2]


@pytest.mark.parametrize(
    ("number", "told", "answer"),
    [
        ("13871950051", "totalCount", {"totalCount": 2}),
        ("13871950052", "totalCountCapped", {"totalCountCapped": False}),
        ("13871950053", "pageInfo { hasNextPage }", {"pageInfo": {"hasNextPage": True}}),
        ("13871950054", "edges { __typename }", {"edges": [{"__typename": "CustomerEdge"}]}),
        ("13871950055", "nodes { phone } totalCount", {"nodes": [{"phone": "138****0055"}], "totalCount": 2}),
    ],
    ids=["count", "capped", "page", "edges", "beside nodes"],
)
async def test_records_that_are_only_counted_or_paged_over_are_written_down(
    crm: Crm, number: str, told: str, answer: dict[str, Any]
) -> None:
    have = {await customer(crm, f"查找数{n}", number) for n in range(2)}
    since = crm.clock()
    query = f"query ($w: CustomerWhere) {{ customers(first: 1, where: $w) {{ {told} }} }}"
    for where in ({"phone": {"eq": f"+86{number}"}}, {"phone": {"in": ["+8613871950059", f"+86{number}"]}}):
        assert (await crm.ask("zhao", query, {"w": where})).data == {"customers": answer}
    found = [(read["entity_id"] and str(read["entity_id"]), read["records"]) for read in await reads(crm, since)]
    assert len(found) == 5
    assert {*found[:2]} == {*found[3:]} == {(id_, 1) for id_ in have}
    assert found[2] == (None, 0)


PAGE = "query ($n: Int) { customers(first: $n) { nodes { id name } } }"


async def test_paging_in_bulk_is_written_down_at_each_crossing(crm: Crm) -> None:
    for n in range(4):
        await customer(crm, f"成批{n}", f"138719400{n + 30}")
    settings = crm.settings.model_copy(update={"bulk_read_records": 6})
    async with hub_with(crm, settings) as http:

        async def page(size: int | None, query: str = PAGE, who: str = "sun") -> None:
            body = {"query": query, "variables": {"n": size}}
            assert (await http.post("/graphql", json=body, headers=crm.headers(who))).status_code == 200

        since = crm.clock()
        await page(3)
        await page(2)
        await page(4, who="qian")
        assert await reads(crm, since) == []
        await page(1)
        (read,) = await reads(crm, since)
        assert (read["type"], read["records"], read["entity_id"], read["changed"]) == ("customer.paged", 6, None, [])
        assert read["actor_id"] == crm.users["sun"]
        await page(4)
        assert len(await reads(crm, since)) == 1
        await page(4)
        assert [read["records"] for read in await reads(crm, since)] == [6, 14]


async def test_what_is_not_there_does_not_count_as_read(crm: Crm) -> None:
    settings = crm.settings.model_copy(update={"bulk_read_records": 20})
    nobody = 'query ($n: Int) { customers(first: $n, where: { name: { eq: "无此人" } }) { nodes { id name } } }'
    since = crm.clock()
    async with hub_with(crm, settings) as http:
        for _ in range(3):
            body = {"query": nobody, "variables": {"n": 200}}
            assert (await http.post("/graphql", json=body, headers=crm.headers("sun"))).status_code == 200
    assert await reads(crm, since) == []


async def test_what_is_found_by_ids_and_by_searching_counts_together(crm: Crm) -> None:
    ids = [await customer(crm, f"搜寻成批{n}", f"138719400{n + 40}") for n in range(3)]
    settings = crm.settings.model_copy(update={"bulk_read_records": 9})
    since = crm.clock()
    async with hub_with(crm, settings) as http:
        for query, variables in (
            ("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ids}),
            ('query ($n: Int) { search(text: "搜寻成批", first: $n) { hits { node { id } } } }', {"n": 3}),
            (f'{{ nodes(ids: ["{ids[0]}", "{ids[1]}"]) {{ id }} }}', {}),
        ):
            body = {"query": query, "variables": variables}
            assert (await http.post("/graphql", json=body, headers=crm.headers("sun"))).status_code == 200
        assert await reads(crm, since) == []
        last = {"query": f'query ($id: ID!) {{ nodes(ids: [$id, "{ids[0]}"]) {{ id }} }}', "variables": {"id": ids[0]}}
        assert (await http.post("/graphql", json=last, headers=crm.headers("sun"))).status_code == 200
    assert [(read["type"], read["records"]) for read in await reads(crm, since)] == [("record.paged", 10)]


async def test_records_that_are_read_one_by_one_count(crm: Crm) -> None:
    ids = [await customer(crm, f"单条{n}", f"138719400{n + 60}") for n in range(3)]
    settings = crm.settings.model_copy(update={"bulk_read_records": 3})
    one_by_one = "{ " + " ".join(f'c{n}: customer(id: "{id_}") {{ id name }}' for n, id_ in enumerate(ids)) + " }"
    nodes = "{ " + " ".join(f'n{n}: node(id: "{id_}") {{ id }}' for n, id_ in enumerate(ids)) + " }"
    since = crm.clock()
    async with hub_with(crm, settings) as http:
        for query in (f'{{ customer(id: "{ids[0]}") {{ id name }} }}', one_by_one, nodes):
            body = {"query": query}
            assert (await http.post("/graphql", json=body, headers=crm.headers("sun"))).status_code == 200
    found = [(read["type"], read["records"]) for read in await reads(crm, since)]
    assert found == [("customer.paged", 3), ("record.paged", 3)]


OF_CUSTOMERS = 'customersAggregate(where: { name: { startsWith: "成组客户" } }, first: 100, groupBy: [#])'
GROUPED = [
    (
        f"{{ {OF_CUSTOMERS.replace('#', '{ name: true }, { phone: true }')} {{ groups {{ key {{ name phone }} }} }} }}",
        4,
    ),
    (f"{{ {OF_CUSTOMERS.replace('#', '{ createdAt: { by: DAY } }')} {{ groups {{ max {{ name }} count }} }} }}", 1),
    (f"{{ {OF_CUSTOMERS.replace('#', '{ tier: true }')} {{ groups {{ n: count max {{ phone }} }} }} }}", 1),
    (f"{{ {OF_CUSTOMERS.replace('#', '{ tier: true }, { kind: true }')} {{ groups {{ count key {{ tier }} }} }} }}", 0),
    (
        f"{{ {OF_CUSTOMERS.replace('#', '{ createdAt: { by: DAY } }')} {{ groups {{ countDistinct {{ phone }} }} }} }}",
        0,
    ),
    (f"{{ {OF_CUSTOMERS.replace('#', '{ name: true }')} {{ groupsCapped }} }}", 0),
]


@pytest.mark.parametrize(("query", "groups"), GROUPED)
async def test_groups_count_that_tell_records_apart(crm: Crm, query: str, groups: int) -> None:
    if not await crm.count("customers WHERE name LIKE '成组客户%'"):
        for n in range(4):
            await customer(crm, f"成组客户{n}", f"138719400{n + 70}")
    since = crm.clock()
    async with hub_with(crm, crm.settings.model_copy(update={"bulk_read_records": 1})) as http:
        answer = Answer(await http.post("/graphql", json={"query": query}, headers=crm.headers("sun")))
    assert answer.data["customersAggregate"]
    assert [(read["type"], read["records"]) for read in await reads(crm, since)] == (
        [("customer.paged", groups)] if groups else []
    )


async def test_records_below_records_count(crm: Crm) -> None:
    id_ = await customer(crm, "其下甲", "13871940080")
    for n in range(3):
        await crm.make(
            "sun", "interaction", channel="CALL", occurredAt="2026-11-20T08:00:00Z", customerId=id_, subject=f"其下{n}"
        )
    await crm.make("sun", "opportunity", name="其下商机", customerId=id_)
    below: tuple[tuple[str, list[tuple[str, int]]], ...] = (
        ("interactions(first: 2) { nodes { id subject } }", [("interaction.paged", 2)]),
        ("interactions { edges { node { __typename } } }", [("interaction.paged", 3)]),
        ("interactionsAggregate(groupBy: [{ subject: true }]) { groups { count } }", [("interaction.paged", 3)]),
        ("interactionsAggregate { groups { count } }", []),
        ("contactPoints { raw }", []),
        ("opportunities { nodes { title: name customer { itself: id } } }", [("customer.paged", 2)]),
    )
    for selected, told in below:
        since = crm.clock()
        async with hub_with(crm, crm.settings.model_copy(update={"bulk_read_records": 2})) as http:
            query = f'{{ customer(id: "{id_}") {{ name {selected} }} }}'
            answer = Answer(await http.post("/graphql", json={"query": query}, headers=crm.headers("sun")))
        assert answer.data["customer"]["name"] == "其下甲"
        assert [(read["type"], read["records"]) for read in await reads(crm, since)] == told


async def test_a_list_of_looked_up_values_is_no_export(crm: Crm) -> None:
    """Whoever exports by a whole value would look it up without being counted."""
    await hire(crm, "matching", "matcher")
    document = '{ customers(where: { phone: { eq: "+8613871940015" } }) { nodes { kind } } }'
    made = "mutation ($d: String!) { createExport(input: { document: $d, format: CSV }) { errors { code path } } }"
    answer = await crm.ask("matching", made, {"d": document})
    assert answer.refusals("createExport") == [("INVALID", ["document", "customers", "where"])]
