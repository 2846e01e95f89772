"""Jobs are enqueued with their cause, and done once by whoever takes them."""

from typing import Any

import pytest

from crm_graph.services.jobs import Handler, Job, RunningJob, enqueue
from crm_graph.transaction import Transaction

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
