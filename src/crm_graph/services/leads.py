"""Leads: the shared verbs, and what changes when one is assigned or reaches its end."""

from collections.abc import Sequence

from crm_graph.models.customers import PoolState
from crm_graph.models.workflows import StageCategory
from crm_graph.services import assignment, records
from crm_graph.services.assignment import Assign
from crm_graph.services.commands import Archive, Create, Mode, Outcome, Restore, Update
from crm_graph.services.drafts import Draft, Noun
from crm_graph.services.rows import Row
from crm_graph.services.stages import Move
from crm_graph.transaction import Transaction


def _enter(_tx: Transaction, draft: Draft, move: Move) -> None:
    if move.origin is None:
        return
    lost = move.to.category is StageCategory.LOST
    draft.row["disqualification_reason"] = move.reason if lost else None
    draft.row["converted_at"] = move.at if move.to.category is StageCategory.WON else None


NOUN = Noun("lead", enter=_enter)


async def assign(tx: Transaction, commands: Sequence[Assign], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Change owner and team of leads; their stages stay. One that is given to a team lies in the public pool."""
    return await assignment.assign(tx, NOUN, commands, mode, _assigned)


def _assigned(tx: Transaction, command: Assign) -> Row:
    pool = PoolState.PUBLIC if command.to_user is None else PoolState.OWNED
    return {
        "assigned_at": tx.now,
        "assignment_reason": command.reason,
        "pool_state": pool,
        "pooled_at": tx.now if pool is PoolState.PUBLIC else None,
    }


async def create(tx: Transaction, commands: Sequence[Create], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Make leads; see `records.create`."""
    return await records.create(tx, NOUN, commands, mode)


async def update(tx: Transaction, commands: Sequence[Update], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Patch leads; see `records.update`."""
    return await records.update(tx, NOUN, commands, mode)


async def archive(tx: Transaction, commands: Sequence[Archive], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Archive leads; see `records.archive`."""
    return await records.archive(tx, NOUN, commands, mode)


async def restore(tx: Transaction, commands: Sequence[Restore], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Restore leads; see `records.restore`."""
    return await records.restore(tx, NOUN, commands, mode)
