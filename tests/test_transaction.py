"""A transaction: all or nothing, one moment, events in their order, and database errors as a caller is told them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.access import Access
from crm_graph.catalog import build_catalog
from crm_graph.db import connect
from crm_graph.errors import CrmError, Duplicate, RuleViolated, TimedOut, Unavailable
from crm_graph.fragments import Now, Viewer, const, param, sql
from crm_graph.models.ids import EntityCode, IdSource, code_of
from crm_graph.permissions.principals import Principal
from crm_graph.transaction import EVENTS_CHANNEL, EventDraft, Input, NotGranted, Transaction, begin

LATE_EVENING = datetime(2026, 11, 22, 16, 30, tzinfo=UTC)


@dataclass
class Desk:
    engine: AsyncEngine
    principal: Principal
    ids: IdSource

    def begin(self, **options: Any) -> AbstractAsyncContextManager[Transaction]:
        return begin(
            self.engine, self.principal, build_catalog(), lambda: LATE_EVENING, self.ids, source="tests", **options
        )

    def event(self, n: int = 0) -> EventDraft:
        return EventDraft("customer.updated", "customer", self.ids.new(EntityCode.CUSTOMER), n, ["name"], {}, {"n": n})


@pytest.fixture
async def desk(clean: None, engine: AsyncEngine) -> Desk:
    ids = IdSource()
    user = ids.new(EntityCode.USER)
    access = Access(("tester",), {}, frozenset({"merge"}), 1)
    team = ids.new(EntityCode.TEAM)
    principal = Principal(user, "t", None, "tests", ("tester",), None, (team,), (), access, "en", "UTC")
    return Desk(engine, principal, ids)


@pytest.fixture
async def outside(database_url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    connection = await connect(database_url, application_name="tests")
    yield connection
    await connection.close()


async def test_events_are_numbered_within_their_transaction(desk: Desk, outside: "asyncpg.Connection[Any]") -> None:
    async with desk.begin(reason="清洗", request_id="r-1") as tx:
        tx.record(desk.event(1), desk.event(2))
        await tx.flush()
        tx.record(desk.event(3))
    rows = await outside.fetch(
        "SELECT n, entity_version, occurred_at, actor_id, source, reason, request_id, changed::text AS changed"
        " FROM events ORDER BY n"
    )
    assert [(r["n"], r["entity_version"]) for r in rows] == [(0, 1), (1, 2), (2, 3)]
    assert {tuple(r)[2:] for r in rows} == {(LATE_EVENING, desk.principal.user_id, "tests", "清洗", "r-1", '["name"]')}
    assert await outside.fetchval("SELECT count(DISTINCT transaction) FROM events") == 1


async def test_readers_are_woken_once_and_only_when_something_happened(
    desk: Desk, outside: "asyncpg.Connection[Any]"
) -> None:
    woken: asyncio.Queue[str] = asyncio.Queue()
    await outside.add_listener(EVENTS_CHANNEL, lambda *call: woken.put_nowait(str(call[3])))
    async with desk.begin():
        pass
    async with desk.begin() as tx:
        tx.record(desk.event(), desk.event())
    assert await asyncio.wait_for(woken.get(), 5) == ""
    await outside.execute("SELECT 1")
    assert woken.empty()


async def test_what_fails_or_is_discarded_leaves_nothing(desk: Desk, outside: "asyncpg.Connection[Any]") -> None:
    async def fail() -> None:
        async with desk.begin() as tx:
            tx.record(desk.event())
            await tx.flush()
            raise RuleViolated

    with pytest.raises(RuleViolated):
        await fail()
    async with desk.begin(dry_run=True) as tx:
        tx.record(desk.event())
    async with desk.begin() as tx:
        tx.record(desk.event())
        tx.discard()
    assert await outside.fetchval("SELECT count(*) FROM events") == 0


async def test_time_ids_and_viewer_come_from_the_transaction(desk: Desk) -> None:
    async with desk.begin() as tx:
        assert (tx.now, tx.today) == (LATE_EVENING, date(2026, 11, 23))
        assert code_of(tx.new_id(EntityCode.LEAD)) == EntityCode.LEAD
        statement = sql(
            "SELECT {me} AS me, {teams} AS teams, {now} AS now, {given} AS given, {fixed} AS fixed",
            me=param(Viewer("id"), "uuid"),
            teams=param(Viewer("team_ids"), "uuid[]"),
            now=param(Now(), "timestamptz"),
            given=param(Input("n"), "integer"),
            fixed=const("x", "text"),
        )
        (row,) = await tx.fetch(statement, n=7)
        assert tuple(row) == (desk.principal.user_id, list(desk.principal.team_ids), LATE_EVENING, 7, "x")
        tx.require("merge")
        with pytest.raises(NotGranted):
            tx.require("unmask")


async def test_the_session_and_the_driver_share_one_transaction(desk: Desk) -> None:
    async with desk.begin() as tx:
        by_session = (await tx.session.execute(text("SELECT pg_current_xact_id()::text"))).scalar_one()
        assert await tx.driver().fetchval("SELECT pg_current_xact_id()::text") == by_session


CONTRACT = UUID("00000000-0000-7000-8006-000000000001")
LINE = (
    "INSERT INTO contract_lines (id, contract_id, position, name, quantity, unit_price, currency, net_amount,"
    " tax_amount, gross_amount, tax_rate) VALUES (gen_random_uuid(), $1, 1, 'x', $2, 1, 'CNY', 1, 0, 1, $3)"
)
REF = (
    "INSERT INTO external_refs (id, entity_type, entity_id, source, external_id, synced_at)"
    " VALUES (gen_random_uuid(), 'customer', gen_random_uuid(), 'erp', $1, now())"
)


async def run(desk: Desk, *statements: tuple[str, *tuple[Any, ...]]) -> None:
    async with desk.begin() as tx:
        for statement, *arguments in statements:
            await tx.driver().execute(statement, *arguments)


async def refused(desk: Desk, *statements: tuple[str, *tuple[Any, ...]]) -> CrmError:
    with pytest.raises(CrmError) as error:
        await run(desk, *statements)
    return error.value


async def test_constraints_are_told_by_what_they_mean(desk: Desk) -> None:
    taken = await refused(desk, (REF, "A-1"), (REF, "A-1"))
    assert (type(taken), taken.template_key, taken.path) == (Duplicate, "external_ref_taken", ("externalId",))
    none = await refused(desk, (LINE, CONTRACT, 0, 0))
    assert (none.code, none.template_key, none.path) == ("RULE_VIOLATED", "not_positive", ("lines", "quantity"))
    much = await refused(desk, (LINE, CONTRACT, 1, 2))
    assert (much.code, much.template_key, much.path) == ("RULE_VIOLATED", "not_a_fraction", ("lines", "taxRate"))
    orphan = await refused(desk, (LINE, CONTRACT, 1, 0))
    assert orphan.code == "NOT_FOUND"
    empty = await refused(desk, (REF, None))
    assert (empty.code, empty.path) == ("REQUIRED", ("external_id",))


async def test_errors_through_the_session_are_told_alike(desk: Desk) -> None:
    async def twice() -> None:
        async with desk.begin() as tx:
            for _ in range(2):
                await tx.session.execute(text(REF.replace("$1", ":id")), {"id": "A-1"})

    with pytest.raises(Duplicate) as taken:
        await twice()
    assert taken.value.template_key == "external_ref_taken"


async def test_a_deadlock_is_told_as_worth_another_try(desk: Desk, outside: "asyncpg.Connection[Any]") -> None:
    await outside.execute(
        "INSERT INTO exchange_rates (currency, valid_on, rate) VALUES ('AAA', now(), 1), ('BBB', now(), 1)"
    )
    held = asyncio.Barrier(2)

    async def cross(first: str, second: str) -> None:
        async with desk.begin() as tx:
            update = "UPDATE exchange_rates SET rate = rate + 1 WHERE currency = $1"
            await tx.driver().execute(update, first)
            await held.wait()
            await tx.driver().execute(update, second)

    results = await asyncio.gather(cross("AAA", "BBB"), cross("BBB", "AAA"), return_exceptions=True)
    (lost,) = [r for r in results if r is not None]
    assert isinstance(lost, Unavailable)
    assert (lost.code, lost.template_key) == ("UNAVAILABLE", "try_again")


async def test_a_statement_that_takes_too_long_is_a_timeout(desk: Desk) -> None:
    with pytest.raises(TimedOut):
        await run(
            desk, ("SET LOCAL statement_timeout = '20ms'",), ("SELECT count(*) FROM generate_series(1, 1000000000)",)
        )


async def test_our_own_faults_stay_what_they_are(desk: Desk) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        await run(desk, ("SELECT * FROM no_such_table",))
