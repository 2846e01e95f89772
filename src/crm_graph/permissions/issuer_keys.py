"""The public keys of issuers, from where their discovery documents say (OpenID Connect Discovery 1.0): kept while the
issuer is down, in the database too for processes that start then, fetched anew when it rotates them. Only addresses of
configured issuers are ever asked.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from crm_graph.errors import Unavailable
from crm_graph.permissions.issuer_documents import DocumentStore

log = structlog.get_logger(__name__)

FETCH_TIMEOUT_S = 5.0
MAX_DOCUMENT_BYTES = 256 * 1024
MAX_KEYS = 100
RENEW_AFTER_S = 600.0
"""How old keys may be before they are fetched again, beside the requests that use them."""
KEPT_S = 24 * 3600.0
"""How old keys may be at all, when the issuer has been down all the time."""
TRY_EVERY_S = 10.0
"""How often, at most, an issuer is asked, whatever key ids tokens name."""

_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519"}
_PARTS = {"EC": ("kty", "crv", "x", "y"), "RSA": ("kty", "n", "e"), "OKP": ("kty", "crv", "x")}
_KINDS: Mapping[str, type[ECKey] | type[RSAKey] | type[OKPKey]] = {"EC": ECKey, "RSA": RSAKey, "OKP": OKPKey}
_MAX_TEXT = 2_048
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

PublicKey = ECKey | RSAKey | OKPKey


class UnfitAnswer(RuntimeError):
    """An issuer was reached, and what it answered cannot be used."""


FETCH_FAILURES = (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError, UnfitAnswer)


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A public key of an issuer, its id, and the one algorithm that it names, where it names one."""

    key: PublicKey
    kid: str | None
    algorithm: str | None

    def fits(self, algorithm: str) -> bool:
        """Whether the algorithm is one for such a key."""
        if self.algorithm not in (None, algorithm):
            return False
        if isinstance(self.key, RSAKey):
            return algorithm[:2] in {"RS", "PS"}
        return self.key.curve_name == _CURVES.get(algorithm)


