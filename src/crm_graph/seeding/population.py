"""A population of any size, made inside the database: 10 interactions, 2 deals, a fifth of a ticket a customer.

The same seed, size and day give the same rows, ids included. Chunks are transactions of their own; each leaves a mark
among the answered calls of the seeding user, so that a run that was stopped goes on where it was.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from crm_graph.models import IdempotencyKey
from crm_graph.models.workflows import StageCategory, WorkflowType
from crm_graph.seeding import names
from crm_graph.seeding.foundation import lay
from crm_graph.seeding.population_customers import CUSTOMERS, METRICS_TABLE
from crm_graph.seeding.population_sales import CONTRACTS, DEAL_METRICS, LEADS, OPPORTUNITIES
from crm_graph.seeding.population_service import CONTACT_METRICS, INTERACTIONS, TICKETS
from crm_graph.seeding.population_sql import FUNCTIONS
from crm_graph.seeding.search import index_population
from crm_graph.seeding.stages import Flow, load_flows

SPAN = timedelta(days=730)
_OPEN = (StageCategory.OPEN, StageCategory.WAITING, StageCategory.ACTIVE)
_MARK_DAYS = 3650
_WRITTEN = (
    "customers", "contact_points", "external_refs", "leads", "opportunities", "contracts", "contract_lines", "tickets",
    "stage_changes", "interactions", "events", "search_documents",
)  # fmt: skip
MIN_CUSTOMERS = 10
"""A tenth of a contract a customer: fewer would leave kinds of records out."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How many records of a step are done."""

    step: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class PopulationReport:
    """How many records of each kind were written by this run; `note` says why there were none."""

    written: Mapping[str, int]
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of record: its statement, how many there are, and how many go into one transaction. One that reads the
    metrics runs where they were gathered.
    """

    name: str
    statement: str
    total: int
    chunk: int
    reads_metrics: bool = False


def steps_for(customers: int) -> tuple[Step, ...]:
    """What is written, parents before children."""
    return (
        Step("customers", CUSTOMERS, customers, 5_000, reads_metrics=True),
        Step("leads", LEADS, customers // 4, 10_000),
        Step("opportunities", OPPORTUNITIES, customers * 2, 10_000),
        Step("contracts", CONTRACTS, customers // 10, 10_000),
        Step("tickets", TICKETS, customers // 5, 10_000),
        Step("interactions", INTERACTIONS, customers * 10, 20_000),
    )


async def seed_population(
    engine: AsyncEngine,
    *,
    customers: int,
    today: date,
    seed: int = 1,
    progress: Callable[[Progress], None] = lambda _: None,
) -> PopulationReport:
    """Write the population of a seed, and what a seeded database has before its first customer where that is missing.

    Goes on where an earlier run of the same size stopped, and does nothing after a whole one. Raises ValueError for
    fewer than MIN_CUSTOMERS.
    """
    if customers < MIN_CUSTOMERS:
        raise ValueError(f"a population has at least {MIN_CUSTOMERS} customers")
    async with AsyncSession(engine) as session, session.begin():
        await lay(session, seed=seed, today=today)
    async with engine.connect() as connection, engine.connect() as second:
        async with connection.begin():
            marks = await _Marks.open(connection, seed, customers, today)
        if marks is None:
            return PopulationReport({}, f"seed {seed} was used for a population of another size")
        steps = steps_for(customers)
        left = {step.name: marks.left(step) for step in steps}
        if not any(left.values()):
            return PopulationReport({}, f"the population of seed {seed} is already there")
        async with connection.begin():
            await _prepare(connection)
            parameters = await _parameters(connection, marks, steps, seed)
        async with second.begin():
            await _prepare(second)
        try:
            if left["customers"]:
                await _gather_metrics(connection, steps, parameters, progress)
            written = {}
            for step in steps:
                lanes = (connection,) if step.reads_metrics else (connection, second)
                written[step.name] = await _Run(step, iter(left[step.name]), parameters, marks, progress).along(lanes)
            await index_population(connection, partial(_indexed, steps, progress))
            await _analyze(connection, progress)
        finally:
            await _forget(connection)
        return PopulationReport({name: count for name, count in written.items() if count})


@dataclass
class _Run:
    """One step on several connections at once, each taking the next chunk when it is done with one."""

    step: Step
    chunks: Iterator[int]
    parameters: Mapping[str, Any]
    marks: "_Marks"
    progress: Callable[[Progress], None]
    written: int = 0

    async def along(self, lanes: Sequence[AsyncConnection]) -> int:
        """Gives the number of records written."""
        async with asyncio.TaskGroup() as group:
            for lane in lanes:
                group.create_task(self._lane(lane))
        return self.written

    async def _lane(self, connection: AsyncConnection) -> None:
        for lo in self.chunks:
            hi = min(lo + self.step.chunk - 1, self.step.total)
            async with connection.begin():
                await connection.execute(text("SET LOCAL work_mem = '64MB'"))
                await connection.execute(text("SET LOCAL synchronous_commit = off"))
                await connection.execute(text(self.step.statement), {**self.parameters, "lo": lo, "hi": hi})
                await self.marks.leave(connection, self.step.name, lo)
            self.written += hi - lo + 1
            self.progress(Progress(self.step.name, self.written, self.step.total))


def _indexed(steps: Sequence[Step], progress: Callable[[Progress], None], plural: str, done: int) -> None:
    totals = {step.name: step.total for step in steps}
    progress(Progress(f"search {plural}", done, max(done, totals.get(plural, 0))))


async def _forget(connection: AsyncConnection) -> None:
    """The connection goes back to its pool without the temporary table; a broken one has nothing to forget."""
    if connection.closed or connection.invalidated:
        return
    await connection.rollback()
    async with connection.begin():
        await connection.execute(text("DROP TABLE IF EXISTS pg_temp.seed_metrics"))


async def _analyze(connection: AsyncConnection, progress: Callable[[Progress], None]) -> None:
    """Fresh statistics, so that the first queries are planned for what is there now."""
    for number, table in enumerate(_WRITTEN, 1):
        async with connection.begin():
            await connection.execute(text(f"ANALYZE {table}"))
        progress(Progress("statistics", number, len(_WRITTEN)))


async def _prepare(connection: AsyncConnection) -> None:
    for function in FUNCTIONS:
        await connection.execute(text(function))
    await connection.execute(text(METRICS_TABLE))
    await connection.execute(text("TRUNCATE pg_temp.seed_metrics"))


async def _gather_metrics(
    connection: AsyncConnection,
    steps: Sequence[Step],
    parameters: Mapping[str, Any],
    progress: Callable[[Progress], None],
) -> None:
    """What customers will have bought and when they were last spoken to, before there is a row of them."""
    totals = {step.name: step.total for step in steps}
    for statement, total in ((DEAL_METRICS, totals["opportunities"]), (CONTACT_METRICS, totals["interactions"])):
        for lo in range(1, total + 1, 200_000):
            hi = min(lo + 199_999, total)
            async with connection.begin():
                await connection.execute(text(statement), {**parameters, "lo": lo, "hi": hi})
            progress(Progress("metrics", hi, total))


async def _parameters(connection: AsyncConnection, marks: "_Marks", steps: Sequence[Step], seed: int) -> dict[str, Any]:
    end = datetime.combine(marks.today, datetime.min.time(), UTC)
    span_ms = int(SPAN.total_seconds() * 1000)
    async with AsyncSession(connection) as session:
        flows = await load_flows(session)
    return {
        "seed": seed,
        "start_ms": int(end.timestamp() * 1000) - span_ms,
        "span_ms": span_ms,
        **{step.name: step.total for step in steps},
        "actor": marks.actor,
        **await _people(connection, "sales", "reps", "rep_teams"),
        **await _people(connection, "service", "agents", "agent_teams"),
        **_vocabulary(),
        **_stages(flows),
    }


async def _people(connection: AsyncConnection, role: str, users: str, teams: str) -> dict[str, list[UUID]]:
    """The people of a role who own records, with their primary teams."""
    found = await connection.execute(
        text(
            "SELECT u.id, m.team_id FROM users u JOIN user_roles ur ON ur.user_id = u.id"
            " JOIN roles r ON r.id = ur.role_id JOIN team_members m ON m.user_id = u.id AND m.is_primary"
            " WHERE r.key = :role AND u.kind = 'PERSON' AND u.status = 'ACTIVE' ORDER BY u.username"
        ),
        {"role": role},
    )
    rows = found.all()
    if not rows:
        raise LookupError(f"there is nobody with the role {role} to own records")
    return {users: [row[0] for row in rows], teams: [row[1] for row in rows]}


def _vocabulary() -> dict[str, list[Any]]:
    return {
        "surnames": [zh for zh, _ in names.SURNAMES],
        "surnames_latin": [latin for _, latin in names.SURNAMES],
        "given": [zh for zh, _ in names.GIVEN_SYLLABLES],
        "given_latin": [latin for _, latin in names.GIVEN_SYLLABLES],
        "cities": [city.name for city in names.CITIES],
        "provinces": [city.province for city in names.CITIES],
        "area_codes": [city.area_code for city in names.CITIES],
        "digits": [city.digits for city in names.CITIES],
        "words": list(names.COMPANY_WORDS),
        "trades": [trade for trade, _ in names.COMPANY_TRADES],
        "industries": [industry for _, industry in names.COMPANY_TRADES],
        "products": [product.name for product in names.PRODUCTS],
        "skus": [product.sku for product in names.PRODUCTS],
        "prices": [product.price for product in names.PRODUCTS],
        "costs": [product.cost for product in names.PRODUCTS],
    }


def _stages(flows: Mapping[WorkflowType, Flow]) -> dict[str, Any]:
    lead, deal = flows[WorkflowType.LEAD], flows[WorkflowType.OPPORTUNITY]
    ticket, contract = flows[WorkflowType.TICKET], flows[WorkflowType.CONTRACT]
    lost = deal.of(StageCategory.LOST)[0]
    return {
        "lead_stages": [stage.id for stage in lead.of(*_OPEN)],
        "lead_converted": lead.of(StageCategory.WON)[0].id,
        "opportunity_stages": [stage.id for stage in deal.of(*_OPEN)],
        "opportunity_won": deal.of(StageCategory.WON)[0].id,
        "opportunity_lost": lost.id,
        "loss_reasons": list(deal.reasons.get(lost.id, ())) or ["other"],
        "ticket_stages": [stage.id for stage in ticket.of(*_OPEN)],
        "ticket_closed": ticket.of(StageCategory.CLOSED)[0].id,
        "contract_stages": [stage.id for stage in contract.of(StageCategory.OPEN, StageCategory.WAITING)],
        "contract_active": contract.of(StageCategory.ACTIVE)[0].id,
    }


@dataclass
class _Marks:
    """Which chunks are done, kept among the answered calls of the seeding user."""

    actor: UUID
    key: str
    today: date
    request_hash: bytes
    now: datetime
    done: set[tuple[str, int]]

    @classmethod
    async def open(cls, connection: AsyncConnection, seed: int, customers: int, today: date) -> "_Marks | None":
        """The marks of a population, None when the seed was used for another size. A run that goes on keeps its day."""
        actor = await connection.scalar(text("SELECT id FROM users WHERE username = 'system.seed'"))
        if actor is None:
            raise LookupError("there is no user system.seed; lay the foundation first")
        key = f"population/{seed}"
        rows = (
            await connection.execute(
                select(IdempotencyKey.field, IdempotencyKey.answer).where(
                    IdempotencyKey.actor_id == actor, IdempotencyKey.key == key
                )
            )
        ).all()
        answers = {row.field: row.answer for row in rows}
        if "parameters" in answers:
            stored = orjson.loads(answers["parameters"])
            if stored["customers"] != customers:
                return None
            today = date.fromisoformat(stored["today"])
        now = datetime.combine(today, datetime.min.time(), UTC)
        parameters = orjson.dumps({"customers": customers, "today": today})
        marks = cls(actor, key, today, hashlib.sha256(parameters).digest(), now, set())
        if not answers:
            await marks._insert(connection, "parameters", parameters)
        marks.done = {(name, int(lo)) for name, _, lo in (field.partition("/") for field in answers) if lo}
        return marks

    def left(self, step: Step) -> list[int]:
        """Where the chunks begin that are not done."""
        return [lo for lo in range(1, step.total + 1, step.chunk) if (step.name, lo) not in self.done]

    async def leave(self, connection: AsyncConnection, step: str, lo: int) -> None:
        """Say that a chunk is done, in the transaction that wrote it."""
        await self._insert(connection, f"{step}/{lo}", None)

    async def _insert(self, connection: AsyncConnection, field: str, answer: bytes | None) -> None:
        await connection.execute(
            insert(IdempotencyKey).values(
                actor_id=self.actor,
                key=self.key,
                field=field,
                request_hash=self.request_hash,
                answer=answer,
                created_at=self.now,
                expires_at=self.now + timedelta(days=_MARK_DAYS),
            )
        )
