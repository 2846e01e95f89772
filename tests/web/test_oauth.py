"""The OAuth edge over HTTP: tokens for machines, errors as RFC 6749 says them, public keys, metadata."""

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.db import ReadPool
from crm_graph.permissions.authentication import Principals
from crm_graph.permissions.store import scopes_of
from crm_graph.web.oauth import MAX_FORM_BYTES

from .machines import (
    CATALOG,
    GRANT,
    NO_STORE,
    NOW,
    TERMS,
    WRONG,
    Server,
    app_of,
    basic_header,
    client_of,
    serving_machines,
)


@pytest.fixture
async def server(clean: None, engine: AsyncEngine, pool: ReadPool) -> AsyncIterator[Server]:
    async with serving_machines(engine, pool) as server:
        yield server


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


@pytest.mark.parametrize("resource", ["https://evil.example", "https://crm.example.com.evil.example", "crm"])
async def test_token_for_another_resource_is_refused(server: Server, resource: str) -> None:
    response = await server.token({**GRANT, "resource": resource}, basic=("erp", server.secret))

    told = {"error": "invalid_target", "error_description": "Tokens are for this server alone."}
    assert (response.status_code, response.json()) == (400, told)
    assert {k: response.headers[k] for k in NO_STORE} == NO_STORE


@pytest.mark.parametrize("resource", [TERMS.audience, TERMS.issuer, f"{TERMS.issuer}/", f"{TERMS.issuer}/graphql"])
async def test_token_for_this_resource_is_given(server: Server, resource: str) -> None:
    response = await server.token({**GRANT, "resource": resource}, basic=("erp", server.secret))

    assert response.status_code == 200
    principal = await server.principals.authenticate(response.json()["access_token"])
    assert principal.user_id == server.account


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
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES256", "RS256", "Ed25519", "EdDSA"],
        "revocation_endpoint": "https://crm.example.com/oauth/revoke",
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        "revocation_endpoint_auth_signing_alg_values_supported": ["ES256", "RS256", "Ed25519", "EdDSA"],
        "introspection_endpoint": "https://crm.example.com/oauth/introspect",
        "introspection_endpoint_auth_methods_supported": [
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
        ],
        "introspection_endpoint_auth_signing_alg_values_supported": ["ES256", "RS256", "Ed25519", "EdDSA"],
        "jwks_uri": "https://crm.example.com/.well-known/jwks.json",
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "scopes_supported": sorted(scopes_of(CATALOG)),
    }


@pytest.mark.parametrize(
    ("issuer", "path"),
    [
        ("https://crm.example.com", ""),
        ("https://crm.example.com/", ""),
        ("https://example.com/hub", "/hub"),
        ("https://example.com/hub/", "/hub"),
        ("https://example.com/a%20b/hub", "/a%20b/hub"),
    ],
)
async def test_metadata_are_where_clients_look_for_those_of_an_issuer_with_a_path(
    server: Server, issuer: str, path: str
) -> None:
    terms = replace(TERMS, issuer=issuer)
    there = replace(server, principals=Principals(server.pool, CATALOG, terms, clock=server.clock))
    async with client_of(app_of(there)) as http:
        answer = await http.get("/.well-known/oauth-authorization-server" + path)
        elsewhere = await http.get("/.well-known/oauth-authorization-server/other")

    assert (answer.status_code, answer.json()["issuer"]) == (200, issuer)
    assert elsewhere.status_code == 404


async def test_keys_that_may_be_old_are_published_for_nobody_to_keep(server: Server, database_url: str) -> None:
    """A process that has lost sight of the database may lack one that is to sign."""
    now = 0.0
    lost = await asyncpg.create_pool(database_url, min_size=1, max_size=1)
    cut_off = Principals(lost, CATALOG, TERMS, clock=server.clock, monotonic=lambda: now)
    await cut_off.refresh()
    async with client_of(app_of(replace(server, principals=cut_off))) as http:
        before = await http.get("/.well-known/jwks.json")
        now = 1.1
        await lost.close()
        after = await http.get("/.well-known/jwks.json")

    assert (before.headers["cache-control"], after.headers["cache-control"]) == ("public, max-age=300", "no-store")
    assert before.json() == after.json()


async def test_published_keys_are_public_parts_alone(server: Server) -> None:
    keys: list[dict[str, Any]] = (await server.http.get("/.well-known/jwks.json")).json()["keys"]

    assert [key["kid"] for key in keys] == [server.principals.keys.signing_kid]
    assert all("d" not in key for key in keys)


async def test_database_that_is_away_is_told_as_unavailable(server: Server, database_url: str) -> None:
    lost = await asyncpg.create_pool(database_url, min_size=1, max_size=1)
    await lost.close()
    async with client_of(app_of(server, pool=lost)) as http:
        response = await http.post(
            "/oauth/token", data=GRANT, headers={"Authorization": basic_header("erp", server.secret)}
        )

    assert (response.status_code, response.json()) == (503, {"error": "temporarily_unavailable"})
