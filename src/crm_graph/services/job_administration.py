"""What admins do to jobs: have one tried again now, or taken away."""

from typing import Any
from uuid import UUID

import orjson

from crm_graph.errors import NotFound, RuleViolated
from crm_graph.services.jobs import QUEUE, job_number
from crm_graph.transaction import EventDraft, Transaction

MANAGE = "jobs:manage"

_LOCK = """
SELECT id, entrypoint, status::text AS status, attempts, headers ->> 'error' AS error, headers ->> 'subject' AS subject
FROM pgqueuer WHERE id = $1 FOR UPDATE SKIP LOCKED
"""
_EXISTS = "SELECT EXISTS (SELECT FROM pgqueuer WHERE id = $1)"
_RETRY = """
UPDATE pgqueuer SET status = 'queued', attempts = 0, execute_after = now(), updated = now(), headers = headers - 'error'
WHERE id = $1
"""
_WAKE = orjson.dumps({"operation": "insert"}).decode()


async def retry(tx: Transaction, identity: UUID) -> int:
    """Have a job tried again at once that is held or waits, with all its attempts before it. Gives its number."""
    job = await _waiting(tx, identity)
    await tx.driver().execute(_RETRY, job["id"])
    await tx.driver().execute("SELECT pg_notify($1, $2)", QUEUE.channel, _WAKE)
    tx.record(_event("retried", identity, job))
    number: int = job["id"]
    return number


async def discard(tx: Transaction, identity: UUID) -> None:
    """Take a job away that is held or waits: it is never done."""
    job = await _waiting(tx, identity)
    await tx.driver().execute("DELETE FROM pgqueuer WHERE id = $1", job["id"])
    tx.record(_event("discarded", identity, job))


async def _waiting(tx: Transaction, identity: UUID) -> Any:
    """A job that does not run now, locked. Raises NotFound, also for one that is done, and RuleViolated."""
    tx.require(MANAGE)
    number = job_number(identity)
    job = None if number is None else await tx.driver().fetchrow(_LOCK, number)
    if job is not None and job["status"] != "picked":
        return job
    if job is None and not (number is not None and await tx.driver().fetchval(_EXISTS, number)):
        raise NotFound(path=("id",))
    raise RuleViolated("job_running", path=("id",))


def _event(verb: str, identity: UUID, job: Any) -> EventDraft:
    """What was done to a job, of which nothing but its handler and its failures is told."""
    before = {"handler": job["entrypoint"], "status": job["status"], "attempts": job["attempts"]}
    if job["error"] is not None:
        before["error"] = orjson.loads(job["error"])
    after = {"status": "queued", "attempts": 0} if verb == "retried" else {}
    subject = None if job["subject"] is None else UUID(job["subject"])
    return EventDraft(f"job.{verb}", "job", identity, 0, list(before), before, after, customer_id=subject)
