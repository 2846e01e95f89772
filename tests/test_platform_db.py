"""What the two kinds of connections promise."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.db import ReadPool, connect, database_name, dsn, with_database


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("postgres://u:p@h:1/db?sslmode=disable", "postgresql://u:p@h:1/db?sslmode=disable"),
        ("postgresql+asyncpg://u@h/db", "postgresql://u@h/db"),
        ("postgresql:///db?host=/run/pg", "postgresql:///db?host=/run/pg"),
        ("postgresql://postgres@/db?host=/run/pg", "postgresql://postgres@/db?host=/run/pg"),
    ],
)
def test_every_form_of_url_becomes_one(given: str, expected: str) -> None:
    assert dsn(given) == expected


def test_refuses_another_database_without_telling_its_password() -> None:
    with pytest.raises(ValueError, match=r"^a database URL starts with postgresql://$"):
        dsn("mysql://root:secret@h/db")


def test_names_another_database_of_the_same_server() -> None:
    url = with_database("postgresql:///one?host=/run/pg", "two")
    assert url == "postgresql:///two?host=/run/pg"
    assert database_name(url) == "two"


async def test_read_pool_hands_over_json_as_the_bytes_that_postgres_built(pool: ReadPool) -> None:
    built = await pool.fetchval("""SELECT json_build_object('名', '海尔', 'n', 1.50, 's', '{"a":  1}'::json)""")
    assert built == '{"名" : "海尔", "n" : 1.50, "s" : {"a":  1}}'.encode()


async def test_read_pool_leaves_jsonb_as_text(pool: ReadPool) -> None:
    assert await pool.fetchval("""SELECT '{"a":  1}'::jsonb""") == '{"a": 1}'


async def test_read_sessions_are_read_only_in_utc_without_jit(pool: ReadPool) -> None:
    names = ("default_transaction_read_only", "TimeZone", "jit", "statement_timeout", "application_name")
    row = await pool.fetchrow("SELECT " + ", ".join(f"current_setting('{name}')" for name in names))
    assert row is not None
    assert tuple(row) == ("on", "UTC", "off", "10s", "crm-graph read")


async def test_a_read_costs_one_round_trip(pool: ReadPool) -> None:
    statement = "SELECT 41 + 1"
    async with pool.acquire() as connection:
        await connection.fetchval(statement)
    logged: list[Any] = []
    async with pool.acquire() as connection:
        connection.add_query_logger(logged.append)
        await connection.fetchval(statement)
        await connection.reset()
        assert connection.get_reset_query() == ""
    assert [entry.query for entry in logged] == [statement]


async def test_write_sessions_decode_jsonb_and_hand_over_json_as_bytes(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        row = (await connection.execute(text("""SELECT '{"a": 1}'::jsonb, '{"a":  1}'::json"""))).one()
    assert tuple(row) == ({"a": 1}, b'{"a":  1}')


async def test_an_idle_transaction_is_ended_by_the_server(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        row = (
            await connection.execute(
                text(
                    "SELECT current_setting('idle_in_transaction_session_timeout'), current_setting('lock_timeout'),"
                    " current_setting('statement_timeout')"
                )
            )
        ).one()
    assert tuple(row) == ("1min", "5s", "30s")


async def test_connections_to_nowhere_fail_in_time() -> None:
    with pytest.raises((OSError, asyncio.TimeoutError)):
        await connect("postgresql://nobody@127.0.0.1:1/none", timeout_s=1)
