"""Jobs: what is done later, enqueued in the transaction of its cause. The tables are pgqueuer's; the database's clock
says when a job is due, so that all workers agree.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from pgqueuer.adapters.persistence.qb import QueryQueueBuilder
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel

from crm_graph.models.ids import EntityCode
from crm_graph.transaction import Transaction

QUEUE = DBSettings(
    prefix="",
    db_schema=None,
    channel=Channel("ch_pgqueuer"),
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
    durability=Durability.durable,
    widen_id=True,
)
"""Named one by one: pgqueuer would read what is not from variables such as `FUNCTION` and `TRIGGER`."""
MAX_PAYLOAD = 16_384
"""Bytes: a payload names records and holds no data of theirs."""
ATTEMPTS = 12
TIME_LIMIT_S = 60.0
USER = ("system.jobs", "Jobs")
_NOW = timedelta()


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done: a handler by its name, and ids that it works on.

    Jobs of one `key` are run one after another, in the order in which they were enqueued; one that is to come later
    (`at`) joins them then. Where a job of the same handler and `dedupe` waits already, another is not added. A job
    about a person names the customer (`subject_id`), with whom it is erased.
    """

    handler: str
    payload: Mapping[str, Any]
    key: str | None = None
    dedupe: str | None = None
    at: datetime | None = None
    subject_id: UUID | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RunningJob:
    """A job as its handler gets it. `attempt` counts from 1."""

    number: int
    handler: str
    payload: Mapping[str, Any]
    attempt: int
    key: str | None = None
    subject_id: UUID | None = None
    request_id: str | None = None

    @property
    def id(self) -> UUID:
        """What clients call it, and the cause that the events of its handler name."""
        return job_id(self.number)


Run = Callable[[Transaction, RunningJob], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Handler:
    """What does jobs of one name, in a transaction that also says that they are done: what comes twice is done once.

    It acts as a system user (`user`: username and name), may take `time_limit_s` for each job, and is tried so many
    times before the job is held. Of a handler that only writes to the database, several jobs may be done `together`
    in one transaction; one that calls others leaves that at 1. NotFound ends a job: what it is about is gone.
    """

    run: Run
    user: tuple[str, str] = USER
    time_limit_s: float = TIME_LIMIT_S
    attempts: int = ATTEMPTS
    together: int = 1


_NUMBER = (1 << 56) - 1
_FORM = (0x7 << 76) | ((0x80 | EntityCode.JOB) << 56)


def job_id(number: int) -> UUID:
    """The id of the job that pgqueuer has under this number."""
    return UUID(int=_FORM | number)


def job_number(identity: UUID) -> int | None:
    """The number of a job by its id; None for an id that no job has."""
    return identity.int & _NUMBER if identity.int & ~_NUMBER == _FORM else None


_ENQUEUE = QueryQueueBuilder(QUEUE).build_enqueue_query("skip")


async def enqueue(tx: Transaction, *jobs: Job) -> None:
    """Have jobs done once this transaction is committed, and not at all where it is rolled back.

    Thousands are one statement. Those with a `dedupe` come after the others, in its order, so that two transactions
    that add the same do not wait for each other. Raises ValueError for a payload that is too large.
    """
    if not jobs:
        return
    ordered = sorted(jobs, key=lambda job: job.dedupe or "")
    await tx.driver().fetch(
        _ENQUEUE,
        [0] * len(ordered),
        [job.handler for job in ordered],
        [_payload(job) for job in ordered],
        [_NOW if job.at is None else max(job.at - tx.now, _NOW) for job in ordered],
        [None if job.dedupe is None else f"{job.handler}:{job.dedupe}" for job in ordered],
        [_headers(tx, job) for job in ordered],
    )


def _payload(job: Job) -> bytes:
    payload = orjson.dumps(job.payload)
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"a payload of {job.handler} is too large: let it name records, not hold them")
    return payload


def _headers(tx: Transaction, job: Job) -> str:
    told = {"key": job.key, "subject": job.subject_id, "request": tx.request_id}
    return orjson.dumps({name: value for name, value in told.items() if value is not None}).decode()


_FORGET = "DELETE FROM pgqueuer WHERE headers ->> 'subject' = ANY($1::text[])"


async def forget(tx: Transaction, subjects: Collection[UUID]) -> None:
    """Take away the jobs of customers who are erased, held ones too. One that runs is waited for."""
    await tx.driver().execute(_FORGET, [str(subject) for subject in subjects])
