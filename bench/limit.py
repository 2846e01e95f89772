"""The limit: the fastest hand-written server for the one query of the benchmark, with no authentication and no rights.

Bare ASGI, one free list of prepared statements, JSON built by Postgres and sent as it comes. Nothing of `crm_graph`
runs here. Run it with `uvicorn bench.limit:app`; `BENCH_DATABASE_URL` names the database.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import asyncpg
import orjson

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Fetch = Callable[[int], Awaitable[bytes]]

CONNECTIONS = 8

QUERY = """
SELECT JSON_OBJECT('data' : JSON_OBJECT('customers' : JSON_OBJECT('nodes' : array_to_json(ARRAY(
  SELECT x FROM (
    SELECT c.id, c.name, c.kind, c.lifecycle_stage AS "lifecycleStage", c.tier, c.city,
           c.created_at AS "createdAt", c.updated_at AS "updatedAt",
           JSON_OBJECT('nodes' : array_to_json(ARRAY(
             SELECT x FROM (
               SELECT i.id, i.channel, i.occurred_at AS "occurredAt", i.direction
               FROM interactions i
               WHERE i.customer_id = c.id AND i.archived_at IS NULL
               ORDER BY i.id DESC LIMIT 5
             ) x))) AS interactions,
           JSON_OBJECT('nodes' : array_to_json(ARRAY(
             SELECT x FROM (
               SELECT o.id, o.name, o.expected_close_on AS "expectedCloseOn", o.currency
               FROM opportunities o
               WHERE o.customer_id = c.id AND o.archived_at IS NULL
               ORDER BY o.id DESC LIMIT 200
             ) x))) AS opportunities
    FROM (
      SELECT * FROM (
        SELECT * FROM customers WHERE archived_at IS NULL ORDER BY id DESC LIMIT 201
      ) c LIMIT $1::int
    ) c
  ) x)))))
"""

# Planned once and for all: a page size as a parameter makes Postgres plan anew at each execution otherwise.
SESSION = {"plan_cache_mode": "force_generic_plan", "jit": "off", "TimeZone": "UTC"}


class Limit:
    """The ASGI application."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._connections: list[asyncpg.Connection[Any]] = []
        self._free: asyncio.LifoQueue[Fetch] = asyncio.LifoQueue()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._answer(receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def _answer(self, receive: Receive, send: Send) -> None:
        message = await receive()
        body: bytes = message["body"]
        while message.get("more_body"):
            message = await receive()
            body += message["body"]
        size: int = orjson.loads(body)["variables"]["n"]
        fetch = await self._free.get()
        try:
            answer = await fetch(size)
        finally:
            self._free.put_nowait(fetch)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        for _ in range(CONNECTIONS):
            await self._connect()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for connection in self._connections:
            await connection.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _connect(self) -> None:
        connection: asyncpg.Connection[Any] = await asyncpg.connect(self._database_url, server_settings=SESSION)
        await connection.set_type_codec("json", schema="pg_catalog", encoder=_same, decoder=_same, format="binary")
        self._connections.append(connection)
        self._free.put_nowait((await connection.prepare(QUERY)).fetchval)


def _same(value: bytes) -> bytes:
    return value


app = Limit(os.environ.get("BENCH_DATABASE_URL", ""))
