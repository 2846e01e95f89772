"""Hubs as they run in production: processes of their own on one database, by the real clock."""

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from crm_graph.db import connect
from crm_graph.maintenance import drop_keys, rotate_keys
from crm_graph.permissions.keys import load_keys
from crm_graph.settings import Settings

from .conftest import Answer, Clock, Crm, staff
from .machines import GRANT, basic_header

SOURCES = str(Path(__file__).parents[2] / "src")
SERVE = [sys.executable, "-c", "from crm_graph.cli import main; main()", "serve"]
LEFT_OUT = ("CRM_GRAPH", "DATABASE", "HOST", "PORT", "PYTHONDONTWRITEBYTECODE")
HOLDS_WITHIN_S = 1.0
PATIENCE_S = 60


class RealClock(Clock):
    """The time of the machine, which the processes go by."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class Processes:
    """Hubs on one database. `crm` speaks to the first of them."""

    crm: Crm
    hubs: Sequence[Crm]

    async def token_of(self, client_id: str, secret: str, hub: int = 0) -> httpx.Response:
        """What the token endpoint of a hub answers to a client."""
        headers = {"Authorization": basic_header(client_id, secret)}
        return await self.hubs[hub].http.post("/oauth/token", data=GRANT, headers=headers)

    async def rotate_keys(self) -> str:
        """Let a new key sign from now on, before everybody has it, and give its kid."""
        key = await rotate_keys(str(self.crm.settings.database_url), self.crm.settings, published_before=timedelta())
        return key.kid

    async def drop_key(self, kid: str) -> None:
        """Drop a key that leaked, as the command does."""
        await drop_keys(str(self.crm.settings.database_url), self.crm.settings, [kid])

    async def held(self, statement: str, waiting: Sequence[Awaitable[Any]]) -> list[Any]:
        """What each comes to, once all of them wait for rows that are locked meanwhile: they run into each other."""
        async with self.crm.database.transaction():
            await self.crm.database.execute(statement)
            tasks = [asyncio.ensure_future(work) for work in waiting]
            await self._until_blocked(len(tasks))
        return await asyncio.gather(*tasks)

    async def _until_blocked(self, count: int) -> None:
        blocked = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        async with asyncio.timeout(PATIENCE_S):
            while await self.crm.database.fetchval(blocked) < count:
                # Within a transaction the statistics stand still unless they are told not to.
                await self.crm.database.execute("SELECT pg_stat_clear_snapshot()")


async def ask(hub: Crm, access_token: str, query: str, variables: Mapping[str, Any] | None = None) -> Answer:
    """Ask a hub with a token."""
    headers = {"Authorization": f"Bearer {access_token}", "Accept": "application/graphql-response+json"}
    return Answer(await hub.http.post("/graphql", json={"query": query, "variables": variables}, headers=headers))


async def refused_in_time(asked: Callable[[], Awaitable[Answer]]) -> Answer:
    """The first refusal. Whatever is sent a second after the change that was told of just now is refused already."""
    since = time.monotonic()
    while True:
        sent = time.monotonic()
        answer = await asked()
        if answer.status != 200:
            return answer
        assert sent - since < HOLDS_WITHIN_S


async def served_again(asked: Callable[[], Awaitable[Answer]]) -> Answer:
    """The first answer, which whatever is sent a second after the change gets too."""
    since = time.monotonic()
    while True:
        sent = time.monotonic()
        answer = await asked()
        if answer.status == 200:
            return answer
        assert sent - since < HOLDS_WITHIN_S


@asynccontextmanager
async def running(settings: Settings, count: int = 2) -> AsyncIterator[Processes]:
    """So many processes on a migrated database, with the company in it."""
    assert settings.database_url
    clock = RealClock()
    users, teams = await staff(settings, clock)
    async with AsyncExitStack() as stack:
        database: asyncpg.Connection[Any] = await connect(settings.database_url, application_name="tests")
        stack.push_async_callback(database.close)
        keys = await load_keys(database, now=clock(), token_lifetime_s=settings.token_lifetime_s)
        clients = [await stack.enter_async_context(_client(free_port())) for _ in range(count)]
        for http in clients:
            await stack.enter_async_context(_process(settings, http))
        await asyncio.gather(*(_until_ready(http) for http in clients))
        crm = Crm(clients[0], settings, database, keys, clock, users, teams)
        yield Processes(crm, [replace(crm, http=http) for http in clients])


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@asynccontextmanager
async def _client(port: int) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
        yield http


async def _until_ready(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(httpx.ConnectError):
                if (await http.get("/health/ready")).status_code == 200:
                    return


@asynccontextmanager
async def _process(settings: Settings, http: httpx.AsyncClient) -> AsyncIterator[None]:
    """A hub that listens where the client asks."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)}
    given = {
        "PYTHONPATH": SOURCES,
        "PORT": str(http.base_url.port),
        "DATABASE_URL": str(settings.database_url),
        "CRM_GRAPH_HOME": str(settings.home),
        "CRM_GRAPH_ISSUER": settings.token_issuer,
        "CRM_GRAPH_COST_PER_MINUTE": "0",
        "CRM_GRAPH_TOKEN_REQUESTS_PER_MINUTE": "0",
        "CRM_GRAPH_READ_POOL_SIZE": "4",
        "CRM_GRAPH_WRITE_POOL_SIZE": "4",
    }
    process = await asyncio.create_subprocess_exec(*SERVE, env={**kept, **given}, stderr=asyncio.subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        await process.wait()
