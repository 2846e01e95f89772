"""Opportunities: the shared verbs, and what a stage says about a deal."""

from collections.abc import Sequence

from crm_graph.errors import RuleViolated
from crm_graph.models.workflows import StageCategory
from crm_graph.services import records
from crm_graph.services.commands import Archive, Create, Mode, Outcome, Restore, Update
from crm_graph.services.drafts import Draft, Noun
from crm_graph.services.stages import ENDED, Move
from crm_graph.transaction import Transaction


async def _prepare(_tx: Transaction, drafts: Sequence[Draft]) -> None:
    for draft in drafts:
        probability = draft.row.get("probability")
        if probability is not None and not 0 <= probability <= 1:
            draft.refuse(RuleViolated("not_a_fraction", path=("probability",)))


def _enter(_tx: Transaction, draft: Draft, move: Move) -> None:
    """The stage sets the probability; a closed deal has a date, a lost one its reason."""
    if move.to.probability is not None and "probability" not in draft.values:
        draft.row["probability"] = move.to.probability
    if move.origin is None:
        return
    lost = move.to.category is StageCategory.LOST
    draft.row["closed_at"] = move.at if move.to.category in ENDED else None
    draft.row["loss_reason"] = move.reason if lost else None
    draft.row["loss_note"] = move.note if lost else None


NOUN = Noun("opportunity", prepare=_prepare, enter=_enter, rate_on="closed_at")


async def create(tx: Transaction, commands: Sequence[Create], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Make opportunities; see `records.create`."""
    return await records.create(tx, NOUN, commands, mode)


async def update(tx: Transaction, commands: Sequence[Update], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Patch opportunities; see `records.update`."""
    return await records.update(tx, NOUN, commands, mode)


async def archive(tx: Transaction, commands: Sequence[Archive], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Archive opportunities; see `records.archive`."""
    return await records.archive(tx, NOUN, commands, mode)


async def restore(tx: Transaction, commands: Sequence[Restore], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Restore opportunities; see `records.restore`."""
    return await records.restore(tx, NOUN, commands, mode)
