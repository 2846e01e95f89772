"""The demo company: an appliance retailer with stores, a web shop and a call centre, told from a given day."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from sqlalchemy import exists, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from crm_graph.models import Base, Customer
from crm_graph.models.workflows import StageCategory, WorkflowType
from crm_graph.seeding import customers, names, sales, service, stories, tasks
from crm_graph.seeding.custom_fields import define
from crm_graph.seeding.foundation import SEEDING_USER, lay, load_rates
from crm_graph.seeding.ledger import Ledger, Record
from crm_graph.seeding.population import Progress
from crm_graph.seeding.scene import Scene
from crm_graph.seeding.search import index_records
from crm_graph.seeding.stages import Stage, load_flows

CUSTOMERS = 300
INTERACTIONS = 2_000
LEADS = 150
OPPORTUNITIES = 200
TICKETS = 150
CONTRACTS = 60

_WORKING = (StageCategory.OPEN, StageCategory.WAITING, StageCategory.ACTIVE)


@dataclass(frozen=True, slots=True)
class SeedReport:
    """Rows written by table; where the stories are, by name; the ERP client's secret, which is shown this once.
    `note` says why nothing was written.
    """

    rows: Mapping[str, int]
    stories: Mapping[str, str]
    client_secret: str | None = field(default=None, repr=False)
    note: str | None = None


async def seed_demo(
    engine: AsyncEngine, *, today: date, seed: int = 1, progress: Callable[[Progress], None] = lambda _: None
) -> SeedReport:
    """Make the demo company in one transaction; a database that has customers is left as it is."""
    async with AsyncSession(engine) as session, session.begin():
        if await session.scalar(select(exists().where(Customer.id.is_not(None)))):
            return SeedReport({}, {}, note="there are customers already")
        people = await lay(session, seed=seed, today=today)
        rates = await load_rates(session)
        ledger = Ledger(Random(f"company/{seed}"), people.users[SEEDING_USER], rates.to_base)
        midnight = datetime.combine(today, datetime.min.time(), UTC)
        scene = Scene(ledger, people, await load_flows(session), midnight, Random(f"scene/{seed}"))
        define(ledger)
        for step, (name, play) in enumerate(PLOT):
            play(scene)
            progress(Progress(name, step + 1, len(PLOT) + 1))
        await ledger.write(session)
        await _continue_numbers(session, scene)
        await tasks.set_timers(session, scene)
        await index_records(session)
        progress(Progress("written", len(PLOT) + 1, len(PLOT) + 1))
        return SeedReport(_counts(ledger), scene.stories, people.client_secret)


def _counts(ledger: Ledger) -> dict[str, int]:
    tables = {table.name: 0 for table in Base.metadata.sorted_tables}
    for model, rows in ledger.rows.items():
        tables[str(model.__tablename__)] = len(rows)
    tables["events"] = len(ledger.events)
    return {name: count for name, count in tables.items() if count}


async def _continue_numbers(session: AsyncSession, scene: Scene) -> None:
    """What is created next is numbered after what is here."""
    for sequence, count in (("customer_numbers", len(scene.customers)), ("ticket_numbers", len(scene.tickets))):
        await session.execute(
            text("SELECT setval(CAST(:name AS regclass), :count)"), {"name": sequence, "count": count}
        )


def fill_customers(scene: Scene) -> None:
    """Two people to one organisation, a few partners abroad."""
    for index in range(len(names.OVERSEAS)):
        customers.overseas(scene, scene.ago(scene.random.randrange(200, 1100)), index)
    while len(scene.customers) < CUSTOMERS:
        at = scene.ago(scene.random.randrange(20, 1400))
        referrer = scene.pick(scene.customers) if scene.random.random() < 0.08 else None
        over: dict[str, Any] = (
            {} if referrer is None or referrer["created_at"] > at else {"referred_by_id": referrer.id}
        )
        if scene.random.random() < 0.67:
            customers.person(scene, at, **over)
        else:
            customers.organization(scene, at, **over)


def fill_leads(scene: Scene) -> None:
    """A third converted, some lost, one in eight in the public pool."""
    flow = scene.flows[WorkflowType.LEAD]
    working, won, lost = flow.of(*_WORKING), flow.of(StageCategory.WON)[0], flow.of(StageCategory.LOST)
    sellers = scene.people.with_role("sales")
    while len(scene.leads) < LEADS:
        at = scene.ago(scene.random.randrange(3, 400))
        draw = scene.random.random()
        if draw < 0.3:
            customer = scene.pick(scene.customers)
            at = max(at, customer["created_at"])
            sales.lead(scene, at, scene.pick(sellers), won, name=customer["name"], customer_id=customer.id)
        elif draw < 0.5:
            sales.lead(scene, at, scene.pick(sellers), scene.pick(lost))
        else:
            pooled = scene.random.random() < 0.25
            sales.lead(
                scene, at, None if pooled else scene.pick(sellers), flow.first if pooled else scene.pick(working)
            )


def fill_opportunities(scene: Scene) -> None:
    """Deals in every stage; organisations buy by the dozen."""
    flow = scene.flows[WorkflowType.OPPORTUNITY]
    while len(scene.opportunities) < OPPORTUNITIES:
        customer = _owned(scene)
        product = scene.pick(names.PRODUCTS)
        many = customer["kind"] == "ORGANIZATION"
        at = scene.between(customer["created_at"], scene.ago(4))
        end = min(at + timedelta(days=scene.random.randrange(3, 120)), scene.last_moment)
        target = _deal_stage(scene, flow.of(*_WORKING), flow.of(StageCategory.WON), flow.of(StageCategory.LOST))
        amount = (
            product.price * scene.random.randrange(5, 120) if many else product.price * scene.random.randrange(1, 4)
        )
        in_base = scene.ledger.to_base(1, customer["currency"], at)
        amount = (amount / in_base).quantize(Decimal("0.01"))
        sales.opportunity(scene, customer, (at, end), target, product=product, amount=amount)


def _deal_stage(scene: Scene, working: tuple[Stage, ...], won: tuple[Stage, ...], lost: tuple[Stage, ...]) -> Stage:
    draw = scene.random.random()
    return scene.pick(won if draw < 0.4 else lost if draw < 0.6 else working)


def fill_contracts(scene: Scene) -> None:
    """For won deals; four in five are in force."""
    flow = scene.flows[WorkflowType.CONTRACT]
    unsigned, active = flow.of(StageCategory.OPEN, StageCategory.WAITING), flow.of(StageCategory.ACTIVE)
    buyers = [record for record in scene.customers if record["kind"] == "ORGANIZATION" and record["owner_id"]]
    while len(scene.contracts) < CONTRACTS:
        customer = scene.pick(buyers)
        at = scene.between(customer["created_at"], scene.ago(15))
        end = min(at + timedelta(days=scene.random.randrange(3, 30)), scene.last_moment)
        lines = [
            (product, scene.random.randrange(1, 60), scene.pick((Decimal(0), Decimal("0.05"), Decimal("0.08"))))
            for product in scene.random.sample(names.PRODUCTS, scene.random.randrange(1, 5))
        ]
        target = scene.pick(active if scene.random.random() < 0.8 else unsigned)
        sales.contract(scene, customer, (at, end), target, lines)


def fill_tickets(scene: Scene) -> None:
    """Old ones are closed, those of the last days in work."""
    flow = scene.flows[WorkflowType.TICKET]
    working, closed = flow.of(*_WORKING), flow.of(StageCategory.CLOSED)
    agents = scene.people.with_role("service")
    while len(scene.tickets) < TICKETS:
        customer = scene.pick(scene.customers)
        recent = scene.random.random() < 0.25
        at = max(
            scene.ago(scene.random.randrange(1, 6) if recent else scene.random.randrange(8, 500)),
            customer["created_at"],
        )
        service.ticket(scene, customer, at, scene.pick(agents), scene.pick(working if recent else closed))


def fill_interactions(scene: Scene) -> None:
    """Most with a few busy customers; some about a ticket or a deal."""
    quiet = set(scene.stories.values())
    talking = [record for record in scene.customers if record["number"] not in quiet]
    about = [("ticket_id", record) for record in scene.tickets] + [
        ("opportunity_id", record) for record in scene.opportunities
    ]
    by_id: dict[object, Record] = {record.id: record for record in talking}
    while len(scene.interactions) < INTERACTIONS:
        if scene.random.random() < 0.25:
            column, subject = scene.pick(about)
            customer = by_id.get(subject["customer_id"])
            if customer is not None:
                end = min(subject["created_at"] + timedelta(days=20), scene.last_moment)
                at = scene.between(subject["created_at"], end)
                service.interaction(scene, at, customer, **{column: subject.id})
            continue
        customer = talking[int(len(talking) * scene.random.random() ** 2)]
        service.interaction(scene, scene.between(customer["created_at"], scene.last_moment), customer)


def judge_customers(scene: Scene) -> None:
    """Lifecycle, tier and health follow from what each customer bought and when they were last spoken to."""
    told = set(scene.stories.values())
    for record in scene.customers:
        row = record.row
        last = row.get("last_interaction_at") or row["created_at"]
        days = (scene.today - last).days
        row["health_score"] = max(5, 100 - days // 8)
        if row["number"] in told or row["version"] > 1:
            continue
        spent = row.get("total_spent_base", Decimal())
        tier = (
            "PLATINUM" if spent > 500_000 else "GOLD" if spent > 100_000 else "SILVER" if spent > 10_000 else "STANDARD"
        )
        stage = (
            "DORMANT" if days > 540 else "AT_RISK" if days > 270 else "ACTIVE" if row.get("order_count") else "PROSPECT"
        )
        changed = {"tier": tier, "lifecycle_stage": stage}
        if any(row[key] != value for key, value in changed.items()):
            at = max(last, scene.ago(1, 20))
            scene.ledger.change(record, "updated", at, changed, actor=scene.user("crm_manager"))


def _owned(scene: Scene) -> Record:
    while True:
        customer = scene.pick(scene.customers)
        if customer["owner_id"] is not None:
            return customer


PLOT: tuple[tuple[str, Callable[[Scene], None]], ...] = (
    ("stories", stories.tell),
    ("customers", fill_customers),
    ("leads", fill_leads),
    ("opportunities", fill_opportunities),
    ("contracts", fill_contracts),
    ("tickets", fill_tickets),
    ("interactions", fill_interactions),
    ("metrics", judge_customers),
    ("tasks", tasks.fill_tasks),
)
