"""People with a token of an issuer: whether it holds (RFC 9068, section 4; RFC 8725), and whom it is about.

Only what the issuer's row and its own keys say counts: an address or a key in a token is not looked at, and a token of
an issuer that has no row is refused before anything is asked.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import orjson
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry
from joserfc.util import urlsafe_b64decode

from crm_graph.errors import Unauthenticated, Unavailable
from crm_graph.moments import is_zone
from crm_graph.permissions.issuer_documents import DocumentStore
from crm_graph.permissions.issuer_keys import FETCH_TIMEOUT_S, IssuerKeys
from crm_graph.permissions.issuers import IssuerRule
from crm_graph.permissions.tokens import MAX_TOKEN_BYTES, TOKEN_TYPES, TokenClaims

HOLDS_S = 300.0
"""How long a token is known before it is verified anew, with the keys that its issuer has then."""
MAX_SUBJECT = 255
MAX_KEY_ID = 256
MAX_CONNECTIONS = 10

_PLAIN_TYPES = frozenset({"", "jwt"})
_SCOPES = frozenset({"scope", "scp"})
_NO_ACCESS_TOKEN = frozenset({"nonce", "at_hash", "c_hash", "s_hash", "events"})
"""Claims of ID tokens, which say who signed in at a client and give nobody a right, and of logout tokens. Neither has a
scope.
"""
_LOCALE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}")
_MALFORMED = (JoseError, ValueError, TypeError, KeyError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a verified token is about. What it does not say is None; the issuer's map gives `roles` and `teams`."""

    issuer_id: UUID
    issuer_version: int
    origin: str
    subject: str
    issued_at: datetime
    roles: frozenset[str]
    teams: frozenset[str]
    username: str | None = None
    name: str | None = None
    email: str | None = None
    locale: str | None = None
    time_zone: str | None = None


@dataclass(frozen=True, slots=True)
class Admitted:
    """The user that a person is, and whether rows have changed for it."""

    user_id: UUID
    changed: bool


class IssuerChanged(Unavailable):
    """The token was read as an issuer was before: with another claim map, or while it was active."""

    template = "try_again"


Admit = Callable[[Person], Awaitable[Admitted]]
"""Makes users and their roles what a person's token says. Raises Unauthenticated for who may not come in, and
IssuerChanged.
"""


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A compact JWS, read and not verified."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes

    @classmethod
    def read(cls, text: str) -> "SignedToken":
        """The parts of a token. Raises one of several errors for what is none."""
        if len(text) > MAX_TOKEN_BYTES or not text.isascii():
            raise ValueError("not a compact JWS")
        head, body, signature = text.split(".")
        header, claims = (orjson.loads(urlsafe_b64decode(part.encode())) for part in (head, body))
        if not isinstance(header, dict) or not isinstance(claims, dict) or "crit" in header:
            raise ValueError("not a JWT that we take")
        return cls(header, claims, f"{head}.{body}".encode(), urlsafe_b64decode(signature.encode()))


def claimed_issuer(token: str) -> str:
    """What a token names as its issuer, which nothing has proved; empty where it names none."""
    if len(token) > MAX_TOKEN_BYTES or not token.isascii() or token.count(".") != 2:
        return ""
    try:
        claims = orjson.loads(urlsafe_b64decode(token.split(".")[1].encode()))
    except ValueError:
        return ""
    issuer = claims.get("iss") if isinstance(claims, dict) else None
    return issuer if isinstance(issuer, str) else ""