class IssuerKeys:
    """The keys of one issuer, for one process. One fetch at a time; those who wait for it share what it brings."""

    def __init__(
        self,
        issuer: str,
        http: httpx.AsyncClient,
        *,
        store: DocumentStore | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._http = http
        self._store = store
        self._monotonic = monotonic
        self._recalled = store is None
        self._keys: tuple[IssuerKey, ...] = ()
        self._metadata: Mapping[str, Any] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._fetching = asyncio.Lock()
        self._renewal: asyncio.Task[None] | None = None
        self.fetches = 0

    async def find(self, kid: str | None, algorithm: str) -> IssuerKey | None:
        """The key of that id, or the only one that fits where there is no id. Raises Unavailable before the first keys
        came, and when the last ones are too old.
        """
        await self._ensure()
        found = self._named(kid, algorithm)
        if found is None:
            await self._renew()
            found = self._named(kid, algorithm)
        return found

    async def metadata(self) -> Mapping[str, Any]:
        """The discovery document, of when the keys were fetched. Raises Unavailable as `find` does."""
        await self._ensure()
        return self._metadata

    async def _ensure(self) -> None:
        if not self._recalled:
            await self._recall()
        age = self._monotonic() - self._fetched_at
        if age > KEPT_S:
            await self._renew()
            if self._monotonic() - self._fetched_at > KEPT_S:
                raise Unavailable
        elif age > RENEW_AFTER_S and (self._renewal is None or self._renewal.done()):
            self._renewal = asyncio.create_task(self._renew(), name=f"keys of {self._issuer}")

    async def close(self) -> None:
        """End a fetch that is running beside requests."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)

    def _named(self, kid: str | None, algorithm: str) -> IssuerKey | None:
        fitting = [key for key in self._keys if key.fits(algorithm) and kid in (None, key.kid)]
        return fitting[0] if len(fitting) == 1 else None

    async def _recall(self) -> None:
        """Begin with what another process was answered. What is older than it should be is used if the issuer does not
        answer now.
        """
        async with self._fetching:
            if self._recalled or self._store is None:
                return
            last = await self._store.last(self._issuer)
            self._recalled = True
            if last is None or last.age_s > KEPT_S:
                return
            try:
                self._keys = public_keys(last.jwks)
            except UnfitAnswer as unfit:
                log.warning("issuer_documents_unfit", issuer=self._issuer, cause=repr(unfit))
                return
            self._metadata, self._fetched_at = last.discovery, self._monotonic() - last.age_s
        if last.age_s > RENEW_AFTER_S:
            await self._renew()

    async def _renew(self) -> None:
        async with self._fetching:
            if self._monotonic() - self._tried_at < TRY_EVERY_S:
                return
            self._tried_at = self._monotonic()
            self.fetches += 1
            try:
                metadata = await discover(self._http, self._issuer)
                jwks = await fetch_json(self._http, endpoint(metadata, "jwks_uri", self._issuer))
                keys = public_keys(jwks)
            except FETCH_FAILURES as failure:
                log.warning("issuer_keys_not_fetched", issuer=self._issuer, cause=repr(failure))
                return
            self._keys, self._metadata, self._fetched_at = keys, metadata, self._monotonic()
            self._recalled = True
            log.info("issuer_keys_fetched", issuer=self._issuer, keys=len(self._keys))
            if self._store is not None:
                await self._store.keep(self._issuer, metadata, jwks)


async def discover(http: httpx.AsyncClient, issuer: str) -> Mapping[str, Any]:
    """What an issuer says of itself. Raises UnfitAnswer unless it names itself to the letter (section 4.3), and what
    `fetch_json` raises.
    """
    metadata = await fetch_json(http, issuer.rstrip("/") + "/.well-known/openid-configuration")
    if not isinstance(metadata, dict) or metadata.get("issuer") != issuer:
        raise UnfitAnswer("the discovery document names another issuer")
    return metadata


def endpoint(metadata: Mapping[str, Any], name: str, issuer: str) -> str:
    """An address of a discovery document. Raises UnfitAnswer for one that is missing, or less safe than the issuer."""
    address = metadata.get(name)
    if not isinstance(address, str) or not is_safe(address) or (is_https(issuer) and not is_https(address)):
        raise UnfitAnswer(f"the discovery document has no {name} that can be used")
    return address


def is_https(address: str) -> bool:
    return address.startswith("https://")


def is_safe(address: str) -> bool:
    """Whether keys may come from there: by https, or from this machine."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment or not address.isprintable() or " " in address:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)


async def fetch_json(
    http: httpx.AsyncClient, address: str, *, form: Mapping[str, str] | None = None, **more: Any
) -> Any:
    """A JSON document by GET, or what a form is answered with; redirects are not followed. Raises one of
    FETCH_FAILURES.
    """
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    method = "GET" if form is None else "POST"
    async with (
        asyncio.timeout(FETCH_TIMEOUT_S),
        http.stream(method, address, headers=headers, data=form, follow_redirects=False, **more) as response,
    ):
        if response.status_code != 200 or "content-encoding" in response.headers:
            raise UnfitAnswer(f"{address} answered with {response.status_code}")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > MAX_DOCUMENT_BYTES:
                raise UnfitAnswer(f"{address} answered with too much")
    try:
        return orjson.loads(body)
    except ValueError:
        raise UnfitAnswer(f"{address} did not answer with JSON") from None


def public_keys(jwks: Any) -> tuple[IssuerKey, ...]:
    """The keys of a JWK Set (RFC 7517) that can verify; others are left out, as section 5 has it. Raises UnfitAnswer
    for what is no such set, or has no such key.
    """
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list):
        raise UnfitAnswer("not a JWK Set")
    found = tuple(key for key in map(_public_key, keys[:MAX_KEYS]) if key is not None)
    if not found:
        raise UnfitAnswer("a JWK Set without a key that verifies")
    return found


def _public_key(jwk: Any) -> IssuerKey | None:
    if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig" or jwk.get("kty") not in _PARTS:
        return None
    parts: Any = {name: jwk.get(name) for name in _PARTS[jwk["kty"]]}
    kid, algorithm = jwk.get("kid"), jwk.get("alg")
    told = (*parts.values(), kid or "", algorithm or "")
    if not all(isinstance(text, str) and len(text) <= _MAX_TEXT for text in told):
        return None
    try:
        key = _KINDS[jwk["kty"]].import_key(parts)
        if isinstance(key, RSAKey) and not _is_strong(key):
            return None
    except (JoseError, ValueError, TypeError):
        return None
    return IssuerKey(key, kid, algorithm)


def _is_strong(key: RSAKey) -> bool:
    """Neither too weak, nor too much work."""
    numbers = key.public_key.public_numbers()
    return 2048 <= numbers.n.bit_length() <= 8192 and 2 < numbers.e < 1 << 32
