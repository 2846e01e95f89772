"""Signing in at an issuer: OpenID Connect's authorization code flow with PKCE (OpenID Connect Core 1.0, section 3.1;
RFC 7636, RFC 9700), with the hub as the client.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from cryptography.fernet import InvalidToken
from joserfc.errors import JoseError

from crm_graph.errors import Unauthenticated
from crm_graph.permissions.issuer_keys import FETCH_FAILURES, endpoint, fetch_json
from crm_graph.permissions.issuers import IssuerRule
from crm_graph.permissions.people import Admitted, People, access_claims, person_of, validated
from crm_graph.replicas.seals import cipher

ATTEMPT_LIFETIME_S = 600
MAX_CODE = 4_096
_PURPOSE = b"crm-graph sign-in"
_TYPES = frozenset({"", "jwt"})

RandomText = Callable[[int], str]


class SignInRefused(Exception):
    """Nobody is signed in: the answer of the issuer is not one to what we asked, or not for this browser."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a browser keeps between leaving for an issuer and coming back."""

    issuer: str
    state: str
    nonce: str
    verifier: str

    def sealed(self, shared: Sequence[bytes], now: datetime) -> str:
        """As a cookie holds it: nobody but this hub makes one, and it ends."""
        seals = cipher(shared, _PURPOSE)
        if seals is None:
            raise RuntimeError("there is no signing key yet")
        return seals.encrypt_at_time(orjson.dumps(asdict(self)), int(now.timestamp())).decode("ascii")

    @classmethod
    def opened(cls, text: str, shared: Sequence[bytes], now: datetime) -> "Attempt":
        """Raises SignInRefused for what is not one of ours, or has ended."""
        seals = cipher(shared, _PURPOSE)
        try:
            if seals is None or not text:
                raise SignInRefused
            return cls(**orjson.loads(seals.decrypt_at_time(text.encode(), ATTEMPT_LIFETIME_S, int(now.timestamp()))))
        except (InvalidToken, ValueError, TypeError):
            raise SignInRefused from None

    def is_answered_by(self, told: Mapping[str, str]) -> bool:
        """Whether this browser asked for what it came back with, whoever made that up."""
        return hmac.compare_digest(told.get("state", "").encode(), self.state.encode())


async def begin(
    people: People, issuer: IssuerRule, redirect_uri: str, *, random_text: RandomText = secrets.token_urlsafe
) -> tuple[str, Attempt]:
    """Where the browser goes, and what it keeps. Raises Unavailable while the issuer cannot be asked, SignInRefused
    where it has no such address.
    """
    attempt = Attempt(issuer.url, random_text(24), random_text(24), random_text(48))
    query = {
        "response_type": "code",
        "client_id": issuer.sign_in_client or "",
        "redirect_uri": redirect_uri,
        "scope": issuer.sign_in_scope,
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": create_s256_code_challenge(attempt.verifier),
        "code_challenge_method": "S256",
    }
    address = _endpoint(await people.keys_of(issuer.url).metadata(), "authorization_endpoint", issuer)
    return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}", attempt


async def finish(
    people: People, attempt: Attempt, told: Mapping[str, str], redirect_uri: str, *, now: datetime
) -> tuple[IssuerRule, Admitted]:
    """The user who has signed in, from what the browser came back with. Raises SignInRefused, Unauthenticated for
    somebody who is not let in, Unavailable.
    """
    issuer = people.active(attempt.issuer)
    if issuer is None or issuer.sign_in_client is None or not attempt.is_answered_by(told):
        raise SignInRefused
    metadata = await people.keys_of(issuer.url).metadata()
    names_itself = metadata.get("authorization_response_iss_parameter_supported") is True
    # RFC 9207: an answer of one issuer is not to be taken for another's.
    if (
        told.get("iss", "" if names_itself else issuer.url) != issuer.url
        or not 0 < len(told.get("code", "")) <= MAX_CODE
    ):
        raise SignInRefused
    tokens = await _redeemed(
        people, issuer, metadata, code=told["code"], verifier=attempt.verifier, redirect_uri=redirect_uri
    )
    claims = await _id_claims(people, issuer, tokens, attempt, now)
    more = await _access_claims(people, issuer, tokens, now)
    if more.get("sub") == claims["sub"]:
        claims = {**claims, **more, "iat": claims["iat"]}
    try:
        person = person_of(issuer, claims)
    except (ValueError, TypeError, OverflowError):
        raise SignInRefused from None
    return issuer, await people.admit(person)


async def _redeemed(
    people: People,
    issuer: IssuerRule,
    metadata: Mapping[str, Any],
    *,
    code: str,
    verifier: str,
    redirect_uri: str,
) -> Mapping[str, Any]:
    """The tokens that a code is good for."""
    client, secret = issuer.sign_in_client or "", issuer.sign_in_secret
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "client_id": client,
        "code_verifier": verifier,
    }
    more: dict[str, Any] = {}
    if secret is not None:
        taken = metadata.get("token_endpoint_auth_methods_supported")
        if isinstance(taken, list) and "client_secret_basic" not in taken:
            form["client_secret"] = secret
        else:
            more["auth"] = (quote(client, safe=""), quote(secret, safe=""))
    try:
        tokens = await fetch_json(people.http(), _endpoint(metadata, "token_endpoint", issuer), form=form, **more)
    except FETCH_FAILURES:
        raise SignInRefused from None
    if not isinstance(tokens, dict):
        raise SignInRefused
    return tokens


async def _id_claims(
    people: People, issuer: IssuerRule, tokens: Mapping[str, Any], attempt: Attempt, now: datetime
) -> dict[str, Any]:
    """What the ID token says, if it is for us and of this attempt (section 3.1.3.7)."""
    client = issuer.sign_in_client or ""
    try:
        token = await people.verified(issuer, str(tokens.get("id_token", "")))
        claims = dict(token.claims)
        validated(issuer.url, [client], claims, now=now, leeway_s=issuer.leeway_s)
    except (JoseError, ValueError, TypeError, OverflowError, Unauthenticated):
        raise SignInRefused from None
    is_shared = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if (
        str(token.header.get("typ", "")).lower() not in _TYPES
        or claims.get("nonce") != attempt.nonce
        or claims.get("azp", "" if is_shared else client) != client
    ):
        raise SignInRefused
    return claims


async def _access_claims(
    people: People, issuer: IssuerRule, tokens: Mapping[str, Any], now: datetime
) -> Mapping[str, Any]:
    """What the access token says, where it is one for us: some issuers tell roles in it alone."""
    try:
        token = await people.verified(issuer, str(tokens.get("access_token", "")))
        return access_claims(issuer, token, now)
    except (JoseError, ValueError, TypeError, KeyError, OverflowError, Unauthenticated):
        return {}


def _endpoint(metadata: Mapping[str, Any], name: str, issuer: IssuerRule) -> str:
    try:
        return endpoint(metadata, name, issuer.url)
    except FETCH_FAILURES:
        raise SignInRefused from None
