"""Histories: some events of made-up records, and naively what each of them tells to whom."""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Table

from crm_graph.access import Level
from crm_graph.catalog import Catalog, EntityType, Field, Kind, Relation, Shape
from crm_graph.models import Base
from crm_graph.models.fields import DataClass
from crm_graph.proof.json_values import as_json
from crm_graph.proof.rows import NOON, Row
from crm_graph.proof.view import Record, View
from crm_graph.transaction import to_json

EVENTS = "events"
STRUCTURE = ("id", "version", "created_at", "updated_at")
SIDES = ("before", "after")
TELLING = ("before", "after", "before", "after", "reason", "actor_id")
"""What is changed of an event for a twin."""


class EventMaker:
    """Makes events; `value` gives some value of a column, `row` some row of a table."""

    def __init__(
        self,
        random: Random,
        catalog: Catalog,
        tables: Mapping[str, list[Row]],
        value: Callable[[Any, int], Any],
        row: Callable[[str, int], Row],
    ) -> None:
        self._random, self._catalog, self._tables = random, catalog, tables
        self._value, self._row = value, row

    def some(self, new_id: Callable[[], UUID]) -> list[Row]:
        """Few events of some records."""
        owned = [(e, row) for e in self._catalog.roots if e.owned for row in self._tables.get(e.table, ())]
        return [
            self.one(entity, row["id"], new_id(), version)
            for entity, row in owned
            for version in range(self._random.choice((0, 0, 1, 1, 2)))
        ]

    def one(self, entity: EntityType, record: UUID, id_: UUID, version: int) -> Row:
        """An event of a record."""
        users = [user["id"] for user in self._tables["users"]]
        event: Row = {
            "id": id_,
            "type": f"{entity.name}.{self._random.choice(('created', 'updated'))}",
            "entity_type": entity.name,
            "entity_id": record,
            "entity_version": version,
            "occurred_at": NOON,
            "actor_id": self._random.choice([*users, None]),
            "on_behalf_of_id": self._random.choice([*users, None, None]),
            "source": self._random.choice(("api", "erp")),
            "reason": self._random.choice(("because", "为什么", None)),
            "is_read": self._random.random() < 0.05,
            "before": {},
            "after": {},
            "changed": [],
        }
        names = [*columns_of(entity), *(relation.name for relation in self._catalog.children(entity))]
        for name in self._random.sample(names, min(len(names), self._random.randint(1, 5))):
            self._set(event, entity, name)
        return event

    def other(self, event: Row) -> Row:
        """The event with something else in it."""
        changed, entity = deepcopy(event), self._catalog[event["entity_type"]]
        what = self._random.choice(TELLING)
        if what == "reason":
            changed["reason"] = self._random.choice(("because", "never", None))
        elif what == "actor_id":
            changed["actor_id"] = self._random.choice([*(u["id"] for u in self._tables["users"]), None])
        else:
            known = [*columns_of(entity), *(relation.name for relation in self._catalog.children(entity))]
            fresh = self._random.random() < 0.5 or not changed["changed"]
            self._set(changed, entity, self._random.choice(known if fresh else changed["changed"]))
        return changed

    def _set(self, event: Row, entity: EntityType, name: str) -> None:
        relation = entity.relations.get(name)
        if relation is not None and name not in columns_of(entity):
            before, after = self._items(relation), self._items(relation)
            kept = [{**item, **b} for item, b in zip(after, self._items(relation), strict=False) if b]
            pairs = [*before, *({**k, "id": b["id"]} for k, b in zip(kept, before, strict=False))]
            event["before"][name], event["after"][name] = before, [*pairs[len(before) :], *after]
        else:
            column = Base.metadata.tables[entity.table].columns[name]
            event["before"][name], event["after"][name] = (_plain(self._value(column, n)) for n in (0, 1))
        if name not in event["changed"]:
            event["changed"].append(name)

    def _items(self, relation: Relation) -> list[Any]:
        target = self._catalog[relation.target]
        rows = (self._row(target.table, n) for n in range(self._random.randint(0, 2)))
        gone = {relation.remote, "entity_type"}
        return [{k: _plain(v) for k, v in row.items() if v is not None and k not in gone} for row in rows]


def columns_of(entity: EntityType) -> list[str]:
    """The columns that events of a type speak of."""
    table: Table = Base.metadata.tables[entity.table]
    keys = {relation.local for relation in parents_of(entity)}
    return [c.name for c in table.columns if c.name not in STRUCTURE and (c.name in entity.fields or c.name in keys)]


def parents_of(entity: EntityType) -> list[Relation]:
    """The relations whose key the record itself holds."""
    return [r for r in entity.relations.values() if r.shape is Shape.ONE and r.local != "id"]


def _plain(value: Any) -> Any:
    return orjson.loads(to_json(value))


@dataclass(frozen=True)
class Change:
    """One field that is told."""

    field: str
    item: str | None
    before: Any
    after: Any


@dataclass(frozen=True)
class Entry:
    """An event as somebody is told of it."""

    row: Row
    type: str
    reason: str | None
    changes: list[Change]


def history_of(view: View, record: Record) -> list[Entry]:
    """What somebody is told of a record's events, newest first."""
    events = [e for e in view.tables.get(EVENTS, ()) if e["entity_id"] == record.row["id"] and not e.get("is_read")]
    contents = [f for f in record.entity.fields.values() if f.data_class is DataClass.CONTENT]
    why = bool(contents) and all(view.level(record, f.name) is Level.READ for f in contents)
    told = [
        Entry(e, type_of(view, record, e), e["reason"] if why else None, list(_changes(view, record, e)))
        for e in events
    ]
    return sorted((e for e in told if e.changes), key=_age, reverse=True)


