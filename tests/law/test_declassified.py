"""The closed list of what tells more than rights: each line has its law here, and nothing else may tell more.

What a declassification gives away is spelled out naively; where two databases are alike to an asker and give away the
same, they answer the same, byte by byte.
"""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_graph.permissions.declassifications import DECLASSIFICATIONS
from crm_graph.permissions.rules import actions_of
from crm_graph.proof.further import a_check, an_unmasking
from reference.compiled import catalog
from reference.settings import tried

from .changes import Bench
from .declassified import MASKED_CELLS, OWN_ROWS, differing

LAWS = {
    "version": "test_law::test_generated_policies_cannot_tell_twins_apart",
    "lookup": "declassified::found_by",
    "unmask": "test_unmasking_tells_the_fields_that_are_named_and_nothing_else",
    "checkDuplicate": "test_a_check_for_duplicates_tells_who_owns_what_is_there_and_nothing_else",
    "externalRef": "tests/services/test_upsert.py::test_who_does_not_see_every_record_names_no_source_of_others",
    "availableTransitions": "test_questions::test_generated_policy_cannot_tell_twins_apart",
    "maskedValue": "test_mutations::test_mutations_on_twins_are_answered_alike",
    "ownChange": "test_mutations::test_mutations_on_twins_are_answered_alike",
    "money": "test_law::test_generated_policies_cannot_tell_twins_apart",
    "explain": "test_questions::test_generated_policy_cannot_tell_twins_apart",
    "simulate": "test_law::test_simulated_role_cannot_tell_twins_apart",
    "previewGrants": "test_questions::test_generated_policy_cannot_tell_twins_apart",
    "documents": "tests/web/test_trusted_documents.py::test_who_may_register_is_told_by_the_full_schema",
    "feedLeft": "tests/law/test_feed.py::test_feeds_of_twins_are_alike",
    "feedWindow": "tests/law/test_feed.py::test_a_window_tells_only_that_it_is_full",
    "numbers": "test_mutations::test_mutations_on_twins_are_answered_alike",
}
"""Where each line of the list is held to its words."""


def test_the_list_is_closed() -> None:
    assert [d.name for d in DECLASSIFICATIONS] == list(LAWS)
    actions = {d.granted_by.removeprefix("the action ") for d in DECLASSIFICATIONS if "the action " in d.granted_by}
    assert {a for a in actions if ":" in a or a == "unmask"} <= actions_of(catalog())
    audited = {"lookup", "unmask", "checkDuplicate", "explain", "simulate", "previewGrants"}
    assert {d.name for d in DECLASSIFICATIONS if d.audited} == audited


@tried(6)
@given(seed=st.integers(0, 2**32))
async def test_a_check_for_duplicates_tells_who_owns_what_is_there_and_nothing_else(seed: int, bench: Bench) -> None:
    assert await differing(bench, Random(seed), (OWN_ROWS,), a_check) == []


@tried(4)
@given(seed=st.integers(0, 2**32))
async def test_unmasking_tells_the_fields_that_are_named_and_nothing_else(seed: int, bench: Bench) -> None:
    assert await differing(bench, Random(seed), (OWN_ROWS, MASKED_CELLS), an_unmasking) == []


@pytest.mark.parametrize("told", [d for d in DECLASSIFICATIONS if d.audited], ids=lambda d: d.name)
def test_what_is_audited_is_granted_by_name(told: Any) -> None:
    assert "action" in told.granted_by or "LOOKUP" in told.granted_by
