"""Rows as plain dictionaries: put into a database as they are, and read back whole, table by table."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from random import Random
from typing import Any, TypeAlias

import asyncpg
import orjson
from sqlalchemy.dialects.postgresql import JSONB

from crm_graph.catalog import build_catalog
from crm_graph.fragments import join, name, param, render, sql
from crm_graph.models import Base
from crm_graph.models.ids import IdSource
from crm_graph.services import search_index

Row = dict[str, Any]
Tables = Mapping[str, Sequence[Row]]
Connection: TypeAlias = "asyncpg.Connection[Any]"

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
"""The moment that everything takes place in."""

LOADED = (
    "customers", "contact_points", "addresses", "interactions", "leads", "opportunities", "tickets", "contracts",
    "tasks", "contract_lines", "users", "teams", "team_members", "collaborations", "external_refs", "pipelines",
    "stages", "transitions", "reasons", "stage_changes", "files", "events",
)  # fmt: skip
"""The tables that reads are about."""
SEARCHED = frozenset({"customers", "contact_points", "leads", "opportunities", "tickets", "contracts", "tasks"})
"""The tables that keys are made of."""


def id_source(seed: int, moment: datetime = NOON) -> IdSource:
    """Ids that are the same in every run."""
    return IdSource(lambda: moment, Random(seed).getrandbits)


async def insert(connection: Connection, tables: Tables) -> None:
    """Insert rows; a column that a row does not name gets the default of its table."""
    for table in Base.metadata.sorted_tables:
        for columns, rows in groupby(tables.get(table.name, ()), key=lambda row: tuple(sorted(row))):
            statement = render(
                sql(
                    "INSERT INTO {table} ({columns})"
                    " SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, {rows}::jsonb)",
                    table=name(table.name),
                    columns=join(", ", map(name, columns)),
                    rows=param("rows", "text"),
                )
            )
            await connection.execute(statement.text, orjson.dumps(list(rows), default=str).decode())
    if not SEARCHED.isdisjoint(tables):
        await index(connection)


async def index(connection: Connection) -> None:
    """Bring the search index up to date, as services do when they write."""
    catalog = build_catalog()
    for entity in catalog.roots:
        await search_index.reindex(connection, catalog, entity)


async def load(connection: Connection) -> dict[str, list[Row]]:
    """Every row of the tables that reads are about, one SELECT each."""
    statements = {table: render(sql("SELECT * FROM {table}", table=name(table))).text for table in LOADED}
    return {table: [_row(table, r) for r in await connection.fetch(text)] for table, text in statements.items()}


def _row(table: str, record: asyncpg.Record) -> Row:
    """The record with its documents read."""
    columns = Base.metadata.tables[table].columns
    return {
        column: orjson.loads(value) if isinstance(value, str) and isinstance(columns[column].type, JSONB) else value
        for column, value in record.items()
    }
