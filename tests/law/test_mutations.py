"""The law for mutations and imports: on twins that commit apart, the same changes are answered alike."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference.compiled import access_of, catalog, default_access
from reference.policies import Lean, PolicyMaker
from reference.settings import tried

from .changes import Bench, agent_access, grown, told_by_imports, told_by_mutations

CHANGES = 12
ATTEMPTS = 15
WRITERS = ("sales", "sales_manager", "service", "finance", "crm_manager", "erp", "commerce", "call_centre")
IMPORTERS = ("crm_manager", "erp", "commerce", "call_centre")


@pytest.mark.parametrize("role", WRITERS)
@tried(3)
@given(seed=st.integers(0, 2**32))
async def test_mutations_on_twins_are_answered_alike(role: str, seed: int, bench: Bench) -> None:
    random = Random(seed)
    twin = await grown(bench, random, default_access([role]), ATTEMPTS)
    assert await told_by_mutations(bench, random, twin, CHANGES) == []


@tried(8)
@given(seed=st.integers(0, 2**32))
async def test_mutations_under_generated_policies_are_answered_alike(seed: int, bench: Bench) -> None:
    random = Random(seed)
    lean = random.choice((None, Lean.ROWS, Lean.CELLS))
    roles = PolicyMaker(random, catalog(), lean, acts=True).roles(("one", "two"))
    twin = await grown(bench, random, access_of(roles, random.choice((["one"], ["one", "two"]))), ATTEMPTS)
    assert await told_by_mutations(bench, random, twin, CHANGES) == []


@tried(6)
@given(seed=st.integers(0, 2**32))
async def test_bulk_upserts_on_twins_are_answered_alike(seed: int, bench: Bench) -> None:
    random = Random(seed)
    twin = await grown(bench, random, agent_access(), ATTEMPTS)
    assert await told_by_mutations(bench, random, twin, CHANGES, ["upsert"]) == []


@pytest.mark.parametrize("role", [*IMPORTERS, "agent"])
@tried(2)
@given(seed=st.integers(0, 2**32))
async def test_imports_on_twins_are_reported_alike(role: str, seed: int, bench: Bench) -> None:
    random = Random(seed)
    access = agent_access() if role == "agent" else default_access([role])
    assert await told_by_imports(bench, random, await grown(bench, random, access, ATTEMPTS), rows=12) == []
