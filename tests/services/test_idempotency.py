"""Idempotency keys: one effect per key, also when duplicates come at the same time."""

import asyncio
from datetime import timedelta

import pytest

from crm_graph.errors import IdempotencyMismatch, Invalid
from crm_graph.services import customers, idempotency
from crm_graph.services.commands import Create

from .conftest import World

HASH = b"\x01" * 32


async def act(
    world: World,
    name: str = "li",
    key: str = "k-1",
    request: bytes = HASH,
    *,
    fail: bool = False,
    claimed: asyncio.Event | None = None,
) -> bytes:
    """A mutation as the edge runs it: claim, do, store."""
    async with world.begin(name) as tx:
        stored = await idempotency.claim(tx, key, "createCustomer", request)
        if claimed is not None:
            claimed.set()
        if stored is not None:
            return stored
        (outcome,) = await customers.create(tx, [Create({"kind": "PERSON", "name": "张伟"})])
        if fail:
            raise RuntimeError("the process dies here")
        answer = str(outcome.id).encode()
        await idempotency.store(tx, key, "createCustomer", answer)
    return answer


async def test_a_retry_gets_the_stored_answer(world: World) -> None:
    first = await act(world)
    assert await act(world) == first
    assert (await world.count("customers"), await world.count("events")) == (1, 1)


async def test_duplicates_at_the_same_time_wait_for_the_first(world: World) -> None:
    answers = await asyncio.gather(*(act(world) for _ in range(8)))
    assert len(set(answers)) == 1
    assert await world.count("customers") == 1


async def test_a_duplicate_acts_itself_when_the_first_was_rolled_back(world: World) -> None:
    claimed = asyncio.Event()
    first = asyncio.create_task(act(world, fail=True, claimed=claimed))
    await claimed.wait()
    await act(world)
    with pytest.raises(RuntimeError):
        await first
    assert await world.count("customers") == 1


async def test_another_request_under_the_same_key_is_refused(world: World) -> None:
    await act(world)
    with pytest.raises(IdempotencyMismatch):
        await act(world, request=b"\x02" * 32)


async def test_keys_belong_to_their_actor_and_are_gone_after_a_day(world: World) -> None:
    first = await act(world)
    assert await act(world, "wang") != first
    world.clock.advance(hours=24)
    assert await act(world, request=b"\x02" * 32) != first
    assert await world.count("customers") == 3
    row = await world.row("SELECT expires_at FROM idempotency_keys")
    assert row == {"expires_at": world.clock.now + timedelta(hours=24)}


async def test_a_key_has_a_sensible_length(world: World) -> None:
    for key in ("", "k" * 256, "a\0b"):
        with pytest.raises(Invalid):
            await act(world, key=key)
