"""Interactions: the shared verbs, the next follow-up with its task, and the customer's time of last contact."""

from collections.abc import Sequence

from crm_graph.errors import RuleViolated
from crm_graph.models.interactions import InteractionChannel
from crm_graph.services import follow_ups, records
from crm_graph.services.commands import Archive, Create, Mode, Outcome, Restore, Update
from crm_graph.services.drafts import Draft, Noun
from crm_graph.transaction import Transaction


async def _prepare(_tx: Transaction, drafts: Sequence[Draft]) -> None:
    for draft in drafts:
        if "next_follow_up_at" not in draft.row and "occurred_at" not in draft.row:
            continue
        follow_up, occurred = draft.value("next_follow_up_at"), draft.value("occurred_at")
        if follow_up is not None and follow_up <= occurred:
            draft.refuse(RuleViolated("follow_up_before_contact", path=("nextFollowUpAt",)))


_LAST_CONTACT = """
WITH latest AS (
    SELECT customer_id AS id, max(occurred_at) AS at
    FROM unnest($1::uuid[], $2::timestamptz[]) AS i (customer_id, occurred_at)
    GROUP BY customer_id
), held AS (
    SELECT c.id, latest.at
    FROM customers c JOIN latest ON latest.id = c.id
    WHERE c.last_interaction_at IS NULL OR c.last_interaction_at < latest.at
    ORDER BY c.id
    FOR NO KEY UPDATE OF c
)
UPDATE customers c SET last_interaction_at = greatest(c.last_interaction_at, held.at) FROM held WHERE c.id = held.id
"""


async def _written(tx: Transaction, drafts: Sequence[Draft]) -> None:
    """Follow-ups are tasks. A customer's last contact follows from its interactions: it has no event and no version of
    its own, and a note is no contact.
    """
    await follow_ups.keep(tx, drafts)
    contacts = [
        (draft.value("customer_id"), draft.value("occurred_at"))
        for draft in drafts
        if draft.value("customer_id") is not None
        and {"occurred_at", "customer_id", "channel"} & draft.row.keys()
        and draft.value("channel") != InteractionChannel.NOTE
    ]
    if contacts:
        await tx.driver().execute(_LAST_CONTACT, [id_ for id_, _ in contacts], [at for _, at in contacts])


NOUN = Noun("interaction", prepare=_prepare, written=_written)


async def create(tx: Transaction, commands: Sequence[Create], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Make interactions; see `records.create`."""
    return await records.create(tx, NOUN, commands, mode)


async def update(tx: Transaction, commands: Sequence[Update], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Patch interactions; see `records.update`."""
    return await records.update(tx, NOUN, commands, mode)


async def archive(tx: Transaction, commands: Sequence[Archive], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Archive interactions; see `records.archive`."""
    return await records.archive(tx, NOUN, commands, mode)


async def restore(tx: Transaction, commands: Sequence[Restore], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Restore interactions; see `records.restore`."""
    return await records.restore(tx, NOUN, commands, mode)