@dataclass
class People:
    """Tokens of issuers to users, for one process. `own` is the hub's issuer, which is never another's; `use` tells the
    issuers of the policy that holds; `store` keeps what they answered for other processes.
    """

    own: str
    admit: Admit
    monotonic: Callable[[], float] = time.monotonic
    store: DocumentStore | None = None
    _issuers: Mapping[str, IssuerRule] = field(default_factory=dict)
    _keys: dict[str, IssuerKeys] = field(default_factory=dict)
    _http: httpx.AsyncClient | None = None

    def use(self, issuers: Mapping[str, IssuerRule]) -> None:
        """Take tokens of these issuers from now on. Keys of those that were there before stay."""
        self._issuers = issuers

    async def stop(self) -> None:
        """Close what is open."""
        await asyncio.gather(*(keys.close() for keys in self._keys.values()))
        if self._http is not None:
            await self._http.aclose()

    def active(self, url: str) -> IssuerRule | None:
        """An issuer whose tokens are taken."""
        return self._issuers.get(url)

    @property
    def issuers(self) -> Sequence[IssuerRule]:
        """All of them, by name."""
        return sorted(self._issuers.values(), key=lambda issuer: (issuer.name, issuer.url))

    def issuer_of(self, token: str) -> IssuerRule | None:
        """The issuer that a token names, if it is one whose tokens are taken."""
        if not self._issuers:
            return None
        url = claimed_issuer(token)
        return None if url == self.own else self._issuers.get(url)

    async def admitted(self, issuer: IssuerRule, token: str, now: datetime) -> tuple[TokenClaims, Admitted]:
        """What a token says, once it is verified and its person is a user whose rows agree with it. Raises
        Unauthenticated, and Unavailable while there are no keys to verify it by.
        """
        signed = await self.verified(issuer, token)
        try:
            claims = access_claims(issuer, signed, now)
            person = person_of(issuer, claims)
        except _MALFORMED:
            raise Unauthenticated from None
        admitted = await self.admit(person)
        ends_at = min(float(claims["exp"]), now.timestamp() + HOLDS_S)
        issued_at = person.issued_at.timestamp()
        # Ours are told apart from it by the colon: no issuer can name a token that a client of ours took back.
        token_id = f"{issuer.id}:{claims.get('jti', '')}"
        identity = (issuer.id, person.subject)
        return TokenClaims(admitted.user_id, None, None, ends_at, issued_at, token_id, identity), admitted

    async def verified(self, issuer: IssuerRule, token: str) -> SignedToken:
        """The token, if the issuer signed it by an algorithm that it may use. Raises Unauthenticated, and Unavailable
        while there are no keys.
        """
        try:
            signed = SignedToken.read(token)
            algorithm, kid = signed.header["alg"], signed.header.get("kid")
            if algorithm not in issuer.algorithms or not (kid is None or _is_text(kid, MAX_KEY_ID)):
                raise ValueError("not signed as the issuer signs")
        except _MALFORMED:
            raise Unauthenticated from None
        found = await self.keys_of(issuer.url).find(kid, algorithm)
        if found is None or not _is_signed(signed, algorithm, found.key):
            raise Unauthenticated
        return signed

    def keys_of(self, url: str) -> IssuerKeys:
        """The keys of a configured issuer."""
        if url not in self._keys:
            self._keys[url] = IssuerKeys(url, self.http(), store=self.store, monotonic=self.monotonic)
        return self._keys[url]

    def http(self) -> httpx.AsyncClient:
        """What issuers are asked with."""
        if self._http is None:
            limits = httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=0)
            self._http = httpx.AsyncClient(timeout=FETCH_TIMEOUT_S, limits=limits)
        return self._http


def _is_signed(token: SignedToken, algorithm: str, key: Any) -> bool:
    try:
        return JWSRegistry.algorithms[algorithm].verify(token.signed, token.signature, key)
    except _MALFORMED:
        return False


def access_claims(issuer: IssuerRule, token: SignedToken, now: datetime) -> Mapping[str, Any]:
    """The claims, if they are of an access token for us that holds now. Raises JoseError or ValueError."""
    claims, type_ = token.claims, str(token.header.get("typ", "")).lower()
    is_plain = type_ in _PLAIN_TYPES and not _SCOPES.isdisjoint(claims) and _NO_ACCESS_TOKEN.isdisjoint(claims)
    if type_ not in TOKEN_TYPES and not (issuer.plain_tokens and is_plain):
        raise ValueError("not an access token")
    validated(issuer.url, list(issuer.audiences), claims, now=now, leeway_s=issuer.leeway_s)
    # RFC 9068 names the client `client_id`, OpenID Connect `azp`, where they stand both must be taken.
    clients = [claims[name] for name in ("client_id", "azp") if name in claims]
    if issuer.clients and (not clients or not all(isinstance(c, str) and c in issuer.clients for c in clients)):
        raise ValueError("a token of another client")
    return claims


def validated(url: str, audiences: list[str], claims: Mapping[str, Any], *, now: datetime, leeway_s: int) -> None:
    """Raise JoseError unless the claims are of this issuer, for one of the audiences, and hold now."""
    JWTClaimsRegistry(
        now=int(now.timestamp()),
        leeway=leeway_s,
        iss={"essential": True, "value": url},
        aud={"essential": True, "values": audiences},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
    ).validate(dict(claims))


def person_of(issuer: IssuerRule, claims: Mapping[str, Any]) -> Person:
    """Whom verified claims are about. Raises ValueError for a subject that nobody can have."""
    subject = claims["sub"]
    if not _is_text(subject, MAX_SUBJECT):
        raise ValueError("not a subject")
    roles, teams = issuer.given_by(claims)
    locale, zone = _told(claims, "locale"), _told(claims, "zoneinfo")
    return Person(
        issuer_id=issuer.id,
        issuer_version=issuer.version,
        origin=issuer.origin,
        subject=subject,
        issued_at=datetime.fromtimestamp(claims["iat"], UTC),
        roles=roles,
        teams=teams,
        username=_told(claims, "preferred_username"),
        name=_told(claims, "name"),
        email=_told(claims, "email") if claims.get("email_verified") is not False else None,
        locale=locale.replace("_", "-") if locale and _LOCALE.fullmatch(locale) else None,
        time_zone=zone if zone and is_zone(zone) else None,
    )


def _told(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    return value if isinstance(value, str) and value else None


def _is_text(value: Any, longest: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= longest and value.isprintable()
