"""Requests of machines for tokens, by the letter of RFC 6749 and 7523: what is refused is refused in one way, and
repeats nothing of what was sent.
"""

import json
import re
from collections.abc import Callable

import httpx
import pytest

from crm_graph.permissions.assertions import ASSERTION_TYPE

from .conftest import Crm
from .machines import GRANT, NO_STORE, WRONG, basic_header
from .registering import register

MARK = "zzmarkzz"
"""Stands in what is sent; nothing of it may come back."""
FORM = "application/x-www-form-urlencoded"
CODES = {"invalid_request", "invalid_client", "invalid_scope", "unsupported_grant_type"}
"""Of RFC 6749, section 5.2, those that a server of one grant has."""
ALLOWED = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]*")
"""What an `error_description` may hold (section 5.2)."""


@pytest.fixture(scope="module")
def crm(registry: Crm) -> Crm:
    return registry


@pytest.fixture(scope="module")
async def machine(crm: Crm) -> tuple[str, str]:
    """A client and its secret."""
    secret = (await register(crm, "asks", scopes=["customers:read", "tickets:read"]))["secret"]
    return "asks", secret


async def form(crm: Crm, body: bytes | str, path: str = "/oauth/token", **headers: str) -> httpx.Response:
    """Send a form as it is."""
    sent = {"Content-Type": FORM, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await crm.http.post(path, content=body, headers=sent)


def grant(**more: str) -> str:
    return str(httpx.QueryParams({**GRANT, **more}))


BAD_FORMS: dict[str, tuple[Callable[[str, str], tuple[bytes | str, dict[str, str]]], int, str]] = {
    "no body": (lambda i, s: ("", {"Authorization": basic_header(i, s)}), 400, "invalid_request"),
    "no grant": (lambda i, s: (f"x={MARK}", {"Authorization": basic_header(i, s)}), 400, "invalid_request"),
    "empty grant": (lambda i, s: ("grant_type=", {"Authorization": basic_header(i, s)}), 400, "invalid_request"),
    "another grant": (
        lambda i, s: (f"grant_type={MARK}", {"Authorization": basic_header(i, s)}),
        400,
        "unsupported_grant_type",
    ),
    "password": (
        lambda i, s: (f"grant_type=password&username={MARK}&password=x", {"Authorization": basic_header(i, s)}),
        400,
        "unsupported_grant_type",
    ),
    "refresh": (
        lambda i, s: (f"grant_type=refresh_token&refresh_token={MARK}", {"Authorization": basic_header(i, s)}),
        400,
        "unsupported_grant_type",
    ),
    "scope that it lacks": (
        lambda i, s: (grant(scope="customers:write"), {"Authorization": basic_header(i, s)}),
        400,
        "invalid_scope",
    ),
    "one of two scopes that it lacks": (
        lambda i, s: (grant(scope="customers:read roles:manage"), {"Authorization": basic_header(i, s)}),
        400,
        "invalid_scope",
    ),
    "scope that never was": (
        lambda i, s: (grant(scope=MARK), {"Authorization": basic_header(i, s)}),
        400,
        "invalid_scope",
    ),
    "scope that cannot be": (
        lambda i, s: (grant(scope='"\\\x00é' + MARK), {"Authorization": basic_header(i, s)}),
        400,
        "invalid_scope",
    ),
    "scope in capitals": (
        lambda i, s: (grant(scope="CUSTOMERS:READ"), {"Authorization": basic_header(i, s)}),
        400,
        "invalid_scope",
    ),
    "parameter twice": (
        lambda i, s: (grant() + f"&scope=customers:read&scope={MARK}", {"Authorization": basic_header(i, s)}),
        400,
        "invalid_request",
    ),
    "two ways": (
        lambda i, s: (grant(client_id=i, client_secret=s), {"Authorization": basic_header(i, s)}),
        400,
        "invalid_request",
    ),
    "two clients": (
        lambda i, s: (grant(client_id="erp"), {"Authorization": basic_header(i, s)}),
        400,
        "invalid_request",
    ),
    "no credentials": (lambda _i, _s: (grant(), {}), 401, "invalid_client"),
    "id alone": (lambda i, _: (grant(client_id=i), {}), 401, "invalid_client"),
    "wrong secret": (lambda i, _: (grant(), {"Authorization": basic_header(i, MARK)}), 401, "invalid_client"),
    "wrong secret in the form": (
        lambda i, _: (grant(client_id=i, client_secret=MARK), {}),
        401,
        "invalid_client",
    ),
    "unknown client": (lambda _, s: (grant(), {"Authorization": basic_header(MARK, s)}), 401, "invalid_client"),
    "client with NUL": (lambda _, s: (grant(client_id="do\0or", client_secret=s), {}), 401, "invalid_client"),
    "endless id": (lambda _, s: (grant(client_id="x" * 9_000, client_secret=s), {}), 401, "invalid_client"),
    "endless secret": (lambda i, _: (grant(client_id=i, client_secret="x" * 9_000), {}), 401, "invalid_client"),
    "another scheme": (lambda _i, _s: (grant(), {"Authorization": f"Bearer {MARK}"}), 401, "invalid_client"),
    "no base64": (lambda _i, _s: (grant(), {"Authorization": "Basic !!!"}), 401, "invalid_client"),
    "base64 of no UTF-8": (lambda _i, _s: (grant(), {"Authorization": "Basic /////w=="}), 400, "invalid_request"),
    "another assertion type": (
        lambda i, _: (grant(client_id=i, client_assertion="x", client_assertion_type=MARK), {}),
        400,
        "invalid_request",
    ),
    "type without assertion": (
        lambda i, _: (grant(client_id=i, client_assertion_type=ASSERTION_TYPE), {}),
        400,
        "invalid_request",
    ),
    "assertion that is none": (
        lambda i, _: (grant(client_id=i, client_assertion=MARK, client_assertion_type=ASSERTION_TYPE), {}),
        401,
        "invalid_client",
    ),
    "JSON": (
        lambda i, s: (json.dumps(GRANT), {"Authorization": basic_header(i, s), "Content-Type": "application/json"}),
        400,
        "invalid_request",
    ),
    "no media type": (
        lambda i, s: (grant(), {"Authorization": basic_header(i, s), "Content-Type": ""}),
        400,
        "invalid_request",
    ),
    "not ASCII": (
        lambda i, s: ("grant_type=client_credentials&x=é", {"Authorization": basic_header(i, s)}),
        400,
        "invalid_request",
    ),
    "escapes of no UTF-8": (
        lambda i, s: (grant() + "&x=%ff", {"Authorization": basic_header(i, s)}),
        400,
        "invalid_request",
    ),
    "many fields": (
        lambda i, s: (
            grant() + "&a=1" * 1 + "".join(f"&a{n}=1" for n in range(30)),
            {"Authorization": basic_header(i, s)},
        ),
        400,
        "invalid_request",
    ),
    "too large": (lambda i, s: ("x=" + "y" * 20_000, {"Authorization": basic_header(i, s)}), 400, "invalid_request"),
}


@pytest.mark.parametrize("kind", BAD_FORMS)
async def test_bad_request_for_a_token_is_refused_by_the_book(crm: Crm, machine: tuple[str, str], kind: str) -> None:
    make, status, code = BAD_FORMS[kind]
    body, headers = make(*machine)

    answer = await crm.http.post("/oauth/token", content=body, headers={"Content-Type": FORM, **headers})

    told = answer.json()
    assert (answer.status_code, told["error"]) == (status, code)
    assert code in CODES
    assert told.keys() <= {"error", "error_description"}
    assert ALLOWED.fullmatch(told.get("error_description", ""))
    assert answer.headers["content-type"] == "application/json"
    assert {name: answer.headers[name] for name in NO_STORE} == NO_STORE
    assert MARK not in answer.text
    if status == 401:
        assert told == WRONG
        assert answer.headers["www-authenticate"] == 'Basic realm="crm-graph", charset="UTF-8"'
    else:
        assert "www-authenticate" not in answer.headers


async def test_credentials_in_the_address_are_none(crm: Crm, machine: tuple[str, str]) -> None:
    address = httpx.QueryParams({**GRANT, "client_id": machine[0], "client_secret": machine[1]})

    assert (await form(crm, grant(), f"/oauth/token?{address}")).status_code == 401
    assert (await form(crm, "", f"/oauth/token?{address}")).status_code == 401


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke", "/oauth/introspect"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
async def test_endpoints_take_post_alone(crm: Crm, path: str, method: str) -> None:
    answer = await crm.http.request(method, path)

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_scheme_in_any_case_and_unknown_parameters_are_taken(crm: Crm, machine: tuple[str, str]) -> None:
    header = basic_header(*machine).replace("Basic", "bAsIc")
    answer = await form(crm, grant(audience=MARK, scope=""), Authorization=header)

    assert answer.status_code == 200
    assert answer.json()["scope"] == "customers:read tickets:read"
    assert (await form(crm, grant(), Authorization=header, Content_Type=f"{FORM}; charset=UTF-8")).status_code == 200
