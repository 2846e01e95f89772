"""The law for queries: what they are answered on twins, with what is told of their cost, and how they are refused."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Any
from uuid import UUID

import orjson

from crm_graph.access import Access, Level
from crm_graph.errors import CrmError
from crm_graph.messages import render
from crm_graph.permissions.principals import Principal
from crm_graph.proof.datasets import Dataset, Likely
from crm_graph.proof.engine import Engine, principal_of, reading
from crm_graph.proof.lookups import with_value
from crm_graph.proof.operations.drafts import LEFT_OUT, Draft
from crm_graph.proof.operations.generated import Generated
from crm_graph.proof.operations.making import OperationMaker
from crm_graph.proof.rows import insert, load
from crm_graph.proof.twins import Twin
from crm_graph.proof.view import View
from crm_graph.resolvers.lookups import LookupSite

QUERIES = 10
Answer = tuple[bytes, int]
"""The data, or how it is refused, and what it is told to cost."""
Variables = Mapping[str, Any]


@dataclass(frozen=True)
class TellTale:
    """A query that is answered differently on databases which look alike to who asks it."""

    text: str
    variables: Variables
    one: Answer
    other: Answer


async def alike(
    engine: Engine,
    random: Random,
    access: Access,
    *,
    columns: Collection[tuple[str, str]] | None = None,
    tables: Collection[str] | None = None,
    told: Level = Level.READ,
    size: int = 3,
    likely: Likely = MappingProxyType({}),
) -> Twin:
    """A database, and a twin of it that is to grow different in these columns and tables. Cells of the level `told` are
    known to the asker.
    """
    catalog = engine.catalog
    async with reading(engine.connection):
        await insert(engine.connection, Dataset(random, catalog, size, likely).build())
        rows = await load(engine.connection)
    who = principal_of(rows, random.choice(rows["users"])["id"], access)
    return Twin(random, catalog, View(catalog, rows, who, access), columns, tables=tables, told=told, likely=likely)


async def told_apart(
    engine: Engine,
    random: Random,
    twin: Twin,
    queries: int = QUERIES,
    *,
    roots: Callable[[str], object] = lambda _: True,
    depth: int = 3,
    bent: float = 0.6,
) -> list[TellTale]:
    """The queries, of so many with some of the roots, that tell two databases apart which look alike."""
    access = twin.view.principal.access
    schema = await engine.operations.schema(access)
    names = schema.query_type.fields if schema.query_type else {}
    without = frozenset(name for name in names if not roots(name))
    if without | LEFT_OUT >= names.keys():
        return []
    made = []
    for _ in range(queries):
        tables = random.choice((twin.view.tables, twin.tables))
        draft = Draft(random, schema, engine.catalog, access, tables, engine.limits, about=twin.about(), bent=bent)
        made.append(OperationMaker(draft, max_depth=depth, without=without).make())
    who = twin.view.principal
    async with reading(engine.connection):
        await insert(engine.connection, twin.view.tables)
        one = [await outcome(engine, who, query.text, query.variables) for query in made]
        following = [_next_page(random, query, found) for query, found in zip(made, one, strict=True)]
        one += [await outcome(engine, who, query.text, variables) for query, variables in _given(made, following)]
    async with reading(engine.connection):
        await insert(engine.connection, twin.tables)
        other = [await outcome(engine, who, query.text, query.variables) for query in made]
        other += [await outcome(engine, who, query.text, variables) for query, variables in _given(made, following)]
    asked = [*((query, query.variables) for query in made), *_given(made, following)]
    told = [TellTale(q.text, given, a, b) for (q, given), a, b in zip(asked, one, other, strict=True) if a != b]
    return [each for each in told if not await looked_up(engine, twin, each)]


async def looked_up(engine: Engine, twin: Twin, told: TellTale) -> bool:
    """Whether a query looks values up that other records have in one database than in the other: no more than that may
    it tell beyond what its asker sees.
    """
    view, access = twin.view, twin.view.principal.access
    other = View(engine.catalog, twin.tables, view.principal, access)
    document = await engine.operations.document(told.text, access)
    prepared = await engine.operations.prepare(document, document.operation(None), told.variables, access)
    return any(found_by(view, s, told.variables) != found_by(other, s, told.variables) for s in prepared.lookups)


def found_by(view: View, lookup: LookupSite, variables: Variables) -> set[tuple[UUID, str]]:
    """What a lookup gives away: which records of those that its asker sees have which of the values."""
    records = list(view.records(lookup.entity))
    values = lookup.values(variables)
    if lookup.searched:
        field = lookup.field.name.upper()
        return {(r.row["id"], v) for v in values for r in with_value(view, records, field, v)}
    return {(r.row["id"], v) for v in values for r in records if view.has(r, lookup.field, v)}


async def outcome(engine: Engine, who: Principal, text: str, variables: Variables) -> Answer:
    """How a query is answered, or refused."""
    try:
        return await engine.answered(who, text, variables)
    except CrmError as error:
        told = (error.code, render(error, "en"), error.path, sorted(error.details.items(), key=str))
        return repr(told).encode(), -1


def _next_page(random: Random, query: Generated, found: Answer) -> Variables | None:
    """The variables of a second page, with cursors of the first answer."""
    data, cost = found
    return query.continued(random, orjson.loads(data)) if query.places and cost >= 0 else None


def _given(made: Sequence[Generated], following: Sequence[Variables | None]) -> list[tuple[Generated, Variables]]:
    return [(query, variables) for query, variables in zip(made, following, strict=True) if variables is not None]
