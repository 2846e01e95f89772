"""The policy table by every way to a record: files, relations, lists of a record, timelines, single records, payloads
of changes and `unmask`. Each way gives records as they are shown, and these are held against the lines of the table.
"""

import csv
import io
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.access import Level
from crm_graph.catalog import EntityType, Kind, Shape
from crm_graph.models.exports import ExportFormat
from crm_graph.proof.engine import reading
from crm_graph.proof.json_values import as_json
from crm_graph.proof.operations.changes import Changes
from crm_graph.proof.rows import Connection, load
from crm_graph.proof.twins import Twin
from crm_graph.proof.view import View
from crm_graph.resolvers.exports.encoders import encoder_for
from crm_graph.resolvers.timeline.sources import HOLDER, SOURCES
from crm_graph.services.unmasking import MAX_FIELDS, MAX_RECORDS
from reference.compiled import catalog, schema_of
from reference.planting import Patch, granting
from reference.settings import seeds
from reference.table import ROLES, expected, grants, selected

from .changes import EMPTY
from .test_matrix_exits import (
    ALL_ROWS,
    COMPANIES,
    WRITERS,
    Asked,
    asking,
    assert_as_the_table_says,
    ceiling,
    change,
    node_fields,
    own,
)

Way = Callable[[Asked, EntityType], AsyncIterator[dict[str, Any]]]
EXACT = (Kind.TEXT, Kind.ENUM)
PAYLOADS = 5
"""So many payloads of changes are enough."""


async def of_one(asked: Asked, entity: EntityType) -> AsyncIterator[dict[str, Any]]:
    """Each row by its id: as the type's own field, by `node` and by `nodes`."""
    one = entity.api_name[0].lower() + entity.api_name[1:]
    fields = node_fields(asked.role, entity)
    shown = f"... on {entity.api_name} {{ {fields} }}"
    by_node = f"node(id: $id) {{ {shown} }} nodes(ids: [$id]) {{ {shown} }}"
    query = f"query($id: ID!) {{ {one}(id: $id) {{ {fields} }} {by_node} }}"
    for row in asked.company.tables[entity.table]:
        answer = await asked.data(query, {"id": str(row["id"])})
        for node in (answer[one], answer["node"], *answer["nodes"]):
            assert (node is not None) is asked.company.exists(asked.role, entity, row), f"{asked.role} {entity.name}"
            if node is not None:
                yield node


async def of_relations(asked: Asked, entity: EntityType) -> AsyncIterator[dict[str, Any]]:
    """Through relations of others: what they belong to, and the lists of what belongs to them."""
    fields = node_fields(asked.role, entity)
    for other in catalog().roots:
        for relation in other.relations.values():
            listed = relation.shape is Shape.CONNECTION
            if relation.target != entity.name or not grants(asked.role, other):
                continue
            inner = f"(first: 3) {{ nodes {{ {fields} }} }}" if listed else f"{{ {fields} }}"
            query = f"{{ {other.api_plural}({ALL_ROWS}) {{ nodes {{ {relation.api_name} {inner} }} }} }}"
            for holder in (await asked.data(query))[other.api_plural]["nodes"]:
                found = holder[relation.api_name]
                if found is not None:
                    for node in found["nodes"] if listed else found if isinstance(found, list) else [found]:
                        yield node


async def of_timelines(asked: Asked, entity: EntityType) -> AsyncIterator[dict[str, Any]]:
    """As entries of timelines."""
    holder = catalog()[HOLDER]
    if entity.name in {s.entity for s in SOURCES} and grants(asked.role, holder) and not entity.is_child:
        inner = f"nodes {{ ... on {entity.api_name} {{ {node_fields(asked.role, entity)} }} }}"
        query = f"{{ {holder.api_plural}({ALL_ROWS}) {{ nodes {{ timeline(first: 50) {{ {inner} }} }} }} }}"
        for customer in (await asked.data(query))[holder.api_plural]["nodes"]:
            for node in customer["timeline"]["nodes"]:
                if node:
                    yield node


WAYS: dict[str, Way] = {"single records": of_one, "relations": of_relations, "timelines": of_timelines}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("way", WAYS)
async def test_records_show_what_the_table_shows(way: str, role: str, connection: Connection) -> None:
    shown = 0
    async with reading(connection):
        asked = await asking(role, 17, connection, size=6)
        for entity in catalog().roots:
            if grants(role, entity):
                async for node in WAYS[way](asked, entity):
                    assert_as_the_table_says(asked, entity, node, set())
                    shown += 1
    assert shown > 0 or way == "timelines" or role in ("admin", "auditor")


def rows_of(format_: ExportFormat, written: bytes) -> list[list[Any]]:
    """The lines of a file, its header first."""
    if format_ is ExportFormat.CSV:
        return list(csv.reader(io.StringIO(written.decode())))
    return CalamineWorkbook.from_filelike(io.BytesIO(written)).get_sheet_by_index(0).to_python()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("format_", [ExportFormat.CSV, ExportFormat.XLSX])
