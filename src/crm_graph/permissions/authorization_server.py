"""The embedded authorization server, for machines: access tokens by client credentials (RFC 6749, section 4.4) with
Authlib's core, revocation (RFC 7009) and introspection (RFC 7662). It knows no HTTP framework.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg
from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    InvalidClientError,
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Error,
    OAuth2Request,
)
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.errors import Unauthenticated
from crm_graph.permissions.authentication import Principals
from crm_graph.permissions.client_authentication import Credentials, OAuthRequest, authenticated, credentials_of
from crm_graph.permissions.clients import AUTH_METHODS, GRANT_TYPE, RegisteredClient, could_be, load_client
from crm_graph.permissions.keys import KeyRing
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.rate_limits import RateLimit, TooManyWrong, WrongProofs
from crm_graph.permissions.revocations import TooManyRevoked, revoke
from crm_graph.permissions.store import utc_now
from crm_graph.permissions.tokens import TokenClaims, TokenTerms, issue_access_token

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
CHALLENGE = 'Basic realm="crm-graph", charset="UTF-8"'
SLOW_DOWN = "slow_down"
"""What the registry of OAuth errors has for a token endpoint that is asked too often (RFC 8628, section 3.5)."""
UNAVAILABLE = "temporarily_unavailable"
"""As at the authorization endpoint (RFC 6749, section 4.1.2.1); the status says it to who does not know the word."""
_DESCRIPTIONS = {"invalid_client": "The client is not known, or its proof is wrong."}


@dataclass(frozen=True, slots=True)
class OAuthResponse:
    """What an endpoint answers (RFC 6749, sections 5.1 and 5.2)."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Limits:
    """How often clients that have proved who they are may ask, each at each endpoint from each address; how often
    proofs may be wrong.
    """

    of_client: RateLimit
    wrong: WrongProofs

    @classmethod
    def of(cls, per_minute: int) -> "Limits":
        """The limits of a process, for so many requests of a client within a minute, right or wrong; 0 for none."""
        return cls(RateLimit(per_minute), WrongProofs.of(per_minute))


EndTokens = Callable[[Principal, int], Awaitable[None]]
"""Takes back, as a client, all tokens of its own of an epoch."""


@dataclass(frozen=True, slots=True)
class Authority:
    """What the endpoints work with. `pool` and `engine` must reach the primary: a replica may lag behind a suspension.
    `audiences` are what an assertion of a client may be for: the issuer, or the token endpoint. `end_tokens` is for
    clients that take back more than is kept one by one.
    """

    principals: Principals
    pool: "asyncpg.Pool[asyncpg.Record]"
    engine: AsyncEngine
    audiences: Sequence[str]
    limits: Limits
    clock: Callable[[], datetime] = field(default=utc_now)
    wait_s: float = 5.0
    end_tokens: EndTokens = field(kw_only=True)


class InvalidTargetError(OAuth2Error):  # type: ignore[misc]  # Authlib has no types
    """A token is asked for something that is not ours (RFC 8707, section 2)."""

    error = "invalid_target"
    description = "Tokens are for this server alone."


Endpoint = Callable[[Authority, OAuthRequest, RegisteredClient], Awaitable[OAuthResponse]]


async def answered(authority: Authority, endpoint: Endpoint, request: OAuthRequest, address: str) -> OAuthResponse:
    """What an endpoint answers to a client that has proved who it is, and what others are told."""
    try:
        shown = credentials_of(request)
        # Ids that no client can have are one.
        name = shown.client_id if could_be(shown.client_id) else ""
        async with authority.limits.wrong.proving(address, name, InvalidClientError):
            client = await _proved(authority, shown)
        wait = authority.limits.of_client.wait_s((endpoint.__name__, address, client.client_id))
        if wait:
            return _too_often(wait)
        return await endpoint(authority, request, client)
    except TooManyWrong as many:
        return _too_often(many.wait_s)
    except OAuth2Error as error:
        return refused(error)


async def _proved(authority: Authority, shown: Credentials) -> RegisteredClient:
    """The client that these are the credentials of. Raises InvalidClientError."""
    now = authority.clock()
    async with authority.pool.acquire(timeout=authority.wait_s) as connection:
        client = await load_client(connection, shown.client_id, now)
    return await authenticated(authority.engine, client, shown, authority.audiences, now=now)


async def token(authority: Authority, request: OAuthRequest, client: RegisteredClient) -> OAuthResponse:
    """An access token. The core is synchronous and runs in a thread."""
    if "grant_type" not in request.form:
        raise InvalidRequestError("The grant_type is missing.")
    principals = authority.principals
    if request.form.get("resource") not in (None, *_resources(principals.terms)):
        raise InvalidTargetError
    core = _Core(client, principals.terms, principals.keys, authority.clock())
    answer: OAuthResponse = await asyncio.to_thread(core.create_token_response, request)
    return answer


def _resources(terms: TokenTerms) -> tuple[str, ...]:
    """What a token may be asked for: our audience, and our address with what is asked there."""
    base = terms.issuer.rstrip("/")
    return terms.audience, base, f"{base}/", f"{base}/graphql"


