"""The OAuth edge: tokens for machines, the public keys, and the metadata that tells where they are (RFC 8414)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from ipaddress import IPv6Address, ip_address
from urllib.parse import parse_qsl, unquote, urlsplit

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crm_graph.catalog import Catalog
from crm_graph.db import DATABASE_FAILURES
from crm_graph.errors import Unavailable
from crm_graph.permissions.assertions import ALGORITHMS
from crm_graph.permissions.authorization_server import (
    NO_STORE,
    UNAVAILABLE,
    Authority,
    Endpoint,
    OAuthResponse,
    answered,
    introspection,
    invalid_request,
    revocation,
    token,
)
from crm_graph.permissions.client_authentication import OAuthRequest
from crm_graph.permissions.clients import AUTH_METHODS, GRANT_TYPE
from crm_graph.permissions.keys import JWKS_MAX_AGE_S
from crm_graph.permissions.store import scopes_of

TOKEN_PATH = "/oauth/token"  # noqa: S105 - an address
REVOCATION_PATH = "/oauth/revoke"
INTROSPECTION_PATH = "/oauth/introspect"
JWKS_PATH = "/.well-known/jwks.json"
METADATA_PATH = "/.well-known/oauth-authorization-server"

MAX_FORM_BYTES = 16_384
MAX_FORM_FIELDS = 20
FORM_TIMEOUT_S = 10.0
_FORM = "application/x-www-form-urlencoded"
_CACHED = {"Cache-Control": f"public, max-age={JWKS_MAX_AGE_S}"}
_NETWORK_BITS = 64
"""Of an IPv6 address, what one subscriber has."""


def routes(authority: Authority, catalog: Catalog) -> list[Route]:
    """The routes of the embedded authorization server."""
    principals = authority.principals

    async def jwks(_: Request) -> Response:
        # A process that has lost sight of the database may lack a key that is to sign: nobody is to keep that.
        headers = _CACHED if await principals.confirmed() else NO_STORE
        return JSONResponse(principals.keys.public(), headers=headers)

    async def metadata(_: Request) -> Response:
        return JSONResponse(server_metadata(principals.terms.issuer, catalog), headers=_CACHED)

    forms = {TOKEN_PATH: token, REVOCATION_PATH: revocation, INTROSPECTION_PATH: introspection}
    return [
        *(Route(path, _form_endpoint(authority, endpoint), methods=["POST"]) for path, endpoint in forms.items()),
        Route(JWKS_PATH, jwks, methods=["GET"]),
        *(Route(path, metadata, methods=["GET"]) for path in metadata_paths(principals.terms.issuer)),
    ]


def metadata_paths(issuer: str) -> Sequence[str]:
    """Where the metadata are asked for: an issuer with a path has its own after the well-known one (RFC 8414, section
    3.1), which its host sends here.
    """
    own = unquote(urlsplit(issuer).path.rstrip("/"))
    return (METADATA_PATH, METADATA_PATH + own) if own else (METADATA_PATH,)


def audiences(issuer: str) -> tuple[str, str]:
    """What an assertion may be for (RFC 7523, section 3): the issuer, or its token endpoint."""
    return issuer, issuer.rstrip("/") + TOKEN_PATH


def server_metadata(issuer: str, catalog: Catalog) -> Mapping[str, object]:
    """What this server can do (RFC 8414, section 2); it lists only what exists."""
    base = issuer.rstrip("/")
    endpoints = {"token": TOKEN_PATH, "revocation": REVOCATION_PATH, "introspection": INTROSPECTION_PATH}
    told: dict[str, object] = {}
    for name, path in endpoints.items():
        told[f"{name}_endpoint"] = base + path
        told[f"{name}_endpoint_auth_methods_supported"] = list(AUTH_METHODS)
        told[f"{name}_endpoint_auth_signing_alg_values_supported"] = list(ALGORITHMS)
    return {
        "issuer": issuer,
        **told,
        "jwks_uri": base + JWKS_PATH,
        "response_types_supported": [],
        "grant_types_supported": [GRANT_TYPE],
        "scopes_supported": sorted(scopes_of(catalog)),
    }


def _form_endpoint(authority: Authority, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    async def respond(request: Request) -> Response:
        read = await _oauth_request(request)
        if isinstance(read, OAuthResponse):
            return _json(read)
        try:
            return _json(await answered(authority, endpoint, read, address_of(request)))
        except (*DATABASE_FAILURES, SQLAlchemyError, Unavailable):
            return JSONResponse({"error": UNAVAILABLE}, 503, NO_STORE)

    return respond


def address_of(request: Request) -> str:
    """Whose requests are counted together: of an IPv6 address its network. What is no address is one."""
    try:
        address = ip_address(request.client.host.partition("%")[0] if request.client else "")
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        # On a socket for both, an IPv4 address is seen as one of IPv6.
        return str(address.ipv4_mapped or int(address) >> _NETWORK_BITS)
    return str(address)


def _json(response: OAuthResponse) -> Response:
    return JSONResponse(dict(response.body), response.status, dict(response.headers))


async def _oauth_request(request: Request) -> OAuthRequest | OAuthResponse:
    """The form of a request, or why it is refused. Each parameter may stand once (RFC 6749, section 3.2)."""
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
    return OAuthRequest({key: value for key, value in form.items() if value}, request.headers.get("authorization"))


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
