"""Clients, their secrets and issuers wait for a second approver where they give rights, not where they take."""

from typing import Any

from joserfc.jwk import ECKey

from web.administering import PROPOSAL, done, edit, refusals
from web.conftest import Crm
from web.registering import register, token

from .conftest import proposed

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
