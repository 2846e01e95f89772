"""Tokens that their clients took back (RFC 7009): rows until the tokens end, known to every process within a second."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.permissions.store import POLICY_CHANNEL, Connection
from crm_graph.permissions.tokens import LEEWAY_S, TokenClaims

MAX_PER_CLIENT = 1_000
"""Revoked tokens of a client that have not ended yet; every process holds all of them."""


class TooManyRevoked(RuntimeError):
    """A client takes back more tokens than are kept one by one."""


async def load_revoked(connection: Connection, *, now: datetime) -> frozenset[str]:
    """The ids of all tokens that would still be valid if they had not been revoked."""
    records = await connection.fetch("SELECT token_id FROM revoked_tokens WHERE ends_at > $1", now)
    return frozenset(record["token_id"] for record in records)


async def revoke(engine: AsyncEngine, client: UUID, claims: TokenClaims, *, now: datetime) -> None:
    """Keep a client's token from being accepted, by every process within a second of the commit. Raises
    TooManyRevoked. Calls at the same time may pass the limit by their number.
    """
    ends_at = datetime.fromtimestamp(claims.ends_at, now.tzinfo) + timedelta(seconds=LEEWAY_S)
    values = {"client": client, "token": claims.token_id, "now": now, "ends_at": ends_at, "channel": POLICY_CHANNEL}
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM revoked_tokens WHERE ends_at <= :now"), values)
        kept = await connection.scalar(text("SELECT count(*) FROM revoked_tokens WHERE client_id = :client"), values)
        if (kept or 0) >= MAX_PER_CLIENT:
            raise TooManyRevoked
        added = await connection.execute(_INSERT, values)
        if added.rowcount:
            await connection.execute(_TELL, values)


_INSERT = text(
    "INSERT INTO revoked_tokens (token_id, client_id, ends_at) VALUES (:token, :client, :ends_at)"
    " ON CONFLICT (token_id) DO NOTHING"
)
_TELL = text(
    "WITH told AS (UPDATE policy_version SET revocations = revocations + 1 WHERE id = 1)"
    " SELECT pg_notify(:channel, 'revoked')"
)
