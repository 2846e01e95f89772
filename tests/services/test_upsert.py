"""Bulk upsert: outcomes, convergence, rights and what two of them do at the same time, with real commits."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from crm_graph.access import Level
from crm_graph.errors import CrmError, Invalid, LimitReached
from crm_graph.models.roles import RowRule
from crm_graph.services import customers
from crm_graph.services.commands import Create, Mode, Outcome, Refused, Result, Update
from crm_graph.services.upsert import upsert

from .conftest import World

Item = Mapping[str, Any]


def facts(error: CrmError) -> tuple[str, str, tuple[Any, ...]]:
    return error.code, error.template_key, error.path


def customer(external_id: str, **values: Any) -> Item:
    return {"externalId": external_id, "kind": "PERSON", "name": f"客户 {external_id}", **values}


async def send(
    world: World, items: Sequence[Item], who: str = "erp", source: str = "erp", **options: Any
) -> list[Outcome]:
    async with world.begin(who) as tx:
        return await upsert(tx, "customer", source, items, **options)


def results(outcomes: Sequence[Outcome]) -> list[str]:
    return [outcome.result.value for outcome in outcomes]


async def test_a_replay_changes_nothing(world: World) -> None:
    items = [customer("A-1", phone="13800000001"), customer("A-2", contactPoints=[{"kind": "EMAIL", "raw": "a@b.cn"}])]
    first = await send(world, items)
    assert results(first) == ["CREATED", "CREATED"]
    world.clock.advance(hours=1)
    again = await send(world, items)
    assert again == [Outcome(o.index, Result.UNCHANGED, o.id) for o in first]
    assert (await world.count("customers"), await world.count("events")) == (2, 2)
    (event,) = await world.events(UUID(str(first[0].id)))
    (ref,) = event["after"]["external_refs"]
    stored = await world.row("SELECT id FROM external_refs WHERE external_id = 'A-1'")
    assert ref.pop("id") == str(stored["id"])
    assert ref == {"source": "erp", "external_id": "A-1", "synced_at": "2026-11-22T04:00:00+00:00"}


async def test_items_create_change_archive_and_restore(world: World) -> None:
    (made,) = await send(world, [customer("A-1", city="上海")])
    outcomes = await send(
        world,
        [
            customer("A-1", city="苏州"),
            {"externalId": "never", "deleted": True},
            customer("A-2"),
        ],
    )
    assert results(outcomes) == ["UPDATED", "UNCHANGED", "CREATED"]
    assert results(await send(world, [{"externalId": "A-1", "deleted": True}])) == ["UPDATED"]
    assert results(await send(world, [{"externalId": "A-1", "deleted": True}])) == ["UNCHANGED"]
    assert results(await send(world, [customer("A-1", city="杭州")])) == ["UPDATED"]
    assert made.id is not None
    events = await world.events(made.id)
    assert [(e["type"], e["changed"]) for e in events[1:]] == [
        ("customer.updated", ["city"]),
        ("customer.archived", ["archived_at"]),
        ("customer.restored", ["city", "archived_at"]),
    ]
    assert (await world.row("SELECT city, archived_at FROM customers WHERE id = $1", made.id)) == {
        "city": "杭州",
        "archived_at": None,
    }


async def test_bad_items_are_rejected_alone_with_what_is_wrong(world: World) -> None:
    outcomes = await send(
        world,
        [
            customer("A-1"),
            customer("A-1", city="苏州"),
            {"kind": "PERSON", "name": "无编号"},
            customer("A-3", kind="ROBOT"),
            customer("A-4", bankAccount="6222"),
            customer("A-5", phone="12"),
            customer("A-6", referredBy={"externalId": "nobody"}),
            "not an item",  # type: ignore[list-item]  # what a careless caller sends
            customer("A-8", contactPoints="13800000001"),
        ],
    )
    assert results(outcomes) == ["CREATED", *["REJECTED"] * 8]
    assert [[facts(e) for e in o.errors] for o in outcomes[1:]] == [
        [("DUPLICATE", "repeated_in_batch", ("externalId",))],
        [("REQUIRED", "required", ("externalId",))],
        [("INVALID", "enum_invalid", ("kind",))],
        [("INVALID", "unknown_field", ("bankAccount",))],
        [("INVALID", "phone_invalid", ("phone",))],
        [("NOT_FOUND", "not_found", ("referredBy",))],
        [("INVALID", "invalid", ())],
        [("INVALID", "list_invalid", ("contactPoints",))],
    ]
    assert (await world.count("customers"), await world.count("external_refs")) == (1, 1)


async def test_atomic_refuses_all_for_one(world: World) -> None:
    items = [customer("A-1"), customer("A-2", kind="ROBOT")]
    with pytest.raises(Refused) as refused:
        await send(world, items, mode=Mode.ATOMIC)
    assert [[facts(e) for e in o.errors] for o in refused.value.outcomes] == [
        [("RULE_VIOLATED", "batch_refused", ())],
        [("INVALID", "enum_invalid", ("kind",))],
    ]
    assert [facts(e) for e in refused.value.errors] == [("INVALID", "enum_invalid", ("items", 1, "kind"))]
    assert (await world.count("customers"), await world.count("external_refs")) == (0, 0)


async def test_a_dry_run_tells_the_same_and_leaves_nothing(world: World) -> None:
    assert results(await send(world, [customer("A-1"), customer("A-2", kind="")], dry_run=True)) == [
        "CREATED",
        "REJECTED",
    ]
    assert [await world.count(t) for t in ("customers", "external_refs", "events", "contact_points")] == [0, 0, 0, 0]


async def test_ten_thousand_with_one_bad_one(world: World) -> None:
    items = [customer(f"A-{n}", phone=f"138{n:08d}") for n in range(10_000)]
    items[7_000] = customer("A-7000", kind="ROBOT")
    outcomes = await send(world, items)
    assert Counter(results(outcomes)) == {"CREATED": 9_999, "REJECTED": 1}
    assert [o.index for o in outcomes if o.errors] == [7_000]
    assert [await world.count(t) for t in ("customers", "external_refs", "contact_points", "events")] == [9_999] * 4
    numbers = await world.row("SELECT min(n), max(n), count(DISTINCT n) FROM events")
    assert numbers == {"min": 0, "max": 9_998, "count": 9_999}


async def test_limits_and_sources_are_checked_before_anything(world: World) -> None:
    with pytest.raises(LimitReached):
        await send(world, [customer("A")] * 10_001)
    with pytest.raises(Invalid) as invalid:
        await send(world, [customer("A-1")], source="shop")
    assert facts(invalid.value) == ("INVALID", "source_not_yours", ("source",))


@pytest.mark.parametrize(
    ("rows", "levels"),
    [
        (RowRule.OWN, {}),
        (RowRule.ALL, {"external_refs.external_id": Level.MASKED}),
        (RowRule.ALL, {"external_refs.source": Level.HIDDEN}),
    ],
)
async def test_who_does_not_read_every_ref_names_no_source_of_others(
    world: World, rows: RowRule, levels: dict[str, Level]
) -> None:
    """Wang would learn which ids of the ERP are taken, and by which customers."""
    (made,) = await send(world, [customer("A-1")])
    assert made.id is not None
    limited = world.with_grants("wang", "customer", [world.grant("customer", rows, levels, ["kind", "name", "city"])])
    allowed = replace(limited, access=replace(limited.access, actions=limited.access.actions | {"customers:upsert"}))
    for external_id in ("A-1", "A-2"):
        with pytest.raises(Invalid) as refused:
            async with world.begin_as(allowed) as tx:
                await upsert(tx, "customer", "erp", [customer(external_id)])
        assert facts(refused.value) == ("INVALID", "source_not_yours", ("source",))


async def test_a_ref_on_a_record_out_of_scope_is_taken(world: World) -> None:
    (made,) = await send(world, [customer("A-1")])
    grant = world.grant("customer", RowRule.TEAM, {}, ["kind", "name", "city"])
    limited = world.with_grants("erp", "customer", [grant])
    async with world.begin_as(limited) as tx:
        (outcome,) = await upsert(tx, "customer", "erp", [customer("A-1", city="苏州")])
    assert [facts(e) for e in outcome.errors] == [("CONFLICT", "external_ref_taken", ("externalId",))]
    assert made.id is not None
    assert len(await world.events(made.id)) == 1


async def test_parents_by_id_or_external_id(world: World) -> None:
    (parent,) = await send(world, [customer("P-1")])
    outcomes = await send(
        world,
        [
            customer("C-1", parent={"externalId": "P-1"}),
            customer("C-2", parent={"id": str(parent.id)}),
            customer("C-3", parent={"source": "shop", "externalId": "P-1"}),
            customer("C-4", parent={"id": "no id"}),
            customer("C-5", parent="P-1"),
        ],
    )
    assert results(outcomes) == ["CREATED", "CREATED", "REJECTED", "REJECTED", "REJECTED"]
    assert [facts(e) for o in outcomes for e in o.errors] == [
        ("NOT_FOUND", "not_found", ("parent",)),
        ("NOT_FOUND", "not_found", ("parent",)),
        ("INVALID", "parent_invalid", ("parent",)),
    ]
    rows = await world.rows("SELECT parent_id FROM customers WHERE id <> $1", parent.id)
    assert rows == [{"parent_id": parent.id}] * 2


async def test_two_upserts_of_the_same_new_records_never_make_two(world: World) -> None:
    """Each brings the same records in the opposite order, so that whatever is locked one by one would deadlock."""
    items = [customer(f"A-{n:03d}") for n in range(300)]
    theirs = [{**item, "city": "苏州"} for item in reversed(items)]
    both = await asyncio.gather(*(send(world, batch) for batch in (items, theirs) * 3))
    counts = Counter(result for outcomes in both for result in results(outcomes))
    assert counts["CREATED"] == 300
    assert counts["REJECTED"] == 0
    assert [await world.count(t) for t in ("customers", "external_refs")] == [300, 300]


async def test_upserts_and_updates_of_the_same_rows_do_not_deadlock(world: World) -> None:
    items = [customer(f"A-{n:03d}") for n in range(100)]
    ids = [o.id for o in await send(world, items)]

    async def patch(city: str) -> None:
        async with world.begin("manager") as tx:
            await customers.update(tx, [Update(id_, {"city": city}) for id_ in reversed(ids) if id_])

    await asyncio.gather(
        *(patch(city) for city in ("苏州", "杭州", "南京")),
        *(send(world, [{**item, "city": f"城{n}"} for item in items]) for n in range(3)),
    )
    versions = await world.rows("SELECT DISTINCT version FROM customers")
    assert versions == [{"version": 7}]


async def test_contact_points_are_matched_by_value(world: World) -> None:
    points = [{"kind": "MOBILE", "raw": "13800000001"}, {"kind": "EMAIL", "raw": "a@b.cn"}]
    (made,) = await send(world, [customer("A-1", contactPoints=points)])
    before = {r["e164"]: r["id"] for r in await world.rows("SELECT id, e164 FROM contact_points")}
    points = [{"kind": "EMAIL", "raw": "a@b.cn"}, {"kind": "MOBILE", "raw": "13900000002"}]
    assert results(await send(world, [customer("A-1", contactPoints=points)])) == ["UPDATED"]
    after = {r["e164"]: r["id"] for r in await world.rows("SELECT id, e164 FROM contact_points")}
    assert after["a@b.cn"] == before["a@b.cn"]
    assert set(after) == {"a@b.cn", "+8613900000002"}
    assert made.id is not None
    assert (await world.events(made.id))[-1]["changed"] == ["phone", "contact_points"]


async def test_an_unowned_source_may_be_used_by_people(world: World) -> None:
    async with world.begin("manager") as tx:
        (made,) = await customers.create(tx, [Create({"kind": "PERSON", "name": "张伟"})])
    outcomes = await send(world, [customer("7")], who="manager", source="csv")
    assert results(outcomes) == ["CREATED"]
    assert outcomes[0].id != made.id
