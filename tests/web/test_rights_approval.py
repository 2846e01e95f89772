"""A second approver, where the settings ask for one: an edit of rights waits until somebody else approves it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from joserfc.jwk import ECKey

from crm_graph import maintenance
from crm_graph.hub import open_hub
from crm_graph.services.rights_proposals import MAX_PENDING
from crm_graph.settings import load_settings
from web.administering import PROPOSAL, done, edit, grant, holds, new_role, refusals, role, roles
from web.conftest import Crm, hub_with
from web.registering import ask_with, register, token


@pytest.fixture(scope="module")
async def careful(ruled: Crm) -> AsyncIterator[Crm]:
    """A hub on the same database that asks for a second approver; sun is another administrator."""
    await done(ruled, "grantRole", user=str(ruled.users["sun"]), role="admin")
    settings = load_settings(**{**ruled.settings.model_dump(exclude_unset=True), "rights_approval": True})
    async with hub_with(ruled, settings) as http:
        crm = replace(ruled, http=http)
        await holds(partial(_reads_roles, crm, "sun"))
        yield crm
    await done(ruled, "revokeRole", user=str(ruled.users["sun"]), role="admin")


async def _reads_roles(crm: Crm, who: str) -> bool:
    return (await crm.ask(who, "{ roles { key } }")).status == 200


async def proposed(crm: Crm, name: str, /, who: str = "root", **arguments: Any) -> Any:
    """What waits in the place of an edit."""
    payload = await edit(crm, name, who, proposing=True, **arguments)
    assert payload.pop("errors") == []
    proposal = payload.pop("proposal")
    assert list(payload.values()) == [None]
    return proposal


async def listed(crm: Crm, state: str, who: str = "root") -> list[str]:
    asked = "query($s: ProposalState) { rightsProposals(state: $s) { id state } }"
    return [p["id"] for p in (await crm.ask(who, asked, {"s": state})).data["rightsProposals"]]


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


CLIENT = "client { clientId name status roles secrets { id } }"


async def on_client(careful: Crm, verb: str, arguments: str, who: str = "root") -> Any:
    """The payload of a verb on a client."""
    document = f"mutation {{ {verb}({arguments}) {{ {CLIENT} proposal {PROPOSAL} errors {{ code path }} }} }}"
    payload = (await careful.ask(who, document)).payload(verb)
    assert payload.pop("errors") == []
    return payload


async def test_client_waits_and_gets_its_secret_from_who_asks_then(careful: Crm) -> None:
    arguments = 'clientId: "slow", name: "Slow", scopes: ["customers:read"], roles: ["service"], reason: "New till"'
    waiting = await on_client(careful, "registerClient", arguments)

    assert waiting["client"] is None
    assert (waiting["proposal"]["verb"], waiting["proposal"]["reason"]) == ("registerClient", "New till")
    assert waiting["proposal"]["input"] == {
        "clientId": "slow",
        "name": "Slow",
        "scopes": ["customers:read"],
        "roles": ["service"],
    }
    assert await careful.count("clients WHERE client_id = 'slow'") == 0
    await done(careful, "approveRights", "sun", proposal=waiting["proposal"]["id"])
    rotate = 'mutation { rotateClientSecret(clientId: "slow") { client { roles secrets { id } } secret } }'
    given = (await careful.ask("root", rotate)).payload("rotateClientSecret")
    assert (given["client"]["roles"], len(given["client"]["secrets"])) == (["service"], 1)
    assert (await token(careful, "slow", given["secret"])).json()["scope"] == "customers:read"


async def test_what_gives_a_client_more_waits_and_what_takes_holds_at_once(careful: Crm) -> None:
    made = await on_client(
        careful, "registerClient", 'clientId: "slower", name: "Slower", scopes: [], roles: ["service"]'
    )
    await done(careful, "approveRights", "sun", proposal=made["proposal"]["id"])

    renamed = await on_client(careful, "updateClient", 'clientId: "slower", name: "Slowest"')
    raised = await on_client(careful, "updateClient", 'clientId: "slower", roles: ["sales"], costPerMinute: null')
    document = 'mutation { suspendClient(clientId: "slower") { client { status } errors { code } } }'
    suspended = (await careful.ask("root", document)).payload("suspendClient")
    back = await on_client(careful, "reinstateClient", 'clientId: "slower"')

    assert (renamed["client"]["name"], renamed["proposal"]) == ("Slowest", None)
    assert suspended["client"] == {"status": "SUSPENDED"}
    state = "SELECT status FROM clients WHERE client_id = 'slower'"
    assert (raised["client"], back["client"]) == (None, None)
    assert await careful.database.fetchval(state) == "SUSPENDED"
    for proposal in (raised["proposal"], back["proposal"]):
        await done(careful, "approveRights", "sun", proposal=proposal["id"])
    assert await careful.database.fetchval(state) == "ACTIVE"
    account = "user_roles h JOIN users u ON u.id = h.user_id JOIN roles r ON r.id = h.role_id"
    assert await careful.count(f"{account} WHERE u.username = 'slower' AND r.key = 'sales'") == 1


async def on_secret(careful: Crm, arguments: str, who: str = "root") -> Any:
    document = (
        f"mutation {{ rotateClientSecret({arguments}) {{ client {{ secrets {{ id }} }} secret"
        f" proposal {PROPOSAL} errors {{ code path }} }} }}"
    )
    return (await careful.ask(who, document)).payload("rotateClientSecret")


async def test_further_secret_is_shown_to_who_asks_and_holds_once_somebody_else_approves(
    careful: Crm, ruled: Crm
) -> None:
    first = (await register(ruled, "tills", scopes=["customers:read"]))["secret"]

    waiting = await on_secret(careful, 'clientId: "tills", oldEndsAt: { in: "PT0S" }, reason: "Leaked"')

    assert (waiting["client"], waiting["errors"], len(waiting["secret"])) == (None, [], 43)
    proposal = waiting["proposal"]
    assert (proposal["verb"], proposal["reason"]) == ("rotateClientSecret", "Leaked")
    assert proposal["input"].keys() == {"clientId", "secretId", "oldEndsAt"}
    assert (await token(careful, "tills", waiting["secret"])).status_code == 401
    assert (await token(careful, "tills", first)).status_code == 200
    assert await refusals(careful, "approveRights", proposal=proposal["id"]) == [("RULE_VIOLATED", "proposal")]
    await done(careful, "approveRights", "sun", proposal=proposal["id"])
    assert (await token(careful, "tills", waiting["secret"])).status_code == 200
    assert (await token(careful, "tills", first)).status_code == 401
    added = await careful.database.fetchrow(
        "SELECT actor_id, on_behalf_of_id, reason, after->>'secret_id' FROM events WHERE type = 'client.secret_added'"
        " AND entity_id = (SELECT id FROM clients WHERE client_id = 'tills')"
    )
    assert added is not None
    told = (careful.users["sun"], careful.users["root"], "Leaked", proposal["input"]["secretId"])
    assert tuple(added) == told


async def test_proposed_secret_is_kept_nowhere_and_its_hash_until_it_is_decided(careful: Crm, ruled: Crm) -> None:
    await register(ruled, "tills-2")
    waiting = await on_secret(careful, 'clientId: "tills-2"')
    id_, kept = waiting["proposal"]["id"], "SELECT withheld->'secret' ? 'sha256' FROM rights_proposals WHERE id = $1"
    listed_ = (await careful.ask("sun", "{ rightsProposals(state: PENDING) { id input } }")).data["rightsProposals"]

    assert await careful.database.fetchval(kept, id_)
    hashed = await careful.database.fetchval(
        "SELECT withheld->'secret'->>'sha256' FROM rights_proposals WHERE id = $1", id_
    )
    assert next(one["input"] for one in listed_ if one["id"] == id_).keys() == {"clientId", "secretId"}
    for table in ("rights_proposals", "events", "idempotency_keys", "clients"):
        found = f"SELECT bool_or(strpos(t::text, $1) > 0) FROM {table} AS t"
        assert not await careful.database.fetchval(found, waiting["secret"]), table
    assert not await careful.database.fetchval("SELECT bool_or(strpos(t::text, $1) > 0) FROM events AS t", hashed)
    await done(careful, "rejectRights", "sun", proposal=id_)
    assert await careful.database.fetchval("SELECT withheld IS NULL FROM rights_proposals WHERE id = $1", id_)
    assert (await token(careful, "tills-2", waiting["secret"])).status_code == 401


async def test_third_secret_is_not_proposed(careful: Crm, ruled: Crm) -> None:
    await register(ruled, "tills-3")
    waiting = await on_secret(careful, 'clientId: "tills-3"')
    await done(careful, "approveRights", "sun", proposal=waiting["proposal"]["id"])

    refused = await on_secret(careful, 'clientId: "tills-3"')

    assert [error["code"] for error in refused["errors"]] == ["LIMIT_REACHED"]
    assert (refused["secret"], refused["proposal"]) == (None, None)


async def test_keys_wait_and_what_takes_secrets_tokens_and_keys_does_not(careful: Crm, ruled: Crm) -> None:
    secret = (await register(ruled, "tills-4"))["secret"]
    key = ECKey.generate_key("P-256", {"kid": "k"}).as_dict(private=False)
    jwks = "{ keys: [{ " + ", ".join(f'{name}: "{value}"' for name, value in key.items()) + " }] }"

    keys = await on_client(careful, "updateClient", f'clientId: "tills-4", jwks: {jwks}')
    none = await on_client(careful, "updateClient", 'clientId: "tills-4", jwks: null')
    document = 'mutation { revokeClientTokens(clientId: "tills-4") { client { status } errors { code } } }'
    revoked = (await careful.ask("root", document)).payload("revokeClientTokens")

    assert (keys["client"], keys["proposal"]["input"]["jwks"]["keys"][0]["kid"]) == (None, "k")
    assert (none["client"]["clientId"], none["proposal"]) == ("tills-4", None)
    assert revoked == {"client": {"status": "ACTIVE"}, "errors": []}
    assert await careful.count("clients WHERE client_id = 'tills-4' AND jwks->'keys' IS NOT NULL") == 0
    await done(careful, "approveRights", "sun", proposal=keys["proposal"]["id"])
    assert await careful.count("clients WHERE client_id = 'tills-4' AND jwks->'keys' IS NOT NULL") == 1
    assert (await token(careful, "tills-4", secret)).status_code == 200


async def test_client_that_cannot_be_is_not_proposed(careful: Crm) -> None:
    document = (
        'mutation { registerClient(clientId: "slow-2", name: "S", scopes: ["x"], roles: ["service"])'
        " { client { name } proposal { id } errors { code path } } }"
    )
    payload = (await careful.ask("root", document)).payload("registerClient")

    assert payload == {"client": None, "proposal": None, "errors": [{"code": "INVALID", "path": ["scopes"]}]}


async def test_issuer_waits_where_it_gives_rights_and_its_secret_waits_untold(careful: Crm) -> None:
    url, rule = "https://approved.example.com", {"claim": ["groups"], "value": "x", "roles": ["sales"], "teams": []}
    given: dict[str, Any] = {"url": url, "name": "Approved", "audiences": ["crm"], "roleMap": [rule]}

    waiting = await proposed(careful, "saveIssuer", **given)
    assert await careful.count("issuers WHERE url = $1", url) == 0
    await done(careful, "approveRights", "sun", proposal=waiting["id"])
    assert await careful.count("issuers WHERE url = $1", url) == 1

    app = await proposed(careful, "saveIssuer", url=url, signInClient="an_app", signInSecret="never told")
    signed = "issuers WHERE url = $1 AND sign_in_client = 'an_app' AND sign_in_secret = 'never told'"
    assert (app["input"]["signInClient"], app["input"]["signInSecret"]) == ("an_app", "****")
    assert await careful.count(signed, url) == 0
    await done(careful, "approveRights", "sun", proposal=app["id"])
    assert await careful.count(signed, url) == 1
    assert await careful.count("events WHERE before::text || after::text LIKE '%never told%'") == 0
    assert await careful.count("rights_proposals WHERE withheld IS NOT NULL AND id = $1", app["id"]) == 0

    called = await edit(careful, "saveIssuer", proposing=True, url=url, name="Called otherwise")
    ended = await edit(careful, "saveIssuer", proposing=True, url=url, status="SUSPENDED")
    again = await proposed(careful, "saveIssuer", url=url, status="ACTIVE")
    assert (called["proposal"], called["errors"]) == (None, [])
    assert (ended["proposal"], ended["errors"]) == (None, [])
    assert await careful.database.fetchval("SELECT status FROM issuers WHERE url = $1", url) == "SUSPENDED"
    await done(careful, "rejectRights", "sun", proposal=again["id"])


async def test_two_who_approve_are_left(careful: Crm, ruled: Crm) -> None:
    """Without the rule, one of two suspends the other, and nobody approves what would bring them back."""
    sun, admin = str(careful.users["sun"]), await role(careful, "admin")
    stays = [("RULE_VIOLATED", "")]

    assert await refusals(careful, "suspendUser", user=sun) == stays
    assert await refusals(careful, "revokeRole", user=sun, role="admin") == stays
    less = {"actions": [action for action in admin["actions"] if action != "roles:approve"]}
    lessened = await edit(careful, "updateRole", proposing=True, key="admin", input=less)
    assert [error["code"] for error in lessened["errors"]] == ["RULE_VIOLATED"]
    await done(ruled, "grantRole", user=str(careful.users["zhou"]), role="admin")
    assert (await done(careful, "suspendUser", user=sun))["status"] == "SUSPENDED"
    await done(ruled, "reinstateUser", user=sun)
    await done(ruled, "revokeRole", user=str(careful.users["zhou"]), role="admin")
    await holds(partial(_reads_roles, careful, "sun"))


async def test_whoever_runs_the_hub_finds_the_way_out(careful: Crm, ruled: Crm) -> None:
    """One of the last two is suspended from the command line, somebody else appointed, and all is as it was again."""
    sun, li = careful.users["sun"], careful.users["li"]
    asking = careful.settings.model_copy(update={"rights_approval": True})
    status = "SELECT status FROM users WHERE id = $1"
    held = "user_roles h JOIN roles r ON r.id = h.role_id WHERE h.user_id = $1 AND r.key = 'admin'"

    await maintenance.suspend(asking, "sun")
    await careful.suspended(str(sun))
    assert await careful.database.fetchval(status, sun) == "SUSPENDED"
    await maintenance.grant_role(asking, "li", "admin")
    assert await careful.count(held, li) == 1
    await maintenance.reinstate(asking, "sun")
    assert await careful.database.fetchval(status, sun) == "ACTIVE"
    await careful.suspended(str(sun))
    await done(ruled, "revokeRole", user=str(li), role="admin")
    await holds(partial(_reads_roles, careful, "sun"))
    with pytest.raises(maintenance.NoSuchUser, match="there is no user nobody_at_all"):
        await maintenance.suspend(asking, "nobody_at_all")


async def test_start_tells_of_too_few_who_approve_and_of_none_who_is_asked_for(careful: Crm, ruled: Crm) -> None:
    asking = careful.settings.model_copy(update={"rights_approval": True})
    async with open_hub(asking) as hub:
        assert list(await maintenance.warnings_of_rights(hub)) == []
        await done(ruled, "revokeRole", user=str(ruled.users["sun"]), role="admin")
        assert list(await maintenance.warnings_of_rights(hub)) == ["rights_need_second_approver"]
        await done(ruled, "grantRole", user=str(ruled.users["sun"]), role="admin")
    async with open_hub(careful.settings.model_copy(update={"rights_approval": False})) as hub:
        assert list(await maintenance.warnings_of_rights(hub)) == ["rights_need_one_administrator"]
    await holds(partial(_reads_roles, careful, "sun"))


async def test_proposer_takes_back_and_nobody_else_for_them(careful: Crm, ruled: Crm) -> None:
    zhou = str(careful.users["zhou"])
    await done(ruled, "createRole", input=new_role("proposes", actions=["roles:manage", "roles:read"]))
    await done(ruled, "grantRole", user=zhou, role="proposes")
    await holds(partial(_reads_roles, careful, "zhou"))
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
    await holds(partial(_reads_roles, careful, "zhou"))
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
