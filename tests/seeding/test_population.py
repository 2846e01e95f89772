"""The large population: exact in number, the same from the same seed, going on where it stopped."""

from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.seeding.company import seed_demo
from crm_graph.seeding.population import PopulationReport, Progress, seed_population
from seeding.conftest import NewEngine
from seeding.queries import TODAY, counts, digest, rows, value

Population = tuple[AsyncEngine, PopulationReport]

SIZES = {"customers": 200, "leads": 50, "opportunities": 400, "contracts": 20, "tickets": 40, "interactions": 2_000}


class Interrupted(Exception):
    """Somebody pressed Ctrl-C."""


async def test_gives_exact_counts(population: Population) -> None:
    engine, report = population
    assert report.written == SIZES
    assert await counts(engine, *SIZES) == SIZES
    assert await value(engine, "SELECT count(*) FROM contract_lines") == 40
    created = await rows(
        engine, "SELECT entity_type, count(*) FROM events WHERE source = 'seed' AND type LIKE '%.created' GROUP BY 1"
    )
    assert {kind: number for kind, number in created if kind not in {"user", "team"}} == {
        "customer": 200,
        "lead": 50,
        "opportunity": 400,
        "contract": 20,
        "ticket": 40,
        "interaction": 2_000,
    }


async def test_same_seed_gives_the_same_rows_and_another_seed_others(
    population: Population, new_engine: NewEngine
) -> None:
    again, other = await new_engine("population_again"), await new_engine("population_other")
    await seed_population(again, customers=200, today=TODAY, seed=1)
    await seed_population(other, customers=200, today=TODAY, seed=2)
    first, different = await digest(population[0]), await digest(other)
    assert await digest(again) == first
    same = [table for table in first if different[table] == first[table]]
    assert same == ["exchange_rates", "addresses", "collaborations", "tasks"]


async def test_second_run_changes_nothing_and_says_so(population: Population) -> None:
    engine, _ = population
    before = await digest(engine)
    same = await seed_population(engine, customers=200, today=TODAY + timedelta(days=9), seed=1)
    larger = await seed_population(engine, customers=400, today=TODAY, seed=1)
    assert (same.written, same.note) == ({}, "the population of seed 1 is already there")
    assert (larger.written, larger.note) == ({}, "seed 1 was used for a population of another size")
    assert await digest(engine) == before


async def test_goes_on_where_it_was_stopped(population: Population, new_engine: NewEngine) -> None:
    engine = await new_engine("population_stopped")

    def stop(progress: Progress) -> None:
        if progress.step == "opportunities":
            raise Interrupted

    with pytest.raises(ExceptionGroup):
        await seed_population(engine, customers=200, today=TODAY, seed=1, progress=stop)
    assert await counts(engine, "customers", "opportunities", "contracts") == {
        "customers": 200,
        "opportunities": 400,
        "contracts": 0,
    }
    report = await seed_population(engine, customers=200, today=TODAY + timedelta(days=1), seed=1)
    assert report.written == {"contracts": 20, "tickets": 40, "interactions": 2_000}
    assert await digest(engine) == await digest(population[0])


async def test_stands_beside_the_demo_company(new_engine: NewEngine) -> None:
    engine = await new_engine("population_beside")
    await seed_demo(engine, today=TODAY, seed=1)
    await seed_population(engine, customers=100, today=TODAY, seed=1)
    assert await value(engine, "SELECT count(*) FROM customers") == 400
    assert await value(engine, "SELECT count(*) FROM users WHERE username = 'sales'") == 1


async def test_refuses_a_population_too_small(new_engine: NewEngine) -> None:
    engine = await new_engine("population_small")
    with pytest.raises(ValueError, match="at least 10 customers"):
        await seed_population(engine, customers=9, today=TODAY)
    assert await value(engine, "SELECT count(*) FROM users") == 0


async def test_tells_its_progress_to_the_end(new_engine: NewEngine) -> None:
    engine = await new_engine("population_told")
    told: list[Progress] = []
    await seed_population(engine, customers=10, today=TODAY, progress=told.append)
    last = {progress.step: (progress.done, progress.total) for progress in told}
    assert last["customers"] == (10, 10)
    assert last["interactions"] == (100, 100)
    assert all(done == total for done, total in last.values())


async def test_customers_carry_the_sums_of_their_deals_and_contacts(population: Population) -> None:
    engine, _ = population
    wrong_sums = (
        "SELECT count(*) FROM customers c LEFT JOIN (SELECT o.customer_id, count(*) AS n, sum(o.amount) AS spent"
        " FROM opportunities o JOIN stages s ON s.id = o.stage_id WHERE s.category = 'WON' GROUP BY 1) d"
        " ON d.customer_id = c.id WHERE c.order_count <> coalesce(d.n, 0) OR c.total_spent <> coalesce(d.spent, 0)"
    )
    wrong_times = (
        "SELECT count(*) FROM customers c LEFT JOIN (SELECT customer_id, max(occurred_at) AS last"
        " FROM interactions GROUP BY 1) i"
        " ON i.customer_id = c.id WHERE c.last_interaction_at IS DISTINCT FROM i.last"
    )
    assert await value(engine, wrong_sums) == 0
    assert await value(engine, wrong_times) == 0


async def test_interactions_about_tickets_and_deals_are_with_the_same_customer(population: Population) -> None:
    engine, _ = population
    for column, table, expected in (("ticket_id", "tickets", 40), ("opportunity_id", "opportunities", 400)):
        linked = (
            f"SELECT count(*), count(*) FILTER (WHERE t.customer_id = i.customer_id AND t.created_at <= i.created_at)"
            f" FROM interactions i JOIN {table} t ON t.id = i.{column}"
        )
        assert await rows(engine, linked) == [(expected, expected)], table


async def test_rows_lie_in_the_order_of_their_ids(population: Population) -> None:
    found = await rows(
        population[0],
        "SELECT tablename FROM pg_stats WHERE attname = 'id' AND correlation > 0.99"
        " AND tablename IN ('customers', 'opportunities', 'interactions') ORDER BY 1",
    )
    assert found == ["customers", "interactions", "opportunities"]


async def test_no_two_stays_differ_in_their_moment_alone(population: Population) -> None:
    # Records of two types enter stages in the same millisecond now and then.
    alike = "SELECT count(*) - count(DISTINCT right(id::text, 15)) FROM stage_changes"
    assert await value(population[0], alike) == 0
