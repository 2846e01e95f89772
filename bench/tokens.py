"""What it takes to know who asks: a token that was seen before, and a new one."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from statistics import median
from typing import Any
from uuid import UUID

from bench.database import Database
from bench.report import Section
from crm_graph.db import connect
from crm_graph.hub import open_hub
from crm_graph.permissions.store import utc_now
from crm_graph.permissions.tokens import issue_user_token
from crm_graph.settings import load_settings

PEOPLE = 200
LOOKS = 20_000
_USERS = "SELECT id FROM users WHERE status = 'ACTIVE' ORDER BY id LIMIT $1"


def measure_tokens(database: Database) -> Section:
    """CPU of the process, with the real keys, users and policy of the database."""
    return asyncio.run(_measured(database))


async def _measured(database: Database) -> Section:
    connection = await connect(database.url)
    try:
        users = [row["id"] for row in await connection.fetch(_USERS, PEOPLE)]
    finally:
        await connection.close()
    async with open_hub(load_settings(database_url=database.url)) as hub:
        principals = hub.principals

        def issued(user: UUID) -> str:
            return issue_user_token(principals.terms, principals.keys, user, now=utc_now())

        strangers = await _each_us(principals.authenticate, [issued(user) for user in users])
        again = await _each_us(principals.authenticate, [issued(user) for user in users])
        header = f"Bearer {issued(users[0])}".encode()
        await principals.authenticate(header[7:].decode())
        began = time.process_time()
        for _ in range(LOOKS):
            principals.known(header, utc_now())
        seen = (time.process_time() - began) * 1e6 / LOOKS
    return Section(
        f"Who asks: CPU of the process for a token ({len(users)} people)",
        ("token", "µs"),
        (
            ("seen before", f"{seen:.1f}"),
            ("new, of somebody whose rights are known", f"{again:,.0f}"),
            ("new, of somebody who has not asked since the rights last changed", f"{strangers:,.0f}"),
        ),
    )


async def _each_us(ask: Callable[[str], Awaitable[Any]], tokens: Sequence[str]) -> float:
    """The median for one token, in microseconds."""
    taken = []
    for token in tokens:
        began = time.process_time()
        await ask(token)
        taken.append((time.process_time() - began) * 1e6)
    return median(taken)
