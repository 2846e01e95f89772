"""The embedded authorization server: Authlib's core, given our clients and our tokens. It gives machines access tokens
by client credentials (RFC 6749, section 4.4), and knows no HTTP framework.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from authlib.oauth2.rfc6749 import (
    AuthorizationServer,
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Error,
    OAuth2Request,
)
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6749.util import extract_basic_authorization

from crm_graph.permissions.clients import AUTH_METHODS, GRANT_TYPE, RegisteredClient, load_client
from crm_graph.permissions.keys import KeyRing
from crm_graph.permissions.store import Connection
from crm_graph.permissions.tokens import TokenTerms, issue_access_token

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
CHALLENGE = 'Basic realm="crm-graph", charset="UTF-8"'
_DESCRIPTIONS = {"invalid_client": "The client is not known, or its secret is wrong."}


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A form that came to the token endpoint: its fields, each once, and the Authorization header."""

    form: Mapping[str, str]
    authorization: str | None

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that take part in client authentication."""
        return {} if self.authorization is None else {"Authorization": self.authorization}


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """What the token endpoint answers (RFC 6749, sections 5.1 and 5.2)."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]


async def token_response(
    connection: Connection, terms: TokenTerms, keys: KeyRing, request: TokenRequest, *, now: datetime
) -> TokenResponse:
    """Answer a token request. The core is synchronous and runs in a thread; the client was looked up before."""
    if "grant_type" not in request.form:
        return invalid_request("The grant_type is missing.")
    try:
        client_id = _client_id(request)
    except (OAuth2Error, UnicodeDecodeError) as error:
        return refused(error if isinstance(error, OAuth2Error) else InvalidRequestError())
    client = await load_client(connection, client_id)
    return await asyncio.to_thread(_Core(client, terms, keys, now).create_token_response, request)


def refused(error: OAuth2Error) -> TokenResponse:
    """The response to a request that is refused; what it says is the same whatever lies behind."""
    body = {"error": error.error}
    description = _DESCRIPTIONS.get(error.error) or error.description
    if description:
        body["error_description"] = description
    headers = {**NO_STORE, "WWW-Authenticate": CHALLENGE} if error.status_code == 401 else NO_STORE
    return TokenResponse(error.status_code, body, headers)


def invalid_request(description: str) -> TokenResponse:
    """The response to a form that is malformed."""
    return refused(InvalidRequestError(description))


def _client_id(request: TokenRequest) -> str:
    """The client that the request names. One way to authenticate, not two (RFC 6749, section 2.3)."""
    basic, _ = extract_basic_authorization(request.headers)
    posted = request.form.get("client_id")
    if basic and ("client_secret" in request.form or (posted is not None and posted != basic)):
        raise InvalidRequestError("The client must authenticate in one way only.")
    return str(basic or posted or "")


class _Request(OAuth2Request):  # type: ignore[misc]  # Authlib has no types
    def __init__(self, request: TokenRequest) -> None:
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
    """Authlib's server for one request, whose client is known."""

    def __init__(self, client: RegisteredClient, terms: TokenTerms, keys: KeyRing, now: datetime) -> None:
        super().__init__()
        self._client = client
        self._terms = terms
        self._keys = keys
        self._now = now
        self.register_grant(_ClientCredentials)
        self.register_token_generator(GRANT_TYPE, self._token)

    def query_client(self, client_id: str) -> RegisteredClient:
        return self._client if client_id == self._client.client_id else RegisteredClient(client_id)

    def save_token(self, token: Mapping[str, Any], request: OAuth2Request) -> None:
        """Tokens carry what they say and are not stored."""

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, request: TokenRequest) -> _Request:
        return _Request(request)

    def handle_error_response(self, request: OAuth2Request, error: OAuth2Error) -> TokenResponse:
        return refused(error)

    def handle_response(self, status: int, body: Mapping[str, Any], headers: Any) -> TokenResponse:
        return TokenResponse(status, body, NO_STORE)

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
        )
        return {"access_token": token, "token_type": "Bearer", "expires_in": self._terms.lifetime_s, "scope": allowed}
