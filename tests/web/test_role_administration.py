"""Roles run through the API: made, edited, given and taken, with what is refused, told in the log and kept safe."""

from functools import partial
from typing import Any

import pytest

from web.administering import done, edit, grant, holds, new_role, refusals, role, roles
from web.conftest import Crm

READ_NUMBER: dict[str, Any] = {"fields": [{"field": "number", "level": "READ"}]}
READ_NAME: dict[str, Any] = {"fields": [{"field": "name", "level": "READ"}]}


async def test_role_is_made_and_told_as_it_was_written(ruled: Crm) -> None:
    given = grant(
        "Customer",
        "WHERE",
        where={"owner": {"id": {"eq": {"$viewer": "id"}}}},
        levels=[{"dataClass": "BASIC", "level": "READ"}, {"dataClass": "CONTACT", "level": "MASKED"}],
        fields=[{"field": "contactPoints.raw", "level": "LOOKUP"}],
        personalLevel="MASKED",
        writes={"classes": ["BASIC"], "fields": [], "except": ["tier"]},
    )

    made = await done(ruled, "createRole", input=new_role("told", given, actions=["export"], inherits=["analyst"]))

    assert made == {
        "key": "told",
        "label": {"zh": "角色told", "en": "Role told"},
        "description": "",
        "builtin": False,
        "edited": False,
        "version": 1,
        "inherits": ["analyst"],
        "actions": ["export"],
        "holders": 0,
        "grants": [given],
    }
    assert await role(ruled, "told") == made


async def test_log_tells_what_an_edit_changed(ruled: Crm) -> None:
    await done(ruled, "createRole", input=new_role("logged", grant()), reason="Trainees")
    await done(ruled, "setGrants", role="logged", grants=[grant("Lead")])
    await done(ruled, "updateRole", key="logged", input={"description": "Leads alone"})
    id_ = await ruled.database.fetchval("SELECT id FROM roles WHERE key = 'logged'")
    await done(ruled, "removeRole", key="logged")

    events = await ruled.events(str(id_))

    assert [(e["type"], e["entity_version"], e["changed"]) for e in events] == [
        ("role.created", 1, ["actions", "description", "grants", "inherits", "label"]),
        ("role.grants_set", 2, ["grants"]),
        ("role.updated", 3, ["description"]),
        ("role.removed", 4, ["actions", "description", "grants", "holders", "inherits", "label"]),
    ]
    assert {e["actor_id"] for e in events} == {ruled.users["root"]}
    assert events[0]["reason"] == "Trainees"
    assert [g["type"] for g in events[1]["before"]["grants"]] == ["Customer"]
    assert [g["type"] for g in events[1]["after"]["grants"]] == ["Lead"]
    assert events[2]["before"] == {"key": "logged", "description": ""}
    assert events[3]["after"] == {"key": "logged"}


async def test_next_request_in_this_process_obeys_an_edit(ruled: Crm) -> None:
    await done(ruled, "createRole", input=new_role("prompt"))
    held = {"user": str(ruled.users["zhou"]), "role": "prompt"}
    for _ in range(10):
        for verb, holds_it in (("grantRole", True), ("revokeRole", False)):
            await done(ruled, verb, **held)
            told = (await ruled.ask("zhou", "{ viewer { roles { key } } }")).data["viewer"]["roles"]
            assert ({"key": "prompt"} in told) == holds_it
    await done(ruled, "removeRole", key="prompt")


async def test_same_again_changes_nothing(ruled: Crm) -> None:
    await done(ruled, "createRole", input=new_role("same", grant()))

    again = await done(ruled, "setGrants", role="same", grants=[grant()])

    assert again["version"] == 1


async def test_clone_has_the_rights_of_its_source_and_goes_its_own_way(ruled: Crm) -> None:
    source = await role(ruled, "sales")
    clone = await done(
        ruled, "cloneRole", key="sales", **{"as": "sales_abroad"}, label={"zh": "海外销售", "en": "Abroad"}
    )
    await done(ruled, "setGrants", role="sales_abroad", grants=[])

    assert {k: clone[k] for k in ("grants", "actions", "inherits")} == {
        k: source[k] for k in ("grants", "actions", "inherits")
    }
    assert (clone["builtin"], clone["label"]["en"]) == (False, "Abroad")
    assert await role(ruled, "sales") == source


