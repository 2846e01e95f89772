"""Clients that prove themselves by a key of their own (RFC 7523), and all that does not prove it."""

import base64
import hmac
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.db import ReadPool
from crm_graph.errors import Invalid
from crm_graph.permissions.assertions import (
    ALGORITHMS,
    ASSERTION_TYPE,
    MAX_ASSERTION_BYTES,
    MAX_LIFETIME_S,
    public_keys,
)
from crm_graph.permissions.tokens import LEEWAY_S

from .machines import GRANT, NOW, TERMS, WRONG, Server, serving_machines

KEYS: dict[str, Any] = {
    "ES256": ECKey.generate_key("P-256"),
    "RS256": RSAKey.generate_key(2048),
    "EdDSA": OKPKey.generate_key("Ed25519"),
    "Ed25519": OKPKey.generate_key("Ed25519"),
}
TOKEN_ENDPOINT = f"{TERMS.issuer}/oauth/token"
AT = int(NOW.timestamp())
CLAIMS = {"iss": "erp", "sub": "erp", "aud": TERMS.issuer, "exp": AT + 60, "iat": AT, "jti": "a1"}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwk_of(key: str, **more: Any) -> dict[str, Any]:
    return {**KEYS[key].as_dict(private=False), "kid": key, **more}


def signed(
    claims: dict[str, Any] | None = None, header: dict[str, Any] | None = None, *, alg: str = "ES256", key: Any = None
) -> str:
    """An assertion with these claims and header parameters laid over good ones; None takes one away."""
    return compact(claims, {"alg": alg, "kid": alg, **(header or {})}, _signing(alg, key or KEYS[alg]))


