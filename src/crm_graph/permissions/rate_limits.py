"""How often somebody may ask who has not proved yet who they are: in memory, by process, whatever they claim to be.

The generic cell rate algorithm: of each name one moment is kept, at which all of its requests so far are paid off.
"""

import time
from collections.abc import Callable
from math import ceil

from crm_graph.bounded import Bounded

PERIOD_S = 60.0
KEPT = 10_000
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
        return self._asked(name, counts=True)

    def would_wait_s(self, name: object) -> int:
        """What `wait_s` would say; nothing counts."""
        return self._asked(name, counts=False)

    def _asked(self, name: object, *, counts: bool) -> int:
        if not self._cost:
            return 0
        now = self._monotonic()
        paid_at = max(self._paid_at.get(name) or now, now) + self._cost
        if paid_at - now > PERIOD_S + _ROUNDING_S:
            return max(1, ceil(paid_at - now - PERIOD_S))
        if counts:
            self._paid_at.put(name, paid_at)
        return 0
