"""What row rules and masks cost at a million customers: reads under each rule beside the same reads by who sees all."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from bench.contenders import Contender
from bench.database import Database
from bench.hub import Client, Hub, Wire, running_hub
from bench.million import large_company
from bench.previews import measure_previews
from bench.processes import BenchError
from bench.report import Section
from crm_graph.db import connect
from crm_graph.errors import CrmError

QUESTION = """
query($n: Int!) { customers(first: $n%s) { nodes {
  id name kind lifecycleStage tier city phone createdAt
  interactions(first: 5) { nodes { id channel occurredAt direction } }
  opportunities(first: 5) { nodes { id name expectedCloseOn currency } }
} } }
"""
SIZES = (1, 20, 100)
ROUNDS = 25
MOMENT_S = 0.1
"""For so long each kind of read is asked for in each round."""

_READ = {"BASIC": "READ", "CONTACT": "READ"}
_MASKED = {"BASIC": "READ", "CONTACT": "MASKED"}
_TYPES = ("customer", "interaction", "opportunity")

# Roles of one rule each, with the levels of its grants. `overlapping` sees by each rule what it sees anyway; `mixed`
# reads its own rows, and sees all others masked.
ROLES = {
    "all": (("ALL", _READ),),
    "overlapping": (("ALL", _READ), ("OWN", _READ), ("TEAM", _READ)),
    "own": (("OWN", _READ),),
    "team": (("TEAM", _READ),),
    "team and below": (("TEAM_AND_BELOW", _READ),),
    "all masked": (("ALL", _MASKED),),
    "mixed": (("ALL", _MASKED), ("OWN", _READ)),
}
_NARROWED = {
    "own": "owner: { id: { eq: %s } }",
    "team": "team: { id: { in: %s } }",
    "team and below": "team: { id: { in: %s } }",
}
"""The rows of a rule, as who sees all asks for them."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a request took, in microseconds: the client's waiting, and the CPU of the hub and of PostgreSQL."""

    waited: float
    hub: float
    postgres: float

    @property
    def cpu(self) -> float:
        return self.hub + self.postgres


@dataclass(frozen=True, slots=True)
class Reads:
    """Reads of one kind: who asks for what, and how many customers they see."""

    asked: Contender
    seen: int


def measure_rights(home: Path, scratch: Path, customers: int, progress: Callable[[str], None]) -> tuple[Section, ...]:
    """Give somebody a role of each rule, and ask as them and as who sees all, in turn; then preview edits of roles."""
    with ExitStack() as stack:
        database = stack.enter_context(large_company(home / "large", customers, progress))
        hub = stack.enter_context(running_hub(database, scratch))
        progress("what rights cost")
        reads = _reads(hub, asyncio.run(_prepare(database)))
        _check(reads)
        costs = {size: _measured(hub, reads, size, ROUNDS) for size in SIZES}
        progress("previews")
        previews = measure_previews(hub)
    title = f"What rights cost, {customers:,} customers: time of a page (CPU of hub and PostgreSQL)"
    return Section(title, ("read", *(f"N={size}" for size in SIZES)), tuple(_rows(reads, costs))), previews


def _rows(reads: Mapping[str, Reads], costs: Mapping[int, Mapping[str, Sequence[Cost]]]) -> Iterator[tuple[str, ...]]:
    """Each read beside the same rows by who sees all, and beside the page of who sees all."""
    for name, read in reads.items():
        absolute = (_absolute(costs[size][name]) for size in SIZES)
        yield (f"{name} ({read.seen:,} customers), µs", *absolute)
        for other in (f"all, the rows of {name}", "all"):
            if other in reads and other != name and not name.startswith("all, "):
                yield (f"… to {other}", *(_ratio(costs[size][name], costs[size][other]) for size in SIZES))


def _absolute(costs: Sequence[Cost]) -> str:
    waited, hub, postgres = (median(getattr(c, part) for c in costs) for part in ("waited", "hub", "postgres"))
    return f"{waited:,.0f} ({hub:,.0f} + {postgres:,.0f})"


def _ratio(ours: Sequence[Cost], theirs: Sequence[Cost]) -> str:
    """Medians over the rounds of what ours took by what theirs took: a drift of the machine touches both alike."""
    pairs = list(zip(ours, theirs, strict=True))
    return f"{median(a.waited / b.waited for a, b in pairs):.2f} ({median(a.cpu / b.cpu for a, b in pairs):.2f})"


def _measured(hub: Hub, reads: Mapping[str, Reads], size: int, rounds: int) -> dict[str, list[Cost]]:
    """Each kind of read in each round, for a moment. Each round begins with another kind; the first does not count."""
    names = list(reads)
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    with ExitStack() as stack:
        wires = {name: stack.enter_context(closing(Wire(reads[name].asked, size))) for name in names}
        for name in names:
            wires[name].ask()
        backends = asyncio.run(_backends(hub.database))
        for number in range(rounds + 1):
            for offset in range(len(names)):
                name = names[(number + offset) % len(names)]
                cost = _cost(wires[name], hub.process.pid, backends)
                if number:
                    costs[name].append(cost)
    return costs


