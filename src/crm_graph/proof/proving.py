"""Proving a company's rights: case after case, two databases that look alike to an asker, and questions to both."""

import re
import secrets
import signal
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
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
from crm_graph.catalog import searched_fields
from crm_graph.db import LaneConnection
from crm_graph.embedded import EmbeddedServer
from crm_graph.permissions.effective import effective_access
from crm_graph.proof.company import Asker, Company, read_company
from crm_graph.proof.engine import Engine, lane_to
from crm_graph.proof.exits import Exit, Question
from crm_graph.proof.further import some_further
from crm_graph.proof.names import Names, beyond, schemas_of, told_by_refusals
from crm_graph.proof.queries import QUERIES, TellTale, alike, told_apart
from crm_graph.proof.rights import granted
from crm_graph.proof.rows import SEARCHED
from crm_graph.proof.shrinking import Difference, differences, smallest
from crm_graph.server import STOPPING
from crm_graph.services.duplicates import ACTION as CHECK
from crm_graph.settings import Settings

CASES = 50
"""So many are tried of each asker."""
ATTEMPTS, ENOUGH = 25, 10
"""So many changes are tried to make two databases differ, until there are enough."""
REPEATED = 0.3
"""The share of cases with more records like those that are not seen, of who may check for duplicates."""
LOOKED_UP = 0.2
"""The share of cases that look values up."""
SEARCH = "search".__eq__
ROOTS: tuple[Callable[[str], object], ...] = (
    *(lambda _: True,) * 4,
    *(SEARCH,) * 2,
    {"node", "nodes"}.__contains__,
    re.compile(".*Aggregate").fullmatch,
)
"""What the queries of a case begin with."""
KEPT_SCHEMAS = 100


@dataclass(frozen=True)
class CounterExample:
    """Two databases that look alike to whoever holds some roles, and a question that tells them apart."""

    by: Asker
    seed: int
    asker: str
    told: TellTale
    differences: Sequence[Difference]


