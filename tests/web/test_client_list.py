"""The list of clients: paged like every list, narrowed, without secrets, for who manages clients alone."""

import asyncio
from typing import Any

import pytest

from .conftest import Crm
from .exporting import CREATE, hire
from .registering import FIELDS, ask_with, change, register, tell, token

LIST = (
    "query($first: Int, $after: String, $last: Int, $before: String, $offset: Int, $where: ClientWhere)"
    " { clients(first: $first, after: $after, last: $last, before: $before, offset: $offset, where: $where)"
    " { nodes { clientId } edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
    " totalCount totalCountCapped } }"
)
DESKS = [f"desk-{n}" for n in range(5)]


@pytest.fixture(scope="module")
def crm(registry: Crm) -> Crm:
    return registry


@pytest.fixture(scope="module")
async def desks(crm: Crm) -> Crm:
    """Five clients whose names no other test uses; the last one is suspended."""
    for desk in DESKS:
        await register(crm, desk, roles=["service"] if desk == "desk-1" else ["sales"])
    await tell(crm, "suspend", "desk-4")
    await register(crm, "desk-gone")
    await tell(crm, "remove", "desk-gone")
    return crm


async def page(crm: Crm, where: Any = None, **arguments: Any) -> Any:
    asked = {"where": {"search": "desk-", **(where or {})}, **arguments}
    return (await crm.ask("root", LIST, asked)).data["clients"]


def ids(page: Any) -> list[str]:
    return [node["clientId"] for node in page["nodes"]]


async def test_pages_forward_and_backward_meet(desks: Crm) -> None:
    first = await page(desks, first=2)
    second = await page(desks, first=2, after=first["pageInfo"]["endCursor"])
    third = await page(desks, first=2, after=second["pageInfo"]["endCursor"])
    back = await page(desks, last=2, before=third["pageInfo"]["startCursor"])
    end = await page(desks, last=2)

    assert [ids(p) for p in (first, second, third)] == [DESKS[:2], DESKS[2:4], DESKS[4:]]
    assert (ids(back), ids(end)) == (DESKS[2:4], DESKS[3:])
    flags = [
        (p["pageInfo"]["hasPreviousPage"], p["pageInfo"]["hasNextPage"]) for p in (first, second, third, back, end)
    ]
    assert flags == [(False, True), (True, True), (True, False), (True, True), (True, False)]
    assert [edge["cursor"] for edge in first["edges"]][-1] == first["pageInfo"]["endCursor"]
    assert (first["totalCount"], first["totalCountCapped"]) == (5, False)


async def test_offset_and_empty_pages(desks: Crm) -> None:
    skipped, none, beyond = await page(desks, offset=3), await page(desks, first=0), await page(desks, offset=9)

    assert ids(skipped) == DESKS[3:]
    assert (skipped["pageInfo"]["hasPreviousPage"], skipped["pageInfo"]["hasNextPage"]) == (True, False)
    assert (ids(none), none["pageInfo"]["startCursor"], none["pageInfo"]["hasNextPage"]) == ([], None, True)
    assert (ids(beyond), beyond["pageInfo"]["hasPreviousPage"], beyond["totalCount"]) == ([], True, 5)


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"status": ["SUSPENDED"]}, ["desk-4"]),
        ({"status": ["REMOVED"]}, ["desk-gone"]),
        ({"status": []}, []),
        ({"status": None, "role": None}, DESKS),
        ({"role": "service"}, ["desk-1"]),
        ({"scope": "customers:read", "status": ["SUSPENDED", "REMOVED"]}, ["desk-4", "desk-gone"]),
        ({"scope": "customers:write"}, []),
        ({"search": "DESK-3"}, ["desk-3"]),
        ({"search": "desk-%"}, []),
    ],
)
async def test_list_is_narrowed(desks: Crm, where: Any, found: list[str]) -> None:
    assert ids(await page(desks, where)) == found


async def test_member_of_the_list_is_told_as_its_payload_was(crm: Crm) -> None:
    payload = await register(crm, "ledger-1", source="ledger", cost=5)
    document = (
        f'{{ clients(where: {{ search: "ledger-1" }}) {{ __typename n: nodes {{ {FIELDS} }}'
        " e: edges { __typename node { __typename s: secrets { __typename createdAt } createdAt } } } }"
    )

    listed = (await crm.ask("root", document)).data["clients"]

    assert listed["n"] == [payload["client"]]
    (edge,) = listed["e"]
    (secret,) = edge["node"]["s"]
    assert (listed["__typename"], edge["__typename"], edge["node"]["__typename"], secret["__typename"]) == (
        "ClientConnection",
        "ClientEdge",
        "Client",
        "ClientSecret",
    )
    assert secret["createdAt"] == edge["node"]["createdAt"]


async def test_nothing_of_a_secret_can_be_asked(crm: Crm) -> None:
    fields = (await crm.ask("root", '{ __type(name: "ClientSecret") { fields { name } } }')).data["__type"]["fields"]

    assert [field["name"] for field in fields] == ["id", "createdAt", "endsAt"]


@pytest.mark.parametrize("who", ["wang", "sun", "erp"])
async def test_who_does_not_manage_clients_has_no_such_list(crm: Crm, who: str) -> None:
    status, code, message = (await crm.ask(who, "{ clients { nodes { clientId } } }")).error
    assert (status, code) == (400, "VALIDATION_FAILED")
    assert "Cannot query field 'clients'" in message
    assert (await crm.ask(who, '{ __type(name: "ClientConnection") { name } }')).data["__type"] is None


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"first": 201}, "BAD_VARIABLES"),
        ({"first": -1}, "BAD_VARIABLES"),
        ({"after": "nonsense"}, "BAD_VARIABLES"),
        ({"first": 1, "last": 1}, "VALIDATION_FAILED"),
        ({"where": {"search": "a\0b"}}, "BAD_VARIABLES"),
        ({"where": {"status": ["GONE"]}}, "BAD_VARIABLES"),
    ],
)
async def test_bad_arguments_are_refused(crm: Crm, arguments: Any, code: str) -> None:
    assert (await crm.ask("root", LIST, arguments)).error[:2] == (400, code)


async def test_cursor_of_another_list_is_refused(crm: Crm) -> None:
    users = (await crm.ask("root", "{ users(first: 1) { pageInfo { endCursor } } }")).data["users"]

    assert (await crm.ask("root", LIST, {"after": users["pageInfo"]["endCursor"]})).error[:2] == (400, "BAD_VARIABLES")


async def test_list_of_clients_is_no_export(crm: Crm) -> None:
    await hire(crm, "keeper", "admin")
    errors = [
        (await crm.ask("keeper", CREATE, {"input": {"document": document, "format": "CSV"}})).payload("createExport")[
            "errors"
        ]
        for document in ("{ clients { nodes { clientId } } }", "{ clients { totalCount } }")
    ]

    assert [(e["code"], e["path"][0]) for (e,) in errors] == [("INVALID", "document")] * 2


async def test_budget_of_a_client_holds_at_once(crm: Crm) -> None:
    secret = (await register(crm, "miser", cost=100))["secret"]
    held = (await token(crm, "miser", secret)).json()["access_token"]
    document = "{ customers(first: 60) { nodes { id } } }"

    first = await ask_with(crm, held, document)
    second = await ask_with(crm, held, document)
    assert (first.status, second.error[:2]) == (200, (429, "RATE_LIMITED"))
    assert "q=100" in first.response.headers["ratelimit-policy"]

    await change(crm, "miser", "costPerMinute: 0")
    async with asyncio.timeout(1):
        while (await ask_with(crm, held, document)).status != 200:
            pass
