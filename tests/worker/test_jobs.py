"""Jobs are enqueued with their cause, and done once by whoever takes them, in the order of their keys."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from crm_graph.errors import NotFound
from crm_graph.models.ids import EntityCode
from crm_graph.services.jobs import MAX_PAYLOAD, Handler, Job, RunningJob, enqueue, forget, job_id, job_number
from crm_graph.transaction import EventDraft, Transaction
from crm_graph.worker.failures import LONGEST, again_in

from .conftest import Company


async def note(tx: Transaction, job: RunningJob) -> None:
    """An effect that a test can count."""
    await tx.driver().execute("INSERT INTO effects (job, value) VALUES ($1, $2)", job.number, job.payload["value"])


NOTE = {"tests.note": Handler(note)}


def noting(*values: str, **given: Any) -> list[Job]:
    return [Job("tests.note", {"value": value}, **given) for value in values]


async def effects(company: Company) -> list[str]:
    rows = await company.database.fetch("SELECT value FROM effects ORDER BY n")
    return [row["value"] for row in rows]


def failing(*times: str, then: Callable[[Transaction, RunningJob], Awaitable[None]] = note) -> Handler:
    """Fails after its effect, so often as there are kinds of failures."""
    left = list(times)

    async def handler(tx: Transaction, job: RunningJob) -> None:
        await then(tx, job)
        if left:
            raise ValueError(f"+8613800138000 {left.pop(0)}")

    return Handler(handler)


async def test_a_job_is_done_by_a_worker_that_was_waiting(company: Company) -> None:
    async with company.working(NOTE):
        await company.enqueue(*noting("a"))
        await company.until(0)
    assert await effects(company) == ["a"]


async def test_a_job_of_a_cause_that_is_rolled_back_never_was(company: Company) -> None:
    async def cause() -> None:
        async with company.begin() as tx:
            await enqueue(tx, *noting("a"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await cause()
    assert await company.database.fetchval("SELECT count(*) FROM pgqueuer") == 0


async def test_thousands_of_jobs_are_each_done_once(company: Company) -> None:
    await company.enqueue(*noting(*(str(number) for number in range(2_000))))
    together = {"tests.note": Handler(note, together=100)}
    async with company.working(together):
        await company.until(0)
    assert sorted(map(int, await effects(company))) == list(range(2_000))


async def test_one_that_fails_takes_none_of_those_that_are_done_together_with_it(company: Company) -> None:
    async def handler(tx: Transaction, job: RunningJob) -> None:
        await note(tx, job)
        if job.payload["value"] == "2":
            raise ValueError

    await company.enqueue(*noting("1", "2", "3"))
    async with company.working({"tests.note": Handler(handler, together=10)}):
        await company.until(1)
        await company.until(1, "attempts = 1 AND status = 'queued'")
    assert await effects(company) == ["1", "3"]


async def test_events_of_a_job_name_it_as_their_cause(company: Company) -> None:
    async def handler(tx: Transaction, job: RunningJob) -> None:
        tx.record(EventDraft("tests.noted", "tests", job.id, 1, [], {}, {}))

    await company.enqueue(*noting("a", "b"))
    numbers = [row["id"] for row in await company.database.fetch("SELECT id FROM pgqueuer ORDER BY id")]
    async with company.working({"tests.note": Handler(handler, together=2, user=("system.tests.jobs", "Test jobs"))}):
        await company.until(0)
    told = await company.database.fetch(
        "SELECT e.causation_id, e.request_id, e.source, u.username, u.kind"
        " FROM events e JOIN users u ON u.id = e.actor_id WHERE e.type = 'tests.noted' ORDER BY e.id"
    )
    assert [tuple(row) for row in told] == [
        (job_id(number), "request-1", "worker", "system.tests.jobs", "SYSTEM") for number in numbers
    ]


async def test_a_failed_job_is_tried_again_later_and_later(company: Company) -> None:
    await company.enqueue(*noting("a"))
    async with company.working({"tests.note": failing("once", "twice")}, uniform=lambda: 0.5):
        for attempts, seconds in ((1, 1.5), (2, 3.0)):
            await company.until(1, f"attempts = {attempts} AND status = 'queued'")
            waits = await company.database.fetchval("SELECT execute_after - updated FROM pgqueuer")
            assert waits == timedelta(seconds=seconds)
            await company.pass_time("4 seconds")
        await company.until(0)
    assert await effects(company) == ["a"]


def test_waits_double_up_to_an_hour_and_are_spread() -> None:
    assert [again_in(attempt, 0.0).total_seconds() for attempt in (1, 2, 3, 11)] == [1, 2, 4, 1024]
    assert again_in(10_000, 0.0) == LONGEST / 2
    assert again_in(3, 0.75).total_seconds() == 7


async def test_a_job_that_always_fails_is_held_without_what_its_error_said(company: Company) -> None:
    always = Handler(failing(*"abc").run, attempts=2)
    await company.enqueue(*noting("a"))
    async with company.working({"tests.note": always}):
        await company.until(1, "attempts = 1 AND status = 'queued'")
        await company.pass_time("4 seconds")
        await company.until(1, "status = 'failed'")
    held = await company.database.fetchrow("SELECT attempts, headers::text, payload FROM pgqueuer")
    assert held is not None
    assert held["attempts"] == 2
    assert re.search(r'"error": {"code": "INTERNAL", "kind": "ValueError", "place": "jobs.py:\d+"}', held["headers"])
    assert "1380013" not in held["headers"]
    assert await effects(company) == []


async def test_a_handler_that_hangs_is_cut_at_its_limit(company: Company) -> None:
    cut = asyncio.Event()

    async def handler(tx: Transaction, job: RunningJob) -> None:
        await note(tx, job)
        try:
            await tx.driver().execute("SELECT pg_sleep(600)")
        finally:
            cut.set()

    await company.enqueue(*noting("a", "b"))
    async with company.working({"tests.note": Handler(handler, time_limit_s=0.2, together=100)}):
        await company.until(2, "attempts = 1 AND status = 'queued'")
    assert cut.is_set()
    assert '"code": "TIMEOUT"' in await company.database.fetchval("SELECT headers::text FROM pgqueuer LIMIT 1")
    assert await effects(company) == []


async def test_a_job_about_what_is_gone_ends_without_effect(company: Company) -> None:
    async def handler(tx: Transaction, job: RunningJob) -> None:
        await note(tx, job)
        raise NotFound

    await company.enqueue(*noting("a"))
    async with company.working({"tests.note": Handler(handler)}):
        await company.until(0)
    assert await effects(company) == []
    told = await company.database.fetch("SELECT status::text FROM pgqueuer_log ORDER BY id")
    assert [row["status"] for row in told] == ["queued", "canceled"]


async def test_jobs_of_somebody_erased_go_with_them(company: Company) -> None:
    erased, other = UUID(int=1), UUID(int=2)
    await company.enqueue(*noting("a", subject_id=erased), *noting("b", subject_id=other), *noting("c"))
    async with company.begin() as tx:
        await forget(tx, [erased])
    async with company.working(NOTE):
        await company.until(0)
    assert sorted(await effects(company)) == ["b", "c"]


async def test_a_delayed_job_waits_for_its_moment(company: Company) -> None:
    async with company.begin() as tx:
        await enqueue(tx, *noting("later", at=tx.now + timedelta(hours=1)), *noting("now"))
        await enqueue(tx, *noting("late", at=tx.now - timedelta(hours=1)))
    async with company.working(NOTE):
        await company.until(1)
        assert sorted(await effects(company)) == ["late", "now"]
        await company.pass_time("1 hour")
        await company.until(0)
    assert (await effects(company))[-1] == "later"


async def test_like_jobs_are_added_once_while_one_waits_and_again_while_one_runs(company: Company) -> None:
    running, go_on = asyncio.Event(), asyncio.Event()

    async def handler(tx: Transaction, job: RunningJob) -> None:
        running.set()
        await go_on.wait()
        await note(tx, job)

    await company.enqueue(*noting("a", "b", dedupe="x"), *noting("c", dedupe="y"))
    await company.enqueue(*noting("d", dedupe="x"))
    async with company.working({"tests.note": Handler(handler)}):
        await running.wait()
        await company.until(0, "status = 'queued'")
        # What runs may have read before this change: it needs another.
        await company.enqueue(*noting("e", "f", dedupe="x"))
        go_on.set()
        await company.until(0)
    assert sorted(await effects(company)) == ["a", "c", "e"]


async def test_jobs_of_a_key_are_done_in_order_by_several_workers(company: Company) -> None:
    values = [(key, str(number)) for number in range(30) for key in "xyz"]
    await company.enqueue(*(Job("tests.note", {"value": key + number}, key=key) for key, number in values))
    async with company.working(NOTE), company.working(NOTE), company.working({"tests.note": Handler(note, together=7)}):
        await company.until(0)
    done = await effects(company)
    for key in "xyz":
        assert [value for value in done if value[0] == key] == [f"{key}{number}" for number in range(30)]


async def test_a_failed_job_holds_back_its_key_until_it_is_held(company: Company) -> None:
    async def handler(tx: Transaction, job: RunningJob) -> None:
        if job.payload["value"] == "1":
            raise ValueError
        await note(tx, job)

    await company.enqueue(*noting("0", "1", "2", key="x"), *noting("other", key="y"))
    async with company.working({"tests.note": Handler(handler, attempts=2)}):
        await company.until(1, "attempts = 1 AND status = 'queued'")
        await company.until(2)
        assert sorted(await effects(company)) == ["0", "other"]
        await company.pass_time("4 seconds")
        await company.until(1)
        await company.until(1, "status = 'failed'")
    assert sorted(await effects(company)) == ["0", "2", "other"]


async def test_a_stop_finishes_what_runs_and_gives_the_rest_back(company: Company) -> None:
    running, go_on = asyncio.Event(), asyncio.Event()

    async def handler(tx: Transaction, job: RunningJob) -> None:
        running.set()
        await go_on.wait()
        await note(tx, job)

    await company.enqueue(*noting(*"abcdefgh", key="x"))
    async with company.working({"tests.note": Handler(handler)}) as jobs:
        await running.wait()
        jobs.stop()
        go_on.set()
    assert await effects(company) == ["a"]
    rest = await company.database.fetch("SELECT status::text, attempts FROM pgqueuer")
    assert [tuple(row) for row in rest] == [("queued", 0)] * 7


async def test_a_job_that_was_lost_with_its_worker_is_run_alone_and_held_in_the_end(company: Company) -> None:
    await company.enqueue(*noting("a", "b"))
    lost = "UPDATE pgqueuer SET status = 'picked', queue_manager_id = gen_random_uuid(), attempts = $1"
    await company.database.execute(lost, 0)
    handlers = {"tests.note": Handler(note, attempts=3)}
    async with company.working(handlers):
        await company.pass_time("1 minute")
        await company.until(0)
    assert await effects(company) == ["a", "b"]
    await company.enqueue(*noting("c"))
    await company.database.execute(lost, 2)
    async with company.working(handlers):
        await company.pass_time("1 minute")
        await company.until(1, "status = 'failed'")
    held = await company.database.fetchrow("SELECT attempts, headers ->> 'error' AS error FROM pgqueuer")
    assert tuple(held or ()) == (3, '{"code": "WORKER_LOST"}')


async def test_jobs_that_only_a_newer_worker_knows_wait_for_it(company: Company) -> None:
    await company.enqueue(Job("tests.unknown", {}), *noting("a"))
    async with company.working(NOTE):
        await company.until(1)
    assert await company.database.fetchval("SELECT entrypoint FROM pgqueuer WHERE status = 'queued'") == "tests.unknown"


async def test_a_payload_that_holds_data_is_refused(company: Company) -> None:
    with pytest.raises(ValueError, match="too large"):
        await company.enqueue(Job("tests.note", {"value": "x" * MAX_PAYLOAD}))


def test_the_id_of_a_job_tells_its_number() -> None:
    assert job_number(job_id(123)) == 123
    assert job_number(UUID("0192f0c1-7d2a-7b3c-8a4d-5e6f708192a3")) is None
    assert job_id(1).bytes[8] & 0x3F == EntityCode.JOB
