"""The keys that sign access tokens: ES256 (RFC 7518, section 3.4), kept as rows, rotated without dropping a token.

A new key is published before it signs, for longer than anybody may keep the JWKS. One that it follows is retired then,
and verifies until the last token that it may have signed has ended, with a margin for processes that had not heard of
the rotation yet. A key that leaked is dropped: it verifies nothing from that moment on.
"""

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import asyncpg
import orjson
from joserfc.jwk import ECKey
from sqlalchemy import or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from crm_graph.models import SigningKey
from crm_graph.permissions.store import POLICY_CHANNEL, Connection, raise_policy_version

ALGORITHM = "ES256"
JWKS_MAX_AGE_S = 300
"""How long anybody may keep the published keys."""
PUBLISHED_BEFORE = timedelta(seconds=2 * JWKS_MAX_AGE_S)
"""How long a new key is published before it signs: as the JWKS may be kept, and again for clocks that differ."""
RETIREMENT_MARGIN = timedelta(minutes=5)
"""How long past its last token a retired key still verifies: clock skew, and processes cut off from the database."""
DROPPED_ARE_TOLD_FOR = timedelta(days=30)
"""How long the names of dropped keys are kept: what goes on by a token of such a key ends."""

_BEGINNING = datetime.min.replace(tzinfo=UTC)
_NEVER = datetime.max.replace(tzinfo=UTC)


