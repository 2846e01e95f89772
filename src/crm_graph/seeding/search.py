"""The search index of made-up records."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from sqlalchemy import Index, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.schema import CreateIndex, DropIndex

from crm_graph.catalog import build_catalog
from crm_graph.models import SearchDocument
from crm_graph.permissions.store import Connection
from crm_graph.services import search_index


async def index_records(session: AsyncSession) -> None:
    """Index all records there are, in the session's transaction."""
    driver, catalog = await _driver(await session.connection()), build_catalog()
    for entity in catalog.roots:
        await search_index.reindex(driver, catalog, entity)


async def index_population(connection: AsyncConnection, progress: Callable[[str, int], None]) -> None:
    """Index all records there are, in transactions of their own. Into an empty index keys are sorted at the end, which
    takes a fraction of the time.
    """
    catalog = build_catalog()
    (index,) = cast("set[Index]", inspect(SearchDocument).local_table.indexes)  # type: ignore[attr-defined]  # a Table
    async with connection.begin():
        if not await connection.scalar(text("SELECT EXISTS (SELECT 1 FROM search_documents)")):
            await connection.execute(DropIndex(index, if_exists=True))
    driver = await _driver(connection)
    try:
        for entity in catalog.roots:
            await search_index.reindex(driver, catalog, entity, partial(progress, entity.plural))
    finally:
        async with connection.begin():
            await connection.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
            await connection.execute(CreateIndex(index, if_not_exists=True))


async def _driver(connection: AsyncConnection) -> Connection:
    """The driver's connection, in whatever transaction it is."""
    raw: Any = await connection.get_raw_connection()
    return cast("Connection", raw.driver_connection)
