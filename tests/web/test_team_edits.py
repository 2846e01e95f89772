"""Edits of teams and of who works in them: what they do to the tree, and what is refused."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from .conftest import Crm, opened, settings_of_own_database
from .directing import NEVER, done, person, refused, standing, team


@pytest.fixture(scope="module")
async def crm(
    cluster_address: str, worker_id: str, tmp_path_factory: pytest.TempPathFactory, _plain_logs: None
) -> AsyncIterator[Crm]:
    home = tmp_path_factory.mktemp("team_edits")
    async with opened(await settings_of_own_database(cluster_address, worker_id, "team_edits", home)) as crm:
        yield crm


async def test_all_below_a_moved_team_lie_below_it(crm: Crm) -> None:
    a, b = await team(crm, "tree-a"), await team(crm, "tree-b")
    c = await team(crm, "tree-c", a)
    d = await team(crm, "tree-d", c)
    beside = await team(crm, "tree-c2", a)

    await done(crm, "moveTeam", id=c, parent=b)

    paths = {row["id"]: (row["path"], row["version"]) for row in await crm.database.fetch("SELECT * FROM teams")}
    assert paths[UUID(c)] == ("tree-b/tree-c/", 2)
    assert paths[UUID(d)] == ("tree-b/tree-c/tree-d/", 2)
    assert paths[UUID(beside)] == ("tree-a/tree-c2/", 1)
    (_, event) = await crm.events(d)
    assert (event["type"], event["entity_version"]) == ("team.moved", 2)
    assert (event["before"], event["after"]) == ({"path": "tree-a/tree-c/tree-d/"}, {"path": "tree-b/tree-c/tree-d/"})
    assert (await done(crm, "moveTeam", id=c, parent=None))["path"] == "tree-c/"
    assert (await done(crm, "moveTeam", id=c, parent=None))["version"] == 3


async def test_bad_moves_are_refused_and_nothing_is_written(crm: Crm) -> None:
    top = await team(crm, "bad-top")
    below = await team(crm, "bad-below", top)
    gone = await team(crm, "bad-gone")
    await done(crm, "archiveTeam", id=gone)
    await team(crm, "bad-below")
    await done(crm, "updateTeam", id=below, input={"name": "newer"})
    before = await standing(crm)

    assert await refused(crm, "moveTeam", id=top, parent=top) == [("RULE_VIOLATED", "parent")]
    assert await refused(crm, "moveTeam", id=top, parent=below) == [("RULE_VIOLATED", "parent")]
    assert await refused(crm, "moveTeam", id=top, parent=NEVER) == [("NOT_FOUND", "parent")]
    assert await refused(crm, "moveTeam", id=top, parent="nonsense") == [("INVALID", "parent")]
    assert await refused(crm, "moveTeam", id=NEVER, parent=top) == [("NOT_FOUND", "id")]
    assert await refused(crm, "moveTeam", id=crm.users["li"], parent=top) == [("NOT_FOUND", "id")]
    assert await refused(crm, "moveTeam", id=top, parent=gone) == [("RULE_VIOLATED", "parent")]
    assert await refused(crm, "moveTeam", id=gone, parent=top) == [("RULE_VIOLATED", "")]
    assert await refused(crm, "moveTeam", id=below, parent=None) == [("DUPLICATE", "parent")]
    assert await refused(crm, "moveTeam", id=top) == [("REQUIRED", "parent")]
    assert await refused(crm, "moveTeam", id=top, parent=None, expectedVersion=9) == [("INVALID", "expectedVersion")]
    assert await refused(crm, "updateTeam", id=below, expectedVersion=1, input={"name": "x"}) == [("CONFLICT", "name")]
    assert await standing(crm) == before


async def test_a_move_of_what_was_moved_since_it_was_read_is_a_conflict(crm: Crm) -> None:
    read, other = await team(crm, "stale"), await team(crm, "stale-other")
    await done(crm, "moveTeam", id=read, parent=other)

    assert await refused(crm, "moveTeam", id=read, parent=None, expectedVersion=1) == [("CONFLICT", "parent")]


async def test_teams_lie_ten_deep_at_most(crm: Crm) -> None:
    made = [await team(crm, "deep-0")]
    for n in range(1, 10):
        made.append(await team(crm, f"deep-{n}", made[-1]))
    one_more = {"kind": "TEAM", "key": "deep-10", "name": "x"}
    assert await refused(crm, "createTeam", input=one_more, parent=made[-1]) == [("LIMIT_REACHED", "parent")]
    above = await team(crm, "deep-above")
    assert await refused(crm, "moveTeam", id=made[0], parent=above) == [("LIMIT_REACHED", "parent")]


async def test_bad_teams_are_refused(crm: Crm) -> None:
    await team(crm, "twin")

    async def told(key: str, **more: Any) -> list[tuple[str, str]]:
        return await refused(crm, "createTeam", input={"kind": "TEAM", "key": key, "name": "x", **more})

    assert await told("twin") == [("DUPLICATE", "key")]
    assert await told("a/b") == [("INVALID", "key")]
    assert await told("a b") == [("INVALID", "key")]
    assert await told("zone", timeZone="Mars/Base") == [("INVALID", "timeZone")]
    assert await refused(crm, "createTeam", input={"name": "x"}) == [("REQUIRED", "kind"), ("REQUIRED", "key")]


async def test_a_team_in_use_is_not_archived_and_an_archived_one_takes_nobody(crm: Crm) -> None:
    top = await team(crm, "used")
    below = await team(crm, "used-below", top)
    someone = await person(crm, "used-by", "sales", below)
    await crm.make("used-by", "customer", kind="PERSON", name="甲-used")

    assert await refused(crm, "archiveTeam", id=top) == [("RULE_VIOLATED", "id")]
    assert await refused(crm, "archiveTeam", id=below) == [("RULE_VIOLATED", "id")]
    await done(crm, "removeTeamMembers", team=below, users=[someone])
    assert (await done(crm, "archiveTeam", id=below))["archivedAt"] is not None
    assert (await done(crm, "archiveTeam", id=top))["archivedAt"] is not None

    assert await refused(crm, "addTeamMembers", team=below, users=[someone]) == [("RULE_VIOLATED", "team")]
    assert await refused(crm, "restoreTeam", id=below) == [("RULE_VIOLATED", "id")]
    await done(crm, "restoreTeam", id=top)
    assert (await done(crm, "restoreTeam", id=below))["archivedAt"] is None
    assert await crm.count("customers WHERE team_id = $1", UUID(below)) == 1


async def test_each_member_has_one_primary_team(crm: Crm) -> None:
    top = await team(crm, "prime")
    below, other = await team(crm, "prime-below", top), await team(crm, "prime-other")
    someone = await person(crm, "prime-one", None, top)

    async def primary() -> list[str]:
        rows = await crm.database.fetch(
            "SELECT t.key FROM team_members m JOIN teams t ON t.id = m.team_id WHERE m.user_id = $1 AND m.is_primary",
            UUID(someone),
        )
        return [row["key"] for row in rows]

    assert await primary() == ["prime"]
    await done(crm, "addTeamMembers", team=below, users=[someone])
    assert await primary() == ["prime"]
    await done(crm, "addTeamMembers", team=other, users=[someone, someone], primary=True)
    assert await primary() == ["prime-other"]
    version = (await done(crm, "updateUser", id=someone, input={}))["version"]
    await done(crm, "addTeamMembers", team=other, users=[someone], primary=True)
    await done(crm, "removeTeamMembers", team=other, users=[someone])
    assert await primary() == ["prime-below"]
    assert (await done(crm, "updateUser", id=someone, input={}))["version"] == version + 1


async def test_bad_members_are_refused_all_together(crm: Crm) -> None:
    into = await team(crm, "refusing")
    someone = await person(crm, "fine")
    before = await standing(crm)

    assert await refused(crm, "addTeamMembers", team=into, users=[someone, NEVER]) == [("NOT_FOUND", "users.1")]
    assert await refused(crm, "addTeamMembers", team=into, users=[someone, "?"]) == [("INVALID", "users.1")]
    assert await refused(crm, "addTeamMembers", team=NEVER, users=[someone]) == [("NOT_FOUND", "team")]
    assert await refused(crm, "addTeamMembers", team=into, users=[someone] * 201) == [("LIMIT_REACHED", "users")]
    assert await standing(crm) == before
