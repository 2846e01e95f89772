"""Sessions of the console, and links that sign in once: secrets that are kept as hashes, with an end. They say who sits
there; what that person may is asked of the rows each time.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.permissions.store import Connection

LINK_LIFETIME = timedelta(minutes=15)
MAX_PER_USER = 20
"""Sessions that somebody has at once; the oldest ones make room."""
SECRET_LENGTH = 43
"""Characters of a secret: 32 random bytes."""

RandomText = Callable[[int], str]


async def start_session(
    engine: AsyncEngine,
    user_id: UUID,
    issuer_id: UUID | None,
    *,
    now: datetime,
    lifetime: timedelta,
    random_text: RandomText = secrets.token_urlsafe,
) -> str:
    """A new session of a user, by what its cookie is to hold, which is kept nowhere. Ended ones are forgotten."""
    secret = random_text(32)
    values = {
        "digest": _digest(secret),
        "user": user_id,
        "issuer": issuer_id,
        "now": now,
        "ends_at": now + lifetime,
        "kept": MAX_PER_USER - 1,
    }
    async with engine.begin() as connection:
        await connection.execute(_FORGET_ENDED, values)
        await connection.execute(_MAKE_ROOM, values)
        await connection.execute(_START, values)
    return secret


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Whose session it is, when it ends, and of which epoch tokens of its user hold."""

    user_id: UUID
    ends_at: datetime
    token_epoch: int


async def open_session(connection: Connection, secret: str, *, now: datetime) -> OpenSession | None:
    """The session of a secret, while user and issuer are active."""
    row = await connection.fetchrow(_USER, _digest(secret), now)
    return None if row is None else OpenSession(row["user_id"], row["ends_at"], row["token_epoch"])


async def end_session(engine: AsyncEngine, secret: str) -> bool:
    """Sign out: from now on nothing knows the session. Tells whether there was one."""
    async with engine.begin() as connection:
        ended = await connection.execute(_END, {"digest": _digest(secret)})
    return bool(ended.rowcount)


async def make_link(
    connection: Connection, user_id: UUID, *, now: datetime, random_text: RandomText = secrets.token_urlsafe
) -> str:
    """The secret of a link that signs a user in once, within `LINK_LIFETIME`."""
    secret = random_text(32)
    await connection.execute("DELETE FROM sign_in_links WHERE ends_at <= $1", now)
    await connection.execute(
        "INSERT INTO sign_in_links (digest, user_id, ends_at) VALUES ($1, $2, $3)",
        _digest(secret),
        user_id,
        now + LINK_LIFETIME,
    )
    return secret


async def use_link(engine: AsyncEngine, secret: str, *, now: datetime) -> UUID | None:
    """Whom a link signs in, the first time; None for one that was used, has ended or never was."""
    if not could_be(secret):
        return None
    async with engine.begin() as connection:
        found: UUID | None = await connection.scalar(_USE_LINK, {"digest": _digest(secret), "now": now})
    return found


def could_be(secret: str) -> bool:
    """Whether a text has the form of a secret; the database is not asked about others."""
    return len(secret) == SECRET_LENGTH


def _digest(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


_USER = """
SELECT s.user_id, s.ends_at, u.token_epoch
FROM sessions s JOIN users u ON u.id = s.user_id LEFT JOIN issuers i ON i.id = s.issuer_id
WHERE s.digest = $1 AND s.ends_at > $2 AND u.status = 'ACTIVE' AND u.archived_at IS NULL
  AND (s.issuer_id IS NULL OR i.status = 'ACTIVE')
"""
_FORGET_ENDED = text("DELETE FROM sessions WHERE ends_at <= :now")
_MAKE_ROOM = text(
    "DELETE FROM sessions WHERE digest IN"
    " (SELECT digest FROM sessions WHERE user_id = :user ORDER BY created_at DESC, digest OFFSET :kept)"
)
_START = text(
    "INSERT INTO sessions (digest, user_id, issuer_id, created_at, ends_at)"
    " VALUES (:digest, :user, :issuer, :now, :ends_at)"
)
_END = text("DELETE FROM sessions WHERE digest = :digest")
_USE_LINK = text(
    "WITH used AS (DELETE FROM sign_in_links WHERE digest = :digest AND ends_at > :now RETURNING user_id)"
    " SELECT u.id FROM used JOIN users u ON u.id = used.user_id WHERE u.status = 'ACTIVE' AND u.archived_at IS NULL"
)
