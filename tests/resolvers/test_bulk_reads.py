"""When reading in bulk is written down, by the clock."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
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


TICKETS = Listed("ticket", -1, 0, 10, b'"number"')
LIMIT = 4_000


def _answered(tickets: int, length: int) -> bytes:
    """An answer of a length with so many tickets in it."""
    return (b'{"number":1},' * tickets).ljust(length)


def _told_of(answers: Iterable[int], draw: Callable[[], float]) -> list[tuple[int, int]]:
    """Read answers of a kilobyte with so many tickets each: what had been read when it was noted, and what was told."""
    counts, who, read, told = BulkReads(LIMIT, WINDOW_S, lambda: 0.0, draw), Asker(), 0, []
    for tickets in answers:
        read += tickets
        told += [(read, noted.records) for noted in counts.count(who, [TICKETS], [], _answered(tickets, 1_000))]
    return told


def test_what_answers_that_could_hold_few_hold_is_estimated() -> None:
    # One that could hold 100 of the 2,000 that are always looked for is looked through one time in twenty.
    told = _told_of([40] * 10_000, Random(1).random)

    assert len(told) == 7
    assert all(abs(estimate - read) <= 800 for read, estimate in told)


def test_nobody_knows_which_answers_are_looked_through() -> None:
    # Every twentieth answer is empty, as if it were known that every twentieth is looked through.
    told = [_told_of((40 * (n % 20 > 0) for n in range(10_000)), Random(seed).random) for seed in range(20)]

    assert [len(noted) for noted in told] == [7] * 20
    assert all(abs(estimate / read - 1) < 0.1 for noted in told for read, estimate in noted[3:])


def test_an_answer_that_can_hold_many_is_always_looked_through() -> None:
    counts, who = BulkReads(LIMIT, WINDOW_S, lambda: 0.0, lambda: 0.999999), Asker()

    def told(length: int) -> list[int]:
        return [read.records for read in counts.count(who, [TICKETS], [], _answered(1_500, length))]

    assert [told(20_000) for _ in range(6)] == [[], [], [4_500], [], [], [9_000]]
    assert told(19_990) == []


def test_who_reads_on_is_told_again_at_twice_as_much() -> None:
    counts, who = BulkReads(10, WINDOW_S, lambda: 0.0), Asker()
    told = [read.records for _ in range(40) for read in counts.count(who, [CUSTOMERS], [], WHOLE)]

    assert told == [12, 24, 48, 96]
