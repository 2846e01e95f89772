"""Twins: a second database that one asker cannot tell from the first, however different it is from it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from random import Random
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Enum, Numeric, Table

from crm_graph.access import Level
from crm_graph.catalog import Catalog, Kind
from crm_graph.models import Base
from crm_graph.permissions.principals import Principal
from crm_graph.proof.datasets import Dataset, Likely
from crm_graph.proof.histories import EVENTS, seen_of
from crm_graph.proof.rows import NOON, Row
from crm_graph.proof.view import Record, View, stored

MUTABLE = (
    "customers", "leads", "opportunities", "contracts", "tickets", "tasks", "interactions", "contact_points",
    "addresses", "contract_lines", "external_refs", "stage_changes", "users", "teams", "pipelines", "stages",
    "files", EVENTS,
)  # fmt: skip
STRUCTURAL = frozenset(
    {"id", "entity_type", "entity_id", "position", "key", "path", "workflow_type", "is_default", "pipeline_id"}
)
"""Columns whose values tie rows together; a row is taken away or moved as a whole instead."""
REMOVABLE = (
    "tasks", "interactions", "contact_points", "addresses", "contract_lines", "external_refs", "stage_changes",
    "files", "collaborations", EVENTS,
)  # fmt: skip
ADDABLE = (
    "customers", "leads", "opportunities", "contracts", "tickets", "tasks", "interactions", "contact_points",
    "addresses", "contract_lines", "external_refs", "stage_changes", "files",
    "collaborations", EVENTS,
)  # fmt: skip
ELSEWHERE = 0.15
"""The share of changes that let a row belong to another one."""
SIZE = 100
"""Further rows are numbered behind those that are there."""


@dataclass(frozen=True, slots=True)
class Spot:
    """One column of one row."""

    table: str
    row: UUID
    column: str


def everything_seen(view: View, told: Level = Level.READ) -> dict[UUID, Any]:
    """All that an asker may learn: the rows that exist, what each cell shows, and which rows belong together. Cells of
    the level `told` are known in full.
    """
    types = [t for t in view.catalog.roots if view.access is None or view.access.grants(t.name)]
    return {record.row["id"]: _seen(view, record, told) for entity in types for record in view.records(entity)}


def withheld_cells(view: View, told: Level = Level.READ) -> list[Spot]:
    """The cells of rows that exist for the asker which show nothing of themselves though others of their field do."""
    found = list[Spot]()
    for entity in view.catalog.roots:
        for record in view.records(entity):
            found.extend(_withheld(view, record, told))
            for relation in view.catalog.children(entity):
                for child in view.related(record, relation):
                    found.extend(_withheld(view, child, told))
    return found


def _withheld(view: View, record: Record, told: Level) -> Iterator[Spot]:
    for member in record.entity.cells:
        if view.level(record, member.name) < told <= view.ceiling(record, member.name):
            yield Spot(record.entity.table, record.row["id"], "custom" if member.custom else member.name)


def _seen(view: View, record: Record, told: Level) -> dict[str, Any]:
    answer: dict[str, Any] = dict(_cells(view, record, told))
    for relation in record.entity.relations.values():
        related = view.related(record, relation)
        child = view.catalog[relation.target].is_child
        answer[relation.name] = [_seen(view, r, told) if child else r.row["id"] for r in related]
    if record.entity.owned:
        answer["history"] = seen_of(view, record)
    return answer


def _cells(view: View, record: Record, told: Level) -> Iterator[tuple[str, Any]]:
    for member in record.entity.cells:
        level = view.level(record, member.name)
        shown: tuple[Any, ...] = (level >= Level.READ, view.shown(record, member))
        if told <= level < Level.READ:
            shown = (*shown, stored(record, member))
        if level is Level.READ:
            shown = (*shown, view.comparable(record, member))
            if member.kind is Kind.MONEY:
                shown = (*shown, record.row["currency"])
        yield member.name, shown


class Twin:
    """Changes one thing after another and keeps what the asker does not notice: rows that do not exist for them, and
    withheld cells, all of them or those of some `columns`. Rows come, go and change in some `tables` alone, if these
    are given. Cells of the level `told` stay as they are, and so do the refs of the systems in `sources`: which
    external ids of its own a system has used, it knows. Whoever asks knows that they may act.
    """

    def __init__(
        self,
        random: Random,
        catalog: Catalog,
        view: View,
        columns: Collection[tuple[str, str]] | None = None,
        *,
        tables: Collection[str] | None = None,
        told: Level = Level.READ,
        sources: Collection[str] = (),
        likely: Likely = MappingProxyType({}),
    ) -> None:
        self._random = random
        self._catalog = catalog
        self._values = Dataset(random, catalog, SIZE, likely)
        self._told, self._sources = told, sources
        self._addable, self._removable, self._mutable = (
            [t for t in each if tables is None or t in tables] for each in (ADDABLE, REMOVABLE, MUTABLE)
        )
        self._seen = self._learnt(view)
        cells = withheld_cells(view, told)
        self.withheld = [s for s in cells if columns is None or (s.table, s.column) in columns]
        self.view = view
        self.tables: dict[str, list[Row]] = {name: list(rows) for name, rows in view.tables.items()}
        self._values.tables = self.tables
        self.changes = 0
        self.cells: dict[Spot, None] = {}
        self.rows: dict[str, set[str]] = {}

    def grow(self, attempts: int, enough: int = 1_000) -> "Twin":
        """Try so many changes, until there are enough."""
        for _ in range(attempts):
            if self.changes == enough:
                break
            before = dict(self.tables)
            if self._change() and self.unnoticed():
                self.changes += 1
                self._note(before)
            else:
                self.tables.clear()
                self.tables.update(before)
        return self

    def _note(self, before: dict[str, list[Row]]) -> None:
        """Write down which withheld cells have other values now, and which tables and columns differ elsewhere."""
        for table, rows in self.tables.items():
            if rows is before[table]:
                continue
            now, was = _by_id(rows), _by_id(before[table])
            cells = [s for s in self.withheld if s.table == table and s.row in now and s.row in was]
            told = [s for s in cells if any(now[s.row][c] != was[s.row][c] for c in _columns_of(s))]
            self.cells.update(dict.fromkeys(told))
            if not told:
                pairs = [(now[id_], was[id_]) for id_ in now if id_ in was]
                self.rows.setdefault(table, set()).update(c for n, w in pairs for c in n if n[c] != w[c])

    def about(self) -> Mapping[str, Sequence[str]]:
        """What differs, for a query to be about it: a column withheld, or rows that do not exist."""
        if self.cells and self._random.random() < 0.7:
            spot = self._random.choice(list(self.cells))
            return {spot.table: (spot.column,)}
        table = self._random.choice([*self.rows]) if self.rows else ""
        whole = self._random.random() < 0.5
        return (
            {table: Base.metadata.tables[table].columns.keys() if whole else sorted(self.rows[table])} if table else {}
        )

    def differing(self, table: str) -> list[UUID]:
        """The rows of a table that are not the same in both, or not there in one."""
        one, other = (_by_id(rows) for rows in (self.view.tables[table], self.tables[table]))
        return [id_ for id_ in {**one, **other} if one.get(id_) is not other.get(id_)]

    def repeat_unseen(self) -> "Twin":
        """Have more records like those that the asker does not see: how many there are must not show either."""
        for name in ("customer", "lead"):
            entity = self._catalog[name]
            view = View(self._catalog, self.tables, self.view.principal, self.view.access)
            rows = [row for row in self.tables[entity.table] if self._random.random() < 0.5]
            unseen = [row for row in rows if not view.exists(Record(entity, row, entity, row))]
            ids = [self._values.another(entity.table) for _ in unseen]
            new = [{**row, "id": other["id"]} for row, other in zip(unseen, ids, strict=True) if other is not None]
            before, self.tables[entity.table] = self.tables[entity.table], [*self.tables[entity.table], *new]
            if not self.unnoticed():
                self.tables[entity.table] = before
        return self

    def stands(self) -> bool:
        """Whether no row refers to one that is not there."""
        known = {name: {row["id"] for row in rows if "id" in row} for name, rows in self.tables.items()}
        return all(
            row[column.name] is None or row[column.name] in known.get(table_of(column).name, {row[column.name]})
            for name, rows in self.tables.items()
            for column in Base.metadata.tables[name].columns
            if column.foreign_keys
            for row in rows
        )

    def unnoticed(self) -> bool:
        """Whether the asker would learn the same from both databases."""
        who: Principal = self.view.principal
        return self._learnt(View(self._catalog, self.tables, who, self.view.access)) == self._seen

    def undo(self, table: str, one: Row | None, other: Row | None) -> None:
        """Let a row be as it is in the first database, or not be there."""
        kept = [one if one is not None and row is other else row for row in self.tables[table]]
        kept = kept if one is not None else [row for row in kept if row is not other]
        self.tables[table] = [*kept, one] if one is not None and other is None else kept

    def _learnt(self, view: View) -> tuple[Any, ...]:
        refs = [r for r in view.tables["external_refs"] if r["source"] in self._sources]
        known = sorted((r["source"], r["entity_type"], r["external_id"], r["entity_id"]) for r in refs)
        own = [u for u in view.tables["users"] if u["id"] == view.principal.user_id]
        return everything_seen(view, self._told), known, [(u["kind"], u["status"], u["archived_at"]) for u in own]

    def _change(self) -> bool:
        way, mutable = self._random.random(), [t for t in self._mutable if self.tables[t]]
        if self.withheld and (0.3 <= way < 0.6 or not mutable):
            return self._replace_cell(self._random.choice(self.withheld))
        if way < 0.2 and self._addable:
            return self._add(self._random.choice(self._addable))
        if way < 0.3 and self._removable:
            return self._remove(self._random.choice(self._removable))
        if not mutable:
            return False
        if way >= 1 - ELSEWHERE:
            return self._move_elsewhere(mutable)
        table = self._random.choice(mutable)
        return self._replace(table, self._random.randrange(len(self.tables[table])))

    def _replace_cell(self, spot: Spot) -> bool:
        columns = Base.metadata.tables[spot.table].columns
        places = [n for n, row in enumerate(self.tables[spot.table]) if row["id"] == spot.row]
        free = [columns[name] for name in _columns_of(spot) if name not in STRUCTURAL]
        return bool(places and free) and spot.table in MUTABLE and self._replace(spot.table, places[0], free)

    def _replace(self, table: str, place: int, columns: "Sequence[Column[Any]]" = ()) -> bool:
        rows = self.tables[table]
        if table == EVENTS:
            self.tables[table] = [*rows[:place], self._values.events().other(rows[place]), *rows[place + 1 :]]
            return self.tables[table][place] != rows[place]
        row = deepcopy(rows[place])
        for column in columns or self._some_columns(Base.metadata.tables[table]):
            custom = column.name == "custom"
            row[column.name] = self._values.custom(table) if custom else self._other(column, row[column.name])
        others = [*rows[:place], *rows[place + 1 :]]
        if table == "users" and any(row["username"] == other["username"] for other in others):
            return False
        self.tables[table] = [*rows[:place], row, *rows[place + 1 :]]
        return row != rows[place]

    def _move_elsewhere(self, tables: Sequence[str]) -> bool:
        """Let a row belong to another that the asker does not see, instead of one such, or to none where it may."""
        columns = [c for t in tables for c in Base.metadata.tables[t].columns if c.foreign_keys]
        free = [c for c in columns if c.name not in STRUCTURAL and c.table is not table_of(c)]
        if not free:
            return False
        target = self._random.choice(sorted({table_of(c).name for c in free}))
        column = self._random.choice([c for c in free if table_of(c).name == target])
        unseen = [*self._unseen(target), *([None] if column.nullable else [])]
        rows = self.tables[column.table.name]
        places = [n for n, row in enumerate(rows) if row[column.name] in unseen]
        if not places:
            return False
        place = self._random.choice(places)
        row = {**rows[place], column.name: self._random.choice(unseen)}
        self.tables[column.table.name] = [*rows[:place], row, *rows[place + 1 :]]
        return row != rows[place]

    def _unseen(self, table: str) -> list[UUID]:
        entity = next((e for e in self._catalog.roots if e.table == table), None)
        if entity is None:
            return []
        return [row["id"] for row in self.tables[table] if not self.view.exists(Record(entity, row, entity, row))]

    def _add(self, table: str) -> bool:
        row = self._values.another(table)
        if row is None:
            return False
        columns = Base.metadata.tables[table].columns
        self.tables[table] = [*self.tables[table], {name: _as_loaded(columns[name], row[name]) for name in row}]
        return True

    def _remove(self, table: str) -> bool:
        rows = self.tables[table]
        if not rows:
            return False
        place = self._random.randrange(len(rows))
        if "id" in rows[place] and self._referred_to(table, rows[place]["id"]):
            return False
        self.tables[table] = [*rows[:place], *rows[place + 1 :]]
        return True

    def _referred_to(self, table: str, id_: UUID) -> bool:
        return any(
            row[column.name] == id_
            for name, rows in self.tables.items()
            for column in Base.metadata.tables[name].columns
            if column.foreign_keys and table_of(column).name == table
            for row in rows
        )

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
        return _as_loaded(column, self._values.value(column, 0))

    def _disguised(self, value: str) -> str:
        """The text with one character changed or further within its kind, so that its mask may stay the same."""
        places = [i for i, c in enumerate(value) if c.isalnum()]
        if not places:
            return value
        place = self._random.choice(places)
        other = self._random.choice("0123456789" if value[place].isdigit() else "bcdxyz")
        return value[:place] + other + value[place + self._random.choice((1, 1, 0)) :]


def _columns_of(spot: Spot) -> list[str]:
    """The columns that a field's value is in: money stands in base currency too."""
    known = Base.metadata.tables[spot.table].columns
    return [name for name in (spot.column, f"{spot.column}_base") if name in known]


def _by_id(rows: Sequence[Row]) -> dict[Any, Row]:
    return {row["id"]: row for row in rows if "id" in row}


def _as_loaded(column: "Column[Any]", value: Any) -> Any:
    """A value as it comes back from the database."""
    return Decimal(value) if isinstance(column.type, Numeric) and value is not None else value


def table_of(column: "Column[Any]") -> Any:
    """The table that a foreign key points at."""
    (key,) = column.foreign_keys
    return key.column.table
