"""The law: an answer is a function of what its asker may see. Databases that look alike to an asker answer alike, byte
by byte: queries, their counts and pages, mutations, and what is refused.
"""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_graph.access import Access, Level
from crm_graph.catalog import EntityType, Field
from crm_graph.criteria.compiling import Compiler
from crm_graph.criteria.rows import Row
from crm_graph.errors import CrmError
from crm_graph.fragments import TRUE, Fragment
from crm_graph.messages import render
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import EVERYONE
from crm_graph.resolvers.rows import RowFlags
from reference.compiled import SMALL, Compiled, access_of, catalog, default_access, principal_of, reading, schema_of
from reference.datasets import Dataset
from reference.operations.drafts import Draft
from reference.operations.generated import Generated
from reference.operations.making import OperationMaker
from reference.policies import PolicyMaker
from reference.rows import Connection, insert, load
from reference.settings import tried
from reference.twins import Twin
from reference.view import View

QUERIES = 10
LOOKUPS = frozenset({"lookup"})
"""Finding a masked row by its exact value is a declassification; it has a law of its own."""
ATTEMPTS = 15
ROLES = sorted(set(DEFAULT_ROLES) - {EVERYONE})


async def outcomes(connection: Connection, rows: Twin, queries: list[Generated], *, twin: bool) -> list[bytes]:
    """What each query is answered, or how it is refused."""
    async with reading(connection):
        await insert(connection, rows.tables if twin else rows.view.tables)
        compiled = Compiled(connection, SMALL)
        return [await outcome(compiled, rows, query.text, dict(query.variables)) for query in queries]


async def outcome(compiled: Compiled, rows: Twin, text: str, variables: dict[str, object]) -> bytes:
    try:
        return await compiled.run(rows.view.principal, text, variables)
    except CrmError as error:
        return repr((error.code, render(error, "en"), error.path, sorted(error.details.items(), key=str))).encode()


async def differing(
    connection: Connection, random: Random, access: Access, queries: int = QUERIES
) -> tuple[int, list[str]]:
    """How many things differ between two databases that look alike, and the queries that tell them apart."""
    async with reading(connection):
        await insert(connection, Dataset(random, catalog(), 3).build())
        tables = await load(connection)
    who = principal_of(tables, random.choice(tables["users"])["id"], access)
    twin = Twin(random, catalog(), View(catalog(), tables, who, access)).grow(ATTEMPTS)
    makers = [
        OperationMaker(
            Draft(random, schema_of(access), catalog(), access, random.choice((tables, twin.tables)), SMALL),
            without=LOOKUPS,
        )
        for _ in range(queries)
    ]
    made = [maker.make() for maker in makers]
    one = await outcomes(connection, twin, made, twin=False)
    other = await outcomes(connection, twin, made, twin=True)
    return twin.changes, [q.text for q, a, b in zip(made, one, other, strict=True) if a != b]


@pytest.mark.parametrize("role", ROLES)
@tried(8)
@given(seed=st.integers(0, 2**32))
async def test_role_cannot_tell_twins_apart(role: str, seed: int, connection: Connection) -> None:
    _, told = await differing(connection, Random(seed), default_access([role]))
    assert told == []


@tried(30)
@given(seed=st.integers(0, 2**32))
async def test_generated_policy_cannot_tell_twins_apart(seed: int, connection: Connection) -> None:
    random = Random(seed)
    roles = PolicyMaker(random, catalog()).roles(("one", "two"))
    _, told = await differing(connection, random, access_of(roles, ["one", "two"]))
    assert told == []


async def test_twins_do_differ(connection: Connection) -> None:
    changes = 0
    for seed in range(6):
        random = Random(seed)
        roles = PolicyMaker(random, catalog()).roles(("one",))
        changes += (await differing(connection, random, access_of(roles, ["one"])))[0]
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


def _ignore_cells(_self: Compiler, _row: Row, _member: Field, _least: int) -> Fragment:
    return TRUE


def _ignore_rows(_self: Compiler, _row: Row) -> Fragment:
    return TRUE


@pytest.fixture(params=[("cell", _ignore_cells), ("visible", _ignore_rows)], ids=["cells", "rows"])
def leak(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler that forgets a right in conditions and orders."""
    name, broken = request.param
    monkeypatch.setattr(RowFlags, name, getattr(Compiler, name), raising=False)
    monkeypatch.setattr(Compiler, name, broken)


async def test_planted_leak_is_caught(leak: None, connection: Connection) -> None:
    for seed in range(40):
        random = Random(seed)
        roles = PolicyMaker(random, catalog()).roles(("one", "two"))
        if (await differing(connection, random, access_of(roles, ["one", "two"]), 4 * QUERIES))[1]:
            return
    pytest.fail("a planted leak went unnoticed")
