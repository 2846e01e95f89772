"""What admins do to timers that failed: have one fire now, or taken away."""

from typing import Any
from uuid import UUID

import orjson

from crm_graph.errors import NotFound
from crm_graph.services.job_administration import MANAGE
from crm_graph.transaction import EventDraft, Transaction

_LOCK = """
SELECT id, kind, attempts, held_at IS NOT NULL AS held, error::text AS error
FROM timers WHERE id = $1 AND attempts > 0 FOR UPDATE
"""
# One attempt stays counted, so that it is told of until it has fired.
_RETRY = "UPDATE timers SET wake_at = LEAST(wake_at, $2), held_at = NULL, attempts = 1 WHERE id = $1"


async def retry(tx: Transaction, identity: UUID) -> UUID:
    """Have a timer that failed fire at once, and give its id. Raises NotFound, also for one that has fired."""
    timer = await _failed(tx, identity)
    await tx.driver().execute(_RETRY, identity, tx.now)
    tx.record(_event("retried", identity, timer))
    return identity


async def discard(tx: Transaction, identity: UUID) -> None:
    """Take a timer that failed away: it never fires. Raises NotFound."""
    timer = await _failed(tx, identity)
    await tx.driver().execute("DELETE FROM timers WHERE id = $1", identity)
    tx.record(_event("discarded", identity, timer))


async def _failed(tx: Transaction, identity: UUID) -> Any:
    tx.require(MANAGE)
    timer = await tx.driver().fetchrow(_LOCK, identity)
    if timer is None:
        raise NotFound(path=("id",))
    return timer


def _event(verb: str, identity: UUID, timer: Any) -> EventDraft:
    """What was done to a timer, of which nothing but its kind and its failures is told."""
    before = {name: timer[name] for name in ("kind", "attempts", "held")} | {"error": orjson.loads(timer["error"])}
    return EventDraft(f"timer.{verb}", "timer", identity, 0, list(before), before, {})
