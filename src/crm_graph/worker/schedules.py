"""The loop of schedules: waits for the next tick, and enqueues its job."""

import asyncio
import contextlib

from crm_graph.hub import Hub, own_user, transactions
from crm_graph.services.schedules import install, tick

USER = ("system.schedules", "Schedules")
SOURCE = "worker"
LONGEST_S = 30.0
"""After so long the clock is asked again: it may have been set."""
SHORTEST_S = 0.2
"""While another worker has what is due."""


async def run(hub: Hub, told: asyncio.Event) -> None:
    """Tick until told to end."""
    begin = transactions(hub, await own_user(hub, *USER), source=SOURCE)
    async with begin() as tx:
        await install(tx)
    while not told.is_set():
        async with begin() as tx:
            next_at = await tick(tx)
        seconds = LONGEST_S if next_at is None else (next_at - hub.clock()).total_seconds()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(told.wait(), min(max(seconds, SHORTEST_S), LONGEST_S))
