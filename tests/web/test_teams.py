"""Teams and people, with two hubs that are processes of their own: rights follow within a second, open cursors and
prepared operations included.
"""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from .administering import done as edited
from .administering import grant, new_role
from .conftest import Answer, Crm, settings_of_own_database
from .directing import NEVER, done, obeyed, payload, person, refused, standing, team
from .exporting import create as create_export
from .exporting import download
from .processes import Processes, ask, refused_in_time, running

PAGE = (
    "query($after: String) { customers(first: 1, after: $after, orderBy: [{ name: ASC }])"
    " { nodes { name } pageInfo { endCursor } } }"
)
ALL = "{ customers(orderBy: [{ name: ASC }]) { nodes { name } } }"
FOUND = '{ customers(search: "甲") { nodes { name } } }'
RIGHTS = "SELECT version FROM policy_version FOR UPDATE"
REFUSED = (401, "UNAUTHENTICATED", "A valid access token is needed.")


@pytest.fixture(scope="module")
async def processes(
    cluster_address: str, worker_id: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Processes]:
    settings = await settings_of_own_database(cluster_address, worker_id, "teams", tmp_path_factory.mktemp("teams"))
    async with running(settings) as processes:
        rows = grant(rowRule="TEAM_AND_BELOW")
        await edited(processes.crm, "createRole", input=new_role("boss", rows, actions=["export"]))
        yield processes


@pytest.fixture
def crm(processes: Processes) -> Crm:
    return processes.crm


def names(answer: Answer) -> list[str]:
    return [node["name"] for node in answer.data["customers"]["nodes"]]


async def company(crm: Crm, mark: str) -> dict[str, str]:
    """A sales department with an eastern team of two customers, a department beside it, and a boss of each."""
    sales = await team(crm, f"sales-{mark}")
    east = await team(crm, f"east-{mark}", sales)
    other = await team(crm, f"other-{mark}")
    await person(crm, f"rep-{mark}", "sales", east)
    boss = await person(crm, f"boss-{mark}", "boss", sales)
    await person(crm, f"rival-{mark}", "boss", other)
    for name in ("甲", "乙"):
        await crm.make(f"rep-{mark}", "customer", kind="PERSON", name=f"{name}-{mark}")
    return {"sales": sales, "east": east, "other": other, "boss": boss}


async def begun(processes: Processes, who: str) -> tuple[str, list[dict[str, str]]]:
    """Somebody's token, and in each process where the second page begins; all that comes later is prepared there."""
    held = processes.crm.token(who)
    ends = []
    for hub in processes.hubs:
        page = await obeyed(
            partial(ask, hub, held, PAGE), lambda answer: answer.status == 200 and len(names(answer)) == 1
        )
        ends.append({"after": page.data["customers"]["pageInfo"]["endCursor"]})
        assert len(names(await ask(hub, held, PAGE, ends[-1]))) == 1
        assert len(names(await ask(hub, held, ALL))) == 2
    return held, ends


async def exported(crm: Crm, hub: Crm, who: str) -> str:
    made = await create_export(crm, ALL, who=who)
    return (await download(crm, made["url"], who, hub.http)).text


async def empty_everywhere(processes: Processes, who: str, held: str, ends: list[dict[str, str]]) -> None:
    """Within a second every process answers the open cursor, the prepared operation and a new export without rows."""
    for hub, after in zip(processes.hubs, ends, strict=True):
        await obeyed(partial(ask, hub, held, PAGE, after), lambda answer: names(answer) == [])
        assert names(await ask(hub, held, ALL)) == []
        assert await exported(processes.crm, hub, who) == ""


async def test_a_move_is_obeyed_by_every_process_in_cursors_operations_and_exports(processes: Processes) -> None:
    crm = processes.crm
    ids = await company(crm, "move")
    held, ends = await begun(processes, "boss-move")
    assert (await exported(crm, processes.hubs[1], "boss-move")).count("\n") == 2
    before = (await done(crm, "updateTeam", id=ids["east"], input={"region": "华东"}))["version"]

    moved = await done(
        crm, "moveTeam", id=ids["east"], parent=ids["other"], expectedVersion=before, reason="reorganised"
    )

    assert (moved["path"], moved["parent"]) == ("other-move/east-move/", {"id": ids["other"]})
    await empty_everywhere(processes, "boss-move", held, ends)
    rival = crm.token("rival-move")
    for hub in processes.hubs:
        await obeyed(partial(ask, hub, rival, ALL), lambda answer: names(answer) == ["乙-move", "甲-move"])
        assert names(await ask(hub, rival, FOUND)) == ["甲-move"]
    event = (await crm.events(ids["east"]))[-1]
    assert (event["type"], event["reason"], event["actor_id"]) == ("team.moved", "reorganised", crm.users["root"])
    assert event["before"] == {"parent_id": ids["sales"], "path": "sales-move/east-move/"}
    assert event["after"] == {"parent_id": ids["other"], "path": "other-move/east-move/"}


