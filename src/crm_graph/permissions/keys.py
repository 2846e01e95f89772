"""The keys that sign access tokens: ES256 (RFC 7518, section 3.4), kept as rows, rotated without dropping a token.

The newest key that is not retired signs. A retired one stays in the JWKS until the last token that it may have signed
has ended, with a margin for processes that had not heard of the rotation yet.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import orjson
from joserfc.jwk import ECKey
from sqlalchemy import delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from crm_graph.models import SigningKey
from crm_graph.permissions.store import Connection, raise_policy_version

ALGORITHM = "ES256"
RETIREMENT_MARGIN = timedelta(minutes=5)
"""How long past its last token a retired key still verifies: clock skew, and processes cut off from the database."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of a moment: `signing` signs (None before the first exists), `verifying` has all valid ones. `secrets`
    are their private parts, newest first: what every process of the hub knows, to derive other keys from.
    """

    signing: ECKey | None
    signing_kid: str
    verifying: Mapping[str, ECKey]
    secrets: tuple[bytes, ...] = field(default=(), repr=False)

    def public(self) -> dict[str, Any]:
        """The JWK Set (RFC 7517, section 5) that anyone may read: public parts alone."""
        return {
            "keys": [
                {**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": ALGORITHM}
                for kid, key in self.verifying.items()
            ]
        }


NO_KEYS = KeyRing(None, "", MappingProxyType({}))


async def load_keys(connection: Connection, *, now: datetime, token_lifetime_s: int) -> KeyRing:
    """The keys that sign and verify now."""
    records = await connection.fetch(
        "SELECT kid, jwk::text AS jwk, retired_at FROM signing_keys"
        " WHERE retired_at IS NULL OR retired_at > $1 ORDER BY created_at DESC, kid",
        _verifies_if_retired_after(now, token_lifetime_s),
    )
    jwks = {record["kid"]: orjson.loads(record["jwk"]) for record in records}
    keys = {kid: ECKey.import_key(jwk) for kid, jwk in jwks.items()}
    secrets_ = tuple(jwk["d"].encode("ascii") for jwk in jwks.values())
    active = next((record["kid"] for record in records if record["retired_at"] is None), "")
    return KeyRing(keys.get(active), active, MappingProxyType(keys), secrets_)


async def ensure_signing_key(session: AsyncSession, *, now: datetime) -> None:
    """Make the first key where there is none. The caller commits."""
    await _one_at_a_time(session)
    if await session.scalar(select(SigningKey.kid).where(SigningKey.retired_at.is_(None)).limit(1)) is None:
        await _add_key(session, now, secrets.token_urlsafe)
        await raise_policy_version(session)


async def rotate_keys(
    session: AsyncSession,
    *,
    now: datetime,
    token_lifetime_s: int,
    new_kid: Callable[[int], str] = secrets.token_urlsafe,
) -> str:
    """Let a new key sign from now on, and give its kid. The old ones verify until their last token has ended; those
    whose time is over are deleted. The caller commits.
    """
    await _one_at_a_time(session)
    await session.execute(update(SigningKey).where(SigningKey.retired_at.is_(None)).values(retired_at=now))
    ended = _verifies_if_retired_after(now, token_lifetime_s)
    await session.execute(delete(SigningKey).where(SigningKey.retired_at <= ended))
    kid = await _add_key(session, now, new_kid)
    await raise_policy_version(session)
    return kid


def _verifies_if_retired_after(now: datetime, token_lifetime_s: int) -> datetime:
    return now - timedelta(seconds=token_lifetime_s) - RETIREMENT_MARGIN


async def _one_at_a_time(session: AsyncSession) -> None:
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtext('crm_graph.signing_keys'))"))


async def _add_key(session: AsyncSession, now: datetime, new_kid: Callable[[int], str]) -> str:
    kid = new_kid(12)
    jwk = ECKey.generate_key("P-256").as_dict(private=True)
    session.add(SigningKey(kid=kid, jwk=jwk, created_at=now))
    await session.flush()
    return kid
