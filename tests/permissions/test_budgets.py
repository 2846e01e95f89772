"""Budgets by cost: what several processes grant together is never more than there is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.access import Access
from crm_graph.db import write_engine
from crm_graph.errors import CostExceeded, RateLimited, Unavailable
from crm_graph.permissions.budgets import Budgets
from crm_graph.permissions.principals import Principal
from crm_graph.settings import Settings

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


@dataclass
class Clock:
    """Stands until it is put forward."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


def someone(per_minute: int | None = None, user: UUID | None = None, client: UUID | None = None) -> Principal:
    access = Access((), {}, frozenset(), 1)
    return Principal(user or uuid4(), "x", client, "api", (), None, (), (), access, "en", "UTC", per_minute)


@asynccontextmanager
async def process(
    settings: Settings, clock: Clock, default: int = 1_000, give_back_every_s: float = 3_600.0
) -> AsyncIterator[Budgets]:
    """What one process leases, on connections of its own."""
    assert settings.database_url
    engine = write_engine(settings.database_url, settings)
    budgets = Budgets(engine, clock=clock, default_per_minute=default, give_back_every_s=give_back_every_s)
    await budgets.start()
    try:
        yield budgets
    finally:
        await budgets.stop()
        await engine.dispose()


async def spend(budgets: Budgets, who: Principal, cost: int, times: int) -> int:
    """Ask so often, one after the other; gives what was granted."""
    granted = 0
    for _ in range(times):
        try:
            await budgets.charge(who, cost)
            granted += cost
        except RateLimited:
            pass
    return granted


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize(("budget", "cost"), [(1_000, 1), (1_000, 7), (50_000, 130), (10, 3)])
async def test_processes_never_grant_more_than_the_budget(settings: Settings, budget: int, cost: int) -> None:
    who, clock = someone(budget), Clock()
    times = budget // cost // 4
    async with process(settings, clock) as one, process(settings, clock) as two, process(settings, clock) as three:
        parts = await asyncio.gather(
            *(spend(budgets, who, cost, times + 1) for budgets in (one, two, three) for _ in range(4))
        )

    assert sum(parts) <= budget
    assert sum(parts) >= budget - 3 * (budget // 20 + cost)


@pytest.mark.usefixtures("clean")
async def test_many_at_once_share_one_budget(settings: Settings) -> None:
    people, clock = [someone(300) for _ in range(6)], Clock()
    async with process(settings, clock) as one, process(settings, clock) as two:
        parts = await asyncio.gather(
            *(spend(budgets, who, 5, 40) for who in people for budgets in (one, two)),
            *(spend(budgets, who, 5, 40) for who in reversed(people) for budgets in (two, one)),
        )

    by_person = [sum(parts[2 * i : 2 * i + 2]) + sum(parts[22 - 2 * i : 24 - 2 * i]) for i in range(6)]
    assert all(spent <= 300 for spent in by_person)
    assert all(spent >= 300 - 2 * 20 for spent in by_person)


@pytest.mark.usefixtures("clean")
async def test_who_has_spent_all_waits_for_what_flows_back(settings: Settings) -> None:
    who, clock = someone(600), Clock()
    async with process(settings, clock) as budgets:
        assert await spend(budgets, who, 60, 20) == 600
        with pytest.raises(RateLimited) as refused:
            await budgets.charge(who, 25)
        clock.now += timedelta(seconds=2)
        with pytest.raises(RateLimited) as sooner:
            await budgets.charge(who, 25)
        clock.now += timedelta(seconds=1)
        left = await budgets.charge(who, 25)

    assert dict(refused.value.details) == {"retry_after": 3, "limit": 600}
    assert dict(sooner.value.details) == {"retry_after": 1, "limit": 600}
    assert left == 5


@pytest.mark.usefixtures("clean")
async def test_a_budget_is_that_of_the_client_or_of_the_person_without_one(settings: Settings) -> None:
    user, client = uuid4(), uuid4()
    person, machine, unlimited = someone(user=user), someone(100, user, client), someone(0, user, uuid4())
    async with process(settings, Clock()) as budgets:
        assert await budgets.charge(person, 400) == 600
        assert await budgets.charge(machine, 60) == 40
        assert await budgets.charge(unlimited, 10**12) is None
        assert await budgets.charge(replace(person, username="renamed"), 100) == 500
        with pytest.raises(CostExceeded) as refused:
            await budgets.charge(machine, 101)

    assert dict(refused.value.details) == {"requested": 101, "limit": 100}


@pytest.mark.usefixtures("clean")
async def test_what_is_left_is_given_back_at_the_end(settings: Settings) -> None:
    who, clock = someone(), Clock()
    async with process(settings, clock) as first:
        await first.charge(who, 10)
    async with process(settings, clock) as second:
        assert await spend(second, who, 10, 100) == 990


@pytest.mark.usefixtures("clean")
async def test_what_nobody_uses_is_given_back(settings: Settings, pool: "asyncpg.Pool[Any]") -> None:
    who, clock = someone(), Clock()
    async with process(settings, clock, give_back_every_s=0.05) as budgets:
        await budgets.charge(who, 10)
        async with asyncio.timeout(5):
            while await level(pool, who) != 990:
                pass


@pytest.mark.usefixtures("clean")
async def test_a_process_that_dies_loses_a_block_at_most(settings: Settings, engine: AsyncEngine) -> None:
    who, clock = someone(), Clock()
    died = Budgets(engine, clock=clock, default_per_minute=1_000)
    await died.start()
    await died.charge(who, 10)
    async with process(settings, clock) as other:
        assert await spend(other, who, 10, 100) == 950


@pytest.mark.usefixtures("clean")
async def test_a_budget_that_is_made_smaller_holds_at_once(settings: Settings) -> None:
    client, clock = uuid4(), Clock()
    async with process(settings, clock) as budgets:
        await budgets.charge(someone(10_000, client=client), 10)
        assert await spend(budgets, someone(100, client=client), 10, 20) == 100


@pytest.mark.usefixtures("clean")
async def test_what_is_told_to_be_left_is_never_more_than_the_budget_nor_nothing_before_anything_is_spent(
    settings: Settings,
) -> None:
    who, clock = someone(1_000), Clock()
    async with process(settings, clock) as budgets:
        told = [await budgets.charge(who, 0), await budgets.charge(who, 10)]
        for _ in range(8):
            clock.now += timedelta(seconds=20)
            told.append(await budgets.charge(who, 15))

    assert told[:2] == [1_000, 990]
    assert max(left for left in told if left is not None) <= 1_000


@pytest.mark.usefixtures("clean")
async def test_requests_do_not_have_statements_of_their_own(settings: Settings) -> None:
    statements: list[str] = []
    async with process(settings, Clock(), 1_000_000) as budgets:
        event.listen(
            budgets._engine.sync_engine, "before_cursor_execute", lambda *event: statements.append(str(event[2]))
        )
        who = someone()
        assert await spend(budgets, who, 10, 10_000) == 100_000

    assert len(statements) <= 4


async def test_without_a_database_what_is_leased_is_spent_and_no_more(settings: Settings) -> None:
    broken = settings.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:1/none"})
    who = someone()
    async with process(broken, Clock()) as budgets:
        with pytest.raises(Unavailable):
            await budgets.charge(who, 1)
        held = await budgets.charge(someone(0), 1)
    assert held is None


@pytest.mark.usefixtures("clean")
async def test_a_fine_is_paid_at_once_and_what_is_lacking_by_those_who_come_next(settings: Settings) -> None:
    who, clock = someone(600), Clock()
    async with process(settings, clock) as budgets:
        await budgets.charge(who, 10)
        budgets.fine(who, 90)
        assert await budgets.charge(who, 0) == 500
        budgets.fine(who, 520)
        with pytest.raises(RateLimited) as refused:
            await budgets.charge(who, 10)
        clock.now += timedelta(seconds=2)
        with pytest.raises(RateLimited):
            await budgets.charge(who, 10)
        clock.now += timedelta(seconds=1)
        assert await budgets.charge(who, 10) == 0

    assert dict(refused.value.details) == {"retry_after": 3, "limit": 600}


@pytest.mark.usefixtures("clean")
async def test_fines_hold_for_all_processes_and_come_to_a_budget_that_is_owed_at_most(settings: Settings) -> None:
    who, clock = someone(600), Clock()
    async with process(settings, clock) as one, process(settings, clock) as two:
        assert await spend(one, who, 30, 20) == 600
        for _ in range(3):
            one.fine(who, 10**12)
        with pytest.raises(RateLimited) as owed:
            await one.charge(who, 600)
        with pytest.raises(RateLimited) as elsewhere:
            await two.charge(who, 600)
        clock.now += timedelta(seconds=120)
        assert await two.charge(who, 600) == 0

    assert [owed.value.details["retry_after"], elsewhere.value.details["retry_after"]] == [120, 120]


@pytest.mark.usefixtures("clean")
async def test_a_fine_is_not_paid_by_what_flowed_over_while_nobody_asked(settings: Settings) -> None:
    who, clock = someone(600), Clock()
    async with process(settings, clock) as budgets:
        await budgets.charge(who, 10)
    clock.now += timedelta(hours=1)
    async with process(settings, clock) as budgets:
        budgets.fine(who, 600)
        with pytest.raises(RateLimited) as refused:
            await budgets.charge(who, 10)

    assert refused.value.details["retry_after"] == 1


@pytest.mark.usefixtures("clean")
async def test_a_fine_is_paid_by_one_who_has_paid_nothing_yet_and_not_by_one_without_an_end(settings: Settings) -> None:
    new, unlimited = someone(600), someone(0)
    async with process(settings, Clock()) as budgets:
        budgets.fine(new, 400)
        budgets.fine(unlimited, 10**12)
        with pytest.raises(RateLimited) as refused:
            await budgets.charge(new, 210)
        assert await budgets.charge(new, 200) == 0
        assert await budgets.charge(unlimited, 1) is None

    assert refused.value.details["retry_after"] == 1


async def level(pool: "asyncpg.Pool[Any]", who: Principal) -> int:
    return int(await pool.fetchval("SELECT level FROM cost_budgets WHERE subject_id = $1", who.user_id))
