"""The law for teams and people: who runs them learns nothing of the records that they do not see."""

from collections.abc import Iterator
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.proof.operations.changes import Document
from crm_graph.proof.rows import NOON, Tables
from crm_graph.proof.twins import Twin
from reference.compiled import default_access
from reference.settings import tried

from .changes import Bench, answers, grown

CHANGES = 15
ROLE = "019aaaaa-0000-7000-8c00-000000000000"
_TEAM = "{ team { id key path version archivedAt members { id } } errors { code message path details } }"
_USER = "{ user { id status version teams { id } } errors { code message path details } }"
_FIRST: Document = (
    f"mutation($i: CreateTeamInput!) {{ createTeam(input: $i) {_TEAM} }}",
    {"i": {"kind": "TEAM", "key": "first", "name": "First"}},
)


def held(twin: Twin) -> Tables:
    """Rows by which the asker is an administrator, who is active in both databases."""
    asker = twin.view.principal.user_id
    for tables in (twin.view.tables, twin.tables):
        for user in tables["users"]:
            if user["id"] == asker:
                user.update(kind="PERSON", status="ACTIVE", archived_at=None)
    actions = sorted(DEFAULT_ROLES["admin"].actions)
    named = {"key": "admin", "name_en": "Admin", "name_zh": "管理员", "builtin": True}
    role = {"id": ROLE, **named, "actions": actions, "inherits": [], "version": 1}
    return {
        "roles": [{**role, "created_at": NOON, "updated_at": NOON}],
        "user_roles": [{"user_id": asker, "role_id": ROLE}],
    }


def documents(random: Random, tables: Tables) -> Iterator[Document]:
    """Changes of teams and people that are there, many of which are refused."""
    yield _FIRST
    teams, users = ([str(row["id"]) for row in tables[table]] for table in ("teams", "users"))
    for n in range(CHANGES):
        team, user = random.choice(teams), random.choice(users)
        given: dict[str, Any] = {"t": team, "p": random.choice([*teams, None]), "u": [user], "w": user}
        name = f"n{n}"
        yield random.choice(
            (
                (f"mutation($t: ID!, $p: ID) {{ moveTeam(id: $t, parent: $p) {_TEAM} }}", given),
                (f"mutation($t: ID!) {{ archiveTeam(id: $t) {_TEAM} }}", given),
                (f"mutation($t: ID!) {{ restoreTeam(id: $t) {_TEAM} }}", given),
                (f'mutation($t: ID!) {{ updateTeam(id: $t, input: {{ name: "{name}" }}) {_TEAM} }}', given),
                (f"mutation($t: ID!, $u: [ID!]!) {{ addTeamMembers(team: $t, users: $u) {_TEAM} }}", given),
                (f"mutation($t: ID!, $u: [ID!]!) {{ removeTeamMembers(team: $t, users: $u) {_TEAM} }}", given),
                (f"mutation($w: ID!) {{ userLeft(user: $w) {_USER} }}", given),
                (f'mutation($w: ID!) {{ updateUser(id: $w, input: {{ name: "{name}" }}) {_USER} }}', given),
            )
        )


@tried(4)
@given(seed=st.integers(0, 2**32))
async def test_changes_of_teams_and_people_on_twins_are_answered_alike(seed: int, bench: Bench) -> None:
    random = Random(seed)
    twin = await grown(bench, random, default_access(["admin"]), 15)

    one, other = await answers(bench, twin, list(documents(random, twin.view.tables)), held(twin))

    assert b'"first/"' in one[0]
    assert one == other
