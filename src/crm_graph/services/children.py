"""Children of a root: loaded, matched with the wanted list without churn, and written."""

from collections.abc import Iterable, Sequence
from typing import Any

from crm_graph.catalog import Relation
from crm_graph.fragments import name, param, sql
from crm_graph.models.ids import EntityCode
from crm_graph.services.drafts import ChildChange, Desk, Draft
from crm_graph.services.rows import Row, columns_as_read, defaults, delete_rows, insert_rows, update_rows
from crm_graph.transaction import Input


async def load(desk: Desk, drafts: Sequence[Draft]) -> None:
    """Read the present children of each relation that a draft writes or its noun's rules need."""
    for relation_name in desk.noun.children:
        wanting = [d for d in drafts if relation_name in d.children or relation_name in desk.noun.also_reads(d)]
        if wanting:
            await _load(desk, desk.entity.relations[relation_name], wanting)


async def _load(desk: Desk, relation: Relation, drafts: Sequence[Draft]) -> None:
    child = desk.tx.catalog[relation.target]
    found = await desk.tx.fetch(
        sql(
            "SELECT {columns} FROM {table} AS t WHERE t.{parent} = ANY({ids}) ORDER BY t.id",
            columns=columns_as_read(child.model, "t"),
            table=name(child.table),
            parent=name(relation.remote),
            ids=param(Input("ids"), "uuid[]"),
        ),
        ids=[draft.id for draft in drafts],
    )
    by_parent: dict[Any, list[Row]] = {draft.id: [] for draft in drafts}
    for record in found:
        by_parent[record[relation.remote]].append(dict(record))
    for draft in drafts:
        draft.present_children[relation.name] = by_parent[draft.id]


def match(desk: Desk, drafts: Iterable[Draft]) -> None:
    """Work out what becomes of the children of each draft; a list that stays as it is leaves no change. One that the
    asker does not read in full is made anew: what stays would tell them which of its values they guessed.
    """
    made = {name: _Made(desk, desk.entity.relations[name]) for name in desk.noun.children}
    for draft in drafts:
        withheld = frozenset() if draft.creating else desk.rights.withheld(draft.flags)
        for relation_name, wanted in draft.children.items():
            blind = any(path.startswith(f"{relation_name}.") for path in withheld)
            change = _match(desk, made[relation_name], draft, wanted, blind=blind)
            if change.inserted or change.updated or change.deleted or blind:
                draft.child_changes[relation_name] = change


class _Made:
    """What a new child of a relation starts with, looked up once per batch."""

    def __init__(self, desk: Desk, relation: Relation) -> None:
        child = desk.tx.catalog[relation.target]
        self.relation = relation
        self.code = EntityCode(child.code)
        self.defaults = defaults(child.model)


def _match(desk: Desk, made: _Made, draft: Draft, wanted: Sequence[Row], *, blind: bool) -> ChildChange:
    relation = made.relation
    key = desk.noun.children[relation.name]
    present = draft.present_children.get(relation.name, [])
    standing = {key(row, number): row for number, row in enumerate(present)}
    change = ChildChange([], [], [], present, [])
    for number, row in enumerate(wanted):
        old = None if blind else standing.pop(key(row, number), None)
        if old is None:
            new = {**made.defaults, **row, "id": desk.tx.new_id(made.code), relation.remote: draft.id}
            change.inserted.append(new)
            change.after.append(new)
        else:
            merged = {**old, **row}
            if merged != old:
                change.updated.append(merged)
            change.after.append(merged)
    change.deleted.extend(row["id"] for row in standing.values())
    return change


async def write(desk: Desk, drafts: Sequence[Draft]) -> None:
    """Delete, change and insert the children of all drafts, three statements per relation at most."""
    for relation_name in desk.noun.children:
        changes = [d.child_changes[relation_name] for d in drafts if relation_name in d.child_changes]
        model = desk.tx.catalog[desk.entity.relations[relation_name].target].model
        await delete_rows(desk.tx, model, [id_ for change in changes for id_ in change.deleted])
        await update_rows(desk.tx, model, [row for change in changes for row in change.updated])
        await insert_rows(desk.tx, model, [row for change in changes for row in change.inserted])


def as_told(relation: Relation, rows: Iterable[Row]) -> list[Row]:
    """Children as events hold them: what is set, without the way back to their root."""
    return [{k: v for k, v in row.items() if v is not None and k != relation.remote} for row in rows]