async def test_built_in_role_is_edited_and_reset(ruled: Crm) -> None:
    before = await role(ruled, "marketing")
    edited = await done(ruled, "setGrants", role="marketing", grants=[grant("Lead", "OWN")])
    assert (edited["edited"], edited["version"]) == (True, before["version"] + 1)

    reset = await done(ruled, "resetRole", key="marketing")

    assert reset == {**before, "version": before["version"] + 2}


async def test_every_default_role_can_be_saved_as_it_is_told(ruled: Crm) -> None:
    """What is told is what is taken: nothing of the default table is lost on the way, or refused."""
    for told in await roles(ruled):
        if told["builtin"] and told["key"] != "everyone":
            copy = new_role(
                f"copy_of_{told['key']}", *told["grants"], actions=told["actions"], inherits=told["inherits"]
            )
            made = await done(ruled, "createRole", input=copy)
            assert made["grants"] == told["grants"]
            await done(ruled, "removeRole", key=made["key"])


async def test_stale_version_is_a_conflict(ruled: Crm) -> None:
    await done(ruled, "createRole", input=new_role("stale", grant()))
    await done(ruled, "setGrants", role="stale", grants=[grant("Lead")])

    for name, more in (
        ("setGrants", {"role": "stale", "grants": []}),
        ("updateRole", {"key": "stale", "input": {"description": "x"}}),
        ("removeRole", {"key": "stale"}),
    ):
        assert await refusals(ruled, name, expectedVersion=1, **more) == [("CONFLICT", "expectedVersion")]
    assert (await role(ruled, "stale"))["version"] == 2


BAD_GRANTS: dict[str, tuple[Any, list[tuple[str, str]]]] = {
    "unknown type": (grant("Customers"), [("INVALID", "grants.0.type")]),
    "child as type": (grant("ContactPoint"), [("INVALID", "grants.0.type")]),
    "unknown field": (grant(fields=[{"field": "phonee", "level": "READ"}]), [("INVALID", "grants.0.fields.0.field")]),
    "field by its column": (
        grant(fields=[{"field": "contact_points.raw", "level": "READ"}]),
        [("INVALID", "grants.0.fields.0.field")],
    ),
    "internal class": (
        grant(levels=[{"dataClass": "BASIC", "level": "READ"}, {"dataClass": "INTERNAL", "level": "READ"}]),
        [("INVALID", "grants.0.levels.1.dataClass")],
    ),
    "class twice": (
        grant(levels=[{"dataClass": "BASIC", "level": "READ"}, {"dataClass": "BASIC", "level": "MASKED"}]),
        [("DUPLICATE", "grants.0.levels.1.dataClass")],
    ),
    "no level": (grant(levels=[]), [("INVALID", "grants.0.levels")]),
    "row rule that means nothing": (grant("Pipeline", "TEAM"), [("INVALID", "grants.0.rowRule")]),
    "WHERE without condition": (grant(row_rule="WHERE"), [("INVALID", "grants.0.where")]),
    "condition without WHERE": (grant(where={"kind": {"eq": "PERSON"}}), [("INVALID", "grants.0.where")]),
    "condition on what is not there": (
        grant(row_rule="WHERE", where={"townn": {"eq": "杭州"}}),
        [("INVALID", "grants.0.where.townn")],
    ),
    "condition on what the role does not read": (
        grant(row_rule="WHERE", where={"or": [{"city": {"eq": "杭州"}}, {"taxId": {"startsWith": "91"}}]}),
        [("INVALID", "grants.0.where.or.1.taxId")],
    ),
    "condition on records that the role does not see": (
        grant(row_rule="WHERE", where={"contracts": {"some": {"title": {"eq": "x"}}}}),
        [("INVALID", "grants.0.where.contracts")],
    ),
    "value of another kind": (
        grant(row_rule="WHERE", where={"createdAt": {"gt": "yesterday"}}),
        [("INVALID", "grants.0.where.createdAt.gt")],
    ),
    "unknown operator": (
        grant(row_rule="WHERE", where={"city": {"like": "x"}}),
        [("INVALID", "grants.0.where.city.like")],
    ),
    "unknown value of who asks": (
        grant(row_rule="WHERE", where={"id": {"eq": {"$viewer": "password"}}}),
        [("INVALID", "grants.0.where.id.eq")],
    ),
    "who asks in the place of a text": (
        grant(row_rule="WHERE", where={"name": {"eq": {"$viewer": "id"}}}),
        [("INVALID", "grants.0.where.name.eq")],
    ),
    "condition that is no object": (grant(row_rule="WHERE", where=[1]), [("INVALID", "grants.0.where")]),
    "number beyond 64 bits": (
        grant(row_rule="WHERE", where={"orderCount": {"gt": 10**30}}),
        [("INVALID", "grants.0.where.orderCount.gt")],
    ),
    "written but hidden": (
        grant(writes={"classes": [], "fields": ["city", "taxId"], "except": []}),
        [("INVALID", "grants.0.writes.fields.1")],
    ),
    "nobody writes it": (grant(writes={"fields": ["createdAt"]}), [("INVALID", "grants.0.writes.fields.0")]),
    "everything that is wrong at once": (
        grant("Customer", "WHERE", where={"a": {}}, fields=[{"field": "b", "level": "READ"}]),
        [("INVALID", "grants.0.fields.0.field")],
    ),
}


