"""Edits of teams that wait for a second approver."""

from typing import Any

from web.administering import done, refusals
from web.conftest import Crm

MEMBERS = (
    "mutation($t: ID!, $u: [ID!]!) { addTeamMembers(team: $t, users: $u)"
    " { team { id } proposal { id verb } errors { code } } }"
)


async def added(crm: Crm, team: str, *users: str, who: str = "root") -> Any:
    """What letting users be of a team answers."""
    given = {"t": str(crm.teams[team]), "u": [str(crm.users[user]) for user in users]}
    return (await crm.ask(who, MEMBERS, given)).payload("addTeamMembers")


async def test_a_team_gets_members_once_somebody_else_approves(careful: Crm) -> None:
    members = "team_members WHERE user_id = $1 AND team_id = $2"
    keys = (careful.users["qian"], careful.teams["north"])
    waiting = await added(careful, "north", "qian")
    assert (waiting["team"], waiting["proposal"]["verb"], waiting["errors"]) == (None, "addTeamMembers", [])
    assert await careful.count(members, *keys) == 0

    await done(careful, "approveRights", "sun", proposal=waiting["proposal"]["id"])

    assert await careful.count(members, *keys) == 1
    take = "mutation($t: ID!, $u: [ID!]!) { removeTeamMembers(team: $t, users: $u) { team { key } errors { code } } }"
    taken = await careful.ask("root", take, {"t": str(keys[1]), "u": [str(keys[0])]})
    assert taken.payload("removeTeamMembers") == {"team": {"key": "north"}, "errors": []}
    assert await careful.count(members, *keys) == 0


async def test_a_team_is_moved_once_somebody_else_approves(careful: Crm) -> None:
    north, service = (str(careful.teams[key]) for key in ("north", "service"))
    move = (
        "mutation($t: ID!, $p: ID) { moveTeam(id: $t, parent: $p) { team { path } proposal { id } errors { code } } }"
    )

    waiting = (await careful.ask("root", move, {"t": north, "p": service})).payload("moveTeam")
    paths = await careful.database.fetch("SELECT path FROM teams WHERE id = $1", careful.teams["north"])

    assert (waiting["team"], waiting["errors"], [row["path"] for row in paths]) == (None, [], ["north/"])
    await done(careful, "approveRights", "sun", proposal=waiting["proposal"]["id"])
    assert await careful.count("teams WHERE path = 'service/north/'") == 1
    back = (await careful.ask("root", move, {"t": north, "p": None})).payload("moveTeam")["proposal"]
    await done(careful, "approveRights", "sun", proposal=back["id"])
    assert await careful.count("teams WHERE path = 'north/'") == 1


async def test_who_edits_and_approves_does_not_leave_where_two_are_needed(careful: Crm) -> None:
    left = "mutation($u: ID!) { userLeft(user: $u) { user { status } errors { code message } } }"
    answer = (await careful.ask("root", left, {"u": str(careful.users["sun"])})).payload("userLeft")

    assert [e["code"] for e in answer["errors"]] == ["RULE_VIOLATED"]
    assert await careful.count("users WHERE username = 'sun' AND status = 'ACTIVE'") == 1


async def test_nobody_approves_that_they_come_to_a_team_themselves(careful: Crm) -> None:
    waiting = (await added(careful, "north", "sun"))["proposal"]

    assert await refusals(careful, "approveRights", "sun", proposal=waiting["id"]) == [("RULE_VIOLATED", "")]
    assert [e["code"] for e in (await added(careful, "north", "sun", who="sun"))["errors"]] == ["RULE_VIOLATED"]
    await done(careful, "rejectRights", proposal=waiting["id"])
