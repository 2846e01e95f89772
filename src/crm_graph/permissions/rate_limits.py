"""How often somebody may ask, and how often proofs of who somebody is may be wrong: in memory, by process.

The generic cell rate algorithm: of each name one moment is kept, at which all of its requests so far are paid off.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from math import ceil

from crm_graph.bounded import Bounded

PERIOD_S = 60.0
KEPT = 10_000
ADDRESS_FACTOR = 10
"""How many more proofs may be wrong of all that come from one address than of one name there."""
ALL_FACTOR = 100
"""The same, from everywhere."""
AT_ONCE = 2
"""So many proofs are looked at at once of those that come after too many wrong ones."""
WAITING = 200
"""So many of them wait for it."""
_ROUNDING_S = 1e-6


class RateLimit:
    """At most `per_minute` requests of a name within a minute; 0 lets all pass. Of names beyond `kept`, those that were
    not heard of for longest are forgotten.
    """

    def __init__(self, per_minute: int, *, monotonic: Callable[[], float] = time.monotonic, kept: int = KEPT) -> None:
        self._cost = PERIOD_S / per_minute if per_minute else 0.0
        self._monotonic = monotonic
        self._paid_at: Bounded[object, float] = Bounded(kept)

    def wait_s(self, name: object) -> int:
        """0, and the request counts; or in how many seconds one would pass. One that is refused costs nothing."""
        if not self._cost:
            return 0
        now = self._monotonic()
        paid_at = max(self._paid_at.get(name) or now, now) + self._cost
        if paid_at - now > PERIOD_S + _ROUNDING_S:
            return max(1, ceil(paid_at - now - PERIOD_S))
        self._paid_at.put(name, paid_at)
        return 0

    def give_back(self, name: object) -> None:
        """Let a request that counted not have counted."""
        paid_at = self._paid_at.get(name)
        if paid_at is not None:
            self._paid_at.put(name, paid_at - self._cost)


class TooManyWrong(Exception):
    """A proof is wrong, or cannot be looked at, after too many wrong ones; `wait_s` is in how many seconds one would be
    told so.
    """

    def __init__(self, wait_s: int) -> None:
        super().__init__(wait_s)
        self.wait_s = wait_s


class WrongProofs:
    """Counts wrong proofs by name and address, by address, and from everywhere.

    A right one always counts as right: nobody is kept out by what others get wrong, not even from the same address
    (RFC 6749, section 10.10, asks that guessing be made hopeless, not that clients be locked out). After too many wrong
    ones of a name or an address, more are looked at a few at once, and the wrong among them refused for their number;
    after too many from everywhere, all wait their turn.
    """

    def __init__(self, of_name: RateLimit, of_address: RateLimit, of_all: RateLimit) -> None:
        self._of_name = of_name
        self._of_address = of_address
        self._of_all = of_all
        self._suspects = asyncio.Semaphore(AT_ONCE)
        self._others = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    @classmethod
    def of(cls, per_minute: int, monotonic: Callable[[], float] = time.monotonic) -> "WrongProofs":
        """For so many wrong proofs of a name from an address within a minute; 0 for no end."""
        factors = (1, ADDRESS_FACTOR, ALL_FACTOR)
        return cls(*(RateLimit(per_minute * factor, monotonic=monotonic) for factor in factors))

    @asynccontextmanager
    async def proving(self, address: str, name: str, wrong: type[Exception]) -> AsyncIterator[None]:
        """Around looking at a proof, which raises `wrong` where it is none. Raises TooManyWrong in its place, and where
        too many wait to be looked at.
        """
        # It counts beforehand, and is given back: many at once are many.
        of_own = ((self._of_name, (address, name)), (self._of_address, address))
        wait, counted = _counted(*of_own)
        later, more = (0, []) if wait else _counted((self._of_all, ""))
        counts = False
        try:
            async with AsyncExitStack() as turn:
                if wait:
                    await turn.enter_async_context(self._suspected())
                elif later:
                    await turn.enter_async_context(self._others)
                yield
        except wrong:
            counts = True
            if wait:
                raise TooManyWrong(wait) from None
            raise
        finally:
            if not counts:
                for limit, key in (*counted, *more):
                    limit.give_back(key)

    @asynccontextmanager
    async def _suspected(self) -> AsyncIterator[None]:
        if self._waiting >= WAITING:
            raise TooManyWrong(1)
        self._waiting += 1
        try:
            async with self._suspects:
                yield
        finally:
            self._waiting -= 1


def _counted(*asked: tuple[RateLimit, object]) -> tuple[int, list[tuple[RateLimit, object]]]:
    """How long the first limit that is reached asks to wait, 0 for none, and at which the request counts."""
    counted: list[tuple[RateLimit, object]] = []
    for limit, key in asked:
        wait = limit.wait_s(key)
        if wait:
            return wait, counted
        counted.append((limit, key))
    return 0, counted
