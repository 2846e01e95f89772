"""What row rules and masks cost: the same question under one rule after another."""

import asyncio
import time
from uuid import UUID

import asyncpg
import orjson

from bench.database import Database
from bench.hub import Client, Hub
from bench.processes import BenchError
from bench.report import Section
from crm_graph.db import connect
from crm_graph.errors import CrmError

QUESTION = """
query($n: Int!) { customers(first: $n) { nodes {
  id name kind lifecycleStage tier city phone createdAt
  interactions(first: 5) { nodes { id channel occurredAt direction } }
  opportunities(first: 5) { nodes { id name expectedCloseOn currency } }
} } }
"""
SIZES = (1, 20, 100)
_READ = {"BASIC": "READ", "CONTACT": "READ"}
_MASKED = {"BASIC": "READ", "CONTACT": "MASKED"}

# Roles of one rule each, with the levels of its grants; a mixed set reads its own rows and sees all others masked.
ROLES = {
    "all": (("ALL", _READ),),
    "all, masked": (("ALL", _MASKED),),
    "own": (("OWN", _READ),),
    "team": (("TEAM", _READ),),
    "team and below": (("TEAM_AND_BELOW", _READ),),
    "mixed": (("ALL", _MASKED), ("OWN", _READ)),
}
_TYPES = ("customer", "interaction", "opportunity")


def measure_rights(hub: Hub) -> Section:
    """Give somebody who owns many rows a role of each rule, and ask as them."""
    viewers = asyncio.run(_prepare(hub.database))
    rows = []
    base: list[float] = []
    for rule in ROLES:
        client = Client(hub, _token(hub, _key(rule)))
        times = [client.median_ms(QUESTION, times=150, n=size) for size in SIZES]
        base = base or times
        ratios = (f"{ms:.2f} ({ms / first:.2f})" for ms, first in zip(times, base, strict=True))
        rows.append((rule, f"{viewers[rule]:,}", *ratios))
    heads = (f"N={size}, ms (to all)" for size in SIZES)
    return Section("What rights cost", ("rows that are seen", "own customers", *heads), tuple(rows))


def _key(rule: str) -> str:
    return "bench_" + rule.replace(", ", "_").replace(" ", "_")


def _token(hub: Hub, role: str) -> str:
    """A token that is taken: a new role is known to the hub within a second."""
    token, deadline = hub.token(role), time.monotonic() + 10
    while True:
        try:
            Client(hub, token).ask(QUESTION, n=1)
        except (BenchError, CrmError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return token


async def _prepare(database: Database) -> dict[str, int]:
    """A role for each rule, each held by a user of their own, those who own most; gives how many customers they own."""
    connection = await connect(database.url)
    try:
        owners = await connection.fetch(
            "SELECT owner_id AS id, count(*) AS owned FROM customers WHERE owner_id IS NOT NULL"
            " GROUP BY owner_id ORDER BY owned DESC LIMIT $1",
            len(ROLES),
        )
        if len(owners) < len(ROLES):
            raise BenchError("there are too few owners of customers; seed more")
        async with connection.transaction():
            await connection.execute("DELETE FROM user_roles WHERE user_id = ANY($1)", [o["id"] for o in owners])
            for rule, owner in zip(ROLES, owners, strict=True):
                await _give_role(connection, rule, owner["id"])
            await connection.execute("UPDATE policy_version SET version = version + 1")
        return {rule: owner["owned"] for rule, owner in zip(ROLES, owners, strict=True)}
    finally:
        await connection.close()


async def _give_role(connection: "asyncpg.Connection[asyncpg.Record]", rule: str, user: UUID) -> None:
    role = await connection.fetchval(
        "INSERT INTO roles (id, key, name_en, name_zh, created_at, updated_at)"
        " VALUES (gen_random_uuid(), $1, $1, $1, now(), now())"
        " ON CONFLICT (key) DO UPDATE SET updated_at = now() RETURNING id",
        _key(rule),
    )
    await connection.execute("DELETE FROM grants WHERE role_id = $1", role)
    await connection.executemany(
        "INSERT INTO grants (id, role_id, entity_type, row_rule, levels)"
        " VALUES (gen_random_uuid(), $1, $2, $3, $4::jsonb)",
        [
            (role, type_, row_rule, orjson.dumps(levels).decode())
            for type_ in _TYPES
            for row_rule, levels in ROLES[rule]
        ],
    )
    await connection.execute("INSERT INTO user_roles (user_id, role_id) VALUES ($1, $2)", user, role)
