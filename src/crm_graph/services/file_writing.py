"""The right to hang files on records, and the event of the record when they come or go."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from crm_graph.catalog import EntityType
from crm_graph.errors import NotFound, RuleViolated
from crm_graph.services import records
from crm_graph.services.commands import Mode, Update
from crm_graph.services.drafts import ChildChange, desk_for
from crm_graph.services.nouns import NOUNS
from crm_graph.services.rights import rights_on, seen
from crm_graph.services.rows import Row
from crm_graph.transaction import Transaction

ATTACHMENTS = "attachments"
WRITES = f"{ATTACHMENTS}.name"
"""Who writes this field of a record hangs files on it, and takes them off."""


async def writable(tx: Transaction, entity: EntityType, record: UUID) -> None:
    """Raise NotFound for a record that the asker does not see, RuleViolated for one that they may not hang files on."""
    tx.require(NOUNS[entity.name].action(tx, "update"))
    rights = rights_on(tx, entity)
    held = (await seen(tx, rights, [record])).get(record)
    if held is None:
        raise NotFound(path=("record",))
    if WRITES not in rights.writes(held.flags):
        raise RuleViolated("not_writable", path=("record",))
    if held.row["archived_at"] is not None:
        raise RuleViolated("archived", path=("record",))


async def change(tx: Transaction, type_: str, files: Mapping[UUID, Sequence[Row]], verb: str, *, came: bool) -> None:
    """Write that files came to records of a type, or went from them: one event for each record, which tells of these
    files alone. Raises Refused where one of the records may not be written so.
    """
    desk = desk_for(tx, NOUNS[type_])
    tx.require(desk.noun.action(tx, "update"))
    drafts = [desk.read_update(number, Update(record)) for number, record in enumerate(sorted(files))]
    await records.attach(desk, drafts)
    for draft in records.good(drafts):
        if WRITES not in desk.rights.writes(draft.flags):
            draft.refuse(RuleViolated("not_writable"))
        elif draft.value("archived_at") is not None:
            draft.refuse(RuleViolated("archived"))
        told = list(files[draft.id])
        draft.child_changes[ATTACHMENTS] = ChildChange([], [], [], [] if came else told, told if came else [])
        draft.verb = verb
    await records.write(desk, drafts, Mode.ATOMIC)
