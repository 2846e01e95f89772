"""The demo company: the same from the same seed, left alone when it is there, and with its stories to be found."""

from datetime import date, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine
from stdnum import luhn
from stdnum.cn import ric, uscc

from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import EVERYONE
from crm_graph.seeding.company import SeedReport, seed_demo
from seeding.conftest import NewEngine
from seeding.queries import TODAY, counts, digest, rows, value

Company = tuple[AsyncEngine, SeedReport]
STATES = ("OPEN", "DONE")


async def test_is_as_large_as_announced(company: Company) -> None:
    engine, report = company
    sizes = {
        "customers": 300,
        "interactions": 2_000,
        "leads": 150,
        "opportunities": 200,
        "tickets": 150,
        "contracts": 60,
    }
    assert await counts(engine, *sizes) == sizes
    assert {name: report.rows[name] for name in sizes} == sizes


async def test_same_seed_gives_the_same_rows_and_another_seed_others(company: Company, new_engine: NewEngine) -> None:
    again, other = await new_engine("company_again"), await new_engine("company_other")
    await seed_demo(again, today=TODAY, seed=1)
    await seed_demo(other, today=TODAY, seed=2)
    first, different = await digest(company[0]), await digest(other)
    assert await digest(again) == first
    assert [table for table in first if different[table] == first[table]] == ["exchange_rates"]


async def test_second_run_changes_nothing_and_says_so(company: Company) -> None:
    engine, _ = company
    before = await digest(engine)
    report = await seed_demo(engine, today=TODAY + timedelta(days=1), seed=7)
    assert (report.rows, report.note) == ({}, "there are customers already")
    assert await digest(engine) == before


async def test_people_have_the_roles_they_are_named_after(company: Company) -> None:
    found = await rows(
        company[0],
        "SELECT u.username, u.kind, r.key FROM users u JOIN user_roles ur ON ur.user_id = u.id"
        " JOIN roles r ON r.id = ur.role_id"
        " WHERE u.username = r.key ORDER BY 1",
    )
    assert found == [
        ("admin", "PERSON", "admin"),
        ("analyst", "PERSON", "analyst"),
        ("auditor", "PERSON", "auditor"),
        ("call_centre", "SERVICE", "call_centre"),
        ("commerce", "SERVICE", "commerce"),
        ("crm_manager", "PERSON", "crm_manager"),
        ("erp", "SERVICE", "erp"),
        ("finance", "PERSON", "finance"),
        ("marketing", "PERSON", "marketing"),
        ("sales", "PERSON", "sales"),
        ("sales_manager", "PERSON", "sales_manager"),
        ("service", "PERSON", "service"),
    ]
    assert {role for *_, role in found} == set(DEFAULT_ROLES) - {EVERYONE}


async def test_erp_client_stands_for_its_service_account(company: Company) -> None:
    engine, report = company
    client = await rows(
        engine, "SELECT c.client_id, c.source, u.username FROM clients c JOIN users u ON u.id = c.user_id"
    )
    assert client == [("erp", "erp", "erp")]
    assert report.client_secret


async def test_shown_contract_has_what_sales_service_and_finance_see(company: Company) -> None:
    engine, report = company
    found = await rows(
        engine,
        "SELECT u.username, s.key, c.cost IS NOT NULL, c.bank_account IS NOT NULL, c.tax_id IS NOT NULL,"
        " (SELECT count(*) FROM contract_lines l WHERE l.contract_id = c.id)"
        " FROM contracts c JOIN users u ON u.id = c.owner_id JOIN stages s ON s.id = c.stage_id"
        " WHERE c.number = 'HT-2026-0001'",
    )
    assert found == [("sales", "active", True, True, True, 3)]
    ticket = await rows(
        engine,
        "SELECT t.number, u.username, m.key, s.category FROM tickets t JOIN contracts c ON c.id = t.contract_id"
        " JOIN users u ON u.id = t.owner_id JOIN teams m ON m.id = t.team_id JOIN stages s ON s.id = t.stage_id"
        " WHERE c.number = 'HT-2026-0001' AND c.customer_id = t.customer_id",
    )
    assert [(owner, team, category in {"OPEN", "WAITING"}) for _, owner, team, category in ticket] == [
        ("service", "service-desk", True)
    ]
    assert report.stories["shown_contract"] == "HT-2026-0001"
    assert report.stories["open_ticket_of_shown_contract"] == ticket[0][0]


async def test_shown_contract_keeps_its_number_in_other_years(new_engine: NewEngine) -> None:
    engine = await new_engine("company_later")
    report = await seed_demo(engine, today=date(2031, 2, 3), seed=3)
    assert report.stories["shown_contract"] == "HT-2026-0001"
    assert await value(engine, "SELECT count(*) FROM contracts") == 60
    assert await value(engine, "SELECT count(DISTINCT number) FROM contracts") == 60


