"""Leads: assignment."""

from typing import Any
from uuid import UUID

import pytest

from crm_graph.services import leads
from crm_graph.services.assignment import Assign
from crm_graph.services.commands import Create, Mode, Result
from crm_graph.transaction import NotGranted

from .conftest import World


@pytest.fixture
async def lead(world: World) -> UUID:
    async with world.begin("li") as tx:
        (outcome,) = await leads.create(tx, [Create({"name": "王芳", "phone": "13800000001"})])
    assert outcome.id is not None
    return outcome.id


async def assign(world: World, *commands: Assign, by: str = "manager") -> list[tuple[str, list[tuple[Any, ...]]]]:
    async with world.begin(by) as tx:
        outcomes = await leads.assign(tx, commands, Mode.PARTIAL)
    return [(o.result.value, [(e.code, e.template_key, e.path) for e in o.errors]) for o in outcomes]


async def test_assignment_changes_owner_and_team_and_keeps_the_stage(world: World, lead: UUID) -> None:
    before = await world.row("SELECT stage_id FROM leads")
    zhao = world.people["zhao"].user_id
    assert await assign(world, Assign(lead, to_user=zhao, reason="区域划分")) == [("UPDATED", [])]
    row = await world.row(
        "SELECT owner_id, team_id, stage_id, assigned_at, assignment_reason, pool_state, version FROM leads"
    )
    assert row == {
        "owner_id": zhao,
        "team_id": world.teams["north"],
        **before,
        "assigned_at": world.clock.now,
        "assignment_reason": "区域划分",
        "pool_state": "OWNED",
        "version": 2,
    }
    event = (await world.events(lead))[-1]
    assert (event["type"], event["reason"], event["after"]["owner_id"]) == ("lead.assigned", "区域划分", str(zhao))
    assert await assign(world, Assign(lead, to_user=zhao)) == [("UNCHANGED", [])]


async def test_a_team_gets_a_lead_that_its_members_may_claim(world: World, lead: UUID) -> None:
    assert await assign(world, Assign(lead, to_team=world.teams["north"])) == [("UPDATED", [])]
    row = await world.row("SELECT owner_id, team_id, pool_state, pooled_at FROM leads")
    assert row == {
        "owner_id": None,
        "team_id": world.teams["north"],
        "pool_state": "PUBLIC",
        "pooled_at": world.clock.now,
    }


async def test_only_active_users_and_known_teams_are_assigned_to(world: World, lead: UUID) -> None:
    async with world.engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE users SET status = 'SUSPENDED' WHERE username = 'wang'")
    wang, zhao = world.people["wang"].user_id, world.people["zhao"].user_id
    bad = [
        Assign(lead, to_user=wang),
        Assign(lead, to_user=lead),
        Assign(lead),
        Assign(lead, to_user=zhao, to_team=world.teams["east"]),
    ]
    assert [(await assign(world, command))[0][1] for command in bad] == [
        [("RULE_VIOLATED", "user_not_active", ("to",))],
        [("NOT_FOUND", "not_found", ("to",))],
        [("INVALID", "assignee_missing", ("to",))],
        [("RULE_VIOLATED", "user_not_in_team", ("to",))],
    ]
    assert len(await world.events(lead)) == 1


async def test_assignment_is_an_action_of_its_own(world: World, lead: UUID) -> None:
    with pytest.raises(NotGranted):
        await assign(world, Assign(lead, to_user=world.people["zhao"].user_id), by="li")


async def test_many_leads_are_assigned_at_once(world: World) -> None:
    async with world.begin("li") as tx:
        made = await leads.create(tx, [Create({"name": f"线索{n}"}) for n in range(50)])
    zhao = world.people["zhao"].user_id
    answers = await assign(world, *(Assign(o.id, to_user=zhao) for o in made if o.id))
    assert answers == [(Result.UPDATED.value, [])] * 50
    assert await world.rows("SELECT owner_id, count(*) FROM leads GROUP BY 1") == [{"owner_id": zhao, "count": 50}]
