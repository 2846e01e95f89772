"""`viewer`: who asks, and what a front end is told of their rights holds on every record that they see."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from crm_graph.access import Access, Level
from crm_graph.catalog import Shape
from crm_graph.models.ids import EntityCode
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import EVERYONE
from crm_graph.proof.datasets import Dataset
from crm_graph.proof.engine import principal_of, reading
from crm_graph.proof.rows import NOON, Connection, id_source, insert, load
from crm_graph.proof.view import Record, View
from crm_graph.resolvers.viewer import abilities
from crm_graph.services.rights import api_paths
from reference.company import TEAM, USER, company
from reference.compiled import Compiled, access_of, catalog, counted, default_access, schema_of
from reference.policies import PolicyMaker

ROLES = sorted(set(DEFAULT_ROLES) - {EVERYONE})


async def holds_on_every_record(connection: Connection, access: Access, seed: int) -> int:
    """Hold what is told of levels against the naive view; gives how many fields depend on the record."""
    random, conditional = Random(seed), 0
    async with reading(connection):
        await insert(connection, Dataset(random, catalog(), 8).build())
        tables = await load(connection)
    view = View(catalog(), tables, principal_of(tables, random.choice(tables["users"])["id"], access), access)
    told = {t["type"]: t for t in abilities(catalog(), access)["types"]}
    assert set(told) == {e.api_name for e in catalog().roots if access.grants(e.name)}
    for entity in catalog().roots:
        fields = {f["field"]: f for f in told.get(entity.api_name, {"fields": ()})["fields"]}
        seen = list(view.records(entity))
        assert not seen or fields
        if seen and told[entity.api_name]["everyRow"]:
            assert len(seen) == len(tables[entity.table])
        for path, api_path in api_paths(catalog(), entity).items():
            levels = {max(level for level in _levels(view, record, path)) for record in seen}
            if api_path not in fields:
                assert levels <= {Level.HIDDEN}, api_path
                continue
            most = Level[fields[api_path]["level"]]
            assert max(levels, default=most) <= most
            if not fields[api_path]["conditional"]:
                assert levels <= {most}, f"{entity.name}.{api_path}"
            conditional += fields[api_path]["conditional"]
    return conditional


def _levels(view: View, record: Record, path: str) -> list[Level]:
    grants = view.access.grants(record.entity.name) if view.access else ()
    return [g.level(path) if view.matches(g.scope, record) else Level.HIDDEN for g in grants]


@pytest.mark.parametrize("role", ROLES)
async def test_role_is_told_what_holds_on_every_record(role: str, connection: Connection) -> None:
    conditional = await holds_on_every_record(connection, default_access([role]), 1)

    assert (conditional > 0) is (role != "admin"), conditional


async def test_generated_role_is_told_what_holds_on_every_record(connection: Connection) -> None:
    conditional = 0
    for seed in range(12):
        roles = PolicyMaker(Random(seed), catalog()).roles(("one", "two"))
        conditional += await holds_on_every_record(connection, access_of(roles, ["one", "two"]), seed)
    assert conditional > 100


@pytest.mark.parametrize("role", ROLES)
def test_fields_are_those_of_the_role_schema(role: str) -> None:
    access = default_access([role])
    schema = schema_of(access)
    for told in abilities(catalog(), access)["types"]:
        entity = catalog().by_api_name[told["type"]]
        type_: Any = schema.type_map[entity.api_name]
        own = {f.api_name for f in entity.fields.values()}
        one = {r.api_name for r in entity.relations.values() if r.shape is Shape.ONE}
        names = {f["field"] for f in told["fields"] if "." not in f["field"]}
        assert names == set(type_.fields) & (own | one)
        mutations = schema.mutation_type.fields if schema.mutation_type else {}
        for flag, verb in (("creatable", "create"), ("updatable", "update"), ("archivable", "archive")):
            assert told[flag] is (f"{verb}{entity.api_name}" in mutations), (entity.name, flag)
        assert told["restorable"] is (f"restore{entity.api_name}" in mutations)
        assert told["transitionable"] is (f"transition{entity.api_name}" in mutations)
        inputs: set[str] = set()
        for name in (f"Create{entity.api_name}Input", f"Update{entity.api_name}Input"):
            input_: Any = schema.type_map.get(name)
            inputs.update(input_.fields if input_ else ())
        given = {f["field"] for f in told["fields"] if f["writable"] and "." not in f["field"]}
        assert given == {name for name in own if name in inputs} | {name for name in one if f"{name}Id" in inputs}


async def test_who_asks_is_read_in_one_statement(connection: Connection) -> None:
    rows = company()
    ids = id_source(9)
    named = {"created_at": NOON, "updated_at": NOON, "actions": []}
    rows["roles"] = [
        {"id": ids.new(EntityCode.ROLE), "key": key, "name_en": key.title(), "name_zh": f"{key}角色", **named}
        for key in ("sales", "finance", "service")
    ]
    who = principal_of(rows, USER["wang"], default_access(["sales", "finance"]))
    query = """{ viewer { user { name } roles { key label { zh en } } team { name } teams { id } client { name } locale
        timeZone access { types { type } } } again: viewer { locale __typename } customers { totalCount } }"""
    async with reading(connection):
        await insert(connection, rows)
        compiled = Compiled(connection)
        await compiled.data(who, query)
        async with counted(connection) as statements:
            answer = await compiled.data(who, query)

    assert len(statements) == 1
    assert answer["viewer"] == {
        "user": {"name": "王芳"},
        "roles": [
            {"key": "finance", "label": {"zh": "finance角色", "en": "Finance"}},
            {"key": "sales", "label": {"zh": "sales角色", "en": "Sales"}},
        ],
        "team": {"name": "华东销售"},
        "teams": [{"id": str(TEAM["east"])}],
        "client": None,
        "locale": "en",
        "timeZone": "Asia/Shanghai",
        "access": answer["viewer"]["access"],
    }
    assert [t["type"] for t in answer["viewer"]["access"]["types"]][:2] == ["Customer", "Interaction"]
    assert answer["again"] == {"locale": "en", "__typename": "Viewer"}


async def test_two_role_sets_of_equal_rights_are_each_told_their_own_roles(connection: Connection) -> None:
    rows = company()
    rows["roles"] = [
        {
            "id": id_source(n).new(EntityCode.ROLE), "key": key, "name_en": key, "name_zh": key, "actions": [],
            "created_at": NOON, "updated_at": NOON,
        }
        for n, key in enumerate(("one", "two"))
    ]  # fmt: skip
    same = PolicyMaker(Random(1), catalog()).roles(("one",))["one"]
    async with reading(connection):
        await insert(connection, rows)
        compiled, told = Compiled(connection), []
        for key in ("one", "two"):
            who = principal_of(rows, USER["li"], access_of({key: same}, [key]))
            who = replace(who, roles=(key,))
            told.append((await compiled.data(who, "{ viewer { roles { key } } }"))["viewer"]["roles"])

    assert told == [[{"key": "one"}], [{"key": "two"}]]
