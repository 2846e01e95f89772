"""By what roles may pick their records, and which roles inherit which."""

from typing import Any

import pytest

from web.administering import done, edit, grant, new_role, refusals, role
from web.conftest import Crm

READ_NUMBER: dict[str, Any] = {"fields": [{"field": "number", "level": "READ"}]}
READ_NAME: dict[str, Any] = {"fields": [{"field": "name", "level": "READ"}]}
MASKED_PHONE: dict[str, Any] = {"fields": [{"field": "name", "level": "READ"}, {"field": "phone", "level": "MASKED"}]}
READ_PHONE: dict[str, Any] = {"fields": [{"field": "name", "level": "READ"}, {"field": "phone", "level": "READ"}]}
BY_PHONE = {"phone": {"endsWith": "003"}}
PARTLY_READ: dict[str, tuple[list[Any], str]] = {
    # Everyone reads a phone on their own user.
    "behind a relation": (
        [grant(row_rule="WHERE", where={"owner": BY_PHONE}, **READ_NAME)],
        "0.where.owner.phone",
    ),
    "masked beside own": (
        [grant(row_rule="OWN", **READ_PHONE), grant(row_rule="WHERE", where=BY_PHONE, **MASKED_PHONE)],
        "1.where.phone",
    ),
    "read where it is picked": (
        [grant(**MASKED_PHONE), grant(row_rule="WHERE", where={"not": BY_PHONE}, **READ_PHONE)],
        "1.where.not.phone",
    ),
    "child that some rows lack": (
        [
            grant(row_rule="OWN", levels=[{"dataClass": "CONTACT", "level": "READ"}]),
            grant(row_rule="WHERE", where={"contactPoints": {"none": {}}}, **READ_NAME),
        ],
        "1.where.contactPoints",
    ),
    "refs that its grant does not show": (
        [
            grant(row_rule="OWN"),
            grant(row_rule="WHERE", where={"externalRefs": {"some": {"source": {"eq": "x"}}}}, **READ_NAME),
        ],
        "1.where.externalRefs",
    ),
    "ids in another system": (
        [grant(**READ_NAME), grant(row_rule="WHERE", where={"externalRefs": {"some": {"externalId": {"eq": "1"}}}})],
        "1.where.externalRefs.some.externalId",
    ),
}


@pytest.mark.parametrize(("grants", "place"), PARTLY_READ.values(), ids=PARTLY_READ)
async def test_role_picks_no_records_by_what_it_reads_on_some_alone(ruled: Crm, grants: list[Any], place: str) -> None:
    told = await refusals(ruled, "createRole", input=new_role("partly", *grants))

    assert told == [("INVALID", f"input.grants.{place}")]


IN_WORDS = """mutation($input: CreateRoleInput!) {
  createRole(input: $input) { role { grants { rowRule whereInWords } } errors { code } }
}"""


async def test_conditions_are_told_in_words_in_the_language_of_the_request(ruled: Crm) -> None:
    picking = grant(row_rule="WHERE", where={"kind": {"eq": "ORGANIZATION"}})
    given = {"input": new_role("worded", grant("Lead"), picking)}

    made = await ruled.ask("root", IN_WORDS, given)
    told = await ruled.ask(
        "root", '{ roles(keys: ["worded"]) { grants { rowRule whereInWords } } }', Accept_Language="zh-CN"
    )

    assert sorted(g["whereInWords"] or "" for g in made.payload("createRole")["role"]["grants"]) == [
        "",
        "kind is Organisation",
    ]
    assert sorted(g["whereInWords"] or "" for g in told.data["roles"][0]["grants"]) == ["", "客户类型为企业客户"]


async def test_role_picks_records_by_what_it_reads_on_each_that_it_sees(ruled: Crm) -> None:
    on_each = [grant(row_rule="OWN", **READ_PHONE), grant(row_rule="WHERE", where=BY_PHONE, **READ_PHONE)]
    synced = {"externalRefs": {"some": {"source": {"eq": "wms"}}}}
    by_all = [grant(**READ_PHONE), grant(row_rule="WHERE", where=BY_PHONE)]
    by_owner = grant("Lead", "WHERE", where={"owner": {"name": {"eq": "王芳"}}})
    found = [grant("Contract", **READ_NUMBER), grant("Contract", "WHERE", where=synced)]

    await done(ruled, "createRole", input=new_role("on_each", *on_each, by_owner))
    await done(ruled, "createRole", input=new_role("by_all", *by_all, *found))


async def test_nothing_given_to_everyone_leaves_a_role_picking_by_what_it_reads_on_some(ruled: Crm) -> None:
    picking = grant("Lead", "WHERE", where=BY_PHONE, **READ_PHONE)
    await done(ruled, "createRole", input=new_role("sole_reader", picking))
    everyone = (await role(ruled, "everyone"))["grants"]

    refused = await edit(ruled, "setGrants", role="everyone", grants=[*everyone, grant("Lead", "OWN", **READ_NAME)])

    assert [(e["code"], e["message"]) for e in refused["errors"]] == [
        (
            "RULE_VIOLATED",
            "The role sole_reader picks its records by what it could no longer read. Change its conditions first.",
        )
    ]


async def test_role_inherits_neither_itself_nor_in_a_circle(ruled: Crm) -> None:
    await done(ruled, "createRole", input=new_role("ring_a"))
    await done(ruled, "createRole", input=new_role("ring_b", inherits=["ring_a"]))

    for inherits in (["ring_a"], ["sales", "ring_b"]):
        place = f"input.inherits.{len(inherits) - 1}"
        refused = await refusals(ruled, "updateRole", key="ring_a", input={"inherits": inherits})
        assert refused == [("INVALID", place)]


async def test_chain_of_inheritance_ends_somewhere(ruled: Crm) -> None:
    for step in range(10):
        inherits = [f"chain{step - 1}"] if step else []
        await done(ruled, "createRole", input=new_role(f"chain{step}", inherits=inherits))

    one_more = new_role("chain10", inherits=["chain9"])

    assert await refusals(ruled, "createRole", input=one_more) == [("LIMIT_REACHED", "input.inherits")]


async def test_role_keeps_what_its_heirs_pick_their_records_by(ruled: Crm) -> None:
    await done(ruled, "createRole", input=new_role("below", grant()))
    picking = grant(row_rule="WHERE", where={"city": {"eq": "杭州"}}, **READ_NAME)
    await done(ruled, "createRole", input=new_role("above", picking, inherits=["below"]))

    refused = await edit(ruled, "setGrants", role="below", grants=[grant(**READ_NAME)])

    assert [(e["code"], e["message"]) for e in refused["errors"]] == [
        (
            "RULE_VIOLATED",
            "The role above picks its records by what it could no longer read. Change its conditions first.",
        )
    ]
    assert await refusals(ruled, "updateRole", key="above", input={"inherits": []}) == [("RULE_VIOLATED", "input")]
