"""Which reads a replica answers, on connections of its own, and what becomes of those that it fails."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import UUID

import structlog

from crm_graph.db import DATABASE_FAILURES, LaneConnection
from crm_graph.lanes import Lanes
from crm_graph.replicas.positions import UNKNOWN, Writes
from crm_graph.replicas.seals import Seals
from crm_graph.replicas.watch import LOOK_WITHIN_S, REPLAYED, Server, State, Watch

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 0.5
ASK_EVERY_S = 0.005
"""How often, at most, a server is asked how far it is on behalf of who wrote lately."""


class ReplicaConnection(LaneConnection):
    """A connection that knows which server it leads to."""

    __slots__ = ("server",)

    server: Server


class Replica:
    """Lends connections to reads that the replica can answer; the others get none and go to the primary.

    While the replica is of no use, or for an asker whose writes it has not replayed, that costs a look at a number or
    two. `start` looks for the first time and then keeps looking; `stop` ends that.
    """

    def __init__(
        self,
        open_connection: Callable[[], Awaitable[ReplicaConnection]],
        size: int,
        writes: Writes,
        watch: Callable[[Callable[[], None]], Watch],
        seals: Seals,
        *,
        wait_s: float,
        lend_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open = open_connection
        self._lanes = Lanes(self._opened, size, wait_s=wait_s, lend_s=lend_s)
        self._writes = writes
        self._seals = seals
        self._heard = asyncio.Event()
        self._watch = watch(self._heard.set)
        self._monotonic = monotonic
        self._doubted = asyncio.Event()
        self._server: Server | None = None
        self._lent: set[ReplicaConnection] = set()
        self._running: list[asyncio.Task[None]] = []
        self.state: State | None = None
        self.counts: Counter[str] = Counter()
        """Reads by where they went: `replica`; `primary` while it was of no use; `primary_unreplayed` because the asker
        had just written; `primary_retried` because the replica failed them.
        """

    @property
    def lag_s(self) -> float:
        """How far it was behind at the last look."""
        return self._watch.lag_s

    async def start(self) -> None:
        """Look for the first time, and keep looking. A replica that is down is no reason not to start."""
        await self._look()
        self._running = [
            asyncio.create_task(self._keep_looking(), name="replica watch"),
            asyncio.create_task(self._keep_settling(), name="positions of writes"),
        ]

    async def stop(self) -> None:
        """End the looking and every connection."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._watch.close()
        await self._lanes.close()

    async def take(self, user_id: UUID, after: int) -> ReplicaConnection | None:
        """A connection for a read of this user that has to see everything up to `after` and all that the user wrote;
        None where the replica cannot answer it.
        """
        if self.state is not State.OK:
            self.counts["primary"] += 1
            return None
        needed = max(self._writes.needed(user_id), after)
        if needed == UNKNOWN:
            self.counts["primary_unreplayed"] += 1
            return None
        try:
            connection: ReplicaConnection = self._lanes.at_hand() or await self._lanes.take()
        except DATABASE_FAILURES as failure:
            self.failed(failure)
            return None
        if connection.server.left:
            self._lanes.drop(connection)
            self.counts["primary"] += 1
            return None
        if needed > connection.server.replayed and not await self._has_replayed(connection, needed):
            return None
        self.counts["replica"] += 1
        self._lent.add(connection)
        return connection

    def give(self, connection: ReplicaConnection) -> None:
        """Take a connection back that a statement ended well on."""
        self._lent.discard(connection)
        self._lanes.give(connection)

    def drop(self, connection: ReplicaConnection) -> None:
        """Take a connection back that something went wrong on, and end it."""
        self._lent.discard(connection)
        self._lanes.drop(connection)

    def failed(self, failure: BaseException) -> None:
        """A read failed here and goes to the primary; the next look comes at once."""
        self.counts["primary_retried"] += 1
        log.debug("replica_failed", cause=repr(failure))
        self._doubted.set()

    async def wrote(self, user_id: UUID) -> str | None:
        """A transaction of this user has been committed: their reads in this process see it from here on. How far it
        reaches, as clients are told it; None where that cannot be found.
        """
        self._writes.note(user_id)
        position = await self._writes.settle()
        return None if position is None else self._seals.seal(position)

    def position(self, told: bytes) -> int:
        """The position that a client was told, as it gives it back; one that is not ours is answered by the primary."""
        return self._seals.open(told)

    async def _has_replayed(self, connection: ReplicaConnection, needed: int) -> bool:
        """Ask the server, unless it was just asked. The connection goes back if it cannot be used."""
        server, now = connection.server, self._monotonic()
        if now - server.asked_at < ASK_EVERY_S:
            self._lanes.give(connection)
            self.counts["primary_unreplayed"] += 1
            return False
        server.asked_at = now
        try:
            server.replayed = max(server.replayed, await connection.fetchval(REPLAYED, timeout=LOOK_WITHIN_S) or 0)
        except BaseException as failure:
            self._lanes.drop(connection)
            if not isinstance(failure, DATABASE_FAILURES):
                raise
            self.failed(failure)
            return False
        if needed <= server.replayed:
            return True
        self._lanes.give(connection)
        self.counts["primary_unreplayed"] += 1
        return False

    async def _opened(self) -> ReplicaConnection:
        connection = await self._open()
        try:
            started = await connection.fetchval("SELECT pg_postmaster_start_time()", timeout=LOOK_WITHIN_S)
        except BaseException:
            connection.terminate()
            raise
        same = self._server is not None and self._server.started == started
        connection.server = self._server if self._server is not None and same else Server(started)
        return connection

    async def _keep_looking(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._doubted.wait(), LOOK_EVERY_S)
            self._doubted.clear()
            await self._look()

    async def _keep_settling(self) -> None:
        """Find out the positions of what other processes wrote."""
        while True:
            await self._heard.wait()
            self._heard.clear()
            await self._writes.settle()

    async def _look(self) -> None:
        state = await self._watch.look()
        started = self._watch.started
        if started is not None and (self._server is None or self._server.started != started):
            if self._server is not None:
                self._server.left = True
            self._server = Server(started)
        if state is not self.state:
            lag_s = round(self.lag_s, 3)
            if state is State.OK:
                log.info("replica_in_use", lag_s=lag_s)
            else:
                log.warning("replica_not_in_use", why=state.value, lag_s=lag_s)
        self.state = state
        if state is State.UNREACHABLE:
            self._end_connections()

    def _end_connections(self) -> None:
        """Reads that wait for a server that is gone fail now, and go to the primary."""
        for connection in self._lent:
            connection.terminate()
        self._lanes.end_kept()