class NoSuchKey(LookupError):
    """There is no such key that verifies."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as its row says: it signs from `signs_from` until `retired_at`, and verifies until `ends_at`."""

    kid: str
    jwk: Mapping[str, Any] = field(repr=False)
    key: ECKey
    signs_from: datetime
    retired_at: datetime
    ends_at: datetime

    @classmethod
    def of(cls, record: asyncpg.Record) -> "StoredKey":
        """The key of a row."""
        jwk, retired_at = orjson.loads(record["jwk"]), record["retired_at"]
        longest = timedelta(seconds=record["token_lifetime_s"]) + RETIREMENT_MARGIN
        ends_at = _NEVER if retired_at is None else retired_at + longest
        return cls(record["kid"], jwk, ECKey.import_key(jwk), record["signs_from"], retired_at or _NEVER, ends_at)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of a moment: `signing` signs (None before the first exists), `verifying` has all valid ones. `secrets`
    are their private parts, that of the signing one first: what every process of the hub knows, to derive other keys
    from. `dropped` names the keys that leaked. All of it holds from `since` to before `until`; `at` tells of others.
    """

    signing: ECKey | None
    signing_kid: str
    verifying: Mapping[str, ECKey]
    secrets: tuple[bytes, ...] = field(default=(), repr=False)
    dropped: frozenset[str] = frozenset()
    since: datetime = _BEGINNING
    until: datetime = _NEVER
    stored: tuple[StoredKey, ...] = field(default=(), repr=False, compare=False)

    def at(self, now: datetime) -> "KeyRing":
        """The ring as it is at another moment, by the same rows."""
        return self if self.since <= now < self.until else _ring(self.stored, self.dropped, now)

    def public(self) -> dict[str, Any]:
        """The JWK Set (RFC 7517, section 5) that anyone may read: public parts alone."""
        return {
            "keys": [
                {**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": ALGORITHM}
                for kid, key in self.verifying.items()
            ]
        }


NO_KEYS = KeyRing(None, "", MappingProxyType({}))


def _ring(stored: tuple[StoredKey, ...], dropped: frozenset[str], now: datetime) -> KeyRing:
    valid = [key for key in stored if now < key.ends_at]
    active = [key for key in valid if now < key.retired_at]
    begun = [key for key in active if key.signs_from <= now]
    # A clock that is behind signs with the first key that there is, though that has not begun by it.
    signing = max(begun, key=_signs_from) if begun else min(active, key=_signs_from, default=None)
    first = sorted(valid, key=lambda key: key is not signing)
    moments = [moment for key in stored for moment in (key.signs_from, key.retired_at, key.ends_at)]
    return KeyRing(
        signing=signing.key if signing else None,
        signing_kid=signing.kid if signing else "",
        verifying=MappingProxyType({key.kid: key.key for key in valid}),
        secrets=tuple(key.jwk["d"].encode("ascii") for key in first),
        dropped=dropped,
        since=max((moment for moment in moments if moment <= now), default=_BEGINNING),
        until=min((moment for moment in moments if moment > now), default=_NEVER),
        stored=stored,
    )


def _signs_from(key: StoredKey) -> datetime:
    return key.signs_from


async def load_keys(connection: Connection, *, now: datetime, token_lifetime_s: int) -> KeyRing:
    """The keys that sign and verify now. Whoever loads them may sign tokens that hold for `token_lifetime_s`: from then
    on the rows know, so that no key ends before its tokens.
    """
    records = await connection.fetch(_KEYS)
    if any(_holds_too_short(record, now, token_lifetime_s) for record in records):
        await _note_lifetime(connection, now, token_lifetime_s)
        records = await connection.fetch(_KEYS)
    stored = tuple(StoredKey.of(record) for record in records if record["dropped_at"] is None)
    dropped = frozenset(record["kid"] for record in records if record["dropped_at"] is not None)
    return _ring(stored, dropped, now)


def _holds_too_short(record: asyncpg.Record, now: datetime, lifetime_s: int) -> bool:
    known, retired_at = record["token_lifetime_s"], record["retired_at"]
    signs = retired_at is None or retired_at > now or known == 0
    return record["dropped_at"] is None and signs and bool(known < lifetime_s)


async def _note_lifetime(connection: Connection, now: datetime, lifetime_s: int) -> None:
    async with connection.transaction():
        await connection.execute("SET TRANSACTION READ WRITE")
        retiring = await connection.fetch(_NOTE_LIFETIME, lifetime_s, now)
        # Others know an end only of keys that are to be retired, and would let these end too early.
        if any(record["retired_at"] is not None for record in retiring):
            await connection.execute(_TELL_OTHERS, POLICY_CHANNEL)


async def ensure_signing_key(session: AsyncSession, *, now: datetime) -> None:
    """Make the first key where there is none. The caller commits."""
    await _one_at_a_time(session)
    of_use = (SigningKey.dropped_at.is_(None), SigningKey.retired_at.is_(None))
    if await session.scalar(select(SigningKey.kid).where(*of_use).limit(1)) is None:
        await _add_key(session, now, now, secrets.token_urlsafe)
        await raise_policy_version(session)


@dataclass(frozen=True, slots=True)
class NextKey:
    """The key that signs from a moment on."""

    kid: str
    signs_from: datetime


async def rotate_keys(
    session: AsyncSession,
    *,
    now: datetime,
    token_lifetime_s: int,
    published_before: timedelta = PUBLISHED_BEFORE,
    new_kid: Callable[[int], str] = secrets.token_urlsafe,
) -> NextKey:
    """Publish a new key, which signs once everybody who keeps the JWKS for as long as it says has it. The old ones
    verify until their last token has ended; those whose time is over are deleted. While a new key waits for its turn
    there is no other. The caller commits.
    """
    await _one_at_a_time(session)
    await session.execute(_FORGET_ENDED, {"now": now, "margin": RETIREMENT_MARGIN, "told": DROPPED_ARE_TOLD_FOR})
    prepared = await session.scalar(
        select(SigningKey).where(SigningKey.dropped_at.is_(None), SigningKey.signs_from > now).limit(1)
    )
    if prepared is not None:
        return NextKey(prepared.kid, prepared.signs_from)
    signs_from = now + published_before
    for key in await _active(session):
        key.retired_at, key.token_lifetime_s = signs_from, max(key.token_lifetime_s, token_lifetime_s)
    kid = await _add_key(session, now, signs_from, new_kid)
    await raise_policy_version(session)
    return NextKey(kid, signs_from)


async def drop_keys(
    session: AsyncSession,
    kids: Collection[str] | None,
    *,
    now: datetime,
    new_kid: Callable[[int], str] = secrets.token_urlsafe,
) -> Sequence[str]:
    """Let keys that leaked, or all, verify nothing any more: every token of theirs ends, in every process within a
    second. Their private parts are forgotten. Where one of them signed, the next key signs at once. Gives the kids of
    what was dropped. Raises NoSuchKey. The caller commits.
    """
    await _one_at_a_time(session)
    there = list(await session.scalars(select(SigningKey).where(SigningKey.dropped_at.is_(None))))
    unknown = sorted(set(kids or ()) - {key.kid for key in there})
    if unknown:
        raise NoSuchKey(f"there is no key {', '.join(unknown)} to drop")
    dropped = [key for key in there if kids is None or key.kid in kids]
    for key in dropped:
        key.dropped_at, key.jwk = now, {}
    active = sorted(await _active(session, now), key=lambda key: key.signs_from)
    if not active:
        await _add_key(session, now, now, new_kid)
    elif all(key.signs_from > now for key in active):
        active[0].signs_from = now
    if active:
        # Where the key is gone that was to follow, this one goes on.
        active[-1].retired_at = None
    await raise_policy_version(session)
    return [key.kid for key in dropped]


async def list_keys(session: AsyncSession) -> Sequence[SigningKey]:
    """All keys whose rows are there, the one that signs last first."""
    return list(await session.scalars(select(SigningKey).order_by(SigningKey.signs_from.desc(), SigningKey.kid)))


async def _active(session: AsyncSession, now: datetime | None = None) -> Sequence[SigningKey]:
    """Keys that are not retired, or will be after `now`."""
    await session.flush()
    never = SigningKey.retired_at.is_(None)
    is_active = never if now is None else or_(never, SigningKey.retired_at > now)
    return list(await session.scalars(select(SigningKey).where(SigningKey.dropped_at.is_(None), is_active)))


async def _one_at_a_time(session: AsyncSession) -> None:
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtext('crm_graph.signing_keys'))"))


async def _add_key(session: AsyncSession, now: datetime, signs_from: datetime, new_kid: Callable[[int], str]) -> str:
    kid = new_kid(12)
    jwk = ECKey.generate_key("P-256").as_dict(private=True)
    session.add(SigningKey(kid=kid, jwk=jwk, created_at=now, signs_from=signs_from))
    await session.flush()
    return kid


_KEYS = (
    "SELECT kid, jwk::text AS jwk, signs_from, retired_at, token_lifetime_s, dropped_at"
    " FROM signing_keys ORDER BY signs_from DESC, kid"
)
_NOTE_LIFETIME = (
    "UPDATE signing_keys SET token_lifetime_s = $1 WHERE dropped_at IS NULL AND token_lifetime_s < $1"
    " AND (retired_at IS NULL OR retired_at > $2 OR token_lifetime_s = 0) RETURNING retired_at"
)
_FORGET_ENDED = text(
    "DELETE FROM signing_keys WHERE dropped_at <= CAST(:now AS timestamptz) - CAST(:told AS interval)"
    " OR retired_at + make_interval(secs => token_lifetime_s) + CAST(:margin AS interval) <= CAST(:now AS timestamptz)"
)
_TELL_OTHERS = (
    "WITH told AS (UPDATE policy_version SET version = version + 1 WHERE id = 1) SELECT pg_notify($1, 'keys')"
)
