"""Rules of reads that are known in advance, each on the small company."""

from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from crm_graph.access import Level
from crm_graph.errors import CrmError, ValidationFailed
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.rules import ALL, OWN, GrantRule, RoleRule, grant
from crm_graph.proof.engine import principal_of, reading
from crm_graph.proof.rows import Connection, insert
from reference.company import CUSTOMER, PEOPLE, TICKET, USER, company
from reference.compiled import Compiled, access_of, default_access

READ, MASKED = Level.READ, Level.MASKED


@pytest.fixture
async def compiled(connection: Connection) -> AsyncIterator[Compiled]:
    async with reading(connection):
        await insert(connection, company())
        yield Compiled(connection)


def person(role: str) -> Principal:
    return principal_of(company(), USER[PEOPLE[role][0]], default_access([role]))


def wang_with(*grants: GrantRule) -> Principal:
    """Wang, with these grants on customers and nothing else."""
    role = RoleRule("test", "test", "test", "", {"customer": grants})
    return principal_of(company(), USER["wang"], access_of({"test": role}, ["test"]))


async def refusal(compiled: Compiled, who: Principal, text: str, **variables: Any) -> CrmError:
    with pytest.raises(CrmError) as caught:
        await compiled.run(who, text, variables)
    return caught.value


async def test_page_of_no_rows_has_no_cursors(compiled: Compiled) -> None:
    query = "{ customers(%s: 0) { nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"
    facts = {"startCursor": None, "endCursor": None}

    forward = await compiled.data(person("crm_manager"), query % "first")
    backward = await compiled.data(person("crm_manager"), query % "last")

    assert forward["customers"] == {"nodes": [], "pageInfo": {"hasNextPage": True, "hasPreviousPage": False, **facts}}
    assert backward["customers"] == {"nodes": [], "pageInfo": {"hasNextPage": False, "hasPreviousPage": True, **facts}}


async def test_no_rows_stand_before_an_offset_into_nothing(compiled: Compiled) -> None:
    query = "{ customers(offset: 3, where: { or: [] }) { pageInfo { hasPreviousPage } } }"

    assert await compiled.data(person("crm_manager"), query) == {"customers": {"pageInfo": {"hasPreviousPage": False}}}


async def test_archived_user_leaves_lists_but_stays_owner(compiled: Compiled) -> None:
    await compiled.connection.execute("UPDATE users SET archived_at = now() WHERE username IN ('wang', 'li')")
    query = "query($id: ID) { customer(id: $id) { owner { username } collaborators { username } } }"

    answer = await compiled.data(person("crm_manager"), query, {"id": str(CUSTOMER["haidian"])})

    assert answer == {"customer": {"owner": {"username": "li"}, "collaborators": []}}


async def test_children_exist_only_by_a_grant_that_shows_something_of_them(compiled: Compiled) -> None:
    who = wang_with(
        grant(ALL, fields={"number": READ}),
        grant(OWN, fields={"contact_points.kind": READ, "contact_points.raw": MASKED}),
    )
    query = "{ customers(orderBy: [{ number: ASC }]) { nodes { number contactPoints { kind raw } } } }"
    counted = "{ customers(where: { contactPoints: { some: {} } }) { nodes { number } } }"

    answer = await compiled.data(who, query)

    assert answer["customers"]["nodes"] == [
        {"number": "C-0", "contactPoints": []},
        {
            "number": "C-1",
            "contactPoints": [{"kind": "MOBILE", "raw": "138****8001"}, {"kind": "EMAIL", "raw": "X***@Example.com"}],
        },
        {"number": "C-2", "contactPoints": [{"kind": "LANDLINE", "raw": "010****8801"}]},
        {"number": "C-3", "contactPoints": []},
        {"number": "C-4", "contactPoints": []},
    ]
    assert await compiled.data(who, counted) == {"customers": {"nodes": [{"number": "C-2"}, {"number": "C-1"}]}}


async def test_children_of_which_nothing_is_shown_are_not_in_the_schema(compiled: Compiled) -> None:
    who = wang_with(grant(ALL, fields={"number": READ}))

    listed = await refusal(compiled, who, "{ customers { nodes { contactPoints { id } } } }")
    asked = await refusal(compiled, who, "{ customers(where: { contactPoints: { some: {} } }) { totalCount } }")

    assert (type(listed), type(asked)) == (ValidationFailed, ValidationFailed)


async def test_masked_external_id_finds_nothing(compiled: Compiled) -> None:
    query = '{ customer(externalRef: { source: "shop", externalId: "%s" }) { id } }'

    assert await compiled.data(person("sales"), query % "S-3") == {"customer": None}
    assert await compiled.data(person("sales"), query % "S-1") == {"customer": {"id": str(CUSTOMER["xiaoming"])}}


async def test_withheld_value_of_a_row_without_owner_is_null(compiled: Compiled) -> None:
    query = "{ customers(where: { phone: { isNull: %s } }) { nodes { id } } }"
    ids = {name: {"id": str(CUSTOMER[name])} for name in ("pooled", "haidian", "xiaoming")}

    withheld = await compiled.data(person("sales"), query % "true")
    readable = await compiled.data(person("sales"), query % "false")

    assert withheld == {"customers": {"nodes": [ids["pooled"]]}}
    assert readable == {"customers": {"nodes": [ids["haidian"], ids["xiaoming"]]}}


async def test_list_literal_equals_list_variable(compiled: Compiled) -> None:
    literal = '{ users(where: { username: { in: ["li", "wang"] } }) { totalCount } }'
    variable = "query($names: [String!]) { users(where: { username: { in: $names } }) { totalCount } }"

    assert await compiled.data(person("admin"), literal) == {"users": {"totalCount": 2}}
    assert await compiled.data(person("admin"), variable, {"names": ["li", "wang"]}) == {"users": {"totalCount": 2}}


