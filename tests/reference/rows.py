"""Rows as plain dictionaries: put into a database as they are, and read back whole, table by table."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from random import Random
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy.dialects.postgresql import JSONB

from crm_graph.catalog import build_catalog
from crm_graph.models import Base
from crm_graph.models.ids import EntityCode, IdSource
from crm_graph.services import search_index

Row = dict[str, Any]
Tables = Mapping[str, Sequence[Row]]
Connection: TypeAlias = "asyncpg.Connection[Any]"

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
"""The moment that every test of reads takes place in."""

LOADED = (
    "customers", "contact_points", "addresses", "interactions", "leads", "opportunities", "tickets", "contracts",
    "contract_lines", "users", "teams", "team_members", "collaborations", "external_refs", "pipelines", "stages",
    "transitions", "reasons", "stage_changes",
)  # fmt: skip
"""The tables that reads are about."""
SEARCHED = frozenset({"customers", "contact_points", "leads", "opportunities", "tickets", "contracts"})
"""The tables that keys are made of."""


def id_source(seed: int, moment: datetime = NOON) -> IdSource:
    """Ids that are the same in every run."""
    return IdSource(lambda: moment, Random(seed).getrandbits)


def new_ids(source: IdSource, code: EntityCode, names: Iterable[str]) -> dict[str, UUID]:
    """An id for each name, growing in that order."""
    return {name: source.new(code) for name in names}


async def insert(connection: Connection, tables: Tables) -> None:
    """Insert rows; a column that a row does not name gets the default of its table."""
    for table in Base.metadata.sorted_tables:
        for columns, rows in groupby(tables.get(table.name, ()), key=lambda row: tuple(sorted(row))):
            names = ", ".join(f'"{column}"' for column in columns)
            await connection.execute(
                f"INSERT INTO {table.name} ({names})"
                f" SELECT {names} FROM jsonb_populate_recordset(NULL::{table.name}, $1::text::jsonb)",
                orjson.dumps(list(rows), default=str).decode(),
            )
    if not SEARCHED.isdisjoint(tables):
        await index(connection)


async def index(connection: Connection) -> None:
    """Bring the search index up to date, as services do when they write."""
    catalog = build_catalog()
    for entity in catalog.roots:
        await search_index.reindex(connection, catalog, entity)


async def load(connection: Connection) -> dict[str, list[Row]]:
    """Every row of the tables that reads are about, one SELECT each."""
    return {table: [_row(table, r) for r in await connection.fetch(f"SELECT * FROM {table}")] for table in LOADED}


def _row(table: str, record: asyncpg.Record) -> Row:
    """The record with its documents read."""
    columns = Base.metadata.tables[table].columns
    return {
        name: orjson.loads(value) if isinstance(value, str) and isinstance(columns[name].type, JSONB) else value
        for name, value in record.items()
    }
