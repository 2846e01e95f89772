"""A hub on this worker's database, and its jobs done in this process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.db import ReadPool, connect
from crm_graph.hub import Hub, open_hub, own_user, prepare, transactions
from crm_graph.services.jobs import QUEUE, Handler, Job, enqueue
from crm_graph.settings import Settings
from crm_graph.transaction import Transaction
from crm_graph.worker.jobs import Jobs

from .timing import Desk

PATIENCE_S = 60
TESTER = ("system.tests", "Tests")


@dataclass
class Company:
    """A hub, and what tests do with its jobs. `changed` tells that rows of the queue came or went."""

    hub: Hub
    database: "asyncpg.Connection[Any]"
    begin: Callable[[], AbstractAsyncContextManager[Transaction]]
    changed: asyncio.Event

    async def enqueue(self, *jobs: Job) -> None:
        """Enqueue in a transaction of their own."""
        async with self.begin() as tx:
            await enqueue(tx, *jobs)

    @asynccontextmanager
    async def working(self, handlers: Mapping[str, Handler], **given: Any) -> AsyncIterator[Jobs]:
        """A loop of jobs in this process; what it raises is raised."""
        told = asyncio.Event()
        jobs = Jobs(self.hub, handlers, **given)
        running = asyncio.create_task(jobs.run(told))
        try:
            yield jobs
        finally:
            told.set()
            await running

    async def until(self, count: int, where: str = "TRUE") -> None:
        """Wait until so many rows of the queue match."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self.changed.clear()
                if await self.database.fetchval(f"SELECT count(*) FROM pgqueuer WHERE {where}") == count:
                    return
                await self.changed.wait()

    async def pass_time(self, interval: str) -> None:
        """Let so much time go by for the queue: all that stands in it is so much longer ago."""
        await self.database.execute(
            "UPDATE pgqueuer SET execute_after = execute_after - $1::text::interval,"
            " heartbeat = heartbeat - $1::text::interval, updated = updated - $1::text::interval,"
            " created = created - $1::text::interval",
            interval,
        )
        await self.wake()

    async def wake(self) -> None:
        """Have workers look at the queue now."""
        await self.database.execute("SELECT pg_notify($1, $2)", QUEUE.channel, '{"operation": "insert"}')

    async def changes(self, count: int) -> None:
        """Wait until the queue has changed so often; not longer than it takes to be empty."""
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(count):
                self.changed.clear()
                if not await self.database.fetchval("SELECT EXISTS (SELECT FROM pgqueuer)"):
                    return
                await self.changed.wait()


# pgqueuer's own trigger tells of no updates.
_WATCHED = """
CREATE TABLE effects (n serial, job bigint, value text);
CREATE FUNCTION tests_updated() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_notify('tests_updated', ''); RETURN NULL; END $$;
CREATE TRIGGER tests_updated AFTER UPDATE ON pgqueuer EXECUTE FUNCTION tests_updated();
"""
_UNWATCHED = """
DROP TABLE effects;
DROP TRIGGER tests_updated ON pgqueuer;
DROP FUNCTION tests_updated;
"""


@pytest.fixture(scope="module")
async def hub(settings: Settings, engine: AsyncEngine) -> AsyncIterator[Hub]:
    await prepare(engine)
    async with open_hub(settings) as opened:
        yield opened


@pytest.fixture
async def company(hub: Hub, clean: None) -> AsyncIterator[Company]:
    """A hub with an empty queue."""
    database = await connect(str(hub.settings.database_url), application_name="tests")
    await database.execute("TRUNCATE pgqueuer, pgqueuer_log")
    await database.execute(_WATCHED)
    changed = asyncio.Event()
    await database.add_listener(QUEUE.channel, lambda *_: changed.set())
    await database.add_listener("tests_updated", lambda *_: changed.set())
    tester = await own_user(hub, *TESTER)
    try:
        yield Company(hub, database, transactions(hub, tester, source="tests", request_id="request-1"), changed)
    finally:
        await database.execute("TRUNCATE pgqueuer, pgqueuer_log")
        await database.execute(_UNWATCHED)
        await database.close()


@pytest.fixture
async def desk(clean: None, engine: AsyncEngine, pool: ReadPool, database_url: str) -> AsyncIterator[Desk]:
    """Timers by a clock that the test puts."""
    database = await connect(database_url, application_name="tests")
    yield Desk(engine, pool, database)
    await database.close()
