"""What clients are told when it is our fault: a code, a status, a request id, and nothing about the inside."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from crm_graph.db import LaneConnection, connect, read_connection, write_engine
from crm_graph.hub import Hub, open_hub
from crm_graph.lanes import Lanes
from crm_graph.models.ids import EntityCode, IdSource
from crm_graph.settings import Settings

from .conftest import RESPONSE_JSON, Answer, Crm, front_of, hub_with, serving

QUERY = "{ customers { totalCount } }"
CREATE = 'mutation { createCustomer(input: { name: "断线", kind: PERSON }) { customer { id } errors { code } } }'
UNAVAILABLE = (503, "UNAVAILABLE", "The service is not available now. Try again later.")
TIMEOUT = (503, "TIMEOUT", "The request took too long. Ask for less, or try again later.")
INTERNAL = "Something went wrong on our side. Try again later."


async def ask(crm: Crm, http: httpx.AsyncClient, document: str, who: str = "sun", **headers: str) -> Answer:
    sent = {**crm.headers(who), **{k.replace("_", "-"): v for k, v in headers.items()}}
    return Answer(await http.post("/graphql", json={"query": document}, headers=sent))


@pytest.fixture
def stopped(crm: Crm) -> Settings:
    """Settings of a database at a port where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    return crm.settings.model_copy(update={"database_url": f"postgresql://nobody@127.0.0.1:{port}/none"})


@pytest.fixture
async def stopped_engine(stopped: Settings) -> AsyncIterator[AsyncEngine]:
    assert stopped.database_url
    engine = write_engine(stopped.database_url, stopped)
    yield engine
    await engine.dispose()


async def test_a_mutation_is_unavailable_while_the_database_is_down(crm: Crm, stopped_engine: AsyncEngine) -> None:
    async with hub_with(crm, crm.settings, engine=stopped_engine) as http:
        told = await ask(crm, http, CREATE)
        in_chinese = await ask(crm, http, CREATE, Accept_Language="zh")
        as_json = await ask(crm, http, CREATE, Accept="application/json")
        reads = await ask(crm, http, QUERY)

    assert told.error == UNAVAILABLE
    assert in_chinese.error == (503, "UNAVAILABLE", "服务暂不可用，请稍后重试。")
    assert as_json.error == UNAVAILABLE
    assert reads.status == 200


async def test_a_query_is_unavailable_once_its_connections_are_cut(crm: Crm) -> None:
    opened: list[Any] = []

    async def open_once() -> Any:
        if opened:
            raise ConnectionRefusedError
        opened.append(await read_connection(str(crm.settings.database_url), crm.settings))
        return opened[0]

    async with hub_with(crm, crm.settings, lanes=Lanes(open_once, 1, wait_s=1, lend_s=60)) as http:
        before = await ask(crm, http, QUERY)
        opened[0].terminate()
        after = await ask(crm, http, QUERY)

    assert before.status == 200
    assert after.error == UNAVAILABLE


async def test_a_read_whose_server_answers_no_more_is_unavailable_and_its_connection_is_cut(crm: Crm) -> None:
    opened: list[Any] = []

    async def open_one() -> Any:
        opened.append(await read_connection(str(crm.settings.database_url), crm.settings))
        return opened[-1]

    async with hub_with(crm, crm.settings, lanes=Lanes(open_one, 1, wait_s=5, lend_s=0.2)) as http:
        before = await ask(crm, http, QUERY)
        backend = opened[0].get_server_pid()
        os.kill(backend, signal.SIGSTOP)
        try:
            meanwhile = await ask(crm, http, QUERY)
        finally:
            os.kill(backend, signal.SIGCONT)
        after = await ask(crm, http, QUERY)

    assert (before.status, meanwhile.error, after.status) == (200, UNAVAILABLE, 200)
    assert len(opened) == 2


async def test_a_connection_that_is_lent_again_and_again_is_not_cut(crm: Crm) -> None:
    opened: list[Any] = []

    async def open_one() -> Any:
        opened.append(await read_connection(str(crm.settings.database_url), crm.settings))
        return opened[-1]

    async def asking(http: httpx.AsyncClient) -> set[int]:
        until = asyncio.get_running_loop().time() + 2
        statuses = set()
        while asyncio.get_running_loop().time() < until:
            statuses.add((await ask(crm, http, QUERY)).status)
        return statuses

    async with hub_with(crm, crm.settings, lanes=Lanes(open_one, 1, wait_s=5, lend_s=1)) as http:
        statuses = await asyncio.gather(asking(http), asking(http), asking(http))

    assert set.union(*statuses) == {200}
    assert len(opened) == 1


async def test_each_question_of_a_query_has_the_time_of_a_loan(crm: Crm) -> None:
    turns: list[int] = []

    class Noting(LaneConnection):
        __slots__ = ()

        async def fetch(self, query: str, *arguments: Any, **options: Any) -> Any:
            turns.append(self.turns)
            return await super().fetch(query, *arguments, **options)

    async def open_one() -> Any:
        return await read_connection(str(crm.settings.database_url), crm.settings, Noting)

    async with hub_with(crm, crm.settings, lanes=Lanes(open_one, 1, wait_s=5, lend_s=60)) as http:
        answer = await ask(crm, http, "{ a: roles { key } b: roles { key } c: roles { key } }", who="root")

    assert answer.status == 200
    assert sorted(set(turns)) == [1, 2, 3]


