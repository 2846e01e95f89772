"""Connections kept at hand for reads: the last one back is the next one out, without a pool's task and timers."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

import structlog

log = structlog.get_logger(__name__)

T = TypeVar("T")

LOOKS = 4
"""How often lent connections are looked at in the time that they may stay out."""


class Connection(Protocol):
    """What is lent. `turns` grows with each loan; who lends longer on purpose counts it on."""

    turns: int

    def is_closed(self) -> bool: ...

    def terminate(self) -> None: ...

    def close(self, *, timeout: float) -> Awaitable[None]: ...


def each_lent(connection: Connection, functions: Mapping[str, Callable[..., T]]) -> Mapping[str, Callable[..., T]]:
    """The functions, to each of which the connection is lent anew when it is called: it has a time limit of its own."""

    def lent_anew(function: Callable[..., T]) -> Callable[..., T]:
        def called(*arguments: Any) -> T:
            connection.turns += 1
            return function(*arguments)

        return called

    return {name: lent_anew(function) for name, function in functions.items()}


class Lanes:
    """Hands out connections that it opens when they are needed, `size` at the most. What is lent comes back by `give`,
    or after a failure by `drop`, which ends it with whatever may still run on it; until the server has done so it
    counts. One that stays out for longer than `lend_s`, or at most a quarter more, is cut: the server ends statements
    that take too long, and does not answer any more. One look at all of them costs a read less than a timer of its own.
    """

    def __init__(self, connect: Callable[[], Awaitable[Any]], size: int, *, wait_s: float, lend_s: float) -> None:
        self._connect = connect
        self._size = size
        self._wait_s = wait_s
        self._lend_s = lend_s
        self._kept: list[Connection] = []
        self._opened: set[Connection] = set()
        self._out: dict[Connection, tuple[int, float]] = {}
        self._look_out: asyncio.TimerHandle | None = None
        self._open = 0
        self._ending: set[asyncio.Task[None]] = set()
        self._waiting: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._alarm: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

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
                return await self._another()
            waiter = self._queued()
            try:
                connection = await waiter
            except asyncio.CancelledError:
                if waiter.done() and not (waiter.cancelled() or waiter.exception()):
                    self._pass_on(waiter.result())
                raise
        return connection

    def _pass_on(self, handed: Any) -> None:
        """Leave to others what was handed to somebody who does not wait any more."""
        if handed is None:
            self._wake(None)
        else:
            self.give(handed)

    def _queued(self) -> "asyncio.Future[Any]":
        """A place at the end of the queue. One alarm serves all who wait, since a timer for each would take as long as
        the rest of the waiting.
        """
        # Kept: to look it up asks the kernel for the process each time.
        loop = self._loop = self._loop or asyncio.get_running_loop()
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

    async def _another(self) -> Any:
        self._open += 1
        try:
            connection = await self._connect()
        except BaseException:
            self._open -= 1
            self._wake(None)
            raise
        self._opened.add(connection)
        if self._look_out is None:
            self._look_out = asyncio.get_running_loop().call_later(self._lend_s / LOOKS, self._look)
        return connection

    def _look(self) -> None:
        """Cut what has been out since long ago; its statement fails, and who waits for it drops it."""
        loop = asyncio.get_running_loop()
        now, known = loop.time(), self._out
        self._out = {}
        for connection in self._opened.difference(self._kept):
            turn, since = known.get(connection, (connection.turns, now))
            if turn != connection.turns:
                since = now
            elif now - since >= self._lend_s:
                log.warning("connection_cut", cause="no answer")
                connection.terminate()
                continue
            self._out[connection] = connection.turns, since
        self._look_out = loop.call_later(self._lend_s / LOOKS, self._look) if self._opened else None

    def give(self, connection: Any) -> None:
        """Take a connection back that a statement ended well on. One that closed meanwhile is handed to nobody."""
        if connection.is_closed():
            self._ended(connection)
            return
        connection.turns += 1
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
        self._opened.discard(connection)
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
        for timer in (self._alarm, self._look_out):
            if timer is not None:
                timer.cancel()
        await asyncio.gather(*self._ending)
        while self._kept:
            connection = self._kept.pop()
            self._open -= 1
            self._opened.discard(connection)
            await connection.close(timeout=self._wait_s)