async def test_files_show_what_the_table_shows(format_: ExportFormat, role: str, connection: Connection) -> None:
    async with reading(connection):
        asked = await asking(role, 19, connection, size=6)
        for entity in (entity for entity in catalog().roots if grants(role, entity)):
            query = f"{{ {entity.api_plural}(archived: INCLUDE) {{ nodes {{ {node_fields(role, entity)} }} }} }}"
            prepared, found = await asked.compiled.export(asked.company.who, query)
            encoder = encoder_for(format_, prepared.columns, ZoneInfo("Asia/Shanghai"), byte_order_mark=False)
            header, *lines = rows_of(format_, encoder.begin() + encoder.rows(found) + encoder.end())
            rows = {str(row["id"]): row for row in asked.rows(entity)}
            assert {line[header.index("id")] for line in lines} == set(rows), f"{role} {entity.name}"
            for line in lines:
                row, told = rows[line[header.index("id")]], dict(zip(header, line, strict=True))
                for cell in (c for c in own(entity) if ceiling(role, c) > Level.HIDDEN):
                    value = expected(asked.company.level(role, cell, row), cell.member, row[cell.member.name])
                    parts = [
                        v for k, v in told.items() if k.partition(".")[0].partition(" ")[0] == cell.member.api_name
                    ]
                    where = f"{role} {entity.name}.{cell.path}"
                    if value in (None, "", []):
                        assert set(parts) <= {"", None}, where
                    elif cell.member.kind in EXACT:
                        # What a spreadsheet would take for a formula stands behind an apostrophe.
                        assert [part.removeprefix("'") for part in parts] == [value.removeprefix("'")], where
                    else:
                        assert any(part not in ("", None) for part in parts), where


class WholeRecords(Changes):
    """Changes that ask for every field of the record, and of each record that it belongs to."""

    def _selection(self, entity: EntityType) -> str:
        type_: Any = self._schema.type_map[entity.api_name]
        related = [
            f"{name} {{ {self._cells(target)} }}" for name, target in belongings(entity).items() if name in type_.fields
        ]
        return " ".join((self._cells(entity), *related))

    def _cells(self, entity: EntityType) -> str:
        type_: Any = self._schema.type_map[entity.api_name]
        return " ".join(selected(cell) for cell in own(entity) if cell.member.api_name in type_.fields)


def belongings(entity: EntityType) -> dict[str, EntityType]:
    """What a record belongs to: its to-one relations, and the type that each leads to."""
    ones = [relation for relation in entity.relations.values() if relation.shape is Shape.ONE]
    return {relation.api_name: catalog()[relation.target] for relation in ones}


async def payloads(role: str, connection: Connection, engine: AsyncEngine) -> int:
    """Hold the payloads of changes of every verb against the table, in companies until there are enough; how many."""
    shown = 0
    for seed in seeds(f"payloads of every verb {role}", COMPANIES):
        shown += await payloads_in(seed, role, connection, engine)
        if shown >= PAYLOADS:
            break
    return shown


async def payloads_in(seed: int, role: str, connection: Connection, engine: AsyncEngine) -> int:
    """Hold the payloads of changes of every verb against the table in one company; how many there were."""
    await connection.execute(EMPTY)
    asked, random, shown = await asking(role, seed, connection), Random(seed), 0
    access = asked.company.who.access
    view = View(catalog(), asked.company.tables, asked.company.who, access)
    twin, verbs = Twin(random, catalog(), view), ("create", "update", "update", "restore", "transition")
    maker = WholeRecords(random, twin, schema_of(access), verbs)
    for _ in range(60):
        made = maker.make()
        if made is None:
            break
        (payload,) = (await change(engine, asked, *made)).values()
        asked.company = type(asked.company)(await load(connection), asked.company.who)
        for entity in catalog().roots:
            node = payload.get(entity.name)
            if node is not None:
                assert_as_the_table_says(asked, entity, node, set())
                for name, target in belongings(entity).items():
                    if node.get(name) is not None:
                        assert_as_the_table_says(asked, target, node[name], set())
                shown += 1
    return shown


@pytest.mark.parametrize("role", WRITERS)
async def test_payloads_of_every_verb_show_what_the_table_shows(
    role: str, twin_connection: Connection, twin_engine: AsyncEngine
) -> None:
    assert await payloads(role, twin_connection, twin_engine) >= PAYLOADS


@pytest.mark.parametrize("role", WRITERS)
async def test_cells_that_payloads_show_too_much_are_seen(
    role: str, twin_connection: Connection, twin_engine: AsyncEngine, monkeypatch: Patch
) -> None:
    granting("cell", "resolvers.cells")(monkeypatch)
    with pytest.raises(AssertionError, match=f"^{role} "):
        await payloads(role, twin_connection, twin_engine)


@pytest.mark.parametrize("role", ROLES)
async def test_unmasking_tells_what_the_table_shows_at_least_masked(
    role: str, twin_connection: Connection, twin_engine: AsyncEngine
) -> None:
    await twin_connection.execute(EMPTY)
    asked = await asking(role, 29, twin_connection, size=6)
    who = asked.company.who
    asked.company.who = replace(who, access=replace(who.access, actions=who.access.actions | {"unmask"}))
    for entity in (entity for entity in catalog().roots if grants(role, entity)):
        rows = asked.rows(entity)[:MAX_RECORDS]
        known = [cell for cell in own(entity) if ceiling(role, cell) > Level.HIDDEN][:MAX_FIELDS]
        if not rows:
            continue
        ids, fields = [str(row["id"]) for row in rows], [cell.member.api_name for cell in known]
        text = """mutation($ids: [ID!]!, $fields: [String!]!) { unmask(ids: $ids, fields: $fields, reason: "why") {
          values { id field value } errors { code path } } }"""
        payload = (await change(twin_engine, asked, text, {"ids": ids, "fields": fields}))["unmask"]
        told = {(value["id"], value["field"]): value["value"] for value in payload["values"] or ()}
        shown = {
            (str(row["id"]), cell.member.api_name): row[cell.member.name]
            for row in rows
            for cell in known
            if asked.company.level(role, cell, row) > Level.HIDDEN
        }
        assert payload["errors"] == [], f"{role} {entity.name}"
        assert set(told) == set(shown), f"{role} {entity.name}"
        for cell in (c for c in known if c.member.kind is Kind.TEXT):
            for id_ in ids:
                key = (id_, cell.member.api_name)
                assert told.get(key) == as_json(shown.get(key)), f"{role} {entity.name}.{cell.path}"
