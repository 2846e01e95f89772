"""Interactions: whose they are, follow-ups, and the customer's last contact."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest

from crm_graph.services import customers, interactions, tickets
from crm_graph.services.commands import Create, Mode

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
