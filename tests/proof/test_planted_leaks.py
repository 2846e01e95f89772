"""A leak that is planted at an exit is found by a proof, within as many cases as it tries of each asker by default."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from crm_graph.db import LaneConnection
from crm_graph.fragments import TRUE
from crm_graph.permissions import effective
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import Policy, RoleRule
from crm_graph.proof.company import Asker, Company
from crm_graph.proof.exits import Exit
from crm_graph.proof.proving import CASES, Proving
from crm_graph.services import duplicates, rights, unmasking
from reference.custom import CUSTOM_FIELDS
from reference.planting import (
    Patch,
    Plant,
    describing_all,
    granting,
    saying_not_allowed,
    suggesting,
    taking_any_parent,
    telling_who_has_a_ref,
    unasked,
)
from reference.planting_rights import counting_customers_of_teams, keeping_owners_of_customers

ENTITIES = ("customers", "interactions", "leads", "opportunities", "tickets", "contracts")
KEEN = RoleRule(
    "keen", "Keen", "全能", "Sells, and may do whatever there is to do.", {},
    frozenset({"export", "unmask", "duplicates:check", *(f"{name}:upsert" for name in ENTITIES)}),
    inherits=("sales",),
)  # fmt: skip
POLICY = Policy(1, {**DEFAULT_ROLES, KEEN.key: KEEN})
KEEN_ONE = Asker(("keen",))
SERVICE = Asker(("service",))
ADMIN = Asker(("admin",))
SCOPED = Asker(("keen",), frozenset({"tickets:read", "customers:read", "customers:write"}))


@dataclass(frozen=True)
class Leak:
    """`plant` lets something show too much at an exit, to whoever is one of the askers. The cases begin with a `seed`
    that finds it soon; from 1 it takes up to forty.
    """

    exit: Exit
    name: str
    plant: Plant
    asker: Asker = KEEN_ONE
    seed: int = 1

    def __str__(self) -> str:
        return self.name


def naming_what_matched(patch: Patch) -> None:
    """A check for duplicates tells how many records there are that the asker does not see."""
    asked = duplicates._matches

    def told(entity: str, rows: Sequence[Any]) -> Any:
        found = asked(entity, rows)
        return [*found, *(m for m in found if m.id is None for _ in range(sum(1 for r in rows if not r["seen"])))]

    patch.setattr(duplicates, "_matches", told)


def unmasking_all(patch: Patch) -> None:
    """Records are unmasked that the asker does not see."""
    patch.setattr(rights, "in_any_scope", lambda *_: TRUE)
    patch.setattr(rights, "any", lambda _: True, raising=False)
    patch.setattr(unmasking, "seen", rights.seen)


def minding_no_scopes(patch: Patch) -> None:
    """A client has all that its roles have."""
    resolve = effective._resolve
    patch.setattr(effective, "_resolve", lambda policy, catalog, roles, _: resolve(policy, catalog, roles, None))


LEAKS = [
    Leak(Exit.QUERY, "selected cells", granting("cell", "resolvers.cells"), SERVICE, seed=3),
    Leak(Exit.QUERY, "searches", granting("cell", "resolvers.search.ranking"), SERVICE, seed=12),
    Leak(Exit.QUERY, "timelines", granting("visible", "resolvers.timeline.sql"), seed=5),
    Leak(Exit.MUTATION, "outcomes of upserts", telling_who_has_a_ref, seed=42),
    Leak(Exit.EXPORT, "exports", unasked("resolvers.exports.preparing:_prepared", "visible"), seed=18),
    Leak(Exit.MUTATION, "payloads", unasked("resolvers.write:_fetch", "visible"), seed=8),
    Leak(Exit.MUTATION, "records that are not found", saying_not_allowed, seed=2),
    Leak(Exit.MUTATION, "checks for duplicates", naming_what_matched, seed=35),
    Leak(Exit.MUTATION, "unmasking", unmasking_all, seed=2),
    Leak(Exit.MUTATION, "changes of teams", counting_customers_of_teams, ADMIN, seed=22),
    Leak(Exit.MUTATION, "changes of people", keeping_owners_of_customers, ADMIN, seed=16),
    Leak(Exit.IMPORT, "imports", taking_any_parent, seed=17),
    Leak(Exit.NAMES, "suggestions", suggesting),
    Leak(Exit.NAMES, "metadata", describing_all),
    Leak(Exit.NAMES, "scopes", minding_no_scopes, SCOPED),
]


@pytest.mark.parametrize("leak", LEAKS, ids=str)
async def test_planted_leak_is_found(leak: Leak, connection: LaneConnection, monkeypatch: Patch) -> None:
    leak.plant(monkeypatch)
    company = Company(Policy(1, POLICY.roles), CUSTOM_FIELDS, ())
    proof = await Proving(connection, company).run([leak.asker], CASES, leak.seed, exits=[leak.exit], small=False)
    assert proof.counter_example is not None
    assert proof.counter_example.told.question.exit is leak.exit


async def test_nobody_is_told_too_much_where_nothing_leaks(connection: LaneConnection) -> None:
    company = Company(Policy(1, POLICY.roles), CUSTOM_FIELDS, ())
    proof = await Proving(connection, company).run([KEEN_ONE, SCOPED, ADMIN], 2, 1)
    assert proof.counter_example is None
