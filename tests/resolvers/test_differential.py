"""Generated queries give the same answer through the compiler and through the naive reference, for every role set."""

from itertools import combinations
from random import Random

import pytest

from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import EVERYONE
from crm_graph.proof.rows import Connection
from reference.comparison import Comparison
from reference.compiled import access_of, catalog, default_access
from reference.policies import PolicyMaker
from reference.settings import EFFORT, seeds

ROLES = sorted(set(DEFAULT_ROLES) - {EVERYONE})
PAIRS = list(combinations(ROLES, 2))
ANSWERS = 50
"""Answers compared over one set of data, before the next is built."""
SETS_OF_A_ROLE, SETS_OF_POLICIES = 5, 30


def test_a_run_compares_thousands_of_answers() -> None:
    assert ANSWERS * (len(ROLES) * SETS_OF_A_ROLE + len(PAIRS) + SETS_OF_POLICIES) == 7_800


@pytest.mark.parametrize("role", ROLES)
async def test_default_role_reads_what_the_reference_reads(role: str, connection: Connection) -> None:
    comparison, access = Comparison(connection), default_access([role])

    for seed in seeds(role, SETS_OF_A_ROLE):
        await comparison.run(seed, access, ANSWERS)

    assert comparison.compared == ANSWERS * SETS_OF_A_ROLE * EFFORT


@pytest.mark.parametrize("held", PAIRS)
async def test_pair_of_default_roles_reads_what_the_reference_reads(
    held: tuple[str, str], connection: Connection
) -> None:
    comparison, access = Comparison(connection), default_access(held)

    for seed in seeds(held, 1):
        await comparison.run(seed, access, ANSWERS)

    assert comparison.compared == ANSWERS * EFFORT


async def test_generated_policy_reads_what_the_reference_reads(connection: Connection) -> None:
    comparison = Comparison(connection)

    for seed in seeds("policy", SETS_OF_POLICIES):
        roles = PolicyMaker(Random(seed), catalog()).roles(("one", "two"))
        await comparison.run(seed, access_of(roles, ["one", "two"]), ANSWERS)

    assert comparison.compared == ANSWERS * SETS_OF_POLICIES * EFFORT
