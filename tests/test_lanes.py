"""Connections at hand: what is free, or may be opened, goes to who waits, and nothing that is closed does."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from crm_graph.lanes import Lanes, each_lent


@dataclass(eq=False)
class Wire:
    """A connection with nothing at its other end."""

    turns: int = 0
    closed: bool = False

    def is_closed(self) -> bool:
        return self.closed

    def terminate(self) -> None:
        self.closed = True

    async def close(self, *, timeout: float) -> None:  # noqa: ASYNC109 - as drivers have it
        assert timeout > 0
        self.closed = True


async def opened() -> Wire:
    return Wire()


@pytest.fixture
async def lanes() -> AsyncIterator[Lanes]:
    made = Lanes(opened, 1, wait_s=2, lend_s=60)
    yield made
    await made.close()


async def test_leave_to_open_goes_on_to_the_next_where_who_had_it_went_away(lanes: Lanes) -> None:
    lent = await lanes.take()
    first, second = asyncio.create_task(lanes.take()), asyncio.create_task(lanes.take())
    await asyncio.sleep(0)
    lanes.drop(lent)
    # The end of the connection wakes the first, who is cancelled before it comes to open another.
    await asyncio.sleep(0)
    first.cancel()

    got = await second

    assert first.cancelled()
    assert (got is lent, got.is_closed()) == (False, False)


async def test_a_connection_goes_on_to_the_next_where_who_had_it_went_away(lanes: Lanes) -> None:
    lent = await lanes.take()
    first, second = asyncio.create_task(lanes.take()), asyncio.create_task(lanes.take())
    await asyncio.sleep(0)
    lanes.give(lent)
    first.cancel()

    assert await second is lent


async def test_a_connection_that_closed_while_it_was_lent_is_handed_to_nobody(lanes: Lanes) -> None:
    lent = await lanes.take()
    waiting = asyncio.create_task(lanes.take())
    await asyncio.sleep(0)
    lent.terminate()
    lanes.give(lent)

    got = await waiting

    assert (got is lent, got.is_closed()) == (False, False)
    lanes.give(got)
    assert lanes.at_hand() is got


async def test_each_function_is_lent_the_connection_anew() -> None:
    wire = Wire()
    functions = each_lent(wire, {"a": lambda more: (wire.turns, more), "b": lambda more: (wire.turns, more)})

    assert [functions["a"]("x"), functions["b"]("y"), functions["a"]("z")] == [(1, "x"), (2, "y"), (3, "z")]