async def test_finds_the_big_deal_unsigned_for_90_days(company: Company) -> None:
    engine, report = company
    found = await rows(
        engine,
        "SELECT number FROM contracts WHERE signed_on IS NULL AND archived_at IS NULL AND gross_amount_base > 2000000"
        " AND created_at < CAST(:today AS date) - 90",
        today=TODAY,
    )
    assert found == [report.stories["big_deal_unsigned"]]


async def test_finds_the_customer_silent_for_three_years(company: Company) -> None:
    engine, report = company
    found = await rows(
        engine,
        "SELECT number FROM customers WHERE last_interaction_at < CAST(:today AS date) - INTERVAL '3 years'"
        " AND total_spent_base > 0",
        today=TODAY,
    )
    assert found == [report.stories["silent_for_three_years"]]


async def test_finds_the_ticket_past_its_sla(company: Company) -> None:
    engine, report = company
    found = await rows(
        engine,
        "SELECT t.number FROM tickets t JOIN stages s ON s.id = t.stage_id WHERE s.category IN"
        " ('OPEN', 'WAITING', 'ACTIVE')"
        " AND t.priority = 'URGENT' AND t.first_responded_at IS NULL AND t.first_response_due_at <"
        " CAST(:today AS date)",
        today=TODAY,
    )
    assert report.stories["ticket_past_sla"] in found


async def test_finds_the_lead_with_three_visits_and_a_question_for_the_price(company: Company) -> None:
    engine, report = company
    found = await rows(
        engine,
        "SELECT l.id::text FROM leads l JOIN interactions i ON i.lead_id = l.id WHERE l.intent = 'HIGH'"
        " AND i.occurred_at > CAST(:today AS date) - 30 GROUP BY l.id"
        " HAVING count(*) FILTER (WHERE i.channel = 'STORE') = 3 AND bool_or(i.subject LIKE '询价%')",
        today=TODAY,
    )
    assert found == [report.stories["high_intent_lead"]]


async def test_finds_the_contract_that_ends_in_30_days(company: Company) -> None:
    engine, report = company
    found = await rows(
        engine,
        "SELECT number FROM contracts WHERE ends_on = CAST(:today AS date) + 30 AND NOT auto_renew",
        today=TODAY,
    )
    assert report.stories["contract_ending_in_30_days"] in found


async def test_finds_the_pair_that_looks_like_a_duplicate(company: Company) -> None:
    engine, report = company
    found = await rows(
        engine,
        "SELECT a.number FROM customers a JOIN customers b ON b.phone = a.phone AND b.id > a.id"
        " WHERE a.kind = 'ORGANIZATION' AND left(a.name, 6) = left(b.name, 6)",
    )
    assert found == [report.stories["looks_like_a_duplicate"]]


async def test_finds_the_customer_released_into_the_public_pool(company: Company) -> None:
    engine, report = company
    pooled = await rows(engine, "SELECT number FROM customers WHERE pool_state = 'PUBLIC' AND owner_id IS NULL")
    assert pooled == [report.stories["in_the_public_pool"]]
    told = await rows(
        engine,
        "SELECT e.reason, e.before ->> 'pool_state', e.after ->> 'pool_state' FROM events e WHERE"
        " e.type = 'customer.released'",
    )
    assert told == [("90天未跟进，退回公海", "OWNED", "PUBLIC")]


async def test_finds_the_organisation_with_three_subsidiaries(company: Company) -> None:
    engine, report = company
    found = await rows(
        engine,
        "SELECT p.number, count(*) FROM customers c JOIN customers p ON p.id = c.parent_id GROUP BY p.number",
    )
    assert found == [(report.stories["organization_with_subsidiaries"], 3)]


async def test_finds_the_customer_whose_data_few_may_see(company: Company) -> None:
    engine, report = company
    found = await rows(
        engine,
        "SELECT id_number, bank_account, kyc_status FROM customers WHERE number = :number",
        number=report.stories["sensitive_data"],
    )
    assert found == [("330106198804120048", "6200000012345678903", "VERIFIED")]


async def test_every_won_and_lost_deal_says_when_and_why(company: Company) -> None:
    wrong = (
        "SELECT count(*) FROM opportunities o JOIN stages s ON s.id = o.stage_id WHERE (s.category IN ('WON', 'LOST'))"
        " <> (o.closed_at IS NOT NULL) OR (s.category = 'LOST') <> (o.loss_reason IS NOT NULL)"
    )
    assert await value(company[0], wrong) == 0
    unknown = (
        "SELECT count(*) FROM opportunities WHERE loss_reason IS NOT NULL AND loss_reason NOT IN"
        " (SELECT key FROM reasons WHERE list_key = 'opportunity_lost')"
    )
    assert await value(company[0], unknown) == 0


