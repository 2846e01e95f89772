"""Connections of a pool kept at hand: the last one back is the next one out, without a task and two timers per read."""

import asyncio
from collections import deque
from typing import Any

import asyncpg


class Lanes:
    """Hands out connections that it keeps from a pool. What is lent comes back by `give`, or by `drop` after a failure:
    then the pool looks after it, and ends what may still run on it.
    """

    def __init__(self, pool: "asyncpg.Pool[Any]", size: int, *, wait_s: float) -> None:
        self._pool = pool
        self._size = size
        self._wait_s = wait_s
        self._kept: list[Any] = []
        self._open = 0
        self._waiting: deque[asyncio.Future[Any]] = deque()

    async def take(self) -> Any:
        """A connection. Raises TimeoutError when none is free in time."""
        while self._kept:
            connection = self._kept.pop()
            if not connection.is_closed():
                return connection
            await self.drop(connection)
        if self._open < self._size:
            return await self._opened()
        connection = await self._waited()
        return connection if connection is not None else await self.take()

    async def _waited(self) -> Any:
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        self._waiting.append(waiter)
        alarm = loop.call_later(self._wait_s, _expire, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None and waiter.result() is not None:
                self.give(waiter.result())
            raise
        finally:
            alarm.cancel()

    async def _opened(self) -> Any:
        self._open += 1
        try:
            return await self._pool.acquire(timeout=self._wait_s)
        except BaseException:
            self._open -= 1
            self._wake(None)
            raise

    def give(self, connection: Any) -> None:
        """Take a connection back that a statement ended well on."""
        if not self._wake(connection):
            self._kept.append(connection)

    async def drop(self, connection: Any) -> None:
        """Take a connection back that something went wrong on."""
        self._open -= 1
        self._wake(None)
        await self._pool.release(connection)

    def _wake(self, connection: Any) -> bool:
        """Hand the connection, or with None the leave to open one, to who waits longest."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return True
        return False

    async def close(self) -> None:
        """Give everything that is kept back to the pool."""
        while self._kept:
            await self.drop(self._kept.pop())


def _expire(waiter: "asyncio.Future[Any]") -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())