@pytest.mark.parametrize(("given", "told"), BAD_GRANTS.values(), ids=BAD_GRANTS)
async def test_wrong_grant_is_refused_with_its_place(ruled: Crm, given: Any, told: list[tuple[str, str]]) -> None:
    if not await roles(ruled, "wrong"):
        await done(ruled, "createRole", input=new_role("wrong"))
    before = await role(ruled, "wrong")

    assert await refusals(ruled, "setGrants", role="wrong", grants=[given]) == told
    assert await role(ruled, "wrong") == before


async def test_number_that_no_json_holds_is_refused(ruled: Crm) -> None:
    await done(ruled, "createRole", input=new_role("huge"))
    where = f"{{ orderCount: {{ gt: {10**30} }} }}"
    document = (
        'mutation { setGrants(role: "huge", expectedVersion: 1, grants: [{ type: "Customer", rowRule: WHERE,'
        f" where: {where}, levels: {{ dataClass: METRIC, level: READ }} }}]) {{ errors {{ code path }} }} }}"
    )

    answer = await ruled.ask("root", document)

    assert answer.refusals("setGrants") == [("INVALID", ["grants", "0", "where"])]


BAD_ROLES: dict[str, tuple[Any, list[tuple[str, str]]]] = {
    "key taken": (new_role("sales"), [("DUPLICATE", "input.key")]),
    "key of odd characters": (new_role("Sales!"), [("INVALID", "input.key")]),
    "no name": ({"key": "nameless", "label": {"zh": " ", "en": "x"}}, [("REQUIRED", "input.label.zh")]),
    "unknown action": (new_role("acts", actions=["export", "exprt"]), [("INVALID", "input.actions.1")]),
    "unknown role": (new_role("heir", inherits=["nobody"]), [("INVALID", "input.inherits.0")]),
    "several": (
        new_role("x", grant("Nothing"), actions=["a"]),
        [("INVALID", "input.key"), ("INVALID", "input.grants.0.type"), ("INVALID", "input.actions.0")],
    ),
    "condition that it does not read": (
        new_role("blind", grant(row_rule="WHERE", where={"taxId": {"eq": "1"}})),
        [("INVALID", "input.grants.0.where.taxId")],
    ),
}


@pytest.mark.parametrize(("given", "told"), BAD_ROLES.values(), ids=BAD_ROLES)
async def test_wrong_role_is_refused_with_its_place(ruled: Crm, given: Any, told: list[tuple[str, str]]) -> None:
    assert await refusals(ruled, "createRole", input=given) == told


async def test_built_in_and_inherited_roles_are_not_removed(ruled: Crm) -> None:
    await done(ruled, "createRole", input=new_role("parent"))
    await done(ruled, "createRole", input=new_role("child", inherits=["parent"]))

    assert await refusals(ruled, "removeRole", key="sales") == [("RULE_VIOLATED", "key")]
    assert await refusals(ruled, "removeRole", key="parent") == [("RULE_VIOLATED", "key")]
    assert await refusals(ruled, "resetRole", key="parent") == [("RULE_VIOLATED", "key")]
    assert await refusals(ruled, "removeRole", key="never", expectedVersion=1) == [("NOT_FOUND", "key")]


