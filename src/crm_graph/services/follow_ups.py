"""The next follow-up of an interaction is a task: made, moved, taken over and cancelled in its transaction.

Nobody needs rights on tasks for it: it follows from what they may write of the interaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from crm_graph.access import EVERY_ROW, TypeGrant
from crm_graph.models.ids import EntityCode
from crm_graph.models.tasks import TaskKind, TaskStatus
from crm_graph.services import records, tasks
from crm_graph.services.commands import Mode
from crm_graph.services.drafts import Desk, Draft
from crm_graph.services.rights import Rights, lock
from crm_graph.transaction import Transaction

TITLE = "下次跟进"
"""In the company's language, as labels are. What is to be done is of the class CONTENT, and stands in the body."""
PLANNED = frozenset({"next_follow_up_at", "next_follow_up_note", "archived_at"})
ABOUT = ("opportunity_id", "ticket_id", "lead_id", "customer_id")
"""What a follow-up is of, the nearest first."""
_SYSTEM = TypeGrant(EVERY_ROW, {}, frozenset({"title"}))

Key = tuple[UUID | None, UUID | None]
"""Whose a follow-up is, and of which record."""


@dataclass(slots=True)
class _Standing:
    """An open follow-up, and when the contact that it follows up was."""

    draft: Draft
    occurred_at: datetime


@dataclass(slots=True)
class _Book:
    """The open follow-ups that a batch of interactions may change, by interaction and by key."""

    by_interaction: dict[UUID, _Standing] = field(default_factory=dict)
    by_key: dict[Key, _Standing] = field(default_factory=dict)
    drafts: list[Draft] = field(default_factory=list)

    def add(self, standing: _Standing) -> None:
        draft = standing.draft
        self.drafts.append(draft)
        self.by_interaction[draft.value("interaction_id")] = standing
        known = self.by_key.get(_key(draft))
        if known is None or known.occurred_at <= standing.occurred_at:
            self.by_key[_key(draft)] = standing


async def keep(tx: Transaction, interactions: Sequence[Draft]) -> None:
    """Let tasks follow interactions that were written. A later contact of the same owner about the same record takes
    over the follow-up that stands; an earlier one that is logged late does not. What lies behind becomes no task.
    """
    planned = [draft for draft in interactions if _plans(draft)]
    if not planned:
        return
    entity = tasks.NOUN.type(tx)
    desk = Desk(tx, tasks.NOUN, entity, Rights(tx.catalog, entity, (_SYSTEM,)))
    book = await _open(desk, planned)
    for interaction in sorted(planned, key=lambda draft: (draft.value("occurred_at"), draft.id)):
        _follow(tx, book, interaction)
    await records.write(desk, [draft for draft in book.drafts if draft.row], Mode.ATOMIC)


def _plans(interaction: Draft) -> bool:
    """Whether what was written of an interaction is about its follow-up."""
    if interaction.creating:
        return interaction.value("next_follow_up_at") is not None
    return not PLANNED.isdisjoint(interaction.changed)


def _key(draft: Draft) -> Key:
    return draft.value("owner_id"), next((id_ for c in ABOUT if (id_ := draft.value(c)) is not None), None)


_OPEN = """
SELECT t.id, i.occurred_at
FROM tasks t JOIN interactions i ON i.id = t.interaction_id
WHERE t.kind = 'FOLLOW_UP' AND t.status = 'OPEN' AND t.archived_at IS NULL AND t.id IN (
    SELECT id FROM tasks WHERE interaction_id = ANY($1::uuid[])
    UNION ALL
    SELECT o.id FROM unnest($2::uuid[], $3::uuid[]) AS k (owner_id, about) JOIN tasks o
        ON o.owner_id = k.owner_id AND o.status = 'OPEN' AND o.interaction_id IS NOT NULL
        AND COALESCE(o.opportunity_id, o.ticket_id, o.lead_id, o.customer_id) = k.about
)
"""


async def _open(desk: Desk, interactions: Sequence[Draft]) -> _Book:
    """The open follow-ups of these interactions and of the same owners and records, locked by id."""
    keys = sorted({key for draft in interactions if None not in (key := _key(draft))}, key=str)
    found = await desk.tx.driver().fetch(
        _OPEN, [draft.id for draft in interactions], [owner for owner, _ in keys], [about for _, about in keys]
    )
    contacts = {record["id"]: record["occurred_at"] for record in found}
    book = _Book()
    for id_, held in (await lock(desk.tx, desk.rights, list(contacts))).items():
        if held.row["status"] == TaskStatus.OPEN and held.row["interaction_id"] is not None:
            book.add(_Standing(_draft(id_, present=held.row, flags=held.flags), contacts[id_]))
    return book


def _draft(id_: UUID, **more: object) -> Draft:
    draft = Draft(0, id_, {}, {}, {}, {}, [], [])
    for name, value in more.items():
        setattr(draft, name, value)
    return draft


def _follow(tx: Transaction, book: _Book, interaction: Draft) -> None:
    """What becomes of the follow-up of one interaction."""
    at = None if interaction.value("archived_at") is not None else interaction.value("next_follow_up_at")
    own, standing = book.by_interaction.get(interaction.id), book.by_key.get(_key(interaction))
    if at is None:
        if own is not None:
            own.draft.verb = tasks.VERBS[TaskStatus.CANCELLED]
            own.draft.row.update(status=TaskStatus.CANCELLED.value, closed_at=tx.now)
            book.by_key.pop(_key(interaction), None)
    elif own is not None:
        _move(own, interaction, at)
    elif standing is not None and None not in _key(interaction):
        if standing.occurred_at <= interaction.value("occurred_at"):
            _move(standing, interaction, at)
            book.by_interaction[interaction.id] = standing
    elif at > tx.now:
        book.add(_Standing(_new(tx, interaction, at), interaction.value("occurred_at")))


def _move(standing: _Standing, interaction: Draft, at: datetime) -> None:
    standing.occurred_at = interaction.value("occurred_at")
    note = interaction.value("next_follow_up_note")
    standing.draft.row.update(due_at=at, body=note, interaction_id=interaction.id)


def _new(tx: Transaction, interaction: Draft, at: datetime) -> Draft:
    row = {column: interaction.value(column) for column in (*ABOUT, "owner_id", "team_id")}
    told = {"title": TITLE, "kind": TaskKind.FOLLOW_UP.value, "due_at": at}
    note = interaction.value("next_follow_up_note")
    return _draft(tx.new_id(EntityCode.TASK), row={**row, **told, "body": note, "interaction_id": interaction.id})
