"""A large company: so many customers, each with ten interactions and two opportunities of its owner, and nothing else.

The seeded population writes contracts, events and a search index too, which takes the better part of an hour; here the
rows of a small one are copied, without events and with indexes made at the end.
"""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from bench.database import SEED_TIMEOUT_S, Database, scratch_database
from crm_graph.db import connect
from crm_graph.fragments import Fragment, const, join, name, number, render, sql
from crm_graph.models import Customer, Interaction, Opportunity

COPIED = 10_000
"""Customers of the population that is copied."""
EACH = ((Interaction, 10), (Opportunity, 2))
_Model = type[Customer] | type[Interaction] | type[Opportunity]
_TABLES = ["customers", *(model.__tablename__ for model, _ in EACH)]

# One customer in fifty is worked on by somebody else too, but none of the newest tenth: the first pages of who owns and
# of who asks for what they own are to be the same.
_COLLABORATIONS = """
INSERT INTO collaborations (entity_id, user_id, created_at)
SELECT c.id, o.id, now()
FROM (SELECT id, owner_id, row_number() OVER (ORDER BY seat) AS n FROM seats
      WHERE seat % 50 = 0 AND id < (SELECT percentile_disc(0.9) WITHIN GROUP (ORDER BY id) FROM seats)) AS c
JOIN (SELECT owner_id AS id, row_number() OVER () - 1 AS n, count(*) OVER () AS many
      FROM seats WHERE owner_id IS NOT NULL GROUP BY owner_id) AS o ON o.n = c.n % o.many
WHERE c.owner_id IS DISTINCT FROM o.id
"""


@contextmanager
def large_company(home: Path, customers: int, progress: Callable[[str], None]) -> Iterator[Database]:
    """A server below `home` with so many customers; a home that was not filled to the end is filled anew."""
    done = home / f"grown-{customers}"
    if home.exists() and not done.exists():
        shutil.rmtree(home)
    home.mkdir(parents=True, exist_ok=True)
    with scratch_database(home, min(COPIED, customers), progress) as database:
        if not done.exists():
            asyncio.run(_grow(database.url, customers, progress))
            done.touch()
        yield database


async def _grow(url: str, total: int, progress: Callable[[str], None]) -> None:
    connection = await connect(url)
    try:
        # References are right by construction: they are not looked up again, ten million times.
        await connection.execute("SET session_replication_role = replica")
        await connection.execute("SET work_mem = '256MB'; SET maintenance_work_mem = '512MB'")
        indexes = await connection.fetch(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY($1) AND indexname NOT LIKE 'pk%'", _TABLES
        )
        for index in indexes:
            await _run(connection, sql("DROP INDEX {index}", index=name(index["indexname"])))
        there: int = await connection.fetchval("SELECT count(*) FROM customers")
        await _copy_customers(connection, there, total - there)
        for model, each in EACH:
            for turn in range(each):
                progress(f"{model.__tablename__}, {turn + 1} of {each} for each customer")
                await _copy(connection, model, turn)
        await connection.execute(_COLLABORATIONS)
        for index in indexes:
            progress(f"making {index['indexname']}")
            await connection.execute(index["indexdef"], timeout=SEED_TIMEOUT_S)
        progress("looking after the tables")
        await connection.execute("VACUUM (ANALYZE)", timeout=SEED_TIMEOUT_S)
    finally:
        await connection.close()


async def _copy_customers(connection: "asyncpg.Connection[asyncpg.Record]", there: int, many: int) -> None:
    """Customers newer than those there are, and a list of them in which neighbours are strangers."""
    columns = _columns(Customer, but={"id"})
    copy = sql(
        """
        INSERT INTO customers (id, {columns})
        SELECT crm_id({code}, now() + n * INTERVAL '1 second'), {columns}
        FROM generate_series(1, {many}) AS n
        JOIN (SELECT *, row_number() OVER () - 1 AS seat FROM customers) AS s
          ON s.seat = abs(hashint8extended(n, 0) % {there})
        """,
        columns=join(", ", columns),
        code=number(int(Customer.code)),
        there=const(there, "bigint"),
        many=const(many, "bigint"),
    )
    await connection.execute("CREATE TEMP TABLE copied AS SELECT id FROM customers")
    await _run(connection, copy)
    await connection.execute(
        "CREATE TEMP TABLE seats AS"
        " SELECT id, owner_id, team_id, row_number() OVER (ORDER BY hashint8extended(n, 0)) AS seat"
        " FROM (SELECT *, row_number() OVER () AS n FROM customers WHERE id NOT IN (TABLE copied)) AS c"
    )
    await connection.execute("ANALYZE seats")


async def _copy(connection: "asyncpg.Connection[asyncpg.Record]", model: _Model, turn: int) -> None:
    """One more row for each customer, with a customer's neighbours far away, as time would have it."""
    columns = _columns(model, but={"id", "customer_id", "owner_id", "team_id", "opportunity_id", "ticket_id"})
    await _run(
        connection,
        sql(
            """
            INSERT INTO {table} (id, customer_id, owner_id, team_id, {columns})
            SELECT crm_id({code}, now() + c.seat * INTERVAL '1 millisecond'), c.id,
                   COALESCE(c.owner_id, s.owner_id), COALESCE(c.team_id, s.team_id), {columns}
            FROM seats AS c
            JOIN (SELECT *, row_number() OVER () - 1 AS place FROM {table}
                  LIMIT {many}) AS s ON s.place = (c.seat * 7919 + {turn}) % {many}
            """,
            table=name(model.__tablename__),
            columns=join(", ", columns),
            code=number(int(model.code)),
            many=number(COPIED),
            turn=number(turn),
        ),
    )


def _columns(model: _Model, but: set[str]) -> list[Fragment]:
    return [name(column.name) for column in model.__table__.columns if column.name not in but]


async def _run(connection: "asyncpg.Connection[asyncpg.Record]", fragment: Fragment) -> None:
    statement = render(fragment)
    await connection.execute(statement.text, *(s.value for s in statement.sources), timeout=SEED_TIMEOUT_S)
