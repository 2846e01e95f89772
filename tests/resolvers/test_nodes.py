"""`nodes`: records of any types by their ids, in one statement, each as its asker sees it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from crm_graph.errors import CrmError
from crm_graph.permissions.principals import Principal
from crm_graph.proof.engine import principal_of, reading
from crm_graph.proof.rows import Connection, insert
from reference.company import CUSTOMER, LEAD, OPPORTUNITY, PEOPLE, TICKET, USER, company
from reference.compiled import Compiled, default_access

QUERY = """
query($ids: [ID!]!) {
  nodes(ids: $ids) { id ... on Customer { name } ... on User { username } ... on Ticket { subject } }
}
"""
LITERAL = "{{ nodes(ids: [{}]) {{ id }} }}"
NOBODY = "01a20169-2e00-7000-8100-000000000000"


@pytest.fixture
async def compiled(connection: Connection) -> AsyncIterator[Compiled]:
    async with reading(connection):
        await insert(connection, company())
        yield Compiled(connection)


def person(role: str) -> Principal:
    return principal_of(company(), USER[PEOPLE[role][0]], default_access([role]))


async def refusal(compiled: Compiled, text: str, **variables: Any) -> tuple[str, str, tuple[str | int, ...]]:
    with pytest.raises(CrmError) as caught:
        await compiled.run(person("crm_manager"), text, variables)
    return caught.value.code, caught.value.template_key, tuple(caught.value.path)


async def test_answers_stand_in_the_order_of_the_ids(compiled: Compiled) -> None:
    ids = [str(CUSTOMER["haidian"]), NOBODY, str(USER["wang"]), str(CUSTOMER["haidian"])]

    answer = await compiled.data(person("crm_manager"), QUERY, {"ids": ids})

    haidian = {"id": ids[0], "name": "Haidian Hotel Ltd"}
    assert answer == {"nodes": [haidian, None, {"id": ids[2], "username": "wang"}, haidian]}


async def test_record_out_of_scope_is_like_one_that_never_was(compiled: Compiled) -> None:
    li = {"id": str(CUSTOMER["group"])}

    answer = await compiled.data(person("sales"), QUERY, {"ids": [li["id"], NOBODY]})

    assert answer == {"nodes": [None, None]}


async def test_record_whose_type_has_nothing_selected_is_an_empty_object(compiled: Compiled) -> None:
    query = 'query { nodes(ids: ["%s", "%s"]) { ... on Customer { number } } }'

    answer = await compiled.data(person("crm_manager"), query % (CUSTOMER["xiaoming"], USER["wang"]))

    assert answer == {"nodes": [{"number": "C-1"}, {}]}


@pytest.mark.parametrize("ids", ["[]", "$none", "$ids", "[$one, $other]", '"%s"', '["%s", $other]', "$one"])
async def test_ids_may_be_literals_or_variables(compiled: Compiled, ids: str) -> None:
    one, other = str(CUSTOMER["xiaoming"]), str(USER["wang"])
    values = {"none": [], "ids": [one, other], "one": one, "other": other}
    types = {"none": "[ID!]!", "ids": "[ID!]!", "one": "ID!" if "[" in ids else "[ID!]!", "other": "ID!"}
    used = {name: value for name, value in values.items() if f"${name}" in ids}
    head = ", ".join(f"${name}: {types[name]}" for name in used)
    written = ids % one if "%s" in ids else ids
    query = f"query{f'({head})' if head else ''} {{ nodes(ids: {written}) {{ id }} }}"

    answer = await compiled.data(person("crm_manager"), query, used)

    expected = {"[]": [], "$none": [], '"%s"': [one], "$one": [one]}.get(ids, [one, other])
    assert answer == {"nodes": [{"id": id_} for id_ in expected]}


async def test_longer_list_of_the_same_variable_is_answered_anew(compiled: Compiled) -> None:
    ids = [str(CUSTOMER["xiaoming"]), str(USER["wang"])]
    for some in ([], ids[:1], ids, []):
        answer = await compiled.data(person("crm_manager"), "query($i: [ID!]!) { nodes(ids: $i) { id } }", {"i": some})
        assert answer == {"nodes": [{"id": id_} for id_ in some]}


async def test_filter_by_a_list_is_answered_anew_after_an_empty_one(compiled: Compiled) -> None:
    query = "query($n: [String!]) { users(where: { username: { in: $n } }) { totalCount } }"
    for names in ([], ["li"], ["li", "wang"], []):
        assert await compiled.data(person("admin"), query, {"n": names}) == {"users": {"totalCount": len(names)}}


async def test_filter_takes_variables_inside_a_list(compiled: Compiled) -> None:
    query = (
        'query($a: String!, $b: String = "li") { users(where: { username: { in: [$a, "chen", $b] } }) { totalCount } }'
    )

    assert await compiled.data(person("admin"), query, {"a": "wang"}) == {"users": {"totalCount": 3}}
    assert await compiled.data(person("admin"), query, {"a": "wang", "b": "no"}) == {"users": {"totalCount": 2}}


async def test_wrong_id_is_named_by_its_place(compiled: Compiled) -> None:
    wrong = ("BAD_VARIABLES", "not_an_id")
    good = str(USER["wang"])

    assert await refusal(compiled, QUERY, ids=[good, "garbage"]) == (*wrong, ("ids", 1))
    assert await refusal(compiled, LITERAL.format(f'"{good}", "x"')) == (*wrong, ("nodes", "ids", 1))
    beside_a_variable = 'query($a: ID!) { nodes(ids: [$a, "x"]) { id } }'
    assert await refusal(compiled, beside_a_variable, a=good) == (*wrong, ("nodes", "ids", 1))
    assert await refusal(compiled, "query($a: ID!) { nodes(ids: [$a]) { id } }", a="x") == (*wrong, ("a",))


async def test_null_among_the_ids_is_refused(compiled: Compiled) -> None:
    query = 'query($a: ID = "x") { nodes(ids: [$a]) { id } }'

    assert await refusal(compiled, query, a=None) == ("BAD_VARIABLES", "not_an_id", ("nodes", "ids", 0))
    assert (await refusal(compiled, QUERY, ids=[None]))[0] == "BAD_VARIABLES"


async def test_more_ids_than_a_page_are_refused(compiled: Compiled) -> None:
    too_long = ("BAD_VARIABLES", "list_too_long")
    literals = ", ".join([f'"{NOBODY}"'] * 200)

    assert await refusal(compiled, QUERY, ids=[NOBODY] * 201) == (*too_long, ("ids",))
    assert await refusal(compiled, LITERAL.format(f'{literals} "{NOBODY}"')) == (*too_long, ("nodes", "ids"))
    beside_a_variable = "query($a: ID!) " + LITERAL.format(f"$a, {literals}")
    assert await refusal(compiled, beside_a_variable, a=NOBODY) == (*too_long, ("nodes", "ids"))
    assert await compiled.data(person("crm_manager"), QUERY, {"ids": [NOBODY] * 200}) == {"nodes": [None] * 200}


@pytest.mark.parametrize("root", ["node(id: $id)", "nodes(ids: [$id])"])
async def test_derived_field_of_several_types(compiled: Compiled, root: str) -> None:
    fragments = " ".join(
        f"... on {type_} {{ availableTransitions {{ to {{ key }} }} }}" for type_ in ("Ticket", "Opportunity", "Lead")
    )
    query = f"query($id: ID!) {{ found: {root} {{ __typename {fragments} }} }}"

    for name, id_ in (("Ticket", TICKET["leak"]), ("Opportunity", OPPORTUNITY["kitchen"]), ("Lead", LEAD["fair"])):
        found = (await compiled.data(person("crm_manager"), query, {"id": str(id_)}))["found"]
        node = found[0] if isinstance(found, list) else found
        assert node["__typename"] == name
        assert isinstance(node["availableTransitions"], list)
