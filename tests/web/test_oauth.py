"""The OAuth edge over HTTP: tokens for machines, errors as RFC 6749 says them, public keys, metadata."""

import base64
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

import asyncpg
import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from starlette.applications import Starlette

from crm_graph.catalog import build_catalog
from crm_graph.db import ReadPool
from crm_graph.models import User, UserRole
from crm_graph.models.ids import EntityCode, IdSource
from crm_graph.models.users import UserKind
from crm_graph.permissions.clients import register_client
from crm_graph.permissions.keys import ensure_signing_key
from crm_graph.permissions.principals import Principals
from crm_graph.permissions.store import raise_policy_version, scopes_of, sync_default_policy
from crm_graph.permissions.tokens import TokenTerms
from crm_graph.web.oauth import MAX_FORM_BYTES, routes

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
CATALOG = build_catalog()
TERMS = TokenTerms("https://crm.example.com", "crm-graph", 900)
NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}
WRONG = {"error": "invalid_client", "error_description": "The client is not known, or its secret is wrong."}


@dataclass
class Server:
    http: httpx.AsyncClient
    engine: AsyncEngine
    principals: Principals
    account: UUID
    secret: str

    async def token(self, form: Mapping[str, str], *, basic: tuple[str, str] | None = None) -> httpx.Response:
        """Ask for a token."""
        headers = {"Authorization": basic_header(*basic)} if basic else {}
        return await self.http.post("/oauth/token", data=form, headers=headers)

    async def execute(self, statement: str) -> None:
        async with AsyncSession(self.engine) as session:
            await session.execute(text(statement))
            await raise_policy_version(session)
            await session.commit()


def basic_header(client_id: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{quote(client_id)}:{quote(secret)}".encode()).decode()


GRANT = {"grant_type": "client_credentials"}


@pytest.fixture
async def server(clean: None, engine: AsyncEngine, pool: ReadPool) -> AsyncIterator[Server]:
    account, secret = await _registered(engine)
    principals = Principals(pool, CATALOG, TERMS, clock=lambda: NOW)
    await principals.refresh()
    app = Starlette(routes=routes(principals, pool, CATALOG, clock=lambda: NOW))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="https://crm.example.com") as http:
        yield Server(http, engine, principals, account, secret)


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


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_client_gets_a_token_that_its_requests_are_answered_by(server: Server, method: str) -> None:
    if method == "client_secret_basic":
        response = await server.token(GRANT, basic=("erp", server.secret))
    else:
        response = await server.token({**GRANT, "client_id": "erp", "client_secret": server.secret})

    body = response.json()
    assert response.status_code == 200
    assert {k: response.headers[k] for k in NO_STORE} == NO_STORE
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 900, "customers:read sync:customers")

    principal = await server.principals.authenticate(body["access_token"])
    assert (principal.user_id, principal.source, principal.roles) == (server.account, "erp", ("erp",))
    assert principal.access.actions == frozenset({"customers:upsert"})


async def test_token_is_verified_by_the_published_keys(server: Server) -> None:
    token = (await server.token(GRANT, basic=("erp", server.secret))).json()["access_token"]
    keys = KeySet.import_key_set((await server.http.get("/.well-known/jwks.json")).json())

    decoded = jwt.decode(token, keys, algorithms=["ES256"])

    issued = int(NOW.timestamp())
    assert decoded.header["typ"] == "at+jwt"
    assert {k: v for k, v in decoded.claims.items() if k != "jti"} == {
        "iss": TERMS.issuer,
        "aud": TERMS.audience,
        "sub": str(server.account),
        "client_id": "erp",
        "scope": "customers:read sync:customers",
        "iat": issued,
        "exp": issued + 900,
    }


async def test_client_may_ask_for_less(server: Server) -> None:
    response = await server.token({**GRANT, "scope": "customers:read"}, basic=("erp", server.secret))

    assert response.json()["scope"] == "customers:read"
    principal = await server.principals.authenticate(response.json()["access_token"])
    assert principal.access.actions == frozenset()


async def test_client_that_asks_for_a_scope_it_lacks_is_refused(server: Server) -> None:
    response = await server.token({**GRANT, "scope": "customers:read customers:write"}, basic=("erp", server.secret))

    assert response.status_code == 400
    assert response.json()["error"] == "invalid_scope"


