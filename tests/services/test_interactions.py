"""Interactions: whose they are, follow-ups, and the customer's last contact."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest

from crm_graph.services import customers, interactions, task_outcomes, tickets
from crm_graph.services.commands import Archive, Create, Mode, Restore, Update

from .conftest import World


@pytest.fixture
async def customer(world: World) -> UUID:
    async with world.begin("service") as tx:
        pass
    async with world.begin("manager") as tx:
        (outcome,) = await customers.create(tx, [Create({"kind": "PERSON", "name": "张伟"})])
    assert outcome.id is not None
    return outcome.id


def call(at: str, **values: str) -> dict[str, str]:
    return {"channel": "CALL", "occurredAt": at, **values}


async def test_the_last_contact_follows_the_newest_interaction(world: World, customer: UUID) -> None:
    async with world.begin("manager") as tx:
        await interactions.create(
            tx,
            [
                Create(call("2026-11-20T09:00:00+08:00"), {"customer": customer}),
                Create(call("2026-11-21T09:00:00+08:00"), {"customer": customer}),
                Create(call("2026-11-19T09:00:00+08:00"), {"customer": customer}),
            ],
        )
    async with world.begin("manager") as tx:
        await interactions.create(tx, [Create(call("2026-01-01T00:00:00Z"), {"customer": customer})])
    assert await world.row("SELECT last_interaction_at, version FROM customers") == {
        "last_interaction_at": datetime(2026, 11, 21, 1, 0, tzinfo=UTC),
        "version": 1,
    }
    assert {e["customer_id"] for e in await world.rows("SELECT customer_id FROM events")} == {customer}


async def test_an_interaction_belongs_to_the_customer_of_its_ticket(world: World, customer: UUID) -> None:
    async with world.begin("service") as tx:
        (ticket,) = await tickets.create(tx, [Create({"subject": "不制冷"}, {"customer": customer})])
    async with world.begin("service") as tx:
        await interactions.create(tx, [Create(call("2026-11-20T09:00:00Z"), {"ticket": ticket.id})])
    assert await world.row("SELECT customer_id, ticket_id FROM interactions") == {
        "customer_id": customer,
        "ticket_id": ticket.id,
    }


async def test_a_follow_up_lies_after_the_contact(world: World, customer: UUID) -> None:
    async with world.begin("manager") as tx:
        good, bad = await interactions.create(
            tx,
            [
                Create(call("2026-11-20T09:00:00Z", nextFollowUpAt="2026-11-27T09:00:00Z"), {"customer": customer}),
                Create(call("2026-11-20T09:00:00Z", nextFollowUpAt="2026-11-13T09:00:00Z"), {"customer": customer}),
            ],
            Mode.PARTIAL,
        )
    assert good.errors == ()
    assert [(e.code, e.template_key, e.path) for e in bad.errors] == [
        ("RULE_VIOLATED", "follow_up_before_contact", ("nextFollowUpAt",))
    ]


async def test_interactions_of_many_customers_at_once_do_not_deadlock(world: World) -> None:
    async with world.begin("manager") as tx:
        made = await customers.create(tx, [Create({"kind": "PERSON", "name": f"客户{n}"}) for n in range(50)])
    ids = [o.id for o in made if o.id]

    async def log(minute: int, order: list[UUID]) -> None:
        commands = [Create(call(f"2026-11-20T09:{minute:02d}:00Z"), {"customer": id_}) for id_ in order]
        async with world.begin("manager") as tx:
            await interactions.create(tx, commands)

    await asyncio.gather(*(log(n, ids if n % 2 else ids[::-1]) for n in range(8)))
    latest = await world.rows("SELECT DISTINCT last_interaction_at FROM customers")
    assert latest == [{"last_interaction_at": datetime(2026, 11, 20, 9, 7, tzinfo=UTC)}]


AHEAD, LATER = "2026-11-27T09:00:00Z", "2026-12-04T09:00:00Z"


async def log(world: World, customer: UUID, at: str, by: str = "manager", **values: str) -> UUID:
    async with world.begin(by) as tx:
        (made,) = await interactions.create(tx, [Create(call(at, **values), {"customer": customer})])
    assert made.id is not None
    return made.id


async def follow_ups(world: World) -> list[tuple[str, str, str | None, UUID | None]]:
    """Of each, in the order in which they were made: its status, when it is due, what to do, and what it follows up."""
    found = await world.rows("SELECT status, due_at, body, interaction_id FROM tasks ORDER BY id")
    return [(t["status"], f"{t['due_at']:%Y-%m-%dT%H:%M:%SZ}", t["body"], t["interaction_id"]) for t in found]


async def test_a_next_follow_up_is_a_task_of_who_logged_it(world: World, customer: UUID) -> None:
    made = await log(world, customer, "2026-11-20T09:00:00Z", nextFollowUpAt=AHEAD, nextFollowUpNote="确认报价")

    manager = world.people["manager"]
    task = await world.row("SELECT id, kind, title, customer_id, owner_id, team_id, version FROM tasks")
    assert task == {
        "id": task["id"],
        "kind": "FOLLOW_UP",
        "title": "下次跟进",
        "customer_id": customer,
        "owner_id": manager.user_id,
        "team_id": manager.team_id,
        "version": 1,
    }
    assert await follow_ups(world) == [("OPEN", AHEAD, "确认报价", made)]
    (event,) = await world.events(task["id"])
    assert (event["type"], event["actor_id"], event["customer_id"]) == ("task.created", manager.user_id, customer)


async def test_a_follow_up_moves_and_ends_with_what_its_interaction_says(world: World, customer: UUID) -> None:
    made = await log(world, customer, "2026-11-20T09:00:00Z", nextFollowUpAt=AHEAD)

    async with world.begin("manager") as tx:
        await interactions.update(tx, [Update(made, {"nextFollowUpAt": LATER, "nextFollowUpNote": "带样品"})])
    assert await follow_ups(world) == [("OPEN", LATER, "带样品", made)]
    async with world.begin("manager") as tx:
        await interactions.update(tx, [Update(made, {"subject": "报价"})])
    async with world.begin("manager") as tx:
        await interactions.update(tx, [Update(made, {"nextFollowUpAt": None})])
    assert await follow_ups(world) == [("CANCELLED", LATER, "带样品", made)]

    (task,) = await world.rows("SELECT id FROM tasks")
    assert [e["type"] for e in await world.events(task["id"])] == ["task.created", "task.updated", "task.cancelled"]


async def test_a_later_contact_takes_the_follow_up_over_and_an_earlier_one_does_not(
    world: World, customer: UUID
) -> None:
    await log(world, customer, "2026-11-20T09:00:00Z", nextFollowUpAt=AHEAD)
    second = await log(world, customer, "2026-11-21T09:00:00Z", nextFollowUpAt=LATER, nextFollowUpNote="签约")
    await log(world, customer, "2026-11-19T09:00:00Z", nextFollowUpAt="2026-11-25T09:00:00Z")
    await log(world, customer, "2026-11-22T03:00:00Z")

    assert await follow_ups(world) == [("OPEN", LATER, "签约", second)]


async def test_a_batch_of_contacts_leaves_one_follow_up_for_each_customer_and_owner(
    world: World, customer: UUID
) -> None:
    async with world.begin("manager") as tx:
        (other,) = await customers.create(tx, [Create({"kind": "PERSON", "name": "李娜"})])
        await interactions.create(
            tx,
            [
                Create(call("2026-11-21T09:00:00Z", nextFollowUpAt=LATER), {"customer": customer}),
                Create(call("2026-11-20T09:00:00Z", nextFollowUpAt=AHEAD), {"customer": customer}),
                Create(call("2026-11-20T09:00:00Z", nextFollowUpAt=AHEAD), {"customer": other.id}),
            ],
        )
    await log(world, customer, "2026-11-20T09:00:00Z", "service", nextFollowUpAt=AHEAD)

    told = await world.rows("SELECT customer_id, owner_id, due_at FROM tasks ORDER BY id")
    manager, service = (world.people[name].user_id for name in ("manager", "service"))
    assert [(t["customer_id"], t["owner_id"], t["due_at"].day) for t in told] == [
        (customer, manager, 4),
        (other.id, manager, 27),
        (customer, service, 27),
    ]


async def test_what_lies_behind_becomes_no_task_and_what_was_done_stays_done(world: World, customer: UUID) -> None:
    await log(world, customer, "2026-01-02T09:00:00Z", nextFollowUpAt="2026-01-09T09:00:00Z")
    assert await world.count("tasks") == 0

    made = await log(world, customer, "2026-11-20T09:00:00Z", nextFollowUpAt=AHEAD)
    (task,) = await world.rows("SELECT id FROM tasks")
    async with world.begin("manager") as tx:
        await task_outcomes.complete(tx, [task_outcomes.Complete(task["id"], "已确认")])
    async with world.begin("manager") as tx:
        await interactions.archive(tx, [Archive(made)])

    assert [status for status, *_ in await follow_ups(world)] == ["DONE"]


async def test_an_archived_contact_has_no_open_follow_up_until_it_is_restored(world: World, customer: UUID) -> None:
    made = await log(world, customer, "2026-11-20T09:00:00Z", nextFollowUpAt=AHEAD)
    async with world.begin("manager") as tx:
        await interactions.archive(tx, [Archive(made)])
    assert await follow_ups(world) == [("CANCELLED", AHEAD, None, made)]
    async with world.begin("manager") as tx:
        await interactions.restore(tx, [Restore(made)])

    assert await follow_ups(world) == [("CANCELLED", AHEAD, None, made), ("OPEN", AHEAD, None, made)]
