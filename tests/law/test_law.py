"""The law: an answer is a function of what its asker may see. Databases that look alike to an asker answer alike, byte
by byte: queries, their counts and pages, what they cost, and what is refused.
"""

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_graph.access import Access, Level
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.rules import EVERYONE, Policy
from crm_graph.proof.engine import SMALL, reading
from crm_graph.proof.names import Names, told_by_refusals
from crm_graph.proof.queries import alike, told_apart
from crm_graph.proof.rows import Connection
from reference.compiled import Compiled, access_of, catalog, default_access
from reference.custom import CUSTOM_FIELDS
from reference.policies import Lean, PolicyMaker
from reference.settings import seeds, tried

from .simulation import told_by_simulating

ATTEMPTS = 15
ROLES = sorted(set(DEFAULT_ROLES) - {EVERYONE})
POLICIES, QUERIES, CASES = 60, 18, 1_000
"""So many generated policies are tried, with so many queries of each and their second pages: at least so many cases."""
MASKING = (Level.MASKED, Level.LOOKUP)
LEANINGS = (None, None, Lean.ROWS, Lean.CELLS)


@pytest.mark.parametrize("role", ROLES)
@tried(6)
@given(seed=st.integers(0, 2**32))
async def test_role_cannot_tell_twins_apart(role: str, seed: int, connection: Connection) -> None:
    random = Random(seed)
    twin = await alike(Compiled(connection, SMALL), random, default_access([role]))
    assert await told_apart(Compiled(connection, SMALL), random, twin.grow(ATTEMPTS)) == []


@tried(10)
@given(seed=st.integers(0, 2**32))
async def test_several_roles_at_once_cannot_tell_twins_apart(seed: int, connection: Connection) -> None:
    random = Random(seed)
    twin = await alike(Compiled(connection, SMALL), random, default_access(random.sample(ROLES, random.randint(2, 3))))
    assert await told_apart(Compiled(connection, SMALL), random, twin.grow(ATTEMPTS)) == []


class Counting(Compiled):
    """Counts what it is asked."""

    asked = 0

    async def answered(
        self, principal: Principal, text: str, variables: Mapping[str, Any] | None = None
    ) -> tuple[bytes, int]:
        self.asked += 1
        return await super().answered(principal, text, variables)


def conditionally_masked(access: Access) -> int:
    """Of so many fields some rows show the value, and some its mask."""
    grants = [(name, grant) for name, lines in access.types.items() for grant in lines]
    masked = {(name, path) for name, g in grants for path, level in g.levels.items() if level in MASKING}
    return sum(access.ceiling(name, path) is Level.READ for name, path in masked)


async def test_generated_policies_cannot_tell_twins_apart(connection: Connection) -> None:
    """A case is a policy, two databases that differ, and a question to both."""
    engine, policies, overlapping, masked = Counting(connection, SMALL), set[str](), 0, 0
    for seed in seeds("generated policies", POLICIES):
        random = Random(seed)
        roles = PolicyMaker(random, catalog(), random.choice(LEANINGS)).roles(("one", "two", "three"))
        held = random.choice((["one"], ["one", "two"], ["two", "three"]))
        access = access_of(roles, held)
        twin = (await alike(engine, random, access)).grow(ATTEMPTS)
        if twin.changes:
            assert await told_apart(engine, random, twin, QUERIES, depth=random.choice((1, 1, 3))) == [], seed
            policies.add(access.fingerprint)
            overlapping += any(len(lines) > 1 for lines in access.types.values())
            masked += conditionally_masked(access) > 0
    assert engine.asked // 2 >= CASES, engine.asked
    assert (len(policies) >= POLICIES * 0.9, overlapping >= POLICIES // 2, masked >= POLICIES // 4) == (True,) * 3


@tried(10)
@given(seed=st.integers(0, 2**32))
async def test_lookups_tell_nothing_but_of_values_that_may_be_looked_up(seed: int, connection: Connection) -> None:
    random = Random(seed)
    known = default_access([random.choice(ROLES)])
    roles = PolicyMaker(random, catalog(), random.choice(LEANINGS)).roles(("one", "two"))
    access = random.choice((known, access_of(roles, ["one", "two"])))
    twin = await alike(Compiled(connection, SMALL), random, access, told=Level.LOOKUP)
    assert (
        await told_apart(Compiled(connection, SMALL), random, twin.grow(ATTEMPTS), roots="lookup".__eq__, bent=0.85)
        == []
    )


@tried(10)
@given(seed=st.integers(0, 2**32))
async def test_simulated_role_cannot_tell_twins_apart(seed: int, connection: Connection) -> None:
    random = Random(seed)
    assert await told_by_simulating(connection, random, random) == []


async def test_twins_do_differ(connection: Connection) -> None:
    changes = 0
    for seed in range(6):
        random = Random(seed)
        roles = PolicyMaker(random, catalog()).roles(("one",))
        changes += (await alike(Compiled(connection, SMALL), random, access_of(roles, ["one"]))).grow(ATTEMPTS).changes
    assert changes >= 20


@pytest.mark.parametrize("role", ROLES)
async def test_hidden_field_is_refused_like_one_that_never_was(role: str, connection: Connection) -> None:
    access = default_access([role])
    async with reading(connection):
        told, asked = await told_by_refusals(Compiled(connection, SMALL), access, access)
    assert told == []
    assert asked >= 50


@pytest.mark.parametrize("role", ROLES)
async def test_role_is_told_nothing_of_fields_that_it_does_not_see(role: str) -> None:
    names = Names(Policy(1, DEFAULT_ROLES), CUSTOM_FIELDS)
    assert await names.told([role], further=True) == await names.told([role], further=False)
