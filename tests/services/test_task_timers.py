"""Tasks that are due become overdue, and people are reminded, once each, as long as the task is open."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from crm_graph.services import interactions, task_outcomes, tasks
from crm_graph.services.commands import Archive, Create, Restore, Update
from crm_graph.services.task_outcomes import Complete
from crm_graph.services.task_timers import OVERDUE, REMINDER
from crm_graph.services.tasks import Cancel, Reopen
from crm_graph.services.timer_handlers import HANDLERS
from crm_graph.worker.timers import Firing

from .conftest import NOON, World

SOON, LATER = NOON + timedelta(hours=1), NOON + timedelta(hours=2)


async def made(world: World, *given: dict[str, Any]) -> list[UUID]:
    async with world.begin("manager") as tx:
        outcomes = await tasks.create(tx, [Create({"title": "回电话", **values}) for values in given])
    return [outcome.id for outcome in outcomes if outcome.id is not None]


async def set_for(world: World, id_: UUID) -> dict[str, Any]:
    """When the timers of a task are due, by kind."""
    return {row["kind"]: row["due_at"] for row in await world.rows("SELECT * FROM timers WHERE entity_id = $1", id_)}


async def fire(world: World) -> None:
    """Let fire what is due."""
    firing = Firing(lambda: world.begin("manager"), world.pool, world.clock, HANDLERS)
    await firing.look()
    await firing.settle()


async def told(world: World, id_: UUID) -> list[tuple[str, int, Any, Any]]:
    """The events of a task that timers wrote."""
    events = await world.events(id_)
    timed = [e for e in events if e["type"] in ("task.overdue", "task.reminded")]
    return [(e["type"], e["entity_version"], e["changed"], e["after"]) for e in timed]


async def test_a_task_is_overdue_once_and_reminded_of_once(world: World) -> None:
    (one,) = await made(world, {"remindAt": SOON.isoformat(), "dueAt": LATER.isoformat()})
    assert await set_for(world, one) == {OVERDUE: LATER, REMINDER: SOON}

    world.clock.advance(minutes=59)
    await fire(world)
    assert await told(world, one) == []
    for _ in range(2):
        world.clock.advance(minutes=61)
        await fire(world)

    assert await told(world, one) == [
        ("task.reminded", 1, ["remind_at"], {"remind_at": SOON.isoformat()}),
        ("task.overdue", 1, ["due_at"], {"due_at": LATER.isoformat()}),
    ]
    assert await world.row("SELECT version, updated_at FROM tasks") == {"version": 1, "updated_at": NOON}
    assert await set_for(world, one) == {}


async def test_many_are_overdue_at_once_each_with_its_event(world: World) -> None:
    ids = await made(world, *({"dueAt": SOON.isoformat()} for _ in range(30)))
    world.clock.advance(hours=1)
    await fire(world)

    found = await world.rows("SELECT entity_id FROM events WHERE type = 'task.overdue'")
    assert sorted(row["entity_id"] for row in found) == sorted(ids)


async def test_who_moves_the_time_moves_the_timer_and_who_clears_it_cancels_it(world: World) -> None:
    (one,) = await made(world, {"remindAt": SOON.isoformat(), "dueAt": SOON.isoformat()})

    async with world.begin("manager") as tx:
        await tasks.update(tx, [Update(one, {"dueAt": LATER.isoformat(), "remindAt": None})])
    assert await set_for(world, one) == {OVERDUE: LATER}
    async with world.begin("manager") as tx:
        await tasks.update(tx, [Update(one, {"title": "回访"})])

    assert await set_for(world, one) == {OVERDUE: LATER}


async def test_a_task_that_ends_or_is_archived_waits_for_nothing_until_it_is_open_again(world: World) -> None:
    given = {"remindAt": SOON.isoformat(), "dueAt": LATER.isoformat()}
    done, cancelled, archived = await made(world, given, given, given)
    async with world.begin("manager") as tx:
        await task_outcomes.complete(tx, [Complete(done, "已办")])
        await tasks.cancel(tx, [Cancel(cancelled)])
        await tasks.archive(tx, [Archive(archived)])
    assert await world.count("timers") == 0

    world.clock.advance(minutes=90)
    async with world.begin("manager") as tx:
        await tasks.reopen(tx, [Reopen(done)])
        await tasks.restore(tx, [Restore(archived)])

    # The time to remind has passed.
    assert [await set_for(world, id_) for id_ in (done, cancelled, archived)] == [
        {OVERDUE: LATER},
        {},
        {OVERDUE: LATER},
    ]


async def test_a_task_whose_time_is_over_is_overdue_at_once(world: World) -> None:
    (one,) = await made(world, {"remindAt": "2026-01-01T00:00:00Z", "dueAt": "2026-01-02T00:00:00Z"})
    await fire(world)

    assert [event for event, *_ in await told(world, one)] == ["task.overdue"]


async def test_a_follow_up_is_overdue_like_any_task(world: World) -> None:
    contact = {"channel": "CALL", "occurredAt": "2026-11-20T09:00:00Z", "nextFollowUpAt": SOON.isoformat()}
    async with world.begin("manager") as tx:
        await interactions.create(tx, [Create(contact)])
    world.clock.advance(hours=1)
    await fire(world)

    task = await world.row("SELECT id FROM tasks")
    assert [event for event, *_ in await told(world, task["id"])] == ["task.overdue"]
