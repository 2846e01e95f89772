"""The history of a record: newest first, field by field, and of each event what its reader reads on the record now."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from crm_graph.access import Level
from crm_graph.errors import CrmError
from crm_graph.models.fields import DataClass
from crm_graph.models.ids import EntityCode
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.rules import ALL, OWN, GrantRule, RoleRule, grant
from crm_graph.proof.engine import principal_of, reading
from crm_graph.proof.rows import Connection, insert
from reference.company import CHILD, CUSTOMER, EVENT, PEOPLE, USER, company
from reference.compiled import Compiled, access_of, default_access

READ = Level.READ
ENTRY = "nodes { id version type changes { field item before after } }"
WANG = {"id": str(USER["wang"]), "type": "User", "name": "王芳"}
LI = {"id": str(USER["li"]), "type": "User", "name": "李强"}
PEOPLE_KNOWN = grant(ALL, read=(DataClass.BASIC,))


@pytest.fixture
async def compiled(connection: Connection) -> AsyncIterator[Compiled]:
    async with reading(connection):
        await insert(connection, company())
        yield Compiled(connection)


def person(role: str) -> Principal:
    return principal_of(company(), USER[PEOPLE[role][0]], default_access([role]))


def someone(*rules: GrantRule, **others: GrantRule) -> Principal:
    """Wang, with these grants on customers and those on other types, and nothing else."""
    grants = {"customer": rules, **{name: (rule,) for name, rule in others.items()}}
    role = RoleRule("test", "test", "test", "", grants)
    return principal_of(company(), USER["wang"], access_of({"test": role}, ["test"]))


async def history(
    compiled: Compiled, who: Principal, body: str = ENTRY, arguments: str = "", whose: str = "xiaoming"
) -> Any:
    query = f'{{ customer(id: "{CUSTOMER[whose]}") {{ history{arguments} {{ {body} }} }} }}'
    return (await compiled.data(who, query))["customer"]["history"]


def told(entry: Any) -> list[tuple[Any, ...]]:
    return [tuple(change.values()) for change in entry["changes"]]


async def test_owner_is_told_all_newest_first_in_the_forms_of_the_api(compiled: Compiled) -> None:
    nodes = (await history(compiled, person("sales")))["nodes"]

    point = str(CHILD[EntityCode.CONTACT_POINT]["0"])
    assert [(n["version"], n["type"]) for n in nodes] == [
        (4, "customer.updated"),
        (3, "customer.updated"),
        (2, "customer.updated"),
        (1, "customer.created"),
    ]
    assert [told(n) for n in nodes] == [
        [
            ("totalSpent", None, {"amount": "0.00", "currency": "CNY"}, {"amount": "12800.00", "currency": "CNY"}),
            ("orderCount", None, 0, 3),
            ("lastInteractionAt", None, None, "2026-11-13T04:00:00+00:00"),
        ],
        [("owner", None, LI, WANG), ("contactPoints.raw", point, "139 0013 9009", "138 0013 8001")],
        [("phone", None, "13900139009", "+8613800138001")],
        [("name", None, None, "王小明"), ("phone", None, None, "13900139009"), ("owner", None, None, LI)],
    ]


async def test_event_that_touches_only_what_is_masked_is_not_there(compiled: Compiled) -> None:
    who = someone(grant(ALL, read=(DataClass.BASIC,), masked=(DataClass.CONTACT,)), user=PEOPLE_KNOWN)
    nodes = (await history(compiled, who))["nodes"]

    assert [(n["version"], [c["field"] for c in n["changes"]]) for n in nodes] == [
        (3, ["owner"]),
        (1, ["name", "owner"]),
    ]


async def test_cell_is_told_where_the_record_gives_it_now(compiled: Compiled) -> None:
    """A service agent reads the phone of Maria, who has an open ticket of theirs, and not that of Xiaoming."""
    maria, xiaoming = [(await history(compiled, person("service"), whose=w))["nodes"] for w in ("maria", "xiaoming")]

    assert [(n["version"], told(n)) for n in maria] == [
        (2, [("phone", None, "13700000000", "+8613700137003")]),
        (1, [("name", None, None, "Maria Garcia"), ("phone", None, None, "13700000000")]),
    ]
    assert "phone" not in {c["field"] for n in xiaoming for c in n["changes"]}
    assert 2 not in {n["version"] for n in xiaoming}


async def test_related_record_that_does_not_exist_for_the_reader_is_null_on_its_side(compiled: Compiled) -> None:
    """Who sees themselves alone: of the owner before nothing, and nothing of a change between two others."""
    who = someone(grant(ALL, fields={"tier": READ}), user=grant(OWN, read=(DataClass.BASIC,)))
    compiled_nodes = (await history(compiled, who))["nodes"]

    assert [(n["version"], told(n)) for n in compiled_nodes] == [(3, [("owner", None, None, WANG)])]


async def test_reason_is_told_to_who_reads_all_texts_of_the_record(compiled: Compiled) -> None:
    body = "nodes { version reason }"

    assert {"version": 2, "reason": "老号码停用"} in (await history(compiled, person("sales"), body))["nodes"]
    without = someone(grant(ALL, read=(DataClass.BASIC, DataClass.CONTACT)))
    assert {"version": 2, "reason": None} in (await history(compiled, without, body))["nodes"]


async def test_pages_go_on_behind_a_cursor_and_skip_what_is_not_told(compiled: Compiled) -> None:
    who = someone(grant(ALL, read=(DataClass.BASIC,), masked=(DataClass.CONTACT,)), user=PEOPLE_KNOWN)
    page = "nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
    first = await history(compiled, who, page, "(first: 1)")
    second = await history(compiled, who, page, f'(first: 1, after: "{first["pageInfo"]["endCursor"]}")')

    facts = [tuple(p["pageInfo"][k] for k in ("hasNextPage", "hasPreviousPage")) for p in (first, second)]
    assert [p["nodes"] for p in (first, second)] == [[{"id": str(EVENT["2"])}], [{"id": str(EVENT["0"])}]]
    assert facts == [(True, False), (False, True)]


@pytest.mark.parametrize("arguments", ['(after: "x")', "(first: 201)", "(first: -1)"])
async def test_page_that_cannot_be_is_refused(compiled: Compiled, arguments: str) -> None:
    with pytest.raises(CrmError, match="BAD_VARIABLES"):
        await history(compiled, person("sales"), ENTRY, arguments)


async def test_reads_are_no_history(compiled: Compiled) -> None:
    await compiled.connection.execute("UPDATE events SET is_read = true WHERE id = $1", EVENT["3"])

    assert [n["version"] for n in (await history(compiled, person("sales")))["nodes"]] == [3, 2, 1]
