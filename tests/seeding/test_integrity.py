"""What holds of every seeded database, the demo company and the population alike."""

from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.models.customers import ContactPointKind
from crm_graph.models.ids import EntityCode
from crm_graph.services.contact_points import normalise
from seeding.queries import ROOTS, WORKFLOWS, rows, value


@pytest.fixture(params=["company", "population"])
def seeded(request: pytest.FixtureRequest, company: Any, population: Any) -> AsyncEngine:
    engine: AsyncEngine = (company if request.param == "company" else population)[0]
    return engine


def _root_rows(*columns: str) -> str:
    named = ", ".join(columns)
    return " UNION ALL ".join(f"SELECT '{table}' AS of, {named} FROM {table}" for table in ROOTS)


async def test_every_event_has_its_root(seeded: AsyncEngine) -> None:
    known = "SELECT id FROM users UNION ALL SELECT id FROM teams UNION ALL SELECT id FROM (" + _root_rows("id") + ") r"
    orphans = f"SELECT count(*) FROM events e WHERE NOT EXISTS (SELECT FROM ({known}) k WHERE k.id = e.entity_id)"
    assert await value(seeded, orphans) == 0


async def test_versions_count_the_events(seeded: AsyncEngine) -> None:
    told = (
        "SELECT entity_id, count(*) AS n, max(entity_version) AS last, count(DISTINCT entity_version) AS versions,"
        " count(*) FILTER (WHERE entity_version = 1 AND type LIKE '%.created') AS created FROM"
        " events GROUP BY entity_id"
    )
    wrong = (
        f"SELECT r.of, r.id FROM ({_root_rows('id', 'version')}) r LEFT JOIN ({told}) e ON e.entity_id = r.id"
        " WHERE (e.n, e.last, e.versions, e.created) IS DISTINCT FROM (r.version, r.version, r.version, 1)"
    )
    assert await rows(seeded, wrong) == []


async def test_events_are_marked_and_told_in_order(seeded: AsyncEngine) -> None:
    assert await rows(seeded, "SELECT DISTINCT source, backfill FROM events") == [("seed", True)]
    twice = "SELECT transaction, n FROM events GROUP BY transaction, n HAVING count(*) > 1"
    late = (
        "SELECT count(*) FROM events a JOIN events b ON b.entity_id = a.entity_id"
        " AND b.entity_version = a.entity_version + 1 WHERE b.occurred_at < a.occurred_at OR b.id < a.id"
    )
    assert await rows(seeded, twice) == []
    assert await value(seeded, late) == 0


async def test_every_event_says_whose_customer_it_is(seeded: AsyncEngine) -> None:
    assert (
        await value(seeded, "SELECT count(*) FROM events WHERE type LIKE 'customer.%' AND customer_id <> entity_id")
        == 0
    )
    for table in ("opportunities", "tickets", "contracts"):
        wrong = (
            f"SELECT count(*) FROM events e JOIN {table} r ON r.id = e.entity_id WHERE e.customer_id <> r.customer_id"
        )
        assert await value(seeded, wrong) == 0, table


async def test_ids_carry_their_entity_and_their_moment(seeded: AsyncEngine) -> None:
    for table, code in zip(
        ROOTS,
        (
            EntityCode.CUSTOMER,
            EntityCode.INTERACTION,
            EntityCode.LEAD,
            EntityCode.OPPORTUNITY,
            EntityCode.TICKET,
            EntityCode.CONTRACT,
            EntityCode.TASK,
        ),
        strict=True,
    ):
        wrong = (
            f"SELECT count(*) FROM {table} WHERE get_byte(uuid_send(id), 8) <> :byte OR uuid_extract_version(id) <> 7"
            " OR abs(extract(epoch FROM uuid_extract_timestamp(id) - created_at)) > 0.001"
        )
        assert await value(seeded, wrong, byte=0x80 | code) == 0, table


