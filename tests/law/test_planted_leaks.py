"""A leak that is planted at an exit is noticed by the law: for each exit, one place where a right is not asked for."""

import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

import pytest

from crm_graph.access import Access, Level
from crm_graph.bounded import Bounded
from crm_graph.catalog import searched_fields
from crm_graph.criteria.rows import Row
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import ALL, GrantRule, Policy, RoleRule, grant
from crm_graph.proof.engine import SMALL, reading
from crm_graph.proof.exits import Question
from crm_graph.proof.further import a_check, an_unmasking
from crm_graph.proof.names import Names, told_by_refusals
from crm_graph.proof.queries import alike, told_apart
from crm_graph.proof.twins import Twin
from reference import compiled
from reference.compiled import Compiled, access_of, catalog, default_access, full_schema
from reference.custom import CUSTOM_FIELDS
from reference.planting import (
    Patch,
    Plant,
    counting_all,
    describing_all,
    finding_refs_of_others,
    granting,
    naming_what_is_there,
    pricing_by_rows,
    saying_not_allowed,
    suggesting,
    taking_any_parent,
    telling_of_every_event,
    telling_of_masks,
    telling_who_has_a_ref,
)
from reference.planting_rights import (
    counting_duplicates,
    explaining_what_it_holds,
    listing_every_field,
    previewing_any_condition,
    reporting_records,
    saying_what_is_masked,
    saying_what_is_required,
    simulating_all_of_a_role,
    taking_customers_of_parents,
    unmasking_what_is_hidden,
)
from reference.policies import CLASSES, Lean, PolicyMaker
from reference.settings import seeds

from .changes import Bench, agent_access, grown, told_by_imports, told_by_mutations
from .declassified import MASKED_CELLS, OWN_ROWS, differing
from .exports import told_by_exports
from .questions import told_by_questions
from .simulation import told_by_simulating

SEEDS = 40
ATTEMPTS, ENOUGH = 40, 8
POLICIES = 12
QUERIES = 15
MOVES = 150
"""So many changes are tried where few of them are of the kind that shows, and no other kind is kept."""

Seek = Callable[[Bench, Random], Awaitable[object]]


@dataclass(frozen=True)
class Leak:
    """`exit` is the place where something shows, `plant` makes it show too much, and `seek` finds answers on twins that
    differ.
    """

    exit: str
    plant: Plant
    seek: Seek

    def __str__(self) -> str:
        return self.exit


@cache
def some_access(lean: Lean, number: int) -> Access:
    """What one of few policies gives, whose schemas are built once."""
    return access_of(PolicyMaker(Random(number), catalog(), lean).roles(("one", "two")), ["one"])


def by_queries(
    roots: Callable[[str], object],
    lean: Lean,
    columns: Collection[tuple[str, str]] | None = None,
    tables: Collection[str] | None = None,
    told: Level = Level.READ,
    *,
    queries: int = QUERIES,
) -> Seek:
    """Seek in queries of these roots, with policies of a leaning; twins differ in cells of these columns and in rows of
    these tables.
    """

    async def seek(bench: Bench, random: Random) -> object:
        engine, access = Compiled(bench.connection, SMALL), some_access(lean, random.randrange(POLICIES))
        twin = await alike(engine, random, access, columns=columns, tables=tables, told=told, size=5)
        if columns and not twin.withheld:
            return ()
        twin.grow(ATTEMPTS, ENOUGH)
        return await told_apart(engine, random, twin, queries, roots=roots, depth=1, bent=0.85)

    return seek


def by_exports(lean: Lean) -> Seek:
    """Seek in files, with policies of a leaning."""

    async def seek(bench: Bench, random: Random) -> object:
        access = some_access(lean, random.randrange(POLICIES))
        return await told_by_exports(bench.connection, random, access, ATTEMPTS)

    return seek


def by_mutations(access: Callable[[Random], Access], *verbs: str, attempts: int = ATTEMPTS, **differ: Any) -> Seek:
    """Seek in what mutations of these verbs are answered."""

    async def seek(bench: Bench, random: Random) -> object:
        twin = await grown(bench, random, access(random), attempts, **differ)
        return await told_by_mutations(bench, random, twin, 15, verbs)

    return seek


async def by_imports(bench: Bench, random: Random) -> object:
    """Seek in the reports of imports."""
    twin = await grown(bench, random, agent_access(), ATTEMPTS)
    return await told_by_imports(bench, random, twin, rows=20)


