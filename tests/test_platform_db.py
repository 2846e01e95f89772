"""What the two kinds of connections promise."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.db import (
    ReadPool,
    UnfitServer,
    connect,
    database_name,
    dsn,
    require_server,
    why_unfit,
    with_database,
)
from crm_graph.migrations import migrate
from crm_graph.settings import Settings


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


@pytest.mark.parametrize(
    ("version", "encoding", "why"),
    [
        (150_018, "UTF8", "the database runs on PostgreSQL 15; 16 or newer is needed"),
        (180_006, "LATIN1", "the database keeps text in LATIN1; make one with ENCODING 'UTF8'"),
        (160_000, "UTF8", None),
    ],
)
def test_too_old_a_server_and_another_encoding_are_refused(version: int, encoding: str, why: str | None) -> None:
    assert why_unfit(version, encoding) == why


async def test_what_is_wrong_with_a_database_is_told_before_anything_is_written(
    database_url: str, settings: Settings
) -> None:
    ascii_only = with_database(database_url, database_name(database_url) + "_ascii")
    admin = await connect(database_url, application_name="tests")
    try:
        await admin.execute(
            f"CREATE DATABASE {database_name(ascii_only)} TEMPLATE template0 ENCODING 'SQL_ASCII'"
            " LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'"
        )
        with pytest.raises(UnfitServer, match="keeps text in SQL_ASCII"):
            await migrate(ascii_only, settings)
        with pytest.raises(UnfitServer, match='database "nowhere" does not exist'):
            await require_server(with_database(database_url, "nowhere"), settings)
        with pytest.raises(UnfitServer, match="the database cannot be opened"):
            await require_server("postgresql://127.0.0.1:1/none", settings)
        await require_server(database_url, settings)
    finally:
        await admin.execute(f"DROP DATABASE IF EXISTS {database_name(ascii_only)} WITH (FORCE)")
        await admin.close()
