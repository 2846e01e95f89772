"""Documents of every shape that GraphQL allows: fragments, directives, variables, aliases and merged fields."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from crm_graph.errors import CrmError
from crm_graph.fragments import number, render, sql
from crm_graph.permissions.principals import Principal
from crm_graph.proof.engine import principal_of, reading
from crm_graph.proof.rows import Connection, insert
from crm_graph.resolvers.json_sql import as_items
from reference.company import CUSTOMER, PEOPLE, TICKET, USER, company
from reference.compiled import Compiled, default_access

XIAOMING, HAIDIAN, MARIA = (str(CUSTOMER[name]) for name in ("xiaoming", "haidian", "maria"))
Asked = tuple[tuple[str, dict[str, Any]], ...]
ONE = f'customer(id: "{XIAOMING}")'


@pytest.fixture
async def compiled(connection: Connection) -> AsyncIterator[Compiled]:
    async with reading(connection):
        await insert(connection, company())
        yield Compiled(connection)


def person(role: str = "crm_manager") -> Principal:
    return principal_of(company(), USER[PEOPLE[role][0]], default_access([role]))


async def ask(compiled: Compiled, text: str, **variables: Any) -> Any:
    return await compiled.data(person(), text, variables)


async def refusal(compiled: Compiled, text: str, **variables: Any) -> tuple[str, tuple[str | int, ...]]:
    with pytest.raises(CrmError) as caught:
        await compiled.run(person(), text, variables)
    return caught.value.code, tuple(caught.value.path)


async def test_fragments_in_fragments_over_interfaces(compiled: Compiled) -> None:
    query = f"""
    {{
      node(id: "{TICKET["leak"]}") {{ ...onNode ... on Customer {{ name }} }}
      customer(id: "{MARIA}") {{
        ... on Node {{ ...onNode ... {{ id }} }}
        ... {{ number }}
        timeline(kinds: TICKET) {{ nodes {{ ...onEntry }} }}
      }}
    }}
    fragment onNode on Node {{ id ...onTicket ... on Node {{ ... on Ticket {{ priority }} }} }}
    fragment onTicket on Ticket {{ customer {{ ...onCustomer }} }}
    fragment onCustomer on Customer {{ number ... on Customer {{ kind }} }}
    fragment onEntry on TimelineEntry {{ ... on Node {{ ...onNode }} ... on Interaction {{ channel }} }}
    """
    ticket = {"id": str(TICKET["leak"]), "customer": {"number": "C-4", "kind": "PERSON"}, "priority": "URGENT"}

    answer = await ask(compiled, query)

    assert answer == {
        "node": ticket,
        "customer": {"id": MARIA, "number": "C-4", "timeline": {"nodes": [ticket]}},
    }


@pytest.mark.parametrize("yes", [True, False])
async def test_skip_and_include_on_fields_spreads_and_inline_fragments(compiled: Compiled, yes: bool) -> None:  # noqa: FBT001 - it is the case
    query = f"""
    query($yes: Boolean!, $default: Boolean = false) {{
      {ONE} {{
        number @include(if: $yes)
        name @skip(if: $yes)
        ...tier @include(if: $yes)
        ... on Customer @skip(if: $yes) {{ city }}
        ... @include(if: $default) {{ phone }}
        kind @include(if: $yes) @skip(if: $yes)
      }}
    }}
    fragment tier on Customer {{ tier }}
    """
    expected = {"number": "C-1", "tier": "GOLD"} if yes else {"name": "王小明", "city": "上海"}

    assert await ask(compiled, query, yes=yes) == {"customer": expected}
    assert await ask(compiled, query, yes=yes, default=True) == {"customer": {**expected, "phone": "+8613800138001"}}
    assert (await refusal(compiled, query))[0] == "BAD_VARIABLES"


async def test_selection_of_which_everything_is_skipped_is_an_empty_object(compiled: Compiled) -> None:
    query = f"""
    query($no: Boolean = false) {{
      {ONE} {{ number @include(if: $no) owner {{ name @include(if: $no) }} }}
      customers(first: 2) {{ nodes {{ id @include(if: $no) }} pageInfo {{ endCursor @include(if: $no) }} }}
    }}"""

    assert await ask(compiled, query) == {
        "customer": {"owner": {}},
        "customers": {"nodes": [{}, {}], "pageInfo": {}},
    }


async def test_variables_stand_anywhere(compiled: Compiled) -> None:
    query = """
    query($name: String, $cities: [String!], $city: String!, $tree: [CustomerWhere!], $way: OrderDirection = ASC,
          $archived: Archived! = EXCLUDE, $first: Int = 5) {
      a: customers(
        where: { or: [{ name: { eq: $name } }, { city: { in: $cities } }, { city: { in: [$city, "x"] } }] }
        orderBy: [{ number: $way }], archived: $archived, first: $first
      ) { nodes { number } }
      b: customers(where: { or: $tree }, orderBy: { number: $way }) { nodes { number } }
    }"""
    tree = [{"number": {"in": ["C-0", "C-1"]}}, {"number": {"eq": "C-2"}}]

    up = await ask(compiled, query, name="华东集团", cities=["nowhere"], city="上海", tree=tree)
    down = await ask(compiled, query, name="华东集团", cities=[], city="上海", tree=tree[0], way="DESC", first=1)

    assert [n["number"] for n in up["a"]["nodes"]] == ["C-0", "C-1", "C-3"]
    assert [n["number"] for n in up["b"]["nodes"]] == ["C-0", "C-1", "C-2"]
    assert [n["number"] for n in down["a"]["nodes"]] == ["C-3"]
    assert [n["number"] for n in down["b"]["nodes"]] == ["C-1", "C-0"]


async def test_variable_that_is_not_given_is_not_there_and_null_is_null(compiled: Compiled) -> None:
    first = "query($n: Int) { customers(first: $n) { nodes { id } } }"
    default = "query($n: Int = 1) { customers(first: $n) { nodes { id } } }"
    where = "query($w: CustomerWhere) { customers(where: $w, orderBy: []) { totalCount } }"
    leaf = "query($c: String) { customers(where: { city: { eq: $c } }) { totalCount } }"

    asked: Asked = ((first, {}), (first, {"n": None}), (first, {"n": 2}))
    defaulted: Asked = ((default, {}), (default, {"n": None}), (default, {"n": 3}))
    answers = [await ask(compiled, query, **variables) for query, variables in (*asked, *defaulted)]
    counts = [len(answer["customers"]["nodes"]) for answer in answers]

    assert counts == [5, 5, 2, 1, 5, 3]
    assert await ask(compiled, where) == await ask(compiled, where, w=None) == {"customers": {"totalCount": 5}}
    assert await ask(compiled, leaf) == {"customers": {"totalCount": 5}}
    assert await refusal(compiled, leaf, c=None) == ("VALIDATION_FAILED", ("customers", "where", "city", "eq"))


async def test_aliases_of_300_characters(compiled: Compiled) -> None:
    long = ["a" * 299 + c for c in "bcd"]
    query = (
        f"{{ {long[0]}: customers(first: 1, orderBy: [{{ number: ASC }}]) {{"
        f" {long[0]}: nodes {{ {long[1]}: number {long[2]}: owner {{ {long[0]}: username }} }}"
        f" {long[1]}: edges {{ {long[0]}: cursor {long[1]}: node {{ {long[1]}: number }} }}"
        f" {long[2]}: pageInfo {{ {long[0]}: hasNextPage }} }} }}"
    )

    answer = (await ask(compiled, query))[long[0]]

    assert answer[long[0]] == [{long[1]: "C-0", long[2]: {long[0]: "li"}}]
    assert answer[long[1]][0][long[1]] == {long[1]: "C-0"}
    assert answer[long[2]] == {long[0]: True}


@pytest.mark.parametrize("count", [150, 500])
@pytest.mark.parametrize(
    "around",
    [f"{{ {ONE} {{ %s }} }}", "{ customers(first: 2) { nodes { %s } } }", "{ customers(last: 1) { nodes { %s } } }"],
)
async def test_objects_of_any_number_of_fields(compiled: Compiled, around: str, count: int) -> None:
    fields = " ".join(f"f{n}: {'kind' if n % 2 else 'number'}" for n in range(count))

    answer = await ask(compiled, around % fields)

    found = answer["customer"] if "customer" in answer else answer["customers"]["nodes"][0]
    assert list(found) == [f"f{n}" for n in range(count)]
    assert {found["f1"], found[f"f{count - 1}"]} <= {"PERSON", "ORGANIZATION"}


async def test_lists_of_children_with_many_fields(compiled: Compiled) -> None:
    fields = " ".join(f"f{n}: kind" for n in range(500))

    answer = await ask(compiled, f"{{ {ONE} {{ contactPoints {{ {fields} }} }} }}")

    assert [len(point) for point in answer["customer"]["contactPoints"]] == [500, 500]


async def test_items_of_more_members_than_a_row_has_columns(compiled: Compiled) -> None:
    """No document may name so many, but types and their derived members grow."""
    item, columns = as_items([(f"f{n}", number(n)) for n in range(2_000)])
    query = sql("SELECT array_to_json(ARRAY(SELECT {item} FROM (SELECT {columns}) AS x))", item=item, columns=columns)

    (found,) = orjson.loads(await compiled.connection.fetchval(render(query).text))

    assert found == {f"f{n}": n for n in range(2_000)}


async def test_same_field_twice_with_other_arguments(compiled: Compiled) -> None:
    query = f"""{{
      {ONE} {{
        new: interactions(first: 1) {{ totalCount nodes {{ channel }} }}
        calls: interactions(where: {{ channel: {{ eq: CALL }} }}) {{ totalCount }}
      }}
      a: customers(where: {{ number: {{ eq: "C-1" }} }}) {{ totalCount }}
      b: customers(where: {{ number: {{ startsWith: "C-" }} }}) {{ totalCount }}
    }}"""

    answer = await ask(compiled, query)

    assert (answer["a"], answer["b"]) == ({"totalCount": 1}, {"totalCount": 5})
    assert answer["customer"]["new"]["totalCount"] >= answer["customer"]["calls"]["totalCount"]


async def test_same_response_key_with_other_arguments_is_refused(compiled: Compiled) -> None:
    query = "{ customers(first: 1) { totalCount } customers(first: 2) { nodes { id } } }"
    assert await refusal(compiled, query) == ("VALIDATION_FAILED", ())


async def test_equal_keys_of_several_fragments_are_merged(compiled: Compiled) -> None:
    query = f"""
    {{ {ONE} {{ owner {{ name }} ...one ...two ... on Customer {{ contracts(first: 1) {{ totalCount }} }} }} }}
    fragment one on Customer {{ owner {{ username ...user }} contracts(first: 1) {{ nodes {{ number }} }} }}
    fragment two on Customer {{ contracts(first: 1) {{ nodes {{ id: number title }} }} owner {{ username }} }}
    fragment user on User {{ kind }}
    """

    answer = await ask(compiled, query)

    assert answer["customer"]["owner"] == {"name": "王芳", "username": "wang", "kind": "PERSON"}
    assert list(answer["customer"]["contracts"]) == ["nodes", "totalCount"]


async def test_typename_stands_anywhere(compiled: Compiled) -> None:
    query = f"""{{
      __typename
      t: __typename
      {ONE} {{
        __typename
        totalSpent {{ __typename }}
        owner {{ __typename }}
        contactPoints {{ __typename }}
        externalRefs {{ __typename source }}
        interactions(first: 1) {{
          __typename
          nodes {{ __typename }}
          edges {{ __typename node {{ __typename }} }}
          pageInfo {{ __typename }}
        }}
        timeline(first: 1) {{ __typename edges {{ __typename node {{ __typename }} }} pageInfo {{ __typename }} }}
      }}
      nodes(ids: ["{HAIDIAN}"]) {{ __typename }}
      entityMetadata(types: ["User"]) {{ __typename label {{ __typename }} fields {{ __typename }} }}
    }}"""

    answer = await ask(compiled, query)

    customer = answer["customer"]
    assert (answer["__typename"], answer["t"], customer["__typename"]) == ("Query", "Query", "Customer")
    assert customer["totalSpent"] == {"__typename": "Money"}
    assert customer["owner"] == {"__typename": "User"}
    assert customer["contactPoints"] == [{"__typename": "ContactPoint"}] * 2
    assert customer["interactions"] == {
        "__typename": "InteractionConnection",
        "nodes": [{"__typename": "Interaction"}],
        "edges": [{"__typename": "InteractionEdge", "node": {"__typename": "Interaction"}}],
        "pageInfo": {"__typename": "PageInfo"},
    }
    assert customer["timeline"]["__typename"] == "TimelineConnection"
    assert customer["timeline"]["edges"][0]["__typename"] == "TimelineEdge"
    assert answer["nodes"] == [{"__typename": "Customer"}]
    assert answer["entityMetadata"][0]["label"] == {"__typename": "Labels"}


async def test_one_of_several_operations_is_run(compiled: Compiled) -> None:
    text = (
        "query A { a: __typename } query B($id: ID!) { b: customer(id: $id) { ...f } } fragment f on Customer { name }"
    )
    document = await compiled.operations.document(text, person().access)

    prepared = await compiled.operations.prepare(document, document.operation("B"), {"id": XIAOMING}, person().access)

    assert "customers" in prepared.statement.text
    for name in (None, "C", ""):
        with pytest.raises(CrmError) as caught:
            document.operation(name)
        assert (caught.value.code, caught.value.template_key) == ("VALIDATION_FAILED", "unknown_operation")


async def test_a_list_that_was_empty_when_its_document_came_is_checked_when_it_is_not(compiled: Compiled) -> None:
    query = "query($w: [CustomerWhere!]) { customers(where: { and: $w }) { totalCount } }"
    everyone = await ask(compiled, query, w=[])

    assert await refusal(compiled, query, w=["x"]) == ("BAD_VARIABLES", ())
    assert await refusal(compiled, query, w=[[]]) == ("BAD_VARIABLES", ())
    assert await ask(compiled, query, w=[{"name": {"eq": "x"}}]) == {"customers": {"totalCount": 0}}
    assert await ask(compiled, query, w=[]) == everyone


async def test_fragment_that_spreads_itself_is_refused(compiled: Compiled) -> None:
    query = f"{{ {ONE} {{ ...a }} }} fragment a on Customer {{ ...b }} fragment b on Customer {{ parent {{ ...a }} }}"
    assert await refusal(compiled, query) == ("VALIDATION_FAILED", ())
    optional = query.replace("...b", "x @optional ...b @optional")
    assert await refusal(compiled, optional) == ("VALIDATION_FAILED", ())
