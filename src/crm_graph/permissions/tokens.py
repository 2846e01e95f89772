"""Access tokens: JWTs after RFC 9068, signed and verified here and nowhere else. A token that is not valid is refused
with one and the same error, whatever is wrong with it.
"""

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry
from joserfc.util import urlsafe_b64decode

from crm_graph.errors import Unauthenticated
from crm_graph.permissions.keys import ALGORITHM, KeyRing
from crm_graph.settings import Settings

FIRST_PARTY = "crm-graph"
"""The `client_id` of tokens that the hub itself gives to its users; no client can be registered under it."""

TOKEN_TYPES = frozenset({"at+jwt", "application/at+jwt"})
MAX_TOKEN_BYTES = 8_192
LEEWAY_S = 5
"""How far the clocks of issuer and reader may be apart."""


class UnknownKey(Unauthenticated):
    """The token names a key that this process does not hold, perhaps because it is newer than what was loaded."""


@dataclass(frozen=True, slots=True)
class TokenTerms:
    """What tokens are issued under and checked against."""

    issuer: str
    audience: str
    lifetime_s: int

    @classmethod
    def of(cls, settings: Settings) -> "TokenTerms":
        """The terms of an installation."""
        return cls(settings.token_issuer, settings.audience, settings.token_lifetime_s)


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What a verified token says: the user, the client (None for the hub's own tokens), its scopes (None: not limited
    by any), when it ends and was issued, in seconds since 1970, and its own id; one of people's own issuers, whom it
    means: the id of the issuer's row, and the subject; one of the hub's own, of which epoch of its client's or user's
    tokens it is, and the key.
    """

    subject: UUID
    client_id: str | None
    scopes: frozenset[str] | None
    ends_at: float
    issued_at: float
    token_id: str
    identity: tuple[UUID, str] | None = None
    epoch: int = 0
    kid: str | None = None


def issue_access_token(
    terms: TokenTerms,
    keys: KeyRing,
    *,
    subject: UUID,
    client_id: str,
    scopes: Collection[str],
    now: datetime,
    epoch: int = 0,
    lifetime_s: int | None = None,
    new_token_id: Callable[[int], str] = secrets.token_urlsafe,
) -> str:
    """A signed access token for a user, on behalf of a client. Raises RuntimeError before the first key exists."""
    keys = keys.at(now)
    if keys.signing is None:
        raise RuntimeError("there is no signing key yet")
    issued_at = int(now.timestamp())
    claims: dict[str, Any] = {
        "iss": terms.issuer,
        "aud": terms.audience,
        "sub": str(subject),
        "client_id": client_id,
        "iat": issued_at,
        "exp": issued_at + (terms.lifetime_s if lifetime_s is None else lifetime_s),
        "jti": new_token_id(16),
    }
    if client_id != FIRST_PARTY and scopes:
        claims["scope"] = " ".join(sorted(scopes))
    if epoch:
        claims["epoch"] = epoch
    header = {"alg": ALGORITHM, "typ": "at+jwt", "kid": keys.signing_kid}
    return jwt.encode(header, claims, keys.signing, algorithms=[ALGORITHM])


def issue_user_token(terms: TokenTerms, keys: KeyRing, user_id: UUID, *, now: datetime, epoch: int = 0) -> str:
    """A token of the hub's own for one of its users: the demo's, and those that the command line prints."""
    return issue_access_token(terms, keys, subject=user_id, client_id=FIRST_PARTY, scopes=(), now=now, epoch=epoch)


def verify_access_token(terms: TokenTerms, keys: KeyRing, token: str, *, now: datetime) -> TokenClaims:
    """What a token says, if it is one of ours and valid at this moment (RFC 9068, section 4). Raises UnknownKey for a
    kid that the ring does not hold and Unauthenticated for everything else that is wrong.
    """
    try:
        return _claims(*_verified(terms, keys.at(now), token, now))
    except (JoseError, ValueError, TypeError, OverflowError, RecursionError):
        raise Unauthenticated from None


def _verified(terms: TokenTerms, keys: KeyRing, token: str, now: datetime) -> tuple[str, dict[str, Any]]:
    if len(token) > MAX_TOKEN_BYTES or not token.isascii() or token.count(".") != 2:
        raise ValueError("not a compact JWS")
    header = orjson.loads(urlsafe_b64decode(token.partition(".")[0].encode()))
    # Ours have these three parameters and no other: no key or address of one in the header, no critical extension.
    if not isinstance(header, dict) or header.keys() != {"alg", "typ", "kid"}:
        raise ValueError("not a header of ours")
    if header["alg"] != ALGORITHM or str(header["typ"]).lower() not in TOKEN_TYPES:
        raise ValueError("not an access token")
    kid = header["kid"]
    if not isinstance(kid, str):
        raise TypeError("not a key id")
    key = keys.verifying.get(kid)
    if key is None:
        raise UnknownKey
    decoded = jwt.decode(token, key, algorithms=[ALGORITHM], registry=JWSRegistry(algorithms=[ALGORITHM]))
    _registry(terms, int(now.timestamp())).validate(decoded.claims)
    return kid, decoded.claims


def _registry(terms: TokenTerms, now: int) -> JWTClaimsRegistry:
    return JWTClaimsRegistry(
        now=now,
        leeway=LEEWAY_S,
        iss={"essential": True, "value": terms.issuer},
        aud={"essential": True, "value": terms.audience},
        sub={"essential": True},
        client_id={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
        jti={"essential": True},
    )


def _claims(kid: str, claims: dict[str, Any]) -> TokenClaims:
    client_id, scope, token_id, epoch = claims["client_id"], claims.get("scope"), claims["jti"], claims.get("epoch", 0)
    if not isinstance(client_id, str) or not isinstance(scope, str | None) or not isinstance(token_id, str):
        raise TypeError("claims of another type")
    if not isinstance(epoch, int):
        raise TypeError("an epoch of another type")
    of_client = client_id != FIRST_PARTY
    return TokenClaims(
        subject=UUID(claims["sub"]),
        client_id=client_id if of_client else None,
        scopes=frozenset((scope or "").split()) if of_client else None,
        ends_at=float(claims["exp"]),
        issued_at=float(claims["iat"]),
        token_id=token_id,
        epoch=epoch,
        kid=kid,
    )
