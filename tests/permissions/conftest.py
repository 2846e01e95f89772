"""A small company with its people, and what makes principals of their tokens."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from crm_graph.catalog import Catalog, build_catalog
from crm_graph.db import ReadPool, connect
from crm_graph.models import Team, TeamMember, User, UserRole
from crm_graph.models.ids import EntityCode, IdSource
from crm_graph.models.teams import TeamKind
from crm_graph.models.users import UserKind
from crm_graph.permissions.authentication import Principals
from crm_graph.permissions.clients import register_client
from crm_graph.permissions.keys import ensure_signing_key
from crm_graph.permissions.store import raise_policy_version, sync_default_policy
from crm_graph.permissions.tokens import TokenTerms, issue_user_token
from crm_graph.settings import Settings


@dataclass
class Clock:
    """A clock that stands still until it is set."""

    now: datetime = field(default_factory=lambda: datetime(2026, 11, 22, 9, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Company:
    """Wang sells in the team East, which lies in Sales; `erp` is a client with its service account."""

    engine: AsyncEngine
    catalog: Catalog
    terms: TokenTerms
    clock: Clock
    sales: UUID
    east: UUID
    wang: UUID
    erp: UUID
    erp_secret: str

    async def execute(self, statement: str, **values: Any) -> None:
        """Change rows and say that rights changed, as an admin's tool does."""
        async with AsyncSession(self.engine) as session:
            await session.execute(text(statement), values)
            await raise_policy_version(session)
            await session.commit()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def company(clean: None, engine: AsyncEngine, settings: Settings, clock: Clock) -> Company:
    catalog, ids, now = build_catalog(), IdSource(), clock()
    async with AsyncSession(engine, expire_on_commit=False) as session:
        await sync_default_policy(session)
        await ensure_signing_key(session, now=now)
        sales = _team(ids, "sales", "hq/sales/", None, now)
        east = _team(ids, "east", "hq/sales/east/", sales.id, now)
        wang, erp = _user(ids, "wang", UserKind.PERSON, now), _user(ids, "erp.service", UserKind.SERVICE, now)
        session.add_all([sales, wang, erp])
        await session.flush()
        session.add(east)
        await session.flush()
        session.add(TeamMember(user_id=wang.id, team_id=sales.id, is_primary=True))
        for user, key in ((wang, "sales"), (erp, "erp")):
            role = (await session.execute(text("SELECT id FROM roles WHERE key = :key"), {"key": key})).scalar_one()
            session.add(UserRole(user_id=user.id, role_id=role))
        secret = await register_client(
            session,
            catalog,
            client_id="erp",
            name="ERP",
            user_id=erp.id,
            scopes=["customers:read", "sync:customers", "contracts:read"],
            source="erp",
            now=now,
            ids=ids,
        )
        await session.commit()
    return Company(engine, catalog, TokenTerms.of(settings), clock, sales.id, east.id, wang.id, erp.id, secret)


def _team(ids: IdSource, key: str, path: str, parent: UUID | None, now: datetime) -> Team:
    return Team(
        id=ids.new(EntityCode.TEAM),
        kind=TeamKind.TEAM,
        key=key,
        name=key,
        path=path,
        parent_id=parent,
        created_at=now,
        updated_at=now,
    )


def _user(ids: IdSource, username: str, kind: UserKind, now: datetime) -> User:
    return User(
        id=ids.new(EntityCode.USER), kind=kind, username=username, name=username, created_at=now, updated_at=now
    )


@pytest.fixture
async def principals(company: Company, pool: ReadPool, database_url: str) -> AsyncIterator[Principals]:
    """Started, as in a process that serves."""
    made = Principals(pool, company.catalog, company.terms, clock=company.clock, listen=partial(connect, database_url))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def wangs_token(company: Company, principals: Principals) -> str:
    return issue_user_token(company.terms, principals.keys, company.wang, now=company.clock())
