"""A client that goes away takes its read along: the statement ends on the server, the connection is replaced."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import orjson
import pytest
from structlog.testing import capture_logs

from crm_graph.db import connect
from crm_graph.settings import Settings

from .conftest import Crm, hub_with

QUERY = "{ customers { totalCount } }"
CREATE = 'mutation { createCustomer(input: { name: "走开", kind: PERSON }) { customer { id } errors { code } } }'
WAITING = (
    "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%customers%'"
)
SOON_S = 2.0


@pytest.fixture
def one_lane(crm: Crm) -> Settings:
    return crm.settings.model_copy(
        update={"read_pool_size": 1, "statement_timeout_ms": 60_000, "lock_timeout_ms": 60_000, "pool_wait_s": 10.0}
    )


@asynccontextmanager
async def locked(crm: Crm) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """Nobody reads customers meanwhile."""
    holder = await connect(str(crm.settings.database_url), application_name="tests")
    try:
        async with holder.transaction():
            await holder.execute("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
            yield holder
    finally:
        await holder.close()


async def sent(crm: Crm, http: httpx.AsyncClient, document: str, method: str = "POST") -> asyncio.StreamWriter:
    """A request on a socket of its own, which nobody reads from."""
    _, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
    headers = crm.headers("sun")
    if method == "GET":
        request = http.build_request(method, "/graphql", headers=headers, params={"query": document})
    else:
        request = http.build_request(method, "/graphql", headers=headers, json={"query": document})
    head = b"".join(b"%b: %b\r\n" % pair for pair in request.headers.raw)
    writer.write(b"%b %b HTTP/1.1\r\n%b\r\n%b" % (method.encode(), request.url.raw_path, head, request.content))
    await writer.drain()
    return writer


async def waiting(crm: Crm, number: int) -> None:
    """Returns once so many statements wait for the lock."""
    async with asyncio.timeout(SOON_S):
        while await crm.count(WAITING) != number:
            pass


async def readers(crm: Crm) -> set[int]:
    rows = await crm.database.fetch(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'crm-graph read'"
    )
    return {row["pid"] for row in rows}


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_the_statement_of_a_client_that_went_away_is_cancelled(crm: Crm, one_lane: Settings, method: str) -> None:
    async with hub_with(crm, one_lane) as http:
        with capture_logs() as logs:
            async with locked(crm):
                writer = await sent(crm, http, QUERY, method)
                await waiting(crm, 1)
                writer.close()
                await waiting(crm, 0)
            after = await http.post("/graphql", json={"query": QUERY}, headers=crm.headers("sun"))

    assert after.status_code == 200
    assert [entry for entry in logs if entry["log_level"] == "error"] == []


async def test_clients_that_go_away_one_after_the_other_use_up_no_connections(crm: Crm, one_lane: Settings) -> None:
    before = await readers(crm)
    async with hub_with(crm, one_lane) as http:
        for _ in range(5):
            async with locked(crm):
                writer = await sent(crm, http, QUERY)
                await waiting(crm, 1)
                writer.close()
                await waiting(crm, 0)
        answers = await asyncio.gather(
            *(http.post("/graphql", json={"query": QUERY}, headers=crm.headers("sun")) for _ in range(8))
        )
        during = await readers(crm)

    assert [answer.status_code for answer in answers] == [200] * 8
    assert len(during - before) <= 1 + 2
    assert await readers(crm) <= before


async def test_a_client_that_waits_gets_its_answer_however_long_it_takes(crm: Crm, one_lane: Settings) -> None:
    async with hub_with(crm, one_lane) as http:
        async with locked(crm):
            asked = asyncio.create_task(http.post("/graphql", json={"query": QUERY}, headers=crm.headers("sun")))
            await waiting(crm, 1)
            gone = await sent(crm, http, QUERY)
            gone.close()
            await gone.wait_closed()
            assert orjson.loads((await http.get("/health/live")).content)
        answer = await asked

    assert answer.status_code == 200


async def test_a_change_runs_to_its_end_though_its_client_went_away(crm: Crm, one_lane: Settings) -> None:
    before = await crm.count("customers WHERE name = '走开'")
    async with hub_with(crm, one_lane) as http:
        async with locked(crm):
            writer = await sent(crm, http, CREATE)
            await waiting(crm, 1)
            writer.close()
            await writer.wait_closed()
        async with asyncio.timeout(SOON_S):
            while await crm.count("customers WHERE name = '走开'") == before:
                pass

    assert await crm.count("customers WHERE name = '走开'") == before + 1
