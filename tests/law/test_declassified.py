"""The closed list of what tells more than rights: each line has its law here, and nothing else may tell more.

What a declassification gives away is spelled out naively; where two databases are alike to an asker and give away the
same, they answer the same, byte by byte.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.access import Access, Level
from crm_graph.permissions.declassifications import DECLASSIFICATIONS
from crm_graph.permissions.rules import ALL, OWN, GrantRule, RoleRule, actions_of, grant
from crm_graph.proof.datasets import Dataset
from crm_graph.proof.declassified import told_on_purpose
from crm_graph.proof.engine import SMALL, mutated, principal_of, reading
from crm_graph.proof.exits import Question
from crm_graph.proof.further import a_check, an_unmasking
from crm_graph.proof.rows import NOON, Connection, id_source, insert, load
from crm_graph.proof.twins import Twin
from crm_graph.proof.view import View
from crm_graph.resolvers.operations import Operations
from crm_graph.transaction import begin
from reference.compiled import Compiled, access_of, catalog, schema_of
from reference.policies import CLASSES
from reference.settings import tried

from .changes import EMPTY

CHECKS = 12
WITHHELD = (("customers", "email"), ("customers", "phone"), ("customers", "birth_date"), ("contact_points", "raw"))
OWNED = grant(OWN, read=CLASSES)
MASKED = grant(ALL, fields={"phone": Level.MASKED, "birth_date": Level.MASKED, "contact_points.raw": Level.LOOKUP})
GRANTS: dict[str, tuple[GrantRule, ...]] = {"lead": (OWNED,), "user": (grant(ALL, read=CLASSES),)}
LAWS = {
    "version": "test_law::test_generated_policy_cannot_tell_twins_apart",
    "lookup": "declassified::found_by",
    "unmask": "test_unmasking_tells_the_fields_that_are_named_and_nothing_else",
    "checkDuplicate": "test_a_check_for_duplicates_tells_who_owns_what_is_there_and_nothing_else",
    "externalRef": "tests/services/test_upsert.py::test_who_does_not_see_every_record_names_no_source_of_others",
    "availableTransitions": "test_mutations::test_mutations_on_twins_are_answered_alike",
    "maskedValue": "test_mutations::test_mutations_on_twins_are_answered_alike",
    "money": "test_law::test_generated_policy_cannot_tell_twins_apart",
    "explain": "tests/services/test_explanations.py::test_tells_nothing_of_what_a_record_holds",
    "simulate": "test_law::test_simulated_role_cannot_tell_twins_apart",
    "previewGrants": "tests/web/test_grant_previews.py::test_condition_that_the_asker_does_not_read_is_not_counted_by",
    "documents": "tests/web/test_trusted_documents.py::test_who_may_register_is_told_by_the_full_schema",
    "numbers": "test_mutations::test_mutations_on_twins_are_answered_alike",
}
"""Where each line of the list is held to its words."""


def test_the_list_is_closed() -> None:
    assert [d.name for d in DECLASSIFICATIONS] == list(LAWS)
    actions = {d.granted_by.removeprefix("the action ") for d in DECLASSIFICATIONS if "the action " in d.granted_by}
    assert {a for a in actions if ":" in a or a == "unmask"} <= actions_of(catalog())
    audited = {"lookup", "unmask", "checkDuplicate", "explain", "simulate", "previewGrants"}
    assert {d.name for d in DECLASSIFICATIONS if d.audited} == audited


@dataclass(frozen=True)
class Databases:
    """One connection for reads, and a database of its own for what commits."""

    connection: Connection
    twin_connection: Connection
    engine: AsyncEngine


async def differing(
    random: Random,
    databases: Databases,
    customers: tuple[GrantRule, ...],
    make: Callable[[Random, Twin], Question],
) -> list[Question]:
    """The mutations that tell twins apart though they give away the same of both."""
    access: Access = access_of({"one": _role(customers)}, ["one"])
    connection, twin_connection = databases.connection, databases.twin_connection
    async with reading(connection):
        await insert(connection, Dataset(random, catalog(), 5).build())
        tables = await load(connection)
    who = principal_of(tables, random.choice(tables["users"])["id"], access)
    twin = Twin(random, catalog(), View(catalog(), tables, who, access), WITHHELD).grow(40)
    twin.repeat_unseen()
    asked = [make(random, twin) for _ in range(CHECKS)]
    answers = []
    for rows in (tables, twin.tables):
        await twin_connection.execute(EMPTY)
        await insert(twin_connection, rows)
        answers.append([await _run(databases.engine, twin, question) for question in asked])
    told = [question for question, one, other in zip(asked, *answers, strict=True) if one != other]
    return [q for q in told if not await told_on_purpose(Compiled(connection, SMALL), twin, q)]


def _role(customers: tuple[GrantRule, ...]) -> RoleRule:
    grants = {**GRANTS, "customer": customers}
    return RoleRule("one", "one", "one", "", grants, frozenset({"unmask", "duplicates:check"}))


async def _run(engine: AsyncEngine, twin: Twin, question: Question) -> bytes:
    who, ids = twin.view.principal, id_source(7)
    operations = Operations(catalog(), schema_of, SMALL, max_tokens=1_000)
    return await mutated(
        operations,
        lambda: begin(engine, who, catalog(), lambda: NOON, ids, source="api", request_id="r"),
        who,
        question.text,
        question.variables,
    )


@tried(6)
@given(seed=st.integers(0, 2**32))
async def test_a_check_for_duplicates_tells_who_owns_what_is_there_and_nothing_else(
    seed: int, connection: Connection, twin_connection: Connection, twin_engine: AsyncEngine
) -> None:
    databases = Databases(connection, twin_connection, twin_engine)
    assert await differing(Random(seed), databases, (OWNED,), a_check) == []


@tried(4)
@given(seed=st.integers(0, 2**32))
async def test_unmasking_tells_the_fields_that_are_named_and_nothing_else(
    seed: int, connection: Connection, twin_connection: Connection, twin_engine: AsyncEngine
) -> None:
    databases = Databases(connection, twin_connection, twin_engine)
    assert await differing(Random(seed), databases, (OWNED, MASKED), an_unmasking) == []


@pytest.mark.parametrize("told", [d for d in DECLASSIFICATIONS if d.audited], ids=lambda d: d.name)
def test_what_is_audited_is_granted_by_name(told: Any) -> None:
    assert "action" in told.granted_by or "LOOKUP" in told.granted_by
