"""Connections: an SQLAlchemy engine for writes, an asyncpg pool of its own for compiled reads.

Both take one kind of URL. Session settings travel in the start-up message, so that they cost no round trip; a pooler in
between must let them pass (pgbouncer: `ignore_startup_parameters` or `track_extra_parameters`).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast
from urllib.parse import quote, unquote, urlsplit

import asyncpg
import orjson
from asyncpg.protocol import NO_TIMEOUT
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool

from crm_graph.settings import Settings

_SCHEMES = {"postgres", "postgresql", "postgresql+asyncpg"}
_WRITE_STATEMENT_CACHE = 500
_POOL_SIZE = 4
_OLDEST_VERSION = 160_000

ENDED_MEANWHILE = asyncpg.InternalClientError
"""How asyncpg fails on a connection that the server has just ended: told so, and not yet that the line is down."""
DATABASE_FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ENDED_MEANWHILE)
"""All that a statement or the opening of a connection may fail with."""


def dsn(url: str) -> str:
    """The URL as asyncpg and libpq take it.

    `postgres://`, `postgresql://` and `postgresql+asyncpg://` all become `postgresql://`; a socket directory stays in
    `?host=`. Raises ValueError for anything else, without repeating the URL, which may hold a password.
    """
    if urlsplit(url).scheme not in _SCHEMES:
        raise ValueError("a database URL starts with postgresql://")
    return "postgresql://" + url.partition("://")[2]


def with_database(url: str, database: str) -> str:
    """The same server, another database."""
    parts = urlsplit(dsn(url))
    query = f"?{parts.query}" if parts.query else ""
    return f"postgresql://{parts.netloc}/{quote(database)}{query}"


def database_name(url: str) -> str:
    """The database that a URL names; empty where it names none."""
    return unquote(urlsplit(url).path.removeprefix("/"))


async def connect(
    url: str, *, application_name: str = "crm-graph", timeout_s: float = 5.0
) -> "asyncpg.Connection[Any]":
    """One plain connection for administration; the caller closes it."""
    return await asyncpg.connect(
        dsn(url), timeout=timeout_s, server_settings={"application_name": application_name, "TimeZone": "UTC"}
    )


class UnfitServer(RuntimeError):
    """The database cannot be reached, or cannot hold the hub; the text says what to do."""


async def require_server(url: str, settings: Settings) -> None:
    """Raise UnfitServer unless a database answers that is PostgreSQL 16 or newer and keeps text in UTF-8."""
    try:
        connection = await connect(url, timeout_s=settings.connect_timeout_s)
    except (OSError, TimeoutError, asyncpg.PostgresError) as failure:
        raise UnfitServer(f"the database cannot be opened: {failure or 'no answer'}") from failure
    try:
        version = int(await connection.fetchval("SHOW server_version_num"))
        encoding = await connection.fetchval("SHOW server_encoding")
    finally:
        await connection.close()
    why = why_unfit(version, encoding)
    if why is not None:
        raise UnfitServer(why)


def why_unfit(version: int, encoding: str) -> str | None:
    """What is wrong with a server of that `server_version_num` and `server_encoding`; None when nothing is."""
    if version < _OLDEST_VERSION:
        return f"the database runs on PostgreSQL {version // 10_000}; 16 or newer is needed"
    if encoding != "UTF8":
        return f"the database keeps text in {encoding}; make one with ENCODING 'UTF8'"
    return None


def write_engine(url: str, settings: Settings) -> AsyncEngine:
    """The engine of services and migrations.

    `jsonb` is decoded; `json` comes as raw UTF-8 bytes, as on the read pool, so that a mutation's payload can be read
    by a compiled statement in the transaction that made it.
    """
    server_settings = {
        **_session(settings, "crm-graph write"),
        "statement_timeout": str(settings.write_timeout_ms),
        "lock_timeout": str(settings.lock_timeout_ms),
        "idle_in_transaction_session_timeout": str(settings.transaction_idle_timeout_ms),
    }

    async def open_connection(**_: Any) -> "asyncpg.Connection[Any]":
        connection: asyncpg.Connection[Any] = await asyncpg.connect(
            dsn(url),
            timeout=settings.connect_timeout_s,
            command_timeout=command_timeout(settings.write_timeout_ms),
            server_settings=server_settings,
            **_statement_cache(settings),
        )
        # PostgreSQL 16 does not know it, and would refuse the connection for it.
        await connection.execute(
            "SELECT set_config('transaction_timeout', $1, false)"
            " WHERE current_setting('server_version_num')::int >= 170000",
            str(settings.transaction_time_limit_ms),
        )
        return connection

    engine = create_async_engine(
        "postgresql+asyncpg://",
        pool_size=settings.write_pool_size,
        max_overflow=settings.write_pool_overflow,
        pool_timeout=settings.pool_wait_s,
        pool_use_lifo=True,
        connect_args={
            "async_creator_fn": open_connection,
            "prepared_statement_cache_size": min(settings.statement_cache_size, _WRITE_STATEMENT_CACHE),
        },
    )
    event.listen(engine.sync_engine, "connect", _raw_json_on_connect)
    return engine


def engine_on(connection: "asyncpg.Connection[Any]") -> AsyncEngine:
    """The engine of services on a connection that is open: in a transaction of it, theirs are savepoints."""

    async def opened(**_: Any) -> "asyncpg.Connection[Any]":
        return connection

    arguments = {"async_creator_fn": opened}
    engine = create_async_engine(
        "postgresql+asyncpg://", poolclass=StaticPool, connect_args=arguments, json_deserializer=orjson.loads
    )
    event.listen(engine.sync_engine, "connect", _raw_json_on_connect)
    return engine


class ReadConnection(asyncpg.Connection):
    """A connection that nothing ever changes the session of, so that there is nothing to reset when it is released."""

    __slots__ = ()

    def get_reset_query(self) -> str:
        return ""


class ReadPool(asyncpg.Pool):
    """A pool of `ReadConnection` for health, rights and keys; compiled reads keep connections of their own."""


async def read_pool(url: str, settings: Settings) -> ReadPool:
    """A small pool of read-only sessions that hand over `json` as the bytes that Postgres built.

    Plans are generic: with parameters in LIMIT the server would otherwise plan anew at every execution, which costs
    more than a small read itself.
    """
    return await ReadPool(
        dsn(url),
        min_size=1,
        max_size=_POOL_SIZE,
        max_queries=1_000_000_000,
        max_inactive_connection_lifetime=0,
        connect=None,
        setup=None,
        init=raw_json,
        reset=None,
        loop=None,
        connection_class=ReadConnection,
        record_class=asyncpg.Record,
        timeout=settings.connect_timeout_s,
        command_timeout=command_timeout(settings.statement_timeout_ms),
        server_settings=_reading(settings),
        **_statement_cache(settings),
    )


Fetch = Callable[..., Awaitable[Sequence[Any]]]
"""Runs one prepared statement with its arguments, and gives its rows; statements of reads have one, with one value."""


class LaneConnection(asyncpg.Connection):
    """A connection for compiled reads. The latest of their statements stay prepared, and are given to the protocol as
    they are: that spares each read the driver's own look-up, three coroutines and a timer. What looks after those that
    take too long is who lends the connection (`lanes.py`), by `turns`, the number of times that it was lent.
    """

    __slots__ = ("_keeps", "fetches", "turns")

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.fetches: dict[str, Fetch] = {}
        self.turns = 0
        self._keeps = 0

    def keep(self, statements: int) -> None:
        """Keep so many statements; with none, as behind some poolers, they have no names on the server."""
        self._keeps = statements

    async def prepared(self, statement: str) -> Fetch:
        """What runs a statement that is not among `fetches`. From now on it is; the oldest goes."""
        if not self._keeps:
            return partial(self.fetch, statement)
        fetch = self._fetch_of(await self.prepare(statement))
        if len(self.fetches) >= self._keeps:
            del self.fetches[next(iter(self.fetches))]
        self.fetches[statement] = fetch
        return fetch

    def _fetch_of(self, prepared: Any) -> Fetch:
        """What `prepared.fetch` does. It holds the object, with which the statement would go."""
        driver: Any = self
        execute = driver._protocol.bind_execute  # noqa: SLF001 - asyncpg has no public way that is as short

        def fetch(*arguments: Any) -> Awaitable[Sequence[Any]]:
            rows: Awaitable[Sequence[Any]] = execute(prepared._state, arguments, "", 1, False, NO_TIMEOUT)  # noqa: SLF001
            return rows

        return fetch

    def terminate(self) -> None:
        """End it, and let go of the statements, which hold the connection."""
        self.fetches.clear()
        super().terminate()


async def read_connection(url: str, settings: Settings, kind: type[LaneConnection] = LaneConnection) -> Any:
    """One connection for compiled reads, with sessions like those of the pool."""
    connection: LaneConnection = await asyncpg.connect(
        dsn(url),
        connection_class=kind,
        timeout=settings.connect_timeout_s,
        command_timeout=command_timeout(settings.statement_timeout_ms),
        server_settings=_reading(settings),
        **_statement_cache(settings),
    )
    connection.keep(settings.statement_cache_size)
    await raw_json(connection)
    return connection


async def export_connection(url: str, settings: Settings) -> "asyncpg.Connection[Any]":
    """A connection for one export. Its statements are planned for their values, and to give their first rows soon."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(
        dsn(url),
        timeout=settings.connect_timeout_s,
        command_timeout=command_timeout(settings.export_fetch_timeout_ms),
        statement_cache_size=0,
        server_settings={
            **_session(settings, "crm-graph export"),
            "statement_timeout": str(settings.export_fetch_timeout_ms),
            "idle_in_transaction_session_timeout": str(round(2_000 * settings.export_stall_s)),
            "default_transaction_read_only": "on",
            "cursor_tuple_fraction": "0.01",
        },
    )
    try:
        await raw_json(connection)
    except BaseException:
        connection.terminate()
        raise
    return connection


def _reading(settings: Settings) -> dict[str, str]:
    return {
        **_session(settings, "crm-graph read"),
        "statement_timeout": str(settings.statement_timeout_ms),
        "default_transaction_read_only": "on",
        "plan_cache_mode": "force_generic_plan",
    }


async def raw_json(connection: Any) -> None:
    """Let `json` through as bytes, in both directions."""
    await connection.set_type_codec("json", schema="pg_catalog", encoder=_same, decoder=_same, format="binary")


def _raw_json_on_connect(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cast("Any", connection).run_async(raw_json)


def _same(value: bytes) -> bytes:
    return value


def _session(settings: Settings, application_name: str) -> Mapping[str, str]:
    return {"application_name": application_name, "jit": "off", "TimeZone": "UTC"}


def _statement_cache(settings: Settings) -> Mapping[str, Any]:
    """Prepared statements are kept for good, whatever their length; asyncpg would forget long ones and old ones."""
    return {
        "statement_cache_size": settings.statement_cache_size,
        "max_cached_statement_lifetime": 0,
        "max_cacheable_statement_size": 0,
    }


def command_timeout(server_ms: int) -> float:
    """Seconds that we wait ourselves: a little more than the server allows, for when the network is gone."""
    return server_ms / 1000 + 5
