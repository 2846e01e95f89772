"""What a seeded database has before its first customer: teams, people, roles, workflows, rates, the ERP's client."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Select, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm_graph.catalog import build_catalog
from crm_graph.models import ExchangeRate, Role, Team, TeamMember, User, UserRole
from crm_graph.models.ids import EntityCode, IdSource
from crm_graph.models.teams import TeamKind
from crm_graph.models.users import UserKind
from crm_graph.permissions.clients import register_client
from crm_graph.permissions.store import Connection, raise_policy_version, sync_default_policy
from crm_graph.seeding.ledger import Ledger, Record
from crm_graph.services.default_workflows import install_default_workflows

SEEDING_USER = "system.seed"
ERP_CLIENT = "erp"
ERP_SCOPES = (
    "customers:read", "customers:write", "contracts:read", "contracts:write", "opportunities:read", "users:read",
    "teams:read", "sync:customers", "sync:contracts",
)  # fmt: skip

# kind, key, parent, name, city
TEAMS = (
    (TeamKind.DEPARTMENT, "hq", None, "澄和电器总部", "上海"),
    (TeamKind.DEPARTMENT, "sales-dept", "hq", "销售中心", "上海"),
    (TeamKind.TEAM, "sales-east", "sales-dept", "华东销售部", "上海"),
    (TeamKind.TEAM, "sales-south", "sales-dept", "华南销售部", "广州"),
    (TeamKind.TEAM, "sales-overseas", "sales-dept", "Overseas sales", "上海"),
    (TeamKind.TEAM, "web-shop", "hq", "网上商城", "杭州"),
    (TeamKind.DEPARTMENT, "service-dept", "hq", "客户服务中心", "杭州"),
    (TeamKind.QUEUE, "service-desk", "service-dept", "呼叫中心一线", "杭州"),
    (TeamKind.QUEUE, "service-field", "service-dept", "上门安装维修", "杭州"),
    (TeamKind.DEPARTMENT, "finance-dept", "hq", "财务部", "上海"),
    (TeamKind.DEPARTMENT, "crm-office", "hq", "客户运营部", "上海"),
    (TeamKind.DEPARTMENT, "it", "hq", "信息技术部", "上海"),
    (TeamKind.DEPARTMENT, "stores", "hq", "门店管理部", "上海"),
    (TeamKind.STORE, "store-shanghai", "stores", "上海徐汇店", "上海"),
    (TeamKind.STORE, "store-hangzhou", "stores", "杭州西湖店", "杭州"),
    (TeamKind.STORE, "store-nanjing", "stores", "南京鼓楼店", "南京"),
    (TeamKind.STORE, "store-guangzhou", "stores", "广州天河店", "广州"),
    (TeamKind.STORE, "store-shenzhen", "stores", "深圳南山店", "深圳"),
    (TeamKind.STORE, "store-chengdu", "stores", "成都锦江店", "成都"),
)

# username, name, job title, team, role, language
PEOPLE = (
    ("sales", "林晓彤", "客户经理", "sales-east", "sales", "zh-CN"),
    ("sales.chen", "陈立航", "高级客户经理", "sales-east", "sales", "zh-CN"),
    ("sales.gu", "顾念安", "客户经理", "sales-east", "sales", "zh-CN"),
    ("sales.liang", "梁思齐", "客户经理", "sales-south", "sales", "zh-CN"),
    ("sales.ouyang", "欧阳若岚", "客户经理", "sales-south", "sales", "zh-CN"),
    ("sales.pemberly", "Grace Pemberly", "Key account manager", "sales-overseas", "sales", "en-GB"),
    ("shop.fang", "方以宁", "商城顾问", "web-shop", "sales", "zh-CN"),
    ("store.shanghai", "蒋文轩", "门店顾问", "store-shanghai", "sales", "zh-CN"),
    ("store.hangzhou", "沈小棠", "门店顾问", "store-hangzhou", "sales", "zh-CN"),
    ("store.nanjing", "姚景行", "门店顾问", "store-nanjing", "sales", "zh-CN"),
    ("store.guangzhou", "麦嘉豪", "门店顾问", "store-guangzhou", "sales", "zh-CN"),
    ("store.shenzhen", "温可欣", "门店顾问", "store-shenzhen", "sales", "zh-CN"),
    ("store.chengdu", "向一鸣", "门店顾问", "store-chengdu", "sales", "zh-CN"),
    ("service", "周敏", "客服专员", "service-desk", "service", "zh-CN"),
    ("service.qian", "钱向荣", "客服专员", "service-desk", "service", "zh-CN"),
    ("service.almeida", "Victor Almeida", "Service agent", "service-desk", "service", "en-GB"),
    ("service.tao", "陶大力", "维修工程师", "service-field", "service", "zh-CN"),
    ("finance", "许国栋", "应收会计", "finance-dept", "finance", "zh-CN"),
    ("finance.yan", "严素梅", "财务主管", "finance-dept", "finance", "zh-CN"),
    ("crm_manager", "何静怡", "客户运营经理", "crm-office", "crm_manager", "zh-CN"),
    ("admin", "韦文博", "系统管理员", "it", "admin", "zh-CN"),
    ("sales_manager", "唐予安", "销售总监", "sales-dept", "sales_manager", "zh-CN"),
    ("marketing", "柳青禾", "市场专员", "crm-office", "marketing", "zh-CN"),
    ("analyst", "白若川", "数据分析师", "crm-office", "analyst", "zh-CN"),
    ("auditor", "纪明远", "内审专员", "hq", "auditor", "zh-CN"),
)
# Other systems, each with the role of its name; the ERP has an OAuth client too.
SYSTEMS = {ERP_CLIENT: "ERP", "commerce": "网上商城", "call_centre": "呼叫中心"}

# Price of one unit in CNY, five years ago and the change a quarter; invented, near what they were.
RATES = {
    "USD": ("6.3900", "0.0350"),
    "EUR": ("7.2500", "0.0280"),
    "HKD": ("0.8200", "0.0045"),
    "JPY": ("0.0560", "-0.0004"),
}
QUARTERS = 20


@dataclass(frozen=True)
class Rates:
    """Dated rates into CNY, newest last for each currency."""

    by_currency: Mapping[str, list[tuple[date, Decimal]]]

    def to_base(self, amount: Any, currency: str, at: datetime) -> Decimal:
        """The amount in CNY at the rate of that day, to cents."""
        dated = self.by_currency.get(currency)
        rate = Decimal(1) if dated is None else next((r for d, r in reversed(dated) if d <= at.date()), dated[0][1])
        return (Decimal(amount) * rate).quantize(Decimal("0.01"), ROUND_HALF_UP)


@dataclass(frozen=True)
class People:
    """Who works here: users and their primary teams by username, teams by key."""

    users: Mapping[str, UUID]
    team_of: Mapping[str, UUID]
    teams: Mapping[str, UUID]
    client_secret: str | None = field(default=None, repr=False)
    """The ERP client's secret, in the run that registered it only."""

    def with_role(self, role: str) -> tuple[str, ...]:
        """The usernames of those who were hired for a role."""
        return tuple(username for username, *_, given, _ in PEOPLE if given == role)


