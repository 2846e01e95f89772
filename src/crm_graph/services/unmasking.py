"""Unmasking: masked fields of a few records in full, for a reason that is written down with who was told."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm_graph.access import Level
from crm_graph.catalog import EntityType, Kind, Relation
from crm_graph.errors import Invalid, LimitReached, NotFound, Required
from crm_graph.fragments import name, number, param, sql
from crm_graph.models.ids import code_of
from crm_graph.services import reads
from crm_graph.services.reads import AuditedRead
from crm_graph.services.rights import Held, Rights, api_paths, rights_on, seen
from crm_graph.services.texts import clean
from crm_graph.transaction import Input, Transaction

ACTION = "unmask"
VERB = "unmasked"
MAX_RECORDS = 20
MAX_FIELDS = 20
MAX_REASON = 500
MAX_CHILDREN = 1_000


@dataclass(frozen=True, slots=True)
class Unmask:
    """Records of one type, fields of them as clients name them, and why, in words."""

    ids: Sequence[UUID]
    fields: Sequence[str]
    reason: str


@dataclass(frozen=True, slots=True)
class UnmaskedValue:
    """A value in full. `child_id` is that of what belongs to the record and has it."""

    id: UUID
    child_id: UUID | None
    field: str
    value: Any


async def unmask(tx: Transaction, command: Unmask) -> list[UnmaskedValue]:
    """The fields of the records, by record and field. What a record hides from the asker is not among them, however
    they ask; a field that it hides everywhere is as unknown as one that never was, like a record out of scope.
    """
    tx.require(ACTION)
    reason = _reason(command.reason)
    entity = _type_of(tx, command.ids)
    rights = rights_on(tx, entity)
    paths = _paths(tx, rights, command.fields)
    held = await seen(tx, rights, command.ids)
    for place, id_ in enumerate(command.ids):
        if id_ not in held:
            raise NotFound(path=("ids", str(place)))
    ids = tuple(dict.fromkeys(command.ids))
    told = await _told(tx, rights, [held[id_] for id_ in ids], paths)
    await reads.record(tx, [AuditedRead(VERB, entity.name, tuple(paths), len(ids), ids, reason=reason)])
    return sorted(told, key=lambda value: ids.index(value.id))


def _reason(given: str) -> str:
    try:
        reason = clean(given, max_length=MAX_REASON, multiline=True)
    except Invalid as fault:
        raise fault.at("reason") from None
    if reason is None:
        raise Required(path=("reason",))
    return reason


def _type_of(tx: Transaction, ids: Sequence[UUID]) -> EntityType:
    """The type that all ids are of. One that is of none, or of what belongs to a record, is no record's."""
    if not ids:
        raise Required(path=("ids",))
    if len(ids) > MAX_RECORDS:
        raise LimitReached("too_many_items", path=("ids",), max=MAX_RECORDS)
    found = [tx.catalog.by_code.get(code_of(id_)) for id_ in ids]
    for place, entity in enumerate(found):
        if entity is None or entity.is_child:
            raise NotFound(path=("ids", str(place)))
        if entity is not found[0]:
            raise Invalid("ids_of_one_type", path=("ids", str(place)))
    (first, *_) = (entity for entity in found if entity is not None)
    return first


def _paths(tx: Transaction, rights: Rights, fields: Sequence[str]) -> dict[str, str]:
    """The paths of the fields by their names in the API, each once."""
    if not fields:
        raise Required(path=("fields",))
    if len(fields) > MAX_FIELDS:
        raise LimitReached("too_many_items", path=("fields",), max=MAX_FIELDS)
    known = {
        api_name: path
        for path, api_name in api_paths(tx.catalog, rights.entity).items()
        if tx.access.ceiling(rights.entity.name, path) > Level.HIDDEN
    }
    for place, field in enumerate(fields):
        if field not in known:
            raise Invalid("unknown_field", path=("fields", str(place)))
    return {field: known[field] for field in fields}


def _value(entity: EntityType, row: Mapping[str, Any], path: str) -> Any:
    if path not in entity.fields:
        return row["custom"].get(path.partition(".")[2])
    value = row[path]
    if entity.fields[path].kind is Kind.MONEY and value is not None:
        return {"amount": value, "currency": row["currency"]}
    return value


@dataclass(frozen=True, slots=True)
class _Asked:
    """One field: its name in the API, and its path; `relation` leads to what belongs to a record and has it."""

    field: str
    path: str
    relation: Relation | None

    def of_record(self, entity: EntityType, row: Mapping[str, Any]) -> UnmaskedValue:
        return UnmaskedValue(row["id"], None, self.field, _value(entity, row, self.path))


async def _of_children(tx: Transaction, asked: _Asked, ids: Sequence[UUID]) -> Mapping[UUID, list[UnmaskedValue]]:
    """The values of what belongs to some records, by record."""
    relation = asked.relation
    if relation is None:
        return {}
    child = tx.catalog[relation.target]
    rows = await tx.fetch(
        sql(
            "SELECT c.{remote} AS record, c.id, c.{column} AS value FROM {table} AS c WHERE c.{remote} = ANY({ids})"
            " ORDER BY c.id LIMIT {limit}",
            remote=name(relation.remote),
            column=name(child.fields[asked.path.rpartition(".")[2]].name),
            table=name(child.table),
            ids=param(Input("ids"), "uuid[]"),
            limit=number(MAX_CHILDREN),
        ),
        ids=ids,
    )
    found: dict[UUID, list[UnmaskedValue]] = {}
    for row in rows:
        found.setdefault(row["record"], []).append(UnmaskedValue(row["record"], row["id"], asked.field, row["value"]))
    return found


async def _told(
    tx: Transaction, rights: Rights, held: Sequence[Held], paths: Mapping[str, str]
) -> Iterable[UnmaskedValue]:
    """The values of records that these show at least masked; one statement for each field of what belongs to them."""
    entity, found = rights.entity, list[UnmaskedValue]()
    for field, path in paths.items():
        asked = _Asked(field, path, entity.relations.get(path.rpartition(".")[0]))
        shown = [h.row for h in held if rights.level(h.flags, path) > Level.HIDDEN]
        below = await _of_children(tx, asked, [row["id"] for row in shown])
        for row in shown:
            found += below.get(row["id"], []) if asked.relation else [asked.of_record(entity, row)]
    return found
