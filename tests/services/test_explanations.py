"""Why somebody sees what they see: what is explained of a record is what the naive view has of it."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID

import pytest

from crm_graph.access import Level
from crm_graph.errors import BadVariables
from crm_graph.models.fields import DataClass
from crm_graph.models.ids import EntityCode
from crm_graph.permissions.effective import effective_access
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import ALL, EVERYONE, OWN, Policy, RoleRule, grant, where
from crm_graph.proof.datasets import Dataset
from crm_graph.proof.engine import principal_of, reading
from crm_graph.proof.rows import NOON, Connection, Row, id_source, insert, load
from crm_graph.proof.view import Record, View
from crm_graph.schema.vocabulary import vocabulary_of
from crm_graph.services.explanations import Explaining
from crm_graph.services.rights import api_paths
from reference.compiled import catalog, connection, counted, default_access
from reference.policies import PolicyMaker

__all__ = ["connection"]

RECORDS, FIELDS = 3, 6
"""Of each type, and fields that are asked for on each."""
SHOWN = ("type", "field", "recordExists", "visible", "level", "conditional")


def with_roles(tables: dict[str, list[Row]], roles: Mapping[str, RoleRule], holders: Mapping[str, list[UUID]]) -> None:
    """Add the rows of roles and of who has them."""
    ids = id_source(7)
    tables["roles"] = [
        {"id": ids.new(EntityCode.ROLE), "key": key, "name_en": key, "name_zh": key, "actions": sorted(rule.actions),
         "created_at": NOON, "updated_at": NOON}
        for key, rule in roles.items()
    ]  # fmt: skip
    by_key = {role["key"]: role["id"] for role in tables["roles"]}
    tables["user_roles"] = [
        {"user_id": user, "role_id": by_key[key]} for key, users in holders.items() for user in users
    ]


def explaining(connection: Connection, tables: Any, policy: Policy) -> Explaining:
    asker = principal_of(tables, tables["users"][0]["id"], default_access(["admin"]))
    vocabulary = vocabulary_of(catalog())
    return Explaining(connection, policy, catalog(), asker, NOON, "en", "Asia/Shanghai", lambda _: None, vocabulary)


async def held_against_the_view(
    connection: Connection, roles: Mapping[str, RoleRule], held: Collection[str], seed: int
) -> set[tuple[bool, Level]]:
    """Explain cells of every record for a user who has some roles; gives what was met."""
    random, policy, met = Random(seed), Policy(1, roles), set()
    tables = Dataset(random, catalog(), 6).build()
    user = random.choice(tables["users"])
    user.update(status="ACTIVE", archived_at=None)
    with_roles(tables, roles, {key: [user["id"]] for key in held})
    async with reading(connection):
        await insert(connection, tables)
        rows = await load(connection)
        access = effective_access(policy, catalog(), held)
        view = View(catalog(), rows, principal_of(rows, user["id"], access), access)
        asked = explaining(connection, rows, policy)
        for entity in catalog().roots:
            paths = api_paths(catalog(), entity)
            for row in random.sample(rows[entity.table], min(RECORDS, len(rows[entity.table]))):
                record = Record(entity, row, entity, row)
                for path in random.sample(sorted(paths), min(FIELDS, len(paths))):
                    question = {"user": str(user["id"]), "type": entity.api_name, "field": paths[path]}
                    told = await asked.explain({**question, "id": str(row["id"])})
                    level = max(
                        (g.level(path) for g in access.grants(entity.name) if view.matches(g.scope, record)),
                        default=Level.HIDDEN,
                    )
                    expected = (entity.api_name, paths[path], True, view.exists(record), level.name, False)
                    assert tuple(told[key] for key in SHOWN) == expected
                    assert any(g["decides"] for g in told["grants"]) is (level > Level.HIDDEN)
                    met.add((view.exists(record), level))
    return met


@pytest.mark.parametrize("role", sorted(set(DEFAULT_ROLES) - {EVERYONE}))
async def test_explains_what_a_user_of_a_default_role_sees(role: str, connection: Connection) -> None:
    met = await held_against_the_view(connection, DEFAULT_ROLES, [role], 3)

    assert {(True, Level.READ), (True, Level.HIDDEN)} <= met | ({(True, Level.HIDDEN)} if role == "admin" else set())


async def test_explains_what_a_user_of_generated_roles_sees(connection: Connection) -> None:
    met: set[tuple[bool, Level]] = set()
    for seed in range(4):
        roles = PolicyMaker(Random(seed), catalog()).roles(("one", "two"))
        if seed % 2:
            roles["two"] = replace(roles["two"], inherits=("one",))
        met |= await held_against_the_view(connection, roles, ["two"] if seed % 2 else ["one", "two"], seed)
    assert met == {(True, level) for level in Level} | {(False, Level.HIDDEN)}


HOTEL = where({"name": {"contains": "ab"}})
ROLES = {
    EVERYONE: RoleRule(EVERYONE, "Everyone", "所有人", "", {"user": (grant(ALL, read=[DataClass.BASIC]),)}),
    "clerk": RoleRule(
        "clerk",
        "Clerk",
        "职员",
        "",
        {
            "customer": (
                grant(OWN, read=[DataClass.BASIC, DataClass.CONTACT], writes=[DataClass.CONTACT]),
                grant(HOTEL, read=[DataClass.BASIC], masked=[DataClass.CONTACT]),
            )
        },
        frozenset({"customers:update"}),
    ),
    "nobody": RoleRule("nobody", "Nobody", "无人", "", {"customer": (grant(ALL, read=[DataClass.BASIC]),)}),
}


async def test_tells_nothing_of_what_a_record_holds(connection: Connection) -> None:
    answers = []
    for phone, bank in (("+8613800138001", "6222"), (None, "9999")):
        tables = Dataset(Random(5), catalog(), 4).build()
        user = tables["users"][0]
        user.update(status="ACTIVE", archived_at=None)
        with_roles(tables, ROLES, {"clerk": [user["id"]]})
        tables["customers"][0].update(name="ab", phone=phone, bank_account=bank, owner_id=None)
        id_ = str(tables["customers"][0]["id"])
        tables["collaborations"] = [row for row in tables["collaborations"] if str(row["entity_id"]) != id_]
        async with reading(connection):
            await insert(connection, tables)
            asked = explaining(connection, tables, Policy(1, ROLES))
            answers.append(
                [
                    await asked.explain({"user": str(user["id"]), "type": "Customer", "field": field, "id": id_})
                    for field in ("phone", "bankAccount", "name", None)
                ]
            )

    assert answers[0] == answers[1]
    assert [told["level"] for told in answers[0]] == ["MASKED", "HIDDEN", "READ", "READ"]


async def test_a_record_is_asked_about_in_one_statement(connection: Connection) -> None:
    tables = Dataset(Random(5), catalog(), 4).build()
    with_roles(tables, ROLES, {})
    async with reading(connection):
        await insert(connection, tables)
        asked = explaining(connection, tables, Policy(1, ROLES))
        id_ = str(tables["customers"][0]["id"])
        async with counted(connection) as statements:
            told = await asked.explain({"role": "clerk", "type": "Customer", "field": "phone", "id": id_})
        assert len(statements) == 1
        async with counted(connection) as statements:
            general = await asked.explain({"role": "clerk", "type": "Customer", "field": "phone"})
        assert statements == []

    # What the owner of a record sees depends on who has the role.
    assert next(g["matches"] for g in told["grants"]) is None
    assert (told["visible"], told["level"], told["conditional"]) == (None, "READ", True)
    assert general["summary"] == (
        "clerk sees phone in full at the most, by role clerk on records that they own or work on;"
        " elsewhere less, or no record at all."
    )
    assert (general["writable"], general["recordExists"]) == (True, None)


async def test_an_inherited_grant_is_told_with_its_heirs(connection: Connection) -> None:
    roles = {
        **ROLES,
        "senior": RoleRule("senior", "Senior", "资深", "", {}, inherits=("clerk",)),
        "chief": RoleRule("chief", "Chief", "主管", "", {}, inherits=("senior", "nobody")),
    }
    tables = Dataset(Random(5), catalog(), 4).build()
    user = tables["users"][0]
    user.update(status="ACTIVE", archived_at=None)
    with_roles(tables, roles, {"chief": [user["id"]]})
    async with reading(connection):
        await insert(connection, tables)
        asked = explaining(connection, tables, Policy(1, roles))
        told = await asked.explain({"user": str(user["id"]), "type": "Customer", "field": "phone"})
        report = await asked.report({"type": "Customer", "field": "phone"})

    assert [(g["role"], g["through"], g["rowRule"], g["decides"]) for g in told["grants"]] == [
        ("clerk", ("chief", "senior", "clerk"), "OWN", True),
        ("clerk", ("chief", "senior", "clerk"), "WHERE", False),
        ("nobody", ("chief", "nobody"), "ALL", False),
    ]
    assert told["summary"] == (
        f"{user['username']} sees phone in full at the most, by role clerk (inherited by senior, chief) on records that"
        " they own or work on; elsewhere less, or no record at all."
    )
    assert told["grants"][2]["words"] == ("Role nobody shows it not at all on every record. It is inherited by chief.")
    assert told["writable"] is True
    assert [(r["role"], r["level"], r["writable"], r["users"]) for r in report["roles"]] == [
        ("chief", "READ", True, 1),
        ("clerk", "READ", True, 0),
        ("senior", "READ", True, 0),
    ]
    assert (report["unheldRoles"], report["idleGrants"]) == ([], [])


@pytest.mark.parametrize(
    ("question", "fault"),
    [
        ({"type": "Customer"}, ("explain_whom", ())),
        ({"type": "Customer", "role": "clerk", "client": "erp"}, ("explain_whom", ())),
        ({"type": "customer", "role": "clerk"}, ("unknown_type", ("type",))),
        ({"type": "ContactPoint", "role": "clerk"}, ("unknown_type", ("type",))),
        ({"type": "Customer", "role": "clerk", "field": "owner_id"}, ("unknown_field", ("field",))),
        ({"type": "Customer", "role": "clark"}, ("unknown_role", ("role",))),
        ({"type": "Customer", "client": "x"}, ("explain_client", ("client",))),
        ({"type": "Customer", "user": str(UUID(int=1))}, ("explain_user", ("user",))),
        ({"type": "Customer", "role": "clerk", "id": str(UUID(int=1))}, ("id_of_other_type", ("id",))),
    ],
)
async def test_refuses_what_is_not_there(
    connection: Connection, question: dict[str, Any], fault: tuple[str, tuple[str, ...]]
) -> None:
    tables = Dataset(Random(5), catalog(), 4).build()
    async with reading(connection):
        with pytest.raises(BadVariables) as caught:
            await explaining(connection, tables, Policy(1, ROLES)).explain(question)
    assert (caught.value.template_key, caught.value.path) == fault


async def test_reports_who_sees_a_field_and_which_grants_do_nothing(connection: Connection) -> None:
    wide = RoleRule(
        "wide",
        "Wide",
        "宽",
        "",
        {
            "customer": (
                grant(ALL, read=[DataClass.BASIC]),
                grant(OWN, read=[DataClass.BASIC]),
                grant(where({"no": {"eq": 1}}), read=[DataClass.BASIC]),
            )
        },
    )
    tables = Dataset(Random(5), catalog(), 4).build()
    first, second = tables["users"][:2]
    first.update(status="ACTIVE", archived_at=None)
    second.update(status="SUSPENDED", archived_at=None)
    roles = {**ROLES, "wide": wide}
    with_roles(tables, roles, {"clerk": [first["id"], second["id"]], "wide": [first["id"]]})
    async with reading(connection):
        await insert(connection, tables)
        asked = explaining(connection, tables, Policy(1, roles))
        async with counted(connection) as statements:
            phone = await asked.report({"type": "Customer", "field": "phone"})
        name = await asked.report({"type": "Customer", "field": "name"})

    assert len(statements) == 1
    assert [(r["role"], r["level"], r["conditional"], r["writable"], r["users"]) for r in phone["roles"]] == [
        ("clerk", "READ", True, True, 1)
    ]
    assert [(r["role"], r["level"], r["conditional"], r["users"]) for r in name["roles"]] == [
        ("clerk", "READ", True, 1),
        ("nobody", "READ", False, 0),
        ("wide", "READ", False, 1),
    ]
    assert phone["unheldRoles"] == ["nobody"]
    assert [(i["grant"]["role"], i["grant"]["rowRule"], i["reason"]) for i in phone["idleGrants"]] == [
        ("nobody", "ALL", "NOBODY_HOLDS"),
        ("wide", "OWN", "COVERED"),
        ("wide", "WHERE", "UNREADABLE"),
    ]
