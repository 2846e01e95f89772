"""What the tests ask of a seeded database."""

from datetime import date
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

TODAY = date(2026, 11, 22)

BUSINESS = (
    "teams", "users", "team_members", "exchange_rates", "customers", "contact_points", "addresses", "collaborations",
    "external_refs", "leads", "opportunities", "contracts", "contract_lines", "tickets", "tasks",
    "interactions",
    "stage_changes", "events",
)  # fmt: skip
ROOTS = ("customers", "interactions", "leads", "opportunities", "tickets", "contracts", "tasks")
WORKFLOWS = {"lead": "leads", "opportunity": "opportunities", "ticket": "tickets", "contract": "contracts"}


async def rows(engine: AsyncEngine, query: str, **values: Any) -> list[Any]:
    """The rows of a query, as tuples; of one column, as plain values."""
    async with engine.connect() as connection:
        found = [tuple(row) for row in await connection.execute(text(query), values)]
    return [row[0] for row in found] if found and len(found[0]) == 1 else found


async def value(engine: AsyncEngine, query: str, **values: Any) -> Any:
    """The one value of a query."""
    (found,) = await rows(engine, query, **values)
    return found


async def digest(engine: AsyncEngine) -> dict[str, str]:
    """A fingerprint of every table, all but which transaction wrote an event."""
    return {
        table: await value(
            engine,
            f"SELECT md5(coalesce(string_agg(line, '|' ORDER BY line), ''))"
            f" FROM (SELECT (to_jsonb(t) - 'transaction')::text AS line FROM {table} AS t) AS lines",
        )
        for table in BUSINESS
    }


async def counts(engine: AsyncEngine, *tables: str) -> dict[str, int]:
    """How many rows there are."""
    return {table: await value(engine, f"SELECT count(*) FROM {table}") for table in tables}
