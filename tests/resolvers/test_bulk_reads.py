"""When reading in bulk is written down, by the clock."""

from dataclasses import dataclass, field
from uuid import UUID, uuid4

from crm_graph.resolvers.bulk_reads import BulkReads, Listed

WINDOW_S = 3_600.0
CUSTOMERS = Listed("customer", -1, 4, 10)
"""Four customers at a time."""
WHOLE = b" " * 1_000
"""Bytes of an answer that has them all."""


@dataclass
class Asker:
    user_id: UUID = field(default_factory=uuid4)
    client_id: UUID | None = None
    cost_per_minute: int | None = None


@dataclass
class Reading:
    """Somebody who reads four customers at given moments, where ten are written down."""

    now: float = 0.0
    who: Asker = field(default_factory=Asker)

    def __post_init__(self) -> None:
        self.counts = BulkReads(10, WINDOW_S, lambda: self.now)

    def at(self, second: float) -> list[tuple[int, object]]:
        self.now = second
        crossed = self.counts.count(self.who, [CUSTOMERS], [], WHOLE)
        return [(read.records, (read.told or {})["seconds"]) for read in crossed]


def test_each_crossing_within_a_window_is_told() -> None:
    reading = Reading()

    assert [reading.at(second) for second in (0, 1, 2, 3, 4, 5)] == [[], [], [(12, 2)], [], [], [(24, 5)]]


def test_a_burst_after_the_end_of_a_window_is_told() -> None:
    reading = Reading()
    reading.at(0)
    reading.at(1)

    assert [reading.at(WINDOW_S + second) for second in (1, 2, 3)] == [[], [], [(12, 2)]]


def test_what_was_read_before_the_window_is_not_counted_on() -> None:
    reading = Reading()

    assert [reading.at(n * (WINDOW_S + 1)) for n in range(6)] == [[]] * 6
