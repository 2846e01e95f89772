"""Schedules tick once, whoever asks, and however the clock goes."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm_graph.hub import own_user, transactions
from crm_graph.services.job_handlers import HANDLERS
from crm_graph.services.jobs import RunningJob
from crm_graph.services.schedules import SCHEDULES, Schedule, install, tick

from .conftest import TESTER, Company

DAILY = (Schedule("tests.daily", "30 2 * * *", "tests.daily", zone="Europe/Berlin", payload={"of": "tests"}),)


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Calendar:
    """Schedules by a clock of the test's own."""

    def __init__(self, company: Company, begin: Any, clock: Clock) -> None:
        self._company, self._begin, self._clock = company, begin, clock

    async def at(self, moment: str, schedules: Any = DAILY, *, start: bool = False) -> list[Mapping[str, Any]]:
        """What is enqueued at this moment; with `start`, by a worker that starts. What was enqueued is done at once."""
        self._clock.now = datetime.fromisoformat(moment)
        async with self._begin() as tx:
            if start:
                await install(tx, schedules)
            await tick(tx, schedules)
        rows = await self._company.database.fetch(
            "DELETE FROM pgqueuer RETURNING entrypoint, convert_from(payload, 'UTF8') AS payload"
        )
        return [dict(row) for row in rows]


@pytest.fixture
async def calendar(company: Company) -> Calendar:
    clock = Clock()
    hub = replace(company.hub, clock=clock)
    return Calendar(company, transactions(hub, await own_user(hub, *TESTER), source="tests"), clock)


TICK = {"entrypoint": "tests.daily", "payload": '{"of":"tests","dueAt":"2026-11-02T01:30:00+00:00"}'}


async def test_it_ticks_at_its_moment_in_its_zone(calendar: Calendar) -> None:
    assert await calendar.at("2026-11-01T12:00:00+00:00", start=True) == []
    assert await calendar.at("2026-11-02T01:29:59+00:00") == []
    assert await calendar.at("2026-11-02T01:30:00+00:00") == [TICK]
    assert await calendar.at("2026-11-02T01:30:01+00:00") == []


async def test_ticks_that_were_missed_come_once(calendar: Calendar) -> None:
    await calendar.at("2026-11-01T12:00:00+00:00", start=True)
    assert await calendar.at("2026-11-09T12:00:00+00:00", start=True) == [TICK]
    assert await calendar.at("2026-11-10T01:29:00+00:00") == []
    assert len(await calendar.at("2026-11-10T01:30:00+00:00")) == 1


async def test_a_clock_that_is_set_back_repeats_no_tick(calendar: Calendar) -> None:
    await calendar.at("2026-11-01T12:00:00+00:00", start=True)
    assert await calendar.at("2026-11-02T01:30:00+00:00") == [TICK]
    assert await calendar.at("2026-11-02T01:00:00+00:00", start=True) == []
    assert await calendar.at("2026-11-02T01:30:00+00:00") == []
    assert len(await calendar.at("2026-11-03T01:30:00+00:00")) == 1


async def test_a_clock_that_was_years_ahead_stops_nothing(calendar: Calendar) -> None:
    await calendar.at("2026-11-01T12:00:00+00:00", start=True)
    assert await calendar.at("2036-11-02T01:30:00+00:00") == [TICK]
    await calendar.at("2026-11-02T12:00:00+00:00", start=True)
    assert len(await calendar.at("2026-11-03T01:30:00+00:00")) == 1


async def test_through_a_gap_and_an_overlap_of_clocks_it_ticks_once_a_day(calendar: Calendar) -> None:
    for first, days in (("2026-03-27T00:00:00+00:00", 4), ("2026-10-23T00:00:00+00:00", 4)):
        moment = datetime.fromisoformat(first)
        await calendar.at(first, start=True)
        await calendar.at(first)
        ticks = 0
        for _ in range(days * 24 * 4):
            moment += timedelta(minutes=15)
            ticks += len(await calendar.at(moment.isoformat()))
        assert ticks == days


async def test_a_changed_expression_holds_from_the_start_of_the_worker_that_brings_it(calendar: Calendar) -> None:
    await calendar.at("2026-11-01T12:00:00+00:00", start=True)
    later = (replace(DAILY[0], cron="45 2 * * *"),)
    assert await calendar.at("2026-11-01T13:00:00+00:00", later, start=True) == []
    assert await calendar.at("2026-11-02T01:30:00+00:00", later) == []
    assert len(await calendar.at("2026-11-02T01:45:00+00:00", later)) == 1


