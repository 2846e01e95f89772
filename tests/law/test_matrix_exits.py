"""The policy table at every exit: role x type x field, what is withheld shows in no filter, order, group, measure,
search, lookup, export, input or payload. Expectations are read from the lines of the table, not from what is compiled.
"""

import string
from collections import Counter
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from graphql import GraphQLEnumType, GraphQLSchema
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.access import Level
from crm_graph.catalog import EntityType, Kind, searched_fields
from crm_graph.models.exports import ExportFormat
from crm_graph.models.fields import Search
from crm_graph.models.ids import EntityCode, IdSource
from crm_graph.proof.datasets import Dataset
from crm_graph.proof.engine import Kept, principal_of, reading
from crm_graph.proof.json_values import as_json
from crm_graph.proof.rows import NOON, Connection, Row, id_source, insert, load
from crm_graph.resolvers.documents import read_document
from crm_graph.resolvers.exports.encoders import encoder_for
from crm_graph.resolvers.operations import Operations
from crm_graph.resolvers.plan import Limits
from crm_graph.resolvers.search.planning import EXACT
from crm_graph.resolvers.write import MutationContext, run_mutation
from crm_graph.schema.aggregates import FIELD_TYPES
from crm_graph.services.nouns import NOUNS
from crm_graph.transaction import begin
from reference.compiled import Compiled, catalog, default_access, full_schema, schema_of
from reference.settings import seeds
from reference.table import ROLES, Cell, Company, cells, expected, grants, holds, selected, table_level, table_writes

from .changes import EMPTY

ALL_ROWS = "first: 200, archived: INCLUDE"
READ_NAMES = ("Where", "OrderBy", *FIELD_TYPES)
IDS = IdSource(lambda: NOON)
SYSTEMS = ("erp", "shop", "call_centre")


def own(entity: EntityType) -> list[Cell]:
    return [cell for cell in cells(entity) if cell.relation is None]


def ceiling(role: str, cell: Cell) -> Level:
    """The highest level that any line of the table gives."""
    return max((table_level(g, cell.entity, cell) for g in grants(role, cell.entity)), default=Level.HIDDEN)


def members(schema: GraphQLSchema, name: str) -> set[str]:
    found: Any = schema.type_map.get(name)
    return set() if found is None else set(found.fields)


@pytest.mark.parametrize("role", ROLES)
def test_field_can_be_named_where_the_table_reads_it_and_written_where_the_table_writes_it(role: str) -> None:
    full, schema = full_schema(), schema_of(default_access([role]))
    actions = {action for held in holds(role) for action in held.actions}
    for entity in catalog().roots:
        for cell in own(entity):
            name, level = cell.member.api_name, ceiling(role, cell)
            for suffix in READ_NAMES:
                type_ = f"{entity.api_name}{suffix}"
                # A whole value finds the rows that show it masked.
                least = Level.LOOKUP if suffix == "Where" and cell.member.kind is Kind.TEXT else Level.READ
                there = level >= least and name in members(full, type_)
                assert (name in members(schema, type_)) is there, f"{role} {type_}.{name}"
            written = any(table_writes(g, cell) for g in grants(role, entity))
            for verb in ("Create", "Update"):
                type_ = f"{verb}{entity.api_name}Input"
                may = written and f"{entity.plural}:{verb.lower()}" in actions and name in members(full, type_)
                assert (name in members(schema, type_)) is may, f"{role} {type_}.{name}"


@dataclass
class Asked:
    """A role's asker among random rows, and what they are answered."""

    role: str
    company: Company
    compiled: Compiled

    def rows(self, entity: EntityType) -> list[Row]:
        return [r for r in self.company.tables[entity.table] if self.company.exists(self.role, entity, r)]

    def read(self, cell: Cell, row: Row) -> Any:
        """The value as conditions see it: in base currency, null where the cell is not read."""
        level, name = self.company.level(self.role, cell, row), cell.member.name
        return row.get(f"{name}_base", row[name]) if level is Level.READ else None

    async def data(self, query: str, variables: dict[str, Any] | None = None) -> Any:
        return await self.compiled.data(self.company.who, query, variables)


async def asking(role: str, seed: int, connection: Connection, size: int = 8, **planted: Any) -> Asked:
    random = Random(seed)
    made = Dataset(random, catalog(), size).build()
    tell_systems(made)
    if planted:
        plant(random, made)
    await insert(connection, made)
    tables = await load(connection)
    who = principal_of(tables, random.choice(tables["users"])["id"], default_access([role]))
    return Asked(role, Company(tables, who), Compiled(connection, Limits(max_cost=10**9)))


def tell_systems(tables: dict[str, list[Row]]) -> None:
    """Let each system know a record of each type."""
    ids = id_source(3)
    for entity in NOUNS:
        for row, source in product(tables[catalog()[entity].table][:1], SYSTEMS):
            key = {"entity_type": entity, "entity_id": row["id"], "source": source, "external_id": "first"}
            tables["external_refs"].append({"id": ids.new(EntityCode.EXTERNAL_REF), **key, "synced_at": NOON})


