"""Which loops a worker runs, and how they start and end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

import uvloop

from crm_graph.hub import Hub, open_hub
from crm_graph.server import STOPPING
from crm_graph.settings import Settings
from crm_graph.worker import schedules
from crm_graph.worker.jobs import Jobs
from crm_graph.worker.timers import fire_timers
from crm_graph.worker.watching import COMMAND, Watch, report

Loop = Callable[[Hub, asyncio.Event], Awaitable[None]]
"""Works until the event is set, then finishes what it has begun and returns. What it raises ends the worker."""

LOOPS: Mapping[str, Loop] = MappingProxyType(
    {
        "jobs": lambda hub, told: Jobs(hub).run(told),
        "schedules": schedules.run,
        "timers": fire_timers,
    }
)


async def run_loops(hub: Hub, told: asyncio.Event, loops: Mapping[str, Loop] = LOOPS) -> None:
    """Run loops until told to end. Where one raises, the others are told, and it is raised once they have ended."""
    tasks = [asyncio.create_task(_run(loop, hub, told), name=name) for name, loop in loops.items()]
    try:
        await asyncio.wait(tasks)
    finally:
        for task in tasks:
            task.cancel()
    for task in tasks:
        task.result()


async def _run(loop: Loop, hub: Hub, told: asyncio.Event) -> None:
    try:
        await loop(hub, told)
    finally:
        told.set()


async def work(settings: Settings, told: asyncio.Event, loops: Mapping[str, Loop] = LOOPS) -> None:
    """The worker process: all loops on one hub, until told to end."""
    async with open_hub(settings) as hub:
        telling = asyncio.create_task(report(settings, told))
        try:
            await run_loops(hub, told, loops)
        finally:
            telling.cancel()


def until_stopped(run: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run to the end on uvloop; SIGTERM, Ctrl-C and the closing of the terminal tell it to end."""

    async def main() -> None:
        told = asyncio.Event()
        for number in STOPPING:
            asyncio.get_running_loop().add_signal_handler(number, told.set)
        await run(told)

    uvloop.run(main())


@asynccontextmanager
async def beside(settings: Settings, *, quiet: bool = False) -> AsyncIterator[None]:
    """A watched worker for as long as the block lasts; a quiet one tells only what is wrong."""
    told = asyncio.Event()
    watch = Watch(settings, (*COMMAND, "--quiet") if quiet else COMMAND)
    watching = asyncio.create_task(watch.run(told))
    try:
        yield
    finally:
        told.set()
        await asyncio.shield(watching)
