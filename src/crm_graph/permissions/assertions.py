"""Clients that prove who they are by a key of their own (`private_key_jwt`; RFC 7523, section 3, and RFC 8725).

Only the public keys in the client's row are ever asked. A key or an address in the assertion is refused, so a `kid` is
no more than a name among that client's keys.
"""

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.errors import Invalid
from crm_graph.permissions.tokens import LEEWAY_S

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ("ES256", "RS256", "Ed25519", "EdDSA")
"""The last two are one: RFC 9864 has a name for it that says the curve."""
MAX_ASSERTION_BYTES = 8_192
MAX_LIFETIME_S = 300
"""How far in the future an assertion may end: so long its `jti` is remembered."""
MAX_KEYS = 5
MAX_ID_LENGTH = 256
MAX_PART_LENGTH = 1_024

_HEADER = frozenset({"alg", "typ", "kid"})
_TYPES = frozenset({"jwt", "client-authentication+jwt"})
_KID = re.compile(r"[!-~]{1,128}")
_PARTS = {"EC": ("crv", "x", "y"), "RSA": ("n", "e"), "OKP": ("crv", "x")}
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

PublicKey = ECKey | RSAKey | OKPKey


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a verified assertion says of itself: its id, and when it ends."""

    token_id: str
    ends_at: datetime


def public_keys(jwks: Any) -> dict[str, Any]:
    """A JWK Set (RFC 7517, section 5) cut to what is needed to verify. Raises Invalid for anything but a few public
    keys that fit the algorithms, each with a `kid` of its own.
    """
    keys = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(keys, Sequence) or isinstance(keys, str) or not 1 <= len(keys) <= MAX_KEYS:
        raise Invalid("client_keys_invalid", path=("jwks",))
    kept = [_public_key(key, ("jwks", "keys", str(n))) for n, key in enumerate(keys)]
    if len({key["kid"] for key in kept}) < len(kept):
        raise Invalid("client_keys_invalid", path=("jwks", "keys"))
    return {"keys": kept}


def _public_key(jwk: Any, path: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(jwk, Mapping) or not _PRIVATE.isdisjoint(jwk):
        raise Invalid("client_keys_invalid", path=path)
    parts = {name: jwk.get(name) for name in ("kty", "kid", *_PARTS.get(str(jwk.get("kty")), ()))}
    if not all(isinstance(part, str) and len(part) <= MAX_PART_LENGTH for part in parts.values()) or not _KID.fullmatch(
        str(parts["kid"])
    ):
        raise Invalid("client_keys_invalid", path=path)
    try:
        _imported(parts)
    except (JoseError, ValueError, TypeError):
        raise Invalid("client_keys_invalid", path=path) from None
    return parts


def _imported(jwk: Mapping[str, Any]) -> tuple[Container[str], PublicKey]:
    """A public key and the names of its algorithm. Raises ValueError for one that is too weak, or too much work."""
    parts = dict(jwk)
    match parts["kty"], parts.get("crv"):
        case "EC", "P-256":
            return ("ES256",), ECKey.import_key(parts)
        case "OKP", "Ed25519":
            return ("Ed25519", "EdDSA"), OKPKey.import_key(parts)
        case "RSA", _:
            key = RSAKey.import_key(parts)
            numbers = key.public_key.public_numbers()
            if 2048 <= numbers.n.bit_length() <= 4096 and 2 < numbers.e < 1 << 32:
                return ("RS256",), key
    raise ValueError("not a key for any of the algorithms")


def claimed_client(assertion: str) -> str:
    """The client that an assertion says it is of, which nothing has proved yet; empty where it says none."""
    if len(assertion) > MAX_ASSERTION_BYTES or not assertion.isascii() or assertion.count(".") != 2:
        return ""
    try:
        claims = orjson.loads(urlsafe_b64decode(assertion.split(".")[1].encode()))
    except ValueError:
        return ""
    subject = claims.get("sub") if isinstance(claims, dict) else None
    return subject if isinstance(subject, str) else ""


def verified(
    assertion: str, client_id: str, jwks: Mapping[str, Any] | None, audiences: Sequence[str], *, now: datetime
) -> Assertion | None:
    """The assertion, if the client signed it for us and it holds now; whether it was used before is not asked. Without
    a key for it (an unknown client has none) as much is computed, with a key that nobody has.
    """
    try:
        header, claims, signed, signature = _read(assertion)
        algorithm = header["alg"]
        own = _named(header, jwks)
        fitting, key = _imported(_decoys()[algorithm] if own is None else own)
        if (
            algorithm not in fitting
            or not JWSRegistry.algorithms[algorithm].verify(signed, signature, key)
            or own is None
        ):
            return None
        _registry(client_id, int(now.timestamp())).validate(claims)
        return _accepted(claims, audiences, now)
    except (JoseError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def _read(assertion: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    if len(assertion) > MAX_ASSERTION_BYTES or not assertion.isascii():
        raise ValueError("not a compact JWS")
    head, body, signature = assertion.split(".")
    header, claims = (orjson.loads(urlsafe_b64decode(part.encode())) for part in (head, body))
    if not isinstance(header, dict) or not isinstance(claims, dict) or not header.keys() <= _HEADER:
        raise ValueError("not a header that we take")
    if str(header.get("typ", "JWT")).lower() not in _TYPES or header["alg"] not in ALGORITHMS:
        raise ValueError("not an assertion that we take")
    return header, claims, f"{head}.{body}".encode(), urlsafe_b64decode(signature.encode())


def _named(header: Mapping[str, Any], jwks: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The client's key that `kid` names, or its only one."""
    keys = jwks["keys"] if jwks else []
    if "kid" in header:
        return next((key for key in keys if key["kid"] == header["kid"]), None)
    return keys[0] if len(keys) == 1 else None