async def test_a_membership_taken_away_is_obeyed_by_every_process(processes: Processes) -> None:
    crm = processes.crm
    ids = await company(crm, "member")
    held, ends = await begun(processes, "boss-member")

    await done(crm, "removeTeamMembers", team=ids["sales"], users=[ids["boss"]])

    await empty_everywhere(processes, "boss-member", held, ends)
    event = (await crm.events(ids["boss"]))[-1]
    assert (event["type"], event["before"], event["after"]) == (
        "user.updated",
        {"teams": ["sales-member"], "primary_team": "sales-member"},
        {"teams": [], "primary_team": None},
    )


async def test_who_leaves_is_refused_by_every_process_and_comes_back_without_rights(processes: Processes) -> None:
    crm = processes.crm
    ids = await company(crm, "leave")
    held, ends = await begun(processes, "boss-leave")
    made = await create_export(crm, ALL, who="boss-leave")
    await crm.database.execute(
        "INSERT INTO sessions (digest, user_id, created_at, ends_at) VALUES ('\\x01', $1, now(), now() + '1 day')",
        UUID(ids["boss"]),
    )

    left = await done(crm, "userLeft", user=ids["boss"], reason="resigned")

    assert (left["status"], left["teams"], left["roles"]) == ("LEFT", [], [])
    for hub, after in zip(processes.hubs, ends, strict=True):
        assert (await refused_in_time(partial(ask, hub, held, PAGE, after))).error == REFUSED
        assert (await download(crm, made["url"], "boss-leave", hub.http)).status_code == 401
    assert await crm.count("sessions WHERE user_id = $1", UUID(ids["boss"])) == 0
    event = (await crm.events(ids["boss"]))[-1]
    assert (event["type"], event["reason"]) == ("user.left", "resigned")
    assert event["before"] == {"status": "ACTIVE", "roles": ["boss"], "teams": ["sales-leave"]}
    assert await refused(crm, "addTeamMembers", team=ids["sales"], users=[ids["boss"]]) == [("INVALID", "users.0")]
    assert await refused(crm, "suspendUser", user=ids["boss"]) == [("INVALID", "user")]
    assert await refused(crm, "grantRole", user=ids["boss"], role="boss") == [("INVALID", "user")]

    assert (await done(crm, "reinstateUser", user=ids["boss"]))["status"] == "ACTIVE"

    await crm.suspended(ids["boss"])
    fresh = crm.token("boss-leave")
    for hub in processes.hubs:
        await obeyed(partial(ask, hub, fresh, "{ viewer { user { username } } }"), lambda answer: answer.status == 200)
        assert (await ask(hub, fresh, ALL)).status == 400
        assert (await ask(hub, held, ALL)).error == REFUSED


async def test_records_of_who_leaves_stay_theirs_and_their_teams(processes: Processes) -> None:
    crm = processes.crm
    ids = await company(crm, "stay")
    rep = crm.users["rep-stay"]

    await done(crm, "userLeft", user=rep)

    assert names(await crm.ask("boss-stay", ALL)) == ["乙-stay", "甲-stay"]
    kept = "customers WHERE owner_id = $1 AND team_id = $2"
    assert await crm.count(kept, rep, UUID(ids["east"])) == 2


async def test_two_moves_at_once_make_no_circle(processes: Processes) -> None:
    crm = processes.crm
    first, second = await team(crm, "circle-1"), await team(crm, "circle-2")

    answers = await processes.held(
        RIGHTS,
        [
            payload(processes.hubs[0], "moveTeam", id=first, parent=second),
            payload(processes.hubs[1], "moveTeam", id=second, parent=first),
        ],
    )

    codes = [(e["code"], e["path"]) for answer in answers for e in answer["errors"]]
    assert codes == [("RULE_VIOLATED", ["parent"])]
    rows = await crm.database.fetch("SELECT path FROM teams WHERE key LIKE 'circle-_' ORDER BY length(path)")
    assert [row["path"].count("/") for row in rows] == [1, 2]


