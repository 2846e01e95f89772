"""Bulk upsert: records by the ids of another system, thousands at a time, with an outcome for each.

The refs of new records are claimed first, in one order, before any row is locked: of two upserts that bring the same
new record one creates it, and the other waits and then finds it there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from crm_graph.errors import Conflict, CrmError, Duplicate, Invalid, LimitReached, NotFound, Required
from crm_graph.models import ExternalRef
from crm_graph.models.ids import EntityCode
from crm_graph.permissions.principals import API_SOURCE
from crm_graph.services import records
from crm_graph.services.commands import Create, ExternalKey, Mode, Outcome, ParentKey, Result, Update
from crm_graph.services.drafts import ChildChange, Desk, Draft, desk_for
from crm_graph.services.nouns import NOUNS
from crm_graph.services.rows import Row, delete_rows
from crm_graph.transaction import Transaction

MAX_ITEMS = 10_000
MAX_SOURCE = 64
MAX_EXTERNAL_ID = 200

ItemValues = Mapping[str, Any]


@dataclass(slots=True)
class _Item:
    """One item, taken apart by what its keys mean. `id` is that of the record its external id names, if any."""

    index: int
    external_id: str = ""
    deleted: bool = False
    pipeline: str | None = None
    values: Row = field(default_factory=dict)
    parents: dict[str, ParentKey] = field(default_factory=dict)
    children: dict[str, Sequence[Any]] = field(default_factory=dict)
    errors: list[CrmError] = field(default_factory=list)
    id: UUID | None = None


async def upsert(
    tx: Transaction,
    entity: str,
    source: str,
    items: Sequence[ItemValues],
    *,
    mode: Mode = Mode.PARTIAL,
    dry_run: bool = False,
) -> list[Outcome]:
    """Create, change, restore or archive (`deleted: true`) the records that `source` knows by `externalId`.

    An item has the fields of the entity's input by API name, its children as lists, which replace what is there, and
    its parents as `{"id": …}`, `{"externalId": …}` of the same source or `{"source": …, "externalId": …}`. One that
    changes nothing is UNCHANGED and writes nothing. A dry run tells the same outcomes and rolls the transaction back.
    """
    noun = NOUNS[entity]
    tx.require(noun.action(tx, "upsert"))
    desk = desk_for(tx, noun)
    _check_call(desk, source, items)
    read = _Reader(desk, source).read(items)
    await _find(desk, source, read)
    drafts, created = await _drafts(desk, source, read)
    absent = [item.index for item in read if not item.errors and item.deleted and item.id is None]
    outcomes = await records.write(desk, drafts, mode)
    await _settle_refs(desk, source, drafts, created, {i.index: i.external_id for i in read})
    if dry_run:
        tx.discard()
    outcomes.extend(Outcome(index, Result.UNCHANGED) for index in absent)
    return sorted(outcomes, key=lambda outcome: outcome.index)


def _check_call(desk: Desk, source: str, items: Sequence[ItemValues]) -> None:
    """A client writes under its own source. People and clients without one may name any, if they may read every
    record's refs: or else they would be told which ids of other systems are taken, and by which record.
    """
    own = desk.tx.principal.source
    reads_refs = desk.rights.everywhere_in_full("external_refs.source", "external_refs.external_id")
    if not 1 <= len(source) <= MAX_SOURCE or "\0" in source:
        raise Invalid("source_invalid", path=("source",), max=MAX_SOURCE)
    if own != source and not (own == API_SOURCE and reads_refs):
        raise Invalid("source_not_yours", path=("source",), source=source)
    if len(items) > MAX_ITEMS:
        raise LimitReached("too_many_items", path=("items",), max=MAX_ITEMS)


class _Reader:
    """Takes items apart; what the keys mean is looked up once per batch."""

    def __init__(self, desk: Desk, source: str) -> None:
        self._source = source
        self._parents = {relation.api_name for relation in desk.tx.catalog.parents(desk.entity)}
        self._children = {desk.entity.relations[name].api_name for name in desk.noun.children}
        self._seen: set[str] = set()

    def read(self, items: Iterable[ItemValues]) -> list[_Item]:
        return [self._item(index, raw) for index, raw in enumerate(items)]

    def _item(self, index: int, raw: Any) -> _Item:
        item = _Item(index)
        if not isinstance(raw, Mapping):
            item.errors.append(Invalid())
            return item
        for key, value in raw.items():
            self._take(item, key, value)
        if "externalId" not in raw:
            item.errors.append(Required(path=("externalId",)))
        if item.external_id in self._seen:
            item.errors.append(Duplicate("repeated_in_batch", path=("externalId",)))
        elif item.external_id:
            self._seen.add(item.external_id)
        return item

    def _take(self, item: _Item, key: str, value: Any) -> None:
        if key == "externalId":
            item.external_id = _external_id(value, item.errors)
        elif key == "deleted":
            item.deleted = value is True
            if value not in (True, False, None):
                item.errors.append(Invalid("boolean_invalid", path=("deleted",)))
        elif key == "pipeline":
            item.pipeline = value if value is None else str(value)
        elif key in self._parents:
            self._parent(item, key, value)
        elif key in self._children:
            self._child(item, key, value)
        else:
            item.values[key] = value

    def _parent(self, item: _Item, key: str, value: Any) -> None:
        if value is None:
            item.parents[key] = None
            return
        try:
            if "id" in value:
                item.parents[key] = UUID(str(value["id"]))
            else:
                item.parents[key] = ExternalKey(_name(value.get("source", self._source)), _name(value["externalId"]))
        except (TypeError, KeyError, AttributeError):
            item.errors.append(Invalid("parent_invalid", path=(key,)))
        except ValueError:
            item.errors.append(NotFound(path=(key,)))

    def _child(self, item: _Item, key: str, value: Any) -> None:
        if isinstance(value, list | tuple) and all(isinstance(child, Mapping) for child in value):
            item.children[key] = value
        else:
            item.errors.append(Invalid("list_invalid", path=(key,)))


def _name(value: Any) -> str:
    """A text or number by which a parent is named. Raises ValueError for what names none, as there is none."""
    if isinstance(value, bool) or not isinstance(value, str | int) or "\0" in str(value):
        raise ValueError(value)
    return str(value).strip()


def _external_id(value: Any, errors: list[CrmError]) -> str:
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if 1 <= len(text) <= MAX_EXTERNAL_ID and "\0" not in text and text.isprintable():
        return text
    errors.append(Invalid("external_id_invalid", path=("externalId",), max=MAX_EXTERNAL_ID))
    return ""


async def _find(desk: Desk, source: str, items: Iterable[_Item]) -> None:
    """Set the ids of the records that items are about."""
    wanting = {item.external_id: item for item in items if not item.errors and item.id is None}
    if not wanting:
        return
    found = await desk.tx.driver().fetch(
        "SELECT external_id, entity_id FROM external_refs"
        " WHERE source = $1 AND entity_type = $2 AND external_id = ANY($3::text[])",
        source,
        desk.entity.name,
        list(wanting),
    )
    for record in found:
        wanting[record["external_id"]].id = record["entity_id"]


async def _drafts(desk: Desk, source: str, items: Sequence[_Item]) -> tuple[list[Draft], dict[int, Row]]:
    """A draft for each item, and by index the refs of those that are new."""
    fresh = {item.index: _create_draft(desk, item) for item in items if item.id is None and not item.deleted}
    by_index = {item.index: item for item in items}
    refs = {
        index: _ref(desk, source, by_index[index].external_id, draft.id)
        for index, draft in fresh.items()
        if not draft.errors
    }
    claimed = await _claim(desk, list(refs.values()))
    lost = [by_index[index] for index, ref in refs.items() if ref["external_id"] not in claimed]
    await _find(desk, source, lost)
    for item in lost:
        del fresh[item.index], refs[item.index]
    known = {i.index: _update_draft(desk, i) for i in items if i.index not in fresh and (i.id or i.errors)}
    await _attach(desk, list(known.values()), by_index)
    for index, ref in refs.items():
        told = {key: ref[key] for key in ("id", "source", "external_id", "synced_at")}
        fresh[index].child_changes["external_refs"] = ChildChange([], [], [], [], [told])
    drafts = fresh | known
    return [drafts[index] for index in sorted(drafts)], refs


def _create_draft(desk: Desk, item: _Item) -> Draft:
    if item.errors:
        return _broken(desk, item)
    return desk.read_create(item.index, Create(item.values, item.parents, item.children, item.pipeline))


def _update_draft(desk: Desk, item: _Item) -> Draft:
    if item.errors or item.id is None:
        return _broken(desk, item)
    if item.deleted:
        return desk.read_update(item.index, Update(item.id))
    return desk.read_update(item.index, Update(item.id, item.values, None, item.parents, item.children))


def _broken(desk: Desk, item: _Item) -> Draft:
    draft = desk.read_update(item.index, Update(desk.tx.new_id(EntityCode(desk.entity.code))))
    draft.errors.extend(item.errors)
    return draft


async def _attach(desk: Desk, drafts: Sequence[Draft], items: Mapping[int, _Item]) -> None:
    """Lock what is there. A ref of this source on a record that the asker does not see is told as taken: a new record
    under it could never be made (a declassification of permissions.md).
    """
    sound = records.good(drafts)
    await records.attach(desk, sound)
    for draft in sound:
        if draft.present is None and draft.errors and isinstance(draft.errors[0], NotFound):
            draft.errors[:] = [Conflict("external_ref_taken", path=("externalId",))]
        elif not draft.errors:
            records.mark_archived(desk.tx, draft, archives=items[draft.index].deleted)


def _ref(desk: Desk, source: str, external_id: str, entity_id: UUID) -> Row:
    return {
        "id": desk.tx.new_id(EntityCode.EXTERNAL_REF),
        "entity_type": desk.entity.name,
        "entity_id": entity_id,
        "source": source,
        "external_id": external_id,
        "synced_at": desk.tx.now,
    }


_CLAIM = """
INSERT INTO external_refs (id, entity_type, entity_id, source, external_id, synced_at)
SELECT r.id, $4, r.entity_id, $5, r.external_id, $6
FROM unnest($1::uuid[], $2::uuid[], $3::text[]) WITH ORDINALITY AS r (id, entity_id, external_id, n)
ORDER BY r.n
ON CONFLICT (source, entity_type, external_id) DO NOTHING
RETURNING external_id
"""


async def _claim(desk: Desk, refs: Sequence[Row]) -> set[str]:
    """Insert refs in the order of their external ids; gives those that were free. Waits for whoever claims the same."""
    if not refs:
        return set()
    ordered = sorted(refs, key=lambda ref: ref["external_id"])
    claimed = await desk.tx.driver().fetch(
        _CLAIM,
        [ref["id"] for ref in ordered],
        [ref["entity_id"] for ref in ordered],
        [ref["external_id"] for ref in ordered],
        desk.entity.name,
        ordered[0]["source"],
        desk.tx.now,
    )
    return {record["external_id"] for record in claimed}


async def _settle_refs(
    desk: Desk, source: str, drafts: Sequence[Draft], created: Mapping[int, Row], external_ids: Mapping[int, str]
) -> None:
    """Give back the refs of records that were not made after all, and date those of records that changed."""
    returned = [created[d.index]["id"] for d in drafts if d.errors and d.index in created]
    await delete_rows(desk.tx, ExternalRef, returned)
    synced = [external_ids[d.index] for d in drafts if not d.errors and not d.creating and d.changed]
    if synced:
        await desk.tx.driver().execute(
            "UPDATE external_refs SET synced_at = $4"
            " WHERE source = $1 AND entity_type = $2 AND external_id = ANY($3::text[])",
            source,
            desk.entity.name,
            synced,
            desk.tx.now,
        )
