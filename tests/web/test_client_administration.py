"""Clients as admins run them: registered, changed, suspended, removed; with no rights that are not given."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from joserfc.jwk import ECKey

from crm_graph.permissions.tokens import FIRST_PARTY

from .conftest import Crm
from .machines import WRONG, basic_header
from .registering import REGISTER, ROTATE, ask_with, change, register, tell, token, told, until, values

HAS_CLIENTS = '{ __type(name: "Client") { name } }'
KEY = ECKey.generate_key("P-256")


@pytest.fixture(scope="module")
def crm(registry: Crm) -> Crm:
    return registry


@asynccontextmanager
async def managing(crm: Crm, username: str) -> AsyncIterator[None]:
    """Let a person manage clients for a while, and no rights beside."""
    role, user = UUID(int=crm.users[username].int ^ 1), crm.users[username]
    await crm.database.execute(
        "INSERT INTO roles (id, key, name_en, name_zh, actions, created_at, updated_at)"
        " VALUES ($1, 'registrar', 'Registrar', '登记员', '[\"clients:manage\"]', now(), now())",
        role,
    )
    await crm.database.execute("INSERT INTO user_roles (user_id, role_id) VALUES ($1, $2)", user, role)
    await told_everywhere(crm)
    async with asyncio.timeout(1):
        while (await ask_with(crm, crm.token(username), HAS_CLIENTS)).data["__type"] is None:
            pass
    yield
    await crm.database.execute("DELETE FROM user_roles WHERE role_id = $1", role)
    await crm.database.execute("DELETE FROM roles WHERE id = $1", role)
    await told_everywhere(crm)


async def told_everywhere(crm: Crm) -> None:
    await crm.database.execute("UPDATE policy_version SET version = version + 1")
    await crm.database.execute("SELECT pg_notify('crm_policy', '')")


async def test_admin_registers_a_client_that_is_answered_at_once(crm: Crm) -> None:
    payload = await register(crm, "shop-1", source="shop", cost=1000)

    assert payload["errors"] == []
    (secret,) = payload["client"].pop("secrets")
    assert payload["client"] == {
        "clientId": "shop-1",
        "name": "Shop-1",
        "status": "ACTIVE",
        "scopes": ["customers:read"],
        "roles": ["sales"],
        "source": "shop",
        "costPerMinute": 1000,
        "keyIds": [],
    }
    assert (len(secret["id"]), secret["endsAt"]) == (12, None)
    answer = await token(crm, "shop-1", payload["secret"])
    assert answer.json()["scope"] == "customers:read"
    assert (await ask_with(crm, answer.json()["access_token"])).status == 200


async def test_secret_is_in_no_row_and_no_event(crm: Crm) -> None:
    secret = (await register(crm, "shop-2"))["secret"]
    (event,) = await told(crm, "shop-2")

    assert (event["type"], event["actor_id"], event["entity_version"]) == ("client.registered", crm.users["root"], 1)
    assert event["after"] == {
        "client_id": "shop-2",
        "name": "Shop-2",
        "status": "ACTIVE",
        "scopes": ["customers:read"],
        "roles": ["sales"],
        "source": None,
        "cost_per_minute": None,
        "key_ids": [],
    }
    for table in ("clients", "events", "idempotency_keys", "users"):
        kept = await crm.database.fetchval(f"SELECT bool_or(strpos(t::text, $1) > 0) FROM {table} AS t", secret)
        assert not kept, table


async def test_retry_is_told_what_was_told_but_the_secret(crm: Crm) -> None:
    first = await crm.ask("root", REGISTER, values("shop-3"), Idempotency_Key="shop-3")
    again = await crm.ask("root", REGISTER, values("shop-3"), Idempotency_Key="shop-3")

    secret = first.payload("registerClient")["secret"]
    assert again.payload("registerClient") == {**first.payload("registerClient"), "secret": None}
    stored = await crm.database.fetch("SELECT t::text AS row FROM idempotency_keys t")
    assert not [row for row in stored if secret in row["row"] or secret.encode().hex() in row["row"]]
    assert await crm.count("clients WHERE client_id = 'shop-3'") == 1


async def test_client_never_gets_more_than_its_scopes(crm: Crm) -> None:
    secret = (await register(crm, "shop-4", roles=["crm_manager", "admin"], scopes=["tickets:read"]))["secret"]
    held = (await token(crm, "shop-4", secret)).json()["access_token"]

    names = (await ask_with(crm, held, "{ __schema { queryType { fields { name } } mutationType { name } } }")).data
    refused = [
        (await ask_with(crm, held, document)).error[:2]
        for document in (
            "{ customers { nodes { id } } }",
            "{ clients { nodes { clientId } } }",
            'mutation { removeClient(clientId: "erp") { errors { code } } }',
        )
    ]

    fields = {field["name"] for field in names["__schema"]["queryType"]["fields"]}
    assert "tickets" in fields
    assert fields.isdisjoint({"customers", "leads", "contracts", "clients"})
    assert names["__schema"]["mutationType"] is None
    assert refused == [(400, "VALIDATION_FAILED")] * 3


async def test_tokens_that_are_taken_back_stay_so_and_it_is_told(crm: Crm) -> None:
    secret = (await register(crm, "shop-leaked"))["secret"]
    held = (await token(crm, "shop-leaked", secret)).json()["access_token"]
    await until(crm, held, 200)
    document = 'mutation { revokeClientTokens(clientId: "shop-leaked", reason: "Leaked") { errors { code path } } }'

    taken = (await crm.ask("root", document)).payload("revokeClientTokens")
    await until(crm, held, 401)
    for verb in ("suspend", "reinstate"):
        assert (await tell(crm, verb, "shop-leaked"))["errors"] == []
    second = (await token(crm, "shop-leaked", secret)).json()["access_token"]
    await until(crm, second, 200)
    again = (await crm.ask("root", document)).payload("revokeClientTokens")
    await until(crm, second, 401)

    assert (taken, again) == ({"errors": []}, {"errors": []})
    assert (await ask_with(crm, held)).status == 401
    events = [event for event in await told(crm, "shop-leaked") if event["type"] == "client.tokens_revoked"]
    assert [(e["actor_id"], e["after"], e["reason"]) for e in events] == [
        (crm.users["root"], {"token_epoch": epoch}, "Leaked") for epoch in (1, 3)
    ]


async def test_suspension_holds_within_a_second_and_ends_again(crm: Crm) -> None:
    secret = (await register(crm, "shop-5"))["secret"]
    held = (await token(crm, "shop-5", secret)).json()["access_token"]
    await until(crm, held, 200)

    payload = await tell(crm, "suspend", "shop-5")

    assert payload["client"]["status"] == "SUSPENDED"
    refused = await token(crm, "shop-5", secret)
    assert (refused.status_code, refused.json()) == (401, WRONG)
    await until(crm, held, 401)
    assert (await tell(crm, "suspend", "shop-5"))["errors"] == []
    assert (await tell(crm, "reinstate", "shop-5"))["client"]["status"] == "ACTIVE"
    fresh = (await token(crm, "shop-5", secret)).json()["access_token"]
    await until(crm, fresh, 200)
    assert (await ask_with(crm, held)).status == 401
    events = await told(crm, "shop-5")
    assert [(e["type"], e["before"], e["after"]) for e in events[1:]] == [
        ("client.suspended", {"status": "ACTIVE"}, {"status": "SUSPENDED"}),
        ("client.reinstated", {"status": "SUSPENDED"}, {"status": "ACTIVE"}),
    ]


async def test_removed_client_is_gone_with_its_account_and_its_id_is_never_given_again(crm: Crm) -> None:
    secret = (await register(crm, "shop-6"))["secret"]
    held = (await token(crm, "shop-6", secret)).json()["access_token"]
    await until(crm, held, 200)

    payload = await tell(crm, "remove", "shop-6")

    assert payload["client"] == {"clientId": "shop-6", "status": "REMOVED", "keyIds": [], "secrets": []}
    assert (await token(crm, "shop-6", secret)).json() == WRONG
    await until(crm, held, 401)
    assert await crm.database.fetchval("SELECT status FROM users WHERE username = 'shop-6'") == "LEFT"
    again = await register(crm, "shop-6", name="Another")
    assert [(e["code"], e["path"]) for e in again["errors"]] == [("DUPLICATE", ["clientId"])]
    later = [await tell(crm, verb, "shop-6") for verb in ("reinstate", "suspend", "remove")]
    assert [e["code"] for p in later for e in p["errors"]] == ["RULE_VIOLATED"] * 3
    assert [e["type"] for e in await told(crm, "shop-6")] == ["client.registered", "client.removed"]
    assert (await register(crm, "shop-6b", name="Shop-6"))["errors"] == []


async def test_revoked_token_is_refused_by_the_running_hub(crm: Crm) -> None:
    secret = (await register(crm, "shop-16"))["secret"]
    held = (await token(crm, "shop-16", secret)).json()["access_token"]
    await until(crm, held, 200)

    headers = {"Authorization": basic_header("shop-16", secret)}
    answer = await crm.http.post("/oauth/revoke", data={"token": held}, headers=headers)

    assert answer.status_code == 200
    assert (await ask_with(crm, held)).error[:2] == (401, "UNAUTHENTICATED")


async def test_change_is_told_with_before_and_after_and_holds_for_tokens_that_are_out(crm: Crm) -> None:
    secret = (await register(crm, "shop-7"))["secret"]
    held = (await token(crm, "shop-7", secret)).json()["access_token"]
    await until(crm, held, 200)

    payload = await change(
        crm, "shop-7", 'name: "Store", roles: ["service"], scopes: ["tickets:read"], costPerMinute: 7'
    )
    again = await change(crm, "shop-7", 'name: "Store"')

    client = payload["client"]
    assert (client["name"], client["roles"], client["costPerMinute"]) == ("Store", ["service"], 7)
    assert again["client"] == client
    _, event = await told(crm, "shop-7")
    assert (event["type"], event["changed"]) == ("client.updated", ["name", "scopes", "roles", "cost_per_minute"])
    assert event["before"] == {
        "name": "Shop-7", "scopes": ["customers:read"], "roles": ["sales"], "cost_per_minute": None,
    }  # fmt: skip
    await until(crm, held, 400)


async def test_client_with_keys_has_no_secret_until_it_is_given_one(crm: Crm) -> None:
    jwks = {"keys": [{**KEY.as_dict(private=False), "kid": "k1"}]}
    payload = await register(crm, "shop-8", jwks=jwks)
    left = await change(crm, "shop-8", "jwks: null")
    added = (await crm.ask("root", ROTATE, {"id": "shop-8"})).payload("rotateClientSecret")
    changed = await change(crm, "shop-8", "jwks: null")

    assert (payload["secret"], payload["client"]["keyIds"], payload["client"]["secrets"]) == (None, ["k1"], [])
    assert [(e["code"], e["path"]) for e in left["errors"]] == [("LIMIT_REACHED", ["jwks"])]
    assert len(added["client"]["secrets"]) == 1
    assert (changed["errors"], changed["client"]["keyIds"]) == ([], [])


@pytest.mark.parametrize(
    ("more", "code", "path"),
    [
        ({"id": "No!"}, "INVALID", ["clientId"]),
        ({"id": "a\0b"}, "INVALID", ["clientId"]),
        ({"id": FIRST_PARTY}, "INVALID", ["clientId"]),
        ({"id": "erp"}, "DUPLICATE", ["clientId"]),
        ({"id": "wang"}, "DUPLICATE", ["clientId"]),
        ({"name": "ERP"}, "DUPLICATE", ["name"]),
        ({"name": " "}, "REQUIRED", ["name"]),
        ({"name": "a\0b"}, "INVALID", ["name"]),
        ({"name": "x" * 201}, "INVALID", ["name"]),
        ({"source": "\u202e\0"}, "INVALID", ["source"]),
        ({"scopes": ["customers:own"]}, "INVALID", ["scopes"]),
        ({"roles": ["nobody"]}, "INVALID", ["roles"]),
        ({"roles": ["everyone"]}, "INVALID", ["roles"]),
        ({"cost": -1}, "INVALID", ["costPerMinute"]),
        ({"jwks": {"keys": [KEY.as_dict(private=True)]}}, "INVALID", ["jwks", "keys", "0"]),
        ({"jwks": 7}, "INVALID", ["jwks"]),
    ],
)
async def test_registration_that_cannot_be_leaves_nothing(crm: Crm, more: Any, code: str, path: list[str]) -> None:
    before = await crm.count("clients"), await crm.count("users")
    answer = await crm.ask("root", REGISTER, {**values("shop-9"), **more})

    assert answer.refusals("registerClient") == [(code, path)]
    assert answer.payload("registerClient")["client"] is answer.payload("registerClient")["secret"] is None
    assert (await crm.count("clients"), await crm.count("users")) == before


@pytest.mark.parametrize(
    "refused",
    ["name: null", "scopes: null", "roles: null", "jwks: 7", 'roles: ["x"]', 'name: "ERP"', "costPerMinute: -1"],
)
async def test_change_that_cannot_be_is_refused(crm: Crm, refused: str) -> None:
    if not await crm.count("clients WHERE client_id = 'shop-10'"):
        await register(crm, "shop-10")
    payload = await change(crm, "shop-10", refused)

    assert [e["path"][0] for e in payload["errors"]] == [refused.partition(":")[0]]
    assert len(await told(crm, "shop-10")) == 1


async def test_refusals_are_told_in_chinese_too(crm: Crm) -> None:
    answer = await crm.ask("root", REGISTER, values("shop-12", roles=["nobody"]), Accept_Language="zh-CN")

    assert [e["message"] for e in answer.payload("registerClient")["errors"]] == ["角色不存在：nobody。"]


async def test_client_that_never_was_is_not_found(crm: Crm) -> None:
    for verb in ("suspend", "reinstate", "remove"):
        for name in ("a\0b", "nobody-here"):
            assert [e["code"] for e in (await tell(crm, verb, name))["errors"]] == ["NOT_FOUND"]
    assert [e["code"] for e in (await change(crm, "nobody-here", 'name: "x"'))["errors"]] == ["NOT_FOUND"]
    assert (await crm.ask("root", ROTATE, {"id": "nobody-here"})).refusals("rotateClientSecret")[0][0] == "NOT_FOUND"


async def test_roles_without_the_action_do_not_know_the_mutations(crm: Crm) -> None:
    for who in ("wang", "sun", "erp"):
        status, code, message = (await crm.ask(who, ROTATE, {"id": "erp"})).error
        assert (status, code) == (400, "VALIDATION_FAILED")
        assert "rotateClientSecret" in message


async def test_who_manages_clients_alone_gives_data_but_no_management(crm: Crm) -> None:
    await register(crm, "ruler-1", roles=["admin"], scopes=["roles:manage"])
    async with managing(crm, "li"):
        given = await register(crm, "shop-11", "li", roles=["finance"])
        ruler = await register(crm, "ruler-2", "li", roles=["admin"], scopes=["roles:manage"])
        raised = await change(crm, "shop-11", 'roles: ["admin"], scopes: ["roles:manage"]', "li")
        taken = (await crm.ask("li", ROTATE, {"id": "ruler-1"})).payload("rotateClientSecret")
        verbs = [await tell(crm, verb, "ruler-1", "li") for verb in ("suspend", "reinstate", "remove")]
        lowered = await change(crm, "ruler-1", "scopes: []", "li")

    assert (given["errors"], given["client"]["roles"]) == ([], ["finance"])
    refused = [(e["code"], e["path"]) for p in (ruler, raised, taken, *verbs, lowered) for e in p["errors"]]
    assert refused == [("RULE_VIOLATED", ["clientId"])] * 7
    assert await crm.count("clients WHERE client_id = 'ruler-2'") == 0
    (kept,) = await told(crm, "shop-11")
    assert kept["after"]["roles"] == ["finance"]


async def test_client_does_not_change_its_own_rights(crm: Crm) -> None:
    secret = (await register(crm, "ruler-3", roles=["admin"], scopes=["clients:manage"]))["secret"]
    held = (await token(crm, "ruler-3", secret)).json()["access_token"]

    document = (
        'mutation { updateClient(clientId: "ruler-3", roles: ["admin", "crm_manager"]) { errors { code path } } }'
    )
    own = (await ask_with(crm, held, document)).payload("updateClient")
    rename = 'mutation { updateClient(clientId: "ruler-3", name: "R3") { errors { code } } }'
    name = (await ask_with(crm, held, rename)).payload("updateClient")

    assert own["errors"] == [{"code": "RULE_VIOLATED", "path": ["clientId"]}]
    assert name["errors"] == []


async def test_role_that_has_ended_is_given_anew(crm: Crm) -> None:
    await register(crm, "shop-ended")
    ended = "UPDATE user_roles SET expires_at = '2000-01-01' WHERE user_id = (SELECT id FROM users WHERE username = $1)"
    await crm.database.execute(ended, "shop-ended")

    await change(crm, "shop-ended", 'roles: ["sales"]')

    event = (await told(crm, "shop-ended"))[-1]
    assert (event["before"], event["after"]) == ({"roles": []}, {"roles": ["sales"]})
    lasting = "user_roles h JOIN users u ON u.id = h.user_id WHERE u.username = $1 AND h.expires_at IS NULL"
    assert await crm.count(lasting, "shop-ended") == 1
