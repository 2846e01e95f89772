"""Workers as they run in production: processes that are killed, eat memory, hang, and are told to end."""

import asyncio
import os
import random
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from crm_graph.services.jobs import Job
from crm_graph.settings import Settings
from crm_graph.worker.watching import Watch

from .conftest import PATIENCE_S, Company

DOING = (sys.executable, str(Path(__file__).with_name("doing.py")))
WORKERS = 3
KILLS = 12


def environment(settings: Settings) -> dict[str, str]:
    source = str(Path(__file__).parents[2] / "src")
    given = {"PYTHONPATH": source, "DATABASE_URL": str(settings.database_url), "CRM_GRAPH_HOME": str(settings.home)}
    return {**os.environ, **given}


class Workers:
    """Processes that do jobs on one database. Each is a fork of one that has read the code already."""

    def __init__(self, forking: asyncio.subprocess.Process) -> None:
        self._forking = forking
        self.running: list[int] = []

    async def start(self) -> None:
        stdin, stdout = self._forking.stdin, self._forking.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(b"start\n")
        self.running.append(int(await stdout.readline()))

    def kill(self, process: int) -> None:
        self.running.remove(process)
        os.kill(process, signal.SIGKILL)

    async def kill_after_effects(self, company: Company, count: int) -> None:
        """Kill whichever it is whose effect is the last of so many, as soon as that stands."""
        left, killed = count, asyncio.Event()

        def heard(_connection: Any, _pid: int, _channel: str, process: object) -> None:
            nonlocal left
            left -= 1
            if left <= 0 and not killed.is_set() and int(str(process)) in self.running:
                self.kill(int(str(process)))
                killed.set()

        await company.database.add_listener("tests_effect", heard)
        async with asyncio.timeout(PATIENCE_S):
            await killed.wait()
        await company.database.remove_listener("tests_effect", heard)


@asynccontextmanager
async def workers(settings: Settings) -> AsyncIterator[Workers]:
    pipe = asyncio.subprocess.PIPE
    forking = await asyncio.create_subprocess_exec(
        *DOING, "fork", env=environment(settings), stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL
    )
    them = Workers(forking)
    try:
        yield them
    finally:
        while them.running:
            them.kill(them.running[0])
        forking.terminate()
        await forking.wait()


# What a worker had claimed is waited for no longer; what it does right now is its own as long as it lives.
_AGE = """
UPDATE pgqueuer SET heartbeat = '-infinity' WHERE id IN (
    SELECT id FROM pgqueuer WHERE status = 'picked' FOR UPDATE SKIP LOCKED
)
"""


@pytest.mark.parametrize("seed", [1])
async def test_workers_killed_under_load_do_everything_once(company: Company, seed: int) -> None:
    chance = random.Random(seed)
    free = [Job("tests.note", {"value": f"free {n}", "further": 2}) for n in range(100)]
    together = [Job("tests.together", {"value": f"together {n}"}) for n in range(200)]
    keyed = [Job("tests.note", {"value": f"{key} {n}"}, key=key) for n in range(20) for key in ("x", "y")]
    expected = [str(job.payload["value"]) for job in (*free, *together, *keyed)]
    expected += [f"{job.payload['value']}{plus}" for job in free for plus in ("+", "++")]
    await company.enqueue(*free, *together, *keyed)

    async with workers(company.hub.settings) as them:
        for _ in range(WORKERS):
            await them.start()
        for number in range(KILLS):
            if number % 2:
                await company.changes(chance.randint(1, 12))
                them.kill(chance.choice(them.running))
            else:
                await them.kill_after_effects(company, chance.randint(1, 20))
            await them.start()
            await company.database.execute(_AGE)
            await company.wake()
        await company.until(0)

    effects = [row["value"] for row in await company.database.fetch("SELECT value FROM effects ORDER BY n")]
    assert Counter(effects) == Counter(expected)
    for key in ("x", "y"):
        assert [value for value in effects if value[0] == key] == [f"{key} {n}" for n in range(20)]


async def test_a_job_that_ends_its_worker_is_held_and_takes_no_other_with_it(company: Company) -> None:
    """One eats memory twice, one hangs; each is ended from outside, and the worker is started again."""
    notes = [Job("tests.note", {"value": str(n)}) for n in range(10)]
    await company.enqueue(Job("tests.eat", {}), *notes, Job("tests.hang", {}))
    settings = company.hub.settings.model_copy(update={"worker_memory_mb": 256})
    told = asyncio.Event()
    watch = Watch(settings, DOING, silent_s=4.0, first_pause_s=0.0)
    watching = asyncio.create_task(watch.run(told))
    try:
        await company.until(2, "status = 'failed'")
        await company.until(2)
    finally:
        told.set()
        await watching
    held = await company.database.fetch(
        "SELECT entrypoint, attempts, headers #>> ARRAY['error', 'code'] AS code FROM pgqueuer ORDER BY entrypoint"
    )
    assert [tuple(row) for row in held] == [("tests.eat", 2, "WORKER_LOST"), ("tests.hang", 1, "WORKER_LOST")]
    effects = [row["value"] for row in await company.database.fetch("SELECT value FROM effects")]
    assert sorted(effects, key=int) == [str(n) for n in range(10)]


@pytest.mark.parametrize("arguments", [("worker",), ("serve", "--worker")], ids=" ".join)
async def test_the_command_does_jobs_until_it_is_told_to_end(company: Company, arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-c", "from crm_graph.cli import main; main()", *arguments]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    process = await asyncio.create_subprocess_exec(
        *command, env={**environment(company.hub.settings), "PORT": port}, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await company.enqueue(Job("upkeep.expired", {}))
        await company.until(0)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
    mine = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'crm-graph jobs'"
    assert await company.database.fetchval(f"{mine} AND datname = current_database()") == 0