@dataclass
class Proof:
    """What came of it: the cases that were tried, who was kept from something in any, and the counter-example that
    ended it.
    """

    seed: int
    sets: int
    cases: int = 0
    whole: bool = True
    withheld_from: set[Asker] = field(default_factory=set)
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
    asked: tuple[Sequence[str], Sequence[str]],
    effort: Effort,
    *,
    say: Callable[[str], None],
    progress: Callable[[int, int], None],
) -> Proof:
    """Try what the database of this URL says of rights, in a database of its own: all rights, or those of the roles and
    scopes `asked` for. Raises UnknownRole, NotMigrated.
    """
    company = await read_company(url, datetime.now(UTC))
    askers = company.askers(*asked)
    if not askers:
        raise ValueError("nobody holds a role; name one with --role")
    seed = secrets.randbits(32) if effort.seed is None else effort.seed
    say(f"{many(len(askers), 'set')} of roles, {many(effort.cases, 'case')} of each, seed {seed}")
    end = None if effort.seconds is None else time.monotonic() + effort.seconds
    with scratch_server() as server:
        await migrations.migrate(server.url, settings)
        connection = await lane_to(server.url, LaneConnection)
        try:
            proving = Proving(connection, company)
            return await proving.run(
                askers, effort.cases, seed, progress, enough=lambda: end is not None and time.monotonic() >= end
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
        self._company = company
        self._likely = company.likely()
        known = company.catalog
        self._searched = [
            ((known[s.relation.target] if s.relation else entity).table, s.field.name)
            for entity in known.roots
            for s in searched_fields(known, entity)
        ]
        self._told = Names(company.policy, company.definitions)
        self._schemas: Bounded[str, GraphQLSchema] = Bounded(KEPT_SCHEMAS)
        self._build = schemas_of(company.definitions)
        self._engine = Engine(connection, company.catalog, self._schema, policy=company.policy)

    def _schema(self, access: Access) -> GraphQLSchema:
        found = self._schemas.get(access.fingerprint)
        if found is None:
            found = self._build(access)
            self._schemas.put(access.fingerprint, found)
        return found

    async def run(
        self,
        askers: Sequence[Asker],
        cases: int,
        seed: int,
        progress: Callable[[int, int], None] = lambda *_: None,
        *,
        exits: Collection[Exit] = tuple(Exit),
        enough: Callable[[], bool] = lambda: False,
        small: bool = True,
    ) -> Proof:
        """So many cases of each asker, one of each in turn; the first counter-example ends it, and is made as
        `small` as it gets, which takes longer than to find it. What they are told of names comes first.
        """
        proof = Proof(seed, len(askers))
        for number in range(cases):
            for asker in askers:
                if enough():
                    proof.whole = False
                    return proof
                by = asker.narrowed(Random(seed + number)) if len(askers) > 1 else asker
                found = await self._names(by, seed) if number == 0 and Exit.NAMES in exits else None
                proof.counter_example = found or await self._case(proof, by, seed + number, exits, small=small)
                proof.cases += 1
                progress(proof.cases, cases * len(askers))
                if proof.counter_example is not None:
                    return proof
        return proof

    async def _names(self, by: Asker, seed: int) -> CounterExample | None:
        """What tells of names that they do not have."""
        company, access = self._company, self._access(by)
        known = granted(company.policy, company.catalog, by.roles, by.scopes)
        refusals, _ = await told_by_refusals(self._engine, known, access)
        leaks = [
            (f"{name} is in the schema", "yes", "no") for name in beyond(self._schema(access), company.catalog, known)
        ]
        leaks += [(text, told, usual) for text, told, usual in refusals]
        one, other = [await self._told.told(by.roles, by.scopes, further=further) for further in (False, True)]
        leaks += [("the schema and entityMetadata", *_apart(one, other))] if one != other else []
        for text, told, usual in leaks[:1]:
            tale = TellTale(Question(text, {}, Exit.NAMES), (told.encode(), 0), (usual.encode(), 0))
            return CounterExample(by, seed, "anybody", tale, ())
        return None

    def _access(self, by: Asker) -> Access:
        return effective_access(self._company.policy, self._company.catalog, by.roles, by.scopes)

    async def _case(
        self, proof: Proof, by: Asker, seed: int, exits: Collection[Exit], *, small: bool
    ) -> CounterExample | None:
        random, engine, company = Random(seed), self._engine, self._company
        lookups = random.random() < LOOKED_UP and Exit.QUERY in exits
        told = Level.LOOKUP if lookups else Level.READ
        known = granted(company.policy, company.catalog, by.roles, by.scopes)
        access, size, roots = self._access(by), random.randint(3, 5), random.choice(ROOTS)
        looks = lookups or roots is SEARCH
        tables, columns = (SEARCHED, self._searched) if looks else (None, None)
        data = partial(alike, tables=tables, columns=columns, size=size, likely=self._likely)
        twin = await data(engine, random, access, told=told, granted=known, held=True)
        if not twin.grow(ATTEMPTS, ENOUGH).changes:
            return None
        if access.may(CHECK) and random.random() < REPEATED:
            twin.repeat_unseen()
        proof.withheld_from.add(by)
        depth, bent = random.choice(((1, 0.85), (3, 0.6)))
        if lookups:
            found = await told_apart(engine, random, twin, roots="lookup".__eq__, bent=0.85)
        else:
            further = some_further(random, twin, self._schema(access), engine.limits)
            further = [question for question in further if question.exit in exits]
            queries = QUERIES if Exit.QUERY in exits else 0
            ask = partial(told_apart, engine, random, twin, queries, roots=roots, depth=depth, bent=bent)
            found = await ask(further=further)
        if not found:
            return None
        least = min(found, key=lambda each: len(each.question.text))
        least = await smallest(engine, twin, least) if small else least
        who = twin.view.principal
        asker = f"{who.username} ({who.user_id}), in the teams {', '.join(map(str, who.team_ids)) or 'none'}"
        return CounterExample(by, seed, asker, least, differences(twin))


def _apart(one: tuple[str, bytes], other: tuple[str, bytes]) -> tuple[str, str]:
    """What stands where two schemas with their metadata begin to differ."""
    texts = [f"{schema}{metadata.decode()}" for schema, metadata in (one, other)]
    place = next((n for n, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), min(map(len, texts)))
    here = slice(max(0, place - 100), place + 100)
    return texts[0][here], texts[1][here]