async def test_a_name_and_a_place_are_taken_once_by_two_at_once(processes: Processes) -> None:
    person_, team_ = {"username": "once", "name": "x"}, {"kind": "TEAM", "key": "once", "name": "x"}
    answers = [
        await processes.held(RIGHTS, [payload(hub, verb, input=given) for hub in processes.hubs])
        for verb, given in (("createUser", person_), ("createTeam", team_))
    ]

    codes = [[(e["code"], e["path"]) for answer in both for e in answer["errors"]] for both in answers]
    assert codes == [[("DUPLICATE", ["username"])], [("DUPLICATE", ["key"])]]
    counted = [await processes.crm.count(f"{table} = 'once'") for table in ("users WHERE username", "teams WHERE key")]
    assert counted == [1, 1]


async def test_a_team_that_claims_would_fill_is_not_made_or_restored(crm: Crm) -> None:
    other = await team(crm, "claimed-elsewhere")
    gone = await team(crm, "claimed", other)
    await done(crm, "archiveTeam", id=gone)
    there = await team(crm, "claimed")
    issuer: dict[str, Any] = {"url": "https://claims.example.com", "name": "Claims", "audiences": ["crm"]}
    rule = {"claim": ["groups"], "value": "x", "teams": ["claimed"]}
    await edited(crm, "saveIssuer", **issuer, roleMap=[rule])
    third = await team(crm, "claimed-third")

    again = {"kind": "TEAM", "key": "claimed", "name": "x"}
    assert await refused(crm, "createTeam", input=again, parent=third) == [("RULE_VIOLATED", "key")]
    assert await refused(crm, "restoreTeam", id=gone) == [("RULE_VIOLATED", "id")]
    assert await refused(crm, "archiveTeam", id=there) == [("RULE_VIOLATED", "id")]
    await edited(crm, "saveIssuer", **issuer, roleMap=[])
    assert (await done(crm, "restoreTeam", id=gone))["archivedAt"] is None


async def test_nobody_brings_themselves_to_more_teams(processes: Processes) -> None:
    crm = processes.crm
    own, other = await team(crm, "own"), await team(crm, "foreign")
    me = await person(crm, "chief", "admin", own)
    second = await team(crm, "own-second")
    await done(crm, "addTeamMembers", team=second, users=[me])
    before = await standing(crm)

    assert await refused(crm, "addTeamMembers", "chief", team=other, users=[me]) == [("RULE_VIOLATED", "")]
    assert await refused(crm, "addTeamMembers", "chief", team=second, users=[me], primary=True) == [
        ("RULE_VIOLATED", "")
    ]
    assert await refused(crm, "moveTeam", "chief", id=other, parent=own) == [("RULE_VIOLATED", "")]
    assert await standing(crm) == before
    await done(crm, "moveTeam", "chief", id=second, parent=own)
    new = {"kind": "TEAM", "key": "own-new", "name": "x"}
    assert (await done(crm, "createTeam", "chief", input=new, parent=own))["path"] == "own/own-new/"
    await done(crm, "moveTeam", id=other, parent=own)


async def test_who_sees_teams_in_part_does_not_run_them(crm: Crm) -> None:
    """Refusals would tell of the others."""
    part = grant("Team", "WHERE", where={"name": {"eq": "east"}}, writes={"classes": ["BASIC"]})
    await edited(crm, "createRole", input=new_role("clerk", part, actions=["teams:create"]))
    await person(crm, "clerk-1", "clerk")
    basic = [{"dataClass": "BASIC", "level": "READ"}]
    some = grant("Team", levels=basic, fields=[{"field": "key", "level": "HIDDEN"}])
    others = [grant("User"), grant("Pipeline"), grant("Stage")]
    await edited(crm, "setGrants", role="everyone", grants=[some, *others])

    answers = [
        await payload(crm, "createTeam", "clerk-1", input={"kind": "TEAM", "key": key, "name": "x"})
        for key in ("north", "nowhere")
    ]

    await edited(crm, "resetRole", key="everyone")
    assert answers[0] == answers[1]
    assert [e["message"] for e in answers[0]["errors"]] == [
        "Teams and users are run by who sees all of them, and who may act."
    ]


