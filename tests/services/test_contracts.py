"""Contracts: the arithmetic of lines and totals."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import pytest

from crm_graph.errors import CrmError
from crm_graph.services import contracts, customers, opportunities
from crm_graph.services.commands import Create, Mode, Outcome, Refused, Result, Update

from .conftest import World


def facts(error: CrmError) -> tuple[str, str, tuple[Any, ...]]:
    return error.code, error.template_key, error.path


@pytest.fixture
async def customer(world: World) -> UUID:
    async with world.begin("li") as tx:
        (outcome,) = await customers.create(tx, [Create({"kind": "ORGANIZATION", "name": "海川电器"})])
    assert outcome.id is not None
    return outcome.id


async def create(
    world: World, customer: UUID, values: Mapping[str, Any], lines: Sequence[Mapping[str, Any]] = ()
) -> Outcome:
    children = {"lines": lines} if lines else {}
    async with world.begin("li") as tx:
        command = Create({"title": "供货合同", **values}, {"customer": customer}, children)
        (outcome,) = await contracts.create(tx, [command], Mode.PARTIAL)
    return outcome


async def amounts(world: World) -> tuple[str, ...]:
    row = await world.row("SELECT net_amount::text, tax_amount::text, gross_amount::text FROM contracts")
    return tuple(row.values())


async def test_lines_are_rounded_each_and_summed(world: World, customer: UUID) -> None:
    lines = [
        {"name": "空调", "quantity": "3", "unitPrice": "33.33", "discountRate": "0.05"},
        {"name": "安装", "quantity": "0.5", "unitPrice": "0.01", "taxRate": "0.06"},
        {"name": "配件", "quantity": "1", "unitPrice": "0.50", "taxRate": "0.01"},
    ]
    assert (await create(world, customer, {}, lines)).result is Result.CREATED
    rows = await world.rows(
        "SELECT position, net_amount::text AS net, tax_amount::text AS tax, gross_amount::text AS gross, currency"
        " FROM contract_lines ORDER BY position"
    )
    assert [tuple(row.values()) for row in rows] == [
        (1, "94.99", "12.35", "107.34", "CNY"),
        (2, "0.01", "0.00", "0.01", "CNY"),
        (3, "0.50", "0.01", "0.51", "CNY"),
    ]
    assert await amounts(world) == ("95.50", "12.36", "107.86")


async def test_bad_lines_are_told_with_their_place(world: World, customer: UUID) -> None:
    lines = [
        {"name": "空调", "quantity": "0", "unitPrice": "1"},
        {"name": "安装", "quantity": "1", "unitPrice": "1", "taxRate": "1.5"},
    ]
    outcome = await create(world, customer, {}, lines)
    assert [facts(e) for e in outcome.errors] == [
        ("RULE_VIOLATED", "not_positive", ("lines", 0, "quantity")),
        ("RULE_VIOLATED", "not_a_fraction", ("lines", 1, "taxRate")),
    ]
    missing = await create(world, customer, {}, [{"quantity": "1", "unitPrice": "1"}])
    assert [facts(e) for e in missing.errors] == [("REQUIRED", "required", ("lines", 0, "name"))]


async def test_totals_are_those_of_the_lines(world: World, customer: UUID) -> None:
    line = {"name": "空调", "quantity": "1", "unitPrice": "100"}
    outcome = await create(world, customer, {"grossAmount": "120"}, [line])
    assert [facts(e) for e in outcome.errors] == [("RULE_VIOLATED", "total_of_lines", ("grossAmount",))]
    made = await create(world, customer, {"grossAmount": "113"}, [line])
    assert made.id is not None
    with pytest.raises(Refused) as refused:
        async with world.begin("li") as tx:
            await contracts.update(tx, [Update(made.id, {"netAmount": "90"})])
    assert [facts(e) for e in refused.value.errors] == [("RULE_VIOLATED", "not_total_of_lines", ("netAmount",))]


async def test_changed_lines_keep_their_rows_and_move_the_totals(world: World, customer: UUID) -> None:
    lines = [{"name": n, "quantity": "1", "unitPrice": "100"} for n in ("甲", "乙", "丙")]
    made = await create(world, customer, {}, lines)
    assert made.id is not None
    before = [r["id"] for r in await world.rows("SELECT id FROM contract_lines ORDER BY position")]
    async with world.begin("li") as tx:
        await contracts.update(tx, [Update(made.id, children={"lines": [{**lines[0], "quantity": "3"}, lines[1]]})])
    after = await world.rows("SELECT id, net_amount::text AS net FROM contract_lines ORDER BY position")
    assert [(r["id"], r["net"]) for r in after] == [(before[0], "300.00"), (before[1], "100.00")]
    assert await amounts(world) == ("400.00", "52.00", "452.00")
    event = (await world.events(made.id))[-1]
    assert sorted(event["changed"]) == ["gross_amount", "lines", "net_amount", "tax_amount"]
    assert (event["before"]["net_amount"], event["after"]["net_amount"]) == ("300.00", "400.00")
    assert [line["net_amount"] for line in event["after"]["lines"]] == ["300.00", "100.00"]


async def test_without_lines_two_amounts_give_the_third(world: World, customer: UUID) -> None:
    made = await create(world, customer, {"netAmount": "100", "grossAmount": "113"})
    assert await amounts(world) == ("100.00", "13.00", "113.00")
    assert made.id is not None
    async with world.begin("li") as tx:
        await contracts.update(tx, [Update(made.id, {"netAmount": "200", "taxAmount": "26"})])
    assert await amounts(world) == ("200.00", "26.00", "226.00")
    with pytest.raises(Refused) as refused:
        async with world.begin("li") as tx:
            await contracts.update(tx, [Update(made.id, {"netAmount": "201"})])
    assert [facts(e) for e in refused.value.errors] == [("RULE_VIOLATED", "net_and_tax_are_gross", ("grossAmount",))]


async def test_a_contract_needs_a_customer_and_its_opportunity_is_of_the_same(world: World, customer: UUID) -> None:
    async with world.begin("li") as tx:
        other = await customers.create(tx, [Create({"kind": "PERSON", "name": "乙"})])
        deal = await opportunities.create(tx, [Create({"name": "空调"}, {"customer": customer})])
    async with world.begin("li") as tx:
        outcomes = await contracts.create(
            tx,
            [
                Create({"title": "甲"}),
                Create({"title": "乙"}, {"opportunity": deal[0].id}),
                Create({"title": "丙"}, {"opportunity": deal[0].id, "customer": other[0].id}),
            ],
            Mode.PARTIAL,
        )
    assert [o.result.value for o in outcomes] == ["REJECTED", "CREATED", "REJECTED"]
    assert [facts(e) for o in outcomes for e in o.errors] == [
        ("REQUIRED", "required", ("customer",)),
        ("RULE_VIOLATED", "parent_of_another_customer", ("opportunity",)),
    ]
    assert await world.row("SELECT customer_id FROM contracts") == {"customer_id": customer}


async def test_a_contract_cannot_end_before_it_starts(world: World, customer: UUID) -> None:
    outcome = await create(world, customer, {"startsOn": "2026-12-01", "endsOn": "2026-11-30"})
    assert [facts(e) for e in outcome.errors] == [("RULE_VIOLATED", "ends_before_start", ("endsOn",))]
