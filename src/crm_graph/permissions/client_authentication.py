"""How a client proves who it is at any endpoint: by its secret in one of two places, or by an assertion that it signed.

An unknown client, a suspended one and a wrong proof are told alike, after the same work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError
from authlib.oauth2.rfc6749.util import extract_basic_authorization
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.permissions.assertions import ASSERTION_TYPE, claimed_client, use_once, verified
from crm_graph.permissions.clients import RegisteredClient

_TWO_WAYS = "The client must authenticate in one way only."


@dataclass(frozen=True, slots=True)
class OAuthRequest:
    """A form that came to an endpoint: its fields, each once, and the Authorization header."""

    form: Mapping[str, str]
    authorization: str | None

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that take part in client authentication."""
        return {} if self.authorization is None else {"Authorization": self.authorization}


@dataclass(frozen=True, slots=True)
class Credentials:
    """Which client a request names, and what it shows for it."""

    client_id: str
    secret: str = ""
    assertion: str | None = None


def credentials_of(request: OAuthRequest) -> Credentials:
    """One way to authenticate, not two (RFC 6749, section 2.3). Raises InvalidRequestError."""
    form = request.form
    try:
        basic, secret = extract_basic_authorization(request.headers)
    except UnicodeDecodeError:
        raise InvalidRequestError from None
    posted = form.get("client_id")
    ways = (bool(basic), "client_secret" in form, "client_assertion" in form or "client_assertion_type" in form)
    if sum(ways) > 1 or (basic and posted is not None and posted != basic):
        raise InvalidRequestError(_TWO_WAYS)
    if ways[2]:
        return _asserted(form, posted)
    if basic:
        return Credentials(str(basic), str(secret or ""))
    return Credentials(posted or "", form.get("client_secret", ""))


def _asserted(form: Mapping[str, str], posted: str | None) -> Credentials:
    assertion = form.get("client_assertion", "")
    if form.get("client_assertion_type") != ASSERTION_TYPE or not assertion:
        raise InvalidRequestError(f"The client_assertion_type must be {ASSERTION_TYPE}, with a client_assertion.")
    return Credentials(claimed_client(assertion) if posted is None else posted, assertion=assertion)


async def authenticated(
    engine: AsyncEngine, client: RegisteredClient, shown: Credentials, audiences: Sequence[str], *, now: datetime
) -> RegisteredClient:
    """The client that was looked up, once it is proved. Raises InvalidClientError."""
    if shown.assertion is None:
        proved = client.check_client_secret(shown.secret)
    else:
        assertion = verified(shown.assertion, client.client_id, client.jwks, audiences, now=now)
        proved = (
            assertion is not None and client.id is not None and await use_once(engine, client.id, assertion, now=now)
        )
    if not proved or client.user_id is None:
        raise InvalidClientError(status_code=401)
    return client
