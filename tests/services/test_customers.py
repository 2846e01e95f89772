"""Customers: what the shared verbs and the contact points of customers do, committed on a real database."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from crm_graph.access import Level
from crm_graph.errors import CrmError
from crm_graph.models.ids import EntityCode
from crm_graph.models.roles import RowRule
from crm_graph.services import customers
from crm_graph.services.commands import Archive, Create, Mode, Outcome, Refused, Restore, Result, Update
from crm_graph.transaction import NotGranted

from .conftest import World


def facts(error: CrmError) -> tuple[str, str, tuple[Any, ...]]:
    return error.code, error.template_key, error.path


async def created(world: World, name: str, **values: Any) -> UUID:
    async with world.begin(name) as tx:
        (outcome,) = await customers.create(tx, [Create({"kind": "PERSON", "name": "张伟", **values})])
    assert outcome.id is not None
    return outcome.id


async def update(world: World, name: str, *commands: Update, mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    async with world.begin(name) as tx:
        return await customers.update(tx, commands, mode)


async def refusal(world: World, name: str, *commands: Update) -> list[tuple[str, str, tuple[Any, ...]]]:
    with pytest.raises(Refused) as refused:
        await update(world, name, *commands)
    return [facts(error) for error in refused.value.errors]


async def test_a_new_customer_belongs_to_its_maker_and_has_one_event(world: World) -> None:
    id_ = await created(world, "li", phone="138 0000 0001", city="上海")
    row = await world.row("SELECT * FROM customers WHERE id = $1", id_)
    li = world.people["li"]
    assert (row["owner_id"], row["team_id"], row["version"]) == (li.user_id, world.teams["east"], 1)
    assert (row["phone"], row["tier"], row["currency"]) == ("+8613800000001", "STANDARD", "CNY")
    (event,) = await world.events(id_)
    assert (event["type"], event["entity_version"], event["customer_id"]) == ("customer.created", 1, id_)
    assert (event["actor_id"], event["source"], event["occurred_at"]) == (li.user_id, "api", world.clock.now)
    assert event["before"] == {}
    assert event["after"]["name"] == "张伟"
    (point,) = event["after"]["contact_points"]
    assert {k: point[k] for k in ("kind", "raw", "e164", "is_primary")} == {
        "kind": "MOBILE",
        "raw": "138 0000 0001",
        "e164": "+8613800000001",
        "is_primary": True,
    }


async def test_an_update_logs_only_what_changed(world: World) -> None:
    id_ = await created(world, "li", city="上海")
    world.clock.advance(minutes=1)
    assert await update(world, "li", Update(id_, {"city": "苏州", "name": "张伟"})) == [Outcome(0, Result.UPDATED, id_)]
    event = (await world.events(id_))[-1]
    assert (event["type"], event["entity_version"]) == ("customer.updated", 2)
    assert (event["changed"], event["before"], event["after"]) == (["city"], {"city": "上海"}, {"city": "苏州"})
    row = await world.row("SELECT version, updated_at FROM customers WHERE id = $1", id_)
    assert row == {"version": 2, "updated_at": world.clock.now}


async def test_an_update_that_changes_nothing_writes_nothing(world: World) -> None:
    id_ = await created(world, "li", phone="13800000001", city="上海")
    outcomes = await update(world, "li", Update(id_, {"city": "上海", "phone": "+86 138 0000 0001"}))
    assert outcomes == [Outcome(0, Result.UNCHANGED, id_)]
    assert len(await world.events(id_)) == 1
    assert (await world.row("SELECT version FROM customers WHERE id = $1", id_))["version"] == 1


async def test_a_conflict_exists_only_where_a_written_field_changed_since(world: World) -> None:
    id_ = await created(world, "li", city="上海", industry="家电")
    await update(world, "li", Update(id_, {"city": "苏州"}, expected_version=1))
    (outcome,) = await update(world, "li", Update(id_, {"industry": "零售"}, expected_version=1))
    assert outcome.result is Result.UPDATED
    assert await refusal(world, "li", Update(id_, {"city": "杭州"}, expected_version=1)) == [
        ("CONFLICT", "conflict", ("city",))
    ]
    (outcome,) = await update(world, "li", Update(id_, {"city": "苏州"}, expected_version=1))
    assert outcome.result is Result.UNCHANGED
    assert await refusal(world, "li", Update(id_, {"city": "杭州"}, expected_version=9)) == [
        ("INVALID", "version_ahead", ("expectedVersion",))
    ]


async def test_a_record_out_of_scope_is_like_one_that_never_was(world: World) -> None:
    id_ = await created(world, "li")
    never = world.ids.new(EntityCode.CUSTOMER)
    wrong_type = world.people["li"].user_id
    for target in (id_, never, wrong_type):
        assert await refusal(world, "wang", Update(target, {"city": "苏州"})) == [("NOT_FOUND", "not_found", ("id",))]


async def test_a_field_that_may_not_be_written_is_an_unknown_field(world: World) -> None:
    id_ = await created(world, "li")
    unwritable = await refusal(world, "li", Update(id_, {"tier": "GOLD", "bankAccount": "62220000"}))
    never = await refusal(world, "li", Update(id_, {"noSuchField": 1}))
    assert unwritable == [("INVALID", "unknown_field", ("tier",)), ("INVALID", "unknown_field", ("bankAccount",))]
    assert never == [("INVALID", "unknown_field", ("noSuchField",))]


async def test_a_row_decides_which_grant_lets_a_field_be_written(world: World) -> None:
    own, other = await created(world, "li"), await created(world, "wang")
    li = world.with_grants(
        "li",
        "customer",
        [
            world.grant("customer", RowRule.OWN, {}, ["city", "name"]),
            world.grant("customer", RowRule.TEAM, {}, ["industry"]),
        ],
    )
    async with world.begin_as(li) as tx:
        outcomes = await customers.update(
            tx, [Update(own, {"city": "苏州", "industry": "家电"}), Update(other, {"city": "苏州"})], Mode.PARTIAL
        )
    assert [o.result for o in outcomes] == [Result.UPDATED, Result.REJECTED]
    assert [facts(e) for e in outcomes[1].errors] == [("INVALID", "unknown_field", ("city",))]


async def test_what_was_seen_masked_cannot_be_written_back(world: World) -> None:
    id_ = await created(world, "li", phone="13800000001", wechatId="zw-88")
    grant = world.grant(
        "customer",
        RowRule.ALL,
        {"name": Level.MASKED, "phone": Level.MASKED, "wechat_id": Level.MASKED},
        ["name", "phone", "city", "wechat_id"],
    )
    masked = world.with_grants("finance", "customer", [grant])

    async def attempt(values: dict[str, Any]) -> list[tuple[str, str, tuple[Any, ...]]]:
        async with world.begin_as(masked) as tx:
            (outcome,) = await customers.update(tx, [Update(id_, values)], Mode.PARTIAL)
        return [facts(e) for e in outcome.errors]

    assert await attempt({"name": "张**"}) == [("MASKED_VALUE", "masked_value", ("name",))]
    assert [e[0] for e in await attempt({"phone": "138****0001"})] == ["MASKED_VALUE"]
    assert await attempt({"wechatId": None}) == [("MASKED_VALUE", "masked_value", ("wechatId",))]
    assert await attempt({"name": "张伟强"}) == []
    row = await world.row("SELECT name, phone, wechat_id FROM customers WHERE id = $1", id_)
    assert row == {"name": "张伟强", "phone": "+8613800000001", "wechat_id": "zw-88"}


async def test_nobody_makes_what_they_would_not_see(world: World) -> None:
    with pytest.raises(Refused) as refused:
        await created(world, "erp")
    assert [facts(e) for e in refused.value.errors] == [("RULE_VIOLATED", "outside_scope", ())]
    team_only = world.with_grants("finance", "customer", [world.grant("customer", RowRule.TEAM, {}, ["name", "kind"])])
    team_only = replace(team_only, access=replace(team_only.access, actions=frozenset({"customers:create"})))
    async with world.begin_as(team_only) as tx:
        (outcome,) = await customers.create(tx, [Create({"kind": "PERSON", "name": "甲"})], Mode.PARTIAL)
    assert [facts(e) for e in outcome.errors] == [("RULE_VIOLATED", "outside_scope", ())]
    assert (await world.count("customers"), await world.count("events")) == (0, 0)


async def test_an_action_that_is_not_granted_is_refused(world: World) -> None:
    async with world.begin("admin") as tx:
        with pytest.raises(NotGranted):
            await customers.create(tx, [Create({"kind": "PERSON", "name": "张伟"})])


async def test_one_bad_item_falls_alone_or_takes_all_with_it(world: World) -> None:
    commands = [Create({"kind": "PERSON", "name": f"客户{n}"}) for n in range(100)]
    commands[42] = Create({"kind": "ROBOT", "name": ""})
    async with world.begin("li") as tx:
        outcomes = await customers.create(tx, commands, Mode.PARTIAL)
    assert [o.index for o in outcomes if o.result is Result.REJECTED] == [42]
    assert sorted(facts(e) for e in outcomes[42].errors) == [
        ("INVALID", "enum_invalid", ("kind",)),
        ("REQUIRED", "required", ("name",)),
    ]
    assert await world.count("customers") == 99
    with pytest.raises(Refused) as refused:
        async with world.begin("li") as tx:
            await customers.create(tx, commands, Mode.ATOMIC)
    assert [e.path for e in refused.value.errors[:2]] == [("items", 42, "kind"), ("items", 42, "name")]
    assert await world.count("customers") == 99
    assert await world.count("events") == 99


async def test_archive_and_restore_are_told_once(world: World) -> None:
    id_ = await created(world, "li")
    async with world.begin("li") as tx:
        assert [o.result for o in await customers.archive(tx, [Archive(id_)])] == [Result.UPDATED]
    async with world.begin("li") as tx:
        assert [o.result for o in await customers.archive(tx, [Archive(id_)])] == [Result.UNCHANGED]
    assert await refusal(world, "li", Update(id_, {"city": "苏州"})) == [("RULE_VIOLATED", "archived", ())]
    async with world.begin("li") as tx:
        await customers.restore(tx, [Restore(id_)])
    assert [e["type"] for e in await world.events(id_)] == [
        "customer.created",
        "customer.archived",
        "customer.restored",
    ]
    assert (await world.row("SELECT archived_at, version FROM customers WHERE id = $1", id_)) == {
        "archived_at": None,
        "version": 3,
    }


async def test_phone_and_email_mirror_the_primary_contact_points(world: World) -> None:
    id_ = await created(world, "li", phone="13800000001")
    points: list[dict[str, Any]] = [
        {"kind": "MOBILE", "raw": "138-0000-0001", "label": "本人"},
        {"kind": "MOBILE", "raw": "13900000002", "isPrimary": True},
        {"kind": "EMAIL", "raw": "Zhang@Example.com"},
    ]
    before = await world.row("SELECT id FROM contact_points WHERE customer_id = $1", id_)
    await update(world, "li", Update(id_, children={"contactPoints": points}))
    assert await world.row("SELECT phone, email FROM customers WHERE id = $1", id_) == {
        "phone": "+8613900000002",
        "email": "zhang@example.com",
    }
    rows = await world.rows("SELECT id, e164, label, is_primary FROM contact_points WHERE customer_id = $1", id_)
    assert {(r["e164"], r["label"], r["is_primary"]) for r in rows} == {
        ("+8613800000001", "本人", False),
        ("+8613900000002", None, True),
        ("zhang@example.com", None, True),
    }
    assert before["id"] in {r["id"] for r in rows}
    await update(world, "li", Update(id_, {"phone": None}))
    assert await world.row("SELECT phone, email FROM customers WHERE id = $1", id_) == {
        "phone": "+8613800000001",
        "email": "zhang@example.com",
    }


async def test_parents_are_found_in_scope_only(world: World) -> None:
    mine, theirs = await created(world, "li"), await created(world, "zhao")
    async with world.begin("li") as tx:
        outcomes = await customers.create(
            tx,
            [
                Create({"kind": "PERSON", "name": "甲"}, {"referredBy": mine}),
                Create({"kind": "PERSON", "name": "乙"}, {"referredBy": theirs}),
                Create({"kind": "PERSON", "name": "丙"}, {"referredBy": world.people["li"].user_id}),
            ],
            Mode.PARTIAL,
        )
    assert [o.result for o in outcomes] == [Result.CREATED, Result.REJECTED, Result.REJECTED]
    assert [facts(e) for o in outcomes for e in o.errors] == [("NOT_FOUND", "not_found", ("referredBy",))] * 2


async def test_a_conflict_on_a_parent_names_the_relation(world: World) -> None:
    id_, one, two = [await created(world, "li") for _ in range(3)]
    await update(world, "li", Update(id_, expected_version=1, parents={"referredBy": one}))
    assert await refusal(world, "li", Update(id_, expected_version=1, parents={"referredBy": two})) == [
        ("CONFLICT", "conflict", ("referredBy",))
    ]


async def test_amounts_are_kept_in_base_currency_at_the_days_rate(world: World) -> None:
    async with world.engine.begin() as connection:
        await connection.exec_driver_sql(
            "INSERT INTO exchange_rates (currency, valid_on, rate) VALUES"
            " ('EUR', '2026-11-01', 7.8), ('EUR', '2026-11-22', 8.015), ('EUR', '2026-12-01', 9)"
        )
    id_ = await created(world, "li", currency="EUR", annualRevenue="1000.10")
    row = await world.row("SELECT annual_revenue, annual_revenue_base FROM customers WHERE id = $1", id_)
    assert {k: str(v) for k, v in row.items()} == {"annual_revenue": "1000.10", "annual_revenue_base": "8015.80"}
    with pytest.raises(Refused) as refused:
        await created(world, "li", currency="JPY", annualRevenue="5")
    (error,) = refused.value.errors
    assert facts(error) == ("RULE_VIOLATED", "rate_missing", ("currency",))
    assert dict(error.details) == {"currency": "JPY", "date": "2026-11-22"}


async def test_new_records_are_in_the_base_currency_of_the_company(world: World) -> None:
    async with world.begin("li", base_currency="EUR") as tx:
        (made,) = await customers.create(tx, [Create({"kind": "ORGANIZATION", "name": "Haus GmbH"})])

    assert made.id is not None
    assert await world.row("SELECT currency FROM customers WHERE id = $1", made.id) == {"currency": "EUR"}


async def test_who_writes_what_they_do_not_read_is_not_told_that_it_was_there_already(world: World) -> None:
    """A guess would cost nothing, leave no trace and end with the whole number."""
    id_ = await created(world, "li", phone="13800000001", taxId="91510104MA6173544U", city="苏州")
    grant = world.grant(
        "customer",
        RowRule.ALL,
        {
            "city": Level.READ,
            "tax_id": Level.MASKED,
            "phone": Level.LOOKUP,
            "contact_points.kind": Level.READ,
            "contact_points.raw": Level.MASKED,
        },
        ["city", "tax_id", "phone", "contact_points.kind", "contact_points.raw"],
    )
    blind = world.with_grants("finance", "customer", [grant])

    async def points() -> list[Any]:
        return await world.rows("SELECT id FROM contact_points WHERE customer_id = $1", id_)

    async def attempt(values: dict[str, Any], contact_points: list[dict[str, Any]] | None = None) -> Result:
        children = {} if contact_points is None else {"contactPoints": contact_points}
        async with world.begin_as(blind) as tx:
            (outcome,) = await customers.update(tx, [Update(id_, values, children=children)], Mode.PARTIAL)
        return outcome.result

    assert await attempt({"city": "苏州"}) is Result.UNCHANGED
    assert await attempt({"taxId": "91510104MA6173544U"}) is Result.UPDATED
    for values, contact_points in (
        ({"phone": "13800000001"}, None),
        ({}, [{"kind": "MOBILE", "raw": "13800000001"}]),
    ):
        before = await points()
        assert await attempt(values, contact_points) is Result.UPDATED
        after = await points()
        assert len(after) == 1
        assert after != before
    assert await attempt({}, []) is Result.UPDATED
    assert await attempt({}, []) is Result.UPDATED
