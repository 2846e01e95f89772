"""Reads from a real streaming standby: who sees what, and what becomes of reads while it is of no use."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from crm_graph.db import connect
from crm_graph.embedded import EmbeddedServer
from crm_graph.migrations import migrate
from crm_graph.replicas.watch import State
from crm_graph.settings import load_settings
from crm_graph.standby import StandbyServer

from .conftest import Crm, opened
from .replicating import COMMITTED, NAMES, Pair, Reading, crash, processes_of, reading, until

POSITION = "CRM-Graph-Position"


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[EmbeddedServer, Path]]:
    with tempfile.TemporaryDirectory(prefix="crm-graph-pair-") as directory:
        Path(directory).chmod(0o755)
        with EmbeddedServer(Path(directory) / "primary", options=COMMITTED) as primary:
            yield primary, Path(directory)


@pytest.fixture(scope="module")
async def pair(servers: tuple[EmbeddedServer, Path], _plain_logs: None) -> AsyncIterator[Pair]:
    primary, directory = servers
    settings = load_settings(database_url=primary.url, read_pool_size=4, write_pool_size=4, home=directory)
    await migrate(primary.url, settings)
    async with opened(settings) as crm:
        with StandbyServer(directory / "standby", primary.url, options=COMMITTED) as standby:
            control = await connect(standby.url, application_name="tests")
            yield Pair(crm, standby, control)
            await control.close()


@pytest.fixture(scope="module")
async def hub(pair: Pair) -> AsyncIterator[Reading]:
    async with reading(pair.crm, pair.settings) as made:
        yield made


@pytest.fixture(scope="module")
async def other(pair: Pair) -> AsyncIterator[Reading]:
    """Another process, as far as a hub can tell."""
    async with reading(pair.crm, pair.settings) as made:
        yield made


READERS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'crm-graph read' AND query LIKE '%customers%'"


async def test_reads_go_to_the_standby_and_writes_to_the_primary(pair: Pair, hub: Reading) -> None:
    primary_before = await pair.crm.database.fetchval(READERS)
    await pair.create(hub, "开元")
    await pair.caught_up()
    assert await hub.went("li") == ["replica"]
    assert await pair.control.fetchval(READERS) == 1
    assert await pair.crm.database.fetchval(READERS) == primary_before
    metrics = (await hub.crm.http.get("/metrics")).text
    assert f'crm_graph_replica_reads_total{{to="replica"}} {hub.replica.counts["replica"]}.0' in metrics
    assert 'crm_graph_replica_state{state="ok"} 1.0' in metrics
    assert 'crm_graph_replica_state{state="lagging"} 0.0' in metrics
    assert "crm_graph_replica_lag_seconds " in metrics


async def test_who_wrote_sees_it_while_the_standby_has_not_replayed_it(pair: Pair, hub: Reading) -> None:
    async with pair.paused():
        await pair.create(hub, "即见")
        assert await hub.went("sun") == ["primary_unreplayed"]
        assert await hub.sees("sun", "即见")
        assert await hub.went("qian") == ["replica"]
        assert not await hub.sees("qian", "即见")
    await pair.caught_up()
    assert await hub.sees("qian", "即见")
    assert await hub.sees("sun", "即见")
    assert await hub.went("sun") == ["replica"]


UPSERT = """mutation($i: [UpsertCustomerItem!]!) {
  upsertCustomers(source: "erp", items: $i, mode: PARTIAL) { created errors { code } }
}"""


async def test_a_bulk_upsert_counts_as_a_write(pair: Pair, hub: Reading) -> None:
    items = [{"externalId": f"R{n}", "name": f"批量{n}", "kind": "ORGANIZATION"} for n in range(20)]
    async with pair.paused():
        answer = await hub.ask("erp", UPSERT, {"i": items})
        assert answer.payload("upsertCustomers") == {"created": 20, "errors": []}
        assert await hub.went("erp") == ["primary_unreplayed"]
        assert await hub.sees("erp", "批量19")
        assert not await hub.sees("qian", "批量19")


async def test_a_mutation_that_took_no_effect_pins_nobody(pair: Pair, hub: Reading) -> None:
    refused = await hub.ask("chen", 'mutation { createCustomer(input: {name: "", kind: PERSON}) { errors { code } } }')
    assert refused.payload("createCustomer")["errors"] != []
    assert POSITION not in refused.response.headers
    assert await hub.went("chen") == ["replica"]


async def test_a_retry_that_is_told_the_stored_answer_sees_what_it_tells_of(
    pair: Pair, hub: Reading, other: Reading
) -> None:
    document = 'mutation { createCustomer(input: {name: "重试", kind: PERSON}) { customer { name } errors { code } } }'
    async with pair.paused():
        await hub.ask("sun", document, Idempotency_Key="once")
        again = await other.ask("sun", document, Idempotency_Key="once")
        assert again.data["createCustomer"]["customer"] == {"name": "重试"}
        assert POSITION in again.response.headers
        assert await other.sees("sun", "重试")


async def test_other_processes_hear_of_a_write(pair: Pair, hub: Reading, other: Reading) -> None:
    async with pair.paused():
        assert not await other.sees("sun", "听见")
        await pair.create(hub, "听见")
        await until(lambda: other.sees("sun", "听见"))
        assert not await other.sees("qian", "听见")


async def test_a_position_that_a_client_gives_back_is_seen_by_whoever_asks_wherever(
    pair: Pair, hub: Reading, other: Reading
) -> None:
    async with pair.paused():
        position = (await pair.create(hub, "凭位")).response.headers[POSITION]
        assert await other.sees("qian", "凭位", CRM_Graph_Position=position)
        assert not await other.sees("qian", "凭位")
    await pair.caught_up()

    async def went_to_replica() -> bool:
        return await other.went("qian", CRM_Graph_Position=position) == ["replica"]

    # A server that was just asked how far it is is not asked again for some milliseconds.
    await until(went_to_replica)


async def test_what_is_no_position_of_ours_is_answered_by_the_primary(pair: Pair, hub: Reading) -> None:
    for told in ("yesterday", "0/0", "FFFFFFFF/FFFFFFFF", ""):
        assert await hub.went("qian", CRM_Graph_Position=told) == ["primary_unreplayed"]


async def test_a_position_tells_nothing_of_the_log(pair: Pair, hub: Reading) -> None:
    first, second = [(await pair.create(hub, "封")).response.headers[POSITION] for _ in range(2)]
    assert len(first) == len(second)
    assert "/" not in first
    assert first[20:60] != second[20:60]


async def test_without_a_replica_nothing_is_told_or_read_of_positions(pair: Pair) -> None:
    crm = pair.crm
    made = await crm.ask("sun", 'mutation { createCustomer(input: {name: "独", kind: PERSON}) { errors { code } } }')
    assert POSITION not in made.response.headers
    assert (await crm.ask("sun", NAMES, CRM_Graph_Position="yesterday")).status == 200
    assert "replica" not in (await crm.http.get("/health/ready")).json()


async def test_a_suspended_user_is_refused_whatever_the_standby_has_replayed(pair: Pair, hub: Reading) -> None:
    assert await hub.went("li") == ["replica"]
    async with pair.paused():
        await suspend(pair, "li", "SUSPENDED")
        try:
            await until(lambda: refused(hub, "li"))
        finally:
            await suspend(pair, "li", "ACTIVE")


async def suspend(pair: Pair, who: str, status: str) -> None:
    await pair.crm.database.execute("UPDATE users SET status = $2 WHERE id = $1", pair.crm.users[who], status)
    await pair.crm.database.execute("UPDATE policy_version SET version = version + 1")


async def refused(hub: Reading, who: str) -> bool:
    return (await hub.ask(who, NAMES)).status == 401


async def test_a_standby_that_is_too_far_behind_is_left_until_it_has_caught_up(pair: Pair) -> None:
    settings = pair.settings.model_copy(update={"replica_max_lag_s": 0.2})
    async with reading(pair.crm, settings) as hub:
        async with pair.paused():
            await pair.create(hub, "落后")
            await hub.becomes(State.LAGGING)
            assert await hub.went("qian") == ["primary"]
            assert await hub.sees("qian", "落后")
        await hub.becomes(State.OK)
        assert await hub.went("qian") == ["replica"]


async def test_a_standby_that_is_not_migrated_yet_is_not_read_from(pair: Pair, hub: Reading) -> None:
    revision = await pair.crm.database.fetchval("SELECT version_num FROM alembic_version")
    await pair.crm.database.execute("UPDATE alembic_version SET version_num = '0001'")
    try:
        await hub_is(hub, State.NOT_MIGRATED)
        assert await hub.went("qian") == ["primary"]
    finally:
        await pair.crm.database.execute("UPDATE alembic_version SET version_num = $1", revision)
    await hub.becomes(State.OK)


async def hub_is(hub: Reading, state: State) -> None:
    """For when the primary is not ready either."""

    async def told() -> bool:
        return bool((await hub.crm.http.get("/health/ready")).json()["replica"] == state.value)

    await until(told)


async def test_an_address_that_leads_to_the_primary_is_no_replica(pair: Pair) -> None:
    settings = pair.settings.model_copy(update={"database_read_url": f"{pair.crm.settings.database_url}&port=5432"})
    async with reading(pair.crm, settings, used=False) as hub:
        assert hub.replica.state is State.NOT_STANDBY
        assert await hub.went("sun") == ["primary"]


async def test_the_standby_of_another_primary_is_no_replica(pair: Pair, crm: Crm) -> None:
    settings = crm.settings.model_copy(update={"database_read_url": pair.standby.url})
    async with reading(crm, settings, used=False) as hub:
        assert hub.replica.state is State.OTHER_CLUSTER
        assert await hub.went("sun") == ["primary"]


SLOW_MASK = """
ALTER FUNCTION crm_mask_phone(text) RENAME TO crm_mask_phone_kept;
CREATE FUNCTION crm_mask_phone(text) RETURNS text LANGUAGE sql STABLE AS
$$ SELECT CASE WHEN pg_is_in_recovery() THEN (SELECT 'slept' FROM pg_sleep(600)) ELSE 'read on the primary' END $$
"""
KEPT_MASK = "DROP FUNCTION crm_mask_phone(text); ALTER FUNCTION crm_mask_phone_kept(text) RENAME TO crm_mask_phone"
PHONES = "{ customers(first: 1) { nodes { phone } } }"
SLEEPING = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"


@pytest.fixture
async def slow_on_the_standby(pair: Pair) -> AsyncIterator[None]:
    """Masked phones take ten minutes to read there, and no time on the primary."""
    await pair.crm.make("sun", "customer", name="慢", kind="PERSON", phone="13800000000")
    await pair.crm.database.execute(SLOW_MASK)
    await pair.caught_up()
    yield
    await pair.crm.database.execute(KEPT_MASK)
    await pair.caught_up()


async def test_a_read_that_replay_cancels_is_answered_by_the_primary(
    pair: Pair, hub: Reading, slow_on_the_standby: None
) -> None:
    asking = asyncio.create_task(hub.went("zhao", PHONES))
    await until(lambda: pair.control.fetchval(SLEEPING))
    async with pair.crm.database.transaction():
        await pair.crm.database.execute("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
    assert await asking == ["primary_retried", "replica"]
    assert hub.replica.state is State.OK


async def test_a_read_that_takes_too_long_is_not_begun_again(pair: Pair, slow_on_the_standby: None) -> None:
    settings = pair.settings.model_copy(update={"statement_timeout_ms": 100})
    async with reading(pair.crm, settings) as hub:
        answer = await hub.ask("zhao", PHONES)
        assert answer.error[:2] == (503, "TIMEOUT")
        assert hub.replica.counts["primary_retried"] == 0


async def test_reads_that_wait_for_a_standby_that_hangs_are_answered_by_the_primary(
    pair: Pair, hub: Reading, slow_on_the_standby: None
) -> None:
    asking = asyncio.create_task(hub.ask("zhao", PHONES))
    await until(lambda: pair.control.fetchval(SLEEPING))
    processes = processes_of(pair.standby)
    for process in processes:
        process.suspend()
    try:
        answer = await asking
        await hub.becomes(State.UNREACHABLE)
    finally:
        for process in processes:
            process.resume()
    assert answer.data == {"customers": {"nodes": [{"phone": "read on the primary"}]}}
    await hub.becomes(State.OK)


async def test_no_read_fails_while_the_standby_goes_down_and_comes_back(
    pair: Pair, hub: Reading, other: Reading
) -> None:
    statuses: list[int] = []
    done = asyncio.Event()
    for each in (hub, other):
        await each.becomes(State.OK)

    async def keep_asking(who: str) -> None:
        while not done.is_set():
            statuses.append((await hub.ask(who, NAMES)).status)

    with capture_logs(processors=[structlog.processors.format_exc_info]) as logs:
        asking = [asyncio.create_task(keep_asking(who)) for who in ("wang", "chen", "qian", "sun") * 2]
        await until(lambda: enough(statuses, 50))
        await asyncio.to_thread(crash, pair.standby)
        for each in (hub, other):
            await each.becomes(State.UNREACHABLE)
        before = len(statuses)
        await until(lambda: enough(statuses, before + 50))
        await asyncio.to_thread(pair.standby.start)
        for each in (hub, other):
            await each.becomes(State.OK)
        served = hub.replica.counts["replica"]
        await until(lambda: enough([*range(hub.replica.counts["replica"])], served + 50))
        done.set()
        await asyncio.gather(*asking)
    pair.control = await connect(pair.standby.url, application_name="tests")

    assert [entry["exception"] for entry in logs if entry["event"] == "request_failed"] == []
    assert set(statuses) == {200}
    changes = [entry for entry in logs if entry["event"] in {"replica_in_use", "replica_not_in_use"}]
    told = [(entry["event"], entry.get("why")) for entry in changes]
    assert [told.count(("replica_not_in_use", "unreachable")), told.count(("replica_in_use", None))] == [2, 2]


async def enough(seen: list[int], number: int) -> bool:
    await asyncio.sleep(0)
    return len(seen) >= number


async def test_a_hub_starts_while_its_replica_is_down(pair: Pair) -> None:
    settings = pair.settings.model_copy(update={"database_read_url": "postgresql://127.0.0.1:1/none"})
    async with reading(pair.crm, settings, used=False) as hub:
        assert hub.replica.state is State.UNREACHABLE
        assert await hub.went("sun") == ["primary"]
        await hub.becomes(State.UNREACHABLE)
