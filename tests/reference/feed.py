"""The feed, naively: what each event of some rows tells somebody, in plain Python."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Date, DateTime, Numeric, Uuid

from crm_graph.access import Level
from crm_graph.catalog import EntityType
from crm_graph.models import Base
from crm_graph.proof.histories import SIDES, told_of, type_of
from crm_graph.proof.rows import Row, Tables
from crm_graph.proof.view import Record, View

EVENTS = "events"
Entry = dict[str, Any]
_STRUCTURE = ("id", "version", "created_at", "updated_at")


def placed(tables: Tables) -> dict[str, Any]:
    """The rows with events in an order of their own, none of which makes a record; all were committed long ago."""
    events = [_placed(event) for event in tables.get(EVENTS, ())]
    return {**tables, EVENTS: sorted(events, key=lambda e: e["n"])}


def _placed(event: Row) -> Row:
    """Where it stands; as services write them, events name nothing as changed that stays as it is."""
    place, before, after = event["id"].int % 1_000_003, event["before"], event["after"]
    changed = [key for key in event["changed"] if before.get(key) != after.get(key)]
    images = {side: {key: event[side][key] for key in changed if key in event[side]} for side in SIDES}
    return {
        **event,
        **images,
        "changed": changed,
        "epoch": 1,
        "transaction": "3",
        "n": place,
        "entity_version": place + 2,
    }


def feed_of(view: View) -> list[Entry]:
    """All that somebody is told."""
    return [entry for event in view.tables[EVENTS] if not event["is_read"] for entry in _told(view, event)]


def _told(view: View, event: Row) -> Iterator[Entry]:
    entity = view.catalog[event["entity_type"]]
    record = next((r for r in _all(view, entity) if r.row["id"] == event["entity_id"]), None)
    if record is not None:
        yield from _of_record(view, record, event)
        if _moves_others(view, record, event):
            yield _entry("RESYNC_REQUIRED")


def _of_record(view: View, record: Record, event: Row) -> Iterator[Entry]:
    entity = record.entity
    if not view.access or not view.access.grants(entity.name):
        return
    if not view.exists(record):
        events = [e for e in _events(view, record) if _was_seen(view, record, e)]
        if events and events[-1]["id"] == event["id"]:
            yield _entry("LEFT", entityType=entity.api_name, entityId=str(record.row["id"]))
        return
    told = {key: told_of(view, record, event, key) for key in event["changed"]}
    changed = sorted({name for name, some, _ in told.values() if some})
    if changed or _moves_its_own(view, record, event):
        yield _entry(
            "CHANGED",
            id=str(event["id"]),
            type=type_of(view, record, event),
            entityType=entity.api_name,
            entityId=str(record.row["id"]),
            version=event["entity_version"],
            changed=changed,
        )


def _entry(kind: str, **known: Any) -> Entry:
    nothing: Entry = {"id": None, "type": None, "entityType": None, "entityId": None, "version": None, "changed": []}
    return {"kind": kind, **nothing, **known}


def _all(view: View, entity: EntityType) -> Iterator[Record]:
    return (Record(entity, row, entity, row) for row in view.tables[entity.table])


def _events(view: View, record: Record) -> list[Row]:
    return [e for e in view.tables[EVENTS] if e["entity_id"] == record.row["id"] and not e["is_read"]]


def _as_of(view: View, record: Record, later: Sequence[Row]) -> Row:
    """The row as it was before some events."""
    columns, row = Base.metadata.tables[record.entity.table].columns, dict(record.row)
    for event in reversed(later):
        row |= {key: _typed(columns[key], value) for key, value in event["before"].items() if key in columns}
    return row


def _typed(column: Any, value: Any) -> Any:
    if value is None:
        return None
    for kind, read in _READERS:
        if isinstance(column.type, kind):
            return read(value)
    return value


_READERS: Sequence[tuple[type, Any]] = (
    (Uuid, UUID),
    (DateTime, datetime.fromisoformat),
    (Date, date.fromisoformat),
    (Numeric, lambda value: Decimal(str(value))),
)


def _with(view: View, entity: EntityType, row: Row) -> View:
    """The view of rows of which one is another."""
    rows = [row if r["id"] == row["id"] else r for r in view.tables[entity.table]]
    tables: Mapping[str, Any] = {**view.tables, entity.table: rows}
    return replace(view, tables=tables, _matched={})


def _sides(view: View, record: Record, event: Row) -> tuple[Row, Row]:
    events = _events(view, record)
    at = next(i for i, e in enumerate(events) if e["id"] == event["id"])
    return _as_of(view, record, events[at:]), _as_of(view, record, events[at + 1 :])


def _was_seen(view: View, record: Record, event: Row) -> bool:
    row, _ = _sides(view, record, event)
    return replace(view, _matched={}).exists(Record(record.entity, row, record.entity, row))


def _rights(view: View, record: Record) -> list[Any]:
    """All that decides what is seen of a record."""
    paths = sorted(
        {path for grant in (view.access.grants(record.entity.name) if view.access else ()) for path in grant.levels}
    )
    levels = [view.level(record, path) for path in paths]
    return [view.exists(record), [(level >= Level.MASKED, level is Level.READ) for level in levels]]


def _moves_its_own(view: View, record: Record, event: Row) -> bool:
    rows = _sides(view, record, event)
    before, after = (_rights(replace(view, _matched={}), Record(record.entity, r, record.entity, r)) for r in rows)
    return before != after


def _moves_others(view: View, record: Record, event: Row) -> bool:
    """Whether other records, as they are now, are seen otherwise with the event's record as it was before it."""
    before, after = (_with(view, record.entity, row) for row in _sides(view, record, event))
    return any(
        _rights(before, other) != _rights(after, other)
        for entity in view.catalog.roots
        if view.access and view.access.grants(entity.name)
        for other in _all(view, entity)
    )
