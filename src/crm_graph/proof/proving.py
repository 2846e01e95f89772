"""Proving a company's rights: case after case, two databases that look alike to an asker, and queries of both."""

import secrets
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random

from graphql import GraphQLSchema

from crm_graph import migrations
from crm_graph.access import Access, Level
from crm_graph.bounded import Bounded
from crm_graph.db import LaneConnection
from crm_graph.embedded import EmbeddedServer
from crm_graph.permissions.effective import effective_access
from crm_graph.proof.company import Company, read_company
from crm_graph.proof.engine import Engine, lane_to
from crm_graph.proof.queries import TellTale, alike, told_apart
from crm_graph.proof.shrinking import Difference, differences, smallest
from crm_graph.resolvers.operations import RoleSchemas
from crm_graph.schema.build import build_schema, role_schemas
from crm_graph.server import STOPPING
from crm_graph.settings import Settings

ATTEMPTS = 15
"""So many changes are tried to make two databases differ."""
LOOKED_UP = 0.2
"""The share of cases that look values up."""
KEPT_SCHEMAS = 100


@dataclass(frozen=True)
class CounterExample:
    """Two databases that look alike to whoever holds some roles, and a query that tells them apart."""

    roles: tuple[str, ...]
    seed: int
    asker: str
    told: TellTale
    differences: Sequence[Difference]


@dataclass
class Proof:
    """What came of it: the cases that were tried, the sets of roles from which nothing was withheld in any, and the
    counter-example that ended it.
    """

    seed: int
    sets: int
    cases: int = 0
    whole: bool = True
    withheld_from: set[tuple[str, ...]] = field(default_factory=set)
    counter_example: CounterExample | None = None


@dataclass(frozen=True)
class Effort:
    """How much is tried: cases of each set of roles, the first of them by this seed, for at most so many seconds."""

    cases: int
    seed: int | None = None
    seconds: float | None = None


async def prove(
    url: str,
    settings: Settings,
    roles: Sequence[str],
    effort: Effort,
    *,
    say: Callable[[str], None],
    progress: Callable[[int, int], None],
) -> Proof:
    """Try what the database of this URL says of rights, in a database of its own. Raises UnknownRole, NotMigrated."""
    company = await read_company(url, datetime.now(UTC))
    sets = company.sets(roles)
    if not sets:
        raise ValueError("nobody holds a role; name one with --role")
    seed = secrets.randbits(32) if effort.seed is None else effort.seed
    say(f"{many(len(sets), 'set')} of roles, {many(effort.cases, 'case')} of each, seed {seed}")
    end = None if effort.seconds is None else time.monotonic() + effort.seconds
    with scratch_server() as server:
        await migrations.migrate(server.url, settings)
        connection = await lane_to(server.url, LaneConnection)
        try:
            proving = Proving(connection, company)
            return await proving.run(
                sets, effort.cases, seed, progress, enough=lambda: end is not None and time.monotonic() >= end
            )
        finally:
            connection.terminate()


def many(count: int, thing: str) -> str:
    """So many things, in words."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


@contextmanager
def scratch_server() -> Iterator[EmbeddedServer]:
    """An embedded server whose data goes with it, when the process is told to stop too."""
    for number in STOPPING:
        signal.signal(number, signal.default_int_handler)
    with (
        tempfile.TemporaryDirectory(prefix="crm-graph-prove-") as home,
        EmbeddedServer(Path(home), durable=False) as server,
    ):
        yield server


class Proving:
    """Tries cases on one connection to a migrated database, which stays as it is."""

    def __init__(self, connection: LaneConnection, company: Company) -> None:
        self._connection, self._company = connection, company
        self._likely = company.likely()
        self._schemas: Bounded[str, GraphQLSchema] = Bounded(KEPT_SCHEMAS)
        self._build: RoleSchemas = role_schemas(build_schema(company.catalog), company.catalog)

    def _schema(self, access: Access) -> GraphQLSchema:
        found = self._schemas.get(access.fingerprint)
        if found is None:
            found = self._build(access)
            self._schemas.put(access.fingerprint, found)
        return found

    async def run(
        self,
        sets: Sequence[tuple[str, ...]],
        cases: int,
        seed: int,
        progress: Callable[[int, int], None] = lambda *_: None,
        *,
        enough: Callable[[], bool] = lambda: False,
    ) -> Proof:
        """So many cases of each set, one of each in turn; the first counter-example ends it."""
        proof = Proof(seed, len(sets))
        for number in range(cases):
            for roles in sets:
                if enough():
                    proof.whole = False
                    return proof
                proof.counter_example = await self._case(proof, roles, seed + number)
                proof.cases += 1
                progress(proof.cases, cases * len(sets))
                if proof.counter_example is not None:
                    return proof
        return proof

    async def _case(self, proof: Proof, roles: tuple[str, ...], seed: int) -> CounterExample | None:
        random = Random(seed)
        engine = Engine(self._connection, self._company.catalog, self._schema)
        access = effective_access(self._company.policy, self._company.catalog, roles)
        lookups = random.random() < LOOKED_UP
        told = Level.LOOKUP if lookups else Level.READ
        twin = await alike(engine, random, access, told=told, size=random.randint(3, 5), likely=self._likely)
        if not twin.grow(ATTEMPTS).changes:
            return None
        proof.withheld_from.add(roles)
        ask = partial(told_apart, engine, random, twin)
        found = await (ask(roots="lookup".__eq__, bent=0.85) if lookups else ask())
        if not found:
            return None
        least = await smallest(engine, twin, min(found, key=lambda each: len(each.text)))
        who = twin.view.principal
        asker = f"{who.username} ({who.user_id}), in the teams {', '.join(map(str, who.team_ids)) or 'none'}"
        return CounterExample(roles, seed, asker, least, differences(twin))
