"""The law: an answer is a function of what its asker may see. Databases that look alike to an asker answer alike, byte
by byte: queries, their counts and pages, mutations, and what is refused.
"""

import inspect
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_graph.access import Access, Level
from crm_graph.catalog import EntityType
from crm_graph.criteria.compiling import Compiler
from crm_graph.errors import CrmError
from crm_graph.fragments import TRUE, Fragment
from crm_graph.messages import render
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import EVERYONE
from crm_graph.permissions.simulation import within
from crm_graph.resolvers.lookups import LookupSite
from reference import search
from reference.compiled import SMALL, Compiled, access_of, catalog, default_access, principal_of, reading, schema_of
from reference.datasets import Dataset
from reference.operations.drafts import Draft
from reference.operations.generated import Generated
from reference.operations.making import OperationMaker
from reference.policies import PolicyMaker
from reference.rows import Connection, insert, load
from reference.settings import seeds, tried
from reference.twins import Twin
from reference.view import View

QUERIES = 10
ATTEMPTS = 15
ROLES = sorted(set(DEFAULT_ROLES) - {EVERYONE})


async def outcomes(compiled: Compiled, rows: Twin, queries: list[Generated], *, twin: bool) -> list[bytes]:
    """What each query is answered, or how it is refused."""
    async with reading(compiled.connection):
        await insert(compiled.connection, rows.tables if twin else rows.view.tables)
        return [await outcome(compiled, rows, query.text, dict(query.variables)) for query in queries]


async def outcome(compiled: Compiled, rows: Twin, text: str, variables: dict[str, object]) -> bytes:
    try:
        return await compiled.run(rows.view.principal, text, variables)
    except CrmError as error:
        return repr((error.code, render(error, "en"), error.path, sorted(error.details.items(), key=str))).encode()


async def alike(
    connection: Connection, random: Random, access: Access, columns: Collection[tuple[str, str]] | None = None
) -> Twin:
    """A database, and a twin of it that is to grow different."""
    async with reading(connection):
        await insert(connection, Dataset(random, catalog(), 3).build())
        tables = await load(connection)
    who = principal_of(tables, random.choice(tables["users"])["id"], access)
    return Twin(random, catalog(), View(catalog(), tables, who, access), columns)


async def told_apart(
    connection: Connection,
    random: Random,
    twin: Twin,
    queries: int = QUERIES,
    *,
    roots: Callable[[str], object] = lambda _: True,
    depth: int = 3,
    bent: float = 0.6,
) -> list[str]:
    """The queries, of so many with some of the roots, that tell two databases apart which look alike."""
    access = twin.view.access
    assert access is not None
    schema = schema_of(access)
    assert schema.query_type is not None
    without = frozenset(name for name in schema.query_type.fields if not roots(name))
    if len(without) == len(schema.query_type.fields):
        return []
    makers = [
        OperationMaker(
            Draft(
                random,
                schema,
                catalog(),
                access,
                random.choice((twin.view.tables, twin.tables)),
                SMALL,
                about=twin.about(),
                bent=bent,
            ),
            max_depth=depth,
            without=without,
        )
        for _ in range(queries)
    ]
    made = [maker.make() for maker in makers]
    compiled = Compiled(connection, SMALL)
    one = await outcomes(compiled, twin, made, twin=False)
    other = await outcomes(compiled, twin, made, twin=True)
    differing = [query for query, a, b in zip(made, one, other, strict=True) if a != b]
    return [query.text for query in differing if await looked_up(compiled, twin, query) is False]


async def looked_up(compiled: Compiled, twin: Twin, query: Generated) -> bool:
    """Whether a query looks values up that other records have in one database than in the other: no more than that may
    it tell beyond what its asker sees.
    """
    view, access = twin.view, twin.view.access
    assert access is not None
    other = View(catalog(), twin.tables, view.principal, access)
    document = await compiled.operations.document(query.text, access)
    operation = document.operation(None)
    prepared = await compiled.operations.prepare(document, operation, query.variables, access)
    return any(
        found_by(view, lookup, query.variables) != found_by(other, lookup, query.variables)
        for lookup in prepared.lookups
    )


def found_by(view: View, lookup: LookupSite, variables: Mapping[str, Any]) -> set[tuple[UUID, str]]:
    """What a lookup gives away: which records of those that its asker sees have which of the values."""
    records = list(view.records(lookup.entity))
    values = lookup.values(variables)
    if lookup.searched:
        field = lookup.field.name.upper()
        return {(r.row["id"], v) for v in values for r in search.looked_up(view, records, field, v)}
    return {(r.row["id"], v) for v in values for r in records if view.has(r, lookup.field, v)}


@pytest.mark.parametrize("role", ROLES)
@tried(8)
@given(seed=st.integers(0, 2**32))
async def test_role_cannot_tell_twins_apart(role: str, seed: int, connection: Connection) -> None:
    random = Random(seed)
    twin = await alike(connection, random, default_access([role]))
    assert await told_apart(connection, random, twin.grow(ATTEMPTS)) == []


@tried(30)
@given(seed=st.integers(0, 2**32))
async def test_generated_policy_cannot_tell_twins_apart(seed: int, connection: Connection) -> None:
    random = Random(seed)
    roles = PolicyMaker(random, catalog()).roles(("one", "two"))
    twin = await alike(connection, random, access_of(roles, ["one", "two"]))
    assert await told_apart(connection, random, twin.grow(ATTEMPTS)) == []