def compact(claims: dict[str, Any] | None, header: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    parts = ({k: v for k, v in part.items() if v is not None} for part in (header, {**CLAIMS, **(claims or {})}))
    content = ".".join(b64(json.dumps(part).encode()) for part in parts)
    return f"{content}.{b64(sign(content.encode()))}"


def _signing(alg: str, key: Any) -> Callable[[bytes], bytes]:
    return lambda data: JWSRegistry.algorithms[alg].sign(data, key)


def form_of(assertion: str, **more: str) -> dict[str, str]:
    return {**GRANT, "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion, **more}


async def ask(server: Server, assertion: str, **more: str) -> httpx.Response:
    return await server.token(form_of(assertion, **more))


@pytest.fixture
async def server(clean: None, engine: AsyncEngine, pool: ReadPool) -> AsyncIterator[Server]:
    async with serving_machines(engine, pool) as server:
        keys = public_keys({"keys": [jwk_of(alg) for alg in ALGORITHMS]})
        await server.execute("UPDATE clients SET jwks = CAST(:k AS jsonb), secrets = '[]'", k=json.dumps(keys))
        yield server


@pytest.mark.parametrize("alg", ALGORITHMS)
@pytest.mark.parametrize("audience", [TERMS.issuer, TOKEN_ENDPOINT, [TOKEN_ENDPOINT]])
async def test_client_gets_a_token_by_its_key(server: Server, alg: str, audience: Any) -> None:
    answer = await ask(server, signed({"aud": audience}, alg=alg))

    assert answer.status_code == 200, answer.text
    principal = await server.principals.authenticate(answer.json()["access_token"])
    assert (principal.user_id, principal.source) == (server.account, "erp")


async def test_library_makes_an_assertion_that_is_taken(server: Server) -> None:
    made = jwt.encode({"alg": "ES256", "kid": "ES256", "typ": "JWT"}, CLAIMS, KEYS["ES256"], algorithms=["ES256"])

    assert (await ask(server, made, client_id="erp")).status_code == 200


async def test_only_key_needs_no_name(server: Server) -> None:
    keys = json.dumps({"keys": [jwk_of("ES256")]})
    await server.execute("UPDATE clients SET jwks = CAST(:k AS jsonb)", k=keys)

    assert (await ask(server, signed(header={"kid": None}))).status_code == 200


async def test_assertion_serves_once_at_all_endpoints(server: Server) -> None:
    assertion = signed()
    first = await ask(server, assertion)
    again = await ask(server, assertion)
    form = {**form_of(assertion), "token": first.json()["access_token"]}
    elsewhere = await server.post("/oauth/revoke", form)

    assert (first.status_code, again.status_code, elsewhere.status_code) == (200, 401, 401)
    assert again.json() == elsewhere.json() == WRONG
    assert (await ask(server, signed({"jti": "a2"}))).status_code == 200


async def test_used_assertions_are_forgotten_when_they_have_ended(server: Server) -> None:
    await ask(server, signed({"jti": "first"}))
    server.clock.pass_(60 + LEEWAY_S)
    later = {"exp": AT + 180, "iat": AT + 60 + LEEWAY_S}
    for number in range(3):
        assert (await ask(server, signed({**later, "jti": f"later {number}"}))).status_code == 200

    async with server.engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM used_assertions")) == 3


async def test_forged_assertion_uses_nothing_up(server: Server) -> None:
    assert (await ask(server, signed(key=ECKey.generate_key("P-256")))).status_code == 401
    assert (await ask(server, signed())).status_code == 200


def with_public_key_as_secret() -> str:
    public = KEYS["ES256"].as_pem(private=False)
    return compact(None, {"alg": "HS256", "kid": "ES256"}, lambda data: hmac.digest(public, data, "sha256"))


REFUSED: dict[str, Callable[[], str]] = {
    "alg none": lambda: compact(None, {"alg": "none", "kid": "ES256"}, lambda _: b""),
    "HS256 with the public key": with_public_key_as_secret,
    "an algorithm that is not taken": lambda: compact(
        None, {"alg": "RS512", "kid": "RS256"}, _signing("RS512", KEYS["RS256"])
    ),
    "signed by another key": lambda: signed(key=ECKey.generate_key("P-256")),
    "algorithm of another key": lambda: signed(header={"kid": "RS256"}),
    "unknown kid": lambda: signed(header={"kid": "k9"}),
    "kid that is SQL": lambda: signed(header={"kid": "ES256' OR '1'='1"}),
    "kid that is no text": lambda: signed(header={"kid": ["ES256"]}),
    "no kid among several keys": lambda: signed(header={"kid": None}),
    "key in the header": lambda: signed(header={"jwk": jwk_of("ES256")}),
    "address of keys": lambda: signed(header={"jku": "https://evil.example.com"}),
    "an access token": lambda: signed(header={"typ": "at+jwt"}),
    "another issuer": lambda: signed({"iss": "shop"}),
    "another subject": lambda: signed({"sub": "shop"}),
    "no issuer": lambda: signed({"iss": None}),
    "another audience": lambda: signed({"aud": "https://evil.example.com"}),
    "several audiences": lambda: signed({"aud": [TERMS.issuer, "https://evil.example.com"]}),
    "no audience": lambda: signed({"aud": None}),
    "expired": lambda: signed({"exp": AT - LEEWAY_S}),
    "never expires": lambda: signed({"exp": None}),
    "expiry that is no number": lambda: signed({"exp": "tomorrow"}),
    "expires in an age": lambda: signed({"exp": 1e300}),
    "expires too late": lambda: signed({"exp": AT + MAX_LIFETIME_S + LEEWAY_S + 1}),
    "not yet valid": lambda: signed({"nbf": AT + LEEWAY_S + 1}),
    "issued in the future": lambda: signed({"iat": AT + LEEWAY_S + 1}),
    "no id": lambda: signed({"jti": None}),
    "empty id": lambda: signed({"jti": ""}),
    "id of another type": lambda: signed({"jti": 7}),
    "endless id": lambda: signed({"jti": "x" * 300}),
    "oversized": lambda: signed({"pad": "x" * MAX_ASSERTION_BYTES}),
    "no JWT": lambda: "nonsense",
    "five parts": lambda: "a.b.c.d.e",
    "not base64": lambda: "!.!.!",
    "deeply nested": lambda: f"{b64(b'[' * 4000)}.e30.e30",
}


@pytest.mark.parametrize("forge", REFUSED.values(), ids=REFUSED.keys())
async def test_refuses_like_a_wrong_secret(server: Server, forge: Callable[[], str]) -> None:
    answer = await ask(server, forge(), client_id="erp")

    assert (answer.status_code, answer.json()) == (401, WRONG)


async def test_unknown_client_is_told_the_same(server: Server) -> None:
    answer = await ask(server, signed({"iss": "nobody", "sub": "nobody"}))

    assert (answer.status_code, answer.json()) == (401, WRONG)


async def test_client_of_another_name_is_not_proved(server: Server) -> None:
    await server.another("shop")

    assert (await ask(server, signed(), client_id="shop")).json() == WRONG


@pytest.mark.parametrize(
    "more",
    [{"client_secret": "x"}, {"client_assertion_type": "urn:x"}, {"client_assertion": ""}],
    ids=["two ways", "another type", "empty"],
)
async def test_malformed_proof_is_an_invalid_request(server: Server, more: dict[str, str]) -> None:
    answer = await server.token({**form_of(signed()), **more})

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_client_with_keys_alone_has_no_secret(server: Server) -> None:
    assert (await server.token(GRANT, basic=("erp", server.secret))).json() == WRONG
    assert (await server.token(GRANT, basic=("erp", ""))).json() == WRONG


def test_public_keys_are_cut_to_what_verifies() -> None:
    keys = public_keys({"keys": [jwk_of("RS256", use="sig", alg="RS256", x5u="https://evil.example.com")]})

    assert [set(key) for key in keys["keys"]] == [{"kty", "kid", "n", "e"}]


@pytest.mark.parametrize(
    "jwks",
    [
        None,
        [],
        {"keys": []},
        {"keys": "EC"},
        {"keys": [7]},
        {"keys": [jwk_of("ES256")] * 2},
        {"keys": [jwk_of("ES256", kid=str(n)) for n in range(6)]},
        {"keys": [jwk_of("ES256", kid=None)]},
        {"keys": [jwk_of("ES256", kid="a\0b")]},
        {"keys": [jwk_of("ES256", x="AAAA")]},
        {"keys": [{**KEYS["ES256"].as_dict(private=True), "kid": "private"}]},
        {"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "shared"}]},
        {"keys": [{**ECKey.generate_key("P-384").as_dict(private=False), "kid": "other curve"}]},
        {"keys": [jwk_of("RS256", n="AQAB")]},
        {"keys": [jwk_of("RS256", n="A" * 100_000)]},
        {"keys": [jwk_of("RS256", e=b64(b"\x01" * 200))]},
    ],
)
def test_keys_that_cannot_be_are_refused(jwks: Any) -> None:
    with pytest.raises(Invalid) as refused:
        public_keys(jwks)

    assert (refused.value.template_key, refused.value.path[0]) == ("client_keys_invalid", "jwks")