@pytest.mark.parametrize("role", ROLES)
async def test_conditions_orders_groups_and_measures_see_what_is_withheld_as_null(
    role: str, connection: Connection
) -> None:
    full, checked = full_schema(), 0
    async with reading(connection):
        asked = await asking(role, 5, connection)
        for entity in catalog().roots:
            for cell in own(entity):
                if ceiling(role, cell) is Level.READ and cell.member.api_name in members(
                    full, f"{entity.api_name}Where"
                ):
                    await check_conditions(asked, cell)
                    checked += 1
    assert checked >= 30


async def check_conditions(asked: Asked, cell: Cell) -> None:
    entity, name, plural = cell.entity, cell.member.api_name, cell.entity.api_plural
    seen = {str(row["id"]): asked.read(cell, row) for row in asked.rows(entity)}
    where, order = f"{{ {name}: {{ isNull: false }} }}", f"{{ {name}: ASC }}"
    order += "" if name == "id" else ", { id: ASC }"
    parts = [f"filtered: {plural}({ALL_ROWS}, where: {where}) {{ totalCount nodes {{ id }} }}"]
    if name in members(full_schema(), f"{entity.api_name}OrderBy"):
        parts.append(f"ordered: {plural}({ALL_ROWS}, orderBy: [{order}]) {{ nodes {{ id }} }}")
    grouped = name in members(full_schema(), f"{entity.api_name}GroupBy") and cell.member.kind is not Kind.MONEY
    if grouped and cell.member.kind not in (Kind.DATE, Kind.DATE_TIME):
        key = f"groupBy: [{{ {name}: true }}], first: 1000, archived: INCLUDE"
        parts.append(f"grouped: {plural}Aggregate({key}) {{ groups {{ count key {{ {name} }} }} }}")
    if name in members(full_schema(), f"{entity.api_name}DistinctCount"):
        measured = f"{plural}Aggregate(archived: INCLUDE) {{ groups {{ countDistinct {{ {name} }} }} }}"
        parts.append(f"measured: {measured}")
    answer, where = await asked.data(f"{{ {' '.join(parts)} }}"), f"{asked.role} {entity.name}.{name}"
    present = {id_ for id_, value in seen.items() if value is not None}
    assert {node["id"] for node in answer["filtered"]["nodes"]} == present, where
    assert answer["filtered"]["totalCount"] == len(present), where
    if "ordered" in answer:
        ids = [node["id"] for node in answer["ordered"]["nodes"]]
        assert ids[len(present) :] == sorted(set(seen) - present), where
    if "grouped" in answer:
        groups = {orjson.dumps(g["key"][name]): g["count"] for g in answer["grouped"]["groups"]}
        assert groups == Counter(orjson.dumps(as_json(value)) for value in seen.values()), where
    if "measured" in answer and seen:
        (group,) = answer["measured"]["groups"]
        assert group["countDistinct"][name] == len({v for v in seen.values() if v is not None}), where


def plant(random: Random, tables: dict[str, list[Row]]) -> None:
    """Give every field that is searched a value that nothing else has."""
    for entity in catalog().roots:
        for searched in searched_fields(catalog(), entity):
            if searched.relation is None:
                for row in tables[entity.table]:
                    row[searched.field.name] = unique(random, searched.how)


def unique(random: Random, how: Search) -> str:
    word = "".join(random.sample(string.ascii_lowercase, 12))
    match how:
        case Search.PHONE:
            return f"+86138{random.randrange(10**8):08}"
        case Search.EMAIL:
            return f"{word}@{word[::-1]}.example"
        case Search.NUMBER:
            return f"{word.upper()}{random.randrange(10**6):06}"
        case _:
            return word


@pytest.mark.parametrize("role", ROLES)
async def test_search_finds_what_is_read_and_lookup_what_may_be_looked_up(role: str, connection: Connection) -> None:
    async with reading(connection):
        asked = await asking(role, 7, connection, planted=True)
        schema = schema_of(asked.company.who.access)
        fields: Any = schema.type_map.get("LookupField")
        for entity in catalog().roots:
            lines = grants(role, entity)
            for searched in searched_fields(catalog(), entity) if lines else ():
                if searched.relation is None:
                    cell, key = Cell(entity, searched.field), searched.field.name.upper()
                    level = max(table_level(g, entity, cell) for g in lines)
                    known = isinstance(fields, GraphQLEnumType) and key in fields.values
                    if searched.how in EXACT and level >= Level.LOOKUP:
                        assert known, f"{role} {key}"
                    await check_search(asked, cell, lookup=searched.how in EXACT and level >= Level.LOOKUP)


