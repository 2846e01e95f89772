"""What is done regularly so that nothing piles up and nothing is missing: handlers of schedules."""

from datetime import timedelta

from crm_graph.fragments import join, name, sql
from crm_graph.services import exports, idempotency
from crm_graph.services.jobs import Job, RunningJob, enqueue
from crm_graph.transaction import Transaction

AT_ONCE = 10_000
"""So many rows of a table are deleted in one transaction; another job goes on."""
HELD_DAYS = 90
LOG_DAYS = 7
MONTHS_AHEAD = 3

# From the newest month there is, or this one, to a few ahead.
MAKE_PARTITIONS = """
WITH known AS (
    SELECT max(to_date(substr(relname, 8), 'YYYY_MM')) AS newest
    FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'events'::regclass AND relname ~ '^events_[0-9]{4}_[0-9]{2}$'
), today AS (
    SELECT date_trunc('month', $1::timestamptz AT TIME ZONE 'UTC')::date AS month
)
SELECT crm_make_event_partitions(
    least(coalesce(newest, month), month), (month + make_interval(months => $2::int + 1))::date
)
FROM known, today
"""

_ENDED = (
    (
        "DELETE FROM sessions WHERE ctid = ANY(ARRAY(SELECT ctid FROM sessions WHERE ends_at <= $1 LIMIT $2"
        " FOR UPDATE SKIP LOCKED))"
    ),
    (
        "DELETE FROM sign_in_links WHERE ctid = ANY(ARRAY(SELECT ctid FROM sign_in_links WHERE ends_at <= $1 LIMIT $2"
        " FOR UPDATE SKIP LOCKED))"
    ),
    (
        "DELETE FROM revoked_tokens WHERE ctid = ANY(ARRAY(SELECT ctid FROM revoked_tokens WHERE ends_at <= $1 LIMIT $2"
        " FOR UPDATE SKIP LOCKED))"
    ),
    (
        "DELETE FROM used_assertions WHERE ctid = ANY(ARRAY(SELECT ctid FROM used_assertions WHERE ends_at <= $1"
        " LIMIT $2 FOR UPDATE SKIP LOCKED))"
    ),
)
_OLD = (
    (
        "DELETE FROM pgqueuer_log WHERE id = ANY(ARRAY(SELECT id FROM pgqueuer_log"
        " WHERE created < now() - make_interval(days => $1) LIMIT $2))"
    ),
    (
        "DELETE FROM pgqueuer WHERE id = ANY(ARRAY(SELECT id FROM pgqueuer"
        " WHERE status = 'failed' AND updated < now() - make_interval(days => $1) LIMIT $2 FOR UPDATE SKIP LOCKED))"
    ),
)


async def make_event_partitions(tx: Transaction, job: RunningJob) -> None:
    """Have partitions of the event log for the months to come."""
    await tx.driver().execute(MAKE_PARTITIONS, tx.now, MONTHS_AHEAD)


async def forget_expired(tx: Transaction, job: RunningJob) -> None:
    """Delete what is past its time: idempotent answers, exports, sessions, links, tokens that were taken back."""
    deleted = [await idempotency.forget_expired(tx, AT_ONCE), await exports.forget_expired(tx, AT_ONCE)]
    deleted += [_count(await tx.driver().execute(statement, tx.now, AT_ONCE)) for statement in _ENDED]
    await _go_on(tx, job, max(deleted))


_OLD_MONTHS = r"""
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'events'::regclass AND c.relname ~ '^events_[0-9]{4}_[0-9]{2}$'
  AND substring(pg_get_expr(c.relpartbound, c.oid) FROM $$TO \('([0-9a-f-]+)'\)$$)::uuid <= crm_first_id($1)
ORDER BY c.relname
"""
_BEFORE = """
DELETE FROM events_before
WHERE id = ANY(ARRAY(SELECT id FROM events_before WHERE id < crm_first_id($1) ORDER BY id LIMIT $2))
"""


async def forget_old_events(tx: Transaction, job: RunningJob) -> None:
    """Drop the months of the event log that lie behind its retention as a whole, and what is that old of the time
    before the hub. Histories begin after it.
    """
    if not tx.retention.days:
        return
    limit = tx.now - timedelta(days=tx.retention.days)
    months = [row["relname"] for row in await tx.driver().fetch(_OLD_MONTHS, limit)]
    if months:
        await tx.fetch(sql("DROP TABLE {months}", months=join(", ", map(name, months))))
    await _go_on(tx, job, _count(await tx.driver().execute(_BEFORE, limit, AT_ONCE)))


async def forget_old_jobs(tx: Transaction, job: RunningJob) -> None:
    """Delete what was written down of jobs a week ago, and jobs that are held for 90 days."""
    days = (LOG_DAYS, HELD_DAYS)
    deleted = [
        _count(await tx.driver().execute(statement, ago, AT_ONCE)) for statement, ago in zip(_OLD, days, strict=True)
    ]
    await _go_on(tx, job, max(deleted))


async def _go_on(tx: Transaction, job: RunningJob, deleted: int) -> None:
    if deleted >= AT_ONCE:
        await enqueue(tx, Job(job.handler, job.payload, dedupe="go on"))


def _count(tag: str) -> int:
    """How many rows a statement was about, from what Postgres says of it."""
    return int(tag.rpartition(" ")[2])
