"""Worker processes are killed while timers fire, and each timer has fired once."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from crm_graph.hub import Hub
from crm_graph.services.role_holders import EXPIRY
from crm_graph.settings import Settings
from crm_graph.transaction import EVENTS_CHANNEL

from .timing import NOON, Desk

USERS = 6_000
KILLS = 4
PATIENCE_S = 120
FORKING = Path(__file__).with_name("forking.py")
SOURCES = str(Path(__file__).parents[2] / "src")

_END_ROLES = """
WITH held AS (
    INSERT INTO user_roles (user_id, role_id, expires_at)
    SELECT u.id, r.id, $1::timestamptz FROM users u JOIN roles r ON r.key = 'service'
    WHERE u.username LIKE 'timers-%' RETURNING user_id
)
INSERT INTO timers (id, kind, entity_type, entity_id, key, due_at, wake_at, set_at)
SELECT crm_id(31), $2, 'user', user_id, 'service', $1, $1, now() FROM held
"""


@dataclass
class Workers:
    """Processes that fire timers."""

    forking: asyncio.subprocess.Process
    running: list[int] = field(default_factory=list)

    async def start(self) -> None:
        assert self.forking.stdin
        assert self.forking.stdout
        self.forking.stdin.write(b"\n")
        self.running.append(int(await self.forking.stdout.readline()))

    def kill(self, random: Random) -> None:
        os.kill(self.running.pop(random.randrange(len(self.running))), signal.SIGKILL)


@asynccontextmanager
async def workers(settings: Settings) -> AsyncIterator[Workers]:
    forking = await asyncio.create_subprocess_exec(
        *(sys.executable, str(FORKING), str(settings.database_url), str(settings.home)),
        env={**os.environ, "PYTHONPATH": SOURCES},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    found = Workers(forking)
    try:
        yield found
    finally:
        for pid in found.running:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        forking.kill()
        await forking.wait()


async def test_each_fires_once_whatever_workers_are_killed(hub: Hub, desk: Desk) -> None:
    random = Random(52)
    await desk.users(USERS)
    await desk.database.execute(_END_ROLES, NOON, EXPIRY)
    woken = asyncio.Event()
    await desk.database.add_listener(EVENTS_CHANNEL, lambda *_: woken.set())

    async def fired(count: int) -> None:
        while True:
            woken.clear()
            if await desk.database.fetchval("SELECT count(*) FROM events WHERE type = 'user.role_expired'") >= count:
                return
            await woken.wait()

    async with asyncio.timeout(PATIENCE_S), workers(hub.settings) as processes:
        for _ in range(2):
            await processes.start()
        for point in sorted(random.sample(range(1, USERS - 600), KILLS)):
            await fired(point)
            processes.kill(random)
            await processes.start()
        await fired(USERS)

    told = "SELECT entity_id, entity_version, before ->> 'role' AS role FROM events WHERE type = 'user.role_expired'"
    rows = await desk.database.fetch(told)
    assert len(rows) == len({row["entity_id"] for row in rows}) == USERS
    assert {(row["entity_version"], row["role"]) for row in rows} == {(2, "service")}
    assert await desk.left() == []
