"""Tokens of issuers that must not let anybody in."""

import hmac
from datetime import timedelta
from typing import Any

import orjson
import pytest
from joserfc.jwk import ECKey, RSAKey
from joserfc.util import urlsafe_b64encode

from web.issuing import ELSEWHERE, FRONT, PLAIN, Tokens

from .conftest import KEYS, REFUSED, Company


async def test_a_token_for_somebody_else_is_refused(company: Company) -> None:
    token = await company.known.token("wei", ELSEWHERE, groups=["crm-sales"])

    assert (await company.ask(token)).error == REFUSED


async def test_a_token_without_the_type_of_access_tokens_is_taken_only_where_the_issuer_gives_such(
    company: Company,
) -> None:
    token = await company.known.token("pan", PLAIN, groups=["crm-sales"])

    assert not await company.lets_in(token)
    await company.configure(company.known, plain=True)
    await company.becomes(token, let_in=True)


async def test_an_id_token_is_no_access_token(company: Company) -> None:
    await company.known.knows("xia", groups=["crm-sales"])
    tokens: Tokens = await company.known.sign_in("xia")
    await company.configure(company.known, plain=True, audiences=["crm-graph", FRONT])
    await company.becomes(await company.known.forge({"typ": "JWT"}, scope="x"), let_in=True)

    assert await company.lets_in(tokens.access)
    assert not await company.lets_in(tokens.id)
    assert not await company.lets_in(await company.known.forge({"typ": "JWT"}, scope="x", nonce="n"))


async def test_an_expired_token_is_refused(company: Company) -> None:
    token = await company.known.token("old", groups=["crm-sales"])
    assert await company.lets_in(token)

    company.clock.by = timedelta(minutes=10, seconds=6)

    assert (await company.ask(token)).error == REFUSED


async def test_a_token_of_the_future_is_refused_beyond_the_leeway(company: Company) -> None:
    token = await company.known.token("soon", groups=["crm-sales"])
    company.clock.by = timedelta(seconds=-60)

    assert not await company.lets_in(token)
    await company.configure(company.known, leeway=90)
    await company.becomes(token, let_in=True)


async def test_a_token_of_an_issuer_that_nobody_configured_is_refused_and_its_issuer_never_asked(
    company: Company,
) -> None:
    await company.save(company.other.url, name="Other", audiences=["crm-graph"], status="SUSPENDED")
    before = await company.other.asked("/.well-known/openid-configuration")

    answer = await company.ask(await company.other.token("mallory", groups=["crm-sales"]))

    assert answer.error == REFUSED
    assert await company.other.asked("/.well-known/openid-configuration") == before


CLAIMS: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://evil.example.com"},
    "the issuer with a slash": {"iss": "SLASH"},
    "no audience": {"aud": None},
    "another audience": {"aud": ["elsewhere"]},
    "an audience of another type": {"aud": {"crm-graph": True}},
    "no subject": {"sub": None},
    "an empty subject": {"sub": ""},
    "a subject that is no text": {"sub": 7},
    "a subject with NUL": {"sub": "mal\u0000lory"},
    "a subject too long": {"sub": "x" * 256},
    "no end": {"exp": None},
    "an end that is no number": {"exp": "tomorrow"},
    "an end beyond all times": {"exp": 10**400},
    "no time of issue": {"iat": None},
    "a time of issue beyond all times": {"iat": -(10**30)},
    "not before later": {"nbf": 4_000_000_000},
}


@pytest.mark.parametrize("wrong", CLAIMS)
async def test_a_token_that_says_what_it_must_not_is_refused(company: Company, wrong: str) -> None:
    claims = CLAIMS[wrong]
    if claims.get("iss") == "SLASH":
        claims = {"iss": company.known.url + "/"}
    users = await company.users()

    answer = await company.ask(await company.known.forge(**claims))

    assert answer.error == REFUSED
    assert await company.users() == users


@pytest.mark.parametrize(
    "header",
    [{"typ": "logout+jwt"}, {"typ": None}, {"typ": "JWT"}, {"typ": "dpop+jwt"}, {"kid": "x" * 257}, {"kid": "no"}],
    ids=lambda header: "-".join(f"{name} {str(value)[:9]}" for name, value in header.items()),
)
async def test_a_token_with_another_header_is_refused(company: Company, header: dict[str, Any]) -> None:
    assert (await company.ask(await company.known.forge(header))).error == REFUSED


async def test_what_would_be_taken_is_taken_so_that_the_others_are_refused_for_their_one_fault(
    company: Company,
) -> None:
    assert await company.lets_in(await company.known.forge())


async def test_a_key_that_signed_something_else_signs_no_token(company: Company) -> None:
    await company.known.tell()
    jwk = next(key for key in company.known.private_keys if key["kty"] == "RSA")
    public = RSAKey.import_key({name: jwk[name] for name in ("kty", "n", "e")})
    pem = public.as_pem(private=False)
    body = (await company.known.forge()).split(".")[1]
    head = urlsafe_b64encode(orjson.dumps({"alg": "HS256", "typ": "at+jwt", "kid": jwk["kid"]})).decode()
    signed = f"{head}.{body}"
    mac = urlsafe_b64encode(hmac.digest(pem, signed.encode(), "sha256")).decode()
    own = RSAKey.generate_key(2048)
    forged = {
        "HS256 with the public key": f"{signed}.{mac}",
        "another RSA key under a known kid": await company.known.forge({"alg": "RS256", "kid": jwk["kid"]}, own),
        "another kind of key under a known kid": await company.known.forge(
            {"alg": "ES256", "kid": jwk["kid"]}, ECKey.generate_key("P-256")
        ),
        "its own key in the header": await company.known.forge(
            {"alg": "RS256", "jwk": own.as_dict(private=False)}, own
        ),
    }

    taken = {name: await company.lets_in(token) for name, token in forged.items()}

    assert taken == dict.fromkeys(forged, False)


async def test_a_token_that_nobody_signed_is_refused(company: Company) -> None:
    token = await company.known.forge()
    head, body, signature = token.split(".")
    nobody = [
        urlsafe_b64encode(orjson.dumps({"alg": alg, "typ": "at+jwt"})).decode() for alg in ("none", "None", "", None)
    ]
    changed = urlsafe_b64encode(orjson.dumps({"iss": company.known.url, "sub": "root"})).decode()
    tokens = [
        *(f"{first}.{body}." for first in nobody),
        f"{nobody[0]}.{body}.{signature}",
        f"{head}.{body}.",
        f"{head}.{changed}.{signature}",
        f"{head}.{body}.{signature[:-8]}",
        f"{head}.{body}.{signature}.{signature}",
        f"{head}.{body}",
        f".{body}.{signature}",
    ]

    assert [await company.lets_in(one) for one in tokens] == [False] * len(tokens)


async def test_addresses_in_a_token_are_never_asked(company: Company) -> None:
    own = RSAKey.generate_key(2048)
    before = await company.other.tell()
    trap = company.other.url + KEYS
    for name in ("jku", "x5u"):
        assert not await company.lets_in(await company.known.forge({"alg": "RS256", name: trap}, own))
    assert not await company.lets_in(await company.known.forge({"alg": "RS256"}, own, iss=company.other.url))

    assert await company.other.tell() == before


async def test_an_extension_that_must_be_understood_is_refused(company: Company) -> None:
    token = await company.known.forge({"crit": ["b64"], "b64": True})

    assert not await company.lets_in(token)
