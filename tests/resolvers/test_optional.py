"""`@optional`: one document serves every role; what a role's schema lacks is left out, hidden or never there alike."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from crm_graph.errors import CrmError, ValidationFailed
from crm_graph.permissions.principals import Principal
from crm_graph.proof.engine import principal_of, reading
from crm_graph.proof.rows import Connection, insert
from reference.company import CUSTOMER, PEOPLE, USER, company
from reference.compiled import Compiled, default_access


@pytest.fixture
async def compiled(connection: Connection) -> AsyncIterator[Compiled]:
    async with reading(connection):
        await insert(connection, company())
        yield Compiled(connection)


def person(role: str) -> Principal:
    return principal_of(company(), USER[PEOPLE[role][0]], default_access([role]))


XIAOMING = str(CUSTOMER["xiaoming"])
ONE = f'customer(id: "{XIAOMING}")'


async def ask(compiled: Compiled, role: str, text: str, **variables: Any) -> Any:
    return await compiled.data(person(role), text, variables)


async def refusal(compiled: Compiled, role: str, text: str, **variables: Any) -> list[str]:
    with pytest.raises(CrmError) as caught:
        await compiled.run(person(role), text, variables)
    assert type(caught.value) is ValidationFailed
    return [problem.error.message for problem in caught.value.details["problems"]]


async def test_one_document_serves_every_role(compiled: Compiled) -> None:
    query = f"{{ {ONE} {{ number bankAccount @optional totalSpent @optional {{ amount }} neverWas @optional }} }}"

    assert await ask(compiled, "service", query) == {"customer": {"number": "C-1"}}
    assert await ask(compiled, "crm_manager", query) == {
        "customer": {"number": "C-1", "totalSpent": {"amount": "12800.00"}}
    }
    assert await ask(compiled, "finance", query) == {
        "customer": {"number": "C-1", "bankAccount": None, "totalSpent": {"amount": "12800.00"}}
    }


async def test_unknown_field_without_it_is_refused(compiled: Compiled) -> None:
    query = f"{{ {ONE} {{ number neverWas known: bankAccount @optional }} }}"

    assert await refusal(compiled, "service", query) == ["Cannot query field 'neverWas' on type 'Customer'."]


async def test_misspelt_child_of_a_known_optional_field_is_refused(compiled: Compiled) -> None:
    query = f"{{ {ONE} {{ owner @optional {{ usernam }} }} }}"

    assert await refusal(compiled, "sales", query) == ["Cannot query field 'usernam' on type 'User'."]


async def test_misspelt_child_of_an_unknown_optional_field_goes_with_it(compiled: Compiled) -> None:
    query = f"{{ {ONE} {{ number neverWas @optional {{ usernam {{ a }} }} }} }}"

    assert await ask(compiled, "sales", query) == {"customer": {"number": "C-1"}}


async def test_selection_of_which_nothing_is_left_is_an_empty_object(compiled: Compiled) -> None:
    one = f"{{ {ONE} {{ a @optional }} }}"
    many = "{ customers(first: 2) { nodes { a @optional } edges { b @optional } pageInfo { c @optional } } }"
    nested = f"{{ {ONE} {{ contactPoints {{ a @optional }} owner {{ b @optional }} totalSpent {{ c @optional }} }} }}"

    assert await ask(compiled, "crm_manager", one) == {"customer": {}}
    assert await ask(compiled, "crm_manager", "{ hidden @optional { id } }") == {}
    assert await ask(compiled, "crm_manager", many) == {
        "customers": {"nodes": [{}, {}], "edges": [{}, {}], "pageInfo": {}}
    }
    assert await ask(compiled, "crm_manager", nested) == {
        "customer": {"contactPoints": [{}, {}], "owner": {}, "totalSpent": {}}
    }


async def test_root_field_may_be_optional(compiled: Compiled) -> None:
    query = '{ contracts @optional { totalCount } users(where: { username: { eq: "li" } }) { totalCount } }'

    assert await ask(compiled, "admin", query) == {"users": {"totalCount": 1}}
    assert await ask(compiled, "crm_manager", query) != {"users": {"totalCount": 1}}


async def test_variables_and_fragments_of_what_is_left_out_need_no_use(compiled: Compiled) -> None:
    query = """
    query($w: ContractWhere, $first: Int, $yes: Boolean!, $id: ID!) {
      contracts(where: $w, first: $first) @optional @include(if: $yes) { nodes { ...contract } }
      user(id: $id) { ...user }
    }
    fragment contract on Contract { number customer { ...customer } }
    fragment customer on Customer { tickets(first: $first) { totalCount } }
    fragment user on User { username }
    """
    wang = str(USER["wang"])

    answer = await ask(compiled, "admin", query, id=wang, first=3, yes=True, w={"title": {"eq": "x"}})

    assert answer == {"user": {"username": "wang"}}


async def test_what_was_never_used_is_refused_all_the_same(compiled: Compiled) -> None:
    query = f"query($a: Int) {{ {ONE} {{ number x @optional }} }} fragment f on Customer {{ name }}"

    assert await refusal(compiled, "sales", query) == [
        "Variable '$a' is never used.",
        "Fragment 'f' is never used.",
    ]


async def test_fragment_used_elsewhere_stays(compiled: Compiled) -> None:
    query = f"query {{ {ONE} {{ x @optional {{ ...f }} ...f }} }} fragment f on Customer {{ number y @optional }}"

    assert await ask(compiled, "sales", query) == {"customer": {"number": "C-1"}}


async def test_skip_and_include_count_with_it(compiled: Compiled) -> None:
    query = f"query($no: Boolean!) {{ {ONE} {{ number @optional @include(if: $no) name @skip(if: $no) @optional }} }}"

    assert await ask(compiled, "sales", query, no=False) == {"customer": {"name": "王小明"}}
    assert await ask(compiled, "sales", query, no=True) == {"customer": {"number": "C-1"}}


@pytest.mark.parametrize("spread", ["... on Contract @optional { number }", "...contract @optional"])
async def test_fragment_on_a_type_that_the_role_lacks_is_left_out(compiled: Compiled, spread: str) -> None:
    definition = "fragment contract on Contract { number }" if spread.startswith("...c") else ""
    query = f'query {{ node(id: "{USER["li"]}") {{ ... on User {{ username }} {spread} }} }} {definition}'

    assert await ask(compiled, "admin", query) == {"node": {"username": "li"}}
    assert await ask(compiled, "crm_manager", query) == {"node": {"username": "li"}}
    messages = await refusal(compiled, "admin", query.replace("@optional", ""))
    assert messages == ["Unknown type 'Contract'."]


async def test_each_role_keeps_its_own_reading_of_a_text(compiled: Compiled) -> None:
    query = f"{{ {ONE} {{ bankAccount @optional number }} }}"
    for _ in range(2):
        assert await ask(compiled, "service", query) == {"customer": {"number": "C-1"}}
        assert await ask(compiled, "finance", query) == {"customer": {"bankAccount": None, "number": "C-1"}}


async def test_introspection_knows_the_directive(compiled: Compiled) -> None:
    answer = await ask(compiled, "sales", "{ __schema { directives { name locations } } }")

    (optional,) = (d for d in answer["__schema"]["directives"] if d["name"] == "optional")
    assert optional["locations"] == ["FIELD", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"]


async def test_every_field_of_a_large_document_may_be_optional(compiled: Compiled) -> None:
    fields = " ".join(f"f{n}: {'number' if n % 3 == 0 else 'neverWas'} @optional" for n in range(450))

    answer = await ask(compiled, "sales", f"{{ {ONE} {{ {fields} }} }}")

    assert answer == {"customer": {f"f{n}": "C-1" for n in range(0, 450, 3)}}
