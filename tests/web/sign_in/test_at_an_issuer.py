"""Sign-in to the console at an issuer, as a browser does it, and what no other page can do with it."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from crm_graph.app import build_app
from crm_graph.permissions.sign_in import ATTEMPT_LIFETIME_S
from web.conftest import serving

from .conftest import PUBLIC, SECRET, Console, cookies_of, path_of


async def test_the_page_offers_each_issuer_that_knows_us_in_the_language_of_the_browser(console: Console) -> None:
    async with console.browser() as browser:
        english = await browser.get("/console/sign-in")
        chinese = await browser.get("/console/sign-in", headers={"Accept-Language": "zh-CN"})

    link = f'<a href="{PUBLIC}/console/sign-in/{await console.issuer_id()}">'
    assert re.search(link + r"Sign in with Staff &amp; Co \d+</a>", english.text)
    assert re.search(link + r"使用 Staff &amp; Co \d+ 登录</a>", chinese.text)
    assert "frame-ancestors 'none'" in english.headers["content-security-policy"]
    assert english.headers["cache-control"] == "no-store"


async def test_who_signs_in_at_an_issuer_gets_a_session_and_for_it_a_token_with_their_rights(console: Console) -> None:
    await console.issuer.knows("lin", name="Lin", email="lin@example.com", groups=["crm-sales"])
    async with console.browser() as browser:
        landed = await console.sign_in(browser, "lin")
        answer = await console.token(browser)
    told = answer.json()

    assert (landed.status_code, landed.headers["location"]) == (303, f"{PUBLIC}/console")
    assert (answer.status_code, told["token_type"], told["expires_in"]) == (200, "Bearer", 300)
    assert answer.headers["cache-control"] == "no-store"
    assert (await console.ask(told["access_token"], "{ leads { totalCount } }")).data is not None
    refused = await console.ask(told["access_token"], "{ contracts { nodes { bankAccount } } }")
    assert refused.error[1] == "VALIDATION_FAILED"
    row = await console.crm.database.fetchrow("SELECT name, email, username FROM users WHERE name = 'Lin'")
    assert row is not None
    assert dict(row) == {"name": "Lin", "email": "lin@example.com", "username": "lin@example.com"}


async def test_a_confidential_client_shows_its_secret_which_the_api_never_tells(console: Console) -> None:
    await console.issuer.knows("desk", groups=["crm-sales"])

    issuer = await console.configure(signInClient="desk", signInSecret=SECRET)

    assert (issuer["signInClient"], issuer["hasSignInSecret"]) == ("desk", True)
    events = await console.crm.events(await console.issuer_id())
    assert SECRET not in repr(events)
    async with console.browser() as browser:
        assert (await console.sign_in(browser, "desk")).status_code == 303
    await console.configure(signInClient="desk", signInSecret="another")
    async with console.browser() as browser:
        assert (await console.sign_in(browser, "desk")).status_code == 403
    await console.configure()


async def test_cookies_are_for_the_console_alone_and_no_script_reads_them(console: Console) -> None:
    await console.issuer.knows("crumb", groups=["crm-sales"])
    async with console.browser() as browser:
        left = cookies_of(await browser.get(f"/console/sign-in/{await console.issuer_id()}"))
        landed = cookies_of(await console.sign_in(browser, "crumb"))
        await console.sign_in(browser, "crumb")

    attempt, session = left["crm_graph_attempt"], landed["crm_graph_session"]
    assert {k: attempt[k] for k in ("path", "samesite", "httponly", "max-age")} == {
        "path": "/console", "samesite": "lax", "httponly": "True", "max-age": str(ATTEMPT_LIFETIME_S)
    }  # fmt: skip
    assert {k: session[k] for k in ("path", "samesite", "httponly", "max-age")} == {
        "path": "/console", "samesite": "strict", "httponly": "True", "max-age": "28800"
    }  # fmt: skip
    assert landed["crm_graph_attempt"]["value"] == ""
    digests = await console.crm.database.fetch("SELECT digest FROM sessions")
    assert not any(session["value"].encode() in row["digest"] for row in digests)


async def test_behind_https_cookies_are_secure(console: Console) -> None:
    settings = console.crm.settings.model_copy(update={"issuer": "https://crm.example.com/hub"})
    async with serving(build_app(settings, clock=console.clock, monotonic=console.clock.monotonic)) as http:
        page = await http.get("/console/sign-in")
        answer = await http.get(f"/console/sign-in/{await console.issuer_id()}")

    attempt = cookies_of(answer)["__Secure-crm_graph_attempt"]
    assert (attempt["secure"], attempt["path"]) == ("True", "/hub/console")
    assert 'href="https://crm.example.com/hub/console/sign-in/' in page.text
    redirect = parse_qs(urlsplit(answer.headers["location"]).query)
    assert redirect["redirect_uri"] == ["https://crm.example.com/hub/console/callback"]


async def test_who_has_no_role_is_told_so_and_gets_no_session(console: Console) -> None:
    await console.issuer.knows("guest", groups=["canteen"])
    async with console.browser() as browser:
        answer = await console.sign_in(browser, "guest")

        assert answer.status_code == 403
        assert "You have no role here." in answer.text
        assert (await console.token(browser)).status_code == 401


async def test_an_answer_that_was_not_asked_for_in_this_browser_signs_nobody_in(console: Console) -> None:
    await console.issuer.knows("victim", groups=["crm-sales"])
    async with console.browser() as browser, console.browser() as other:
        back = await console.come_back(browser, "victim")
        query = parse_qs(urlsplit(back).query)
        without = await other.get(path_of(back))
        await console.leave(other)
        of_another = await other.get(path_of(back))
        forged = {name: values[0] for name, values in query.items()}
        wrong = [
            await browser.get("/console/callback", params=forged | {"state": "x"}),
            await browser.get("/console/callback", params=forged | {"iss": "https://evil.example.com"}),
            await browser.get("/console/callback", params={k: v for k, v in forged.items() if k != "iss"}),
            await browser.get("/console/callback", params=forged | {"code": "x"}),
            await browser.get("/console/callback", params={k: v for k, v in forged.items() if k != "code"}),
            await browser.get(path_of(back) + "&code=y"),
            await browser.get("/console/callback", params={"error": "access_denied", "state": forged["state"]}),
        ]

    answers = [without, of_another, *wrong]
    assert [a.status_code for a in answers] == [403] * len(answers)
    assert all("crm_graph_session" not in cookies_of(a) for a in answers)
    assert "evil" not in "".join(a.text for a in answers)


async def test_a_code_serves_once_and_only_for_ten_minutes(console: Console) -> None:
    await console.issuer.knows("late", groups=["crm-sales"])
    async with console.browser() as browser:
        back = path_of(await console.come_back(browser, "late"))
        attempt = browser.cookies["crm_graph_attempt"]
        assert (await browser.get(back)).status_code == 303
        again = await browser.get(back, headers={"Cookie": f"crm_graph_attempt={attempt}"})
        slow = path_of(await console.come_back(browser, "late"))
        console.clock.by = timedelta(seconds=ATTEMPT_LIFETIME_S + 2)
        too_late = await browser.get(slow)

    assert (again.status_code, too_late.status_code) == (403, 403)


WRONG_CLAIMS: dict[str, dict[str, Any]] = {
    "another nonce": {"nonce": "other"},
    "another audience": {"aud": "other"},
    "several audiences and no client": {"aud": ["console", "other"], "azp": None},
    "another client": {"azp": "other"},
    "another issuer": {"iss": "https://x.example.com"},
    "expired": {"exp": 1},
    "issued later": {"iat": 4_000_000_000},
    "no subject": {"sub": None},
}


@pytest.mark.parametrize("wrong", WRONG_CLAIMS)
async def test_an_id_token_that_is_not_for_this_sign_in_signs_nobody_in(console: Console, wrong: str) -> None:
    async with console.browser() as browser:
        asked = parse_qs(urlsplit(await console.leave(browser)).query)
        own: dict[str, Any] = {"aud": "console", "nonce": asked["nonce"][0], "azp": "console", "client_id": None}
        back = {"code": "c", "state": asked["state"][0], "iss": console.issuer.url}

        async def answers(**said: Any) -> httpx.Response:
            token = await console.issuer.forge({"typ": None}, **said)
            await console.issuer.tell(answers={"/token": {"json": {"id_token": token}}})
            return await browser.get("/console/callback", params=back)

        refused = await answers(**own | WRONG_CLAIMS[wrong])
        taken = await answers(**own)

    assert (refused.status_code, taken.status_code) == (403, 303)


async def test_an_issuer_that_is_down_is_told_of_and_leaves_nobody_signed_in(console: Console) -> None:
    await console.issuer.knows("down", groups=["crm-sales"])
    async with console.browser() as browser:
        back = path_of(await console.come_back(browser, "down"))
        await console.issuer.tell(answers={"/token": {"status": 500, "json": {}}})
        answer = await browser.get(back)

    assert answer.status_code == 403
    assert "Try again" in answer.text


async def test_unknown_issuers_lead_nowhere(console: Console) -> None:
    async with console.browser() as browser:
        unknown = await browser.get("/console/sign-in/00000000-0000-7000-8000-000000000000")
        malformed = await browser.get("/console/sign-in/https:%2F%2Fevil.example.com")
        await console.configure(signInClient=None)
        assert (await browser.get(f"/console/sign-in/{await console.issuer_id()}")).status_code == 403
        page = await browser.get("/console/sign-in")
    await console.configure()

    assert (unknown.status_code, malformed.status_code) == (403, 404)
    assert "No issuer is set up for this page yet." in page.text
