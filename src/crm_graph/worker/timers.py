"""Fires timers: what is due is deleted and takes effect in one transaction, so that each fires once."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import structlog

from crm_graph.db import DATABASE_FAILURES, ReadPool
from crm_graph.errors import CrmError, Unavailable
from crm_graph.fragments import name, param, sql
from crm_graph.hub import Hub, own_user, transactions
from crm_graph.services.timer_handlers import HANDLERS
from crm_graph.services.timers import FIRST, USER, Candidate, DueTimer, Handler, due, note_fired, put_off, take, wakes
from crm_graph.transaction import Input, Transaction, domain_error
from crm_graph.worker.failures import kept

log = structlog.get_logger(__name__)

Begin = Callable[[], AbstractAsyncContextManager[Transaction]]
Until = Callable[[asyncio.Event, float], Awaitable[None]]
"""Waits for an event, at most so many seconds."""

SOURCE = "worker"
BATCH = 500
LOOK_S = 0.25
"""The longest time between two looks. So nobody has to be told that a timer was set, or that the clock was."""
RETRY_S = 1.0
"""After the database could not be reached."""
LIMIT_S = 10.0
"""For one transaction with the effects of one batch."""
BACKOFF = (timedelta(seconds=1), timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=10))
"""How long a timer waits after each failure; after one more it is held."""


async def until(event: asyncio.Event, seconds: float) -> None:
    """Wait by the time of the machine."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


