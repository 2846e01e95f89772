"""Machines at the doors of the running hub, by the letter of RFC 6749, 6750, 7009, 7523, 7662, 8414 and 9068: what is
refused is refused in one way, tells nothing, and repeats nothing of what was sent.
"""

import base64
import hmac
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from crm_graph.permissions.assertions import ASSERTION_TYPE
from crm_graph.permissions.tokens import FIRST_PARTY, LEEWAY_S, MAX_TOKEN_BYTES

from .conftest import Crm
from .machines import GRANT, basic_header
from .registering import CUSTOMERS, ask_with, change, register, token

MARK = "zzmarkzz"
"""Stands in what is sent; nothing of it may come back."""
KEYS: dict[str, Any] = {
    "ES256": ECKey.generate_key("P-256"),
    "RS256": RSAKey.generate_key(2048),
    "EdDSA": OKPKey.generate_key("Ed25519"),
    "Ed25519": OKPKey.generate_key("Ed25519"),
}


@pytest.fixture(scope="module")
def crm(registry: Crm) -> Crm:
    return registry


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.fixture(scope="module")
async def machine(crm: Crm) -> tuple[str, str]:
    """A client with a secret and with keys, and its secret."""
    secret = (await register(crm, "door", scopes=["customers:read", "tickets:read"]))["secret"]
    jwks = {"keys": [{**key.as_dict(private=False), "kid": alg} for alg, key in KEYS.items()]}
    payload = await change(crm, "door", "jwks: " + re.sub(r'"(\w+)":', r"\1:", json.dumps(jwks)))
    assert payload["errors"] == []
    return "door", secret


def signed(
    crm: Crm, claims: dict[str, Any] | None = None, header: dict[str, Any] | None = None, key: Any = None
) -> str:
    """A token of the hub's own, with claims and header parameters laid over good ones; None takes one away."""
    return compact(
        crm, claims, header, lambda data: JWSRegistry.algorithms["ES256"].sign(data, key or crm.keys.signing)
    )


def compact(
    crm: Crm, claims: dict[str, Any] | None, header: dict[str, Any] | None, sign: Callable[[bytes], bytes]
) -> str:
    now = int(crm.clock().timestamp())
    good = {
        "iss": crm.terms.issuer,
        "aud": crm.terms.audience,
        "sub": str(crm.users["sun"]),
        "client_id": FIRST_PARTY,
        "iat": now,
        "exp": now + 600,
        "jti": uuid4().hex,
    }
    head = {"alg": "ES256", "typ": "at+jwt", "kid": crm.keys.signing_kid}
    parts = (
        {k: v for k, v in {**a, **(b or {})}.items() if v is not None} for a, b in ((head, header), (good, claims))
    )
    content = ".".join(b64(json.dumps(part).encode()) for part in parts)
    return f"{content}.{b64(sign(content.encode()))}"


def at(crm: Crm, seconds: int) -> int:
    return int(crm.clock().timestamp()) + seconds


def with_public_key_as_secret(crm: Crm) -> str:
    public = crm.keys.verifying[crm.keys.signing_kid].as_pem(private=False)
    return compact(crm, None, {"alg": "HS256"}, lambda data: hmac.digest(public, data, "sha256"))


BAD_TOKENS: dict[str, Callable[[Crm], str]] = {
    "alg none": lambda crm: compact(crm, None, {"alg": "none"}, lambda _: b""),
    "alg nOnE with a signature": lambda crm: signed(crm, header={"alg": "nOnE"}),
    "no signature": lambda crm: compact(crm, None, None, lambda _: b""),
    "HS256 with the public key": with_public_key_as_secret,
    "another algorithm of the same key": lambda crm: signed(crm, header={"alg": "ES384"}),
    "signed by another key": lambda crm: signed(crm, key=KEYS["ES256"]),
    "kid that is SQL": lambda crm: signed(crm, header={"kid": "' OR '1'='1"}),
    "kid that is a path": lambda crm: signed(crm, header={"kid": "../../../dev/null"}),
    "kid with NUL": lambda crm: signed(crm, header={"kid": f"{crm.keys.signing_kid}\0"}),
    "kid that is a list": lambda crm: signed(crm, header={"kid": [crm.keys.signing_kid]}),
    "no kid": lambda crm: signed(crm, header={"kid": None}),
    "its own key in the header": lambda crm: signed(
        crm, header={"jwk": KEYS["ES256"].as_dict(private=False)}, key=KEYS["ES256"]
    ),
    "address of keys": lambda crm: signed(crm, header={"jku": "https://evil.example.com/keys"}),
    "critical extension": lambda crm: signed(crm, header={"crit": ["exp"]}),
    "expired": lambda crm: signed(crm, {"exp": at(crm, -LEEWAY_S - 1)}),
    "without an end": lambda crm: signed(crm, {"exp": None}),
    "not yet valid": lambda crm: signed(crm, {"nbf": at(crm, LEEWAY_S + 60)}),
    "issued in the future": lambda crm: signed(crm, {"iat": at(crm, LEEWAY_S + 60)}),
    "wrong issuer": lambda crm: signed(crm, {"iss": "https://evil.example.com"}),
    "wrong audience": lambda crm: signed(crm, {"aud": "billing"}),
    "wrong typ": lambda crm: signed(crm, header={"typ": "JWT"}),
    "an assertion's typ": lambda crm: signed(crm, header={"typ": "client-authentication+jwt"}),
    "oversized": lambda crm: signed(crm, {"pad": "x" * MAX_TOKEN_BYTES}),
    "a megabyte": lambda _: "x" * 1_000_000,
    "of nobody": lambda crm: signed(crm, {"sub": str(UUID(int=7))}),
    "of an unknown client": lambda crm: signed(crm, {"client_id": "nobody", "scope": "customers:read"}),
    "of a client, for somebody else": lambda crm: signed(crm, {"client_id": "erp", "scope": "customers:read"}),
    "nothing": lambda _: MARK,
}