def by_questions(lean: Lean, tables: Any = None) -> Seek:
    """Seek in questions about rights and after moves, with policies of a leaning."""

    async def seek(bench: Bench, random: Random) -> object:
        return await told_by_questions(bench.connection, random, writing(lean)(random), ATTEMPTS, tables=tables)

    return seek


def by_what_is_told(customers: tuple[GrantRule, ...], make: Callable[[Random, Twin], Question]) -> Seek:
    """Seek in what `unmask` or `checkDuplicate` give away."""

    async def seek(bench: Bench, random: Random) -> object:
        return await differing(bench, random, customers, make)

    return seek


async def by_simulating(bench: Bench, random: Random) -> object:
    """Seek in what somebody is answered in another role."""
    return await told_by_simulating(bench.connection, random, Random(random.randrange(POLICIES)), ATTEMPTS)


async def by_names(_bench: Bench, _random: Random) -> object:
    """Seek in the schema and in `entityMetadata`."""
    names = Names(Policy(1, DEFAULT_ROLES), CUSTOM_FIELDS)
    return await names.told(["sales"], further=True) != await names.told(["sales"], further=False)


async def by_refusals(bench: Bench, _random: Random) -> object:
    """Seek in how queries of hidden fields are refused."""
    access = default_access(["sales"])
    async with reading(bench.connection):
        told, _ = await told_by_refusals(Compiled(bench.connection, SMALL), access, access)
    return told


def omitting_nothing(patch: Patch) -> None:
    """Role schemas that have every field."""
    patch.setattr(compiled, "_role_schemas", lambda: lambda _: full_schema())
    patch.setattr(compiled, "_SCHEMAS", Bounded(10))


def of_custom(_row: Row, member: Any, _least: Level) -> bool:
    return member.custom is not None


def of_stays(row: Row) -> bool:
    return row.entity.name == "stage_change"


def of_roots(row: Row, _member: Any, _least: Level) -> bool:
    return not row.entity.is_child


def of_children(row: Row, _member: Any, _least: Level) -> bool:
    return row.entity.is_child


def of_files(row: Row) -> bool:
    return row.entity.name == "file"


def of_masks(_row: Row, _member: Any, least: Level) -> bool:
    return least is Level.MASKED


def writing(lean: Lean | None) -> Callable[[Random], Access]:
    """What one of few generated policies gives whose roles change records."""
    return lambda random: _some_writer(lean, random.randrange(POLICIES))


@cache
def _some_writer(lean: Lean | None, number: int) -> Access:
    return access_of(PolicyMaker(Random(number), catalog(), lean, acts=True).roles(("one", "two")), ["one"])


@cache
def _of_own_customers() -> Access:
    everything = grant(ALL, read=CLASSES, writes=[c.value for c in CLASSES])
    grants = {entity.name: (OWN_ROWS if entity.name == "customer" else everything,) for entity in catalog().roots}
    actions = frozenset(f"{name}:{verb}" for name in ("opportunities", "contracts") for verb in ("create", "update"))
    return access_of({"one": RoleRule("one", "one", "one", "", grants, actions)}, ["one"])


def of_own_customers(_: Random) -> Access:
    """Somebody who sees and sells all there is, but no customers of others: records differ in whose they are alone."""
    return _of_own_customers()


MOMENTS = (("interactions", "occurred_at"), ("stage_changes", "entered_at"), ("tickets", "created_at"))
CUSTOM = (("customers", "custom"), ("tickets", "custom"))
WITH_MASKS = tuple((e.table, f.name) for e in catalog().types.values() for f in e.fields.values() if f.mask)
SEARCHED = tuple(
    (catalog()[s.relation.target].table if s.relation else entity.table, s.field.name)
    for entity in catalog().roots
    for s in searched_fields(catalog(), entity)
)
OWNED = frozenset(entity.table for entity in catalog().roots if entity.owned)
TEXTS = frozenset(table for table, _ in SEARCHED)
ROWS: tuple[tuple[str, str], ...] = ()
"""No cell is withheld, only rows."""
CHILDREN = ("contact_points", "addresses", "contract_lines", "external_refs")
_NOUNS = [entity.api_name[0].lower() + entity.api_name[1:] for entity in catalog().roots]
LISTS = frozenset(entity.api_plural for entity in catalog().roots).__contains__
ONE = frozenset(_NOUNS).__contains__
AGGREGATES = re.compile(".*Aggregate").fullmatch
CUSTOMERS = frozenset({"customers"}).__contains__
NODE, NODES = frozenset({"node"}).__contains__, frozenset({"nodes"}).__contains__
SEARCH, LOOKUP = frozenset({"search"}).__contains__, frozenset({"lookup"}).__contains__


