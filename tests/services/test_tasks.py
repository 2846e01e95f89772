"""Tasks: whose they are, what they are about, and how they end."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from crm_graph.access import Level
from crm_graph.errors import CrmError
from crm_graph.models.roles import RowRule
from crm_graph.services import customers, leads, records, task_outcomes, tasks
from crm_graph.services.assignment import Assign
from crm_graph.services.commands import Archive, Create, Mode, Outcome, Refused, Update
from crm_graph.services.task_outcomes import Complete
from crm_graph.services.tasks import Cancel, Reopen
from crm_graph.services.upsert import upsert
from crm_graph.transaction import NotGranted

from .conftest import NOON, World

Told = list[tuple[str, str | None, tuple[Any, ...]]]


def told(fault: CrmError) -> Told:
    errors = fault.errors if isinstance(fault, Refused) and fault.errors else (fault,)
    return [(e.code, e.template_key, e.path) for e in errors]


async def refused(verb: Any) -> Told:
    """How a verb is refused."""
    with pytest.raises(CrmError) as fault:
        await verb
    return told(fault.value)


async def customer(world: World, by: str = "li") -> UUID:
    async with world.begin(by) as tx:
        (made,) = await customers.create(tx, [Create({"kind": "PERSON", "name": "张伟"})])
    return some(made)


def some(outcome: Outcome) -> UUID:
    assert outcome.id is not None, outcome
    return outcome.id


async def task(world: World, by: str = "li", parents: dict[str, Any] | None = None, **values: Any) -> UUID:
    async with world.begin(by) as tx:
        (made,) = await tasks.create(tx, [Create({"title": "回电话", **values}, parents or {})])
    return some(made)


async def complete(world: World, id_: UUID, note: str, by: str = "li") -> None:
    async with world.begin(by) as tx:
        await task_outcomes.complete(tx, [Complete(id_, note)])


async def test_a_new_task_is_open_and_its_maker_s(world: World) -> None:
    made = await task(world)

    assert await world.row("SELECT id, kind, priority, status, closed_at, owner_id, team_id, version FROM tasks") == {
        "id": made,
        "kind": "TODO",
        "priority": "NORMAL",
        "status": "OPEN",
        "closed_at": None,
        "owner_id": world.people["li"].user_id,
        "team_id": world.teams["east"],
        "version": 1,
    }


async def test_a_task_belongs_to_the_customer_of_what_it_is_about(world: World) -> None:
    whose = await customer(world)
    async with world.begin("li") as tx:
        (lead,) = await leads.create(tx, [Create({"name": "张伟"}, {"customer": whose})])
    await task(world, parents={"lead": lead.id})

    assert await world.row("SELECT customer_id, lead_id FROM tasks") == {"customer_id": whose, "lead_id": lead.id}


async def test_a_task_is_about_one_customer_and_what_its_maker_sees(world: World) -> None:
    mine, other, theirs = await customer(world), await customer(world), await customer(world, "zhao")
    async with world.begin("li") as tx:
        (lead,) = await leads.create(tx, [Create({"name": "张伟"}, {"customer": mine})])

    with pytest.raises(CrmError) as twice:
        await task(world, parents={"customer": other, "lead": lead.id})
    with pytest.raises(CrmError) as unseen:
        await task(world, parents={"customer": theirs})

    assert told(twice.value) == [("RULE_VIOLATED", "parent_of_another_customer", ("lead",))]
    assert told(unseen.value) == [("NOT_FOUND", "not_found", ("customer",))]


async def test_a_task_that_is_done_says_so_with_a_note(world: World) -> None:
    made = await task(world)
    world.clock.advance(minutes=5)

    await complete(world, made, "  客户同意\n下周签约 ")

    assert await world.row("SELECT status, closed_at, outcome, version FROM tasks") == {
        "status": "DONE",
        "closed_at": NOON + timedelta(minutes=5),
        "outcome": "客户同意\n下周签约",
        "version": 2,
    }
    (_, event) = await world.events(made)
    assert (event["type"], event["before"], event["after"]) == (
        "task.completed",
        {"status": "OPEN", "closed_at": None, "outcome": None},
        {"status": "DONE", "closed_at": "2026-11-22T04:05:00+00:00", "outcome": "客户同意\n下周签约"},
    )
    assert await world.count("interactions") == 0


@pytest.mark.parametrize(
    ("note", "error"),
    [
        (" \n", ("REQUIRED", "required", ("note",))),
        ("a\0b", ("INVALID", "text_control_characters", ("note",))),
        ("字" * 20_001, ("INVALID", "text_too_long", ("note",))),
    ],
    ids=["blank", "control", "long"],
)
async def test_nothing_is_done_without_a_note_that_says_something(world: World, note: str, error: Any) -> None:
    made = await task(world)

    assert await refused(complete(world, made, note)) == [error]
    assert await world.row("SELECT status, version FROM tasks") == {"status": "OPEN", "version": 1}


@pytest.mark.parametrize(
    ("kind", "channel", "direction", "last"),
    [("CALL", "CALL", "OUTBOUND", NOON), ("TODO", "NOTE", "INTERNAL", None), ("FOLLOW_UP", "NOTE", "INTERNAL", None)],
)
async def test_what_came_of_a_task_is_logged_with_its_customer(
    world: World, kind: str, channel: str, direction: str, last: Any
) -> None:
    whose = await customer(world)
    made = await task(world, parents={"customer": whose}, kind=kind)

    await complete(world, made, "已回电")

    assert await world.row(
        "SELECT customer_id, channel, direction, occurred_at, subject, body, owner_id FROM interactions"
    ) == {
        "customer_id": whose,
        "channel": channel,
        "direction": direction,
        "occurred_at": NOON,
        "subject": "回电话",
        "body": "已回电",
        "owner_id": world.people["li"].user_id,
    }
    assert await world.row("SELECT last_interaction_at FROM customers") == {"last_interaction_at": last}


async def test_nothing_is_logged_by_who_may_not_log_or_with_whom_they_do_not_see(world: World) -> None:
    """Finance logs no interactions; Zhao sees the task that he was given, and not its customer."""
    whose = await customer(world)
    for by in ("finance", "zhao"):
        made = await task(world, parents={"customer": whose})
        async with world.begin("li") as tx:
            await tasks.assign(tx, [Assign(made, to_user=world.people[by].user_id)])
        await complete(world, made, "已核对", by)

    assert await world.rows("SELECT DISTINCT status FROM tasks") == [{"status": "DONE"}]
    assert await world.count("interactions") == 0


async def test_a_closed_task_is_closed_until_it_is_opened_again(world: World) -> None:
    made = await task(world)
    await complete(world, made, "已回电")

    async with world.begin("li") as tx:
        assert await refused(task_outcomes.complete(tx, [Complete(made, "再次")])) == [
            ("RULE_VIOLATED", "task_closed", ())
        ]
        assert await refused(tasks.cancel(tx, [Cancel(made)])) == [("RULE_VIOLATED", "task_closed", ())]
    async with world.begin("li") as tx:
        await tasks.reopen(tx, [Reopen(made, "客户改了主意")])
    async with world.begin("li") as tx:
        assert await refused(tasks.reopen(tx, [Reopen(made)])) == [("RULE_VIOLATED", "task_open", ())]
    async with world.begin("li") as tx:
        await tasks.cancel(tx, [Cancel(made, "不需要了")])

    assert await world.row("SELECT status, closed_at, outcome FROM tasks") == {
        "status": "CANCELLED",
        "closed_at": NOON,
        "outcome": None,
    }
    assert [(e["type"], e["reason"]) for e in await world.events(made)] == [
        ("task.created", None),
        ("task.completed", None),
        ("task.reopened", "客户改了主意"),
        ("task.cancelled", "不需要了"),
    ]


async def test_an_archived_task_does_not_end(world: World) -> None:
    made = await task(world)
    async with world.begin("li") as tx:
        await records.archive(tx, tasks.NOUN, [Archive(made)])

    assert await refused(complete(world, made, "已回电")) == [("RULE_VIOLATED", "archived", ())]


@pytest.mark.parametrize("stands", ["open", "closed"])
async def test_whether_a_task_is_open_is_not_told_to_who_does_not_read_it(world: World, stands: str) -> None:
    """Both tasks come out alike, one version further, whichever they were."""
    made = await task(world)
    if stands == "closed":
        await complete(world, made, "已回电")
    hidden = {"status": Level.HIDDEN, "closed_at": Level.HIDDEN, "outcome": Level.HIDDEN}
    blind = world.with_grants("li", "task", [world.grant("task", RowRule.OWN, hidden, ["title"])])
    before = await world.row("SELECT version FROM tasks")

    async with world.begin_as(blind) as tx:
        (outcome,) = await tasks.reopen(tx, [Reopen(made)])

    assert outcome.result == "UPDATED"
    assert await world.row("SELECT status, version FROM tasks") == {"status": "OPEN", "version": before["version"] + 1}


async def test_a_task_of_a_team_is_anybody_s_of_the_team_until_one_takes_it(world: World) -> None:
    made = await task(world, "manager")
    wang = world.people["wang"].user_id
    async with world.begin("manager") as tx:
        await tasks.assign(tx, [Assign(made, to_team=world.teams["east"], reason="谁有空谁做")])
    assert await world.row("SELECT owner_id, team_id FROM tasks") == {"owner_id": None, "team_id": world.teams["east"]}

    async with world.begin("zhao") as tx:
        assert await refused(tasks.assign(tx, [Assign(made, to_user=tx.principal.user_id)])) == [
            ("NOT_FOUND", "not_found", ("id",))
        ]
    async with world.begin("wang") as tx:
        await tasks.assign(tx, [Assign(made, to_user=wang)])
    async with world.begin("li") as tx:
        assert await refused(tasks.cancel(tx, [Cancel(made)])) == [("NOT_FOUND", "not_found", ("id",))]

    assert await world.row("SELECT owner_id, team_id FROM tasks") == {"owner_id": wang, "team_id": world.teams["east"]}
    assert [(e["type"], e["reason"]) for e in await world.events(made)] == [
        ("task.created", None),
        ("task.assigned", "谁有空谁做"),
        ("task.assigned", None),
    ]


async def test_who_has_no_tasks_makes_none(world: World) -> None:
    async with world.begin("erp") as tx:
        with pytest.raises(NotGranted):
            await tasks.create(tx, [Create({"title": "同步"})])
    async with world.begin("admin") as tx:
        with pytest.raises(NotGranted):
            await tasks.cancel(tx, [Cancel(world.people["li"].user_id)])


async def test_another_system_writes_tasks_by_its_own_ids(world: World) -> None:
    whose = await customer(world)
    items: list[dict[str, Any]] = [
        {"externalId": "A1", "title": "回访", "customer": {"id": str(whose)}, "dueAt": "2026-11-30T09:00:00+08:00"},
        {"externalId": "A2", "title": "寄样", "kind": "GIFT"},
    ]
    for expected in (["CREATED", "REJECTED"], ["UNCHANGED", "REJECTED"]):
        async with world.begin("manager") as tx:
            outcomes = await upsert(tx, "task", "oa", items, mode=Mode.PARTIAL)
        assert [o.result for o in outcomes] == expected
    assert [(e.code, e.path) for e in outcomes[1].errors] == [("INVALID", ("kind",))]


async def test_a_patch_of_a_closed_task_leaves_it_closed(world: World) -> None:
    made = await task(world)
    await complete(world, made, "已回电")
    async with world.begin("li") as tx:
        await tasks.update(tx, [Update(made, {"title": "已回电话", "dueAt": "2026-11-30T09:00:00+08:00"})])

    assert await world.row("SELECT title, status, outcome FROM tasks") == {
        "title": "已回电话",
        "status": "DONE",
        "outcome": "已回电",
    }
