"""Introspection over HTTP: each role is told its own schema, each question its own answer."""

from pathlib import Path

from graphql import (
    GraphQLSchema,
    build_client_schema,
    build_schema,
    get_introspection_query,
    is_object_type,
    lexicographic_sort_schema,
    print_schema,
)

from crm_graph.maintenance import role_sdl

from .conftest import PEOPLE, Crm

FULL = get_introspection_query(input_value_deprecation=True, specified_by_url=True)
SDL = Path(__file__).parents[2] / "schema.graphql"
TYPE = "query($name: String!) { __type(name: $name) { name } }"


async def schema_of(crm: Crm, who: str) -> GraphQLSchema:
    return build_client_schema((await crm.ask(who, FULL)).data)


async def test_each_role_is_told_its_own_schema_and_nothing_of_others(crm: Crm) -> None:
    complete = build_schema(SDL.read_text(encoding="utf-8"))
    seen = {who: await schema_of(crm, who) for who in ("wang", "qian", "sun", "root")}

    customer = {who: schema.type_map.get("Customer") for who, schema in seen.items()}
    fields = {who: set(type_.fields) for who, type_ in customer.items() if is_object_type(type_)}
    assert "bankAccount" in fields["qian"]
    assert "bankAccount" not in fields["wang"] | fields["sun"]
    assert "root" not in fields
    for schema in seen.values():
        assert set(schema.type_map) <= set(complete.type_map)


async def test_the_printed_schema_of_a_role_is_what_its_introspection_tells(crm: Crm) -> None:
    for who, (role, _) in PEOPLE.items():
        if who != "zhou":
            told = lexicographic_sort_schema(await schema_of(crm, who))
            printed = lexicographic_sort_schema(build_schema(await role_sdl(crm.settings.database_url, [role])))
            assert print_schema(printed) == print_schema(told), role


async def test_the_answer_stays_the_same_byte_for_byte(crm: Crm) -> None:
    first, again = [await crm.ask("wang", FULL) for _ in range(2)]

    assert again.response.content == first.response.content


async def test_each_name_of_a_type_gets_its_own_answer(crm: Crm) -> None:
    for name in ("Customer", "Lead", "Customer", "Nothing"):
        answer = await crm.ask("sun", TYPE, {"name": name})
        assert answer.data == {"__type": None if name == "Nothing" else {"name": name}}


async def test_a_name_from_a_fragment_gets_its_own_answer_beside_records(crm: Crm) -> None:
    fragment = "fragment T on Query { t: __type(name: $n) { name } }"
    document = f"query($n: String!) {{ customers(first: 0) {{ nodes {{ id }} }} ...T }} {fragment}"
    for name in ("Customer", "Lead"):
        answer = await crm.ask("sun", document, {"n": name})
        assert answer.data == {"customers": {"nodes": []}, "t": {"name": name}}


async def test_a_wrong_name_is_told_alike_before_and_after_a_right_one(crm: Crm) -> None:
    fresh = f"# wrong first\n{TYPE}"
    cold = await crm.ask("sun", fresh, {"name": 5})
    assert (await crm.ask("sun", fresh, {"name": "Lead"})).status == 200
    warm = await crm.ask("sun", fresh, {"name": 5})

    assert cold.error[:2] == (400, "BAD_VARIABLES")
    assert warm.response.content == cold.response.content
