"""Answers that hold no row are told from memory: no statement runs for them."""

import asyncio

import pytest
from graphql import get_introspection_query

from crm_graph.proof.engine import principal_of
from crm_graph.proof.rows import Connection
from reference.company import PEOPLE, USER, company
from reference.compiled import Compiled, counted, default_access

SALES = principal_of(company(), USER[PEOPLE["sales"][0]], default_access(["sales"]))


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("{ a: __typename b: __typename }", b'{"a":"Query","b":"Query"}'),
        (
            "{ t: __typename __schema { queryType { name } } u: __typename }",
            b'{"t":"Query","__schema":{"queryType":{"name":"Query"}},"u":"Query"}',
        ),
        ('{ __type(name: "Nothing") { name } }', b'{"__type":null}'),
        ("query($all: Boolean!) { __typename ... @skip(if: $all) { b: __typename } }", b'{"__typename":"Query"}'),
    ],
)
async def test_what_is_known_asks_no_database(connection: Connection, query: str, answer: bytes) -> None:
    compiled = Compiled(connection)
    async with counted(connection) as statements:
        for _ in range(2):
            assert await compiled.run(SALES, query, {"all": True} if "$all" in query else {}) == answer

    assert statements == []


async def test_beside_records_introspection_is_part_of_the_one_statement(connection: Connection) -> None:
    query = "{ __schema { queryType { name } } customers(first: 0) { nodes { id } } t: __typename }"
    async with counted(connection) as statements:
        answer = await Compiled(connection).data(SALES, query)

    assert answer == {"__schema": {"queryType": {"name": "Query"}}, "customers": {"nodes": []}, "t": "Query"}
    assert len(statements) == 1


async def test_the_event_loop_turns_while_a_schema_is_told_for_the_first_time(connection: Connection) -> None:
    operations = Compiled(connection).operations
    document = await operations.document(get_introspection_query(), SALES.access)

    telling = asyncio.create_task(operations.prepare(document, document.operation(None), {}, SALES.access))
    turns = 0
    while not telling.done():
        await asyncio.sleep(0)
        turns += 1

    assert turns > 10
    assert b'"name":"Customer"' in (telling.result().known or b"")


async def test_variables_of_a_large_shape_are_not_kept(connection: Connection) -> None:
    compiled = Compiled(connection)
    query = "query($n: String!) { __type(name: $n) { name } }"
    document = await compiled.operations.document(query, SALES.access)
    for name, kept in (("Customer", 1), ("Lead", 2), ("x" * 20_000, 2)):
        await compiled.run(SALES, query, {"n": name})
        assert len(document.operation(None).reads) == kept
