"""What timers take: to set many, how late they fire while many wait, and how fast what an outage left is made up."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from bench.database import CRM_GRAPH, crm_graph
from bench.processes import BenchError
from bench.report import Section
from crm_graph.db import connect
from crm_graph.embedded import EmbeddedServer
from crm_graph.hub import open_hub, own_user, transactions
from crm_graph.services.role_holders import EXPIRY
from crm_graph.services.timers import USER, Timer, set_timers
from crm_graph.settings import Settings, load_settings

MANY = 100_000
FIRING = 10_000
"""Of them, so many fire while they are watched, evenly over `FIRING_S`."""
FIRING_S = 20
PATIENCE_S = 300
STARTING_S = 30
"""So long a worker may take to come up."""
ROLE = "service"

_PEOPLE = """
INSERT INTO users (id, kind, username, name, created_at, updated_at)
SELECT crm_id(7), 'PERSON', 'timed-' || n, 'Wang', now(), now() FROM generate_series(1, $1) AS n RETURNING id
"""
_HOLD = """
INSERT INTO user_roles (user_id, role_id, expires_at)
SELECT h.user_id, r.id, h.until FROM unnest($1::uuid[], $2::timestamptz[]) AS h (user_id, until)
JOIN roles r ON r.key = $3
"""
_LATENESS = """
SELECT percentile_cont(ARRAY[0.5, 0.99, 1]) WITHIN GROUP (ORDER BY extract(epoch FROM late)) AS late, count(*) AS fired
FROM (
    SELECT occurred_at - (before ->> 'until')::timestamptz AS late FROM events WHERE type = 'user.role_expired'
) AS l
"""
_OVERDUE = """
UPDATE user_roles SET expires_at = date_trunc('second', now() - interval '1 hour') WHERE expires_at > now();
UPDATE timers SET due_at = date_trunc('second', now() - interval '1 hour'),
                  wake_at = date_trunc('second', now() - interval '1 hour')
"""


def measure_timers(home: Path, progress: Callable[[str], None]) -> Section:
    """On a server of its own that is as durable as a company's, with a worker process as it is run."""
    progress("timers")
    with EmbeddedServer(home) as server:
        environment = {"DATABASE_URL": server.url, "CRM_GRAPH_HOME": str(home)}
        crm_graph("migrate", environment=environment)
        rows = asyncio.run(_measured(load_settings(database_url=server.url, home=home), environment, progress))
    return Section("Timers", ("what", "takes"), tuple(rows))


async def _measured(
    settings: Settings, environment: dict[str, str], progress: Callable[[str], None]
) -> list[tuple[str, str]]:
    database = await connect(str(settings.database_url))
    try:
        people = [row["id"] for row in await database.fetch(_PEOPLE, MANY)]
        took = await _set(settings, database, people)
        rows = [(f"{MANY:,} set in one transaction", f"{took:.1f} s")]
        progress("timers that fire")
        with _worker(environment):
            await _until(database, FIRING)
        (p50, p99, longest), fired = await database.fetchrow(_LATENESS)
        rows.append((f"lateness with {MANY:,} waiting, {FIRING // FIRING_S} a second: p50", f"{1000 * p50:.0f} ms"))
        rows += [(f"{name}, of {fired:,}", f"{1000 * late:.0f} ms") for name, late in (("p99", p99), ("max", longest))]
        progress("timers after an outage")
        await database.execute(_OVERDUE)
        with _worker(environment):
            await _until(database, FIRING + 1)
            began, first = time.perf_counter(), await _fired(database)
            await _until(database, MANY)
            took = time.perf_counter() - began
        rows.append((f"{MANY - FIRING:,} that an outage left, by one worker", f"{(MANY - first) / took:,.0f} a second"))
    finally:
        await database.close()
    return rows


async def _set(settings: Settings, database: Any, people: Sequence[UUID]) -> float:
    """Set the timers of all: those that are to fire soon, and the others in a year. The seconds that it took."""
    # The worker has to come up first, or its start would be measured as lateness.
    soon, later = datetime.now(UTC) + timedelta(seconds=STARTING_S), datetime.now(UTC) + timedelta(days=365)
    ends = [soon + timedelta(seconds=FIRING_S * n / FIRING) for n in range(FIRING)] + [later] * (MANY - FIRING)
    await database.execute(_HOLD, people, ends, ROLE)
    async with open_hub(settings) as hub:
        begin = transactions(hub, await own_user(hub, *USER), source="bench")
        began = time.perf_counter()
        async with begin() as tx:
            timers = [Timer(EXPIRY, "user", id_, at, key=ROLE) for id_, at in zip(people, ends, strict=True)]
            await set_timers(tx, timers)
        return time.perf_counter() - began


async def _until(database: Any, count: int) -> None:
    """Until so many have fired; asked seldom, so that this is not what is measured."""
    for _ in range(PATIENCE_S * 5):
        if await _fired(database) >= count:
            return
        await asyncio.sleep(0.2)
    raise BenchError("timers do not fire")


async def _fired(database: Any) -> int:
    found: int = await database.fetchval("SELECT count(*) FROM events WHERE type = 'user.role_expired'")
    return found


@contextmanager
def _worker(environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        [CRM_GRAPH, "worker"],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
