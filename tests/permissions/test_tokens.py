"""Access tokens: what is issued is verified; everything else is refused with one error that tells nothing."""

import base64
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

from crm_graph.errors import Unauthenticated
from crm_graph.permissions.keys import KeyRing
from crm_graph.permissions.tokens import (
    FIRST_PARTY,
    LEEWAY_S,
    MAX_TOKEN_BYTES,
    TokenClaims,
    TokenTerms,
    UnknownKey,
    issue_access_token,
    issue_user_token,
    verify_access_token,
)

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
USER = UUID("01932f00-0000-7000-8700-000000000001")
TERMS = TokenTerms("https://crm.example.com", "crm-graph", 3600)
KEY = ECKey.generate_key("P-256")
KEYS = KeyRing(KEY, "k1", MappingProxyType({"k1": KEY}))
CLAIMS = {
    "iss": TERMS.issuer,
    "aud": TERMS.audience,
    "sub": str(USER),
    "client_id": "erp",
    "scope": "customers:read sync:customers",
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 3600,
    "jti": "t1",
}


def signed(claims: dict[str, Any] | None = None, header: dict[str, Any] | None = None, key: Any = KEY) -> str:
    """A token with these claims and header parameters laid over good ones; None takes one away."""
    return compact(claims, header, lambda data: JWSRegistry.algorithms["ES256"].sign(data, key))


def compact(claims: dict[str, Any] | None, header: dict[str, Any] | None, sign: Callable[[bytes], bytes]) -> str:
    """A compact JWS, whatever it says: libraries refuse to write most of what must be refused here."""
    head = {"alg": "ES256", "typ": "at+jwt", "kid": "k1", **(header or {})}
    parts = ({k: v for k, v in part.items() if v is not None} for part in (head, {**CLAIMS, **(claims or {})}))
    content = ".".join(b64(json.dumps(part).encode()) for part in parts)
    return f"{content}.{b64(sign(content.encode()))}"


def verify(token: str, now: datetime = NOW) -> TokenClaims:
    return verify_access_token(TERMS, KEYS, token, now=now)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(alg: str) -> str:
    header = json.dumps({"alg": alg, "typ": "at+jwt", "kid": "k1"}).encode()
    return f"{b64(header)}.{b64(json.dumps(CLAIMS).encode())}."


def with_public_key_as_secret() -> str:
    """The classic confusion: an HMAC with the public key, which everybody has."""
    public = KEY.as_pem(private=False)
    return compact(None, {"alg": "HS256"}, lambda data: hmac.digest(public, data, "sha256"))


def tampered() -> str:
    head, _, signature = signed().split(".")
    return f"{head}.{b64(json.dumps({**CLAIMS, 'sub': str(UUID(int=1))}).encode())}.{signature}"


TOKEN = signed()


def test_issued_token_says_what_was_issued() -> None:
    token = issue_access_token(
        TERMS,
        KEYS,
        subject=USER,
        client_id="erp",
        scopes=["b:write", "a:read"],
        now=NOW,
        new_token_id=lambda _: "t7",
    )

    now = NOW.timestamp()
    claims = TokenClaims(USER, "erp", frozenset({"a:read", "b:write"}), now + 3600, now, "t7", kid="k1")
    assert verify(token) == claims


def test_token_follows_rfc_9068() -> None:
    token = issue_access_token(
        TERMS, KEYS, subject=USER, client_id="erp", scopes=["a:read"], now=NOW, new_token_id=lambda _: "t7"
    )

    decoded = jwt.decode(token, KEY, algorithms=["ES256"])

    assert decoded.header == {"alg": "ES256", "typ": "at+jwt", "kid": "k1"}
    assert decoded.claims == {**CLAIMS, "jti": "t7", "scope": "a:read"}


def test_token_of_a_client_says_of_which_epoch_it_is() -> None:
    token = issue_access_token(TERMS, KEYS, subject=USER, client_id="erp", scopes=["a:read"], now=NOW, epoch=3)

    assert (verify(token).epoch, verify(signed()).epoch) == (3, 0)


def test_token_of_the_hub_itself_has_no_client_and_no_limit_of_scopes() -> None:
    token = issue_user_token(TERMS, KEYS, USER, now=NOW)

    claims = verify(token)
    assert (claims.subject, claims.client_id, claims.scopes) == (USER, None, None)
    assert (claims.ends_at, claims.issued_at) == (NOW.timestamp() + 3600, NOW.timestamp())


def test_client_token_without_scope_has_none() -> None:
    assert verify(signed({"scope": None})).scopes == frozenset()


def test_long_form_of_the_type_and_a_list_of_audiences_are_valid() -> None:
    assert verify(signed({"aud": ["other", TERMS.audience]}, {"typ": "application/at+jwt"})).subject == USER


