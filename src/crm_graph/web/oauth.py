"""The OAuth edge: the token endpoint, the public keys, and the metadata that tells where they are (RFC 8414)."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import parse_qsl

import asyncpg
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crm_graph.catalog import Catalog
from crm_graph.db import DATABASE_FAILURES
from crm_graph.permissions.authorization_server import (
    NO_STORE,
    TokenRequest,
    TokenResponse,
    invalid_request,
    token_response,
)
from crm_graph.permissions.clients import AUTH_METHODS, GRANT_TYPE
from crm_graph.permissions.principals import Principals
from crm_graph.permissions.store import scopes_of, utc_now

TOKEN_PATH = "/oauth/token"  # noqa: S105 - an address
JWKS_PATH = "/.well-known/jwks.json"
METADATA_PATH = "/.well-known/oauth-authorization-server"

MAX_FORM_BYTES = 16_384
MAX_FORM_FIELDS = 20
FORM_TIMEOUT_S = 10.0
POOL_TIMEOUT_S = 5.0
_FORM = "application/x-www-form-urlencoded"
_CACHED = {"Cache-Control": "public, max-age=300"}


def routes(
    principals: Principals,
    pool: "asyncpg.Pool[asyncpg.Record]",
    catalog: Catalog,
    *,
    clock: Callable[[], datetime] = utc_now,
) -> list[Route]:
    """The routes of the embedded authorization server. `pool` must reach the primary: a replica may lag behind a
    suspension.
    """

    async def token(request: Request) -> Response:
        read = await _token_request(request)
        if isinstance(read, TokenResponse):
            return _json(read)
        try:
            async with pool.acquire(timeout=POOL_TIMEOUT_S) as connection:
                return _json(await token_response(connection, principals.terms, principals.keys, read, now=clock()))
        except DATABASE_FAILURES:
            return JSONResponse({"error": "temporarily_unavailable"}, 503, NO_STORE)

    async def jwks(_: Request) -> Response:
        return JSONResponse(principals.keys.public(), headers=_CACHED)

    async def metadata(_: Request) -> Response:
        return JSONResponse(server_metadata(principals.terms.issuer, catalog), headers=_CACHED)

    return [
        Route(TOKEN_PATH, token, methods=["POST"]),
        Route(JWKS_PATH, jwks, methods=["GET"]),
        Route(METADATA_PATH, metadata, methods=["GET"]),
    ]


def server_metadata(issuer: str, catalog: Catalog) -> Mapping[str, object]:
    """What this server can do (RFC 8414, section 2); it lists only what exists."""
    base = issuer.rstrip("/")
    return {
        "issuer": issuer,
        "token_endpoint": base + TOKEN_PATH,
        "jwks_uri": base + JWKS_PATH,
        "response_types_supported": [],
        "grant_types_supported": [GRANT_TYPE],
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "scopes_supported": sorted(scopes_of(catalog)),
    }


def _json(response: TokenResponse) -> Response:
    return JSONResponse(dict(response.body), response.status, dict(response.headers))


async def _token_request(request: Request) -> TokenRequest | TokenResponse:
    """The form of a token request, or why it is refused. Each parameter may stand once (RFC 6749, section 3.2)."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        return invalid_request(f"The body must be {_FORM}.")
    body = await _bounded_body(request)
    if body is None:
        return invalid_request("The body is too large or did not arrive.")
    try:
        fields = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS, errors="strict"
        )
    except ValueError:
        return invalid_request("The body is malformed.")
    form = dict(fields)
    if len(form) != len(fields):
        return invalid_request("A parameter stands more than once.")
    return TokenRequest({key: value for key, value in form.items() if value}, request.headers.get("authorization"))


async def _bounded_body(request: Request) -> bytes | None:
    body = bytearray()
    try:
        async with asyncio.timeout(FORM_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_FORM_BYTES:
                    return None
    except (TimeoutError, ClientDisconnect):
        return None
    return bytes(body)