def invented_rates(today: date) -> dict[str, list[tuple[date, Decimal]]]:
    """A rate a quarter for the five years up to today."""
    days = [today - timedelta(days=91 * quarter) for quarter in range(QUARTERS, -1, -1)]
    return {
        currency: [(day, Decimal(start) + Decimal(step) * n) for n, day in enumerate(days)]
        for currency, (start, step) in RATES.items()
    }


async def lay(session: AsyncSession, *, seed: int, today: date) -> People:
    """Make what is missing of all this and give the people; a database that has the seeding user is left as it is."""
    now = datetime.combine(today, datetime.min.time(), UTC)
    ids = IdSource(lambda: now, Random(seed).getrandbits)
    await sync_default_policy(session, ids=ids, clock=lambda: now)
    raw = await (await session.connection()).get_raw_connection()
    await install_default_workflows(cast("Connection", raw.driver_connection), ids, now)
    await _fill_rates(session, today)
    if await session.scalar(select(User.id).where(User.username == SEEDING_USER)) is None:
        return await _hire(session, seed, now, ids)
    return await _known(session)


async def _fill_rates(session: AsyncSession, today: date) -> None:
    """Rates for the currencies that have none; those that somebody entered stay alone."""
    known = set(await session.scalars(select(ExchangeRate.currency).distinct()))
    rows = [
        {"currency": currency, "valid_on": day, "rate": rate}
        for currency, dated in invented_rates(today).items()
        for day, rate in dated
        if currency not in known
    ]
    if rows:
        await session.execute(insert(ExchangeRate), rows)