@cache
def _decoys() -> Mapping[str, Mapping[str, Any]]:
    """A key for each algorithm that nothing was ever signed with."""
    modulus = int.from_bytes(b"".join(sha256(bytes([n])).digest() for n in range(8))) | 1 << 2047 | 1
    return {
        "ES256": ECKey.generate_key("P-256").as_dict(private=False),
        "RS256": {"kty": "RSA", "n": urlsafe_b64encode(modulus.to_bytes(256)).decode(), "e": "AQAB"},
        **dict.fromkeys(("Ed25519", "EdDSA"), OKPKey.generate_key("Ed25519").as_dict(private=False)),
    }


def _registry(client_id: str, now: int) -> JWTClaimsRegistry:
    return JWTClaimsRegistry(
        now=now,
        leeway=LEEWAY_S,
        iss={"essential": True, "value": client_id},
        sub={"essential": True, "value": client_id},
        aud={"essential": True},
        exp={"essential": True},
        jti={"essential": True},
    )


def _accepted(claims: Mapping[str, Any], audiences: Sequence[str], now: datetime) -> Assertion | None:
    audience = claims["aud"]
    if isinstance(audience, list):
        # One that is for others too could be used by them.
        (audience,) = audience
    token_id, ends_at = claims["jti"], datetime.fromtimestamp(claims["exp"], UTC)
    if (
        audience not in audiences
        or not isinstance(token_id, str)
        or not 1 <= len(token_id) <= MAX_ID_LENGTH
        or ends_at > now + timedelta(seconds=MAX_LIFETIME_S + LEEWAY_S)
    ):
        return None
    return Assertion(token_id, ends_at)


async def use_once(engine: AsyncEngine, client: UUID, assertion: Assertion, *, now: datetime) -> bool:
    """Whether this is the first use of an assertion, in any process. What has ended is forgotten on the way; the limit
    of the endpoint bounds what is kept.
    """
    values = {
        "client": client,
        "digest": sha256(assertion.token_id.encode("utf-8", "surrogatepass")).digest(),
        "ends_at": assertion.ends_at + timedelta(seconds=LEEWAY_S),
        "now": now,
    }
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM used_assertions WHERE ends_at <= :now"), values)
        return (await connection.execute(_USE, values)).rowcount == 1


_USE = text(
    "INSERT INTO used_assertions (client_id, digest, ends_at) VALUES (:client, :digest, :ends_at)"
    " ON CONFLICT (client_id, digest) DO NOTHING"
)
