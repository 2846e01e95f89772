"""Tasks: the shared verbs, assignment, and their end: done, cancelled, or open again."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from crm_graph.access import Level
from crm_graph.errors import RuleViolated
from crm_graph.models.tasks import TaskStatus
from crm_graph.services import assignment, records, task_timers
from crm_graph.services.assignment import Assign, check_reason
from crm_graph.services.commands import Archive, Create, Mode, Outcome, Restore, Update
from crm_graph.services.drafts import Desk, Draft, Noun, desk_for
from crm_graph.transaction import Transaction

NOUN = Noun("task", written=task_timers.keep)

COMPLETE = "tasks:complete"
"""The action to end tasks, and to open them again."""
VERBS = {TaskStatus.OPEN: "reopened", TaskStatus.DONE: "completed", TaskStatus.CANCELLED: "cancelled"}


@dataclass(frozen=True, slots=True)
class Cancel:
    """A task that is not to be done any more. `reason` is what people read later."""

    id: UUID
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Reopen:
    """A task that is to be done after all."""

    id: UUID
    reason: str | None = None


async def assign(tx: Transaction, commands: Sequence[Assign], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Give tasks to a user, or to a team of which anybody may take them."""
    return await assignment.assign(tx, NOUN, commands, mode)


async def cancel(tx: Transaction, commands: Sequence[Cancel], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Close tasks without their being done."""
    return await _set_status(tx, commands, mode, TaskStatus.CANCELLED)


async def reopen(tx: Transaction, commands: Sequence[Reopen], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Open closed tasks again; what was said of their outcome goes, and stays in their history."""
    return await _set_status(tx, commands, mode, TaskStatus.OPEN)


async def _set_status(
    tx: Transaction, commands: Sequence[Cancel | Reopen], mode: Mode, status: TaskStatus
) -> list[Outcome]:
    desk, drafts = await attached(tx, [command.id for command in commands])
    for draft, command in zip(drafts, commands, strict=True):
        if not draft.errors:
            check_reason(draft, command.reason)
            draft.reason = command.reason
            move(desk, draft, status)
    return await records.write(desk, drafts, mode)


async def attached(tx: Transaction, ids: Sequence[UUID]) -> tuple[Desk, list[Draft]]:
    """Drafts of tasks that are to end, or to be open again, beside their rows."""
    tx.require(COMPLETE)
    desk = desk_for(tx, NOUN)
    drafts = [desk.read_update(index, Update(id_)) for index, id_ in enumerate(ids)]
    await records.attach(desk, drafts)
    for draft in records.good(drafts):
        if draft.value("archived_at") is not None:
            draft.refuse(RuleViolated("archived"))
    return desk, drafts


def move(desk: Desk, draft: Draft, status: TaskStatus, outcome: str | None = None) -> None:
    """Let the draft close its task or open it again. Who does not read on this very task whether it is open is not
    told that it is so already: there the verb takes effect in any case.
    """
    unread = [c for c in ("status", "closed_at", "outcome") if desk.rights.level(draft.flags, c) is not Level.READ]
    is_open = draft.value("status") == TaskStatus.OPEN
    if "status" not in unread and is_open is (status is TaskStatus.OPEN):
        draft.refuse(RuleViolated("task_open" if is_open else "task_closed"))
        return
    closed_at = None if status is TaskStatus.OPEN else desk.tx.now
    draft.unread = frozenset(unread)
    draft.row.update(status=status.value, closed_at=closed_at, outcome=outcome)
    draft.verb = VERBS[status]


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
