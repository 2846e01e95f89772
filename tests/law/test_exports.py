"""The law for exports: databases that look alike to an asker give the same file in each format."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import EVERYONE
from crm_graph.proof.rows import Connection
from reference.compiled import access_of, catalog, default_access
from reference.policies import PolicyMaker
from reference.settings import tried

from .exports import told_by_exports

ROLES = sorted(set(DEFAULT_ROLES) - {EVERYONE})


@pytest.mark.parametrize("role", ROLES)
@tried(3)
@given(seed=st.integers(0, 2**32))
async def test_role_cannot_tell_twins_apart(role: str, seed: int, connection: Connection) -> None:
    assert await told_by_exports(connection, Random(seed), default_access([role])) == []


@tried(10)
@given(seed=st.integers(0, 2**32))
async def test_generated_policy_cannot_tell_twins_apart(seed: int, connection: Connection) -> None:
    random = Random(seed)
    access = access_of(PolicyMaker(random, catalog()).roles(("one", "two")), ["one", "two"])
    assert await told_by_exports(connection, random, access) == []
