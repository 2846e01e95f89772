"""What issuers answered last, as rows: a process that starts while one of them is down begins with that."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import orjson
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.db import DATABASE_FAILURES
from crm_graph.permissions.principals import COMMAND_TIMEOUT_S

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Documents:
    """The discovery document and the JWK Set of an issuer, and how long ago they came from there."""

    discovery: Mapping[str, Any]
    jwks: Any
    age_s: float


@dataclass(frozen=True)
class DocumentStore:
    """Documents of issuers by their address, one row each. `pool` and `engine` must reach the primary. Keys serve
    without it as before, so that a failure is told in the log alone.
    """

    pool: "asyncpg.Pool[asyncpg.Record]"
    engine: AsyncEngine
    clock: Callable[[], datetime]

    async def last(self, url: str) -> Documents | None:
        """What an issuer answered last, if anybody has asked it."""
        try:
            async with self.pool.acquire(timeout=COMMAND_TIMEOUT_S) as connection:
                row = await connection.fetchrow(_LAST, url, timeout=COMMAND_TIMEOUT_S)
        except DATABASE_FAILURES as failure:
            log.warning("issuer_documents_not_read", issuer=url, cause=repr(failure))
            return None
        if row is None:
            return None
        age = max((self.clock() - row["fetched_at"]).total_seconds(), 0.0)
        return Documents(orjson.loads(row["discovery"]), orjson.loads(row["jwks"]), age)

    async def keep(self, url: str, discovery: Mapping[str, Any], jwks: Any) -> None:
        """Remember what an issuer has just answered."""
        values = {
            "url": url,
            "discovery": orjson.dumps(discovery).decode(),
            "jwks": orjson.dumps(jwks).decode(),
            "now": self.clock(),
        }
        try:
            async with self.engine.begin() as connection:
                await connection.execute(_KEEP, values)
        except (SQLAlchemyError, *DATABASE_FAILURES) as failure:
            log.warning("issuer_documents_not_kept", issuer=url, cause=repr(failure))


_LAST = """
SELECT d.discovery::text AS discovery, d.jwks::text AS jwks, d.fetched_at
FROM issuer_documents d JOIN issuers i ON i.id = d.issuer_id WHERE i.url = $1
"""
_KEEP = text(
    "INSERT INTO issuer_documents AS d (issuer_id, discovery, jwks, fetched_at)"
    " SELECT id, CAST(:discovery AS jsonb), CAST(:jwks AS jsonb), :now FROM issuers WHERE url = :url"
    " ON CONFLICT (issuer_id) DO UPDATE SET discovery = excluded.discovery, jwks = excluded.jwks,"
    " fetched_at = excluded.fetched_at WHERE d.fetched_at < excluded.fetched_at"
)
