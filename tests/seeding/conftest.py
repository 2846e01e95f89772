"""Databases of their own for what is seeded, made once: other tests count on empty tables."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.db import connect, with_database, write_engine
from crm_graph.seeding.company import SeedReport, seed_demo
from crm_graph.seeding.population import PopulationReport, seed_population
from crm_graph.settings import Settings
from seeding.queries import TODAY

NewEngine = Callable[[str], Awaitable[AsyncEngine]]


@pytest.fixture(scope="session")
async def new_engine(cluster_address: str, worker_id: str, settings: Settings) -> AsyncIterator[NewEngine]:
    """Makes a migrated, empty database of that name and opens it."""
    url, _, run = cluster_address.partition("#")
    async with AsyncExitStack() as stack:

        async def make(name: str) -> AsyncEngine:
            database = f"{run}_{worker_id}_{name}"
            connection = await connect(url, application_name="tests")
            await connection.execute(f"CREATE DATABASE {database} TEMPLATE {run}_template")
            await connection.close()
            engine = write_engine(with_database(url, database), settings)
            stack.push_async_callback(engine.dispose)
            return engine

        yield make


@pytest.fixture(scope="session")
async def company(new_engine: NewEngine) -> tuple[AsyncEngine, SeedReport]:
    """The demo company of seed 1."""
    engine = await new_engine("company")
    return engine, await seed_demo(engine, today=TODAY, seed=1)


@pytest.fixture(scope="session")
async def population(new_engine: NewEngine) -> tuple[AsyncEngine, PopulationReport]:
    """A population of 200 customers of seed 1."""
    engine = await new_engine("population")
    return engine, await seed_population(engine, customers=200, today=TODAY, seed=1)