async def check_search(asked: Asked, cell: Cell, *, lookup: bool) -> None:
    entity, key = cell.entity, cell.member.name.upper()
    parts = [
        f"search(text: $v, types: [{entity.name.upper()}]) {{ hits {{ node {{ id }} }} }}",
        f"listed: {entity.api_plural}(first: 200, search: $v) {{ nodes {{ id }} }}",
    ]
    if lookup:
        parts.append(f"lookup(type: {entity.name.upper()}, field: {key}, value: $v) {{ id }}")
    query = f"query($v: String!) {{ {' '.join(parts)} }}"
    for row in asked.company.tables[entity.table]:
        id_, value = str(row["id"]), row[cell.member.name]
        answer = await asked.data(query, {"v": value})
        exists = row["archived_at"] is None and asked.company.exists(asked.role, entity, row)
        level = asked.company.level(asked.role, cell, row) if exists else Level.HIDDEN
        where = f"{asked.role} {entity.name}.{cell.path} {level.name}"
        assert (id_ in {hit["node"]["id"] for hit in answer["search"]["hits"]}) is (level is Level.READ), where
        assert (id_ in {node["id"] for node in answer["listed"]["nodes"]}) is (level is Level.READ), where
        if lookup:
            assert ([node["id"] for node in answer["lookup"]] == [id_]) is (level >= Level.LOOKUP), where


def node_fields(role: str, entity: EntityType) -> str:
    """Every field of its own that a role's schema has of a type."""
    return " ".join(selected(c) for c in own(entity) if ceiling(role, c) > Level.HIDDEN)


def assert_as_the_table_says(asked: Asked, entity: EntityType, node: dict[str, Any], left_out: set[str]) -> None:
    row = next(r for r in asked.company.tables[entity.table] if str(r["id"]) == node["id"])
    for cell in own(entity):
        name = cell.member.api_name
        if name in node and name not in left_out:
            level = asked.company.level(asked.role, cell, row)
            where = f"{asked.role} {entity.name}.{cell.path} {level.name}"
            assert node[name] == expected(level, cell.member, row[cell.member.name]), where


@pytest.mark.parametrize("role", ROLES)
async def test_exports_hold_what_the_table_shows(role: str, connection: Connection) -> None:
    async with reading(connection):
        asked = await asking(role, 11, connection)
        for entity in catalog().roots:
            if not grants(role, entity):
                continue
            query = f"{{ {entity.api_plural}(archived: INCLUDE) {{ nodes {{ {node_fields(role, entity)} }} }} }}"
            prepared, found = await asked.compiled.export(asked.company.who, query)
            encoder = encoder_for(
                ExportFormat.JSONL, prepared.columns, ZoneInfo("Asia/Shanghai"), byte_order_mark=False
            )
            lines = (encoder.begin() + encoder.rows(found) + encoder.end()).splitlines()
            nodes = [orjson.loads(line) for line in lines]
            assert {n["id"] for n in nodes} == {str(r["id"]) for r in asked.rows(entity)}, f"{role} {entity.name}"
            for node in nodes:
                assert_as_the_table_says(asked, entity, node, set())


ARCHIVES = {f"{catalog()[entity].plural}:archive" for entity in NOUNS}
WRITERS = [role for role in ROLES if any(ARCHIVES & held.actions for held in holds(role))]
CHANGED = {"version", "updatedAt", "archivedAt"}
COMPANIES, ENOUGH = 12, 3
"""So many companies at most are made, one after another, until so many payloads show a record."""


@pytest.mark.parametrize("role", WRITERS)
async def test_payloads_of_changes_show_what_the_table_shows(
    role: str, twin_connection: Connection, twin_engine: AsyncEngine
) -> None:
    shown = 0
    for seed in seeds(f"payloads of changes {role}", COMPANIES):
        shown += await archived(role, seed, twin_connection, twin_engine)
        if shown >= ENOUGH:
            return
    pytest.fail(f"no more than {shown} payloads")


async def archived(role: str, seed: int, connection: Connection, engine: AsyncEngine) -> int:
    """Hold the payloads against the table of archiving each record of a company; how many show one."""
    await connection.execute(EMPTY)
    asked, shown = await asking(role, seed, connection, size=16), 0
    for entity in (catalog()[name] for name in NOUNS):
        if asked.company.who.access.may(f"{entity.plural}:archive"):
            field = f"archive{entity.api_name}"
            payload = f"{{ {entity.name} {{ {node_fields(role, entity)} }} errors {{ code }} }}"
            for row in asked.company.tables[entity.table]:
                answer = await change(engine, asked, f'mutation {{ {field}(id: "{row["id"]}") {payload} }}')
                node = answer[field][entity.name]
                exists = asked.company.exists(role, entity, row)
                assert exists or answer[field]["errors"] == [{"code": "NOT_FOUND"}]
                if node is not None:
                    assert_as_the_table_says(asked, entity, node, CHANGED)
                    shown += 1
    return shown


async def change(engine: AsyncEngine, asked: Asked, text: str, variables: dict[str, Any] | None = None) -> Any:
    """The data of a mutation, committed."""
    who = asked.company.who
    document = read_document(text, schema_of(who.access), max_tokens=5_000)
    context = MutationContext(
        operations=Operations(catalog(), schema_of, Limits(max_cost=10**9), max_tokens=5_000),
        begin=lambda: begin(engine, who, catalog(), lambda: NOON, IDS, source="api", request_id="r"),
        audit=Kept(),
        locale="en",
        document=document,
        operation=document.operation(None),
        variables=variables or {},
    )
    result = await run_mutation(context)
    assert not result.errors
    return orjson.loads(orjson.dumps(result.data, default=str))