async def test_errors_are_told_in_chinese_too(ruled: Crm) -> None:
    (error,) = (await edit(ruled, "createRole", language="zh", input=new_role("sales")))["errors"]

    assert error["message"] == "该标识的角色已存在。"


async def test_only_who_has_the_action_has_the_fields(ruled: Crm) -> None:
    """An auditor reads roles and edits none; whoever sells does not know that there are any."""
    root = 'users(first: 1, where: { username: { eq: "root" } }) { nodes { roles { key } } }'
    told = f'{{ roles(keys: ["admin"]) {{ key }} {root} }}'
    await done(ruled, "grantRole", user=str(ruled.users["li"]), role="auditor")
    await holds(lambda: _knows(ruled, "li", told))

    answer = await ruled.ask("li", told)

    assert answer.data == {"roles": [{"key": "admin"}], "users": {"nodes": [{"roles": [{"key": "admin"}]}]}}
    edits = 'mutation { removeRole(key: "x", expectedVersion: 1) { key } }'
    assert (await ruled.ask("li", edits)).error[1] == "VALIDATION_FAILED"
    assert not await _knows(ruled, "wang", told)
    assert not await _knows(ruled, "wang", "{ users { nodes { roles { key } } } }")
    assert not await _knows(ruled, "wang", '{ __type(name: "HeldRole") { name } roles { key } }')
    await done(ruled, "revokeRole", user=str(ruled.users["li"]), role="auditor")


async def _knows(crm: Crm, who: str, document: str) -> bool:
    return (await crm.ask(who, document)).status == 200


CITY = '{ customers(where: { city: { eq: "绍兴" } }) { nodes { name city } } }'


async def test_edit_holds_in_every_process_within_a_second(ruled: Crm, elsewhere: Crm) -> None:
    """Li sells; the other process has her token, her rights and her document in its caches already."""
    await ruled.make("li", "customer", kind="PERSON", name="沈一", city="绍兴", phone="13800138222")
    asked = '{ customers(where: { city: { eq: "绍兴" } }) { nodes { name phone } } }'
    for crm in (ruled, elsewhere):
        (node,) = (await crm.ask("li", asked)).data["customers"]["nodes"]
        assert node == {"name": "沈一", "phone": "+8613800138222"}
    told = await role(ruled, "sales")
    fewer = [
        {**g, "levels": [x for x in g["levels"] if x["dataClass"] != "CONTACT"], "writes": None}
        for g in told["grants"]
        if g["type"] != "Customer" or g["rowRule"] == "OWN"
    ]

    await done(ruled, "setGrants", role="sales", grants=fewer)

    for crm in (ruled, elsewhere):
        await holds(partial(_unknown, crm, "li", asked))
        assert (await crm.ask("li", CITY)).data["customers"]["nodes"] == [{"name": "沈一", "city": "绍兴"}]
    await done(ruled, "resetRole", key="sales")
    await holds(lambda: _knows(elsewhere, "li", asked))


async def _unknown(crm: Crm, who: str, document: str) -> bool:
    return not await _knows(crm, who, document)


async def test_built_in_roles_are_described_in_both_languages_and_others_as_they_were_written(ruled: Crm) -> None:
    written = new_role("described", grant()) | {"description": "For the fair"}
    await done(ruled, "createRole", input=written)

    answer = await ruled.ask("root", "{ roles { key builtin about { zh en } } }")

    about = {one["key"]: one["about"] for one in answer.data["roles"]}
    assert about["described"] == {"zh": "For the fair", "en": "For the fair"}
    assert about["admin"] == {
        "zh": "用户、团队、角色和客户端。管理权限不等于拥有数据（三权分立）。",
        "en": "Users, teams, roles and clients. Managing rights does not give data (三权分立).",
    }
    built_in = [about[one["key"]] for one in answer.data["roles"] if one["builtin"]]
    assert [one for one in built_in if one["zh"] == one["en"]] == []
    await done(ruled, "removeRole", key="described")