WRITERS = "pg_stat_activity WHERE application_name = 'crm-graph write' AND datname = current_database()"


async def test_a_connection_that_the_server_ended_costs_one_request_at_most(crm: Crm) -> None:
    settings = crm.settings.model_copy(update={"write_pool_size": 1, "write_pool_overflow": 0})
    others = [row["pid"] for row in await crm.database.fetch(f"SELECT pid FROM {WRITERS}")]
    async with hub_with(crm, settings) as http:
        assert (await ask(crm, http, CREATE)).status == 200
        ended = await crm.database.fetch(
            f"SELECT pg_terminate_backend(pid) FROM {WRITERS} AND pid <> ALL($1::int[])", others
        )
        first, second = await ask(crm, http, CREATE), await ask(crm, http, CREATE)

    assert len(ended) == 1
    assert first.error == UNAVAILABLE
    assert second.status == 200


async def test_a_statement_that_takes_too_long_is_a_timeout(crm: Crm) -> None:
    settings = crm.settings.model_copy(
        update={"statement_timeout_ms": 200, "write_timeout_ms": 200, "lock_timeout_ms": 10_000}
    )
    assert settings.database_url
    holder = await connect(settings.database_url, application_name="tests")
    try:
        async with hub_with(crm, settings) as http, holder.transaction():
            await holder.execute("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
            query, mutation = await asyncio.gather(ask(crm, http, QUERY), ask(crm, http, CREATE))
    finally:
        await holder.close()

    assert query.error == TIMEOUT
    assert mutation.error == TIMEOUT


async def test_a_timeout_leaves_its_connection_as_good_as_before(crm: Crm) -> None:
    settings = crm.settings.model_copy(update={"statement_timeout_ms": 200, "read_pool_size": 1})
    opened: list[Any] = []

    async def open_one() -> Any:
        opened.append(await read_connection(str(settings.database_url), settings))
        return opened[-1]

    assert settings.database_url
    holder = await connect(settings.database_url, application_name="tests")
    try:
        async with hub_with(crm, settings, lanes=Lanes(open_one, 1, wait_s=5, lend_s=60)) as http:
            async with holder.transaction():
                await holder.execute("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
                late = [await ask(crm, http, QUERY) for _ in range(3)]
            after = await asyncio.gather(*(ask(crm, http, QUERY) for _ in range(5)))
            await opened[0].close()
    finally:
        await holder.close()

    assert [answer.error for answer in late] == [TIMEOUT] * 3
    assert [answer.status for answer in after] == [200] * 5
    assert len(opened) == 1


async def test_who_waits_too_long_for_a_lock_is_told_to_try_again(crm: Crm) -> None:
    settings = crm.settings.model_copy(update={"lock_timeout_ms": 200})
    assert settings.database_url
    holder = await connect(settings.database_url, application_name="tests")
    try:
        async with hub_with(crm, settings) as http, holder.transaction():
            await holder.execute("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
            mutation = await ask(crm, http, CREATE)
    finally:
        await holder.close()

    assert mutation.error == (503, "UNAVAILABLE", "Somebody else was writing the same records. Try again.")


class BrokenIds(IdSource):
    def new(self, code: EntityCode) -> UUID:
        raise RuntimeError(f"secret: the password is hunter2, and no id for {code}")


async def test_a_failure_of_ours_is_masked_and_found_by_its_request_id(crm: Crm) -> None:
    """A hub whose ids come from a broken source fails in the middle of a verb."""
    async with (
        open_hub(crm.settings, clock=crm.clock) as hub,
        serving(front_of(replace(hub, ids=BrokenIds(crm.clock)))) as http,
    ):
        with capture_logs() as logs:
            answer = await ask(crm, http, CREATE, Accept=RESPONSE_JSON)

    (error,) = answer.json["errors"]
    assert (answer.status, answer.json["data"]) == (294, None)
    assert (error["message"], error["path"], error["extensions"]["code"]) == (INTERNAL, ["createCustomer"], "INTERNAL")
    assert "hunter2" not in answer.response.text
    assert "Traceback" not in answer.response.text
    (line,) = (entry for entry in logs if entry["event"] == "mutation_failed")
    assert line["request_id"] == error["extensions"]["requestId"]
    assert line["log_level"] == "error"


async def test_a_failure_before_anything_runs_is_500(crm: Crm) -> None:
    def broken() -> Any:
        raise RuntimeError("secret: the password is hunter2")

    async with open_hub(crm.settings, clock=crm.clock) as hub:
        made: Hub = replace(hub, clock=broken)
        async with serving(front_of(made)) as http:
            with capture_logs() as logs:
                answer = await ask(crm, http, QUERY)

    status, code, message = answer.error
    assert (status, code, message) == (500, "INTERNAL", INTERNAL)
    assert "hunter2" not in answer.response.text
    (line,) = (entry for entry in logs if entry["event"] == "request_failed")
    extensions: Mapping[str, Any] = answer.json["errors"][0]["extensions"]
    assert line["request_id"] == extensions["requestId"]
