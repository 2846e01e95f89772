"""Exports while they run: one snapshot, a connection that ends with its client, and no file that only looks whole.

The chunks of a stream are held by name: the stream ends with the generator that reads it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx
import orjson
import pytest

from crm_graph.db import connect
from crm_graph.hub import open_hub

from .conftest import Answer, Crm, front_of
from .exporting import (
    BACKENDS,
    LONG,
    SOON_S,
    create,
    download,
    hire,
    hub,
    long_list,
    served_again,
    told,
    until_no_backend,
)

CUSTOMERS = "{ customers { nodes { id name } } }"
WAITING = (
    "pg_locks WHERE relation = 'events'::regclass AND NOT granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
"""Who waits to write to the log."""


async def downloads(crm: Crm, export_id: str) -> list[dict[str, Any]]:
    """What the log says of an export's downloads."""
    return [e["after"] for e in await crm.events(export_id) if e["type"] == "export.downloaded"]


async def until_recorded(crm: Crm, export_id: str) -> dict[str, Any]:
    """What the log says of the only download, once it does."""
    async with asyncio.timeout(SOON_S):
        while not (found := await downloads(crm, export_id)):
            pass
    (only,) = found
    return only


async def test_what_is_written_meanwhile_is_not_in_it(crm: Crm) -> None:
    async with long_list(crm) as key:
        made = await create(crm, LONG, {"key": key})
        async with crm.http.stream("GET", made["url"], headers=crm.headers("sun")) as response:
            chunks = response.aiter_bytes()
            body = await anext(chunks)
            running = await crm.database.fetch(f"SELECT state FROM {BACKENDS}")
            await crm.database.execute("UPDATE interactions SET outcome = 'after' WHERE thread_key = $1", key)
            await crm.database.execute(
                "DELETE FROM interactions WHERE id IN (SELECT id FROM interactions WHERE thread_key = $1 LIMIT 10)", key
            )
            body += b"".join([chunk async for chunk in chunks])
        again = await download(crm, made["url"])

    rows = [orjson.loads(line) for line in body.splitlines()]
    assert len(running) == 1
    assert len(rows) == 3_000
    assert {row["outcome"] for row in rows} == {"before"}
    assert [row["id"] for row in rows] == sorted((row["id"] for row in rows), reverse=True)
    assert [orjson.loads(line)["outcome"] for line in again.content.splitlines()] == ["after"] * 2_990
    assert await downloads(crm, made["id"]) == [{"rows": 3_000, "complete": True}, {"rows": 2_990, "complete": True}]


async def test_a_client_that_goes_away_ends_its_connection(crm: Crm) -> None:
    async with long_list(crm) as key:
        made = await create(crm, LONG, {"key": key})
        async with crm.http.stream("GET", made["url"], headers=crm.headers("sun")) as response:
            chunks = response.aiter_bytes()
            await anext(chunks)
            assert await crm.count(BACKENDS) == 1
        await until_no_backend(crm)
        recorded = await until_recorded(crm, made["id"])

    assert recorded["complete"] is False
    assert 0 <= recorded["rows"] < 3_000


async def test_rows_of_the_batch_that_was_leaving_are_in_the_log(crm: Crm) -> None:
    """A client that closes after the last rows and before the end has them all."""
    taken, gone = [b""], asyncio.Event()

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        taken.append(message.get("body", b""))
        if b"\n" in taken[-1]:
            gone.set()
            await asyncio.Event().wait()

    async with long_list(crm, 5) as key, open_hub(crm.settings, clock=crm.clock) as opened:
        made = await create(crm, LONG, {"key": key})
        path = httpx.URL(made["url"]).path
        headers = [(name.lower().encode(), value.encode()) for name, value in crm.headers("sun").items()]
        scope = {"type": "http", "http_version": "1.1", "method": "GET", "path": path, "raw_path": path.encode()}
        more = {"query_string": b"", "headers": headers, "scheme": "http", "client": ("127.0.0.1", 1), "root_path": ""}
        await front_of(opened)({**scope, **more}, receive, send)
        recorded = await until_recorded(crm, made["id"])

    assert b"".join(taken).count(b"\n") == 5
    assert recorded == {"rows": 5, "complete": False}


