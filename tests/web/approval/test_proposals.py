"""A second approver, where the settings ask for one: an edit of rights waits until somebody else approves it."""

from datetime import datetime, timedelta
from functools import partial

import pytest

from crm_graph.services.rights_proposals import MAX_PENDING
from web.administering import done, edit, grant, holds, new_role, refusals, role, roles
from web.conftest import Crm
from web.registering import ask_with, register, token

from .conftest import listed, proposed, reads_roles


async def test_edit_waits_and_holds_once_somebody_else_approves(careful: Crm) -> None:
    root, sun = (str(careful.users[name]) for name in ("root", "sun"))
    waiting = await proposed(careful, "createRole", input=new_role("waited", grant()), reason="For the fair")

    assert {**waiting, "input": None} == {
        "id": waiting["id"],
        "verb": "createRole",
        "input": None,
        "reason": "For the fair",
        "state": "PENDING",
        "proposedBy": root,
        "decidedBy": None,
    }
    assert waiting["input"]["input"]["key"] == "waited"
    assert await roles(careful, "waited") == []
    assert await listed(careful, "PENDING", "sun") == [waiting["id"]]
    approved = await done(careful, "approveRights", "sun", proposal=waiting["id"])
    assert (approved["state"], approved["decidedBy"]) == ("APPROVED", sun)
    assert [g["type"] for g in (await role(careful, "waited"))["grants"]] == ["Customer"]
    assert await listed(careful, "PENDING") == []
    told = await careful.database.fetchrow(
        "SELECT actor_id, on_behalf_of_id, reason FROM events WHERE type = 'role.created' AND after->>'key' = 'waited'"
    )
    assert told is not None
    assert tuple(map(str, told)) == (sun, root, "For the fair")


async def test_proposer_never_approves(careful: Crm) -> None:
    waiting = await proposed(careful, "createRole", input=new_role("alone"))

    assert await refusals(careful, "approveRights", proposal=waiting["id"]) == [("RULE_VIOLATED", "proposal")]
    assert await roles(careful, "alone") == []
    taken_back = await done(careful, "withdrawRights", proposal=waiting["id"])
    assert taken_back["state"] == "REJECTED"


async def test_what_was_decided_is_not_decided_again(careful: Crm) -> None:
    waiting = await proposed(careful, "createRole", input=new_role("decided"))
    await done(careful, "rejectRights", "sun", proposal=waiting["id"])
    never = waiting["id"][:-4] + "0000"

    assert await refusals(careful, "approveRights", "sun", proposal=waiting["id"]) == [("CONFLICT", "proposal")]
    assert await refusals(careful, "approveRights", "sun", proposal=never) == [("NOT_FOUND", "proposal")]
    assert waiting["id"] in await listed(careful, "REJECTED")


async def test_wrong_edit_is_refused_before_anybody_looks_at_it(careful: Crm) -> None:
    before = await careful.count("rights_proposals")

    assert await refusals(careful, "createRole", input=new_role("sales")) == [("DUPLICATE", "input.key")]
    assert await refusals(careful, "grantRole", user=str(careful.users["root"]), role="sales") == [
        ("RULE_VIOLATED", "user")
    ]
    assert await careful.count("rights_proposals") == before


async def test_what_has_changed_meanwhile_is_told_to_the_approver(careful: Crm, ruled: Crm) -> None:
    await done(ruled, "createRole", input=new_role("moving", grant()))
    waiting = await proposed(careful, "setGrants", role="moving", grants=[grant("Lead")])
    await done(ruled, "setGrants", role="moving", grants=[grant("Ticket")])

    assert await refusals(careful, "approveRights", "sun", proposal=waiting["id"]) == [("CONFLICT", "expectedVersion")]
    assert waiting["id"] in await listed(careful, "PENDING")
    assert [g["type"] for g in (await role(careful, "moving"))["grants"]] == ["Ticket"]
    await done(careful, "rejectRights", "sun", proposal=waiting["id"])