async def test_a_tick_is_one_for_all_workers(company: Company, calendar: Calendar) -> None:
    await calendar.at("2026-11-01T12:00:00+00:00", start=True)
    clock = Clock()
    clock.now = datetime.fromisoformat("2026-11-02T01:30:00+00:00")
    hub = replace(company.hub, clock=clock)
    begin = transactions(hub, await own_user(hub, *TESTER), source="tests")

    async def once() -> None:
        async with begin() as tx:
            await tick(tx, DAILY)

    await asyncio.gather(*(once() for _ in range(6)))
    # A like job is not added twice, so what has to be looked at is what was written down.
    assert await company.database.fetchval("SELECT count(*) FROM pgqueuer_log WHERE entrypoint = 'tests.daily'") == 1
    assert await company.database.fetchval("SELECT last_at FROM schedules WHERE name = 'tests.daily'") == clock.now


def test_what_is_scheduled_has_a_handler() -> None:
    assert {schedule.handler for schedule in SCHEDULES} <= set(HANDLERS)
    with pytest.raises(ValueError, match="no cron expression"):
        Schedule("wrong", "whenever", "tests")


async def test_upkeep_deletes_what_is_past_its_time_and_makes_partitions(company: Company) -> None:
    now = company.hub.clock()
    person = await company.database.fetchval("SELECT id FROM users LIMIT 1")
    for digest, ends_at in ((b"past", now - timedelta(minutes=1)), (b"to come", now + timedelta(hours=1))):
        await company.database.execute(
            "INSERT INTO sign_in_links (digest, user_id, ends_at) VALUES ($1, $2, $3)", digest, person, ends_at
        )
    await company.database.execute(
        "INSERT INTO pgqueuer (priority, status, entrypoint, updated, headers)"
        " VALUES (0, 'failed', 'tests.held', now() - interval '91 days', '{}'),"
        " (0, 'failed', 'tests.held', now() - interval '89 days', '{}')"
    )
    newest = "SELECT max(relname) FROM pg_class WHERE relname ~ '^events_[0-9]{4}_[0-9]{2}$'"
    partition = await company.database.fetchval(newest)
    await company.database.execute(f"DROP TABLE {partition}")
    async with company.begin() as tx:
        await install(tx)
        await tx.driver().execute("UPDATE schedules SET next_at = now()")
        await tick(tx)
    async with company.working(HANDLERS):
        await company.until(1)
    assert [row["digest"] for row in await company.database.fetch("SELECT digest FROM sign_in_links")] == [b"to come"]
    assert await company.database.fetchval("SELECT status FROM pgqueuer") == "failed"
    assert await company.database.fetchval(newest) == partition


EVENTS_OF = "SELECT count(*) FROM events WHERE type = 'tests.kept'"
MONTHS = "SELECT relname FROM pg_class WHERE relname ~ '^events_[0-9]{4}_[0-9]{2}$' ORDER BY relname"


async def kept(company: Company, feed_days: int, audit_days: int) -> tuple[list[str], int]:
    """The months and the events that are left of the log, as it is asked 100 days from now; nothing of it stays."""
    at = company.hub.clock() + timedelta(days=100)
    settings = company.hub.settings.model_copy(update={"feed_days": feed_days, "audit_days": audit_days})
    hub = replace(company.hub, clock=lambda: at, settings=settings)
    async with transactions(hub, await own_user(hub, *TESTER), source="tests")() as tx:
        for moment in (at - timedelta(days=900), at - timedelta(days=100), at):
            await tx.driver().execute(
                "INSERT INTO events (id, type, entity_type, entity_version, occurred_at, source)"
                " VALUES (crm_id(63, $1), 'tests.kept', 'test', 1, $1, 'tests')",
                moment,
            )
        await HANDLERS["upkeep.old_events"].run(tx, RunningJob(1, "upkeep.old_events", {}, 1))
        months = [row["relname"] for row in await tx.driver().fetch(MONTHS)]
        left = await tx.driver().fetchval(EVENTS_OF)
        tx.discard()
    return months, left


def end_of(partition: str) -> datetime:
    """When the month of a partition ends."""
    start = datetime.strptime(partition, "events_%Y_%m").replace(tzinfo=UTC)
    return (start + timedelta(days=31)).replace(day=1)


async def test_months_behind_the_longer_retention_are_dropped_as_a_whole(company: Company) -> None:
    months = [row["relname"] for row in await company.database.fetch(MONTHS)]
    assert await kept(company, feed_days=30, audit_days=0) == (months, 3)
    assert await kept(company, feed_days=5_000, audit_days=30) == (months, 3)
    assert await kept(company, feed_days=30, audit_days=5_000) == (months, 3)
    assert await kept(company, feed_days=30, audit_days=200) == (months, 2)
    limit = company.hub.clock() + timedelta(days=70)
    staying = [m for m in months if end_of(m) > limit]
    assert 0 < len(staying) < len(months)
    assert await kept(company, feed_days=1, audit_days=30) == (staying, 1)
