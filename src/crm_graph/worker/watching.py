"""What watches over a worker: a process of its own, started again when it ends, and ended when it takes too much memory
or no longer answers.
"""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import psutil
import structlog

from crm_graph.settings import Settings

log = structlog.get_logger(__name__)

COMMAND = (sys.executable, "-c", "from crm_graph.cli import main; main()", "worker", "--unwatched")
BEAT_S = 1.0
LOOK_S = 0.25
SILENT_S = 60.0
"""A worker that says nothing for so long hangs in a handler that never lets anything else run."""
START_S = 60.0
"""How long one that starts may be silent beyond that."""
GRACE_S = 30.0
"""How long what runs may take to finish after the signal to stop; then it is cut, and done by the next worker."""
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
MEGABYTE = 1024 * 1024


@dataclass
class Watch:
    """Runs a worker process for as long as it is asked to."""

    settings: Settings
    command: Sequence[str] = COMMAND
    silent_s: float = SILENT_S
    grace_s: float = GRACE_S
    first_pause_s: float = FIRST_PAUSE_S
    _before: UUID | None = None

    async def run(self, told: asyncio.Event) -> None:
        """Until told to end. A worker that ends early is started again, later each time."""
        pause = self.first_pause_s
        while not told.is_set():
            began = time.monotonic()
            code = await self._one(told)
            if told.is_set():
                return
            if time.monotonic() - began > LONGEST_PAUSE_S:
                pause = self.first_pause_s
            log.warning("worker_ended", code=code, again_in_s=0 if code == 0 else pause)
            if code != 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(told.wait(), pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)

    async def _one(self, told: asyncio.Event) -> int:
        """One process from its start to its end, and the status that it ended with."""
        identity = uuid4()
        process = await asyncio.create_subprocess_exec(
            *self.command, env=self._environment(identity), stdout=asyncio.subprocess.PIPE
        )
        self._before = identity
        ended, asked = asyncio.create_task(process.wait()), asyncio.create_task(told.wait())
        heard = _Heard(process)
        listening = asyncio.create_task(heard.listen())
        try:
            while not ended.done():
                await asyncio.wait({ended, asked}, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
                if not ended.done() and asked.done():
                    process.terminate()
                    await asyncio.wait({ended}, timeout=self.grace_s)
                    break
                if not ended.done() and self._is_lost(process, heard):
                    break
            if not ended.done():
                process.kill()
            return await ended
        finally:
            if process.returncode is None:
                process.kill()
            for task in (ended, asked, listening):
                task.cancel()

    def _is_lost(self, process: asyncio.subprocess.Process, heard: "_Heard") -> bool:
        """Whether a process takes more than twice the memory that it may, or is silent."""
        memory = memory_of(process.pid)
        if memory > 2 * self.settings.worker_memory_mb * MEGABYTE:
            log.error("worker_too_large", memory_mb=memory // MEGABYTE)
        elif time.monotonic() - heard.last > self.silent_s:
            log.error("worker_silent", seconds=self.silent_s)
        else:
            return False
        return True

    def _environment(self, identity: UUID) -> Mapping[str, str]:
        """What the process is told: also whose jobs were lost, if the one before it did not give them back."""
        given = {
            "DATABASE_URL": str(self.settings.database_url),
            "CRM_GRAPH_HOME": str(self.settings.home),
            "CRM_GRAPH_WORKER_ID": str(identity),
            "CRM_GRAPH_WORKER_MEMORY_MB": str(self.settings.worker_memory_mb),
        }
        if self._before is not None:
            given["CRM_GRAPH_WORKER_BEFORE"] = str(self._before)
        return {**os.environ, **given}


class _Heard:
    """When a process was last heard of."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.last = time.monotonic() + START_S

    async def listen(self) -> None:
        """Read what it says until it says no more."""
        stream = self._process.stdout
        while stream is not None and await stream.read(1024):
            self.last = time.monotonic()


def memory_of(pid: int) -> int:
    """The resident memory of a process in bytes; 0 where it is gone."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


async def report(settings: Settings, told: asyncio.Event) -> None:
    """In the worker: say that it lives, until it is told to end. It ends by itself, once what runs is finished, when it
    has grown too large, and when nobody listens any more.
    """
    while not told.is_set():
        try:
            os.write(sys.stdout.fileno(), b".")
        except OSError:
            told.set()
        if memory_of(os.getpid()) > settings.worker_memory_mb * MEGABYTE:
            log.warning("worker_starts_anew", memory_mb=settings.worker_memory_mb)
            told.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(told.wait(), BEAT_S)
