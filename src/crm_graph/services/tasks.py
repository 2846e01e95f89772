"""Tasks: the shared verbs, and a reminder that comes before the task is due."""

from collections.abc import Sequence

from crm_graph.errors import RuleViolated
from crm_graph.services import records
from crm_graph.services.commands import Archive, Create, Mode, Outcome, Restore, Update
from crm_graph.services.drafts import Draft, Noun
from crm_graph.transaction import Transaction


async def _prepare(_tx: Transaction, drafts: Sequence[Draft]) -> None:
    for draft in drafts:
        if draft.row.keys().isdisjoint({"due_at", "remind_at"}):
            continue
        due, remind = draft.value("due_at"), draft.value("remind_at")
        if due is not None and remind is not None and remind > due:
            draft.refuse(RuleViolated("reminder_after_due", path=("remindAt",)))


NOUN = Noun("task", prepare=_prepare)


async def create(tx: Transaction, commands: Sequence[Create], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Make tasks; see `records.create`."""
    return await records.create(tx, NOUN, commands, mode)


async def update(tx: Transaction, commands: Sequence[Update], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Patch tasks; see `records.update`."""
    return await records.update(tx, NOUN, commands, mode)


async def archive(tx: Transaction, commands: Sequence[Archive], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Archive tasks; see `records.archive`."""
    return await records.archive(tx, NOUN, commands, mode)


async def restore(tx: Transaction, commands: Sequence[Restore], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Restore tasks; see `records.restore`."""
    return await records.restore(tx, NOUN, commands, mode)
