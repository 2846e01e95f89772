"""The search index: the keys of each record of a searched type, written in the transaction that writes the record."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm_graph.catalog import Catalog, EntityType, Searched, searched_fields
from crm_graph.fragments import Fragment, join, name, number, param, render, sql
from crm_graph.permissions.store import Connection
from crm_graph.services.drafts import Draft
from crm_graph.services.search_keys import keys_of
from crm_graph.transaction import Input, Transaction

BATCH = 2_000
"""Records of one transaction of a reindex: they are locked against change, for some tenths of a second."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What the keys of one type are made of."""

    catalog: Catalog
    entity: EntityType
    fields: tuple[Searched, ...]

    @property
    def columns(self) -> frozenset[str]:
        """The columns and the relations whose change may change keys."""
        return frozenset(s.relation.name if s.relation else s.field.name for s in self.fields)

    def values(self) -> Fragment:
        """The searched values of a row `t`, as columns `v0…`; of a relation, an array."""
        return join(", ", [sql("{v} AS {n}", v=self._value(s), n=name(f"v{i}")) for i, s in enumerate(self.fields)])

    def _value(self, searched: Searched) -> Fragment:
        if searched.relation is None:
            return sql("t.{column}", column=name(searched.field.name))
        return sql(
            "ARRAY(SELECT c.{column} FROM {table} AS c WHERE c.{remote} = t.{local} AND c.{column} IS NOT NULL)",
            column=name(searched.field.name),
            table=name(self.catalog[searched.relation.target].table),
            remote=name(searched.relation.remote),
            local=name(searched.relation.local),
        )


def sources_of(catalog: Catalog, entity: EntityType) -> Sources | None:
    """The sources of a type's keys; None for a type that is not searched."""
    fields = searched_fields(catalog, entity)
    return Sources(catalog, entity, fields) if fields else None


async def write(tx: Transaction, entity: EntityType, drafts: Sequence[Draft]) -> None:
    """Bring the keys of written records up to date, where what they are made of has changed."""
    sources = sources_of(tx.catalog, entity)
    if sources is None:
        return
    columns = sources.columns
    ids = [d.id for d in drafts if d.creating or not columns.isdisjoint(d.changed)]
    if ids:
        await index(tx.driver(), sources, ids)


async def index(connection: Connection, sources: Sources, ids: Sequence[UUID]) -> None:
    """Write the keys of records as their rows stand. Their rows must be locked, or new."""
    statement = render(
        sql(
            "SELECT t.id, {values} FROM {table} AS t WHERE t.id = ANY({ids})",
            values=sources.values(),
            table=name(sources.entity.table),
            ids=param(Input("ids"), "uuid[]"),
        )
    )
    rows = await connection.fetch(statement.text, ids)
    await put(connection, sources, rows)


async def put(connection: Connection, sources: Sources, rows: Sequence[Any]) -> None:
    """Write the keys of rows: an id each, then the searched values."""
    await connection.execute(
        _PUT,
        sources.entity.code,
        [row[0] for row in rows],
        [keys_of(_values(sources.fields, row)) for row in rows],
    )


def _values(fields: Sequence[Searched], row: Any) -> Iterable[tuple[Searched, str]]:
    for place, searched in enumerate(fields, 1):
        value = row[place]
        if isinstance(value, str):
            yield searched, value
        elif isinstance(value, list):
            for item in value:
                yield searched, item


_PUT = """
INSERT INTO search_documents (code, entity_id, keys)
SELECT $1, r.id, r.keys::tsvector FROM unnest($2::uuid[], $3::text[]) AS r (id, keys)
ON CONFLICT (code, entity_id) DO UPDATE SET keys = excluded.keys
WHERE search_documents.keys IS DISTINCT FROM excluded.keys
"""


async def reindex(
    connection: Connection, catalog: Catalog, entity: EntityType, progress: Callable[[int], None] = lambda _: None
) -> int:
    """Write the keys of all records of a type anew, in batches that are transactions of their own, and take away keys
    that no record has. Rows are locked against change meanwhile, so that it may run beside a hub; what is right already
    is not written, so that it may be stopped and run again. Gives the number of records.
    """
    sources = sources_of(catalog, entity)
    if sources is None:
        return 0
    statement = render(
        sql(
            "SELECT t.id, {values} FROM {table} AS t WHERE t.id > {after} ORDER BY t.id LIMIT {batch} FOR SHARE OF t",
            values=sources.values(),
            table=name(entity.table),
            after=param(Input("after"), "uuid"),
            batch=number(BATCH),
        )
    ).text
    sweep = render(
        sql(
            "DELETE FROM search_documents AS d WHERE d.code = $1 AND d.entity_id > $2 AND d.entity_id <= $3"
            " AND NOT EXISTS (SELECT 1 FROM {table} AS t WHERE t.id = d.entity_id)",
            table=name(entity.table),
        )
    ).text
    done, after = 0, UUID(int=0)
    while True:
        async with connection.transaction():
            rows = await connection.fetch(statement, after)
            last = rows[-1]["id"] if len(rows) == BATCH else UUID(int=2**128 - 1)
            await put(connection, sources, rows)
            await connection.execute(sweep, entity.code, after, last)
        done += len(rows)
        progress(done)
        if len(rows) < BATCH:
            return done
        after = last
