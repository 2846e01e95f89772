"""The loop of jobs: claims what is due, runs it in transactions, and says what became of it."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import groupby
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import structlog

from crm_graph.db import connect
from crm_graph.errors import NotFound
from crm_graph.hub import Hub, own_user, transactions
from crm_graph.permissions.principals import Principal
from crm_graph.services import job_queue
from crm_graph.services.job_handlers import HANDLERS
from crm_graph.services.jobs import Handler, RunningJob
from crm_graph.transaction import NotGranted, Transaction
from crm_graph.worker.failures import LOST, again_in, kept

log = structlog.get_logger(__name__)

SOURCE = "worker"
SLOTS = 4
"""Transactions that one process has open at a time for jobs."""
CLAIMED = 200
"""At most so many jobs are taken at once. What is not begun when the worker stops is given back."""
BEAT_S = 5.0
"""So often it is said of claimed jobs that their worker lives, and looked for what nobody wakes the loop for."""
LOST_AFTER = timedelta(seconds=30)
"""A claimed job that is not heard of for so long was lost with its worker."""


Chain = Sequence[Sequence[RunningJob]]
"""What is run one after another; each part, of one handler, is a transaction if all goes well."""


class NotInTurn(Exception):
    """Another job of the key goes first."""


@dataclass
class Jobs:
    """The loop, with what differs from hub to hub and in tests. `uniform` gives numbers in [0, 1)."""

    hub: Hub
    handlers: Mapping[str, Handler] = field(default_factory=lambda: HANDLERS)
    uniform: Callable[[], float] = random.random
    lost_after: timedelta = LOST_AFTER
    worker: UUID = field(init=False)
    _principals: dict[str, Principal] = field(default_factory=dict)
    _ready: deque[Chain] = field(default_factory=deque)
    _begun: set[RunningJob] = field(default_factory=set)
    _running: set[asyncio.Task[None]] = field(default_factory=set)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _told: asyncio.Event = field(default_factory=asyncio.Event)
    _beaten: float = 0.0
    _looked: float = float("-inf")

    def __post_init__(self) -> None:
        self.worker = self.hub.settings.worker_id or uuid4()

    async def run(self, told: asyncio.Event) -> None:
        """Do jobs until told to end: what has begun is finished, the rest given back."""
        for handler in self.handlers.values():
            username, name = handler.user
            if username not in self._principals:
                self._principals[username] = await own_user(self.hub, username, name)
        self._told = told
        async with self._listening() as connection:
            if self.hub.settings.worker_before is not None:
                await job_queue.lost(connection, self.hub.settings.worker_before)
            ending = asyncio.create_task(told.wait())
            try:
                while not told.is_set():
                    await self._step(connection, ending)
                await self._give_back(connection)
                await self._finish()
            finally:
                for task in (ending, *self._running):
                    task.cancel()

    def stop(self) -> None:
        """Tell the loop to end."""
        self._told.set()

    async def _step(self, connection: "asyncpg.Connection[Any]", ending: "asyncio.Task[Any]") -> None:
        """Begin what there is room for, then wait for something to change."""
        now = asyncio.get_running_loop().time()
        if self._woken.is_set() or now - self._looked >= BEAT_S:
            self._woken.clear()
            self._looked = now
            await self._do_lost(connection)
        if not self._ready and len(self._running) < SLOTS:
            claimed = await job_queue.claim(connection, self.handlers, CLAIMED, self.worker)
            self._ready.extend(_chains(claimed, self.handlers))
            self._beaten = asyncio.get_running_loop().time()
        while self._ready and len(self._running) < SLOTS:
            self._running.add(asyncio.create_task(self._do(self._ready.popleft())))
        await self._beat(connection)
        await self._wait(connection, ending)

    async def _beat(self, connection: "asyncpg.Connection[Any]") -> None:
        """Say of what waits here that we live."""
        now = asyncio.get_running_loop().time()
        if now - self._beaten >= BEAT_S:
            self._beaten = now
            await job_queue.beat(connection, [*self._waiting(), *self._begun], self.worker)

    async def _wait(self, connection: "asyncpg.Connection[Any]", ending: "asyncio.Task[Any]") -> None:
        """Until a transaction ended, a job came or is due, or the time has come to look again."""
        full = len(self._running) >= SLOTS
        due = None if full else await job_queue.next_due_s(connection, self.handlers)
        seconds = BEAT_S if due is None else min(max(due, 0.0), BEAT_S)
        woken = asyncio.create_task(self._woken.wait())
        awaited = {ending, *self._running} | (set() if full else {woken})
        try:
            await asyncio.wait(awaited, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
        self._collect()

    def _collect(self) -> None:
        """Let go of what ended. What a job raised is told where it is run; anything else ends the loop."""
        ended = {task for task in self._running if task.done()}
        self._running -= ended
        for task in ended:
            task.result()

    async def _finish(self) -> None:
        while self._running:
            await asyncio.wait(self._running)
            self._collect()

    def _waiting(self) -> list[RunningJob]:
        return [job for chain in self._ready for part in chain for job in part]

    async def _give_back(self, connection: "asyncpg.Connection[Any]") -> None:
        waiting = self._waiting()
        self._ready.clear()
        if waiting:
            await job_queue.give_back(connection, waiting, self.worker)

    async def _do_lost(self, connection: "asyncpg.Connection[Any]") -> None:
        """Run what was lost with a worker, each alone: if it is what ended that one, it takes no other job with it."""
        while not self._told.is_set():
            job = await job_queue.claim_lost(connection, self.handlers, self.lost_after, self.worker)
            if job is None:
                return
            await self._give_back(connection)
            await self._finish()
            log.warning("job_lost", job=str(job.id), handler=job.handler, attempts=job.attempt - 1)
            if job.attempt > self.handlers[job.handler].attempts:
                lost = replace(job, attempt=job.attempt - 1)
                await job_queue.failed(connection, lost, self.worker, again_in=None, error=LOST)
            else:
                await self._do([[job]])

    async def _do(self, chain: Chain) -> None:
        """Run the parts one after another; once one has to wait, or we are to end, the rest is given back."""
        jobs = [job for part in chain for job in part]
        self._begun.update(jobs)
        try:
            for place, part in enumerate(chain):
                if self._told.is_set() or not await self._do_part(part):
                    rest = [job for later in chain[place:] for job in later]
                    async with self._own() as connection:
                        await job_queue.give_back(connection, rest, self.worker)
                    return
        finally:
            self._begun.difference_update(jobs)

    async def _do_part(self, jobs: Sequence[RunningJob]) -> bool:
        """Run jobs of one handler in one transaction; where that fails, each in its own. Whether what comes after them
        may be run.
        """
        if len(jobs) > 1:
            try:
                await self._attempt(jobs)
            except Exception as failure:  # noqa: BLE001 - which of them it was is found out below
                log.info("jobs_apart", handler=jobs[0].handler, jobs=len(jobs), error=type(failure).__name__)
            else:
                return True
        for job in jobs:
            if not await self._do_alone(job) and job.key is not None:
                return False
        return True

    async def _do_alone(self, job: RunningJob) -> bool:
        """Whether the job is over, or held, which keeps none of its key waiting."""
        try:
            await self._attempt([job])
        except NotInTurn:
            async with self._own() as connection:
                await job_queue.give_back(connection, [job], self.worker)
            return False
        except NotGranted as failure:
            return await self._failed(job, failure)
        except NotFound:
            log.info("job_gone", job=str(job.id), handler=job.handler)
            async with self._own() as connection:
                await job_queue.gone(connection, job, self.worker)
        except Exception as failure:  # noqa: BLE001 - whatever a handler raises is its job's failure
            return await self._failed(job, failure)
        return True

    async def _failed(self, job: RunningJob, failure: Exception) -> bool:
        held = job.attempt >= self.handlers[job.handler].attempts
        error = kept(failure)
        log.warning("job_failed", job=str(job.id), handler=job.handler, attempt=job.attempt, held=held, **error)
        delay = None if held else again_in(job.attempt, self.uniform())
        async with self._own() as connection:
            await job_queue.failed(connection, job, self.worker, again_in=delay, error=error)
        return held

    async def _attempt(self, jobs: Sequence[RunningJob]) -> None:
        """One transaction: the effects of all of them, and that they are done."""
        handler = self.handlers[jobs[0].handler]
        principal = self._principals[handler.user[0]]
        async with transactions(self.hub, principal, source=SOURCE)() as tx:
            ours = await job_queue.still_ours(tx.driver(), jobs, self.worker)
            if not ours:
                return
            key = ours[0].key
            if key is not None and not await job_queue.has_turn(tx.driver(), key, ours[0].number):
                raise NotInTurn
            for job in ours:
                await _handle(tx, handler, job)
            await job_queue.done(tx.driver(), ours)

    @asynccontextmanager
    async def _own(self) -> AsyncIterator[Any]:
        """A transaction for the queue alone."""
        async with self.hub.engine.begin() as connection:
            yield (await connection.get_raw_connection()).driver_connection

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator["asyncpg.Connection[Any]"]:
        """The connection of the loop itself, on which new jobs wake it."""
        settings = self.hub.settings
        connection = await connect(
            str(settings.database_url), application_name="crm-graph jobs", timeout_s=settings.connect_timeout_s
        )
        try:
            await connection.add_listener(job_queue.CHANNEL, self._heard)
            yield connection
        finally:
            connection.terminate()

    def _heard(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        if orjson.loads(str(payload)).get("operation") == "insert":
            self._woken.set()


async def _handle(tx: Transaction, handler: Handler, job: RunningJob) -> None:
    """Run one job in the transaction, whose events name it as their cause."""
    tx.causation_id, tx.request_id = job.id, job.request_id
    async with asyncio.timeout(handler.time_limit_s):
        await handler.run(tx, job)
        await tx.flush()


def _chains(jobs: Iterable[RunningJob], handlers: Mapping[str, Handler]) -> Iterable[Chain]:
    """Jobs of one key make a chain, in their order. Those without one are chains of a part."""
    keyed: dict[str, list[RunningJob]] = {}
    free: dict[str, list[RunningJob]] = {}
    for job in jobs:
        if job.key is None:
            free.setdefault(job.handler, []).append(job)
        else:
            keyed.setdefault(job.key, []).append(job)
    for name, group in free.items():
        yield from ([part] for part in _parts(group, handlers[name]))
    for group in keyed.values():
        yield [
            part
            for name, same in groupby(group, key=lambda job: job.handler)
            for part in _parts(list(same), handlers[name])
        ]


def _parts(jobs: Sequence[RunningJob], handler: Handler) -> Iterable[Sequence[RunningJob]]:
    """As many in each as the handler does together."""
    return (jobs[start : start + handler.together] for start in range(0, len(jobs), handler.together))
