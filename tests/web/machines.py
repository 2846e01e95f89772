"""An authorization server with one client, `erp`, and what machines send to it."""

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from starlette.applications import Starlette

from crm_graph.catalog import build_catalog
from crm_graph.db import ReadPool
from crm_graph.models import User, UserRole
from crm_graph.models.ids import EntityCode, IdSource
from crm_graph.models.users import UserKind
from crm_graph.permissions.authentication import Principals
from crm_graph.permissions.authorization_server import Authority, Limits
from crm_graph.permissions.clients import register_client
from crm_graph.permissions.keys import ensure_signing_key
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.store import raise_policy_version, sync_default_policy
from crm_graph.permissions.tokens import TokenTerms
from crm_graph.services import clients
from crm_graph.transaction import begin
from crm_graph.web.oauth import audiences, routes

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
CATALOG = build_catalog()
TERMS = TokenTerms("https://crm.example.com", "crm-graph", 900)
NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}
WRONG = {"error": "invalid_client", "error_description": "The client is not known, or its proof is wrong."}
GRANT = {"grant_type": "client_credentials"}
UNLIMITED = Limits.of(0)


@dataclass
class Clock:
    """Stands until it is moved."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Server:
    http: httpx.AsyncClient
    engine: AsyncEngine
    pool: ReadPool
    principals: Principals
    account: UUID
    secret: str
    clock: Clock = field(default_factory=Clock)

    async def post(self, path: str, form: Mapping[str, str], *, basic: tuple[str, str] | None = None) -> httpx.Response:
        """Send a form to an endpoint, as the client `erp` if nothing else is said."""
        headers = {"Authorization": basic_header(*basic)} if basic else {}
        return await self.http.post(path, data=form, headers=headers)

    async def token(self, form: Mapping[str, str], *, basic: tuple[str, str] | None = None) -> httpx.Response:
        """Ask for a token."""
        return await self.post("/oauth/token", form, basic=basic)

    async def as_erp(self, path: str, **form: str) -> httpx.Response:
        """Send a form as the client `erp`, by its secret."""
        return await self.post(path, form, basic=("erp", self.secret))

    async def fresh_token(self, scope: str = "") -> str:
        """A token of the client `erp`."""
        answer = await self.as_erp("/oauth/token", **GRANT, scope=scope)
        return str(answer.json()["access_token"])

    async def execute(self, statement: str, **values: Any) -> None:
        async with AsyncSession(self.engine) as session:
            await session.execute(text(statement), values)
            await raise_policy_version(session)
            await session.commit()

    async def another(self, client_id: str, **columns: Any) -> str:
        """Another client of the same account, and its secret."""
        async with AsyncSession(self.engine) as session:
            secret = await register_client(
                session,
                CATALOG,
                client_id=client_id,
                name=client_id,
                user_id=self.account,
                scopes=["customers:read"],
                source=None,
                now=NOW,
                ids=IdSource(),
            )
            await session.commit()
        await self.principals.refresh()
        return secret


def basic_header(client_id: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{quote(client_id)}:{quote(secret)}".encode()).decode()


def app_of(server: Server, *, pool: Any = None, limits: Limits = UNLIMITED) -> Starlette:
    """The endpoints alone, for other parts than those of the server."""

    async def end_tokens(principal: Principal, epoch: int) -> None:
        async with begin(server.engine, principal, CATALOG, server.clock, IdSource(), source=principal.source) as tx:
            await clients.end_own_tokens(tx, epoch)

    authority = Authority(
        server.principals,
        pool or server.pool,
        server.engine,
        audiences(TERMS.issuer),
        limits,
        server.clock,
        end_tokens=end_tokens,
    )
    return Starlette(routes=routes(authority, CATALOG))


@asynccontextmanager
async def client_of(app: Starlette, address: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application, from an address."""
    transport = httpx.ASGITransport(app=app, client=(address, 1234))
    async with httpx.AsyncClient(transport=transport, base_url="https://crm.example.com") as http:
        yield http


@asynccontextmanager
async def serving_machines(engine: AsyncEngine, pool: ReadPool) -> AsyncIterator[Server]:
    """A server without limits, with the client `erp`."""
    account, secret = await _registered(engine)
    clock = Clock()
    principals = Principals(pool, CATALOG, TERMS, clock=clock)
    await principals.refresh()
    server = Server(httpx.AsyncClient(), engine, pool, principals, account, secret, clock)
    await server.http.aclose()
    async with client_of(app_of(server)) as server.http:
        yield server


async def _registered(engine: AsyncEngine) -> tuple[UUID, str]:
    ids = IdSource()
    async with AsyncSession(engine, expire_on_commit=False) as session:
        await sync_default_policy(session)
        await ensure_signing_key(session, now=NOW)
        user = User(
            id=ids.new(EntityCode.USER),
            kind=UserKind.SERVICE,
            username="erp.service",
            name="ERP",
            created_at=NOW,
            updated_at=NOW,
        )
        session.add(user)
        await session.flush()
        role = (await session.execute(text("SELECT id FROM roles WHERE key = 'erp'"))).scalar_one()
        session.add(UserRole(user_id=user.id, role_id=role))
        secret = await register_client(
            session,
            CATALOG,
            client_id="erp",
            name="ERP",
            user_id=user.id,
            scopes=["customers:read", "sync:customers"],
            source="erp",
            now=NOW,
            ids=ids,
        )
        await session.commit()
        return user.id, secret
