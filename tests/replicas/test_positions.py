"""What is remembered of writes, and for how long: never less than somebody needs."""

import asyncio
from collections.abc import Callable
from uuid import UUID

import pytest

from crm_graph.errors import Unavailable
from crm_graph.replicas.positions import UNKNOWN, Writes, end_of_record
from crm_graph.replicas.watch import Lag

WANG, CHEN, LI = UUID(int=1), UUID(int=2), UUID(int=3)


class Log:
    """A primary whose log ends where it was put, and a clock."""

    def __init__(self) -> None:
        self.end, self.now, self.looks = 80_000, 100.0, 0
        self.down = False
        self.meanwhile: Callable[[], None] = lambda: None

    async def look(self) -> int:
        self.looks += 1
        end = self.end
        await asyncio.sleep(0)
        self.meanwhile()
        if self.down:
            raise Unavailable
        return end

    def writes(self, limit: int = 10) -> Writes:
        return Writes(self.look, kept_s=20, limit=limit, monotonic=lambda: self.now)


async def test_no_standby_will_do_until_the_position_of_a_write_is_known() -> None:
    log = Log()
    writes = log.writes()
    writes.note(WANG)
    assert writes.needed(WANG) == UNKNOWN
    assert await writes.settle() == 80_000
    assert writes.needed(WANG) == 80_000
    assert writes.needed(CHEN) == 0


async def test_a_write_during_the_look_is_not_given_its_position() -> None:
    log = Log()
    writes = log.writes()
    writes.note(WANG)
    log.meanwhile = lambda: writes.note(WANG)
    assert await writes.settle() == 80_000
    assert writes.needed(WANG) == UNKNOWN

    log.end, log.meanwhile = 90_000, lambda: None
    await writes.settle()
    assert writes.needed(WANG) == 90_000


async def test_writes_at_the_same_time_share_a_look() -> None:
    log = Log()
    writes = log.writes()
    for user in (WANG, CHEN, LI):
        writes.note(user)
    assert await asyncio.gather(*(writes.settle() for _ in range(3))) == [80_000] * 3
    assert log.looks == 1
    assert [writes.needed(user) for user in (WANG, CHEN, LI)] == [80_000] * 3


async def test_while_the_position_cannot_be_found_the_primary_answers() -> None:
    log = Log()
    log.down = True
    writes = log.writes()
    writes.note(WANG)
    assert await writes.settle() is None
    assert writes.needed(WANG) == UNKNOWN
    log.now += 20
    assert writes.needed(WANG) == 0


async def test_a_write_is_forgotten_after_its_time() -> None:
    log = Log()
    writes = log.writes()
    writes.note(WANG)
    await writes.settle()
    log.now += 19
    assert writes.needed(WANG) == 80_000
    writes.note(CHEN)
    log.now += 1
    assert writes.needed(WANG) == 0
    log.now += 20
    writes.note(LI)
    assert len(writes) == 1


async def test_what_is_too_much_to_remember_counts_for_everyone() -> None:
    log = Log()
    writes = log.writes(limit=2)
    writes.note(WANG)
    await writes.settle()
    log.end = 70_000
    writes.note(CHEN)
    writes.note(LI)
    await writes.settle()
    assert len(writes) == 2
    assert (writes.needed(WANG), writes.needed(CHEN), writes.needed(UUID(int=9))) == (80_000, 80_000, 80_000)
    log.now += 20
    assert writes.needed(UUID(int=9)) == 0


def test_nobody_is_answered_from_before_a_time_that_nobody_listened() -> None:
    log = Log()
    writes = log.writes()
    writes.require_of_all(5_000)
    writes.require_of_all(4_000)
    assert writes.needed(WANG) == 5_000
    log.now += 20
    assert writes.needed(WANG) == 0


@pytest.mark.parametrize(
    ("told", "ends_at"),
    [
        (16_384, 16_384),
        (16_384 + 24, 16_384),
        (16_777_216 + 40, 16_777_216),
        (16_384 + 48, 16_384 + 48),
        (20_000, 20_000),
    ],
)
def test_a_page_header_is_no_part_of_the_record_before_it(told: int, ends_at: int) -> None:
    assert end_of_record(told) == ends_at


def test_lag_is_the_age_of_the_oldest_mark_that_is_not_replayed() -> None:
    lag = Lag()
    lag.mark(100, 1.0)
    lag.mark(100, 2.0)
    lag.mark(150, 3.0)
    assert lag.seconds(99, 4.0) == 3.0
    assert lag.seconds(149, 5.0) == 2.0
    assert lag.seconds(150, 6.0) == 0.0


def test_a_server_seen_for_the_first_time_must_have_all_that_was_there() -> None:
    lag = Lag(behind=100)
    lag.mark(150, 1.0)
    assert lag.seconds(99, 2.0) == float("inf")
    assert lag.seconds(100, 2.0) == 1.0


def test_an_idle_primary_makes_no_lag() -> None:
    lag = Lag()
    lag.mark(100, 1.0)
    assert lag.seconds(100, 2.0) == 0.0
    lag.mark(100, 3.0)
    assert lag.seconds(100, 500.0) == 0.0


def test_of_a_standby_that_stays_behind_no_more_than_so_many_marks_are_kept() -> None:
    lag = Lag()
    for second in range(5_000):
        lag.mark(100 + second, float(second))
    assert len(lag._marks) == 1000
    assert lag.seconds(99, 5_000.0) == 5_000.0