async def test_who_does_not_read_who_may_act_runs_nobody(crm: Crm) -> None:
    """Refusals would tell who has left."""
    await edited(crm, "createRole", input=new_role("usher", actions=["teams:update", "roles:assign"]))
    await person(crm, "usher-1", "usher")
    place, here, gone = await team(crm, "ushered"), await person(crm, "ushered-1"), await person(crm, "ushered-2")
    await done(crm, "userLeft", user=gone)
    called = grant("User", fields=[{"field": name, "level": "READ"} for name in ("username", "name")])
    await edited(crm, "setGrants", role="everyone", grants=[called, grant("Team"), grant("Pipeline"), grant("Stage")])
    told = "{ errors { code message path } }"
    verbs = (
        f"mutation($t: ID!, $u: ID!) {{ addTeamMembers(team: $t, users: [$u]) {told}"
        f' grantRole(user: $u, role: "sales") {told} suspendUser(user: $u) {told} userLeft(user: $u) {told} }}'
    )

    one, other = [(await crm.ask("usher-1", verbs, {"t": place, "u": user})).data for user in (here, gone)]

    await edited(crm, "resetRole", key="everyone")
    refused = {"code": "RULE_VIOLATED", "message": "Teams and users are run by who sees all of them, and who may act."}
    assert one == other
    assert one["addTeamMembers"] == {"errors": [{**refused, "path": []}]}
    assert [one[name] for name in ("grantRole", "suspendUser", "userLeft")] == [
        {"errors": [{**refused, "path": ["user"]}]}
    ] * 3


async def test_the_last_admin_does_not_leave(processes: Processes) -> None:
    crm = processes.crm
    before = await standing(crm)
    assert await refused(crm, "userLeft", user=crm.users["erp"]) == [("RULE_VIOLATED", "user")]
    assert await refused(crm, "userLeft", user=NEVER) == [("NOT_FOUND", "user")]
    assert await standing(crm) == before
    others = "SELECT u.id FROM users u JOIN user_roles h ON h.user_id = u.id JOIN roles r ON r.id = h.role_id"
    for row in await crm.database.fetch(f"{others} WHERE r.key = 'admin' AND u.username <> 'root'"):
        await done(crm, "revokeRole", user=row["id"], role="admin")

    assert await refused(crm, "userLeft", user=crm.users["root"]) == [("RULE_VIOLATED", "")]

    assert await crm.count("users WHERE username = 'root' AND status = 'ACTIVE'") == 1


async def test_people_are_made_and_described(processes: Processes) -> None:
    crm = processes.crm
    given = {
        "username": "new-one",
        "name": "新人",
        "email": "New@Example.com",
        "timeZone": "Asia/Tokyo",
        "locale": "ja",
    }
    made = await done(crm, "createUser", input=given)
    assert (made["status"], made["teams"], made["roles"]) == ("ACTIVE", [], [])
    crm.users["new-one"] = UUID(made["id"])
    viewer = "{ viewer { timeZone } }"
    held = crm.token("new-one")
    for hub in processes.hubs:
        assert (await ask(hub, held, viewer)).data == {"viewer": {"timeZone": "Asia/Tokyo"}}

    changed = await done(crm, "updateUser", id=made["id"], expectedVersion=1, input={"timeZone": "Europe/Berlin"})

    assert (changed["timeZone"], changed["version"]) == ("Europe/Berlin", 2)
    for hub in processes.hubs:
        await obeyed(
            partial(ask, hub, held, viewer), lambda answer: answer.data["viewer"]["timeZone"] == "Europe/Berlin"
        )
    assert [event["type"] for event in await crm.events(made["id"])] == ["user.created", "user.updated"]
    assert await refused(crm, "createUser", input=given) == [("DUPLICATE", "username")]
    assert await refused(crm, "createUser", input={**given, "username": "system.x"}) == [("RULE_VIOLATED", "username")]
    assert await refused(crm, "createUser", input={"username": "y", "name": "y", "email": "?"}) == [
        ("INVALID", "email")
    ]
    stale = {"id": made["id"], "expectedVersion": 1, "input": {"timeZone": "UTC"}}
    assert await refused(crm, "updateUser", **stale) == [("CONFLICT", "timeZone")]
