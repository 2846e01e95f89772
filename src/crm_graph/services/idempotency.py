"""Idempotency keys: the answer of a mutation field is stored in the transaction that made it, for a retry."""

from datetime import timedelta
from uuid import UUID

from crm_graph.errors import IdempotencyMismatch, Invalid
from crm_graph.transaction import Transaction

LIFETIME = timedelta(hours=24)
FORGOTTEN_AT_A_CLAIM = 20
"""More than one, so that what expires goes faster than what comes."""
MAX_KEY = 255


_CLAIM = """
INSERT INTO idempotency_keys (actor_id, key, field, request_hash, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (actor_id, key, field) DO UPDATE
SET request_hash = excluded.request_hash, answer = NULL, subject_id = NULL,
    created_at = excluded.created_at, expires_at = excluded.expires_at
WHERE idempotency_keys.expires_at <= $5
RETURNING true
"""


async def claim(
    tx: Transaction, key: str, field: str, request_hash: bytes, lifetime: timedelta = LIFETIME
) -> bytes | None:
    """Take the key for this field, or get the answer that is stored under it. The first statement of its transaction.

    A duplicate that comes while the first still runs waits here until that one ends: then it gets the answer, or, if
    that one was rolled back, the key. Raises IdempotencyMismatch for another request under the same key, or
    one with other rights.
    """
    if not 1 <= len(key) <= MAX_KEY or "\0" in key:
        raise Invalid("idempotency_key_invalid", max=MAX_KEY)
    actor = tx.principal.user_id
    if await tx.driver().fetchval(_CLAIM, actor, key, field, request_hash, tx.now, tx.now + lifetime):
        await forget_expired(tx, at_most=FORGOTTEN_AT_A_CLAIM)
        return None
    stored = await tx.driver().fetchrow(
        "SELECT request_hash, answer FROM idempotency_keys WHERE actor_id = $1 AND key = $2 AND field = $3",
        actor,
        key,
        field,
    )
    if stored is None or stored["request_hash"] != request_hash or stored["answer"] is None:
        raise IdempotencyMismatch
    answer: bytes = stored["answer"]
    return answer


async def store(tx: Transaction, key: str, field: str, answer: bytes, subject_id: UUID | None = None) -> None:
    """Keep the answer under a key that this transaction claimed. `subject_id` is the customer it is about, if any."""
    await tx.driver().execute(
        "UPDATE idempotency_keys SET answer = $4, subject_id = $5 WHERE actor_id = $1 AND key = $2 AND field = $3",
        tx.principal.user_id,
        key,
        field,
        answer,
        subject_id,
    )


async def release(tx: Transaction, key: str, field: str) -> None:
    """Let go of a key that this transaction claimed: its answer is not one to keep."""
    await tx.driver().execute(
        "DELETE FROM idempotency_keys WHERE actor_id = $1 AND key = $2 AND field = $3", tx.principal.user_id, key, field
    )


async def forget_expired(tx: Transaction, at_most: int = 10_000) -> int:
    """Delete keys that are past their time, but for those that somebody else holds. Gives how many."""
    deleted = await tx.driver().fetch(
        "DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY("
        "SELECT ctid FROM idempotency_keys WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING 1",
        tx.now,
        at_most,
    )
    return len(deleted)
