"""The time of a page as the table grows, and of a page far down the list."""

import asyncio
from collections.abc import Callable

from bench.database import Database
from bench.hub import Client, Hub
from bench.report import Section
from crm_graph.db import connect
from crm_graph.fragments import const, join, name, number, render, sql
from crm_graph.models import Interaction

LIST = "query($after: String) { interactions(first: 50, after: $after) { nodes { id channel occurredAt direction } } }"
NESTED = "{ customers(first: 20) { nodes { id name interactions(first: 5) { nodes { id channel occurredAt } } } } }"
LATEST = "{ interactions(first: 50, orderBy: [{ occurredAt: DESC }]) { nodes { id channel occurredAt } } }"
WALK = "query($after: String) { interactions(first: 200, after: $after) { pageInfo { endCursor } } }"

SHAPES = {"interactions(first: 50)": LIST, "… by occurredAt": LATEST, "20 customers, 5 interactions each": NESTED}
_TIMES = 300
_STEP = 1_000_000


def page_times(hub: Hub, role: str) -> dict[str, float]:
    """The median time of each shape of page, in milliseconds."""
    client = Client(hub, hub.token(role))
    return {shape: client.median_ms(document, times=_TIMES) for shape, document in SHAPES.items()}


def measure_depth(hub: Hub, role: str) -> Section:
    """The 1,000th page of 50 beside the first, by cursor."""
    client = Client(hub, hub.token(role))
    cursor = None
    for _ in range(999 * 50 // 200):
        cursor = client.ask(WALK, after=cursor)["interactions"]["pageInfo"]["endCursor"]
    first, far = (client.median_ms(LIST, times=_TIMES, after=place) for place in (None, cursor))
    again = client.median_ms(LIST, times=_TIMES)
    first = min(first, again)
    return Section(
        "Down the list, by cursor",
        ("page of 50 interactions", "ms", "to the first"),
        (("first", f"{first:.2f}", ""), ("1,000th", f"{far:.2f}", f"{far / first:.2f}")),
    )


def growth(times: dict[str, dict[str, float]]) -> Section:
    """Each shape of page at each number of interactions, and the largest beside the smallest."""
    sizes = list(times)
    rows = []
    for shape in SHAPES:
        measured = [times[size][shape] for size in sizes]
        rows.append((shape, *(f"{ms:.2f}" for ms in measured), f"{measured[-1] / measured[0]:.2f}"))
    return Section("A page as the table grows, ms", ("page", *sizes, "last to first"), tuple(rows))


def grow_interactions(database: Database, total: int, progress: Callable[[str], None]) -> None:
    """Copy interactions until there are `total`, spread over the customers as they are."""
    asyncio.run(_grow(database.url, total, progress))


async def _grow(url: str, total: int, progress: Callable[[str], None]) -> None:
    columns = [name(column.name) for column in Interaction.__table__.columns if column.name != "id"]
    copy = render(
        sql(
            "INSERT INTO interactions (id, {columns}) SELECT crm_id({code}), {columns} FROM interactions"
            " TABLESAMPLE SYSTEM (100) LIMIT {many}",
            columns=join(", ", columns),
            code=number(int(Interaction.code)),
            many=const(_STEP, "integer"),
        )
    )
    connection = await connect(url)
    try:
        there: int = await connection.fetchval("SELECT count(*) FROM interactions")
        while there < total:
            progress(f"copying interactions, {there:,} of {total:,}")
            many = min(_STEP, total - there)
            await connection.execute(copy.text, many, timeout=1800)
            there += many
        progress("looking after the tables")
        await connection.execute("VACUUM (ANALYZE) interactions", timeout=1800)
    finally:
        await connection.close()
