"""Jobs: how fast they are enqueued and done, each with an effect in the database, by one worker."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.report import Section
from crm_graph.db import write_engine
from crm_graph.embedded import EmbeddedServer
from crm_graph.hub import Hub, open_hub, own_user, prepare, transactions
from crm_graph.migrations import migrate
from crm_graph.services.jobs import Handler, Job, RunningJob, enqueue
from crm_graph.settings import load_settings
from crm_graph.transaction import Transaction
from crm_graph.worker.jobs import Jobs

JOBS = 10_000
AT_ONCE = 1_000
KEYS = 500
LOOK_S = 0.02
BENCH = ("system.bench", "Benchmark")


async def _effect(tx: Transaction, job: RunningJob) -> None:
    await tx.driver().execute("INSERT INTO bench_effects (job, value) VALUES ($1, $2)", job.number, job.payload["n"])


def measure_jobs(home: Path, progress: Callable[[str], None]) -> Section:
    """On a server of its own."""
    progress("jobs")
    with EmbeddedServer(home, durable=False) as server:
        return asyncio.run(_measured(server.url))


async def _measured(url: str) -> Section:
    settings = load_settings(database_url=url)
    await migrate(url, settings)
    engine = write_engine(url, settings)
    await prepare(engine)
    await engine.dispose()
    async with open_hub(settings) as hub:
        begin = transactions(hub, await own_user(hub, *BENCH), source="bench")
        async with begin() as tx:
            await tx.driver().execute("CREATE TABLE bench_effects (job bigint PRIMARY KEY, value int)")
        rows = [
            await _round(hub, "together", Handler(_effect, together=100), lambda _: None),
            await _round(hub, "each in a transaction of its own", Handler(_effect), lambda _: None),
            await _round(hub, f"of {KEYS} keys, together", Handler(_effect, together=100), lambda n: f"key {n % KEYS}"),
        ]
    return Section(
        f"Jobs: {JOBS:,} with one INSERT each, {AT_ONCE:,} enqueued in a transaction, one worker",
        ("handler", "enqueued / s", "done / s", "both / s"),
        tuple(rows),
    )


async def _round(hub: Hub, title: str, handler: Handler, key_of: Callable[[int], str | None]) -> tuple[str, ...]:
    begin = transactions(hub, await own_user(hub, *BENCH), source="bench")
    began = time.perf_counter()
    for start in range(0, JOBS, AT_ONCE):
        async with begin() as tx:
            await enqueue(tx, *(Job("bench", {"n": n}, key=key_of(n)) for n in range(start, start + AT_ONCE)))
    enqueued = time.perf_counter()
    await _drain(hub, {"bench": handler})
    done = time.perf_counter()
    return (
        title,
        f"{JOBS / (enqueued - began):,.0f}",
        f"{JOBS / (done - enqueued):,.0f}",
        f"{JOBS / (done - began):,.0f}",
    )


async def _drain(hub: Hub, handlers: Mapping[str, Handler]) -> None:
    told = asyncio.Event()
    working = asyncio.create_task(Jobs(hub, handlers).run(told))
    while await hub.primary.fetchval("SELECT EXISTS (SELECT FROM pgqueuer)"):
        await asyncio.wait({working}, timeout=LOOK_S)
    told.set()
    await working
