"""What workers do to the queue: claim jobs, say that they are done, failed or given back. Each is one statement.

A claimed job is `picked` in the table until it is done. While it is run its row is locked, so that nobody takes it away
from a worker that lives; one that was claimed and is neither locked nor heard of was lost with its worker.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from crm_graph.permissions.store import Connection
from crm_graph.services.jobs import QUEUE, RunningJob

CHANNEL = QUEUE.channel
TIMEOUT_S = 30.0
# In the order of the index on (entrypoint, priority, id). A key that is busy, or has a job that is to be tried again,
# has its other jobs wait. What is claimed is no longer what a like one is compared with: it may have read already.
_CLAIM = """
WITH ready AS (
    SELECT job.id FROM unnest($1::text[]) AS known (handler)
    CROSS JOIN LATERAL (
        SELECT q.id FROM pgqueuer AS q
        WHERE q.entrypoint = known.handler AND q.status = 'queued' AND q.execute_after <= now()
          AND NOT EXISTS (
              SELECT FROM pgqueuer AS p WHERE p.status = 'picked' AND p.headers ->> 'key' = q.headers ->> 'key'
          )
          AND NOT EXISTS (
              SELECT FROM pgqueuer AS p
              WHERE p.status = 'queued' AND p.attempts > 0 AND p.headers ->> 'key' = q.headers ->> 'key' AND p.id < q.id
          )
        ORDER BY q.priority DESC, q.id LIMIT $2
        FOR UPDATE SKIP LOCKED
    ) AS job
    ORDER BY job.id LIMIT $2
), claimed AS (
    UPDATE pgqueuer AS j
    SET status = 'picked', updated = now(), heartbeat = now(), queue_manager_id = $3, dedupe_key = NULL
    WHERE j.id IN (SELECT id FROM ready)
    RETURNING j.id, j.entrypoint, j.payload, j.attempts, j.headers ->> 'key' AS key,
              j.headers ->> 'subject' AS subject, j.headers ->> 'request' AS request
)
SELECT * FROM claimed ORDER BY id
"""

_CLAIM_LOST = """
WITH lost AS (
    SELECT q.id FROM pgqueuer AS q
    WHERE q.status = 'picked' AND q.heartbeat < now() - $2::interval AND q.entrypoint = ANY($1::text[])
    ORDER BY q.id LIMIT 1
    FOR UPDATE SKIP LOCKED
)
UPDATE pgqueuer AS j SET heartbeat = now(), updated = now(), queue_manager_id = $3, attempts = j.attempts + 1
WHERE j.id IN (SELECT id FROM lost)
RETURNING j.id, j.entrypoint, j.payload, j.attempts, j.headers ->> 'key' AS key,
              j.headers ->> 'subject' AS subject, j.headers ->> 'request' AS request
