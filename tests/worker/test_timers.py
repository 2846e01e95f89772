"""Timers fire at their time, in their order, once; unless they were cancelled, moved, or their record is gone."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest

from crm_graph.hub import Hub
from crm_graph.models.ids import EntityCode
from crm_graph.services.role_holders import EXPIRY
from crm_graph.services.timer_handlers import HANDLERS
from crm_graph.services.timers import DueTimer, Timer, cancel_timers, set_timers
from crm_graph.transaction import Transaction
from crm_graph.worker.timers import BACKOFF, LOOK_S

from .timing import NOON, Desk, failing, told


async def test_fires_at_its_time_and_never_again(desk: Desk) -> None:
    timer = desk.thing(10)
    await desk.set(timer)
    desk.advance(9.999)
    await desk.fire()
    assert await desk.fired() == []
    desk.advance(0.001)
    await desk.fire()
    await desk.fire()
    assert await desk.fired() == [("thing", timer.entity_id, "")]
    assert await desk.left() == []


async def test_of_a_hundred_thousand_only_those_that_are_due_fire_in_their_order(desk: Desk) -> None:
    timers = [desk.thing(n) for n in range(100_000)]
    await desk.set(*timers)
    desk.advance(1_999)
    await desk.fire()
    assert [of for _, of, _ in await desk.fired()] == [timer.entity_id for timer in timers[:2_000]]
    assert await desk.database.fetchval("SELECT count(*) FROM timers") == 98_000


async def test_is_moved_by_setting_it_again(desk: Desk) -> None:
    of = desk.ids.new(EntityCode.TICKET)
    await desk.set(desk.thing(10, of=of), desk.thing(20, of=of, key="b"))
    await desk.set(desk.thing(50, of=of), desk.thing(30, of=of))
    assert [(t["key"], t["due_at"]) for t in await desk.left()] == [
        ("b", NOON + timedelta(seconds=20)),
        ("", NOON + timedelta(seconds=30)),
    ]
    desk.advance(20)
    await desk.fire()
    assert await desk.fired() == [("thing", of, "b")]


async def test_does_not_fire_once_cancelled(desk: Desk) -> None:
    ours, other = desk.ids.new(EntityCode.TICKET), desk.ids.new(EntityCode.TICKET)
    await desk.set(*(desk.thing(of=of, key=key) for of in (ours, other) for key in "ab"), desk.thing(of=ours, kind="x"))
    async with desk.begin() as tx:
        await cancel_timers(tx, "thing", [ours])
        await cancel_timers(tx, "thing", [other], ["a"])
    await desk.fire({"x": told("x")})
    assert sorted(await desk.fired()) == sorted([("thing", other, "b"), ("x", ours, "")])


async def test_is_set_moved_and_cancelled_with_its_cause_or_not_at_all(desk: Desk) -> None:
    there = desk.thing(10)
    await desk.set(there)

    async def fail() -> None:
        async with desk.begin() as tx:
            await set_timers(tx, [desk.thing(1), desk.thing(1, of=there.entity_id)])
            await cancel_timers(tx, "thing", [there.entity_id])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert [(t["entity_id"], t["due_at"]) for t in await desk.left()] == [(there.entity_id, there.due_at)]


async def test_after_an_outage_late_ones_fire_in_order_and_are_told_as_late(desk: Desk) -> None:
    timers = [desk.thing(n) for n in (5, 1, 3)]
    await desk.set(*timers)
    desk.advance(3_600)
    await desk.fire()
    rows = await desk.database.fetch("SELECT entity_id, (after ->> 'late_s')::float AS late_s FROM events ORDER BY n")
    assert [tuple(row) for row in rows] == [
        (timers[1].entity_id, 3_599),
        (timers[2].entity_id, 3_597),
        (timers[0].entity_id, 3_595),
    ]
    assert [
        tuple(row) for row in await desk.database.fetch("SELECT kind, fired, fired_at, late_s FROM timer_kinds")
    ] == [("thing", 3, desk.now, 3_599)]


async def test_a_clock_that_jumps_back_fires_nothing_twice_and_one_that_jumps_on_what_is_due(desk: Desk) -> None:
    first, second = desk.thing(10), desk.thing(7_200)
    await desk.set(first, second)
    desk.advance(60)
    await desk.fire()
    desk.advance(-3_600)
    await desk.fire()
    assert [of for _, of, _ in await desk.fired()] == [first.entity_id]
    desk.advance(86_400)
    await desk.fire()
    assert [of for _, of, _ in await desk.fired()] == [first.entity_id, second.entity_id]


async def test_those_of_one_record_fire_in_their_order_whatever_their_kinds(desk: Desk) -> None:
    one, two = desk.ids.new(EntityCode.TICKET), desk.ids.new(EntityCode.TICKET)
    await desk.set(
        desk.thing(1, of=one, kind="z"),
        desk.thing(2, of=one, kind="a"),
        desk.thing(3, of=one, kind="z", key="b"),
        desk.thing(2, of=two, kind="z"),
        desk.thing(1, of=two, kind="a"),
    )
    desk.advance(10)
    firing = desk.firing({kind: told(kind) for kind in "az"})
    for _ in range(3):
        await firing.look()
        await firing.settle()
    fired = await desk.fired()
    assert [(kind, key) for kind, of, key in fired if of == one] == [("z", ""), ("a", ""), ("z", "b")]
    assert [kind for kind, of, _ in fired if of == two] == ["a", "z"]


async def test_a_kind_that_nobody_knows_waits_for_who_does_and_holds_up_none(desk: Desk) -> None:
    of = desk.ids.new(EntityCode.TICKET)
    await desk.set(desk.thing(of=of, kind="of_the_next_release"), desk.thing(1, of=of))
    desk.advance(2)
    await desk.fire()
    assert await desk.fired() == [("thing", of, "")]
    await desk.fire({"of_the_next_release": told("of_the_next_release")})
    assert len(await desk.fired()) == 2


async def test_does_nothing_for_a_record_that_is_archived_or_gone(desk: Desk) -> None:
    there, archived, gone = await desk.users(3)
    await desk.set(*(Timer("thing", "user", of, NOON) for of in (there, archived, gone)))
    await desk.database.execute("UPDATE users SET archived_at = now() WHERE id = $1", archived)
    await desk.database.execute("DELETE FROM users WHERE id = $1", gone)
    await desk.fire()
    assert await desk.fired() == [("thing", there, "")]
    assert await desk.left() == []


async def test_one_that_fails_holds_up_no_other_and_is_held_in_the_end(desk: Desk) -> None:
    timers = [desk.thing(n / 100) for n in range(20)]
    await desk.set(*timers)
    bad = timers[7].entity_id

    async def fail() -> None:
        raise KeyError("13800138000")

    handlers = {"thing": failing(lambda timer: timer.entity_id == bad, fail)}
    desk.advance(1)
    await desk.fire(handlers)
    assert [of for _, of, _ in await desk.fired()] == [t.entity_id for t in timers if t.entity_id != bad]
    for attempt, pause in enumerate(BACKOFF, 1):
        (left,) = await desk.left()
        assert (left["attempts"], left["error"], left["held_at"]) == (attempt, "KeyError", None)
        assert left["wake_at"] == desk.now + pause
        desk.advance(pause.total_seconds())
        await desk.fire(handlers)
    (left,) = await desk.left()
    assert (left["attempts"], left["held_at"]) == (5, desk.now)
    assert "138" not in await desk.database.fetchval("SELECT error::text FROM timers")
    desk.advance(86_400)
    await desk.fire()
    assert len(await desk.fired()) == 19
    await desk.set(timers[7])
    await desk.fire()
    assert (await desk.fired())[-1] == ("thing", bad, "")


async def test_a_handler_that_hangs_is_cut_and_holds_up_no_other_kind(desk: Desk) -> None:
    hanging, other = desk.thing(kind="hanging"), desk.thing()
    await desk.set(hanging, other)
    begun = asyncio.Event()

    async def hang(tx: Transaction, timers: Sequence[DueTimer]) -> None:
        begun.set()
        await asyncio.Event().wait()

    firing = desk.firing({"hanging": hang}, limit_s=1)
    await firing.look()
    await begun.wait()
    while not await desk.fired():
        await firing.look()
    assert await desk.fired() == [("thing", other.entity_id, "")]
    await firing.settle()
    (left,) = await desk.left()
    assert (left["kind"], left["attempts"], left["error"]) == ("hanging", 1, "TimeoutError")


async def test_a_failed_one_does_not_hold_up_the_others_of_its_record(desk: Desk) -> None:
    of = desk.ids.new(EntityCode.TICKET)
    await desk.set(desk.thing(of=of), desk.thing(1, of=of, kind="x"))

    async def fail() -> None:
        raise ValueError

    firing = desk.firing({"thing": failing(lambda _: True, fail), "x": told("x")})
    desk.advance(1)
    for _ in range(2):
        await firing.look()
        await firing.settle()
    assert await desk.fired() == [("x", of, "")]


async def test_a_handler_may_set_its_timer_anew(desk: Desk) -> None:
    timer = desk.thing()
    await desk.set(timer)
    writes = told("thing")

    async def again(tx: Transaction, timers: Sequence[DueTimer]) -> None:
        await writes(tx, timers)
        await set_timers(tx, [Timer(t.kind, t.entity_type, t.entity_id, t.due_at + timedelta(days=1)) for t in timers])

    for _ in range(3):
        await desk.fire({"thing": again})
        desk.advance(86_400)
    assert len(await desk.fired()) == 3
    assert [t["due_at"] for t in await desk.left()] == [NOON + timedelta(days=3)]


async def test_the_loop_waits_exactly_until_the_next_one(desk: Desk) -> None:
    timers = [desk.thing(0.1), desk.thing(0.13), desk.thing(0.9)]
    await desk.set(*timers)
    stop = asyncio.Event()
    fired = asyncio.Event()

    async def handler(tx: Transaction, due: Sequence[DueTimer]) -> None:
        assert [timer.late_by for timer in due] == [timedelta()]
        await told("thing")(tx, due)
        fired.set()

    async def until(event: asyncio.Event, seconds: float) -> None:
        """The clock stands while something fires."""
        await firing.settle()
        if event.is_set():
            return
        await desk.until(event, seconds)
        if len(await desk.fired()) == 3:
            stop.set()
            await event.wait()

    firing = desk.firing({"thing": handler})
    firing._until = until
    await firing.run(stop)
    assert [of for _, of, _ in await desk.fired()] == [timer.entity_id for timer in timers]
    assert [round(wait, 6) for wait in desk.waits] == [0.1, 0.03, LOOK_S, LOOK_S, LOOK_S, 0.02, LOOK_S]


async def test_what_is_under_way_at_the_end_is_finished_and_nothing_more_begun(desk: Desk) -> None:
    await desk.set(desk.thing())
    begun, go, stop = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(tx: Transaction, timers: Sequence[DueTimer]) -> None:
        begun.set()
        await go.wait()
        await told("thing")(tx, timers)

    firing = desk.firing({"thing": slow, "x": told("x")}, limit_s=60)
    running = asyncio.create_task(firing.run(stop))
    await begun.wait()
    stop.set()
    await asyncio.sleep(0)
    await desk.set(desk.thing(kind="x"))
    go.set()
    await running
    assert [kind for kind, _, _ in await desk.fired()] == ["thing"]
    assert [t["kind"] for t in await desk.left()] == ["x"]


async def test_while_the_database_is_away_timers_wait(desk: Desk) -> None:
    await desk.set(desk.thing())
    away = True

    async def handler(tx: Transaction, timers: Sequence[DueTimer]) -> None:
        await told("thing")(tx, timers)
        if away:
            await desk.database.execute("SELECT pg_terminate_backend($1)", tx.driver().get_server_pid())

    await desk.fire({"thing": handler})
    assert [(left["kind"], left["attempts"]) for left in await desk.left()] == [("thing", 0)]
    away = False
    await desk.fire({"thing": handler})
    assert len(await desk.fired()) == 1


async def test_one_that_somebody_is_at_fires_once_they_are_done(desk: Desk) -> None:
    free, busy = await desk.users(2)
    await desk.set(*(Timer("thing", "user", of, NOON) for of in (free, busy)))
    async with desk.database.transaction():
        await desk.database.execute("UPDATE users SET name = 'Li' WHERE id = $1", busy)
        await desk.fire()
        assert await desk.pool.fetchval("SELECT count(*) FROM timers") == 1
    await desk.fire()
    assert [of for _, of, _ in await desk.fired()] == [free, busy]


async def test_setting_moving_and_cancelling_meet_firing_without_a_loss_or_a_double(desk: Desk) -> None:
    """Two fire while three change their minds about timers that are due: real commits over the same records."""
    users = await desk.users(60)
    expected: dict[UUID, int] = dict.fromkeys(users, 0)
    changed = asyncio.Event()

    async def change(seed: int) -> None:
        for turn in range(40):
            mine = users[(turn + seed) % 3 :: 3]
            cut = turn * 7 % 20
            cancelled, wanted = mine[:cut], mine[cut:]
            async with desk.begin() as tx:
                await tx.driver().execute(
                    "SELECT FROM users WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE", mine
                )
                rows = await tx.driver().fetch(
                    "SELECT entity_id FROM timers WHERE entity_id = ANY($1::uuid[]) ORDER BY id FOR UPDATE", mine
                )
                waiting = {row["entity_id"] for row in rows}
                await cancel_timers(tx, "thing", cancelled)
                later = timedelta(seconds=3_600 if turn % 3 == 0 else -1)
                await set_timers(tx, [Timer("thing", "user", id_, NOON + later) for id_ in wanted])
            for id_ in mine:
                expected[id_] += (id_ in wanted and id_ not in waiting) - (id_ in cancelled and id_ in waiting)

    async def fire() -> None:
        firing = desk.firing()
        while not changed.is_set():
            await firing.look()
            await firing.settle()

    firings = [asyncio.create_task(fire()) for _ in range(2)]
    await asyncio.gather(*(change(seed) for seed in range(3)))
    changed.set()
    await asyncio.gather(*firings)
    desk.advance(7_200)
    await desk.fire()
    counted: dict[UUID, int] = dict.fromkeys(users, 0)
    for _, of, _ in await desk.fired():
        counted[of] += 1
    assert counted == expected
    assert sum(counted.values()) > 100
    assert await desk.left() == []


async def test_a_role_that_ended_is_an_event_of_its_user(hub: Hub, desk: Desk) -> None:
    """The earliest first; one that was given longer, or taken, is not told of."""
    (user,) = await desk.users(1)
    end = [NOON + timedelta(minutes=n) for n in range(4)]
    held = {"sales": end[2], "service": end[1], "finance": end[3]}
    for role, until in held.items():
        await desk.database.execute(
            "INSERT INTO user_roles (user_id, role_id, expires_at) SELECT $1, id, $3 FROM roles WHERE key = $2",
            *(user, role, until),
        )
    timers = [("sales", end[2]), ("service", end[1]), ("finance", end[0]), ("marketing", end[1])]
    await desk.set(*(Timer(EXPIRY, "user", user, at, key=role) for role, at in timers))
    desk.advance(150)

    await desk.fire(HANDLERS)

    rows = await desk.database.fetch(
        "SELECT type, entity_version, before ->> 'role' AS role, after::text AS after FROM events"
        " ORDER BY entity_version"
    )
    assert [tuple(row) for row in rows] == [
        ("user.role_expired", 2, "service", "{}"),
        ("user.role_expired", 3, "sales", "{}"),
    ]
    assert await desk.database.fetchval("SELECT version FROM users WHERE id = $1", user) == 3
    assert await desk.left() == []
