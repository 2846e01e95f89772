"""Workflows: what moves are allowed, what they require, and what a record carries afterwards."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from crm_graph.access import Level
from crm_graph.errors import CrmError
from crm_graph.messages import MESSAGES
from crm_graph.models.roles import RowRule
from crm_graph.services import contracts, customers, leads, opportunities, tickets
from crm_graph.services.commands import Create, Refused, Result
from crm_graph.services.default_workflows import DEFAULT_PIPELINES, install_default_workflows
from crm_graph.services.workflows import Transition, available_transitions, transition

from .conftest import World

CREATE = {
    "lead": leads.create,
    "opportunity": opportunities.create,
    "ticket": tickets.create,
    "contract": contracts.create,
}


async def customer(world: World, name: str = "li") -> UUID:
    async with world.begin(name) as tx:
        (outcome,) = await customers.create(tx, [Create({"kind": "ORGANIZATION", "name": "海川电器"})])
    assert outcome.id is not None
    return outcome.id


async def made(world: World, entity: str, values: Mapping[str, Any], of: UUID | None = None, by: str = "li") -> UUID:
    parents: Mapping[str, UUID] = {} if of is None else {"customer": of}
    async with world.begin(by) as tx:
        (outcome,) = await CREATE[entity](tx, [Create(values, parents)])
    assert outcome.id is not None
    return outcome.id


async def deal(world: World, **values: Any) -> UUID:
    return await made(world, "opportunity", {"name": "中央空调", **values}, await customer(world))


async def move(world: World, entity: str, id_: UUID, to: str, by: str = "li", **options: Any) -> None:
    async with world.begin(by) as tx:
        (outcome,) = await transition(tx, entity, [Transition(id_, to, **options)])
    assert outcome.result is Result.UPDATED


async def refusal(world: World, entity: str, id_: UUID, to: str, by: str = "li", **options: Any) -> CrmError:
    with pytest.raises(Refused) as refused:
        await move(world, entity, id_, to, by, **options)
    (error,) = refused.value.errors
    return error


def unmet(error: CrmError) -> list[tuple[str, str | None]]:
    return [(r["code"], r["field"]) for r in error.details["requirements"] if not r["satisfied"]]


async def stage(world: World, entity: str, id_: UUID) -> str:
    table = world.catalog[entity].table
    row = await world.row(f"SELECT s.key FROM {table} t JOIN stages s ON s.id = t.stage_id WHERE t.id = $1", id_)
    return str(row["key"])


async def test_records_start_in_the_initial_stage_of_the_default_pipeline(world: World) -> None:
    of = await customer(world)
    ids = {
        "lead": await made(world, "lead", {"name": "王芳"}),
        "opportunity": await made(world, "opportunity", {"name": "空调"}, of),
        "ticket": await made(world, "ticket", {"subject": "不制冷"}, of),
        "contract": await made(world, "contract", {"title": "供货"}, of),
    }
    assert {entity: await stage(world, entity, id_) for entity, id_ in ids.items()} == {
        "lead": "new",
        "opportunity": "qualification",
        "ticket": "new",
        "contract": "draft",
    }
    stays = await world.rows("SELECT entity_id, from_stage_id, left_at, entered_at FROM stage_changes")
    assert {s["entity_id"] for s in stays} == set(ids.values())
    assert {(s["from_stage_id"], s["left_at"], s["entered_at"]) for s in stays} == {(None, None, world.clock.now)}
    ticket = await world.row("SELECT number FROM tickets")
    assert ticket["number"].startswith("T-")


async def test_a_named_pipeline_must_exist(world: World) -> None:
    with pytest.raises(Refused) as refused:
        async with world.begin("li") as tx:
            await leads.create(tx, [Create({"name": "王芳"}, pipeline="no_such")])
    assert [(e.code, e.template_key, e.path) for e in refused.value.errors] == [
        ("INVALID", "unknown_pipeline", ("pipeline",))
    ]


async def test_a_move_needs_its_fields(world: World) -> None:
    id_ = await deal(world)
    await move(world, "opportunity", id_, "needs")
    error = await refusal(world, "opportunity", id_, "proposal")
    assert (error.code, error.path) == ("STAGE_NOT_ALLOWED", ("to",))
    assert unmet(error) == [("FIELD", "amount"), ("FIELD", "expectedCloseOn")]
    await move(world, "opportunity", id_, "proposal", fields={"amount": "120000", "expectedCloseOn": "2026-12-31"})
    row = await world.row("SELECT amount::text, amount_base::text, probability::text FROM opportunities")
    assert row == {"amount": "120000.00", "amount_base": "120000.00", "probability": "0.5000"}


async def test_winning_needs_a_note_long_enough(world: World) -> None:
    id_ = await deal(world, amount="120000", expectedCloseOn="2026-12-31")
    for to in ("needs", "proposal", "negotiation"):
        await move(world, "opportunity", id_, to)
    assert unmet(await refusal(world, "opportunity", id_, "won")) == [("NOTE", None)]
    assert unmet(await refusal(world, "opportunity", id_, "won", note="  成交了      ")) == [("NOTE", None)]
    world.clock.advance(days=2)
    await move(world, "opportunity", id_, "won", note="客户已确认方案与付款计划。")
    row = await world.row("SELECT closed_at, probability::text, loss_reason, stage_entered_at FROM opportunities")
    assert row == {
        "closed_at": world.clock.now,
        "probability": "1.0000",
        "loss_reason": None,
        "stage_entered_at": world.clock.now,
    }


async def test_losing_needs_a_reason_of_the_list(world: World) -> None:
    id_ = await deal(world)
    assert unmet(await refusal(world, "opportunity", id_, "lost")) == [("REASON", None)]
    assert unmet(await refusal(world, "opportunity", id_, "lost", reason="bad luck")) == [("REASON", None)]
    await move(world, "opportunity", id_, "lost", reason="price", note="竞品便宜两成")
    row = await world.row("SELECT loss_reason, loss_note, closed_at, probability::text FROM opportunities")
    assert row == {
        "loss_reason": "price",
        "loss_note": "竞品便宜两成",
        "closed_at": world.clock.now,
        "probability": "0.0000",
    }
    event = (await world.events(id_))[-1]
    assert (event["type"], event["reason"]) == ("opportunity.stage_changed", "price")
    assert event["before"]["loss_reason"] is None
    assert event["after"]["loss_reason"] == "price"
    (entry,) = event["after"]["stage_history"]
    assert (entry["reason"], entry["note"]) == ("price", "竞品便宜两成")
    stay = await world.row("SELECT id, actor_id FROM stage_changes WHERE left_at IS NULL")
    assert (entry["id"], entry["actor_id"]) == (str(stay["id"]), str(stay["actor_id"]))


async def test_backward_only_where_a_transition_says_so(world: World) -> None:
    id_ = await deal(world, amount="1", expectedCloseOn="2026-12-31")
    await move(world, "opportunity", id_, "needs")
    await move(world, "opportunity", id_, "proposal")
    await move(world, "opportunity", id_, "needs")
    for to in ("qualification", "won", "needs", "no_such_stage"):
        error = await refusal(world, "opportunity", id_, to)
        assert (error.code, error.template_key, error.details["requirements"]) == (
            "STAGE_NOT_ALLOWED",
            "stage_not_allowed",
            [],
        )


async def test_stays_follow_each_other_without_a_gap(world: World) -> None:
    id_ = await made(world, "lead", {"name": "王芳"})
    world.clock.advance(hours=1)
    await move(world, "lead", id_, "contacted")
    world.clock.advance(hours=2)
    await move(world, "lead", id_, "disqualified", reason="no_need")
    stays = await world.rows(
        "SELECT s.key, c.entered_at, c.left_at, c.reason, c.actor_id FROM stage_changes c"
        " JOIN stages s ON s.id = c.stage_id WHERE c.entity_id = $1 ORDER BY c.id",
        id_,
    )
    assert [(s["key"], s["reason"]) for s in stays] == [("new", None), ("contacted", None), ("disqualified", "no_need")]
    assert [s["left_at"] for s in stays] == [stays[1]["entered_at"], stays[2]["entered_at"], None]
    assert {s["actor_id"] for s in stays} == {world.people["li"].user_id}
    assert (await world.row("SELECT disqualification_reason FROM leads"))["disqualification_reason"] == "no_need"


async def test_a_ticket_is_resolved_and_opened_again(world: World) -> None:
    of = await customer(world)
    id_ = await made(world, "ticket", {"subject": "不制冷"}, of, by="service")
    await move(world, "ticket", id_, "in_progress", by="service")
    assert unmet(await refusal(world, "ticket", id_, "resolved", by="service")) == [("FIELD", "resolution")]
    await move(world, "ticket", id_, "resolved", by="service", fields={"resolution": "更换压缩机"})
    resolved_at = world.clock.now
    world.clock.advance(days=1)
    await move(world, "ticket", id_, "closed", by="service")
    assert await world.row("SELECT resolved_at, reopened_count FROM tickets") == {
        "resolved_at": resolved_at,
        "reopened_count": 0,
    }
    await move(world, "ticket", id_, "in_progress", by="service", note="客户反映仍不制冷")
    assert await world.row("SELECT resolved_at, reopened_count FROM tickets") == {
        "resolved_at": None,
        "reopened_count": 1,
    }


async def test_a_move_needs_the_action_of_its_transition(world: World) -> None:
    id_ = await made(world, "contract", {"title": "供货", "netAmount": "100", "taxAmount": "13"}, await customer(world))
    await move(world, "contract", id_, "approval")
    assert unmet(await refusal(world, "contract", id_, "signature")) == [("ACTION", None)]


async def test_moves_out_of_scope_and_unwritable_fields_are_refused(world: World) -> None:
    id_ = await deal(world)
    error = await refusal(world, "opportunity", id_, "needs", by="wang")
    assert (error.code, error.path) == ("NOT_FOUND", ("id",))
    error = await refusal(world, "opportunity", id_, "needs", fields={"cost": "1"})
    assert (error.code, error.template_key, error.path) == ("INVALID", "unknown_field", ("cost",))
    assert await stage(world, "opportunity", id_) == "qualification"


async def test_available_transitions_tell_what_is_missing(world: World) -> None:
    id_ = await deal(world, amount="1")
    await move(world, "opportunity", id_, "needs")
    events = await world.count("events")
    async with world.pool.acquire() as connection:
        found = await available_transitions(
            connection,
            world.people["li"],
            world.catalog,
            world.catalog["opportunity"],
            [id_, world.people["li"].user_id],
            now=world.clock.now,
            locale="en",
        )
        foreign = await available_transitions(
            connection, world.people["wang"], world.catalog, world.catalog["opportunity"], [id_], now=world.clock.now
        )
    assert foreign == {}
    assert [(m["to"], [(r["code"], r["field"], r["satisfied"]) for r in m["requirements"]]) for m in found[id_]] == [
        (
            {"key": "proposal", "name": "方案报价"},
            [("FIELD", "amount", True), ("FIELD", "expectedCloseOn", False)],
        ),
        ({"key": "lost", "name": "输单"}, [("REASON", None, False)]),
    ]
    assert await world.count("events") == events


async def test_a_hidden_requirement_is_told_without_detail(world: World) -> None:
    id_ = await deal(world, amount="1")
    await move(world, "opportunity", id_, "needs")
    grant = world.grant(
        "opportunity", RowRule.OWN, {"amount": Level.HIDDEN, "expected_close_on": Level.HIDDEN}, ["name"]
    )
    li = world.with_grants("li", "opportunity", [grant])
    async with world.pool.acquire() as connection:
        found = await available_transitions(
            connection, li, world.catalog, world.catalog["opportunity"], [id_], now=world.clock.now, locale="en"
        )
    proposal = next(m for m in found[id_] if m["to"]["key"] == "proposal")
    assert proposal["requirements"] == [
        {
            "satisfied": False,
            "code": "HIDDEN",
            "message": MESSAGES["requirement_hidden"][0],
            "field": None,
        }
    ]


async def test_installing_again_changes_nothing(world: World) -> None:
    before = [await world.count(t) for t in ("pipelines", "stages", "transitions", "reasons")]
    async with world.engine.begin() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await install_default_workflows(driver, world.ids, world.clock.now)
    assert [await world.count(t) for t in ("pipelines", "stages", "transitions", "reasons")] == before
    assert before[:3] == [
        len(DEFAULT_PIPELINES),
        sum(len(p.stages) for p in DEFAULT_PIPELINES),
        sum(len(p.moves) for p in DEFAULT_PIPELINES),
    ]
