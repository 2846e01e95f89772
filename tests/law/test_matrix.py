"""The policy table at the level of answers: role x type x field, a cell is readable, masked, withheld or not there."""

from random import Random
from typing import Any

import pytest

from crm_graph.access import Access, Level
from crm_graph.catalog import EntityType, Shape
from crm_graph.proof.datasets import Dataset
from crm_graph.proof.engine import principal_of, reading
from crm_graph.proof.rows import Connection, insert, load
from reference.compiled import Compiled, catalog, default_access, schema_of
from reference.table import ROLES, Company, cells, expected, grants, selected, table_level


@pytest.mark.parametrize("role", ROLES)
def test_schema_has_what_the_table_shows_and_nothing_else(role: str) -> None:
    access: Access = default_access([role])
    schema = schema_of(access)
    for entity in catalog().roots:
        lines = grants(role, entity)
        assert (f"{entity.api_name}Connection" in schema.type_map) is bool(lines), entity.name
        for cell in cells(entity) if lines else ():
            shown = max(table_level(g, entity, cell) for g in lines) > Level.HIDDEN
            holder: Any = schema.type_map.get(catalog()[entity.name].api_name)
            if cell.relation is None:
                assert (cell.member.api_name in holder.fields) is shown, f"{role} {entity.name}.{cell.path}"
            elif shown:
                child: Any = schema.type_map[catalog()[entity.relations[cell.relation].target].api_name]
                assert cell.member.api_name in child.fields, f"{role} {entity.name}.{cell.path}"


@pytest.mark.parametrize("role", ROLES)
async def test_cells_are_as_the_table_says(role: str, connection: Connection) -> None:
    checked = 0
    for seed in range(3):
        random = Random(seed)
        async with reading(connection):
            await insert(connection, Dataset(random, catalog(), 8).build())
            tables = await load(connection)
            who = principal_of(tables, random.choice(tables["users"])["id"], default_access([role]))
            compiled, company = Compiled(connection), Company(tables, who)
            for entity in catalog().roots:
                if grants(role, entity):
                    checked += await _check(compiled, company, role, entity)
    assert checked > 100


async def _check(compiled: Compiled, company: Company, role: str, entity: EntityType) -> int:
    """Ask for every cell of a type at once; gives how many cells were checked."""
    shown = [c for c in cells(entity) if max(table_level(g, entity, c) for g in grants(role, entity)) > Level.HIDDEN]
    own = " ".join(selected(c) for c in shown if c.relation is None)
    lists = ""
    for relation in catalog().children(entity):
        fields = " ".join(selected(c) for c in shown if c.relation == relation.name)
        if fields and relation.shape is Shape.CONNECTION:
            fields = f"nodes {{ {fields} }}"
        lists += f" {relation.api_name} {{ {fields} }}" if fields else ""
    query = f"{{ {entity.api_plural}(first: 200, archived: INCLUDE) {{ nodes {{ id maskedFields {own} {lists} }} }} }}"
    nodes = (await compiled.data(company.who, query))[entity.api_plural]["nodes"]
    rows = {str(r["id"]): r for r in company.tables[entity.table] if company.exists(role, entity, r)}
    assert {n["id"] for n in nodes} == set(rows)
    custom = {m.api_path for m in entity.custom.values()}
    for node in nodes:
        row = rows[node["id"]]
        assert set(node["maskedFields"]) <= {c.member.api_name for c in shown} | custom
        for cell in shown:
            if cell.relation is None:
                level = company.level(role, cell, row)
                where = f"{role} {entity.name}.{cell.path} {level.name}"
                assert node[cell.member.api_name] == expected(level, cell.member, row[cell.member.name]), where
                assert (cell.member.api_name in node["maskedFields"]) is (level is not Level.READ), where
        for relation in catalog().children(entity):
            named = [c for c in shown if c.relation == relation.name]
            levels = [(c.member, company.level(role, c, row)) for c in named]
            table = company.tables[catalog()[relation.target].table]
            children = sorted((r for r in table if r[relation.remote] == row["id"]), key=lambda r: r["id"])
            if not any(level > Level.HIDDEN for _, level in levels):
                children = []
            if named:
                told = node[relation.api_name]
                # A page begins with the newest.
                told = told["nodes"][::-1] if relation.shape is Shape.CONNECTION else told
                assert told == [
                    {m.api_name: expected(level, m, child[m.name]) for m, level in levels} for child in children
                ], f"{role} {entity.name}.{relation.name}"
    return len(nodes) * len(shown)