def _age(entry: Entry) -> tuple[int, int]:
    return entry.row["entity_version"], entry.row["id"].int


def seen_of(view: View, record: Record) -> list[tuple[Any, ...]]:
    """All that somebody is told of a record's events, for a comparison."""
    people = {r.row["id"] for r in view.records(view.catalog["user"])}
    return [
        (
            *(entry.row[name] for name in ("id", "occurred_at", "entity_version", "source")),
            entry.type,
            *(entry.row[name] if entry.row[name] in people else None for name in ("actor_id", "on_behalf_of_id")),
            entry.reason,
            entry.changes,
        )
        for entry in history_of(view, record)
    ]


def _changes(view: View, record: Record, event: Row) -> Iterator[Change]:
    before = {k: v for k, v in event["before"].items() if k in event["changed"]}
    after = {k: v for k, v in event["after"].items() if k in event["changed"]}
    currency = record.row.get("currency")
    yield from _told(view, record, (before, after), (None, "", currency))
    for relation in view.catalog.children(record.entity):
        prefix, target = f"{relation.name}.", view.catalog[relation.target]
        items = [{i["id"]: i for i in side.get(relation.name) or ()} for side in (before, after)]
        for id_ in sorted({**items[0], **items[1]}):
            child = Record(target, {}, record.root, record.root_row, prefix)
            sides = (items[0].get(id_, {}), items[1].get(id_, {}))
            yield from _told(view, child, sides, (id_, f"{relation.api_name}.", None))


def _told(
    view: View, record: Record, sides: tuple[Row, Row], about: tuple[str | None, str, str | None]
) -> Iterator[Change]:
    (before, after), (item, prefix, currency) = sides, about
    for member in record.entity.fields.values():
        if member.name in STRUCTURE or before.get(member.name) == after.get(member.name):
            continue
        if view.level(record, member.name) is Level.READ:
            values = [
                _form(member, side.get(member.name), side.get("currency") or other.get("currency") or currency)
                for side, other in ((before, after), (after, before))
            ]
            yield Change(prefix + member.api_name, item, *values)
    for relation in parents_of(record.entity):
        was, became = (side.get(relation.local) for side in (before, after))
        shown = [_related(view, relation, key) for key in (was, became)]
        if was != became and shown != [None, None]:
            yield Change(prefix + relation.api_name, item, *shown)


def _related(view: View, relation: Relation, key: str | None) -> Any:
    target = view.catalog[relation.target]
    for record in view.records(target):
        if key is not None and record.row["id"] == UUID(key):
            found = {"id": key, "type": target.api_name}
            known = target.fields.get("name")
            return found if known is None else {**found, "name": view.shown(record, known)}
    return None


def _form(member: Field, value: Any, currency: str | None) -> Any:
    if value is None:
        return None
    match member.kind:
        case Kind.MONEY | Kind.DECIMAL:
            amount = str(Decimal(str(value)).quantize(Decimal(1).scaleb(-(member.scale or 0))))
            return amount if member.kind is Kind.DECIMAL else {"amount": amount, "currency": currency}
        case Kind.BIG_INT:
            return str(value)
        case Kind.DATE_TIME:
            return as_json(datetime.fromisoformat(value))
    return value


def type_of(view: View, record: Record, event: Row) -> str:
    """The type of an event as it is told: an update, where not all that it changed is."""
    if event["entity_version"] == 1:
        return f"{record.entity.name}.created"
    whole = all(told_of(view, record, event, key)[2] for key in event["changed"])
    return event["type"] if whole else f"{record.entity.name}.updated"


def told_of(view: View, record: Record, event: Row, key: str) -> tuple[str, bool, bool]:
    """The name of what was changed, whether something of it is told, and whether all is."""
    entity = record.entity
    if key in entity.fields:
        read = view.level(record, key) is Level.READ
        return entity.fields[key].api_name, read, read
    for relation in entity.relations.values():
        if relation.shape is Shape.ONE and relation.local == key:
            ends = [_end(view, relation, event[side].get(key)) for side in ("before", "after")]
            return relation.api_name, any(end is True for end in ends), all(end is not False for end in ends)
    relation = entity.relations[key]
    target = view.catalog[relation.target]
    child = Record(target, {"id": None}, record.root, record.root_row, f"{relation.name}.")
    hidden = {f for f in target.fields if view.level(child, f) is not Level.READ}
    sides = [[{k: v for k, v in item.items() if k not in hidden} for item in event[s].get(key, [])] for s in SIDES]
    shown = view.exists(child)
    if not hidden and shown:
        return relation.api_name, True, True
    some = shown and hidden != set(target.fields) and sides[0] != sides[1]
    return relation.api_name, some, shown and not hidden


def _end(view: View, relation: Relation, value: Any) -> bool | None:
    """Whether what a record led to is seen; None where there was nothing. Of types seen whole nobody looks for it."""
    target = view.catalog[relation.target]
    grants = view.access.grants(target.name) if view.access else ()
    if not grants:
        return False
    if any(part.rule == "ALL" for g in grants for part in g.scope.parts if len(g.scope.parts) == 1):
        return True
    if value is None:
        return None
    return any(str(r.row[relation.remote]) == value for r in view.records(target))
