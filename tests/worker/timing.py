"""Timers on this worker's database: a clock that tests put, what was fired as events, and what fires them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.access import Access
from crm_graph.catalog import build_catalog
from crm_graph.db import ReadPool
from crm_graph.models.ids import EntityCode, IdSource
from crm_graph.permissions.principals import Principal
from crm_graph.services.timers import DueTimer, Handler, Timer, set_timers
from crm_graph.transaction import EventDraft, Transaction, begin
from crm_graph.worker.timers import Firing

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
CATALOG = build_catalog()


@dataclass
class Desk:
    """What a test sets timers with, and looks at what became of them."""

    engine: AsyncEngine
    pool: ReadPool
    database: "asyncpg.Connection[Any]"
    ids: IdSource = field(default_factory=IdSource)
    now: datetime = NOON
    waits: list[float] = field(default_factory=list)

    def clock(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    async def until(self, event: asyncio.Event, seconds: float) -> None:
        """Waiting takes no time but that of the clock."""
        self.waits.append(seconds)
        self.advance(seconds)

    def begin(self) -> AbstractAsyncContextManager[Transaction]:
        access = Access(("tester",), {}, frozenset(), 1)
        user = UUID(int=1)
        principal = Principal(user, "t", None, "tests", ("tester",), None, (), (), access, "en", "UTC")
        return begin(self.engine, principal, CATALOG, self.clock, self.ids, source="tests")

    def firing(self, handlers: Mapping[str, Handler] | None = None, **options: Any) -> Firing:
        """What fires `thing` timers as events, and whatever else is given."""
        given = {"thing": told("thing"), **(handlers or {})}
        return Firing(self.begin, self.pool, self.clock, given, until=self.until, **options)

    async def fire(self, handlers: Mapping[str, Handler] | None = None, **options: Any) -> None:
        """Let fire what is due."""
        firing = self.firing(handlers, **options)
        await firing.look()
        await firing.settle()

    def thing(self, seconds: float = 0, *, kind: str = "thing", key: str = "", of: UUID | None = None) -> Timer:
        """A timer so many seconds after noon, of a record that no table has."""
        return Timer(kind, "thing", of or self.ids.new(EntityCode.EXPORT), NOON + timedelta(seconds=seconds), None, key)

    async def set(self, *timers: Timer) -> None:
        async with self.begin() as tx:
            await set_timers(tx, timers)

    async def users(self, count: int) -> list[UUID]:
        """People who work here."""
        rows = await self.database.fetch(
            "INSERT INTO users (id, kind, username, name, created_at, updated_at)"
            " SELECT crm_id(7), 'PERSON', 'timers-' || gen_random_uuid(), 'Wang', now(), now()"
            " FROM generate_series(1, $1) RETURNING id",
            count,
        )
        return [row["id"] for row in rows]

    async def fired(self) -> list[tuple[str, UUID, str]]:
        """Kind, record and key of each that fired, in the order in which they did."""
        rows = await self.database.fetch(
            "SELECT type, entity_id, reason FROM events WHERE source = 'tests' ORDER BY transaction, n"
        )
        return [(row["type"], row["entity_id"], row["reason"] or "") for row in rows]

    async def left(self) -> list[dict[str, Any]]:
        """The timers that are there, the earliest first."""
        rows = await self.database.fetch(
            "SELECT kind, entity_id, key, due_at, wake_at, attempts, error ->> 'kind' AS error, held_at FROM timers"
            " ORDER BY due_at, kind, key"
        )
        return [dict(row) for row in rows]


def told(kind: str) -> Handler:
    """A handler that writes an event for each timer."""

    async def handler(tx: Transaction, timers: Sequence[DueTimer]) -> None:
        for timer in timers:
            assert timer.kind == kind
            changed = {"late_s": timer.late_by.total_seconds()}
            tx.record(
                EventDraft(kind, timer.entity_type, timer.entity_id, 1, ["late_s"], {}, changed, reason=timer.key)
            )

    return handler


def failing(on: Callable[[DueTimer], bool], how: Callable[[], Awaitable[None]]) -> Handler:
    """A handler that writes events as `told`, and then fails where one of its timers is a certain one."""
    writes = told("thing")

    async def handler(tx: Transaction, timers: Sequence[DueTimer]) -> None:
        await writes(tx, timers)
        await tx.flush()
        if any(on(timer) for timer in timers):
            await how()

    return handler
