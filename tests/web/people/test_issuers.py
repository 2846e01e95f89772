"""What an admin says of an issuer, and how soon it holds."""

from typing import Any

import pytest

from web.issuing import FRONT, GROUPS, SAVE, rule

from .conftest import Company, within_a_second

LIST = """
{ issuers { url name audiences clients algorithms plainTokens leewaySeconds status
            roleMap { claim value roles teams } signInClient signInScope hasSignInSecret } }
"""


async def test_an_issuer_is_saved_as_told_and_tells_of_it_in_the_log(company: Company) -> None:
    url = "https://login.example.com/realms/crm"

    made = await company.save(url, name="Login", audiences=["crm"], map=GROUPS[:1])
    changed = await company.save(url, leeway=30, status="SUSPENDED")

    assert made == {
        "issuer": {
            "url": url, "name": "Login", "audiences": ["crm"], "clients": [], "plainTokens": False,
            "algorithms": ["ES256", "EdDSA", "PS256", "RS256"], "leewaySeconds": 5, "status": "ACTIVE",
            "roleMap": GROUPS[:1],
        },
        "errors": [],
    }  # fmt: skip
    assert changed["issuer"] == made["issuer"] | {"leewaySeconds": 30, "status": "SUSPENDED"}
    listed = (await company.crm.ask("root", LIST)).data["issuers"]
    assert [issuer for issuer in listed if issuer["url"] == url] == [
        changed["issuer"] | {"signInClient": None, "signInScope": "openid profile email", "hasSignInSecret": False}
    ]
    assert [issuer["name"] for issuer in listed] == sorted(issuer["name"] for issuer in listed)
    id_ = await company.crm.database.fetchval("SELECT id FROM issuers WHERE url = $1", url)
    created, updated = await company.crm.events(str(id_))
    assert (created["type"], created["actor_id"]) == ("issuer.created", company.crm.users["root"])
    assert (updated["type"], updated["before"], updated["after"]) == (
        "issuer.updated",
        {"leeway_seconds": 5, "status": "ACTIVE"},
        {"leeway_seconds": 30, "status": "SUSPENDED"},
    )


@pytest.mark.parametrize(
    ("variables", "code", "path"),
    [
        ({"url": "http://login.example.com"}, "INVALID", ["url"]),
        ({"url": "https://login.example.com/?x=1"}, "INVALID", ["url"]),
        ({"url": "https://login.example.com/#x"}, "INVALID", ["url"]),
        ({"url": "https://me:secret@login.example.com"}, "INVALID", ["url"]),
        ({"url": "https://login.example.com:x"}, "INVALID", ["url"]),
        ({"url": "file:///etc/passwd"}, "INVALID", ["url"]),
        ({"name": " "}, "REQUIRED", ["name"]),
        ({"audiences": []}, "REQUIRED", ["audiences"]),
        ({"audiences": ["a\u0000"]}, "INVALID", ["audiences"]),
        ({"audiences": ["a"] * 51}, "LIMIT_REACHED", ["audiences"]),
        ({"algorithms": ["HS256"]}, "INVALID", ["algorithms"]),
        ({"algorithms": ["none"]}, "INVALID", ["algorithms"]),
        ({"algorithms": None}, "LIMIT_REACHED", ["algorithms"]),
        ({"leeway": 301}, "INVALID", ["leewaySeconds"]),
        ({"leeway": -1}, "INVALID", ["leewaySeconds"]),
        ({"map": [rule("x", "nobody")]}, "INVALID", ["roleMap"]),
        ({"map": [rule("x", "everyone")]}, "INVALID", ["roleMap"]),
        ({"map": [rule("x")]}, "REQUIRED", ["roleMap"]),
        ({"map": [rule("x", "sales", teams=("nowhere",))]}, "INVALID", ["roleMap"]),
        ({"map": [rule("x", "sales", claim=("a",) * 9)]}, "LIMIT_REACHED", ["roleMap", "claim"]),
        ({"status": None}, "REQUIRED", ["status"]),
    ],
)
async def test_what_cannot_be_of_an_issuer_is_refused_by_name(
    company: Company, variables: dict[str, Any], code: str, path: list[str]
) -> None:
    given = {"url": "https://bad.example.com", "name": "Bad", "audiences": ["crm"], **variables}

    payload = await company.save(**given)

    assert payload["issuer"] is None
    assert [(e["code"], e["path"]) for e in payload["errors"]] == [(code, path)]
    assert await company.crm.count("issuers WHERE url = $1", given["url"]) == 0


async def test_issuers_are_not_there_for_who_does_not_manage_roles(company: Company) -> None:
    answer = await company.crm.ask("sun", SAVE, {"url": company.known.url, "name": "Mine"})

    assert [e["extensions"]["code"] for e in answer.json["errors"]] == ["VALIDATION_FAILED"] * 3
    assert (await company.crm.ask("sun", "{ issuers { url } }")).error[1] == "VALIDATION_FAILED"


async def test_a_suspended_issuer_lets_nobody_in_within_a_second(company: Company) -> None:
    token = await company.known.token("jia", groups=["crm-sales"])
    assert await company.lets_in(token)

    await company.save(company.known.url, status="SUSPENDED")

    await company.becomes(token, let_in=False)
    await company.save(company.known.url, status="ACTIVE")
    await company.becomes(token, let_in=True)


async def test_roles_that_the_map_names_no_longer_are_taken_from_everybody(company: Company) -> None:
    token = await company.known.token("kong", groups=["crm-sales", "crm-finance"])
    assert await company.rights(token) == (True, True)

    await company.configure(company.known, map=GROUPS[:1])

    assert (await company.user(company.known, "kong"))["roles"] == {"sales": "issuer"}

    async def is_less() -> bool:
        return await company.rights(token) == (True, False)

    await within_a_second(is_less)


async def test_only_clients_that_are_named_may_bring_tokens(company: Company) -> None:
    token = await company.known.token("dai", groups=["crm-sales"])
    assert await company.lets_in(token)

    await company.configure(company.known, clients=["other"])
    await company.becomes(token, let_in=False)
    assert not await company.lets_in(await company.known.forge(client_id=None))
    assert not await company.lets_in(await company.known.forge(client_id="other", azp=FRONT))
    await company.configure(company.known, clients=["other", FRONT])
    await company.becomes(token, let_in=True)
