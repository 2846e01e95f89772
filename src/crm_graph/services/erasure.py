"""Erasing what is personal of one customer, everywhere: in the rows, in what belongs to them, in the log of events, in
stored answers, exports and jobs. The one place that writes events anew.

What is personal is said by the columns (`personal` in `models/`). Amounts, dates and stages stay, so that figures of
the company still add up; the customer is archived.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import inspect

from crm_graph.catalog import CUSTOM, Catalog, EntityType, Relation
from crm_graph.errors import Invalid, NotFound, Required
from crm_graph.fragments import Fragment, const, join, name, param, sql, text
from crm_graph.models.fields import info_of
from crm_graph.services import files, jobs, search_index
from crm_graph.services.rights import rights_on, seen
from crm_graph.services.rows import column_types
from crm_graph.services.texts import clean
from crm_graph.transaction import EventDraft, Input, Transaction

ACTION = "erase"
VERB = "erased"
ERASED = "***"
"""What stands where a text must stand."""
HOLDER = "customer"
MAX_REASON = 500
LEAST = 4
"""Shorter values of the subject stand in too many stored texts by chance."""


@dataclass(frozen=True, slots=True)
class Erased:
    """How many records and events had something taken out of them."""

    records: int
    events: int


async def erase(tx: Transaction, id_: UUID, reason: str) -> Erased:
    """Erase what is personal of a customer and of the interactions, leads, deals, tickets and contracts with them.

    It cannot be taken back. Each record has an event that names the fields and holds none of their values. Who may not
    see the customer is told NOT_FOUND.
    """
    tx.require(ACTION)
    tx.reason = _reason(reason)
    holder = tx.catalog[HOLDER]
    if id_ not in await seen(tx, rights_on(tx, holder), [id_]):
        raise NotFound(path=("id",))
    # A job locks its row before records: in another order, the two would wait for each other. Those that are enqueued
    # until the records are locked go at the end.
    await jobs.forget(tx, [id_])
    known = await _known(tx, id_)
    touched = [(e, await _erase_rows(tx, e, "customer_id", id_)) for e in _with_customers(tx.catalog)]
    touched.append((holder, await _erase_rows(tx, holder, "id", id_)))
    ids = [row["id"] for _, rows in touched for row in rows]
    await files.erase_files(tx, [id_])
    for entity, rows in touched:
        await _erase_below(tx, entity, [row["id"] for row in rows])
    # Rows are locked now: whoever wrote an event of them before has committed it.
    events = await _erase_events(tx, id_, ids)
    await _forget(tx, id_, ids, known)
    tx.record(*(_event(tx, entity, row, id_) for entity, rows in touched for row in rows))
    return Erased(len(ids), events)


def _reason(given: str) -> str:
    try:
        reason = clean(given, max_length=MAX_REASON, multiline=True)
    except Invalid as fault:
        raise fault.at("reason") from None
    if reason is None:
        raise Required(path=("reason",))
    return reason


def personal_columns(model: type[Any]) -> dict[str, bool]:
    """The columns of a table that hold something of a person, each with whether it may be without a value."""
    columns = inspect(model).local_table.columns
    return {c.name: bool(c.nullable) for c in columns if (info := info_of(c)) is not None and info.personal}


def _with_customers(catalog: Catalog) -> Iterator[EntityType]:
    """The types whose records are of a customer, in the order in which they are locked."""
    return (e for e in catalog.roots if e.owned and "customer_id" in column_types(e.model))


def _personal_children(catalog: Catalog, entity: EntityType) -> Iterator[tuple[Relation, EntityType, dict[str, bool]]]:
    for relation in catalog.children(entity):
        child = catalog[relation.target]
        columns = personal_columns(child.model)
        if columns:
            yield relation, child, columns


async def _erase_rows(tx: Transaction, entity: EntityType, column: str, id_: UUID) -> list[asyncpg.Record]:
    """Empty the personal columns of the rows whose `column` is the customer; gives what their events name."""
    now = param(Input("now"), "timestamptz")
    kept = tuple(key for key, field in entity.custom.items() if not field.info.personal)
    changes = [
        sql("{c} = {value}", c=name(c), value=sql("NULL") if nullable else text(ERASED))
        for c, nullable in personal_columns(entity.model).items()
    ]
    changes.append(
        sql(
            "{custom} = (SELECT COALESCE(jsonb_object_agg(k.key, k.value), '{}') FROM jsonb_each(t.{custom}) AS k"
            " WHERE k.key = ANY({kept}))",
            custom=name(CUSTOM),
            kept=const(kept, "text[]"),
        )
    )
    if entity.name == HOLDER:
        changes.append(sql("archived_at = COALESCE(t.archived_at, {now})", now=now))
    return await tx.fetch(
        sql(
            "UPDATE {table} AS t SET {changes}, version = t.version + 1, updated_at = {now}"
            " WHERE t.{column} = {id} RETURNING t.id, t.version, t.archived_at",
            table=name(entity.table),
            changes=join(", ", changes),
            now=now,
            column=name(column),
            id=param(Input("id"), "uuid"),
        ),
        id=id_,
        now=tx.now,
    )


async def _erase_below(tx: Transaction, entity: EntityType, ids: Sequence[UUID]) -> None:
    """Ways to reach a customer are nothing but personal and go; of other rows what is personal goes. Then records are
    found by what is left.
    """
    if not ids:
        return
    for relation, child, columns in _personal_children(tx.catalog, entity):
        rows = sql("{table} AS t WHERE t.{parent} = ANY({ids})", table=name(child.table), parent=name(relation.remote),
                   ids=param(Input("ids"), "uuid[]"))  # fmt: skip
        statement = sql("DELETE FROM {rows}", rows=rows)
        if child.root != HOLDER:
            statement = sql(
                "UPDATE {table} AS t SET {changes} WHERE t.{parent} = ANY({ids})",
                table=name(child.table),
                changes=join(
                    ", ",
                    [
                        sql("{c} = {v}", c=name(c), v=sql("NULL") if nullable else text(ERASED))
                        for c, nullable in columns.items()
                    ],
                ),
                parent=name(relation.remote),
                ids=param(Input("ids"), "uuid[]"),
            )
        await tx.fetch(statement, ids=list(ids))
    sources = search_index.sources_of(tx.catalog, entity)
    if sources is not None:
        await search_index.index(tx.driver(), sources, list(ids))


async def _erase_events(tx: Transaction, id_: UUID, ids: Sequence[UUID]) -> int:
    """Take what is personal out of the events of the customer and of those records, whoever's these were before."""
    count = 0
    for entity in (*_with_customers(tx.catalog), tx.catalog[HOLDER]):
        rows = await tx.fetch(
            sql(
                "UPDATE events AS e SET before = {before}, after = {after}, reason = NULL, looked_for = NULL,"
                " erased_at = {now} WHERE e.entity_type = {type} AND (e.entity_id = ANY({ids}) OR e.customer_id = {id})"
                " RETURNING e.id",
                before=_without_personal(tx.catalog, entity, sql("e.before")),
                after=_without_personal(tx.catalog, entity, sql("e.after")),
                type=const(entity.name, "text"),
                ids=param(Input("ids"), "uuid[]"),
                id=param(Input("id"), "uuid"),
                now=param(Input("now"), "timestamptz"),
            ),
            ids=list(ids),
            id=id_,
            now=tx.now,
        )
        count += len(rows)
    return count


