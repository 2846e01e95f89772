"""Tickets: the shared verbs, a number for each, and when one was resolved or opened again."""

from collections.abc import Sequence

from crm_graph.errors import RuleViolated
from crm_graph.models.workflows import StageCategory
from crm_graph.services import numbers, records
from crm_graph.services.commands import Archive, Create, Mode, Outcome, Restore, Update
from crm_graph.services.drafts import Draft, Noun
from crm_graph.services.stages import Move
from crm_graph.transaction import Transaction

SATISFACTION = range(1, 6)
"""CSAT on the usual scale of five."""


async def _prepare(tx: Transaction, drafts: Sequence[Draft]) -> None:
    for draft in drafts:
        satisfaction = draft.row.get("satisfaction")
        if satisfaction is not None and satisfaction not in SATISFACTION:
            draft.refuse(RuleViolated("satisfaction_range", path=("satisfaction",)))
    await numbers.fill(tx, drafts, "ticket_numbers", "T")


def _enter(_tx: Transaction, draft: Draft, move: Move) -> None:
    if move.origin is None:
        return
    was_closed = move.origin.category is StageCategory.CLOSED
    if move.to.category is StageCategory.CLOSED:
        draft.row["resolved_at"] = draft.value("resolved_at") if was_closed else move.at
        return
    draft.row["resolved_at"] = None
    if was_closed:
        draft.row["reopened_count"] = draft.value("reopened_count") + 1


NOUN = Noun("ticket", prepare=_prepare, enter=_enter)


async def create(tx: Transaction, commands: Sequence[Create], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Make tickets; see `records.create`."""
    return await records.create(tx, NOUN, commands, mode)


async def update(tx: Transaction, commands: Sequence[Update], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Patch tickets; see `records.update`."""
    return await records.update(tx, NOUN, commands, mode)


async def archive(tx: Transaction, commands: Sequence[Archive], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Archive tickets; see `records.archive`."""
    return await records.archive(tx, NOUN, commands, mode)


async def restore(tx: Transaction, commands: Sequence[Restore], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Restore tickets; see `records.restore`."""
    return await records.restore(tx, NOUN, commands, mode)
