"""Connections kept at hand for reads: the last one back is the next one out, without a pool's task and timers."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

log = structlog.get_logger(__name__)


class Lanes:
    """Hands out connections that it opens when they are needed, `size` at the most. What is lent comes back by `give`,
    or after a failure by `drop`, which ends it with whatever may still run on it; until the server has done so it
    counts.
    """

    def __init__(self, connect: Callable[[], Awaitable[Any]], size: int, *, wait_s: float) -> None:
        self._connect = connect
        self._size = size
        self._wait_s = wait_s
        self._kept: list[Any] = []
        self._open = 0
        self._ending: set[asyncio.Task[None]] = set()
        self._waiting: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._alarm: asyncio.TimerHandle | None = None

    def at_hand(self) -> Any:
        """A connection that is free at this moment, or None."""
        while self._kept:
            connection = self._kept.pop()
            if not connection.is_closed():
                return connection
            self._ended(connection)
        return None

    async def take(self) -> Any:
        """A connection. Raises TimeoutError when none is free in time."""
        connection = self.at_hand()
        while connection is None:
            if self._open < self._size:
                return await self._opened()
            waiter = self._queued()
            try:
                connection = await waiter
            except asyncio.CancelledError:
                if waiter.done() and not (waiter.cancelled() or waiter.exception()) and waiter.result() is not None:
                    self.give(waiter.result())
                raise
        return connection

    def _queued(self) -> "asyncio.Future[Any]":
        """A place at the end of the queue. One alarm serves all who wait, since a timer for each would take as long as
        the rest of the waiting.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((loop.time() + self._wait_s, waiter))
        if self._alarm is None:
            self._alarm = loop.call_later(self._wait_s, self._expire)
        return waiter

    def _expire(self) -> None:
        """Tell those who have waited too long, and come back for the next."""
        loop = asyncio.get_running_loop()
        while self._waiting and (self._waiting[0][0] <= loop.time() or self._waiting[0][1].done()):
            _, waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(TimeoutError())
        self._alarm = loop.call_at(self._waiting[0][0], self._expire) if self._waiting else None

    async def _opened(self) -> Any:
        self._open += 1
        try:
            return await self._connect()
        except BaseException:
            self._open -= 1
            self._wake(None)
            raise

    def give(self, connection: Any) -> None:
        """Take a connection back that a statement ended well on."""
        if not self._wake(connection):
            self._kept.append(connection)

    def drop(self, connection: Any) -> None:
        """Take a connection back that something went wrong on, and end it. A statement that was cancelled is ended on
        the server first: cutting the connection would leave it running.
        """
        ending = asyncio.get_running_loop().create_task(self._end(connection))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    async def _end(self, connection: Any) -> None:
        try:
            await connection.close(timeout=self._wait_s)
        except Exception as failure:  # noqa: BLE001 - whatever keeps it from closing, it is cut next
            log.info("connection_cut", cause=repr(failure))
        finally:
            self._ended(connection)

    def _ended(self, connection: Any) -> None:
        self._open -= 1
        connection.terminate()
        self._wake(None)

    def _wake(self, connection: Any) -> bool:
        """Hand the connection, or with None the leave to open one, to who waits longest."""
        while self._waiting:
            _, waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return True
        return False

    def end_kept(self) -> None:
        """Cut what is kept; what is lent comes back as ever."""
        while self._kept:
            self._ended(self._kept.pop())

    async def close(self) -> None:
        """Close what is kept, once what is being ended has ended."""
        if self._alarm is not None:
            self._alarm.cancel()
        await asyncio.gather(*self._ending)
        while self._kept:
            connection = self._kept.pop()
            self._open -= 1
            await connection.close(timeout=self._wait_s)