async def test_a_client_that_goes_away_while_the_database_works_ends_that_too(crm: Crm) -> None:
    made = await create(crm, CUSTOMERS)
    holder = await connect(str(crm.settings.database_url), application_name="tests")
    try:
        async with holder.transaction():
            await holder.execute("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
            asking = asyncio.create_task(download(crm, made["url"]))
            async with asyncio.timeout(SOON_S):
                while not await crm.count(f"{BACKENDS} AND wait_event_type = 'Lock'"):
                    pass
            asking.cancel()
            await until_no_backend(crm)
    finally:
        await holder.close()

    assert await downloads(crm, made["id"]) == []
    assert (await served_again(crm, made["url"])).status_code == 200


async def test_a_failure_in_the_middle_shows(crm: Crm) -> None:
    async with long_list(crm) as key:
        made = await create(crm, LONG, {"key": key})
        async with crm.http.stream("GET", made["url"], headers=crm.headers("sun")) as response:
            chunks = response.aiter_bytes()
            read = [await anext(chunks)]
            await crm.database.fetch(f"SELECT pg_terminate_backend(pid) FROM {BACKENDS}")
            with pytest.raises(httpx.RemoteProtocolError):
                await read_on(chunks, read)
        recorded = await until_recorded(crm, made["id"])

    assert recorded["complete"] is False
    assert b"".join(read).count(b"\n") == recorded["rows"]


async def read_on(chunks: AsyncIterator[bytes], read: list[bytes]) -> None:
    async for chunk in chunks:
        read.append(chunk)  # noqa: PERF401 - what came before a failure is kept


@pytest.mark.parametrize("limit", ["export_stall_s", "export_time_limit_s"])
async def test_a_client_that_takes_nothing_is_given_up(crm: Crm, limit: str) -> None:
    async with long_list(crm) as key, hub(crm, **{limit: 0.5}) as http:
        made = await create(crm, LONG, {"key": key})
        async with http.stream("GET", made["url"], headers=crm.headers("sun")) as response:
            chunks = response.aiter_bytes()
            await anext(chunks)
            await until_no_backend(crm)
            with pytest.raises(httpx.RemoteProtocolError):
                await read_on(chunks, [])
        recorded = await until_recorded(crm, made["id"])

    assert recorded["complete"] is False


async def test_one_more_than_the_process_sends_at_once_is_told_to_come_again(crm: Crm) -> None:
    await hire(crm, "next downloader", "crm_manager")
    async with long_list(crm) as key, hub(crm, export_connections=1) as http:
        made = await create(crm, LONG, {"key": key})
        other = await create(crm, CUSTOMERS, who="next downloader")
        async with http.stream("GET", made["url"], headers=crm.headers("sun")) as response:
            chunks = response.aiter_bytes()
            await anext(chunks)
            busy = await download(crm, other["url"], "next downloader", http)
            beside = await http.post("/graphql", json={"query": CUSTOMERS}, headers=crm.headers("sun"))
        await until_no_backend(crm)
        free = await served_again(crm, made["url"], http)

    assert Answer(busy).error == (503, "UNAVAILABLE", "Others are downloading exports now. Try again in a moment.")
    assert busy.headers["retry-after"] == "10"
    assert beside.status_code == 200
    assert free.content.count(b"\n") == 3_000


async def test_nobody_takes_more_than_one_place(crm: Crm) -> None:
    await hire(crm, "second downloader", "crm_manager")
    async with long_list(crm) as key, hub(crm, export_connections=2) as http:
        made = await create(crm, LONG, {"key": key})
        other = await create(crm, CUSTOMERS, who="second downloader")
        async with http.stream("GET", made["url"], headers=crm.headers("sun")) as response:
            chunks = response.aiter_bytes()
            await anext(chunks)
            again = await download(crm, made["url"], http=http)
            of_other = await download(crm, other["url"], "second downloader", http)

    told_again = "You are downloading an export already. Try again when it has ended."
    assert Answer(again).error == (503, "UNAVAILABLE", told_again)
    assert again.headers["retry-after"] == "10"
    assert of_other.status_code == 200


async def test_who_left_may_download_again_before_the_log_tells_that_they_left(crm: Crm) -> None:
    holder = await connect(str(crm.settings.database_url), application_name="tests")
    try:
        async with long_list(crm) as key, hub(crm, export_connections=2) as http:
            made = await create(crm, LONG, {"key": key})
            async with http.stream("GET", made["url"], headers=crm.headers("sun")) as response:
                chunks = response.aiter_bytes()
                await anext(chunks)
                hold = holder.transaction()
                await hold.start()
                await holder.execute("LOCK TABLE events IN SHARE MODE")
            async with asyncio.timeout(10):
                while not await crm.count(WAITING):
                    pass
            again = asyncio.create_task(download(crm, made["url"], http=http))
            async with asyncio.timeout(10):
                while not again.done() and await crm.count(WAITING) < 2:
                    pass
            await hold.rollback()
            answer = await again
    finally:
        await holder.close()

    assert answer.status_code == 200
    assert answer.content.count(b"\n") == 3_000


async def test_downloads_are_paid_for(crm: Crm) -> None:
    await hire(crm, "spender", "crm_manager")
    made = await create(crm, CUSTOMERS, who="spender")
    async with hub(crm, cost_per_minute=150) as http:
        answers = [await download(crm, made["url"], "spender", http) for _ in range(4)]

    refused = [answer for answer in answers if answer.status_code != 200]
    assert answers[0].status_code == 200
    assert Answer(refused[0]).error[:2] == (429, "RATE_LIMITED")
    assert int(refused[0].headers["retry-after"]) in range(1, 61)


async def test_a_list_that_takes_too_long_is_a_timeout_before_the_first_byte(crm: Crm) -> None:
    made = await create(crm, CUSTOMERS)
    holder = await connect(str(crm.settings.database_url), application_name="tests")
    try:
        async with hub(crm, export_fetch_timeout_ms=200) as http, holder.transaction():
            await holder.execute("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
            late = await told(crm, made["url"], http=http)
    finally:
        await holder.close()

    assert late == (503, "TIMEOUT", "The request took too long. Ask for less, or try again later.")
    assert await downloads(crm, made["id"]) == []


async def cut_off(crm: Crm, url: str, who: str, change: str) -> bytes:
    """What of a download arrives where rights are changed after its first bytes; the rest waits for the client."""
    received = b""
    async with crm.http.stream("GET", url, headers=crm.headers(who)) as response:
        chunks = response.aiter_bytes()
        received += await anext(chunks)
        async with crm.database.transaction():
            await crm.database.execute(change, crm.users[who])
            await crm.database.execute("UPDATE policy_version SET version = version + 1")
        async with asyncio.timeout(SOON_S):
            while (await crm.ask(who, CUSTOMERS)).status == 200:
                pass
        with suppress(httpx.RemoteProtocolError):
            async for chunk in chunks:
                received += chunk
            raise AssertionError("the download came to its end")
    return received


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET status = 'SUSPENDED' WHERE id = $1",
        "DELETE FROM user_roles WHERE user_id = $1 AND role_id = (SELECT id FROM roles WHERE key = 'crm_manager')",
    ],
    ids=["suspended", "role taken"],
)
async def test_open_cursor_ends_with_the_rights_that_it_was_opened_with(crm: Crm, change: str) -> None:
    who = f"leaver{len(crm.users)}"
    await hire(crm, who, "crm_manager")
    async with long_list(crm) as key:
        made = await create(crm, LONG, {"key": key}, who=who)
        received = await cut_off(crm, made["url"], who, change)
        recorded = await until_recorded(crm, made["id"])

    assert recorded["complete"] is False
    assert received.count(b"\n") <= recorded["rows"] < 3_000
    await until_no_backend(crm)


async def test_download_goes_on_while_rights_of_others_change(crm: Crm) -> None:
    async with long_list(crm) as key:
        made = await create(crm, LONG, {"key": key})
        async with crm.http.stream("GET", made["url"], headers=crm.headers("sun")) as response:
            chunks = response.aiter_bytes()
            body = await anext(chunks)
            await crm.database.execute("UPDATE policy_version SET version = version + 1")
            body += b"".join([chunk async for chunk in chunks])

    assert body.count(b"\n") == 3_000