"""

_STILL_OURS = """
SELECT id FROM pgqueuer WHERE id = ANY($1::bigint[]) AND status = 'picked' AND queue_manager_id = $2
FOR UPDATE SKIP LOCKED
"""

_LOCK_KEY = "SELECT pg_try_advisory_xact_lock(hashtextextended('crm-graph job ' || $1::text, 0))"
_EARLIER = """
SELECT EXISTS (
    SELECT FROM pgqueuer WHERE status = 'picked' AND headers ->> 'key' = $1 AND id < $2
) OR EXISTS (
    SELECT FROM pgqueuer
    WHERE status = 'queued' AND headers ->> 'key' = $1 AND id < $2 AND (attempts > 0 OR execute_after <= now())
)
"""

_OVER = """
WITH done AS (
    DELETE FROM pgqueuer
    WHERE id = ANY($1::bigint[]) AND ($2::uuid IS NULL OR status = 'picked' AND queue_manager_id = $2)
    RETURNING id, entrypoint, priority
)
INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority)
SELECT id, $3::text::pgqueuer_status, entrypoint, priority FROM done
"""

_FAILED = """
WITH failed AS (
    UPDATE pgqueuer
    SET status = CASE WHEN $3::interval IS NULL THEN 'failed' ELSE 'queued' END::pgqueuer_status,
        attempts = $4, updated = now(), execute_after = now() + COALESCE($3::interval, interval '0'),
        queue_manager_id = NULL, headers = headers || jsonb_build_object('error', $5::text::jsonb)
    WHERE id = $1 AND status = 'picked' AND queue_manager_id = $2
    RETURNING id, status, entrypoint, priority
)
INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority) SELECT id, status, entrypoint, priority FROM failed
"""

_GIVE_BACK = """
UPDATE pgqueuer SET status = 'queued', updated = now(), queue_manager_id = NULL WHERE id IN (
    SELECT id FROM pgqueuer WHERE id = ANY($1::bigint[]) AND status = 'picked' AND queue_manager_id = $2
    ORDER BY id FOR UPDATE
)
"""

_BEAT = """
UPDATE pgqueuer SET heartbeat = now() WHERE id IN (
    SELECT id FROM pgqueuer WHERE id = ANY($1::bigint[]) AND status = 'picked' AND queue_manager_id = $2
    FOR UPDATE SKIP LOCKED
)
"""

_LOST = "UPDATE pgqueuer SET heartbeat = '-infinity' WHERE status = 'picked' AND queue_manager_id = $1"

_NEXT = """
SELECT extract(epoch FROM min(due.execute_after) - now())::float FROM unnest($1::text[]) AS known (handler)
CROSS JOIN LATERAL (
    SELECT q.execute_after FROM pgqueuer AS q
    WHERE q.entrypoint = known.handler AND q.status = 'queued' AND q.execute_after > now()
    ORDER BY q.execute_after LIMIT 1
) AS due
"""


async def claim(connection: Connection, handlers: Collection[str], at_most: int, worker: UUID) -> list[RunningJob]:
    """Take jobs that are due, in the order of their numbers."""
    rows = await connection.fetch(_CLAIM, list(handlers), at_most, worker, timeout=TIMEOUT_S)
    return [_job(row) for row in rows]


async def claim_lost(
    connection: Connection, handlers: Collection[str], after: timedelta, worker: UUID
) -> RunningJob | None:
    """Take one job whose worker was lost that long ago. That counts as an attempt: it may be what ended the worker."""
    row = await connection.fetchrow(_CLAIM_LOST, list(handlers), after, worker, timeout=TIMEOUT_S)
    return None if row is None else _job(row)


def _job(row: asyncpg.Record) -> RunningJob:
    payload: Mapping[str, Any] = orjson.loads(row["payload"])
    subject = None if row["subject"] is None else UUID(row["subject"])
    return RunningJob(row["id"], row["entrypoint"], payload, row["attempts"] + 1, row["key"], subject, row["request"])


async def still_ours(connection: Connection, jobs: Sequence[RunningJob], worker: UUID) -> list[RunningJob]:
    """Those that are neither done nor taken away, locked until the end of the transaction."""
    rows = await connection.fetch(_STILL_OURS, _numbers(jobs), worker)
    kept = {row["id"] for row in rows}
    return [job for job in jobs if job.number in kept]


async def has_turn(connection: Connection, key: str, number: int) -> bool:
    """Whether nothing else of the key is run, nor goes before; then so until the end of the transaction."""
    if not await connection.fetchval(_LOCK_KEY, key):
        return False
    return not await connection.fetchval(_EARLIER, key, number)


async def done(connection: Connection, jobs: Sequence[RunningJob]) -> None:
    """Take jobs out of the queue, in the transaction of their effects."""
    await connection.execute(_OVER, _numbers(jobs), None, "successful")


async def gone(connection: Connection, job: RunningJob, worker: UUID) -> None:
    """Take a job out of the queue that had no effect, since what it is about is not there."""
    await connection.execute(_OVER, [job.number], worker, "canceled", timeout=TIMEOUT_S)


async def failed(
    connection: Connection,
    job: RunningJob,
    worker: UUID,
    *,
    again_in: timedelta | None,
    error: Mapping[str, Any],
) -> None:
    """Let a job be tried again, or hold it."""
    told = orjson.dumps(error).decode()
    await connection.execute(_FAILED, job.number, worker, again_in, job.attempt, told, timeout=TIMEOUT_S)


async def give_back(connection: Connection, jobs: Sequence[RunningJob], worker: UUID) -> None:
    """Let jobs wait again that were claimed and not begun."""
    await connection.execute(_GIVE_BACK, _numbers(jobs), worker, timeout=TIMEOUT_S)


async def beat(connection: Connection, jobs: Sequence[RunningJob], worker: UUID) -> None:
    """Say of claimed jobs that their worker lives."""
    await connection.execute(_BEAT, _numbers(jobs), worker, timeout=TIMEOUT_S)


async def lost(connection: Connection, worker: UUID) -> None:
    """Say that a worker is no more, so that nobody waits for it."""
    await connection.execute(_LOST, worker, timeout=TIMEOUT_S)


async def next_due_s(connection: Connection, handlers: Collection[str]) -> float | None:
    """Seconds until the next job is due of those that are not yet; None where there is none."""
    seconds: float | None = await connection.fetchval(_NEXT, list(handlers), timeout=TIMEOUT_S)
    return seconds


def _numbers(jobs: Sequence[RunningJob]) -> list[int]:
    return [job.number for job in jobs]
