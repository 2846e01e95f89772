"""The law for questions about rights, who asks, and the moves that records can make: twins are answered alike."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import EVERYONE
from crm_graph.proof.rows import Connection
from reference.compiled import access_of, catalog, default_access
from reference.policies import Lean, PolicyMaker
from reference.settings import tried

from .questions import told_by_questions

ROLES = sorted(set(DEFAULT_ROLES) - {EVERYONE})


@pytest.mark.parametrize("role", ROLES)
@tried(2)
@given(seed=st.integers(0, 2**32))
async def test_role_cannot_tell_twins_apart(role: str, seed: int, connection: Connection) -> None:
    assert await told_by_questions(connection, Random(seed), default_access([role])) == []


@tried(12)
@given(seed=st.integers(0, 2**32))
async def test_generated_policy_cannot_tell_twins_apart(seed: int, connection: Connection) -> None:
    random = Random(seed)
    maker = PolicyMaker(random, catalog(), random.choice((None, Lean.ROWS, Lean.CELLS)), acts=True)
    access = access_of(maker.roles(("one", "two")), ["one", "two"])
    assert await told_by_questions(connection, random, access) == []