@tried(12)
@given(seed=st.integers(0, 2**32))
async def test_simulated_role_cannot_tell_twins_apart(seed: int, connection: Connection) -> None:
    random = Random(seed)
    roles = PolicyMaker(random, catalog()).roles(("one", "two"))
    both = within(access_of(roles, ["one"]), access_of(roles, ["two"]))
    twin = await alike(connection, random, both)
    assert await told_apart(connection, random, twin.grow(ATTEMPTS)) == []


async def test_twins_do_differ(connection: Connection) -> None:
    changes = 0
    for seed in range(6):
        random = Random(seed)
        roles = PolicyMaker(random, catalog()).roles(("one",))
        changes += (await alike(connection, random, access_of(roles, ["one"]))).grow(ATTEMPTS).changes
    assert changes >= 20


NEVER_WAS = "neverWas"


def spots(entity: EntityType, name: str) -> list[str]:
    """Queries that name a field wherever a field can be named."""
    plural = entity.api_plural
    return [
        f"{{ {plural} {{ nodes {{ {name} }} }} }}",
        f"{{ {plural}(where: {{ {name}: {{ isNull: true }} }}) {{ totalCount }} }}",
        f"{{ {plural}(orderBy: [{{ {name}: ASC }}]) {{ totalCount }} }}",
        f"{{ {plural}Aggregate(groupBy: [{{ {name}: true }}]) {{ groups {{ count }} }} }}",
        f"{{ {plural}Aggregate(having: {{ max: {{ {name}: {{ isNull: true }} }} }}) {{ groups {{ count }} }} }}",
        f"{{ {plural}Aggregate(orderBy: [{{ countDistinct: {{ {name}: ASC }} }}]) {{ groupsCapped }} }}",
        f"{{ {plural}Aggregate {{ groups {{ key {{ {name} }} }} }} }}",
        f"{{ {plural}Aggregate {{ groups {{ countDistinct {{ {name} }} }} }} }}",
        f'{{ __type(name: "{entity.api_name}") {{ fields {{ name }} }} {plural} {{ edges {{ node {{ {name} }} }} }} }}',
    ]


@pytest.mark.parametrize("role", ROLES)
async def test_hidden_field_is_refused_like_one_that_never_was(role: str, connection: Connection) -> None:
    access, asked = default_access([role]), 0
    async with reading(connection):
        compiled = Compiled(connection, SMALL)
        for entity in catalog().roots:
            hidden = [f for f in entity.fields.values() if access.ceiling(entity.name, f.name) is Level.HIDDEN]
            for member in hidden:
                queries = zip(spots(entity, member.api_name), spots(entity, NEVER_WAS), strict=True)
                for one, other in queries:
                    assert await refused(compiled, access, one, member.api_name) == await refused(
                        compiled, access, other, NEVER_WAS
                    ), one
                    asked += 1
    assert asked >= 50


async def refused(compiled: Compiled, access: Access, text: str, name: str) -> str:
    """How a query is refused, the name that is wrong and what stands behind it left out."""
    with pytest.raises(CrmError) as caught:
        await compiled.operations.document(text, access)
    problems = [p.error.message for p in caught.value.details["problems"]]
    return repr((caught.value.code, problems)).replace(name, "<name>")


@dataclass(frozen=True)
class Exit:
    """A place where a right is asked for: the roots of the queries that lead to it, and of which withheld cells it can
    tell, where these are few; where it tells of rows, none.
    """

    right: str
    module: str
    roots: Callable[[str], object]
    columns: Collection[tuple[str, str]] | None = None

    def __str__(self) -> str:
        return f"{self.right} in {self.module}"


MOMENTS = (("interactions", "occurred_at"), ("stage_changes", "entered_at"))
LISTS = frozenset(entity.api_plural for entity in catalog().roots).__contains__
AGGREGATES = re.compile(".*Aggregate").fullmatch
EXITS = [
    Exit("cell", "criteria.compiling", LISTS),
    Exit("cell", "resolvers.paging", LISTS),
    Exit("cell", "resolvers.cells", LISTS),
    Exit("cell", "resolvers.aggregates.sql", AGGREGATES),
    Exit("cell", "resolvers.timeline.sql", frozenset({"customers"}).__contains__, MOMENTS),
    Exit("visible", "criteria.ways", LISTS, ()),
    Exit("visible", "resolvers.sql", LISTS, ()),
]
SEEDS = 80


@pytest.mark.parametrize("leak", EXITS, ids=str)
async def test_planted_leak_is_caught(leak: Exit, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = getattr(Compiler, leak.right)

    def told(*arguments: object) -> Fragment:
        here = inspect.currentframe()
        asking = here.f_back.f_globals["__name__"] if here and here.f_back else ""
        return TRUE if asking == f"crm_graph.{leak.module}" else asked(*arguments)

    monkeypatch.setattr(Compiler, leak.right, told)
    for seed in seeds(str(leak), SEEDS):
        random = Random(seed)
        roles = PolicyMaker(random, catalog()).roles(("one", "two"))
        twin = await alike(connection, random, access_of(roles, ["one", "two"]), leak.columns)
        if (twin.withheld or leak.right == "visible") and await told_apart(
            connection, random, twin.grow(4 * ATTEMPTS), 15, roots=leak.roots, depth=1, bent=0.85
        ):
            return
    pytest.fail("a planted leak went unnoticed")
