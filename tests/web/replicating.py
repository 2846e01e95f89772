"""A primary with a real streaming standby, and hubs that read from it."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import asyncpg
import psutil
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from crm_graph.app import Front, graphql_endpoint, routes
from crm_graph.embedded import EmbeddedServer
from crm_graph.hub import Hub, open_hub
from crm_graph.replicas.watch import State
from crm_graph.settings import Settings
from crm_graph.standby import StandbyServer
from crm_graph.web.metrics import RequestCounts

from .conftest import Answer, Crm, serving

NAMES = "{ customers(first: 200) { nodes { name } } }"
COMMITTED = {"fsync": "off", "full_page_writes": "off", "max_standby_streaming_delay": "0"}
"""Fast, but what is committed is sent at once; and on a standby a read in the way of replay is cancelled at once."""
PATIENCE_S = 60


@dataclass
class Pair:
    """A primary with the company in it, and its standby."""

    crm: Crm
    standby: StandbyServer
    control: "asyncpg.Connection[Any]"

    @property
    def settings(self) -> Settings:
        return self.crm.settings.model_copy(
            update={"database_read_url": self.standby.url, "replica_max_lag_s": PATIENCE_S}
        )

    async def create(self, hub: "Reading", name: str, who: str = "sun") -> Answer:
        document = "mutation($n: String!) { createCustomer(input: {name: $n, kind: PERSON}) { errors { code } } }"
        answer = await hub.ask(who, document, {"n": name})
        assert answer.payload("createCustomer")["errors"] == []
        return answer

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """The standby goes on receiving, and replays nothing."""
        await self.caught_up()
        await self.control.execute("SELECT pg_wal_replay_pause()")
        await until(lambda: self.control.fetchval("SELECT pg_get_wal_replay_pause_state() = 'paused'"))
        try:
            yield
        finally:
            await self.control.execute("SELECT pg_wal_replay_resume()")

    async def caught_up(self) -> None:
        end = await self.crm.database.fetchval("SELECT pg_current_wal_flush_lsn()::text")
        await until(lambda: self.control.fetchval(f"SELECT pg_last_wal_replay_lsn() >= '{end}'::pg_lsn"))


@dataclass
class Reading:
    """A hub that reads from the standby, and what its clients get."""

    crm: Crm
    hub: Hub

    @property
    def replica(self) -> Any:
        return self.hub.replica

    async def ask(self, who: str, query: str, variables: Any = None, **headers: str) -> Answer:
        return await self.crm.ask(who, query, variables, **headers)

    async def sees(self, who: str, name: str, **headers: str) -> bool:
        answer = await self.ask(who, NAMES, **headers)
        return any(node["name"] == name for node in answer.data["customers"]["nodes"])

    async def went(self, who: str, query: str = NAMES, **headers: str) -> list[str]:
        """Where a read went, one step after another."""
        before = dict(self.replica.counts)
        assert (await self.ask(who, query, **headers)).status == 200
        return sorted(k for k, n in self.replica.counts.items() for _ in range(n - before.get(k, 0)))

    async def becomes(self, state: State) -> None:
        """Wait until the replica is in that state, as operators are told it."""

        async def told() -> bool:
            ready = await self.crm.http.get("/health/ready")
            assert (ready.status_code, ready.json()["status"]) == (200, "ready")
            return bool(ready.json()["replica"] == state.value)

        await until(told)


async def until(holds: Callable[[], Any]) -> None:
    """Ask again and again until it holds: servers are other processes, and tell nobody when they are done."""
    async with asyncio.timeout(PATIENCE_S):
        while not await holds():
            pass


@asynccontextmanager
async def reading(crm: Crm, settings: Settings, *, used: bool = True) -> AsyncIterator[Reading]:
    """A hub of its own with those settings."""
    async with open_hub(settings, clock=crm.clock) as hub:
        counts = RequestCounts()
        endpoint = graphql_endpoint(hub, counts)
        front = Front(Starlette(routes=routes(hub, endpoint.operations, CollectorRegistry())), counts)
        front.graphql = endpoint
        async with serving(front) as http:
            made = Reading(replace(crm, http=http, settings=settings), hub)
            if used:
                await made.becomes(State.OK)
            yield made


def processes_of(server: EmbeddedServer) -> list[psutil.Process]:
    """The server's processes, the one that starts all others first."""
    first = psutil.Process(int((server._data / "postmaster.pid").read_text().split("\n", 1)[0]))
    return [first, *first.children(recursive=True)]


def crash(server: StandbyServer) -> None:
    """Kill every process of it at once."""
    for process in processes_of(server):
        process.send_signal(signal.SIGKILL)
    server.stop()
