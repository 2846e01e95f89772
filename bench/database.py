"""The rows to be read: a scratch server with the seeded population, or a database that is there already."""

import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from bench.processes import run
from crm_graph.db import connect, database_name
from crm_graph.embedded import EmbeddedServer
from crm_graph.fragments import Fragment, const, name, render, sql

SEED_TIMEOUT_S = 1800
_LARGEST_PAGE = 200
CRM_GRAPH = Path(sys.executable).with_name("crm-graph")


@dataclass(frozen=True, slots=True)
class Database:
    """Where the rows are, in the words of each contender."""

    url: str

    @property
    def host(self) -> str:
        """A host name, or the directory of the socket."""
        parts = urlsplit(self.url)
        return parts.hostname or parse_qs(parts.query).get("host", ["127.0.0.1"])[0]

    @property
    def port(self) -> int:
        parts = urlsplit(self.url)
        return parts.port or int(parse_qs(parts.query).get("port", ["5432"])[0])

    @property
    def name(self) -> str:
        return database_name(self.url)


@contextmanager
def scratch_database(home: Path, customers: int, progress: Callable[[str], None]) -> Iterator[Database]:
    """A server below `home` with that many customers; a home that was seeded with them to the end is used as it is."""
    progress("starting PostgreSQL")
    with EmbeddedServer(home, durable=False) as server:
        database = Database(server.url)
        environment = {"DATABASE_URL": server.url, "CRM_GRAPH_HOME": str(home)}
        crm_graph("migrate", environment=environment)
        done = home / f"seeded-{customers}"
        if not done.exists():
            progress(f"seeding {customers:,} customers")
            crm_graph("seed", "--customers", str(customers), environment=environment)
            asyncio.run(_even_out(server.url))
            done.touch()
        yield database


def crm_graph(*arguments: str, environment: Mapping[str, str]) -> str:
    """Run a command of the product and give what it printed."""
    return run([CRM_GRAPH, *arguments], environment, timeout_s=SEED_TIMEOUT_S)


async def _even_out(url: str) -> None:
    """Give the newest customers as much as the others have.

    The population's newest have hardly been in touch yet, and it is they that the query asks for. They get the average,
    ten interactions and two opportunities each, taken from everywhere in the tables.
    """
    connection = await connect(url)
    try:
        for table, each in (("interactions", 10), ("opportunities", 2)):
            statement = render(_give_to_the_newest(name(table), each))
            await connection.execute(statement.text, *(source.value for source in statement.sources))
        await connection.execute("VACUUM (ANALYZE)")
    finally:
        await connection.close()


def _give_to_the_newest(table: Fragment, each: int) -> Fragment:
    return sql(
        """
        WITH newest AS (
               SELECT id, row_number() OVER (ORDER BY id DESC) - 1 AS seat FROM customers ORDER BY id DESC LIMIT {many}
             ),
             spread AS (
               SELECT id, row_number() OVER (ORDER BY hashtextextended(id::text, 0)) - 1 AS seat
               FROM {table} WHERE customer_id IS NOT NULL
             )
        UPDATE {table} given SET customer_id = newest.id
        FROM spread JOIN newest ON newest.seat = spread.seat % {many}
        WHERE given.id = spread.id AND spread.seat < {many} * {each}
        """,
        table=table,
        many=const(_LARGEST_PAGE, "integer"),
        each=const(each, "integer"),
    )