def _without_personal(catalog: Catalog, entity: EntityType, image: Fragment) -> Fragment:
    """One side of an event without what is personal, in lists of what belongs to the record too."""
    erased = sql("{image} - {keys}", image=image, keys=const((*personal_columns(entity.model), CUSTOM), "text[]"))
    for relation, _, columns in _personal_children(catalog, entity):
        erased = sql(
            "{erased} || CASE WHEN {image} ? {key} THEN jsonb_build_object({key}, (SELECT"
            " COALESCE(jsonb_agg(i.item - {keys}), '[]') FROM jsonb_array_elements({image} -> {key}) AS i(item)))"
            " ELSE '{}' END",
            erased=erased,
            image=image,
            key=text(relation.name),
            keys=const(tuple(columns), "text[]"),
        )
    return erased


_ANSWERS = """
DELETE FROM idempotency_keys AS k
WHERE k.subject_id = $1 OR (k.subject_id IS NULL AND k.answer IS NOT NULL AND EXISTS (
    SELECT 1 FROM unnest($2::text[]) AS v WHERE position(convert_to(v, 'UTF8') IN k.answer) > 0
))
"""
_EXPORTS = """
DELETE FROM exports AS x
WHERE EXISTS (SELECT 1 FROM unnest($1::text[]) AS v WHERE strpos(x.variables, v) > 0 OR strpos(x.document, v) > 0)
"""


async def _forget(tx: Transaction, id_: UUID, ids: Iterable[UUID], known: Sequence[str]) -> None:
    """Stored answers, exports that ask for the subject, and jobs about them are gone."""
    await tx.driver().execute(_ANSWERS, id_, [*(str(each) for each in ids), *known])
    await tx.driver().execute(_EXPORTS, list(known))
    await jobs.forget(tx, [id_])


async def _known(tx: Transaction, id_: UUID) -> list[str]:
    """The texts that the subject is known by: the personal ones of their row and of the ways to reach them."""
    holder = tx.catalog[HOLDER]
    selects = [_texts(holder, "id", personal_columns(holder.model))]
    for relation, child, columns in _personal_children(tx.catalog, holder):
        if child.root == HOLDER:
            selects.append(_texts(child, relation.remote, columns))
    rows = await tx.fetch(
        sql("SELECT DISTINCT v FROM ({values}) AS u(v) WHERE length(v) >= {least}",
            values=join(" UNION ALL ", selects), least=const(LEAST, "integer")),
        id=id_,
    )  # fmt: skip
    return [row["v"] for row in rows]


def _texts(entity: EntityType, column: str, columns: Iterable[str]) -> Fragment:
    return sql(
        "SELECT v FROM {table} AS t CROSS JOIN LATERAL unnest(ARRAY[{values}]) AS v WHERE t.{column} = {id}",
        table=name(entity.table),
        values=join(", ", [sql("t.{c}::text", c=name(c)) for c in columns]),
        column=name(column),
        id=param(Input("id"), "uuid"),
    )


def _event(tx: Transaction, entity: EntityType, row: asyncpg.Record, customer_id: UUID) -> EventDraft:
    """That it was erased: the fields, and what stands there now."""
    after: dict[str, object] = {
        column: None if nullable else ERASED for column, nullable in personal_columns(entity.model).items()
    }
    if entity.name == HOLDER:
        after["archived_at"] = row["archived_at"]
        after |= {r.name: [] for r, child, _ in _personal_children(tx.catalog, entity) if child.root == HOLDER}
    return EventDraft(
        type=f"{entity.name}.{VERB}",
        entity_type=entity.name,
        entity_id=row["id"],
        entity_version=row["version"],
        changed=list(after),
        before={},
        after=after,
        customer_id=customer_id,
    )
