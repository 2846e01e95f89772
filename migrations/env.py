"""How Alembic reaches the database: the connection that the caller brings, else the one of DATABASE_URL."""

import asyncio
from typing import Any

from alembic import context
from sqlalchemy import Connection

from crm_graph.db import write_engine
from crm_graph.models import Base
from crm_graph.settings import load_settings


def is_ours(thing: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:  # noqa: FBT001 - Alembic's signature
    """Partitions of the event log are made by a function, not by the models; the tables of jobs are pgqueuer's."""
    foreign = str(name).startswith(("events_", "pgqueuer"))
    return not (kind == "table" and reflected and compare_to is None and foreign)


def run(connection: Connection) -> None:
    """Each revision in a transaction of its own, so that one that fails leaves those before it."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        transaction_per_migration=True,
        include_object=is_ours,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_alone() -> None:
    """For the `alembic` command itself, such as `alembic revision --autogenerate`."""
    settings = load_settings()
    if settings.database_url is None:
        raise SystemExit("set DATABASE_URL")
    engine = write_engine(settings.database_url, settings)
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


given: Connection | None = context.config.attributes.get("connection")
if given is None:
    asyncio.run(run_alone())
else:
    run(given)
