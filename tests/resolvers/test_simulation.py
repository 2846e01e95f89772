"""Asking as another role: the answer is that of what both the role and the asker may see, cell by cell."""

from collections.abc import Collection
from functools import partial
from random import Random

import pytest

from crm_graph.access import Access, Level
from crm_graph.permissions.effective import effective_access
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import ALL, EVERYONE, OWN, Policy, RoleRule
from crm_graph.permissions.simulation import SIMULATE, simulated, within
from crm_graph.proof.datasets import Dataset
from crm_graph.proof.engine import principal_of, reading
from crm_graph.proof.rows import Connection, insert, load
from crm_graph.proof.view import View
from reference.comparison import Comparison
from reference.compiled import access_of, catalog, default_access
from reference.policies import PolicyMaker
from reference.settings import EFFORT, seeds
from reference.within import Within

ANSWERS = 40
SETS_OF_ROLES, SETS_OF_POLICIES = 2, 15
ROLES = sorted(set(DEFAULT_ROLES) - {EVERYONE})
PAIRS = [("sales", "crm_manager"), ("sales", "service"), ("service", "finance"), ("finance", "sales_manager")]
"""A role, and that of who asks as it."""


async def compare(connection: Connection, theirs: Access, own: Access, of: object, sets: int) -> None:
    comparison, view = Comparison(connection), partial(Within, catalog(), access=theirs, own=own)

    for seed in seeds(of, sets):
        await comparison.run(seed, within(theirs, own), ANSWERS, view)

    assert comparison.compared == ANSWERS * sets * EFFORT


@pytest.mark.parametrize(("role", "own"), PAIRS)
async def test_role_within_a_role_reads_what_both_read(role: str, own: str, connection: Connection) -> None:
    await compare(connection, default_access([role]), default_access([own]), (role, own), SETS_OF_ROLES)


@pytest.mark.parametrize("number", range(SETS_OF_POLICIES))
async def test_generated_role_within_generated_roles_reads_what_both_read(number: int, connection: Connection) -> None:
    roles = PolicyMaker(Random(number), catalog()).roles(("one", "two", "three"))

    await compare(connection, access_of(roles, ["one"]), access_of(roles, ["two", "three"]), number, 1)


async def test_cells_of_generated_roles_have_the_lower_of_both_levels(connection: Connection) -> None:
    met: set[tuple[Level, Level]] = set()
    for seed in range(4):
        random = Random(seed)
        roles = PolicyMaker(random, catalog()).roles(("one", "two"))
        theirs, own = access_of(roles, ["one"]), access_of(roles, ["two"])
        async with reading(connection):
            await insert(connection, Dataset(random, catalog(), 6).build())
            tables = await load(connection)
        who = principal_of(tables, tables["users"][0]["id"], theirs)
        one, two, both = (View(catalog(), tables, who, access) for access in (theirs, own, within(theirs, own)))
        for entity in catalog().roots:
            seen = {r.row["id"] for r in one.records(entity)} & {r.row["id"] for r in two.records(entity)}
            found = list(both.records(entity))
            assert {r.row["id"] for r in found} == seen
            for record in found:
                for name in entity.fields:
                    levels = one.level(record, name), two.level(record, name)
                    assert both.level(record, name) == min(levels), (entity.name, name)
                    met.add(levels)
    assert {(Level.READ, Level.MASKED), (Level.MASKED, Level.READ), (Level.HIDDEN, Level.READ)} <= met


@pytest.mark.parametrize("role", ROLES)
def test_role_within_itself_is_itself(role: str) -> None:
    access = default_access([role])

    same = within(access, access)

    assert {**same.types}.keys() == {**access.types}.keys()
    assert (same.actions, same.roles) == (access.actions, access.roles)
    for entity in catalog().roots:
        for path in {path for grant in access.grants(entity.name) for path in grant.levels}:
            assert same.ceiling(entity.name, path) is access.ceiling(entity.name, path)
            assert same.may_write(entity.name, path) is access.may_write(entity.name, path)


def test_rows_of_both_are_the_same_in_whatever_order() -> None:
    one, other = default_access(["sales"]), default_access(["service"])

    assert within(one, other).types == within(other, one).types
    assert within(one, other).fingerprint not in {one.fingerprint, other.fingerprint}
    scopes = {grant.scope for grant in within(one, other).grants("customer")}
    assert all(part.rule is not ALL.rule for scope in scopes for part in scope.parts)
    assert OWN in scopes


def held(*actions: str) -> Policy:
    """A policy in which one role may simulate another."""
    roles = {
        "tester": RoleRule("tester", "Tester", "测试", "", {}, frozenset({SIMULATE, *actions})),
        "clerk": RoleRule("clerk", "Clerk", "职员", "", {}, frozenset({"export", "customers:create"})),
    }
    return Policy(1, roles)


def may(policy: Policy, asker: Collection[str], roles: Collection[str]) -> Access | None:
    return simulated(policy, catalog(), roles, effective_access(policy, catalog(), asker))


def test_actions_are_those_of_both() -> None:
    found = may(held("export"), ["tester"], ["clerk"])

    assert found is not None
    assert (found.actions, found.roles) == (frozenset({"export"}), ("clerk",))


def test_only_who_has_the_action_simulates_and_only_roles_that_are_there() -> None:
    policy = held()

    assert may(policy, ["clerk"], ["tester"]) is None
    assert may(policy, ["tester"], ["clerk", "nobody"]) is None
    assert may(policy, ["tester"], ["clerk"]) is may(policy, ["tester"], ["clerk"])
    cut = effective_access(policy, catalog(), ["tester"], frozenset({"customers:read"}))
    assert simulated(policy, catalog(), ["clerk"], cut) is None
