"""The search index: the keys of each record of a searched type, written in the transaction that writes the record."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm_graph.catalog import Catalog, EntityType, Searched, searched_fields
from crm_graph.fragments import Fragment, join, name, number, param, render, sql
from crm_graph.permissions.store import Connection
from crm_graph.services.drafts import Draft
from crm_graph.services.search_keys import KEYS_VERSION, keys_of, row_keys
from crm_graph.transaction import Input, Transaction

BATCH = 2_000
"""Records of one transaction of a fill: they are locked against change, for some tenths of a second."""
REFS, SOURCE = "external_refs", "external_refs.source"
"""The refs of a record, and the path of what row rules ask for of them."""
NOWHERE, EVERYWHERE = UUID(int=0), UUID(int=2**128 - 1)
"""How far a type is filled that was not begun, and one that is done."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What the keys of one type are made of."""

    catalog: Catalog
    entity: EntityType
    fields: tuple[Searched, ...]

    @property
    def columns(self) -> frozenset[str]:
        """The columns and the relations whose change may change keys."""
        searched = frozenset(s.relation.name if s.relation else s.field.name for s in self.fields)
        ruled = {path.partition(".")[0] for path in self.ruled}
        return searched | ruled | {"owner_id", "team_id"} if self.entity.owned else searched | ruled

    @property
    def ruled(self) -> Mapping[str, Fragment]:
        """What row rules ask for and the index knows, by its path: for a row `t`, an array of its values."""
        found = {
            field.name: sql("array_remove(ARRAY[t.{column}]::text[], NULL)", column=name(field.name))
            for field in self.entity.fields.values()
            if field.info.ruled
        }
        refs = self.entity.relations.get(REFS)
        if refs is not None:
            found[SOURCE] = sql(
                "ARRAY(SELECT DISTINCT r.source FROM external_refs AS r WHERE r.{remote} = t.{local})",
                remote=name(refs.remote),
                local=name(refs.local),
            )
        return found

    def values(self) -> Fragment:
        """The searched values of a row `t`, as columns `v0…`, of a relation an array; what row rules ask for, as `r0…`;
        then its people and its team.
        """
        searched = [sql("{v} AS {n}", v=self._value(s), n=name(f"v{i}")) for i, s in enumerate(self.fields)]
        ruled = [sql("{v} AS {n}", v=v, n=name(f"r{i}")) for i, v in enumerate(self.ruled.values())]
        if not self.entity.owned:
            return join(", ", [*searched, *ruled, sql("'{}'::uuid[] AS people, NULL::uuid AS team_id")])
        collaborators = sql("ARRAY(SELECT k.user_id FROM collaborations AS k WHERE k.entity_id = t.id)")
        people = sql("array_remove(t.owner_id || {others}, NULL) AS people, t.team_id", others=collaborators)
        return join(", ", [*searched, *ruled, people])

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
    """Write the keys of rows: an id each, then what `Sources.values` gives."""
    await connection.execute(
        _PUT,
        sources.entity.code,
        [row[0] for row in rows],
        [_keys(sources, row) for row in rows],
    )


def _keys(sources: Sources, row: Any) -> str:
    ruled = [(path, value) for place, path in enumerate(sources.ruled) for value in row[f"r{place}"]]
    return f"{keys_of(_values(sources.fields, row))} {row_keys(row['people'], row['team_id'], ruled)}"


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


Progress = Callable[[int], None]
"""Is told how many records are done."""


def untold(_done: int) -> None:
    """Tells nobody."""


async def fill(connection: Connection, catalog: Catalog, entity: EntityType, progress: Progress = untold) -> int:
    """Write the keys of the records of a type that were there before the index, or before one of its fields was
    searched, and take away keys that no record has. Gives the number of records, 0 once all have their keys.

    Each batch is a transaction of its own, in which its rows are locked against change, so that it may run beside a
    hub. It may be stopped and run again, and several processes share the work: each takes the next batch.
    """
    sources = sources_of(catalog, entity)
    if sources is None:
        return 0
    done = 0
    while (rows := await _fill_batch(connection, sources)) is not None:
        done += rows
        progress(done)
    return done


async def reindex(connection: Connection, catalog: Catalog, entity: EntityType, progress: Progress = untold) -> int:
    """As `fill`, of all records of a type; what is right already is not written."""
    await connection.execute("DELETE FROM search_fills WHERE code = $1", entity.code)
    return await fill(connection, catalog, entity, progress)


async def _fill_batch(connection: Connection, sources: Sources) -> int | None:
    """The next batch, and how many records it had; None after the last."""
    entity, made_of = sources.entity, _made_of(sources.fields)
    async with connection.transaction():
        (filled,) = await connection.fetch(_FILLED, entity.code, made_of, NOWHERE)
        after = filled["filled_to"] if filled["made_of"] == made_of else NOWHERE
        if after == EVERYWHERE:
            return None
        rows = await connection.fetch(_records(sources), after)
        last = rows[-1]["id"] if len(rows) == BATCH else EVERYWHERE
        await put(connection, sources, rows)
        await connection.execute(_sweep(entity), entity.code, after, last)
        await connection.execute(
            "UPDATE search_fills SET made_of = $2, filled_to = $3 WHERE code = $1", entity.code, made_of, last
        )
    return len(rows)


def _made_of(fields: Sequence[Searched]) -> str:
    """What keys are made of: a version that has another of it fills the index anew."""
    return " ".join([f"keys:{KEYS_VERSION}", *(f"{searched.tag}:{searched.how}" for searched in fields)])


def _records(sources: Sources) -> str:
    return render(
        sql(
            "SELECT t.id, {values} FROM {table} AS t WHERE t.id > {after} ORDER BY t.id LIMIT {batch} FOR SHARE OF t",
            values=sources.values(),
            table=name(sources.entity.table),
            after=param(Input("after"), "uuid"),
            batch=number(BATCH),
        )
    ).text


def _sweep(entity: EntityType) -> str:
    return render(
        sql(
            "DELETE FROM search_documents AS d WHERE d.code = $1 AND d.entity_id > $2 AND d.entity_id <= $3"
            " AND NOT EXISTS (SELECT 1 FROM {table} AS t WHERE t.id = d.entity_id)",
            table=name(entity.table),
        )
    ).text


# The update of nothing locks the row until the end of the batch.
_FILLED = """
INSERT INTO search_fills AS f (code, made_of, filled_to) VALUES ($1, $2, $3)
ON CONFLICT (code) DO UPDATE SET code = f.code
RETURNING f.made_of, f.filled_to
"""
