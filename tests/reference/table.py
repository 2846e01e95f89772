"""What the policy table gives, read from its lines: the level of each cell, and how an answer shows it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from crm_graph.access import Level, RowScope
from crm_graph.catalog import EntityType, Field, Kind
from crm_graph.models.fields import DataClass, Write
from crm_graph.permissions.effective import STRUCTURE
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.rules import EVERYONE, GrantRule, RoleRule
from crm_graph.proof.json_values import as_json
from crm_graph.proof.masks import MASKS
from crm_graph.proof.rows import Row
from crm_graph.proof.view import Record, View
from reference.compiled import catalog

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


def holds(role: str) -> Iterator[RoleRule]:
    """The role, those that it inherits, and that of everyone."""
    own = DEFAULT_ROLES[role]
    yield from (own, *(above for key in own.inherits for above in holds(key)))
    if role != EVERYONE:
        yield DEFAULT_ROLES[EVERYONE]


def grants(role: str, entity: EntityType) -> tuple[GrantRule, ...]:
    """The lines of the policy table about a role and a type, those of everyone among them."""
    return tuple(g for held in holds(role) for g in held.grants.get(entity.name, ()))


def table_level(grant: GrantRule, entity: EntityType, cell: Cell) -> Level:
    """The level that one line of the table gives: by field, else by class; structure comes with whatever is shown."""
    level = given_level(grant, cell)
    if cell.member.name in STRUCTURE and any(table_shows(grant, entity, cell.relation)):
        return Level.READ
    return level


def given_level(grant: GrantRule, cell: Cell) -> Level:
    """The level by field or class alone."""
    if cell.member.data_class is DataClass.INTERNAL:
        return Level.HIDDEN
    by_class = grant.levels.get(cell.member.data_class, Level.HIDDEN)
    return grant.fields.get(cell.path, min(by_class, grant.personal) if cell.member.info.personal else by_class)


def table_writes(grant: GrantRule, cell: Cell) -> bool:
    """Whether one line of the table lets a field be written that it shows."""
    named = {cell.member.data_class.value, f"field:{cell.path}"} & set(grant.writes)
    settable = cell.member.info.write is not Write.SERVICE
    return settable and bool(named) and f"except:{cell.path}" not in grant.writes and given_level(grant, cell) > 0


def table_shows(grant: GrantRule, entity: EntityType, relation: str | None) -> Iterator[bool]:
    """For each field of a type or of its children, whether a line of the table shows it; a type shows with a child."""
    for cell in cells(entity):
        if relation is None or cell.relation == relation:
            yield given_level(grant, cell) > Level.HIDDEN


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
        told = str(value) if member.kind is Kind.BIG_INT and value is not None else as_json(value)
        return {"amount": told} if member.kind is Kind.MONEY else told
    return MASKS[member.info.mask](value) if member.info.mask else None
