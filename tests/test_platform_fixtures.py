"""`clean` gives the database back as it was."""

from datetime import UTC, datetime

import asyncpg
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.db import ReadPool
from crm_graph.models import User
from crm_graph.models.ids import EntityCode, IdSource

IDS = IdSource()


async def insert_user(engine: AsyncEngine, username: str) -> None:
    async with engine.begin() as connection:
        now = datetime(2026, 11, 1, tzinfo=UTC)
        await connection.execute(
            insert(User),
            {
                "id": IDS.new(EntityCode.USER),
                "kind": "PERSON",
                "username": username,
                "name": username,
                "created_at": now,
                "updated_at": now,
            },
        )


async def test_a_test_that_commits(clean: None, engine: AsyncEngine, pool: ReadPool) -> None:
    await insert_user(engine, "short-lived")
    async with engine.begin() as connection:
        await connection.execute(
            text("INSERT INTO exchange_rates (currency, valid_on, rate) VALUES ('USD', '2026-11-01', 7.1)")
        )
    assert await pool.fetchval("SELECT count(*) FROM users WHERE username = 'short-lived'") == 1


async def test_leaves_nothing_but_the_reference_rows_there_were(pool: ReadPool) -> None:
    assert await pool.fetchval("SELECT count(*) FROM users WHERE username = 'short-lived'") == 0
    assert await pool.fetchval("SELECT count(*) FROM exchange_rates") == 0
    assert await pool.fetchval("SELECT count(*) FROM policy_version") == 1


async def test_every_worker_has_a_database_of_its_own(pool: ReadPool, worker_id: str) -> None:
    name: asyncpg.Record = await pool.fetchval("SELECT current_database()")
    assert str(name).endswith(f"_{worker_id}")
