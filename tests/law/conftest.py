"""What tests of the law run on: one connection for reads, and a database of its own for what commits."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.db import connect, with_database, write_engine
from crm_graph.proof.rows import Connection
from crm_graph.settings import Settings
from reference.compiled import connection

from .changes import Bench

__all__ = ["connection"]


@pytest.fixture(scope="session")
def twin_url(cluster_address: str, worker_id: str) -> str:
    """A migrated database that nothing else uses."""
    url, _, run = cluster_address.partition("#")
    name = f"{run}_{worker_id}_twin"

    async def make() -> None:
        administration = await connect(url, application_name="tests")
        try:
            await administration.execute(f"CREATE DATABASE {name} TEMPLATE {run}_template")
        finally:
            await administration.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, make()).result()
    return with_database(url, name)


@pytest.fixture(scope="session")
async def twin_engine(twin_url: str, settings: Settings) -> AsyncIterator[AsyncEngine]:
    made = write_engine(twin_url, settings)
    yield made
    await made.dispose()


@pytest.fixture(scope="session")
async def twin_connection(twin_url: str) -> AsyncIterator[Connection]:
    made = await connect(twin_url, application_name="tests law")
    yield made
    await made.close()


@pytest.fixture(scope="session")
async def bench(connection: Connection, twin_connection: Connection, twin_engine: AsyncEngine) -> Bench:
    """All that the law is tried on."""
    return Bench(connection, twin_connection, twin_engine)