class Firing:
    """Fires timers of the kinds that it has handlers for. Those of one kind fire in their order; kinds fire beside each
    other, so that one whose handler fails or hangs holds up none but itself.
    """

    def __init__(
        self,
        begin: Begin,
        pool: ReadPool,
        clock: Callable[[], datetime],
        handlers: Mapping[str, Handler],
        *,
        until: Until = until,
        limit_s: float = LIMIT_S,
    ) -> None:
        self._begin = begin
        self._pool = pool
        self._clock = clock
        self._handlers = handlers
        self._kinds = sorted(handlers)
        self._until = until
        self._limit_s = limit_s
        self._running: dict[str, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        self._stopping = False

    async def run(self, stop: asyncio.Event) -> None:
        """Fire what comes due, until told to stop; what is under way then comes to its end."""
        telling = asyncio.create_task(self._stop_with(stop))
        try:
            while not self._stopping:
                self._woken.clear()
                try:
                    wait_s = await self.look()
                except (CrmError, *DATABASE_FAILURES) as failure:
                    log.warning("timers_not_reached", error=type(failure).__name__)
                    wait_s = RETRY_S
                await self._until(self._woken, wait_s)
        finally:
            self._stopping = True
            telling.cancel()
            await self.settle()

    async def _stop_with(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stopping = True
        self._woken.set()

    async def look(self) -> float:
        """Begin to fire the kinds that are due, and tell in how many seconds to look again."""
        async with self._pool.acquire(timeout=self._limit_s) as connection:
            found = await wakes(connection, self._kinds)
        now, wait_s = self._clock(), LOOK_S
        for kind, wake_at in found.items():
            if kind in self._running:
                continue
            if wake_at <= now:
                self._running[kind] = asyncio.create_task(self._fire_all(kind))
            else:
                wait_s = min(wait_s, (wake_at - now).total_seconds())
        return wait_s

    async def settle(self) -> None:
        """Wait until nothing fires."""
        while self._running:
            await asyncio.wait(self._running.values())

    async def _fire_all(self, kind: str) -> None:
        """Fire all of a kind that are due, also those that become so meanwhile."""
        try:
            while await self._pass(kind):
                # Whoever sets timers that are due at once looks again at what comes next.
                self._woken.set()
        except (CrmError, *DATABASE_FAILURES) as failure:
            log.warning("timers_not_reached", kind=kind, error=type(failure).__name__)
        finally:
            del self._running[kind]

    async def _pass(self, kind: str) -> int:
        """Go through all of a kind that are due, once; how many fired."""
        fired, late_by, after, full = 0, timedelta(), FIRST, True
        while full and not self._stopping:
            async with self._pool.acquire(timeout=self._limit_s) as connection:
                batch = await due(connection, kind, self._kinds, now=self._clock(), after=after, limit=BATCH)
            timers = await self._fire(kind, batch)
            fired += len(timers)
            late_by = max((timer.late_by for timer in timers), default=late_by)
            full = len(batch) == BATCH
            after = batch[-1] if batch else after
        if fired:
            async with self._begin() as tx:
                await note_fired(tx, kind, fired, late_by)
        return fired

    async def _fire(self, kind: str, batch: Sequence[Candidate]) -> list[DueTimer]:
        """Fire some in one transaction. Where it fails each half has one of its own, down to the one to blame."""
        if not batch or self._stopping:
            return []
        try:
            async with asyncio.timeout(self._limit_s), self._begin() as tx:
                return await self._take_effect(tx, kind, batch)
        except Exception as failure:  # whatever a handler raises must not hold up other timers
            if _is_unreachable(failure):
                raise
            if len(batch) == 1:
                await self._put_off(kind, batch[0], failure)
                return []
            middle = len(batch) // 2
            return await self._fire(kind, batch[:middle]) + await self._fire(kind, batch[middle:])

    async def _take_effect(self, tx: Transaction, kind: str, batch: Sequence[Candidate]) -> list[DueTimer]:
        """Records are locked before timers, as whoever changes a record and then sets its timers does it. Nobody is
        waited for: what somebody is at fires at the next look.
        """
        busy, gone = await _lock(tx, batch)
        timers = await take(tx, [timer.id for timer in batch if timer.entity_id not in busy])
        alive = [timer for timer in timers if timer.entity_id not in gone]
        if alive:
            await self._handlers[kind](tx, alive)
        return timers

    async def _put_off(self, kind: str, timer: Candidate, failure: Exception) -> None:
        error = kept(failure)
        async with self._begin() as tx:
            held = await put_off(tx, timer.id, error, BACKOFF)
        log.warning("timer_failed", timer=str(timer.id), timer_kind=kind, held=held, **error)


async def fire_timers(hub: Hub, told: asyncio.Event) -> None:
    """The loop of timers: fires them until told to end."""
    begin = transactions(hub, await own_user(hub, *USER), source=SOURCE)
    await Firing(begin, hub.primary, hub.clock, HANDLERS).run(told)


def _is_unreachable(failure: Exception) -> bool:
    """Whether it is not the timers' fault: the database is gone. A deadlock or a lock that lasts may be theirs."""
    known = failure if isinstance(failure, CrmError) else domain_error(failure)
    return isinstance(known, Unavailable) and known.template_key == Unavailable.template


async def _lock(tx: Transaction, batch: Sequence[Candidate]) -> tuple[set[UUID], set[UUID]]:
    """Lock the records of timers; which of them somebody else is at, and which are archived or gone."""
    records: dict[str, set[UUID]] = {}
    for timer in batch:
        entity = tx.catalog.types.get(timer.entity_type)
        if entity is not None and entity.tracked:
            records.setdefault(entity.table, set()).add(timer.entity_id)
    busy, gone = set[UUID](), set[UUID]()
    for table, ids in sorted(records.items()):
        rows = {row["id"]: row["archived"] for row in await tx.fetch(_locking(table), ids=sorted(ids))}
        busy |= {id_ for id_, archived in rows.items() if archived is None}
        gone |= {id_ for id_ in ids if rows.get(id_, True)} - busy
    return busy, gone


@lru_cache(maxsize=64)
def _locking(table: str) -> Any:
    """Lock rows that nobody else is at. `archived` is missing for those that somebody is at."""
    return sql(
        """
        WITH mine AS MATERIALIZED (
            SELECT id, archived_at IS NOT NULL AS archived FROM {table} WHERE id = ANY({ids})
            ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
        )
        SELECT e.id, mine.archived FROM {table} e LEFT JOIN mine ON mine.id = e.id WHERE e.id = ANY({ids})
        """,
        table=name(table),
        ids=param(Input("ids"), "uuid[]"),
    )