async def test_proposing_leaves_rights_and_log_as_they_are(careful: Crm) -> None:
    version = await careful.database.fetchval("SELECT version FROM policy_version")
    events = await careful.count("events WHERE type LIKE 'role.%' OR type LIKE 'user.role%'")

    waiting = await proposed(careful, "grantRole", user=str(careful.users["li"]), role="finance")

    assert await careful.database.fetchval("SELECT version FROM policy_version") == version
    assert await careful.count("events WHERE type LIKE 'role.%' OR type LIKE 'user.role%'") == events
    assert (
        await careful.count(
            "user_roles h JOIN roles r ON r.id = h.role_id WHERE h.user_id = $1 AND r.key = 'finance'",
            careful.users["li"],
        )
        == 0
    )
    await done(careful, "rejectRights", "sun", proposal=waiting["id"])


async def test_what_only_takes_rights_from_a_user_holds_at_once(careful: Crm) -> None:
    li = str(careful.users["li"])

    assert (await done(careful, "suspendUser", user=li))["status"] == "SUSPENDED"

    waiting = await proposed(careful, "reinstateUser", user=li)
    await done(careful, "approveRights", "sun", proposal=waiting["id"])
    assert await careful.database.fetchval("SELECT status FROM users WHERE id = $1", careful.users["li"]) == "ACTIVE"


async def test_proposer_takes_back_and_nobody_else_for_them(careful: Crm, ruled: Crm) -> None:
    zhou = str(careful.users["zhou"])
    await done(ruled, "createRole", input=new_role("proposes", actions=["roles:manage", "roles:read"]))
    await done(ruled, "grantRole", user=zhou, role="proposes")
    await holds(partial(reads_roles, careful, "zhou"))
    waiting = await proposed(careful, "createRole", "zhou", input=new_role("thought_better"))

    assert await refusals(careful, "withdrawRights", proposal=waiting["id"]) == [("RULE_VIOLATED", "proposal")]
    taken = await done(careful, "withdrawRights", "zhou", proposal=waiting["id"])
    assert (taken["state"], taken["decidedBy"]) == ("REJECTED", zhou)
    assert await refusals(careful, "approveRights", proposal=waiting["id"]) == [("CONFLICT", "proposal")]
    assert await careful.count("events WHERE type = 'rights.withdrawn' AND entity_id = $1", waiting["id"]) == 1
    await done(ruled, "removeRole", key="proposes")


async def test_proposer_who_does_not_read_roles_takes_back_and_is_told_of_no_other_proposal(
    careful: Crm, ruled: Crm
) -> None:
    zhou = str(careful.users["zhou"])
    await done(ruled, "createRole", input=new_role("proposes_blindly", actions=["roles:manage"]))
    await done(ruled, "grantRole", user=zhou, role="proposes_blindly")
    await holds(partial(_withdraws, careful, "zhou"))
    waiting = await proposed(careful, "createRole", "zhou", input=new_role("thought_worse"))
    foreign = await proposed(careful, "createRole", input=new_role("not_zhous"))
    never = foreign["id"][:-4] + "0000"

    taken = await done(careful, "withdrawRights", "zhou", proposal=waiting["id"])
    found, missed = [await edit(careful, "withdrawRights", "zhou", proposal=id_) for id_ in (foreign["id"], never)]

    assert (taken["state"], taken["decidedBy"]) == ("REJECTED", zhou)
    assert [error["code"] for error in found["errors"]] == ["NOT_FOUND"]
    assert found == missed
    assert await careful.count("rights_proposals WHERE id = $1 AND state = 'PENDING'", foreign["id"]) == 1
    await done(careful, "withdrawRights", proposal=foreign["id"])
    assert await edit(careful, "withdrawRights", "zhou", proposal=foreign["id"]) == missed
    await done(ruled, "removeRole", key="proposes_blindly")
    assert not await _withdraws(careful, "li")


async def _withdraws(crm: Crm, who: str) -> bool:
    asked = '{ __type(name: "Mutation") { fields { name } } }'
    answer = await crm.ask(who, asked)
    return "withdrawRights" in {field["name"] for field in answer.data["__type"]["fields"]}


