"""Reminders and overdue tasks: timers that live as long as a task is open, and the events that they become."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any
from uuid import UUID

from crm_graph.models.tasks import TaskStatus
from crm_graph.services.drafts import Draft
from crm_graph.services.timers import DueTimer, Timer, cancel_timers, set_timers
from crm_graph.transaction import EventDraft, Transaction

OVERDUE, REMINDER = "task_overdue", "task_reminder"
MOMENTS: Mapping[str, str] = MappingProxyType({OVERDUE: "due_at", REMINDER: "remind_at"})
"""The columns that tell when timers are due."""
EVENTS: Mapping[str, str] = MappingProxyType({OVERDUE: "task.overdue", REMINDER: "task.reminded"})
_DECIDING = frozenset({"status", "archived_at"})


async def keep(tx: Transaction, tasks: Sequence[Draft]) -> None:
    """Set, move and cancel the timers of tasks that were written. A task whose time is over already is overdue at once;
    nobody is reminded at a time that has passed.
    """
    timers = list[Timer]()
    for kind, column in MOMENTS.items():
        cancelled = list[UUID]()
        for draft in tasks:
            if not draft.creating and _DECIDING.isdisjoint(draft.changed) and column not in draft.changed:
                continue
            at = draft.value(column) if _is_open(draft) else None
            if at is not None and (kind == OVERDUE or at > tx.now):
                timers.append(Timer(kind, "task", draft.id, at))
            elif not draft.creating:
                cancelled.append(draft.id)
        if cancelled:
            await cancel_timers(tx, kind, cancelled)
    await set_timers(tx, timers)


def _is_open(draft: Draft) -> bool:
    return draft.value("status") == TaskStatus.OPEN and draft.value("archived_at") is None


_STANDING = """
SELECT id, version, customer_id, due_at, remind_at FROM tasks
WHERE id = ANY($1::uuid[]) AND status = 'OPEN' AND archived_at IS NULL
"""


async def fired(tx: Transaction, timers: Sequence[DueTimer]) -> None:
    """Write down that tasks are overdue, or that it is time to remind of them: one event each. The tasks stay as they
    are, and at their version.
    """
    standing = {row["id"]: row for row in await tx.driver().fetch(_STANDING, [timer.entity_id for timer in timers])}
    for timer in timers:
        row, column = standing.get(timer.entity_id), MOMENTS[timer.kind]
        if row is not None and row[column] == timer.due_at:
            told: dict[str, Any] = {column: timer.due_at}
            tx.record(
                EventDraft(
                    EVENTS[timer.kind], "task", row["id"], row["version"], [column], told, told, row["customer_id"]
                )
            )