def _cost(wire: Wire, hub: int, backends: Sequence[int]) -> Cost:
    """What each of some requests took."""
    waited: list[float] = []
    before = _ran_us([hub]), _ran_us(backends)
    until = time.perf_counter() + MOMENT_S
    while time.perf_counter() < until:
        began = time.perf_counter()
        wire.ask()
        waited.append((time.perf_counter() - began) * 1e6)
    after = _ran_us([hub]), _ran_us(backends)
    of_hub, of_postgres = ((b - a) / len(waited) for a, b in zip(before, after, strict=True))
    return Cost(median(waited), of_hub, of_postgres)


def _ran_us(processes: Sequence[int]) -> float:
    """CPU that processes have used so far, to the nanosecond."""
    return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in processes) / 1000


async def _backends(database: Database) -> list[int]:
    """The processes of PostgreSQL that the hub's connections have."""
    connection = await connect(database.url)
    try:
        rows = await connection.fetch(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
    finally:
        await connection.close()
    return [row["pid"] for row in rows]


def _reads(hub: Hub, viewers: Mapping[str, "_Viewer"]) -> dict[str, Reads]:
    """The list of each role; then, as who sees all, the rows of each rule that narrows."""
    tokens = {rule: _token(hub, _key(rule)) for rule in ROLES}
    reads = {rule: Reads(Contender(rule, hub.port, QUESTION % "", tokens[rule]), viewers[rule].seen) for rule in ROLES}
    for rule, where in _NARROWED.items():
        narrowed = where % orjson.dumps(viewers[rule].ids).decode()
        asked = Contender(f"all, {rule}", hub.port, QUESTION % f", where: {{ {narrowed} }}", tokens["all"])
        reads[f"all, the rows of {rule}"] = Reads(asked, viewers[rule].seen)
    return reads


def _check(reads: Mapping[str, Reads]) -> None:
    """Reads that are compared with the same rows give the same answer, and every page is full."""
    for name, read in reads.items():
        for size in SIZES:
            answer: Any = read.asked.answer(size)
            if len(answer["customers"]["nodes"]) != size:
                raise BenchError(f"{name} sees fewer than {size} customers")
            twin = reads.get(f"all, the rows of {name}")
            if twin and twin.asked.answer(size) != answer:
                raise BenchError(f"{name} and who sees all are given different rows at N={size}")


def _key(rule: str) -> str:
    return "bench_" + rule.replace(" ", "_")


def _token(hub: Hub, role: str) -> str:
    """A token that is taken: a new role is known to the hub within a second."""
    token, deadline = hub.token(role), time.monotonic() + 10
    while True:
        try:
            Client(hub, token).ask(QUESTION % "", n=1)
        except (BenchError, CrmError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return token


@dataclass(frozen=True, slots=True)
class _Viewer:
    """Who has a role: the owner or teams by whom their rows are found, and how many customers those have."""

    ids: str | list[str]
    seen: int


async def _prepare(database: Database) -> dict[str, _Viewer]:
    """A role for each rule, each held by one user of their own: of those who own most, and below the head of sales."""
    connection = await connect(database.url)
    try:
        owners = [
            row["id"]
            for row in await connection.fetch(
                "SELECT owner_id AS id FROM customers WHERE owner_id IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, id"
            )
        ]
        head: UUID = await connection.fetchval(_HEAD)
        others = [owner for owner in owners if owner != head]
        if len(others) < len(ROLES):
            raise BenchError("there are too few owners of customers; seed more")
        users = {rule: head if rule == "team and below" else others.pop() for rule in ROLES}
        async with connection.transaction():
            for rule, user in users.items():
                await _give_role(connection, rule, user)
            await connection.execute("UPDATE policy_version SET version = version + 1")
        await connection.execute("ANALYZE grants, roles, user_roles")
        return {rule: await _viewer(connection, rule, user) for rule, user in users.items()}
    finally:
        await connection.close()


# Who has most teams below their own, among which the rows are spread.
_HEAD = """
SELECT m.user_id
FROM team_members m JOIN teams t ON t.id = m.team_id JOIN teams below ON starts_with(below.path, t.path)
WHERE t.path <> 'hq/' AND EXISTS (SELECT 1 FROM customers c WHERE c.team_id = below.id)
GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1
"""
_TEAMS = {
    "team": "SELECT array_agg(team_id) FROM team_members WHERE user_id = $1",
    "team and below": """
        SELECT array_agg(DISTINCT below.id) FROM team_members m JOIN teams t ON t.id = m.team_id
        JOIN teams below ON starts_with(below.path, t.path) WHERE m.user_id = $1
    """,
}


async def _viewer(connection: "asyncpg.Connection[asyncpg.Record]", rule: str, user: UUID) -> _Viewer:
    if rule == "own":
        seen = await connection.fetchval("SELECT count(*) FROM customers WHERE owner_id = $1", user)
        return _Viewer(str(user), seen)
    if rule in _TEAMS:
        teams = await connection.fetchval(_TEAMS[rule], user)
        seen = await connection.fetchval("SELECT count(*) FROM customers WHERE team_id = ANY($1)", teams)
        return _Viewer([str(team) for team in teams], seen)
    return _Viewer([], await connection.fetchval("SELECT count(*) FROM customers"))


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
    await connection.execute("DELETE FROM user_roles WHERE user_id = $1 OR role_id = $2", user, role)
    await connection.execute("INSERT INTO user_roles (user_id, role_id) VALUES ($1, $2)", user, role)
