"""The policy table at the level of answers: role x type x field, a cell is readable, masked, withheld or not there."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from crm_graph.access import Access, Level, RowScope
from crm_graph.catalog import EntityType, Field, Kind
from crm_graph.models.fields import DataClass
from crm_graph.permissions.effective import STRUCTURE
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.rules import EVERYONE, GrantRule
from reference.compiled import Compiled, catalog, default_access, principal_of, reading, schema_of
from reference.datasets import Dataset
from reference.json_values import as_json
from reference.masks import MASKS
from reference.rows import Connection, Row, insert, load
from reference.view import Record, View

ROLES = sorted(set(DEFAULT_ROLES) - {EVERYONE})


@dataclass(frozen=True)
class Cell:
    """One expectation of the table: a field of a root type, or of its children by way of `relation`."""

    entity: EntityType
    member: Field
    relation: str | None = None

    @property
    def path(self) -> str:
        return f"{self.relation}.{self.member.name}" if self.relation else self.member.name


def grants(role: str, entity: EntityType) -> tuple[GrantRule, ...]:
    """The lines of the policy table about a role and a type, those of everyone among them."""
    return tuple(g for key in (role, EVERYONE) for g in DEFAULT_ROLES[key].grants.get(entity.name, ()))


def table_level(grant: GrantRule, entity: EntityType, cell: Cell) -> Level:
    """The level that one line of the table gives: by field, else by class; structure comes with whatever is shown."""
    if cell.member.data_class is DataClass.INTERNAL:
        return Level.HIDDEN
    by_class = grant.levels.get(cell.member.data_class, Level.HIDDEN)
    level = grant.fields.get(cell.path, by_class)
    if cell.member.name in STRUCTURE and any(table_shows(grant, entity, cell.relation)):
        return Level.READ
    return level


def table_shows(grant: GrantRule, entity: EntityType, relation: str | None) -> Iterator[bool]:
    """For each field of a type or of its children, whether a line of the table shows it; a type shows with a child."""
    for cell in cells(entity):
        if relation is None or cell.relation == relation:
            given = grant.fields.get(cell.path, grant.levels.get(cell.member.data_class, Level.HIDDEN))
            yield cell.member.data_class is not DataClass.INTERNAL and given > Level.HIDDEN


def cells(entity: EntityType) -> Iterator[Cell]:
    """Every field of a root type and of its children."""
    for member in entity.fields.values():
        yield Cell(entity, member)
    for relation in catalog().children(entity):
        for member in catalog()[relation.target].fields.values():
            yield Cell(entity, member, relation.name)


class Company:
    """Random rows with one asker, whose answers are held against the table."""

    def __init__(self, tables: dict[str, list[Row]], who: Principal) -> None:
        self.tables = tables
        self.who = who
        self.scopes = View(catalog(), tables, who, who.access)

    def level(self, role: str, cell: Cell, row: Row) -> Level:
        """What the table gives for the cell of a row: the highest level of a line whose rows it is among."""
        record = Record(cell.entity, row, cell.entity, row)
        matching = [g for g in grants(role, cell.entity) if self._matches(g.scope, record)]
        return max((table_level(g, cell.entity, cell) for g in matching), default=Level.HIDDEN)

    def exists(self, role: str, entity: EntityType, row: Row) -> bool:
        record = Record(entity, row, entity, row)
        return any(self._matches(g.scope, record) for g in grants(role, entity))

    def _matches(self, scope: RowScope, record: Record) -> bool:
        return self.scopes.matches(scope, record)


def selected(cell: Cell) -> str:
    return f"{cell.member.api_name} {{ amount }}" if cell.member.kind is Kind.MONEY else cell.member.api_name


def expected(level: Level, member: Field, value: Any) -> Any:
    """What an answer gives for a cell of that level."""
    if value is None or level is Level.HIDDEN:
        return None
    if level is Level.READ:
        return {"amount": as_json(value)} if member.kind is Kind.MONEY else as_json(value)
    return MASKS[member.info.mask](value) if member.info.mask else None


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
    assert checked > 500


async def _check(compiled: Compiled, company: Company, role: str, entity: EntityType) -> int:
    """Ask for every cell of a type at once; gives how many cells were checked."""
    shown = [c for c in cells(entity) if max(table_level(g, entity, c) for g in grants(role, entity)) > Level.HIDDEN]
    own = " ".join(selected(c) for c in shown if c.relation is None)
    lists = ""
    for relation in catalog().children(entity):
        fields = " ".join(selected(c) for c in shown if c.relation == relation.name)
        lists += f" {relation.api_name} {{ {fields} }}" if fields else ""
    query = f"{{ {entity.api_plural}(first: 200, archived: INCLUDE) {{ nodes {{ id maskedFields {own} {lists} }} }} }}"
    nodes = (await compiled.data(company.who, query))[entity.api_plural]["nodes"]
    rows = {str(r["id"]): r for r in company.tables[entity.table] if company.exists(role, entity, r)}
    assert {n["id"] for n in nodes} == set(rows)
    for node in nodes:
        row = rows[node["id"]]
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
                assert node[relation.api_name] == [
                    {m.api_name: expected(level, m, child[m.name]) for m, level in levels} for child in children
                ], f"{role} {entity.name}.{relation.name}"
    return len(nodes) * len(shown)
