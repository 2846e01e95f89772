"""How far in the primary's log (WAL) somebody's writes reach: a standby answers them once it has replayed as much.

A position is a byte of the log as a number; clients are told it sealed (`seals.py`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import structlog

from crm_graph.errors import CrmError

log = structlog.get_logger(__name__)

WRITES_CHANNEL = "crm_writes"
"""Notified in each transaction that writes, with the id of the user who wrote."""
UNKNOWN = 2**64 - 1
"""Beyond every log: the position of a write until it is known."""
HEADER = "CRM-Graph-Position"

_PAGE = 8192
_LONGEST_PAGE_HEADER = 40


def end_of_record(position: int) -> int:
    """Where the record before this insert position ends. After a record that fills its page PostgreSQL tells the place
    behind the next page's header, which a standby reaches only with the next record.
    """
    within = position % _PAGE
    return position - within if within <= _LONGEST_PAGE_HEADER else position


@dataclass(frozen=True, slots=True)
class _Written:
    position: int
    until: float


_NOTHING = _Written(0, float("inf"))


class Writes:
    """Who wrote lately, and how far a standby must be to answer them.

    `look` asks the primary for the end of its log. A write is remembered for `kept_s`, after which every standby in use
    has it, and of at most `limit` users; where there are more, the position of the oldest counts for everyone.
    """

    def __init__(
        self, look: Callable[[], Awaitable[int]], *, kept_s: float, limit: int, monotonic: Callable[[], float]
    ) -> None:
        self._look = look
        self._kept_s = kept_s
        self._limit = limit
        self._monotonic = monotonic
        self._by_user: dict[UUID, _Written] = {}
        self._everyone = _NOTHING
        self._pending: set[UUID] = set()
        self._found: int | None = None
        self._settling = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._by_user)

    def needed(self, user_id: UUID) -> int:
        """The position that a standby must have replayed to answer this user; 0 for any."""
        if self._everyone is not _NOTHING and self._everyone.until <= self._monotonic():
            self._everyone = _NOTHING
        written = self._by_user.get(user_id) if self._by_user else None
        if written is None:
            return self._everyone.position
        if written.until <= self._monotonic():
            del self._by_user[user_id]
            return self._everyone.position
        return max(written.position, self._everyone.position)

    def note(self, user_id: UUID) -> None:
        """A write of this user has been committed. Until `settle` has found its position, no standby will do."""
        self._pending.add(user_id)
        self._keep(user_id, UNKNOWN)

    async def settle(self) -> int | None:
        """Find a position behind all that was noted before this call, and give it. Calls at the same time share a look.
        What cannot be found stays as it is: the user is answered by the primary as long as a write is remembered.
        """
        async with self._settling:
            batch, self._pending = self._pending, set()
            if not batch:
                return self._found
            self._found = None
            try:
                self._found = position = end_of_record(await self._look())
            except CrmError as failure:
                log.warning("position_not_found", users=len(batch), cause=repr(failure.__cause__))
                return None
            for user_id in batch - self._pending:
                self._keep(user_id, position)
            return position

    def require_of_all(self, position: int) -> None:
        """Nobody is answered from before this position: for what was written while nobody listened."""
        self._everyone = _Written(max(position, self._everyone.position), self._monotonic() + self._kept_s)

    def _keep(self, user_id: UUID, position: int) -> None:
        now = self._monotonic()
        self._by_user.pop(user_id, None)
        self._by_user[user_id] = _Written(position, now + self._kept_s)
        self._forget_expired(now)
        if len(self._by_user) > self._limit:
            oldest = next(iter(self._by_user))
            self.require_of_all(self._by_user.pop(oldest).position)

    def _forget_expired(self, now: float) -> None:
        """The map is in the order of expiry."""
        while (oldest := next(iter(self._by_user), None)) is not None and self._by_user[oldest].until <= now:
            del self._by_user[oldest]