async def load_rates(session: AsyncSession) -> Rates:
    """The rates as they stand in the database."""
    dated: dict[str, list[tuple[date, Decimal]]] = {}
    found = await session.scalars(select(ExchangeRate).order_by(ExchangeRate.currency, ExchangeRate.valid_on))
    for row in found:
        dated.setdefault(row.currency, []).append((row.valid_on, row.rate))
    return Rates(dated)


async def _known(session: AsyncSession) -> People:
    users = await _pairs(session, select(User.username, User.id))
    teams = await _pairs(session, select(Team.key, Team.id))
    primary = (
        select(User.username, TeamMember.team_id).join(User, User.id == TeamMember.user_id).where(TeamMember.is_primary)
    )
    return People(users, await _pairs(session, primary), teams)


async def _pairs(session: AsyncSession, query: Select[str, UUID]) -> dict[str, UUID]:
    return {row[0]: row[1] for row in await session.execute(query)}


async def _hire(session: AsyncSession, seed: int, now: datetime, ids: IdSource) -> People:
    founded = now - timedelta(days=6 * 365)
    ledger = Ledger(Random(f"people/{seed}"), UUID(int=0), lambda amount, _currency, _at: amount)
    ledger.actor = ledger.new_id(EntityCode.USER, founded)
    _user(ledger, founded, SEEDING_USER, "Seeding", UserKind.SYSTEM, key=ledger.actor)
    teams = _teams(ledger, founded)
    users, team_of = _people(ledger, founded, teams)
    for username, name in SYSTEMS.items():
        users[username] = _user(ledger, founded, username, name, UserKind.SERVICE).id
    users[SEEDING_USER] = ledger.actor
    roles = await _pairs(session, select(Role.key, Role.id))
    for username, role in [*((p[0], p[4]) for p in PEOPLE), *((system, system) for system in SYSTEMS)]:
        ledger.add(UserRole, {"user_id": users[username], "role_id": roles[role], "origin": "seed"})
    await ledger.write(session)
    secret = await register_client(
        session, build_catalog(), client_id=ERP_CLIENT, name="澄和电器 ERP", user_id=users[ERP_CLIENT],
        scopes=ERP_SCOPES, source="erp", now=now, ids=ids,
    )  # fmt: skip
    await raise_policy_version(session)
    return People(users, team_of, teams, secret)


def _teams(ledger: Ledger, founded: datetime) -> dict[str, UUID]:
    made: dict[str, Record] = {}
    for n, (kind, key, parent, name, city) in enumerate(TEAMS):
        path = (made[parent]["path"] if parent else "") + f"{key}/"
        values = {"kind": kind, "key": key, "name": name, "path": path, "city": city, "time_zone": "Asia/Shanghai"}
        values["parent_id"] = made[parent].id if parent else None
        made[key] = ledger.create(Team, founded + timedelta(minutes=n), values)
    return {key: team.id for key, team in made.items()}


def _people(ledger: Ledger, founded: datetime, teams: Mapping[str, UUID]) -> tuple[dict[str, UUID], dict[str, UUID]]:
    users: dict[str, UUID] = {}
    for n, (username, name, title, team, _, locale) in enumerate(PEOPLE):
        hired = founded + timedelta(days=1, minutes=n)
        user = _user(
            ledger, hired, username, name, UserKind.PERSON, title=title, locale=locale, phone=f"021-60000{n:03d}"
        )
        users[username] = user.id
        ledger.add(TeamMember, {"user_id": user.id, "team_id": teams[team], "is_primary": True})
    return users, {username: teams[team] for username, _, _, team, *_ in PEOPLE}


def _user(
    ledger: Ledger,
    at: datetime,
    username: str,
    name: str,
    kind: UserKind,
    *,
    title: str | None = None,
    locale: str = "zh-CN",
    phone: str | None = None,
    key: UUID | None = None,
) -> Record:
    values: dict[str, Any] = {"kind": kind, "status": "ACTIVE", "username": username, "name": name, "job_title": title}
    values |= {"email": f"{username}@example.cn" if phone else None, "phone": phone, "locale": locale}
    if key is not None:
        values["id"] = key
    return ledger.create(User, at, values | {"time_zone": "Asia/Shanghai"})