CURSORS = "query($c: String) { customers(%s, orderBy: [{ city: ASC }]) { edges { cursor } } }"


async def test_cursor_of_another_order_is_refused(compiled: Compiled) -> None:
    who = person("crm_manager")
    page = await compiled.data(who, "{ customers(first: 1) { edges { cursor } } }")

    error = await refusal(compiled, who, CURSORS % "after: $c", c=page["customers"]["edges"][0]["cursor"])

    assert (error.code, error.template_key) == ("BAD_VARIABLES", "cursor_of_other_order")


async def test_cursor_that_is_cut_or_made_up_is_refused(compiled: Compiled) -> None:
    who = person("crm_manager")
    page = await compiled.data(who, "{ customers(first: 1, orderBy: [{ city: ASC }]) { edges { cursor } } }")
    cursor = page["customers"]["edges"][0]["cursor"]

    for wrong in (cursor[: len(cursor) // 2], cursor[:-1], "", "garbage", "W10=", "bnVsbA==", "é", "x" * 5_000):
        error = await refusal(compiled, who, CURSORS % "before: $c", c=wrong)
        assert (error.code, error.template_key) == ("BAD_VARIABLES", "cursor"), wrong


@pytest.mark.parametrize("size", [-1, 201, 2**31 - 1])
@pytest.mark.parametrize("argument", ["first", "last"])
async def test_page_size_out_of_range_is_refused(compiled: Compiled, argument: str, size: int) -> None:
    query = f"query($n: Int) {{ customers({argument}: $n) {{ totalCount nodes {{ id }} }} }}"

    error = await refusal(compiled, person("crm_manager"), query, n=size)

    assert (error.code, error.template_key) == ("BAD_VARIABLES", "page_size")
    assert error.details["limit"] == 200


@pytest.mark.parametrize(
    ("arguments", "template"),
    [
        ("first: 1, last: 1", "first_and_last"),
        ('offset: 1, after: "x"', "offset_and_cursor"),
        ("offset: 1, last: 1", "offset_and_cursor"),
    ],
)
async def test_arguments_that_exclude_each_other_are_refused(compiled: Compiled, arguments: str, template: str) -> None:
    error = await refusal(compiled, person("crm_manager"), f"{{ customers({arguments}) {{ nodes {{ id }} }} }}")

    assert (error.code, error.template_key) == ("VALIDATION_FAILED", template)


async def test_id_of_another_type_is_refused(compiled: Compiled) -> None:
    query = "query($id: ID) { customer(id: $id) { id } }"

    error = await refusal(compiled, person("crm_manager"), query, id=str(TICKET["leak"]))

    assert (error.code, error.template_key) == ("BAD_VARIABLES", "id_of_other_type")


async def test_lookup_needs_exactly_one_of_id_and_external_ref(compiled: Compiled) -> None:
    error = await refusal(compiled, person("crm_manager"), "{ customer { id } }")

    assert (error.code, error.template_key) == ("VALIDATION_FAILED", "id_or_external_ref")


ORDERS = (
    ("crm_manager", "{ city: ASC }"),
    ("crm_manager", "{ city: DESC }, { tier: ASC }"),
    ("crm_manager", "{ city: ASC_NULLS_FIRST }, { phone: DESC_NULLS_LAST }"),
    ("crm_manager", "{ creditLimit: DESC_NULLS_LAST }, { owner: { name: ASC } }, { pooledAt: DESC }"),
    ("sales", "{ parent: { name: DESC } }, { email: ASC_NULLS_FIRST }"),
    ("sales", "{ name: ASC_NULLS_FIRST }, { owner: { id: DESC } }, { healthScore: DESC }"),
    ("service", "{ phone: ASC }, { lastPurchaseOn: DESC }"),
    ("service", "{ referredBy: { phone: DESC_NULLS_LAST } }, { healthScore: ASC }"),
    ("finance", "{ email: ASC }, { totalSpent: DESC }, { kycStatus: DESC }"),
    ("erp", "{ city: DESC }, { kind: ASC }, { phone: ASC_NULLS_FIRST }"),
)
PAGE = """query($c: String, $n: Int) {
  customers(%s: $n, %s: $c, archived: INCLUDE, orderBy: [%s]) {
    nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}"""


async def turn_pages(compiled: Compiled, who: Principal, order: str, random: Random, *, forward: bool) -> list[str]:
    """The ids of a whole list, page by page from its start or from its end."""
    found: list[str] = []
    cursor, more = None, True
    query = PAGE % (*(("first", "after") if forward else ("last", "before")), order)
    while more:
        page = (await compiled.data(who, query, {"c": cursor, "n": random.randint(1, 3)}))["customers"]
        ids = [node["id"] for node in page["nodes"]]
        found = [*found, *ids] if forward else [*ids, *found]
        cursor = page["pageInfo"]["endCursor" if forward else "startCursor"]
        more = page["pageInfo"]["hasNextPage" if forward else "hasPreviousPage"]
    return found


@pytest.mark.parametrize(("role", "order"), ORDERS)
async def test_pages_one_after_another_are_the_whole_list(compiled: Compiled, role: str, order: str) -> None:
    who, random = person(role), Random(order)
    query = "{ customers(first: 200, archived: INCLUDE, orderBy: [%s]) { nodes { id } } }"

    whole = [node["id"] for node in (await compiled.data(who, query % order))["customers"]["nodes"]]

    assert len(whole) == (4 if role == "sales" else 6)
    assert await turn_pages(compiled, who, order, random, forward=True) == whole
    assert await turn_pages(compiled, who, order, random, forward=False) == whole