async def test_nothing_happens_before_its_parent_or_after_today(seeded: AsyncEngine) -> None:
    for table in ROOTS[1:]:
        early = (
            f"SELECT count(*) FROM {table} r JOIN customers c ON c.id = r.customer_id WHERE r.created_at < c.created_at"
        )
        if table == "leads":
            early += " AND r.converted_at < c.created_at"
        assert await value(seeded, early) == 0, table
    assert (
        await value(seeded, f"SELECT count(*) FROM ({_root_rows('created_at')}) r WHERE created_at > '2026-11-22'") == 0
    )
    assert await value(seeded, "SELECT count(*) FROM events WHERE occurred_at > '2026-11-22'") == 0


async def test_stages_belong_to_the_workflow_and_the_history_ends_in_them(seeded: AsyncEngine) -> None:
    for name, table in WORKFLOWS.items():
        foreign = (
            f"SELECT count(*) FROM {table} r JOIN stages s ON s.id = r.stage_id JOIN pipelines p ON"
            f" p.id = s.pipeline_id"
            " WHERE p.workflow_type <> :type"
        )
        assert await value(seeded, foreign, type=name.upper()) == 0, table
        wrong = (
            f"SELECT count(*) FROM {table} r WHERE (SELECT array_agg((c.stage_id, c.entered_at)) FROM stage_changes c"
            " WHERE c.entity_id = r.id AND c.left_at IS NULL) IS DISTINCT FROM ARRAY[(r.stage_id, r.stage_entered_at)]"
        )
        assert await value(seeded, wrong) == 0, table
    assert await value(seeded, "SELECT count(*) FROM stage_changes WHERE left_at < entered_at") == 0


async def test_soft_references_lead_somewhere(seeded: AsyncEngine) -> None:
    known = f"SELECT id FROM ({_root_rows('id')}) r"
    for table in ("external_refs", "collaborations", "stage_changes"):
        assert await value(seeded, f"SELECT count(*) FROM {table} WHERE entity_id NOT IN ({known})") == 0, table
    assert await rows(seeded, "SELECT DISTINCT source FROM external_refs ORDER BY 1") == ["erp", "shop"]


async def test_money_adds_up(seeded: AsyncEngine) -> None:
    wrong = (
        "SELECT count(*) FROM contracts c JOIN (SELECT contract_id, sum(net_amount) net, sum(tax_amount) tax,"
        " sum(gross_amount) gross FROM contract_lines GROUP BY 1) l ON l.contract_id = c.id"
        " WHERE (c.net_amount, c.tax_amount, c.gross_amount) <> (l.net, l.tax, l.gross) OR l.net + l.tax <> l.gross"
    )
    assert await value(seeded, wrong) == 0
    assert (
        await value(seeded, "SELECT count(*) FROM contracts WHERE gross_amount_base IS NULL OR cost >= net_amount") == 0
    )
    own = "SELECT count(*) FROM opportunities WHERE currency = 'CNY' AND amount_base IS DISTINCT FROM amount"
    assert await value(seeded, own) == 0


async def test_contact_points_mirror_the_customer(seeded: AsyncEngine) -> None:
    for column, kinds in (("phone", "('MOBILE', 'LANDLINE')"), ("email", "('EMAIL')")):
        wrong = (
            f"SELECT count(*) FROM customers c WHERE c.{column} IS NOT NULL AND NOT EXISTS (SELECT FROM"
            f" contact_points p"
            f" WHERE p.customer_id = c.id AND p.kind IN {kinds} AND p.e164 = c.{column})"
        )
        assert await value(seeded, wrong) == 0, column
    assert (
        await value(seeded, "SELECT count(*) FROM customers WHERE (pool_state = 'PUBLIC') <> (owner_id IS NULL)") == 0
    )


async def test_contact_points_read_as_they_would_on_entry(seeded: AsyncEngine) -> None:
    for kind, raw, e164 in await rows(seeded, "SELECT kind, raw, e164 FROM contact_points"):
        read = normalise(ContactPointKind(kind), raw)
        assert (read.kind, read.e164) == (kind, e164), raw