async def test_what_nobody_decides_expires_and_makes_room(careful: Crm) -> None:
    fill = (
        "INSERT INTO rights_proposals (id, verb, arguments, withheld, state, proposed_by_id, proposed_at)"
        " SELECT gen_random_uuid(), 'old', '{}', '{\"secret\": 1}', 'PENDING', $1, $3 FROM generate_series(1, $2)"
        " RETURNING id"
    )
    old = careful.clock() - timedelta(days=careful.settings.rights_proposal_days, seconds=1)
    stale = str(await careful.database.fetchval(fill, careful.users["root"], MAX_PENDING, old))

    assert stale in await listed(careful, "EXPIRED")
    assert stale not in await listed(careful, "PENDING")
    assert await refusals(careful, "approveRights", "sun", proposal=stale) == [("CONFLICT", "proposal")]
    waiting = await proposed(careful, "createRole", input=new_role("has_room"))
    expired = "rights_proposals WHERE verb = 'old' AND state = 'EXPIRED' AND withheld IS NULL"
    assert await careful.count(expired) == MAX_PENDING
    await done(careful, "withdrawRights", proposal=waiting["id"])
    await careful.database.execute("DELETE FROM rights_proposals WHERE verb = 'old'")


async def test_client_approves_nothing(careful: Crm, ruled: Crm) -> None:
    """Whoever proposed it might hold the client's secret."""
    given = await register(ruled, "robot", roles=["admin"], scopes=["roles:approve", "roles:manage"])
    held = (await token(ruled, "robot", given["secret"])).json()["access_token"]
    waiting = await proposed(careful, "createRole", input=new_role("robotic"))

    document = f'mutation {{ approveRights(proposal: "{waiting["id"]}") {{ errors {{ code message }} }} }}'
    payload = (await ask_with(careful, held, document)).payload("approveRights")

    assert payload["errors"] == [{"code": "RULE_VIOLATED", "message": "A person has to approve this, not a client."}]
    assert await roles(careful, "robotic") == []
    await done(careful, "rejectRights", proposal=waiting["id"])


@pytest.mark.parametrize("how", ["revokeRole", "suspendUser"])
async def test_proposal_of_who_may_propose_it_no_longer_is_not_approved(careful: Crm, ruled: Crm, how: str) -> None:
    zhou = str(careful.users["zhou"])
    await done(ruled, "createRole", input=new_role("proposer", actions=["roles:manage", "roles:read"]))
    await done(ruled, "grantRole", user=zhou, role="proposer")
    await holds(partial(reads_roles, careful, "zhou"))
    waiting = await proposed(careful, "createRole", "zhou", input=new_role("orphan"))
    await done(ruled, how, user=zhou, **({"role": "proposer"} if how == "revokeRole" else {}))

    assert await refusals(careful, "approveRights", proposal=waiting["id"]) == [("RULE_VIOLATED", "proposal")]
    assert await roles(careful, "orphan") == []
    await done(careful, "rejectRights", proposal=waiting["id"])
    if how == "suspendUser":
        await done(ruled, "reinstateUser", user=zhou)
    await done(ruled, "removeRole", key="proposer")


async def test_one_proposer_does_not_fill_the_list_for_others(careful: Crm) -> None:
    fill = (
        "INSERT INTO rights_proposals (id, verb, arguments, state, proposed_by_id, proposed_at)"
        " SELECT gen_random_uuid(), 'filled', '{}', 'PENDING', $1, now() FROM generate_series(1, $2)"
    )
    await careful.database.execute(fill, careful.users["sun"], MAX_PENDING)
    waiting = await proposed(careful, "createRole", input=new_role("let_in"))
    await done(careful, "rejectRights", proposal=waiting["id"])

    refused = await edit(careful, "createRole", "sun", input=new_role("kept_out"))

    await careful.database.execute("DELETE FROM rights_proposals WHERE verb = 'filled'")
    assert [error["code"] for error in refused["errors"]] == ["LIMIT_REACHED"]


async def test_end_that_waits_is_the_moment_that_was_meant(careful: Crm) -> None:
    li = str(careful.users["li"])
    asked = careful.clock()
    waiting = await proposed(careful, "grantRole", user=li, role="finance", until={"in": "P30D"})

    assert asked < datetime.fromisoformat(waiting["input"]["until"]) - timedelta(days=30) < careful.clock()
    await done(careful, "rejectRights", proposal=waiting["id"])
