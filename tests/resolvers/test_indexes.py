"""Every list and every look-up that the schema has touches about as many rows as it gives, however many there are.

The catalog says which lists there are. EXPLAIN of the generic plan tells that no large table is read whole, the
server's own counters how many rows were fetched for a page.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any
from uuid import UUID

import orjson
import pytest

from crm_graph.access import Access, Level, RowScope
from crm_graph.catalog import EntityType, Relation, Shape
from crm_graph.db import LaneConnection, connect, with_database
from crm_graph.models.fields import DataClass
from crm_graph.models.roles import RowRule
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.rules import GrantRule, RoleRule
from crm_graph.permissions.validation import row_rules_of
from crm_graph.proof.datasets import Dataset
from crm_graph.proof.engine import lane_to, principal_of
from crm_graph.proof.literals import in_document
from crm_graph.proof.rows import Connection, Tables, insert, load
from reference.compiled import Compiled, access_of, catalog, schema_of

SIZE = 700
PAGE = 10
FEW = 60
"""Rows that a page of ten may fetch: those of several ways to see it, and what a rule looks up."""
RULES = (RowRule.ALL, RowRule.OWN, RowRule.TEAM, RowRule.TEAM_AND_BELOW)


class Full(Random):
    """Makes every table as large as it may be."""

    def randint(self, a: int, b: int) -> int:
        return b if b >= SIZE else super().randint(a, b)


@dataclass
class Company:
    """Many rows, a third of them below one parent, and viewers who have as much or nothing."""

    connection: Connection
    tables: Tables
    compiled: Compiled

    def viewer(self, which: str, rule: RowRule) -> Principal:
        user = self.tables["users"][0 if which == "who has much" else 1]
        return principal_of(self.tables, user["id"], access_to(rule))

    async def fetched(self, who: Principal, query: str) -> tuple[Any, int]:
        """The value of the one field deep inside, and how many rows all tables gave for it."""
        async with self.connection.transaction():
            before = await self.connection.fetchval(_FETCHED)
            value = await self.compiled.data(who, query)
            after = await self.connection.fetchval(_FETCHED)
        while isinstance(value, dict) and len(value) == 1:
            (value,) = value.values()
        return value, after - before

    async def read_whole(self, who: Principal, query: str) -> list[str]:
        """The tables that the generic plan of a query reads from end to end."""
        await self.connection.execute(f"PREPARE asked AS {await self.compiled.statement(who, query)}")
        nulls = ", ".join(["NULL"] * await self.connection.fetchval(_PARAMETERS))
        plan = await self.connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE asked{f'({nulls})' if nulls else ''}")
        await self.connection.execute("DEALLOCATE asked")
        return sorted({n["Relation Name"] for n in _nodes(orjson.loads(plan)) if n.get("Node Type") == "Seq Scan"})

    async def check(self, who: Principal, query: str, given: int) -> None:
        """A query that gives so many rows fetches few more, and its plan reads no table whole."""
        rows, fetched = await self.fetched(who, query)
        assert len(rows) == given, query
        assert await self.read_whole(who, query) == []
        assert fetched <= FEW, query


_FETCHED = "SELECT sum(seq_tup_read + COALESCE(idx_tup_fetch, 0))::int FROM pg_stat_xact_user_tables"
_PARAMETERS = "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'asked'"


def _nodes(plan: Any) -> Iterator[dict[str, Any]]:
    if isinstance(plan, list):
        for item in plan:
            yield from _nodes(item)
    elif isinstance(plan, dict):
        yield plan
        for value in plan.values():
            yield from _nodes(value)


@pytest.fixture(scope="module")
async def company(cluster_address: str, worker_id: str) -> AsyncIterator[Company]:
    """In a database of its own, with statistics that are about its rows."""
    url, _, run = cluster_address.partition("#")
    name = f"{run}_{worker_id}_indexes"
    admin = await connect(url, application_name="tests")
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {run}_template")
    connection = await lane_to(with_database(url, name), LaneConnection)
    try:
        await insert(connection, Dataset(Full(1), catalog(), SIZE).build())
        for statement in _gathered(await _loaded(connection)):
            await connection.execute(statement)
        await connection.execute("ANALYZE")
        yield Company(connection, await _loaded(connection), Compiled(connection))
    finally:
        await connection.close()
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


async def _loaded(connection: Connection) -> Tables:
    """All rows, the oldest first."""
    tables = await load(connection)
    return {table: sorted(rows, key=lambda row: str(row.get("id"))) for table, rows in tables.items()}


def _gathered(tables: Tables) -> Iterator[str]:
    """A third of all rows, old ones among them, come below the first row of each table, the owner and team of the
    first user; the second user and team have nothing.
    """
    for table in (e.table for e in catalog().roots):
        yield f"UPDATE {table} SET archived_at = NULL"
    for entity in catalog().types.values():
        for relation in entity.relations.values():
            target = catalog()[relation.target]
            if relation.shape is Shape.CONNECTION and relation.link is None:
                third = _third(target.table, relation.remote, tables[entity.table][0]["id"])
                yield f"{third} AND entity_type = '{entity.name}'" if target.is_child else third
    users, teams = tables["users"], tables["teams"]
    for table in (e.table for e in catalog().roots if e.owned):
        for column, rows in (("owner_id", users), ("team_id", teams)):
            yield f"UPDATE {table} SET {column} = '{rows[2]['id']}' WHERE {column} = '{rows[1]['id']}'"
            yield _third(table, column, rows[0]["id"])
    yield "UPDATE teams SET path = key || '/'"
    below = ", ".join(f"'{team['id']}'" for team in teams[2:7])
    yield f"UPDATE teams SET path = '{teams[0]['key']}/' || path WHERE id IN ({below})"
    yield "DELETE FROM team_members WHERE user_id IN (SELECT id FROM users ORDER BY id LIMIT 2)"
    for user, team in zip(users[:2], teams[:2], strict=True):
        yield f"INSERT INTO team_members (user_id, team_id) VALUES ('{user['id']}', '{team['id']}')"
    yield f"DELETE FROM collaborations WHERE user_id = '{users[1]['id']}'"


def _third(table: str, column: str, id_: UUID) -> str:
    return f"UPDATE {table} SET {column} = '{id_}' WHERE abs(hashtext(id::text)) % 3 = 0 AND id <> '{id_}'"


@cache
def access_to(rule: RowRule) -> Access:
    """Every field of the rows of one rule, of the types that can have it."""
    levels: Mapping[DataClass, Level] = {c: Level.READ for c in DataClass if c is not DataClass.INTERNAL}
    grants = {e.name: (GrantRule(RowScope(rule), levels, {}, ()),) for e in catalog().roots if rule in row_rules_of(e)}
    return access_of({"one": RoleRule("one", "one", "one", "", grants)}, ["one"])


def _listed() -> Iterator[tuple[RowRule, EntityType]]:
    for rule in RULES:
        query = schema_of(access_to(rule)).query_type
        assert query is not None
        yield from ((rule, e) for e in catalog().roots if e.api_plural in query.fields)


LISTS = list(_listed())


@pytest.mark.parametrize("which", ["who has much", "who has nothing"])
@pytest.mark.parametrize(("rule", "entity"), LISTS, ids=[f"{rule.name}-{entity.plural}" for rule, entity in LISTS])
async def test_a_list_in_its_default_order(rule: RowRule, entity: EntityType, which: str, company: Company) -> None:
    who = company.viewer(which, rule)
    seen = 0 if rule is not RowRule.ALL and which == "who has nothing" else PAGE
    if not entity.owned and rule is not RowRule.ALL:
        seen = 6 if rule is RowRule.TEAM_AND_BELOW and which == "who has much" else 1
    await company.check(who, f"{{ {entity.api_plural}(first: {PAGE}) {{ nodes {{ id }} }} }}", seen)


def _relations(*shapes: Shape) -> list[tuple[EntityType, Relation]]:
    return [(e, r) for e in catalog().roots for r in e.relations.values() if r.shape in shapes]


def _names(relations: list[tuple[EntityType, Relation]]) -> list[str]:
    return [f"{entity.name}-{relation.name}" for entity, relation in relations]


def _single(entity: EntityType) -> str:
    return entity.api_name[0].lower() + entity.api_name[1:]


PAGED = _relations(Shape.CONNECTION)


@pytest.mark.parametrize("below", ["much", "little"])
@pytest.mark.parametrize(("entity", "relation"), PAGED, ids=_names(PAGED))
async def test_a_list_below_a_row_in_its_default_order(
    entity: EntityType, relation: Relation, below: str, company: Company
) -> None:
    parents, remote = company.tables[entity.table], company.tables[catalog()[relation.target].table]
    children = Counter(row[relation.remote] for row in remote)
    parent = (
        parents[0]["id"] if below == "much" else min(parents[1:], key=lambda row: children[row["id"]] or SIZE)["id"]
    )
    assert children[parent] > 0
    query = f'{{ {_single(entity)}(id: "{parent}") {{ {relation.api_name}(first: {PAGE}) {{ nodes {{ id }} }} }} }}'
    await company.check(company.viewer("who has nothing", RowRule.ALL), query, min(PAGE, children[parent]))


WHOLE = _relations(Shape.LIST)


@pytest.mark.parametrize(("entity", "relation"), WHOLE, ids=_names(WHOLE))
async def test_what_belongs_to_a_row(entity: EntityType, relation: Relation, company: Company) -> None:
    query = '{ %s(id: "%s") { %s { __typename } } }'
    who = company.viewer("who has nothing", RowRule.ALL)
    for row in company.tables[entity.table][:40]:
        asked = query % (_single(entity), row["id"], relation.api_name)
        found, fetched = await company.fetched(who, asked)
        assert await company.read_whole(who, asked) == []
        assert fetched <= len(found) + 10


ROOTS = list(catalog().roots)


@pytest.mark.parametrize("entity", ROOTS, ids=[e.name for e in ROOTS])
async def test_a_look_up(entity: EntityType, company: Company) -> None:
    who, row = company.viewer("who has nothing", RowRule.ALL), company.tables[entity.table][-1]
    refs = [r for r in company.tables["external_refs"] if r["entity_type"] == entity.name]
    wanted = [f'id: "{row["id"]}"']
    wanted += [
        f"externalRef: {in_document({'source': r['source'], 'externalId': r['external_id']})}" for r in refs[-1:]
    ]
    for argument in wanted:
        query = f"{{ {_single(entity)}({argument}) {{ id }} }}"
        found, fetched = await company.fetched(who, query)
        assert await company.read_whole(who, query) == []
        assert found is not None
        assert fetched <= 3, query
