"""Clients that go away while their read runs: it is cancelled, and with it its statement on the server."""

import asyncio
from typing import Any

from starlette.types import Receive

LOOK_EVERY_S = 0.05


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


class Disconnects:
    """Watches the requests that are still running at a second look. Most end before the first, and cost two entries in
    a dictionary: there is one timer for all, and none while nothing runs.
    """

    def __init__(self, look_every_s: float = LOOK_EVERY_S) -> None:
        self._look_every_s = look_every_s
        self._running: dict[asyncio.Task[Any], Receive] = {}
        self._seen: frozenset[asyncio.Task[Any]] = frozenset()
        self._watchers: dict[asyncio.Task[Any], asyncio.Task[None]] = {}
        self._gone: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def enter(self, receive: Receive) -> asyncio.Task[Any]:
        """From now on the running task, which is given, is cancelled when its client goes away. The request's body has
        been received.
        """
        loop = self._loop
        if loop is None:
            # To look it up asks the kernel for the process each time, which took a twentieth of a small read.
            loop = self._loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("a request is answered in a task")
        self._running[task] = receive
        if self._timer is None:
            self._timer = loop.call_later(self._look_every_s, self._look)
        return task

    def leave(self, task: asyncio.Task[Any]) -> None:
        """The end of what `enter` began."""
        del self._running[task]
        if self._watchers:
            watcher = self._watchers.pop(task, None)
            if watcher is not None:
                watcher.cancel()
                self._gone.discard(task)

    def took(self, task: asyncio.Task[Any]) -> bool:
        """Whether a cancellation of the task was ours; it then counts as dealt with."""
        if task not in self._gone:
            return False
        self._gone.discard(task)
        task.uncancel()
        return True

    def _look(self) -> None:
        for task in self._seen & self._running.keys() - self._watchers.keys():
            self._watchers[task] = task.get_loop().create_task(self._watch(task, self._running[task]))
        self._seen = frozenset(self._running)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._look_every_s, self._look) if self._running else None

    async def _watch(self, task: asyncio.Task[Any], receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._gone.add(task)
        task.cancel()
