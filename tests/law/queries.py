"""The law for queries: what they are answered on twins, with what is told of their cost, and how they are refused."""

from collections.abc import Callable, Collection, Mapping, Sequence
from random import Random
from typing import Any
from uuid import UUID

import orjson

from crm_graph.access import Access, Level
from crm_graph.errors import CrmError
from crm_graph.messages import render
from crm_graph.resolvers.lookups import LookupSite
from reference import search
from reference.compiled import SMALL, Compiled, catalog, principal_of, reading, schema_of
from reference.datasets import Dataset
from reference.operations.drafts import Draft
from reference.operations.generated import Generated
from reference.operations.making import OperationMaker
from reference.rows import Connection, insert, load
from reference.twins import Twin
from reference.view import View

QUERIES = 10


async def alike(
    connection: Connection,
    random: Random,
    access: Access,
    *,
    columns: Collection[tuple[str, str]] | None = None,
    tables: Collection[str] | None = None,
    told: Level = Level.READ,
    size: int = 3,
) -> Twin:
    """A database, and a twin of it that is to grow different in these columns and tables. Cells of the level `told` are
    known to the asker.
    """
    async with reading(connection):
        await insert(connection, Dataset(random, catalog(), size).build())
        rows = await load(connection)
    who = principal_of(rows, random.choice(rows["users"])["id"], access)
    return Twin(random, catalog(), View(catalog(), rows, who, access), columns, tables=tables, told=told)


async def told_apart(
    connection: Connection,
    random: Random,
    twin: Twin,
    queries: int = QUERIES,
    *,
    roots: Callable[[str], object] = lambda _: True,
    depth: int = 3,
    bent: float = 0.6,
) -> list[str]:
    """The queries, of so many with some of the roots, that tell two databases apart which look alike."""
    access = twin.view.access
    assert access is not None
    schema = schema_of(access)
    assert schema.query_type is not None
    without = frozenset(name for name in schema.query_type.fields if not roots(name))
    if len(without) == len(schema.query_type.fields):
        return []
    made = []
    for _ in range(queries):
        tables = random.choice((twin.view.tables, twin.tables))
        draft = Draft(random, schema, catalog(), access, tables, SMALL, about=twin.about(), bent=bent)
        made.append(OperationMaker(draft, max_depth=depth, without=without).make())
    compiled = Compiled(connection, SMALL)
    async with reading(connection):
        await insert(connection, twin.view.tables)
        one = [await outcome(compiled, twin, query, query.variables) for query in made]
        following = [_next_page(random, query, found) for query, found in zip(made, one, strict=True)]
        one += [await outcome(compiled, twin, query, variables) for query, variables in _given(made, following)]
    async with reading(connection):
        await insert(connection, twin.tables)
        other = [await outcome(compiled, twin, query, query.variables) for query in made]
        other += [await outcome(compiled, twin, query, variables) for query, variables in _given(made, following)]
    asked = [*((query, query.variables) for query in made), *_given(made, following)]
    differing = [each for each, a, b in zip(asked, one, other, strict=True) if a != b]
    return [query.text for query, given in differing if not await looked_up(compiled, twin, query.text, given)]


async def looked_up(compiled: Compiled, twin: Twin, text: str, variables: Mapping[str, Any]) -> bool:
    """Whether a query looks values up that other records have in one database than in the other: no more than that may
    it tell beyond what its asker sees.
    """
    view, access = twin.view, twin.view.principal.access
    other = View(catalog(), twin.tables, view.principal, access)
    document = await compiled.operations.document(text, access)
    prepared = await compiled.operations.prepare(document, document.operation(None), variables, access)
    return any(found_by(view, site, variables) != found_by(other, site, variables) for site in prepared.lookups)


def found_by(view: View, lookup: LookupSite, variables: Mapping[str, Any]) -> set[tuple[UUID, str]]:
    """What a lookup gives away: which records of those that its asker sees have which of the values."""
    records = list(view.records(lookup.entity))
    values = lookup.values(variables)
    if lookup.searched:
        field = lookup.field.name.upper()
        return {(r.row["id"], v) for v in values for r in search.looked_up(view, records, field, v)}
    return {(r.row["id"], v) for v in values for r in records if view.has(r, lookup.field, v)}


Answer = tuple[bytes, int]
"""The data, or how it is refused, and what it is told to cost."""
Variables = Mapping[str, Any] | None


async def outcome(compiled: Compiled, rows: Twin, query: Generated, variables: Mapping[str, Any]) -> Answer:
    try:
        return await compiled.answered(rows.view.principal, query.text, variables)
    except CrmError as error:
        told = (error.code, render(error, "en"), error.path, sorted(error.details.items(), key=str))
        return repr(told).encode(), -1


def _next_page(random: Random, query: Generated, found: Answer) -> Variables:
    """The variables of a second page, with cursors of the first answer."""
    data, cost = found
    return query.continued(random, orjson.loads(data)) if query.places and cost >= 0 else None


def _given(made: Sequence[Generated], following: Sequence[Variables]) -> list[tuple[Generated, Mapping[str, Any]]]:
    return [(query, variables) for query, variables in zip(made, following, strict=True) if variables is not None]
