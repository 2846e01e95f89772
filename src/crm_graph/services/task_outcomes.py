"""How tasks are done: with a note of what came of them, which is logged as an interaction with the customer too."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm_graph.access import Level
from crm_graph.errors import Required, UserFault
from crm_graph.models.interactions import Direction, InteractionChannel
from crm_graph.models.tasks import TaskKind, TaskStatus
from crm_graph.services import interactions, records, tasks
from crm_graph.services.commands import Create, Mode, Outcome
from crm_graph.services.drafts import Desk, Draft
from crm_graph.services.parsers import text
from crm_graph.services.rights import rights_on, seen
from crm_graph.transaction import Transaction

MAX_NOTE = 20_000
ABOUT = ("customer", "lead", "opportunity", "ticket")
"""What interactions are about, as tasks are."""
CHANNELS = {
    TaskKind.CALL: InteractionChannel.CALL,
    TaskKind.EMAIL: InteractionChannel.EMAIL,
    TaskKind.MEETING: InteractionChannel.MEETING,
    TaskKind.VISIT: InteractionChannel.VISIT,
}
"""The kinds that are contacts; the outcome of any other is a note."""
_note = text(MAX_NOTE, multiline=True)


@dataclass(frozen=True, slots=True)
class Complete:
    """A task that is done; `note` says what came of it."""

    id: UUID
    note: str


async def complete(tx: Transaction, commands: Sequence[Complete], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Tasks are done, in one transaction with the interactions that their notes are logged as: with the customer, lead,
    opportunity or ticket that they are about, as far as the asker sees these and may log interactions.
    """
    desk, drafts = await tasks.attached(tx, [command.id for command in commands])
    for draft, command in zip(drafts, commands, strict=True):
        if not draft.errors:
            _complete(desk, draft, command.note)
    outcomes = await records.write(desk, drafts, mode)
    await _log(desk, [draft for draft in drafts if not draft.errors])
    return outcomes


def _complete(desk: Desk, draft: Draft, note: str) -> None:
    try:
        outcome = _note(note)
    except UserFault as fault:
        draft.refuse(fault.at("note"))
        return
    if outcome is None:
        draft.refuse(Required(path=("note",)))
        return
    tasks.move(desk, draft, TaskStatus.DONE, outcome)


async def _log(desk: Desk, done: Sequence[Draft]) -> None:
    """One interaction for each task that is about somebody. What may not be logged by the asker is not."""
    tx = desk.tx
    if not tx.access.may(interactions.NOUN.action(tx, "create")):
        return
    visible: dict[str, frozenset[UUID]] = {}
    for relation in ABOUT:
        ids = [id_ for draft in done if (id_ := draft.value(f"{relation}_id")) is not None]
        visible[relation] = frozenset(await seen(tx, rights_on(tx, tx.catalog[relation]), ids))
    commands = [
        Create(_interaction(desk, draft), about)
        for draft in done
        if (about := {r: id_ for r in ABOUT if (id_ := draft.value(f"{r}_id")) in visible[r]})
    ]
    await interactions.create(tx, commands, Mode.PARTIAL)


def _interaction(desk: Desk, draft: Draft) -> dict[str, Any]:
    """What is logged of a task: nothing of it that its asker does not read."""
    title, kind = (
        draft.value(column) if desk.rights.level(draft.flags, column) is Level.READ else None
        for column in ("title", "kind")
    )
    channel = InteractionChannel.NOTE if kind is None else CHANNELS.get(TaskKind(kind), InteractionChannel.NOTE)
    direction = Direction.INTERNAL if channel is InteractionChannel.NOTE else Direction.OUTBOUND
    return {
        "channel": channel.value,
        "direction": direction.value,
        "occurredAt": desk.tx.now,
        "subject": title,
        "body": draft.value("outcome"),
    }