@pytest.mark.parametrize(
    ("client_id", "secret"), [("erp", "wrong"), ("nobody", "wrong"), ("", ""), ("sh\0op", "x"), ("é", "é"), ("erp", "")]
)
async def test_wrong_secret_and_unknown_client_are_told_alike(server: Server, client_id: str, secret: str) -> None:
    response = await server.token(GRANT, basic=(client_id, secret))

    assert (response.status_code, response.json()) == (401, WRONG)
    assert response.headers["www-authenticate"].startswith("Basic realm=")
    assert {k: response.headers[k] for k in NO_STORE} == NO_STORE


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!!", "Basic /////w==", "Bearer x", "Basic " + base64.b64encode(b"erp").decode()]
)
async def test_header_that_is_no_credential_is_refused(server: Server, header: str) -> None:
    response = await server.http.post("/oauth/token", data=GRANT, headers={"Authorization": header})

    assert response.status_code in {400, 401}
    assert response.json()["error"] in {"invalid_client", "invalid_request"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE clients SET status = 'SUSPENDED' WHERE client_id = 'erp'",
        "UPDATE users SET status = 'SUSPENDED' WHERE username = 'erp.service'",
    ],
)
async def test_suspended_client_gets_no_token_and_loses_what_it_has(server: Server, statement: str) -> None:
    before = await server.token(GRANT, basic=("erp", server.secret))

    await server.execute(statement)

    after = await server.token(GRANT, basic=("erp", server.secret))
    assert (after.status_code, after.json()) == (401, WRONG)
    await server.principals.refresh()
    with pytest.raises(Exception, match="UNAUTHENTICATED"):
        await server.principals.authenticate(before.json()["access_token"])


@pytest.mark.parametrize(
    "form",
    [
        {"grant_type": "password", "username": "a", "password": "b"},
        {"grant_type": "authorization_code", "code": "x"},
        {"grant_type": '"<script>é'},
    ],
)
async def test_other_grants_do_not_exist(server: Server, form: dict[str, str]) -> None:
    response = await server.token(form, basic=("erp", server.secret))

    assert (response.status_code, response.json()) == (400, {"error": "unsupported_grant_type"})
    assert {k: response.headers[k] for k in NO_STORE} == NO_STORE


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ('{"grant_type": "client_credentials"}', "application/json"),
        ("grant_type=client_credentials&grant_type=client_credentials", "application/x-www-form-urlencoded"),
        ("scope=customers:read", "application/x-www-form-urlencoded"),
        ("grant_type=", "application/x-www-form-urlencoded"),
        ("grant_type=%FF", "application/x-www-form-urlencoded"),
        ("grant_type=é", "application/x-www-form-urlencoded"),
        ("&".join(f"a{i}=1" for i in range(30)), "application/x-www-form-urlencoded"),
        ("a=" + "x" * MAX_FORM_BYTES, "application/x-www-form-urlencoded"),
    ],
)
async def test_malformed_request_is_refused(server: Server, body: str, content_type: str) -> None:
    response = await server.http.post(
        "/oauth/token",
        content=body.encode(),
        headers={"Content-Type": content_type, "Authorization": basic_header("erp", server.secret)},
    )

    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    assert {k: response.headers[k] for k in NO_STORE} == NO_STORE


async def test_two_ways_of_authentication_at_once_are_refused(server: Server) -> None:
    response = await server.token(
        {**GRANT, "client_id": "erp", "client_secret": server.secret}, basic=("erp", server.secret)
    )

    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


async def test_token_endpoint_takes_post_alone(server: Server) -> None:
    assert (await server.http.get("/oauth/token")).status_code == 405


async def test_metadata_lists_what_exists(server: Server) -> None:
    response = await server.http.get("/.well-known/oauth-authorization-server")

    assert response.json() == {
        "issuer": "https://crm.example.com",
        "token_endpoint": "https://crm.example.com/oauth/token",
        "jwks_uri": "https://crm.example.com/.well-known/jwks.json",
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "scopes_supported": sorted(scopes_of(CATALOG)),
    }


async def test_published_keys_are_public_parts_alone(server: Server) -> None:
    keys: list[dict[str, Any]] = (await server.http.get("/.well-known/jwks.json")).json()["keys"]

    assert [key["kid"] for key in keys] == [server.principals.keys.signing_kid]
    assert all("d" not in key for key in keys)


async def test_database_that_is_away_is_told_as_unavailable(server: Server, database_url: str) -> None:
    lost = await asyncpg.create_pool(database_url, min_size=1, max_size=1)
    await lost.close()
    app = Starlette(routes=routes(server.principals, lost, CATALOG, clock=lambda: NOW))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="https://x") as http:
        response = await http.post(
            "/oauth/token", data=GRANT, headers={"Authorization": basic_header("erp", server.secret)}
        )

    assert (response.status_code, response.json()) == (503, {"error": "temporarily_unavailable"})
