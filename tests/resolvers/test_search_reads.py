"""How much a search reads does not grow with what it finds, nor with what others have."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest

from crm_graph.proof.engine import principal_of, reading
from crm_graph.proof.rows import NOON, Connection, index, insert
from crm_graph.resolvers.plan import Limits
from reference.company import PEOPLE, TEAM, USER, company
from reference.compiled import Compiled, default_access

DOCUMENT = "query ($text: String!) { customers(search: $text, first: 5) { nodes { id name } } }"
COUNT = "query ($text: String!) { customers(search: $text) { totalCount totalCountCapped } }"
FEW = replace(
    Limits(),
    search_window=5,
    search_count_cap=5,
    search_sample=10,
    search_anywhere=10,
    search_usual=2,
    search_rare=2,
    search_some=10,
    search_broad=2,
    search_newest=20,
)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


async def read(
    connection: Connection, role: str, text: str, query: str = DOCUMENT, *, more: Sequence[str] = ()
) -> dict[str, int]:
    """How many keys and tickets are read for a search by who has a role, and `more` beside it, by table."""
    compiled = Compiled(connection, FEW)
    who = principal_of(company(), USER[PEOPLE[role][0]], default_access([role, *more]))
    document = await compiled.operations.document(query, who.access)
    operation, variables = document.operation(None), {"text": text}
    prepared = await compiled.operations.prepare(document, operation, variables, who.access)
    explained = await connection.fetchval(
        "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + prepared.statement.text, *prepared.bind(variables, who, NOON)
    )
    (plan,) = orjson.loads(explained)
    found = {"search_documents": 0, "tickets": 0}
    for node in nodes(plan["Plan"]):
        if node.get("Relation Name") in found:
            found[node["Relation Name"]] += round(node["Actual Rows"] * node["Actual Loops"])
    return found


async def customers(connection: Connection, count: int, owner: str, **values: str) -> None:
    """Make that many of one name, and index everything."""
    await connection.execute(
        "INSERT INTO customers (id, kind, name, email, owner_id, team_id, created_at, updated_at)"
        " SELECT crm_id(1::smallint), 'PERSON', $2, $3, $4, $5, $6, $6 FROM generate_series(1, $1)",
        count, values["name"], values.get("email"), USER[owner], TEAM["east"], NOON,
    )  # fmt: skip
    await index(connection)
    await connection.execute("ANALYZE customers, search_documents")


@pytest.mark.parametrize("role", ["crm_manager", "sales", "service", "finance"])
async def test_a_text_that_many_records_have_reads_no_more_of_a_larger_table(role: str, connection: Connection) -> None:
    async with reading(connection):
        await insert(connection, company())
        found = []
        for count in (100, 400):
            await customers(connection, count, "wang", name="张伟")
            found.append(await read(connection, role, "张"))
    assert found[0] == found[1]
    assert 0 < found[0]["search_documents"] < 100


async def test_of_a_text_that_others_have_their_records_are_left_out_by_the_index(connection: Connection) -> None:
    async with reading(connection):
        await insert(connection, company())
        await customers(connection, 3, "wang", name="张伟")
        await customers(connection, 300, "li", name="张伟")
        await customers(connection, 20, "li", name="李强")
        found = await read(connection, "sales", "张")
    assert 3 <= found["search_documents"] < 60


async def test_a_text_that_many_have_where_few_may_be_read_is_held_against_these_few(connection: Connection) -> None:
    async with reading(connection):
        await insert(connection, company())
        await customers(connection, 300, "wang", name="张伟", email="wei@example.com")
        found = await read(connection, "service", "example")
        both = await read(connection, "service", "example", more=["finance"])
        manager = await read(connection, "crm_manager", "example")
    assert found["search_documents"] < 100
    assert both["search_documents"] < 100
    assert manager["tickets"] == 0


async def test_of_several_words_those_that_many_have_do_not_make_a_search_read_more(connection: Connection) -> None:
    async with reading(connection):
        await insert(connection, company())
        await customers(connection, 300, "wang", name="张伟", email="wei@example.com")
        await customers(connection, 2, "wang", name="赫连云", email="yun@example.com")
        found = await read(connection, "crm_manager", "赫连 example", COUNT)
    assert 2 <= found["search_documents"] < 100


@pytest.mark.parametrize(("more", "count"), [(4, (4, False)), (5, (5, False)), (6, (5, True)), (60, (5, True))])
async def test_a_searched_list_is_counted_up_to_a_cap_of_its_own(
    more: int, count: tuple[int, bool], connection: Connection
) -> None:
    async with reading(connection):
        await insert(connection, company())
        await customers(connection, more, "wang", name="赫连云")
        who = principal_of(company(), USER[PEOPLE["sales"][0]], default_access(["sales"]))
        compiled = Compiled(connection, FEW)
        found = await compiled.data(who, COUNT, {"text": "赫连云"})
        everyone = await compiled.data(who, "{ customers { totalCount totalCountCapped } }")
    assert found["customers"] == {"totalCount": count[0], "totalCountCapped": count[1]}
    assert everyone["customers"]["totalCount"] > more
    assert not everyone["customers"]["totalCountCapped"]


async def test_counting_a_text_that_many_records_have_stops_at_the_cap(connection: Connection) -> None:
    async with reading(connection):
        await insert(connection, company())
        await customers(connection, 400, "wang", name="赫连云")
        found = await read(connection, "crm_manager", "赫连云", COUNT)
    assert 10 <= found["search_documents"] < 40
