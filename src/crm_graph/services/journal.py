"""The event of a written record: one per verb and root, with before and after of the changed fields only."""

from collections.abc import Iterable
from typing import Any

from crm_graph.catalog import Kind
from crm_graph.services.children import as_told
from crm_graph.services.drafts import Desk, Draft
from crm_graph.services.rows import Row
from crm_graph.transaction import EventDraft

BOOKKEEPING = frozenset({"id", "version", "created_at", "updated_at", "custom"})
"""What an event says of itself, or nobody wrote."""


def version_after(draft: Draft) -> int:
    """The version that the draft's row has once it is written."""
    return 1 if draft.present is None else draft.present["version"] + 1


def event(desk: Desk, draft: Draft) -> EventDraft:
    """The event of a draft."""
    columns = _told(desk, draft.row if draft.creating else draft.changed)
    after: Row = {c: draft.row[c] for c in columns if not draft.creating or draft.row[c] is not None}
    before: Row = {} if draft.present is None else {c: draft.present[c] for c in columns}
    for relation_name, change in draft.child_changes.items():
        relation = desk.entity.relations[relation_name]
        after[relation_name] = as_told(relation, change.after)
        if not draft.creating:
            before[relation_name] = as_told(relation, change.before)
    if draft.move is not None and not draft.creating:
        after["stage_history"] = [{"id": draft.stay_id, "actor_id": desk.tx.principal.user_id, **draft.move.as_told()}]
    changed = list(after)
    if draft.present is not None and _names_amounts(desk, columns):
        # An amount is told in the currency that it was of.
        before["currency"] = draft.present["currency"]
        after["currency"] = draft.value("currency")
    return EventDraft(
        type=f"{desk.entity.name}.{_verb(draft)}",
        entity_type=desk.entity.name,
        entity_id=draft.id,
        entity_version=version_after(draft),
        changed=changed,
        before=before,
        after=after,
        customer_id=customer_of(desk, draft),
        reason=draft.reason,
    )


def _told(desk: Desk, columns: Iterable[str]) -> list[str]:
    """Columns that events speak of: base amounts follow from their amounts and the rates of the day."""
    types = desk.entity.fields
    return [
        c
        for c in columns
        if c not in BOOKKEEPING
        and c not in desk.entity.relations
        and not (c.endswith("_base") and c.removesuffix("_base") in types)
    ]


def _names_amounts(desk: Desk, columns: Iterable[str]) -> bool:
    types = desk.entity.fields
    return any(c in types and types[c].kind is Kind.MONEY for c in columns)


def customer_of(desk: Desk, draft: Draft) -> Any:
    """The customer whose record this is, if it is anybody's."""
    return draft.id if desk.entity.name == "customer" else draft.value("customer_id")


def _verb(draft: Draft) -> str:
    return draft.verb or ("created" if draft.creating else "updated")
