"""Timers: set, moved and cancelled in the transaction of their cause, taken in the one of their effect."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from crm_graph.models.ids import EntityCode
from crm_graph.permissions.store import Connection
from crm_graph.transaction import Transaction

ONLY = ""
"""The key of kinds that need one timer for each record."""


@dataclass(frozen=True, slots=True)
class Timer:
    """What is to happen at a moment. A kind has one live timer for each record and key; `payload` holds nothing
    personal.
    """

    kind: str
    entity_type: str
    entity_id: UUID
    due_at: datetime
    payload: Mapping[str, Any] | None = None
    key: str = ONLY


@dataclass(frozen=True, slots=True)
class DueTimer(Timer):
    """A timer whose time has come. `late_by` tells how long ago that was: an outage may lie between."""

    late_by: timedelta = timedelta()


Handler = Callable[[Transaction, Sequence[DueTimer]], Awaitable[None]]
"""What timers of one kind do, all at once and set-based, in the transaction that deletes them. Their records are
locked, and neither archived nor gone.
"""
USER = ("system.timers", "Timers")
"""Who acts then: username and name."""


async def set_timers(tx: Transaction, timers: Sequence[Timer]) -> None:
    """Set timers, or move those that are there by kind, record and key. One that failed is as new then. Of several
    alike the last counts.
    """
    wanted = {(timer.kind, timer.entity_id, timer.key): timer for timer in timers}
    # Always in one order, so that two that set the same timers wait for each other, and never both.
    found = [wanted[identity] for identity in sorted(wanted, key=lambda one: (one[0], one[1].bytes, one[2]))]
    if not found:
        return
    await tx.driver().execute(
        _SET,
        EntityCode.TIMER,
        tx.now,
        [timer.kind for timer in found],
        [timer.entity_type for timer in found],
        [timer.entity_id for timer in found],
        [timer.key for timer in found],
        [timer.due_at for timer in found],
        [None if timer.payload is None else orjson.dumps(timer.payload).decode() for timer in found],
    )


async def cancel_timers(
    tx: Transaction, kind: str, entity_ids: Collection[UUID], keys: Collection[str] | None = None
) -> None:
    """Let timers of a kind not fire: all of these records, or those with these keys. What has fired has fired."""
    await tx.driver().execute(_CANCEL, kind, list(entity_ids), None if keys is None else list(keys))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A timer that was due when somebody looked: it may be cancelled, moved or taken by others by now."""

    id: UUID
    entity_type: str
    entity_id: UUID
    wake_at: datetime


FIRST = Candidate(UUID(int=0), "", UUID(int=0), datetime(1, 1, 1, tzinfo=UTC))
"""Stands before all timers."""


async def wakes(connection: Connection, kinds: Sequence[str]) -> Mapping[str, datetime]:
    """When the earliest timer of each kind is due; kinds without one are not in it."""
    return {row["kind"]: row["wake_at"] for row in await connection.fetch(_WAKES, list(kinds))}


async def due(
    connection: Connection, kind: str, kinds: Sequence[str], *, now: datetime, after: Candidate, limit: int
) -> list[Candidate]:
    """Timers of a kind that are due, the earliest first, behind another one. One waits while an earlier one of its
    record waits that is of another of these kinds, unless that has failed before.
    """
    rows = await connection.fetch(_DUE, kind, list(kinds), now, after.wake_at, after.id, limit)
    return [Candidate(**row) for row in rows]


async def take(tx: Transaction, ids: Collection[UUID]) -> list[DueTimer]:
    """Delete timers that are still due and that nobody else is at, and give them, the earliest first: whoever commits
    that fires them.
    """
    rows = await tx.driver().fetch(_TAKE, list(ids), tx.now)
    return [
        DueTimer(
            row["kind"],
            row["entity_type"],
            row["entity_id"],
            row["due_at"],
            None if row["payload"] is None else orjson.loads(row["payload"]),
            row["key"],
            tx.now - row["due_at"],
        )
        for row in rows
    ]


async def note_fired(tx: Transaction, kind: str, number: int, late_by: timedelta) -> None:
    """Count timers of a kind that have fired, the last of them so late."""
    await tx.driver().execute(_NOTE, kind, number, tx.now, late_by.total_seconds())


