"""Schedules: jobs that come at moments of a calendar, each tick once for all workers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from crm_graph.services.cron import is_cron, next_after
from crm_graph.services.jobs import Job, enqueue
from crm_graph.transaction import Transaction

CLOCK_WAS_WRONG = timedelta(days=1)
"""A last tick that lies further ahead than this was by a wrong clock, and is not waited for."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A job of a handler at every moment that `cron` names in a time zone, which is the company's if none is given.

    What was missed while no worker ran comes once. A tick whose job still waits adds no other. A clock that is set
    back repeats no tick. How changes of clocks are taken, `next_after` says.
    """

    name: str
    cron: str
    handler: str
    zone: str | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not is_cron(self.cron):
            raise ValueError(f"the schedule {self.name} has no cron expression of five fields: {self.cron}")


SCHEDULES: Sequence[Schedule] = (
    Schedule("event_partitions", "20 3 * * *", "upkeep.event_partitions"),
    Schedule("expired", "*/10 * * * *", "upkeep.expired"),
    Schedule("old_events", "30 3 * * *", "upkeep.old_events"),
    Schedule("old_jobs", "40 3 * * *", "upkeep.old_jobs"),
)

_INSTALL = """
INSERT INTO schedules (name, cron, zone, next_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
ON CONFLICT (name) DO UPDATE SET cron = excluded.cron, zone = excluded.zone, next_at = excluded.next_at
WHERE (schedules.cron, schedules.zone) <> (excluded.cron, excluded.zone)
   OR schedules.last_at > $5::timestamptz
"""

_DUE = """
SELECT name, cron, zone, next_at FROM schedules
WHERE name = ANY($1::text[]) AND next_at <= $2
ORDER BY name
FOR UPDATE SKIP LOCKED
"""

_TICKED = """
UPDATE schedules SET next_at = ticked.next_at, last_at = $3
FROM unnest($1::text[], $2::timestamptz[]) AS ticked (name, next_at)
WHERE schedules.name = ticked.name
"""


async def install(tx: Transaction, schedules: Sequence[Schedule] = SCHEDULES) -> None:
    """Put down when schedules come next that are new, or whose expression or zone has changed, or that ticked by a
    clock that was far ahead.
    """
    zones = [schedule.zone or tx.zone.key for schedule in schedules]
    await tx.driver().execute(
        _INSTALL,
        [schedule.name for schedule in schedules],
        [schedule.cron for schedule in schedules],
        zones,
        [next_after(s.cron, ZoneInfo(zone), tx.now) for s, zone in zip(schedules, zones, strict=True)],
        tx.now + CLOCK_WAS_WRONG,
    )


async def tick(tx: Transaction, schedules: Sequence[Schedule] = SCHEDULES) -> datetime | None:
    """Enqueue the jobs of what is due, once each however often it was missed. Gives when the next one is."""
    known = {schedule.name: schedule for schedule in schedules}
    due = await tx.driver().fetch(_DUE, list(known), tx.now)
    if due:
        await tx.driver().execute(
            _TICKED,
            [row["name"] for row in due],
            [next_after(row["cron"], ZoneInfo(row["zone"]), tx.now) for row in due],
            tx.now,
        )
        await enqueue(tx, *(_job(known[row["name"]], row["next_at"]) for row in due))
    next_at: datetime | None = await tx.driver().fetchval(
        "SELECT min(next_at) FROM schedules WHERE name = ANY($1::text[])", list(known)
    )
    return next_at


def _job(schedule: Schedule, due_at: datetime) -> Job:
    payload = {**schedule.payload, "dueAt": due_at.isoformat()}
    return Job(schedule.handler, payload, dedupe=schedule.name)
