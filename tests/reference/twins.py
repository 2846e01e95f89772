"""Twins: a second database that one asker cannot tell from the first, however different it is from it."""

from collections.abc import Iterator
from copy import deepcopy
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Enum, Numeric, Table

from crm_graph.access import Level
from crm_graph.catalog import Catalog, Kind
from crm_graph.models import Base
from crm_graph.permissions.principals import Principal
from reference.datasets import Dataset
from reference.rows import NOON, Row
from reference.view import Record, View

MUTABLE = (
    "customers", "leads", "opportunities", "contracts", "tickets", "interactions", "contact_points", "addresses",
    "contract_lines", "external_refs", "stage_changes", "users", "teams", "pipelines", "stages",
)  # fmt: skip
STRUCTURAL = frozenset({"id", "entity_type", "entity_id", "position", "key", "path", "workflow_type", "is_default"})
"""Columns whose values tie rows together; a row is taken away or moved as a whole instead."""
REMOVABLE = ("interactions", "contact_points", "addresses", "contract_lines", "external_refs", "stage_changes")


def everything_seen(view: View) -> dict[UUID, Any]:
    """All that an asker may learn: the rows that exist, what each cell shows, and which rows belong together."""
    assert view.access is not None
    types = [t for t in view.catalog.roots if view.access.grants(t.name)]
    return {record.row["id"]: _seen(view, record) for entity in types for record in view.records(entity)}


def _seen(view: View, record: Record) -> dict[str, Any]:
    answer: dict[str, Any] = dict(_cells(view, record))
    for relation in record.entity.relations.values():
        related = view.related(record, relation)
        child = view.catalog[relation.target].is_child
        answer[relation.name] = [_seen(view, r) if child else r.row["id"] for r in related]
    return answer


def _cells(view: View, record: Record) -> Iterator[tuple[str, Any]]:
    for member in record.entity.cells:
        level = view.level(record, member.name)
        shown: tuple[Any, ...] = (level >= Level.READ, view.shown(record, member))
        if level is Level.READ:
            shown = (*shown, view.comparable(record, member))
            if member.kind is Kind.MONEY:
                shown = (*shown, record.row["currency"])
        yield member.name, shown


class Twin:
    """Changes one thing after another and keeps what the asker does not notice."""

    def __init__(self, random: Random, catalog: Catalog, view: View) -> None:
        self._random = random
        self._catalog = catalog
        self._values = Dataset(random, catalog, 1)
        self._seen = everything_seen(view)
        self.view = view
        self.tables: dict[str, list[Row]] = {name: list(rows) for name, rows in view.tables.items()}
        self._values.tables = self.tables
        self.changes = 0

    def grow(self, attempts: int) -> "Twin":
        """Try so many changes."""
        for _ in range(attempts):
            before = dict(self.tables)
            if self._change() and self._unnoticed():
                self.changes += 1
            else:
                self.tables.clear()
                self.tables.update(before)
        return self

    def _unnoticed(self) -> bool:
        who: Principal = self.view.principal
        return everything_seen(View(self._catalog, self.tables, who, self.view.access)) == self._seen

    def _change(self) -> bool:
        table = self._random.choice([t for t in MUTABLE if self.tables[t]])
        rows = self.tables[table]
        place = self._random.randrange(len(rows))
        if table in REMOVABLE and self._random.random() < 0.15:
            self.tables[table] = [*rows[:place], *rows[place + 1 :]]
            return True
        row = deepcopy(rows[place])
        for column in self._some_columns(Base.metadata.tables[table]):
            custom = column.name == "custom"
            row[column.name] = self._values.custom(table) if custom else self._other(column, row[column.name])
        self.tables[table] = [*rows[:place], row, *rows[place + 1 :]]
        return row != rows[place]

    def _some_columns(self, table: Table) -> "list[Column[Any]]":
        free = [
            c for c in table.columns if c.name not in STRUCTURAL and not (c.foreign_keys and c.table is table_of(c))
        ]
        return self._random.sample(free, self._random.choice((1, 1, 2, len(free) // 2)))

    def _other(self, column: "Column[Any]", value: Any) -> Any:
        text = isinstance(value, str) and not column.foreign_keys and not isinstance(column.type, Enum)
        if text and self._random.random() < 0.7:
            return self._disguised(value)
        if column.name in ("created_at", "updated_at"):
            return NOON - timedelta(days=self._random.randint(1, 9))
        other = self._values.value(column, 0)
        return Decimal(other) if isinstance(column.type, Numeric) and other is not None else other

    def _disguised(self, value: str) -> str:
        """The text with one character changed within its kind, so that its mask may stay the same."""
        places = [i for i, c in enumerate(value) if c.isalnum()]
        if not places:
            return value
        place = self._random.choice(places)
        other = self._random.choice("0123456789" if value[place].isdigit() else "bcdxyz")
        return value[:place] + other + value[place + 1 :]


def table_of(column: "Column[Any]") -> Any:
    """The table that a foreign key points at."""
    (key,) = column.foreign_keys
    return key.column.table