@pytest.mark.parametrize("kind", BAD_TOKENS)
async def test_bad_token_is_refused_alike_at_every_door(crm: Crm, machine: tuple[str, str], kind: str) -> None:
    bad = BAD_TOKENS[kind](crm)
    bearer = {"Authorization": f"Bearer {bad}"}
    told = [
        await crm.http.post("/graphql", json={"query": CUSTOMERS}, headers=bearer),
        await crm.http.get("/graphql", params={"query": CUSTOMERS}, headers=bearer),
        await crm.http.get(f"/export/{uuid4()}", headers=bearer),
    ]

    for answer in told:
        assert answer.status_code == 401
        assert answer.json() == {
            "errors": [{"message": "A valid access token is needed.", "extensions": {"code": "UNAUTHENTICATED"}}]
        }
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("kind", [kind for kind in BAD_TOKENS if kind not in ("a megabyte", "oversized")])
async def test_bad_token_is_not_active_and_revoking_it_succeeds(crm: Crm, machine: tuple[str, str], kind: str) -> None:
    sent = {"Authorization": basic_header(*machine)}
    introspected = await crm.http.post("/oauth/introspect", data={"token": BAD_TOKENS[kind](crm)}, headers=sent)
    revoked = await crm.http.post("/oauth/revoke", data={"token": BAD_TOKENS[kind](crm)}, headers=sent)

    assert (introspected.status_code, introspected.json()) == (200, {"active": False})
    assert (revoked.status_code, revoked.json()) == (200, {})


async def test_good_token_made_like_the_bad_ones_is_answered(crm: Crm) -> None:
    assert (await ask_with(crm, signed(crm))).status == 200


async def test_token_in_the_query_or_the_body_is_none(crm: Crm) -> None:
    good = crm.token("sun")
    for answer in (
        await crm.http.get("/graphql", params={"query": CUSTOMERS, "access_token": good}),
        await crm.http.post("/graphql", json={"query": CUSTOMERS, "access_token": good}),
    ):
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


async def test_token_is_what_rfc_9068_says(crm: Crm, machine: tuple[str, str]) -> None:
    answers = [(await token(crm, *machine)).json() for _ in range(2)]
    published = KeySet.import_key_set((await crm.http.get("/.well-known/jwks.json")).json())
    account = await crm.database.fetchval("SELECT id FROM users WHERE username = 'door'")

    tokens = [jwt.decode(answer["access_token"], published, algorithms=["ES256"]) for answer in answers]
    assert len({each.claims["jti"] for each in tokens}) == 2
    for answer, each in zip(answers, tokens, strict=True):
        assert each.header == {"alg": "ES256", "typ": "at+jwt", "kid": crm.keys.signing_kid}
        issued = each.claims["iat"]
        assert issued <= crm.clock().timestamp() < issued + 60
        assert {name: value for name, value in each.claims.items() if name != "jti"} == {
            "iss": crm.terms.issuer,
            "aud": crm.terms.audience,
            "sub": str(account),
            "client_id": "door",
            "iat": issued,
            "exp": issued + answer["expires_in"],
            "scope": "customers:read tickets:read",
        }
        assert (answer["token_type"], answer["scope"]) == ("Bearer", "customers:read tickets:read")


async def test_client_without_scopes_has_a_token_that_names_none(crm: Crm) -> None:
    """A scope has at least one token (RFC 6749, section 3.3), so none is told."""
    secret = (await register(crm, "bare", scopes=[], roles=["crm_manager"]))["secret"]
    answer = (await token(crm, "bare", secret)).json()
    held = answer["access_token"]
    headers = {"Authorization": basic_header("bare", secret)}
    introspected = (await crm.http.post("/oauth/introspect", data={"token": held}, headers=headers)).json()

    claims = json.loads(base64.urlsafe_b64decode(held.split(".")[1] + "=="))
    assert "scope" not in answer.keys() | claims.keys() | introspected.keys()
    assert introspected["active"] is True
    assert (await ask_with(crm, held)).error[:2] == (400, "VALIDATION_FAILED")
    (account,) = (await ask_with(crm, held, "{ users { nodes { username } } }")).data["users"]["nodes"]
    assert account == (await ask_with(crm, held, "{ viewer { user { username } } }")).data["viewer"]["user"]


