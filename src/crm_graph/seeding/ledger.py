"""An invented past kept in memory: rows, their children and the events that made them, until all is written at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import insert, inspect, text
from sqlalchemy.ext.asyncio import AsyncSession

from crm_graph.models import Base, Event, ExternalRef, StageChange
from crm_graph.models.ids import EntityCode
from crm_graph.seeding.stages import Stage
from crm_graph.services.rows import defaults

SOURCE = "seed"
_BOOKKEEPING = frozenset({"id", "version", "created_at", "updated_at", "archived_at", "custom"})
_METRICS = frozenset(
    {
        "total_spent",
        "order_count",
        "first_purchase_on",
        "last_purchase_on",
        "last_interaction_at",
        "health_score",
    }
)

Values = dict[str, Any]


@dataclass(slots=True)
class Record:
    """A root in the making: its row as it stands now, and the stay in its present stage."""

    model: type[Base]
    name: str
    row: Values
    stay: Values | None = None

    @property
    def id(self) -> UUID:
        """The id of the row."""
        found: UUID = self.row["id"]
        return found

    def __getitem__(self, column: str) -> Any:
        return self.row[column]


@dataclass
class Ledger:
    """Collects what happened. `actor` is who did what nobody else did; `to_base` gives an amount in base currency."""

    random: Random
    actor: UUID
    to_base: Callable[[Any, str, datetime], Any]
    rows: dict[type[Base], list[Values]] = field(default_factory=dict)
    events: list[Values] = field(default_factory=list)

    def new_id(self, code: EntityCode, at: datetime) -> UUID:
        """An id as of that moment, its random bits drawn from the seed."""
        head = (int(at.timestamp() * 1000) << 80) | (0x7 << 76) | (self.random.getrandbits(12) << 64)
        return UUID(int=head | ((0x80 | code) << 56) | self.random.getrandbits(56))

    def add(self, model: type[Base], row: Values) -> Values:
        """A row without an event of its own."""
        self.rows.setdefault(model, []).append(row)
        return row

    def create(
        self,
        model: type[Base],
        at: datetime,
        values: Mapping[str, Any],
        *,
        actor: UUID | None = None,
        stage: Stage | None = None,
        children: Mapping[str, Sequence[Values]] | None = None,
    ) -> Record:
        """A root with its children, and its `created` event. `children` are complete rows without ids, by relation."""
        row = {"id": self.new_id(_code(model), at), "version": 1, "created_at": at, "updated_at": at, **values}
        self._fill_base(model, row, at)
        record = Record(model, _name(model), self.add(model, row))
        if stage is not None:
            row |= {"stage_id": stage.id, "stage_entered_at": at}
            record.stay = self._enter(record, stage, None, at, actor=actor)
        told = {name: self._adopt(record, name, rows, at) for name, rows in (children or {}).items()}
        if record.stay is not None:
            told["stage_history"] = [_as_told(record.stay)]
        written = {k: v for k, v in row.items() if v is not None and k not in _BOOKKEEPING and not _derived(k)}
        self._record(record, "created", at, {}, written | {k: v for k, v in told.items() if v}, actor=actor)
        return record

    def change(
        self,
        record: Record,
        verb: str,
        at: datetime,
        values: Mapping[str, Any],
        *,
        actor: UUID | None = None,
        reason: str | None = None,
        told: Mapping[str, Any] | None = None,
    ) -> None:
        """One verb on a root: the row as it is afterwards, and the event that says what changed."""
        row = record.row
        changed = {k: v for k, v in values.items() if row.get(k) != v}
        before = {k: row.get(k) for k in changed}
        row |= changed
        row |= {"version": row["version"] + 1, "updated_at": at}
        self._fill_base(record.model, row, at)
        self._record(record, verb, at, before, {**changed, **(told or {})}, actor=actor, reason=reason)

    def move(
        self,
        record: Record,
        to: Stage,
        at: datetime,
        *,
        actor: UUID | None = None,
        reason: str | None = None,
        note: str | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> None:
        """Into another stage, with what the transition set besides."""
        left = record.stay
        if left is not None:
            left["left_at"] = at
        from_stage_id = record["stage_id"]
        record.stay = self._enter(record, to, from_stage_id, at, actor=actor, reason=reason, note=note)
        moved = {"stage_id": to.id, "stage_entered_at": at, **(values or {})}
        told = {"stage_history": [_as_told(record.stay)]}
        self.change(record, "stage_changed", at, moved, actor=actor, reason=reason, told=told)

    async def write(self, session: AsyncSession) -> None:
        """Insert everything, parents before children; the caller commits."""
        for table in Base.metadata.sorted_tables:
            for model, rows in self.rows.items():
                if inspect(model).local_table is table:
                    await _insert(session, model, sorted(rows, key=_order) if "id" in table.columns else rows)
        written = await session.scalar(
            text("SELECT count(*) FROM events WHERE epoch = 1 AND transaction = pg_current_xact_id()")
        )
        await _insert(session, Event, self._numbered_events(written or 0))

    def _numbered_events(self, first: int) -> list[Values]:
        """Events in the order in which they happened, with ids that grow in that order."""
        last = -1
        numbered = []
        for n, event in enumerate(sorted(self.events, key=lambda e: e["occurred_at"]), first):
            last = max(last + 1, int(event["occurred_at"].timestamp() * 1000) << 12)
            tail = ((0x80 | EntityCode.EVENT) << 56) | self.random.getrandbits(56)
            new_id = UUID(int=((last >> 12) << 80) | (0x7 << 76) | ((last & 0xFFF) << 64) | tail)
            numbered.append({"id": new_id, "n": n, **event})
        return numbered

    def _enter(
        self,
        record: Record,
        stage: Stage,
        from_stage_id: UUID | None,
        at: datetime,
        *,
        actor: UUID | None,
        reason: str | None = None,
        note: str | None = None,
    ) -> Values:
        return self.add(
            StageChange,
            {
                "id": self.new_id(EntityCode.STAGE_CHANGE, at),
                "entity_id": record.id,
                "stage_id": stage.id,
                "from_stage_id": from_stage_id,
                "actor_id": actor or self.actor,
                "entered_at": at,
                "left_at": None,
                "reason": reason,
                "note": note,
            },
        )

    def _adopt(self, record: Record, relation: str, rows: Sequence[Values], at: datetime) -> list[Values]:
        """Store children, and give them as events hold them: what is set, without the way back to their root."""
        mapper = inspect(record.model).relationships[relation]
        model = mapper.mapper.class_
        remote = "entity_id" if model is ExternalRef else next(iter(mapper.remote_side)).name
        told = []
        for values in rows:
            row = {"id": self.new_id(_code(model), at), remote: record.id, **values}
            if model is ExternalRef:
                row["entity_type"] = record.name
            self.add(model, row)
            told.append({k: v for k, v in row.items() if v is not None and k not in {remote, "entity_type"}})
        return told

    def _fill_base(self, model: type[Base], row: Values, at: datetime) -> None:
        columns = inspect(model).columns
        for name in [n for n in row if f"{n}_base" in columns]:
            row[f"{name}_base"] = None if row[name] is None else self.to_base(row[name], row["currency"], at)

    def _record(
        self,
        record: Record,
        verb: str,
        at: datetime,
        before: Mapping[str, Any],
        after: Mapping[str, Any],
        *,
        actor: UUID | None,
        reason: str | None = None,
    ) -> None:
        self.events.append(
            {
                "type": f"{record.name}.{verb}",
                "entity_type": record.name,
                "entity_id": record.id,
                "entity_version": record["version"],
                "customer_id": record.id if record.name == "customer" else record.row.get("customer_id"),
                "occurred_at": at,
                "actor_id": actor or self.actor,
                "source": SOURCE,
                "reason": reason,
                "changed": sorted(after),
                "before": image(before),
                "after": image(after),
                "backfill": True,
            }
        )


def image(values: Mapping[str, Any]) -> Any:
    """Values as events hold them: decimals as strings, moments in ISO 8601."""
    return orjson.loads(orjson.dumps(values, default=str))


def at_hour(day: datetime, hour: float) -> datetime:
    """That day at a local hour in Shanghai (UTC+8, no summer time); `day` is a midnight in UTC."""
    return day + timedelta(hours=hour - 8)


def _code(model: type[Any]) -> EntityCode:
    code: EntityCode = model.code
    return code


def _name(model: type[Base]) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(model.__name__))


def _as_told(stay: Values) -> Values:
    keys = ("stage_id", "from_stage_id", "entered_at", "note", "reason")
    return {key: stay[key] for key in keys if stay[key] is not None}


def _derived(column: str) -> bool:
    return column.endswith("_base") or column in _METRICS


def _order(row: Values) -> Any:
    return row.get("id") or row


async def _insert(session: AsyncSession, model: type[Base], rows: Sequence[Values]) -> None:
    """Rows in their order, so that what they refer to within the table is there; what one lacks takes its default."""
    if not rows:
        return
    columns = frozenset[str]().union(*rows)
    if any(row.keys() != columns for row in rows):
        filled = dict.fromkeys(columns) | {k: v for k, v in defaults(model).items() if k in columns}
        rows = [{**filled, **row} for row in rows]
    await session.execute(insert(Base.metadata.tables[model.__tablename__]), rows)
