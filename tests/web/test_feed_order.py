"""The feed under writers that commit in any order: nothing is missed or told twice, as it is without the horizon."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from random import Random
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import pytest

from crm_graph.db import connect
from crm_graph.fragments import sql
from crm_graph.resolvers.feed import sql as feed_sql

from .conftest import Crm
from .feeding import CHANGES, Reader

WRITERS, ROUNDS = 32, 6

Connection: TypeAlias = "asyncpg.Connection[Any]"


@pytest.fixture(scope="module")
async def writers(fed: Crm) -> AsyncIterator[list[Connection]]:
    async with AsyncExitStack() as stack:
        opened = [await connect(str(fed.settings.database_url), application_name="tests") for _ in range(WRITERS)]
        for connection in opened:
            stack.push_async_callback(connection.close)
        yield opened


async def append(connection: Connection, entity_id: UUID, n: int) -> UUID:
    """An event about a record, as services write them."""
    made: UUID = await connection.fetchval(
        "INSERT INTO events (id, epoch, n, type, entity_type, entity_id, entity_version, customer_id, occurred_at,"
        " source, changed, before, after)"
        " SELECT crm_id(15, timestamptz '2026-11-22 04:00Z'), (SELECT max(epoch) FROM log_epochs), $2,"
        " 'customer.updated', 'customer', $1, 2, $1, timestamptz '2026-11-22 04:00Z', 'api', '[\"name\"]',"
        ' \'{"name": "a"}\', \'{"name": "b"}\' RETURNING id',
        entity_id,
        n,
    )
    return made


class Interleaving:
    """Writers whose transactions take a number, write and end in an order of their own, drawn by chance."""

    def __init__(self, seed: int, writers: list[Connection], entity_id: UUID) -> None:
        self._random, self._writers, self._entity_id = Random(seed), writers, entity_id
        self.committed: list[UUID] = []

    async def write(self, writer: Connection, go: asyncio.Queue[None]) -> None:
        """Transactions that go one statement further whenever they are let."""
        for _ in range(ROUNDS):
            transaction, written = writer.transaction(), list[UUID]()
            await transaction.start()
            for n in range(self._random.randint(1, 3)):
                await go.get()
                written.append(await append(writer, self._entity_id, n))
            await go.get()
            if self._random.random() < 0.15:
                await transaction.rollback()
            else:
                await transaction.commit()
                self.committed += written

    async def run(self, read: Any) -> None:
        """Let them write, and `read` now and then, until all have ended."""
        queues = [asyncio.Queue[None]() for _ in self._writers]
        tasks = [asyncio.create_task(self.write(w, q)) for w, q in zip(self._writers, queues, strict=True)]
        while not all(task.done() for task in tasks):
            for place in self._random.sample(range(len(tasks)), 6):
                queues[place].put_nowait(None)
            await read()
        await asyncio.gather(*tasks)


async def read_while_written(
    fed: Crm, writers: list[Connection], seed: int, document: str = CHANGES
) -> tuple[list[str], list[str]]:
    """The ids that were told, and those that were committed."""
    made = await fed.make("sun", "customer", kind="ORGANIZATION", name=f"Written at once {seed}")
    reader, told = await Reader(fed, "sun", document=document).at_end(), list[str]()

    async def read() -> None:
        page = await reader.page(first=20)
        told.extend(node["id"] for node in page["nodes"])

    interleaving = Interleaving(seed, writers, UUID(made["id"]))
    await interleaving.run(read)
    told.extend(node["id"] for node in await reader.rest())
    return told, [str(id_) for id_ in interleaving.committed]


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_is_missed_or_told_twice(fed: Crm, writers: list[Connection], seed: int) -> None:
    told, committed = await read_while_written(fed, writers, seed)
    assert len(committed) > WRITERS * ROUNDS
    assert sorted(told) == sorted(committed)


async def test_without_the_horizon_something_is_missed(
    fed: Crm, writers: list[Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_sql, "_HORIZON", sql("pg_snapshot_xmax(pg_current_snapshot())"))
    told, committed = await read_while_written(fed, writers, 3, f"# What was compiled before is kept.\n{CHANGES}")
    assert set(committed) - set(told)