async def revocation(authority: Authority, request: OAuthRequest, client: RegisteredClient) -> OAuthResponse:
    """Take a token of the client back; where more are taken back than are kept, all that it has. Whatever else the text
    is, a token of another client among it, is answered like one that is invalid: with success (RFC 7009, section 2.2).
    """
    claims = await _own_token(authority, request, client)
    if claims is not None and client.id is not None:
        try:
            await revoke(authority.engine, client.id, claims, now=authority.clock())
        except TooManyRevoked:
            with suppress(Unauthenticated):
                principal = await authority.principals.authenticate(request.form["token"])
                await authority.end_tokens(principal, claims.epoch)
        await authority.principals.refresh()
    return OAuthResponse(200, {}, NO_STORE)


async def introspection(authority: Authority, request: OAuthRequest, client: RegisteredClient) -> OAuthResponse:
    """What a token of the client is good for now; of any other text no more than that it is not active."""
    claims = await _own_token(authority, request, client)
    if claims is None:
        return OAuthResponse(200, {"active": False}, NO_STORE)
    terms = authority.principals.terms
    scope = " ".join(sorted((claims.scopes or frozenset()) & client.scopes))
    body = {
        "active": True,
        **({"scope": scope} if scope else {}),
        "client_id": client.client_id,
        "token_type": "Bearer",
        "exp": int(claims.ends_at),
        "iat": int(claims.issued_at),
        "sub": str(claims.subject),
        "aud": terms.audience,
        "iss": terms.issuer,
        "jti": claims.token_id,
    }
    return OAuthResponse(200, body, NO_STORE)


async def _own_token(authority: Authority, request: OAuthRequest, client: RegisteredClient) -> TokenClaims | None:
    text = request.form.get("token")
    if text is None:
        raise InvalidRequestError("The token is missing.")
    try:
        claims = await authority.principals.claims_of(text)
    except Unauthenticated:
        return None
    own = (client.client_id, client.user_id, client.token_epoch)
    return claims if (claims.client_id, claims.subject, claims.epoch) == own else None


def refused(error: OAuth2Error) -> OAuthResponse:
    """The response to a request that is refused; what it says is the same whatever lies behind."""
    body = {"error": error.error}
    description = _DESCRIPTIONS.get(error.error) or error.description
    if description:
        body["error_description"] = description
    headers = {**NO_STORE, "WWW-Authenticate": CHALLENGE} if error.status_code == 401 else NO_STORE
    return OAuthResponse(error.status_code, body, headers)


def invalid_request(description: str) -> OAuthResponse:
    """The response to a form that is malformed."""
    return refused(InvalidRequestError(description))


def _too_often(wait_s: int) -> OAuthResponse:
    body = {"error": SLOW_DOWN, "error_description": "There are too many requests."}
    return OAuthResponse(429, body, {**NO_STORE, "Retry-After": str(wait_s)})


class _Request(OAuth2Request):  # type: ignore[misc]  # Authlib has no types
    def __init__(self, request: OAuthRequest) -> None:
        # TLS ends in front of this process; Authlib would refuse the address that it sees behind the proxy.
        super().__init__("POST", "https://localhost/oauth/token", headers=dict(request.headers))
        self.payload = BasicOAuth2Payload(dict(request.form))

    @property
    def form(self) -> Mapping[str, str]:
        fields: Mapping[str, str] = self.payload.data
        return fields


class _ClientCredentials(ClientCredentialsGrant):  # type: ignore[misc]  # Authlib has no types
    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS

    def validate_token_request(self) -> None:
        super().validate_token_request()
        asked = frozenset((self.request.payload.scope or "").split())
        if not asked <= self.request.client.scopes:
            raise InvalidScopeError


class _Core(AuthorizationServer):  # type: ignore[misc]  # Authlib has no types
    """Authlib's server for one request, whose client has proved who it is."""

    def __init__(self, client: RegisteredClient, terms: TokenTerms, keys: KeyRing, now: datetime) -> None:
        super().__init__()
        self._client = client
        self._terms = terms
        self._keys = keys
        self._now = now
        self.register_grant(_ClientCredentials)
        self.register_token_generator(GRANT_TYPE, self._token)

    def authenticate_client(
        self, request: OAuth2Request, methods: Sequence[str], endpoint: str = "token"
    ) -> RegisteredClient:
        return self._client

    def save_token(self, token: Mapping[str, Any], request: OAuth2Request) -> None:
        """Tokens carry what they say and are not stored."""

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, request: OAuthRequest) -> _Request:
        return _Request(request)

    def handle_error_response(self, request: OAuth2Request, error: OAuth2Error) -> OAuthResponse:
        return refused(error)

    def handle_response(self, status: int, body: Mapping[str, Any], headers: Any) -> OAuthResponse:
        return OAuthResponse(status, body, NO_STORE)

    def _token(self, client: RegisteredClient, scope: str | None, **_: Any) -> dict[str, Any]:
        if client.user_id is None:
            raise InvalidRequestError
        allowed = client.get_allowed_scope(scope)
        token = issue_access_token(
            self._terms,
            self._keys,
            subject=client.user_id,
            client_id=client.client_id,
            scopes=allowed.split(),
            now=self._now,
            epoch=client.token_epoch,
        )
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": self._terms.lifetime_s}
        # A scope is at least one token (RFC 6749, section 3.3).
        return {**answer, "scope": allowed} if allowed else answer