def cells(
    exit_: str, module: str, roots: Callable[[str], object], columns: Any = None, tables: Any = (), **which: Any
) -> Leak:
    """Cells that are withheld, and shown where a module asks for them."""
    return Leak(exit_, granting("cell", module, **which), by_queries(roots, Lean.CELLS, columns, tables))


def rows(exit_: str, module: str, roots: Callable[[str], object], tables: Any = None, **which: Any) -> Leak:
    """Rows that do not exist for the asker, and are there where a module asks for them."""
    return Leak(exit_, granting("visible", module, **which), by_queries(roots, Lean.ROWS, ROWS, tables))


def held(*roles: str) -> Callable[[Random], Access]:
    return lambda _: default_access(roles)


def agents(_: Random) -> Access:
    return agent_access()


LEAKS = [
    cells("selected cells", "resolvers.cells", LISTS),
    cells("selected custom fields", "resolvers.cells", CUSTOMERS, CUSTOM, about=of_custom),
    cells("masks of what is hidden", "resolvers.cells", LISTS, WITH_MASKS, about=of_masks),
    Leak("masked fields", naming_what_is_there, by_queries(LISTS, Lean.CELLS)),
    cells("filters", "criteria.compiling", LISTS),
    cells("filters of custom fields", "criteria.compiling", CUSTOMERS, CUSTOM, about=of_custom),
    rows("filters through relations", "criteria.compiling", LISTS, function="_related"),
    Leak(
        "filters by counts of relations",
        granting("visible", "criteria.compiling", "_counted"),
        by_queries(LISTS, Lean.ROWS, ROWS, OWNED, queries=100),
    ),
    cells("orders", "resolvers.paging", LISTS),
    rows("orders through relations", "resolvers.paging", LISTS, OWNED),
    cells("groups", "resolvers.aggregates.sql", AGGREGATES, function="_key"),
    rows("groups through relations", "resolvers.aggregates.sql", AGGREGATES),
    cells("measures", "resolvers.aggregates.sql", AGGREGATES, but="_key"),
    rows("aggregated rows", "criteria.ways", AGGREGATES),
    Leak("total counts", counting_all, by_queries(LISTS, Lean.ROWS, ROWS)),
    rows("lists", "criteria.ways", LISTS),
    rows("lists of a record", "resolvers.matching", LISTS),
    cells("searches", "resolvers.search.ranking", SEARCH, SEARCHED),
    rows("rows of searches", "resolvers.search.hits", SEARCH, TEXTS),
    cells("lists by relevance", "resolvers.search.ranking", LISTS, SEARCHED),
    rows("rows of lists by relevance", "resolvers.relevance", LISTS, TEXTS),
    Leak(
        "lookups",
        granting("cell", "resolvers.search.ranking"),
        by_queries(LOOKUP, Lean.CELLS, SEARCHED, (), Level.LOOKUP),
    ),
    Leak(
        "rows of lookups",
        granting("visible", "resolvers.search.lookup"),
        by_queries(LOOKUP, Lean.ROWS, ROWS, TEXTS, Level.LOOKUP),
    ),
    rows("one record", "resolvers.sql", ONE, function="lookup"),
    cells("one record by its ref", "resolvers.sql", ONE, ROWS, ("external_refs",), function="_by_external_ref"),
    rows("node", "resolvers.sql", NODE),
    rows("nodes", "resolvers.sql", NODES),
    rows("to-one relations", "resolvers.sql", LISTS, function="_one"),
    Leak(
        "to-many relations",
        granting("visible", "resolvers.sql", "_many"),
        by_queries(LISTS, Lean.CELLS, ROWS, CHILDREN),
    ),
    Leak(
        "stage history",
        granting("visible", "resolvers.sql", "_many", about=of_stays),
        by_queries(LISTS, Lean.CELLS, ROWS, ("stage_changes",)),
    ),
    Leak(
        "attachments",
        granting("visible", "resolvers.matching", about=of_files),
        by_queries(LISTS, Lean.CELLS, ROWS, ("files",)),
    ),
    Leak(
        "files by their ids",
        granting("visible", "resolvers.sql", "_child"),
        by_queries(NODE, Lean.ROWS, ROWS, ("files",)),
    ),
    rows("timelines", "resolvers.timeline.sql", CUSTOMERS, ("interactions", "tickets", "stage_changes")),
    cells("moments of timelines", "resolvers.timeline.sql", CUSTOMERS, MOMENTS),
    cells("histories", "resolvers.history.told", LISTS, ROWS, ("events",), function="parts", about=of_roots),
    cells("histories of children", "resolvers.history.told", LISTS, ROWS, ("events",), about=of_children),
    cells("reasons of histories", "resolvers.history.told", LISTS, ROWS, ("events",), function="_reason"),
    Leak("images of histories", telling_of_masks, by_queries(LISTS, Lean.CELLS, ROWS, ("events",))),
    Leak("events that tell nothing", telling_of_every_event, by_queries(LISTS, Lean.CELLS, ROWS, ("events",))),
    Leak(
        "relations of histories",
        granting("visible", "resolvers.history.told"),
        by_queries(LISTS, Lean.ROWS, ROWS, ("events",), queries=100),
    ),
    Leak("costs", pricing_by_rows, by_queries(LISTS, Lean.ROWS, ROWS)),
    Leak("cells of exports", granting("cell", "resolvers.cells"), by_exports(Lean.CELLS)),
    Leak("rows of exports", granting("visible", "criteria.ways"), by_exports(Lean.ROWS)),
    Leak(
        "payloads",
        granting("cell", "resolvers.cells"),
        by_mutations(held("finance"), "update", columns=WITH_MASKS, tables=()),
    ),
    Leak(
        "relations of payloads",
        granting("visible", "resolvers.sql", "_one"),
        by_mutations(held("sales"), "archive", "restore", tables=OWNED),
    ),
    Leak("records that are not found", saying_not_allowed, by_mutations(held("sales"), "update", "archive")),
    Leak("parents", taking_any_parent, by_mutations(held("sales"), "create", "update")),
    Leak("uniqueness of refs", finding_refs_of_others, by_mutations(agents, "upsert", tables=("external_refs",))),
    Leak("outcomes of bulk upserts", telling_who_has_a_ref, by_mutations(agents, "upsert", tables=OWNED)),
    Leak("reports of imports", taking_any_parent, by_imports),
    Leak("values written back", saying_what_is_masked, by_mutations(writing(Lean.CELLS), "update", tables=())),
    Leak("requirements of moves", saying_what_is_required, by_mutations(writing(Lean.CELLS), "transition", tables=())),
    Leak(
        "customers of parents",
        taking_customers_of_parents,
        by_mutations(
            of_own_customers, "create", "update", columns=ROWS, tables=("leads", "opportunities"), attempts=MOVES
        ),
    ),
    Leak(
        "to-many relations of payloads",
        granting("visible", "resolvers.sql", "_many"),
        by_mutations(writing(Lean.CELLS), "update", "archive", columns=ROWS, tables=CHILDREN),
    ),
    Leak("moves that are possible", saying_what_is_required, by_questions(Lean.CELLS, ())),
    Leak("explanations of access", explaining_what_it_holds, by_questions(Lean.CELLS, ())),
    Leak("reports of access", reporting_records, by_questions(Lean.ROWS)),
    Leak("previews of grants", previewing_any_condition, by_questions(Lean.CELLS, ())),
    Leak("rights of who asks", listing_every_field, by_names),
    Leak("simulated roles", simulating_all_of_a_role, by_simulating),
    Leak("unmasked cells", unmasking_what_is_hidden, by_what_is_told((OWN_ROWS, MASKED_CELLS), an_unmasking)),
    Leak("unmasked rows", saying_not_allowed, by_what_is_told((OWN_ROWS,), an_unmasking)),
    Leak("checks for duplicates", counting_duplicates, by_what_is_told((OWN_ROWS,), a_check)),
    Leak("errors", suggesting, by_refusals),
    Leak("schemas", omitting_nothing, by_refusals),
    Leak("entity metadata", describing_all, by_names),
]


@pytest.mark.parametrize("leak", LEAKS, ids=str)
async def test_planted_leak_is_noticed(leak: Leak, bench: Bench, monkeypatch: Patch) -> None:
    leak.plant(monkeypatch)
    for seed in seeds(leak.exit, SEEDS):
        if await leak.seek(bench, Random(seed)):
            return
    pytest.fail("a planted leak went unnoticed")