async def test_client_is_told_what_colleagues_are_called_and_no_more(crm: Crm) -> None:
    """Nobody's username, job title or state, no tree of teams, and no stages that none of its records are in."""
    secret = (await register(crm, "reader", scopes=["customers:read"], roles=["crm_manager"]))["secret"]
    held = (await token(crm, "reader", secret)).json()["access_token"]
    users = (await ask_with(crm, held, "{ users { nodes { name username jobTitle status } } }")).data["users"]["nodes"]
    team = (await ask_with(crm, held, "{ teams(first: 1) { nodes { key name } } }")).data["teams"]["nodes"][0]

    others = [user for user in users if user["username"] is None]
    assert len(users) - len(others) == 1
    assert {user["name"] for user in others} >= {"wang", "root"}
    assert all((user["jobTitle"], user["status"]) == (None, None) for user in others)
    assert all(team.values())
    assert (await ask_with(crm, held, "{ users(where: { status: { eq: ACTIVE } }) { totalCount } }")).data == {
        "users": {"totalCount": 1}
    }
    for query in ("{ teams { nodes { path } } }", "{ stages { nodes { key } } }"):
        assert (await ask_with(crm, held, query)).error[:2] == (400, "VALIDATION_FAILED")


async def test_metadata_is_true(crm: Crm, machine: tuple[str, str]) -> None:
    """Whatever it says is there is tried: every endpoint by every method and algorithm, every scope."""
    metadata = (await crm.http.get("/.well-known/oauth-authorization-server")).json()
    issuer, number = metadata["issuer"], 0
    assert issuer == crm.terms.issuer
    for name in ("token", "revocation", "introspection"):
        path = metadata[f"{name}_endpoint"].removeprefix(issuer)
        asked = {**GRANT, "token": MARK}
        tried = {
            "client_secret_basic": ({}, {"Authorization": basic_header(*machine)}),
            "client_secret_post": ({"client_id": machine[0], "client_secret": machine[1]}, {}),
        }
        assert set(metadata[f"{name}_endpoint_auth_methods_supported"]) == {*tried, "private_key_jwt"}
        for more, headers in tried.values():
            assert (await crm.http.post(path, data={**asked, **more}, headers=headers)).status_code == 200
        assert set(metadata[f"{name}_endpoint_auth_signing_alg_values_supported"]) == set(KEYS)
        for alg in KEYS:
            for audience in (issuer, metadata["token_endpoint"]):
                number += 1
                shown = {
                    "client_assertion_type": ASSERTION_TYPE,
                    "client_assertion": assertion(crm, alg, audience, number),
                }
                assert (await crm.http.post(path, data={**asked, **shown})).status_code == 200
    assert metadata["grant_types_supported"] == ["client_credentials"]
    assert metadata["response_types_supported"] == []
    keys = (await crm.http.get(metadata["jwks_uri"].removeprefix(issuer))).json()["keys"]
    assert crm.keys.signing_kid in {key["kid"] for key in keys}
    every = await register(crm, "door-2", scopes=metadata["scopes_supported"], roles=["service"])
    assert every["errors"] == []
    widest = (await token(crm, "door-2", every["secret"])).json()
    assert widest["scope"].split() == metadata["scopes_supported"]
    assert (await ask_with(crm, widest["access_token"], "{ __typename }")).status == 200


def assertion(crm: Crm, alg: str, audience: str, number: int) -> str:
    now = int(crm.clock().timestamp())
    claims = {"iss": "door", "sub": "door", "aud": audience, "iat": now, "exp": now + 60, "jti": f"door {number}"}
    content = ".".join(b64(json.dumps(part).encode()) for part in ({"alg": alg, "kid": alg}, claims))
    return f"{content}.{b64(JWSRegistry.algorithms[alg].sign(content.encode(), KEYS[alg]))}"


async def test_what_a_token_was_good_for_ends_with_it(crm: Crm, machine: tuple[str, str]) -> None:
    held = (await token(crm, *machine)).json()["access_token"]
    sent = {"Authorization": basic_header(*machine)}
    before = (await crm.http.post("/oauth/introspect", data={"token": held}, headers=sent)).json()

    crm.clock.now += timedelta(seconds=before["exp"] - crm.clock().timestamp() + LEEWAY_S + 1)
    try:
        after = (await crm.http.post("/oauth/introspect", data={"token": held}, headers=sent)).json()
        refused = await ask_with(crm, held)
    finally:
        crm.clock.now -= timedelta(hours=1)

    assert before["active"] is True
    assert after == {"active": False}
    assert refused.error[:2] == (401, "UNAUTHENTICATED")
