"""Bringing a database to the state of the models, and proving that the two agree."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from crm_graph.db import require_server, write_engine
from crm_graph.models import Base
from crm_graph.services.log_epochs import begin_epoch
from crm_graph.settings import Settings

_ASK_AGAIN_S = 0.1
_ADVISORY_LOCK = 0x63726D5F6D696772
"""`crm_migr`: replicas that start together migrate one after the other."""
_MONTHS_AHEAD = 3
_LONGEST_STATEMENT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Migrated:
    """What one run did: the revision found, and the one that stands now."""

    before: str | None
    after: str | None


def head() -> str:
    """The newest revision that this version of the hub brings."""
    return _known()[0]


@cache
def _known() -> tuple[str, frozenset[str]]:
    scripts = ScriptDirectory.from_config(_config())
    newest = scripts.get_current_head()
    if newest is None:
        raise RuntimeError("the migrations are missing from this installation")
    return newest, frozenset(revision.revision for revision in scripts.walk_revisions())


def is_behind(revision: str | None) -> bool:
    """Whether a database at this revision lacks what this version needs.

    A revision that we do not know is a newer one, which stays compatible with the release before it.
    """
    newest, known = _known()
    return revision is None or (revision in known and revision != newest)


async def current(connection: AsyncConnection) -> str | None:
    """The revision that a database is at; None for one that was never migrated."""
    return await connection.run_sync(_current)


async def migrate(url: str, settings: Settings) -> Migrated:
    """Bring a database to `head`. Safe to call from several processes at once; DDL gives up after the lock timeout.

    Raises UnfitServer for a server that cannot hold the hub.
    """
    await require_server(url, settings)
    async with _engine(url, settings) as engine, engine.connect() as connection, _alone(connection):
        before = await current(connection)
        # Alembic begins and ends the transaction of each revision only on a connection that is in none.
        await connection.rollback()
        await connection.run_sync(_upgrade)
        await connection.commit()
        await begin_epoch((await connection.get_raw_connection()).driver_connection)
        await connection.commit()
        await _make_event_partitions(connection)
        await connection.commit()
        return Migrated(before, await current(connection))


async def drift(url: str, settings: Settings) -> list[str]:
    """How a migrated database differs from the models, one line each; empty when they agree.

    The models are built beside it in a schema that is rolled back, and both are read from Postgres' own catalog, so
    that checks, defaults and partial indexes count too.
    """
    async with _engine(url, settings) as engine, engine.connect() as connection:
        migrated = await _shape(connection, "public")
        await connection.execute(text("CREATE SCHEMA crm_models"))
        await connection.execute(text("SET LOCAL search_path = crm_models"))
        await connection.run_sync(Base.metadata.create_all, checkfirst=False)
        modelled = await _shape(connection, "crm_models")
        await connection.rollback()
    return [f"only in the database: {line}" for line in sorted(migrated - modelled)] + [
        f"only in the models: {line}" for line in sorted(modelled - migrated)
    ]


@asynccontextmanager
async def _engine(url: str, settings: Settings) -> AsyncIterator[AsyncEngine]:
    """An engine whose statements may take long, for a backfill of a large table."""
    longest_ms = int(_LONGEST_STATEMENT / timedelta(milliseconds=1))
    engine = write_engine(
        url, settings.model_copy(update={"write_timeout_ms": longest_ms, "transaction_time_limit_ms": 0})
    )
    try:
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def _alone(connection: AsyncConnection) -> AsyncIterator[None]:
    """Hold the migration lock; wait for whoever has it, however long theirs takes.

    It is asked for again and again: a statement that waits holds a snapshot, and an index that is built CONCURRENTLY
    waits for the end of every snapshot, so that each would wait for the other.
    """
    while not await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _ADVISORY_LOCK}):
        await connection.commit()
        await asyncio.sleep(_ASK_AGAIN_S)
    await connection.commit()
    try:
        yield
    finally:
        await connection.rollback()
        await connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _ADVISORY_LOCK})
        await connection.commit()


async def _make_event_partitions(connection: AsyncConnection) -> None:
    """From the newest month there is, or this one, to a few ahead."""
    await connection.execute(
        text("""
            WITH known AS (
                SELECT max(to_date(substr(relname, 8), 'YYYY_MM')) AS newest
                FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
                WHERE inhparent = 'events'::regclass AND relname ~ '^events_[0-9]{4}_[0-9]{2}$'
            ), today AS (
                SELECT date_trunc('month', now() AT TIME ZONE 'UTC')::date AS month
            )
            SELECT crm_make_event_partitions(
                least(coalesce(newest, month), month), (month + make_interval(months => :ahead + 1))::date
            )
            FROM known, today
        """),
        {"ahead": _MONTHS_AHEAD},
    )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_scripts()).replace("%", "%%"))
    return config


def _scripts() -> Path:
    """Beside the code in a wheel, at the top of the repository otherwise."""
    packaged = Path(__file__).parent / "_migrations"
    return packaged if packaged.exists() else Path(__file__).parents[2] / "migrations"


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def _shape(connection: AsyncConnection, schema: str) -> set[str]:
    """Every column, constraint and index of a schema as one line of text; partitions are left out, and the tables of
    pgqueuer, which are as it says itself.
    """
    rows: Any = await connection.execute(_SHAPE, {"schema": schema})
    return {line.replace(f"{schema}.", "") for (line,) in rows}


_SHAPE = text("""
    WITH tables AS (
        SELECT c.oid, c.relname, c.relkind FROM pg_class c
        WHERE c.relnamespace = CAST(:schema AS regnamespace) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND c.relname <> 'alembic_version' AND NOT starts_with(c.relname, 'pgqueuer')
    )
    SELECT concat_ws(' ', 'table', relname, pg_get_partkeydef(oid)) FROM tables
    UNION ALL
    SELECT concat_ws(' ', 'column', relname, attname, format_type(atttypid, atttypmod),
                     CASE WHEN attnotnull THEN 'not null' END, pg_get_expr(adbin, adrelid))
    FROM tables
    JOIN pg_attribute ON attrelid = tables.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    UNION ALL
    SELECT concat_ws(' ', 'constraint', relname, conname, pg_get_constraintdef(pg_constraint.oid))
    FROM tables JOIN pg_constraint ON conrelid = tables.oid WHERE contype <> 'n'
    UNION ALL
    SELECT concat_ws(' ', 'index', pg_get_indexdef(indexrelid)) FROM tables JOIN pg_index ON indrelid = tables.oid
""")