async def test_every_move_is_one_that_the_workflow_allows(company: Company) -> None:
    moves = (
        "SELECT count(*) FROM stage_changes c WHERE c.from_stage_id IS NOT NULL AND NOT EXISTS"
        " (SELECT FROM transitions t"
        " WHERE t.from_stage_id = c.from_stage_id AND t.to_stage_id = c.stage_id)"
    )
    assert await value(company[0], moves) == 0


async def test_amounts_abroad_are_kept_in_base_currency_too(company: Company) -> None:
    found = await rows(
        company[0],
        "SELECT DISTINCT currency FROM opportunities WHERE currency <> 'CNY' AND amount_base IS NULL",
    )
    assert found == []
    assert await rows(company[0], "SELECT DISTINCT currency FROM exchange_rates ORDER BY 1") == [
        "EUR",
        "HKD",
        "JPY",
        "USD",
    ]


async def test_what_is_created_next_is_numbered_after_what_is_here(company: Company) -> None:
    assert await value(company[0], "SELECT last_value FROM customer_numbers") == 300
    assert await value(company[0], "SELECT last_value FROM ticket_numbers") == 150


async def test_replaying_the_events_gives_the_rows(company: Company) -> None:
    engine, _ = company
    replayed = (
        "SELECT entity_id, jsonb_object_agg(key, value ORDER BY entity_version) AS row"
        " FROM events, jsonb_each(after) WHERE entity_type = :type GROUP BY entity_id"
    )
    for name, table in (
        ("ticket", "tickets"),
        ("opportunity", "opportunities"),
        ("lead", "leads"),
        ("contract", "contracts"),
    ):
        wrong = (
            f"SELECT r.id, k.key FROM {table} r JOIN ({replayed}) e ON e.entity_id = r.id,"
            " jsonb_each_text(e.row - ARRAY['stage_history', 'lines', 'external_refs']) k"
            " WHERE to_jsonb(r) ->> k.key IS DISTINCT FROM k.value"
            " AND (k.key NOT LIKE '%\\_at' OR (to_jsonb(r) ->> k.key)::timestamptz <> k.value::timestamptz)"
            " AND k.value !~ '^[0-9.]+$'"
        )
        assert await rows(engine, wrong, type=name) == [], name


async def test_numbers_of_registers_and_banks_have_their_check_digits(company: Company) -> None:
    engine, _ = company
    for code in await rows(engine, "SELECT tax_id FROM customers WHERE country = 'CN' AND tax_id IS NOT NULL"):
        assert uscc.is_valid(code), code
    for number in await rows(engine, "SELECT id_number FROM customers WHERE id_number IS NOT NULL"):
        assert number[-1] == ric.calc_check_digit(number), number
    for account in await rows(engine, "SELECT bank_account FROM customers WHERE bank_account IS NOT NULL"):
        assert luhn.is_valid(account), account


async def test_contracts_in_force_have_not_run_out(company: Company) -> None:
    found = await rows(
        company[0],
        "SELECT s.key, c.ends_on < CAST(:today AS date) AS over FROM contracts c JOIN stages s ON s.id = c.stage_id"
        " WHERE c.signed_on IS NOT NULL GROUP BY 1, 2 ORDER BY 1",
        today=TODAY,
    )
    assert found == [("active", False), ("ended", True)]


async def test_follow_ups_are_tasks_of_who_planned_them_and_what_is_ahead_has_its_timers(company: Company) -> None:
    planned = "SELECT id FROM interactions WHERE next_follow_up_at IS NOT NULL AND owner_id IS NOT NULL ORDER BY id"
    told = (
        "SELECT i.id FROM tasks t JOIN interactions i ON i.id = t.interaction_id WHERE t.kind = 'FOLLOW_UP'"
        " AND (t.owner_id, t.due_at) = (i.owner_id, i.next_follow_up_at) AND t.customer_id IS NOT DISTINCT FROM"
        " i.customer_id ORDER BY 1"
    )
    ahead = (
        "SELECT t.id, k.at FROM tasks t CROSS JOIN LATERAL (VALUES (due_at), (remind_at)) AS k (at)"
        " WHERE status = 'OPEN' AND k.at > '2026-11-22' ORDER BY 1, 2"
    )
    engine, report = company
    assert await rows(engine, told) == await rows(engine, planned)
    timers = await rows(engine, "SELECT entity_id, due_at FROM timers WHERE entity_type = 'task' ORDER BY 1, 2")
    assert timers == await rows(engine, ahead)
    assert len(timers) > 20
    states = {state: await rows(engine, f"SELECT count(*) FROM tasks WHERE status = '{state}'") for state in STATES}
    assert all(count[0] > 20 for count in states.values())
    assert sum(count[0] for count in states.values()) == report.rows["tasks"]
