"""A bounded map that forgets what was used longest ago."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


def _one(_: Any) -> int:
    return 1


class Bounded(Generic[K, V]):
    """Holds values of a total weight of at most `limit`; the least recently used go first. For one event loop.

    Without `weigh` every value weighs 1. A value that is heavier than the limit alone is not kept. One whose weight
    has changed is put again.
    """

    def __init__(self, limit: int, weigh: Callable[[V], int] = _one) -> None:
        self._limit = limit
        self._weigh = weigh
        self._weight = 0
        self._weights: dict[K, int] = {}
        self._values: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V | None:
        """The value, and it counts as used."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        """Keep a value; beyond the limit the oldest go."""
        self.discard(key)
        weight = self._weigh(value)
        if weight > self._limit:
            # It alone goes: to make room for it would cost all others their place.
            return
        self._values[key], self._weights[key] = value, weight
        self._weight += weight
        while self._weight > self._limit:
            oldest, _ = self._values.popitem(last=False)
            self._weight -= self._weights.pop(oldest)

    def values(self) -> list[V]:
        """What is kept, which does not count as used."""
        return list(self._values.values())

    def items(self) -> list[tuple[K, V]]:
        """What is kept, with its keys, which does not count as used."""
        return list(self._values.items())

    def discard(self, key: K) -> None:
        """Forget a value if it is there."""
        if self._values.pop(key, None) is not None:
            self._weight -= self._weights.pop(key)

    def clear(self) -> None:
        """Forget everything."""
        self._values.clear()
        self._weights.clear()
        self._weight = 0
