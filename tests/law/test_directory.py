"""The law for teams and people: who runs them learns nothing of the records that they do not see."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import Policy
from crm_graph.proof.operations.changes import Document
from crm_graph.proof.operations.directory import Directory
from reference.compiled import default_access, schema_of
from reference.settings import tried

from .changes import Bench, answers, grown

CHANGES = 20
_FIRST: Document = (
    "mutation($i: CreateTeamInput!) { createTeam(input: $i) { team { id key path version } errors { code } } }",
    {"i": {"kind": "TEAM", "key": "first", "name": "First"}},
)


@tried(4)
@given(seed=st.integers(0, 2**32))
async def test_changes_of_teams_and_people_on_twins_are_answered_alike(seed: int, bench: Bench) -> None:
    random, access = Random(seed), default_access(["admin"])
    twin = await grown(bench, random, access, 15, policy=Policy(1, DEFAULT_ROLES))
    directory = Directory(random, twin, schema_of(access))
    documents = [made for _ in range(CHANGES) if (made := directory.make())]

    one, other = await answers(bench, twin, [_FIRST, *documents])

    assert b'"first/"' in one[0]
    assert one == other