def test_clocks_may_differ_by_the_leeway() -> None:
    end = NOW + timedelta(seconds=3600)
    assert verify(signed(), end + timedelta(seconds=LEEWAY_S - 1)).subject == USER
    with pytest.raises(Unauthenticated):
        verify(signed(), end + timedelta(seconds=LEEWAY_S))


FORGED: dict[str, Callable[[], str]] = {
    "alg none": lambda: unsigned("none"),
    "alg NONE": lambda: unsigned("NoNe"),
    "alg ES256 without signature": lambda: unsigned("ES256"),
    "HS256 with the public key": with_public_key_as_secret,
    "claims changed after signing": tampered,
    "signed by another key under our kid": lambda: signed(key=ECKey.generate_key("P-256")),
    "expired": lambda: signed({"exp": int(NOW.timestamp()) - LEEWAY_S}),
    "never expires": lambda: signed({"exp": None}),
    "expiry that is no number": lambda: signed({"exp": "tomorrow"}),
    "expiry that is a boolean": lambda: signed({"exp": True}),
    "not yet valid": lambda: signed({"nbf": int(NOW.timestamp()) + LEEWAY_S + 1}),
    "issued in the future": lambda: signed({"iat": int(NOW.timestamp()) + LEEWAY_S + 1}),
    "another issuer": lambda: signed({"iss": "https://evil.example.com"}),
    "no issuer": lambda: signed({"iss": None}),
    "another audience": lambda: signed({"aud": "billing"}),
    "no audience": lambda: signed({"aud": None}),
    "an id token": lambda: signed(header={"typ": "JWT"}),
    "no type": lambda: signed(header={"typ": None}),
    "no kid": lambda: signed(header={"kid": None}),
    "kid that is a path": lambda: signed(header={"kid": "../../etc/passwd"}),
    "kid that is SQL": lambda: signed(header={"kid": "k1' OR '1'='1"}),
    "unknown kid": lambda: signed(header={"kid": "k2"}),
    "critical extension": lambda: signed(header={"crit": ["b64"], "b64": True}),
    "key in the header": lambda: signed(header={"jwk": KEY.as_dict(private=False)}),
    "no subject": lambda: signed({"sub": None}),
    "subject that is no id": lambda: signed({"sub": "root"}),
    "subject of another type": lambda: signed({"sub": 7}),
    "no client": lambda: signed({"client_id": None}),
    "client of another type": lambda: signed({"client_id": ["erp"]}),
    "scope of another type": lambda: signed({"scope": ["customers:read"]}),
    "no token id": lambda: signed({"jti": None}),
    "token id of another type": lambda: signed({"jti": 7}),
    "oversized": lambda: signed({"pad": "x" * MAX_TOKEN_BYTES}),
    "empty": lambda: "",
    "two parts": lambda: "a.b",
    "five parts": lambda: "a.b.c.d.e",
    "not base64": lambda: "é.é.é",
    "header that is a list": lambda: f"{b64(b'[]')}.{b64(b'{}')}.{b64(b'x')}",
    "deeply nested header": lambda: f"{b64(b'[' * 4000)}.e30.e30",
    "claims that are a list": lambda: ".".join((signed().split(".")[0], b64(b"[]"), signed().split(".")[2])),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_refuses_with_one_error_that_tells_nothing(forge: Callable[[], str]) -> None:
    with pytest.raises(Unauthenticated) as refused:
        verify(forge())

    assert (refused.value.code, refused.value.template_key) == ("UNAUTHENTICATED", "unauthenticated")
    assert (dict(refused.value.details), refused.value.path) == ({}, ())
    assert refused.value.__cause__ is None


def test_unknown_key_is_told_apart_inside_so_that_new_keys_are_loaded() -> None:
    with pytest.raises(UnknownKey):
        verify(signed(header={"kid": "k2"}))


def test_client_cannot_pass_for_the_hub_by_a_scope_it_lacks() -> None:
    assert verify(signed({"client_id": FIRST_PARTY, "scope": None})).client_id is None
    assert verify(signed({"client_id": "erp", "scope": ""})).scopes == frozenset()


@given(st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,90}"))
def test_refuses_whatever_is_no_token(text: str) -> None:
    with pytest.raises(Unauthenticated):
        verify(text)


@given(st.integers(0, 300), st.sampled_from("AQgw159-_.%"))
def test_refuses_a_token_with_any_character_changed(place: int, other: str) -> None:
    changed = TOKEN[:place] + other + TOKEN[place + 1 :]
    # The last character of a base64url part holds unused bits; only what decodes to the same bytes may pass.
    assume(_bytes(changed) != _bytes(TOKEN))
    with pytest.raises(Unauthenticated):
        verify(changed)


def _bytes(token: str) -> bytes:
    parts = token.split(".")
    try:
        return b"|".join(base64.b64decode(p + "=" * (-len(p) % 4), altchars=b"-_", validate=True) for p in parts)
    except ValueError:
        return token.encode()
