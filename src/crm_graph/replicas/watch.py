"""Whether a standby is of use: it answers, follows this primary, is migrated, and is not too far behind."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import asyncpg

from crm_graph.db import DATABASE_FAILURES
from crm_graph.replicas.positions import WRITES_CHANNEL, Writes, end_of_record

LOOK_WITHIN_S = 2.0
"""A server that does not answer a look in this time counts as gone."""
_KEPT_MARKS = 1000


class State(StrEnum):
    """What became of a replica; all but `OK` send every read to the primary."""

    OK = "ok"
    UNREACHABLE = "unreachable"
    NOT_STANDBY = "not_standby"
    """It follows no primary: promoted, or an address that leads to a server of its own."""
    OTHER_CLUSTER = "other_cluster"
    """It follows another primary than ours."""
    NOT_MIGRATED = "not_migrated"
    LAGGING = "lagging"
    WRITES_UNHEARD = "writes_unheard"
    """The primary does not tell what other processes write, so that nobody knows what a read must see."""


@dataclass(slots=True, eq=False)
class Server:
    """One run of the server behind the replica's address, and how far it is known to have replayed."""

    started: datetime
    replayed: int = 0
    asked_at: float = float("-inf")
    left: bool = False
    """The address leads to another server now."""


class Lag:
    """For how long something has stood in the primary's log that the standby has not replayed.

    The time of the last replayed transaction would not do: it ages while nobody writes.
    """

    def __init__(self, *, behind: int = 0) -> None:
        """`behind` has stood there for ever, for all that is known."""
        self._marks: deque[tuple[int, float]] = deque([(behind, float("-inf"))])
        self._newest = behind

    def mark(self, position: int, now: float) -> None:
        """The primary's log ends here now."""
        if position != self._newest and len(self._marks) < _KEPT_MARKS:
            self._marks.append((position, now))
            self._newest = position

    def seconds(self, replayed: int, now: float) -> float:
        """How long ago the oldest mark was set that is not replayed; 0 where there is none."""
        while self._marks and self._marks[0][0] <= replayed:
            self._marks.popleft()
        return now - self._marks[0][1] if self._marks else 0.0


class Watch:
    """Looks at primary and standby over a connection of its own to each; the one to the primary hears of writes."""

    def __init__(
        self,
        writes: Writes,
        *,
        connect_primary: Callable[[], Awaitable[Any]],
        connect_standby: Callable[[], Awaitable[Any]],
        is_behind: Callable[[str | None], bool],
        heard: Callable[[], None],
        max_lag_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._writes = writes
        self._connect_primary = connect_primary
        self._connect_standby = connect_standby
        self._is_behind = is_behind
        self._heard = heard
        self._max_lag_s = max_lag_s
        self._monotonic = monotonic
        self._primary: Any = None
        self._standby: Any = None
        self._lag = Lag()
        self.lag_s = 0.0
        self.started: datetime | None = None
        """When the server was started that the last look saw."""

    async def look(self) -> State:
        """How things stand now. A standby that is of no use is reached anew at each look."""
        try:
            async with asyncio.timeout(LOOK_WITHIN_S):
                primary = await self._look_at_primary()
        except DATABASE_FAILURES:
            self._primary = _end(self._primary)
            return State.WRITES_UNHEARD
        try:
            async with asyncio.timeout(LOOK_WITHIN_S):
                if self._standby is None or self._standby.is_closed():
                    self._standby = await self._connect_standby()
                standby = await self._standby.fetchrow(_STANDBY)
            state = self._judge(primary, standby)
        except asyncpg.UndefinedTableError:
            state = State.NOT_MIGRATED
        except DATABASE_FAILURES:
            state = State.UNREACHABLE
        if state is not State.OK:
            self._standby = _end(self._standby)
        return state

    async def _look_at_primary(self) -> asyncpg.Record:
        fresh = self._primary is None or self._primary.is_closed()
        if fresh:
            self._primary = await self._connect_primary()
            await self._primary.add_listener(WRITES_CHANNEL, self._told)
        row: asyncpg.Record = await self._primary.fetchrow(_PRIMARY)
        if fresh:
            self._writes.require_of_all(end_of_record(row["position"]))
        return row

    def _judge(self, primary: asyncpg.Record, standby: asyncpg.Record) -> State:
        position, now = end_of_record(primary["position"]), self._monotonic()
        if standby["started"] != self.started:
            # It may have been away for hours: it is of use once it has everything that stands in the log now.
            self.started, self._lag = standby["started"], Lag(behind=position)
        if not standby["follows"]:
            return State.NOT_STANDBY
        if standby["cluster"] != primary["cluster"]:
            return State.OTHER_CLUSTER
        self._lag.mark(position, now)
        self.lag_s = self._lag.seconds(standby["replayed"] or 0, now)
        if self._is_behind(standby["revision"]):
            return State.NOT_MIGRATED
        return State.LAGGING if self.lag_s > self._max_lag_s else State.OK

    def _told(self, _connection: object, _pid: object, _channel: object, payload: object) -> None:
        try:
            self._writes.note(UUID(str(payload)))
        except ValueError:
            return
        self._heard()

    def close(self) -> None:
        """End both connections."""
        self._primary = _end(self._primary)
        self._standby = _end(self._standby)


def _end(connection: Any) -> Any:
    """Nothing, after the connection."""
    if connection is not None:
        connection.terminate()
    return None


POSITION = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"
REPLAYED = "SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint"
_PRIMARY = """
SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS position,
       (SELECT system_identifier FROM pg_control_system()) AS cluster
"""
_STANDBY = """
SELECT pg_postmaster_start_time() AS started, pg_is_in_recovery() AS follows,
       pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint AS replayed,
       (SELECT system_identifier FROM pg_control_system()) AS cluster,
       (SELECT version_num FROM alembic_version) AS revision
"""