async def put_off(tx: Transaction, id_: UUID, error: Mapping[str, str], backoff: Sequence[timedelta]) -> bool:
    """Note that a timer failed: it fires again after the next wait of `backoff`, and is held once there is none left.
    Whether it is held now; False too for one that is due no longer.
    """
    held: bool | None = await tx.driver().fetchval(_PUT_OFF, id_, tx.now, orjson.dumps(error).decode(), list(backoff))
    return bool(held)


_SET = """
INSERT INTO timers AS t (id, kind, entity_type, entity_id, key, due_at, wake_at, payload, set_at)
SELECT crm_id($1::int), n.kind, n.entity_type, n.entity_id, n.key, n.due_at, n.due_at, n.payload::jsonb, $2
FROM unnest($3::text[], $4::text[], $5::uuid[], $6::text[], $7::timestamptz[], $8::text[])
     AS n (kind, entity_type, entity_id, key, due_at, payload)
ON CONFLICT (kind, entity_id, key) DO UPDATE
SET entity_type = EXCLUDED.entity_type, due_at = EXCLUDED.due_at, wake_at = EXCLUDED.wake_at,
    payload = EXCLUDED.payload, set_at = EXCLUDED.set_at, attempts = 0, error = NULL, held_at = NULL
WHERE (t.due_at, t.payload, t.attempts) IS DISTINCT FROM (EXCLUDED.due_at, EXCLUDED.payload, 0)
"""
_CANCEL = """
DELETE FROM timers WHERE kind = $1 AND entity_id = ANY($2::uuid[]) AND ($3::text[] IS NULL OR key = ANY($3))
"""
_WAKES = """
SELECT k.kind, t.wake_at FROM unnest($1::text[]) AS k (kind) CROSS JOIN LATERAL (
    SELECT wake_at FROM timers WHERE kind = k.kind AND held_at IS NULL ORDER BY wake_at LIMIT 1
) AS t
"""
# Whatever statistics there are, earlier ones are looked for one by one (OFFSET) and by record, not by kind.
_DUE = """
SELECT id, entity_type, entity_id, wake_at FROM timers t
WHERE kind = $1 AND held_at IS NULL AND wake_at <= $3 AND (wake_at, id) > ($4::timestamptz, $5::uuid)
  AND NOT EXISTS (
      SELECT FROM timers earlier
      WHERE earlier.entity_id = t.entity_id AND earlier.kind <> $1 AND earlier.kind || '' = ANY($2::text[])
        AND earlier.held_at IS NULL AND earlier.attempts = 0 AND (earlier.wake_at, earlier.id) < (t.wake_at, t.id)
      OFFSET 0
  )
ORDER BY wake_at, id LIMIT $6
"""
_TAKE = """
WITH mine AS MATERIALIZED (
    SELECT id FROM timers WHERE id = ANY($1::uuid[]) AND held_at IS NULL AND wake_at <= $2
    ORDER BY id FOR UPDATE SKIP LOCKED
), taken AS (
    DELETE FROM timers t USING mine WHERE t.id = mine.id RETURNING t.*
)
SELECT kind, entity_type, entity_id, key, due_at, payload::text AS payload FROM taken ORDER BY due_at, id
"""
_NOTE = """
INSERT INTO timer_kinds AS k (kind, fired, fired_at, late_s) VALUES ($1, $2, $3, $4)
ON CONFLICT (kind) DO UPDATE
SET fired = k.fired + EXCLUDED.fired, fired_at = EXCLUDED.fired_at, late_s = EXCLUDED.late_s
"""
_PUT_OFF = """
UPDATE timers SET attempts = attempts + 1, error = $3::text::jsonb,
    wake_at = CASE WHEN attempts < cardinality($4::interval[]) THEN $2 + ($4)[attempts + 1] ELSE wake_at END,
    held_at = CASE WHEN attempts < cardinality($4::interval[]) THEN NULL ELSE $2 END
WHERE id = $1 AND held_at IS NULL AND wake_at <= $2
RETURNING held_at IS NOT NULL
"""
