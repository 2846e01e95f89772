"""What a session of the console is good for, for how long, and how many there are."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from crm_graph.app import build_app
from crm_graph.permissions.rate_limits import ADDRESS_FACTOR
from crm_graph.permissions.sessions import MAX_PER_USER
from web.administering import done
from web.conftest import serving

from .conftest import OWN, Console, cookies_of


async def test_a_session_is_no_credential_of_graphql(console: Console) -> None:
    async with console.browser() as browser:
        await console.follow(browser, await console.link("root"))
        secret = browser.cookies["crm_graph_session"]
        query = {"query": "{ users { totalCount } }"}
        answer = await browser.post("/graphql", json=query, headers=OWN)
        forced = await browser.post("/graphql", json=query, headers=OWN | {"Cookie": f"crm_graph_session={secret}"})

    assert (answer.status_code, forced.status_code) == (401, 401)
    assert "cookie" not in answer.request.headers


FOREIGN: dict[str, dict[str, str]] = {
    "by a form": {},
    "by a form of ours": {"Sec-Fetch-Site": "same-origin"},
    "by no browser": {"X-CRM-Graph-Console": "1"},
    "from another site": {"X-CRM-Graph-Console": "1", "Sec-Fetch-Site": "cross-site"},
    "from a neighbour": {"X-CRM-Graph-Console": "1", "Sec-Fetch-Site": "same-site"},
    "from another origin": {"X-CRM-Graph-Console": "1", "Origin": "https://evil.example.com"},
    "from no origin": {"X-CRM-Graph-Console": "1", "Origin": "null"},
}


@pytest.mark.parametrize("path", ["/console/token", "/console/sign-out"])
@pytest.mark.parametrize("way", FOREIGN)
async def test_only_a_script_of_our_own_page_uses_a_session(console: Console, path: str, way: str) -> None:
    async with console.browser() as browser:
        await console.follow(browser, await console.link("root"))
        answer = await browser.post(path, headers=FOREIGN[way])

        assert (answer.status_code, answer.json()) == (403, {"error": "invalid_request"})
        assert (await console.token(browser)).status_code == 200
    assert (await console.crm.http.options(path, headers={"Origin": "https://evil.example.com"})).status_code == 405


async def test_signing_out_ends_the_session_everywhere(console: Console) -> None:
    async with console.browser() as browser:
        await console.follow(browser, await console.link("root"))
        secret = browser.cookies["crm_graph_session"]
        answer = await browser.post("/console/sign-out", headers=OWN)
        kept = await console.token(browser, OWN | {"Cookie": f"crm_graph_session={secret}"})

    assert (answer.status_code, cookies_of(answer)["crm_graph_session"]["max-age"]) == (204, "0")
    assert (kept.status_code, kept.json()) == (401, {"error": "no_session"})


async def test_a_session_ends_with_its_time_its_user_and_its_issuer(console: Console) -> None:
    await console.issuer.knows("brief", groups=["crm-sales"])
    async with console.browser() as browser:
        await console.sign_in(browser, "brief")
        console.clock.by = timedelta(hours=8) - timedelta(seconds=60)
        short = (await console.token(browser)).json()
        assert short["expires_in"] <= 60
        console.clock.by = timedelta(hours=8, seconds=5)
        assert (await console.token(browser)).status_code == 401
        console.clock.by = timedelta()

        await console.configure(status="SUSPENDED")
        assert (await console.token(browser)).status_code == 401
        await console.configure()
        # The session went with it, for good.
        assert (await console.token(browser)).status_code == 401
        await console.sign_in(browser, "brief")
        assert (await console.token(browser)).status_code == 200

        suspend = "UPDATE users SET status = $1 WHERE username = 'brief'"
        await console.crm.database.execute(suspend, "SUSPENDED")
        assert (await console.token(browser)).status_code == 401
        await console.crm.database.execute(suspend, "ACTIVE")


async def test_a_suspension_ends_sessions_links_and_tokens_for_good(console: Console) -> None:
    user = str(console.crm.users["chen"])
    async with console.browser() as browser:
        await console.follow(browser, await console.link("chen"))
        unused = await console.link("chen")
        before = (await console.token(browser)).json()["access_token"]

        await done(console.crm, "suspendUser", user=user)
        await done(console.crm, "reinstateUser", user=user)

        assert (await console.token(browser)).status_code == 401
        assert (await console.follow(browser, unused)).status_code == 403
        await console.follow(browser, await console.link("chen"))
        after = (await console.token(browser)).json()["access_token"]
    query = {"query": "{ viewer { locale } }"}
    told = [
        await console.crm.http.post("/graphql", json=query, headers={"Authorization": f"Bearer {token}"})
        for token in (after, before)
    ]
    assert [answer.status_code for answer in told] == [200, 401]


async def test_a_user_has_a_bounded_number_of_sessions(console: Console) -> None:
    async with console.browser() as first, console.browser() as browser:
        await console.follow(first, await console.link("qian"))
        for _ in range(MAX_PER_USER):
            await console.follow(browser, await console.link("qian"))

        assert (await console.token(first)).status_code == 401
        assert (await console.token(browser)).status_code == 200
    assert await console.crm.count("sessions WHERE user_id = $1", console.crm.users["qian"]) == MAX_PER_USER


@asynccontextmanager
async def limited(console: Console, **more: Any) -> AsyncIterator[Console]:
    """The same hub, where one proof in a minute may be wrong."""
    settings = console.crm.settings.model_copy(update={"token_requests_per_minute": 1, **more})
    async with serving(build_app(settings, clock=console.clock, monotonic=console.clock.monotonic)) as http:
        yield replace(console, crm=replace(console.crm, http=http, settings=settings))


async def test_answers_that_the_issuer_did_not_give_are_limited_and_keep_nobody_out(console: Console) -> None:
    await console.issuer.knows("limited", groups=["crm-sales"])
    async with limited(console) as here, here.browser() as forger, here.browser() as browser:
        unasked = [await forger.get("/console/callback?code=x&state=y") for _ in range(2 * ADDRESS_FACTOR)]
        state = parse_qs(urlsplit(await here.leave(forger)).query)["state"][0]
        made_up = [await forger.get(f"/console/callback?code=x&state={state}") for _ in range(3)]

        assert {answer.status_code for answer in unasked} == {403}
        assert [answer.status_code for answer in made_up] == [403, 429, 429]
        assert (await here.sign_in(browser, "limited")).status_code == 303
        assert (await here.token(browser)).status_code == 200


async def test_links_that_are_none_are_limited_and_keep_nobody_out(console: Console) -> None:
    async with limited(console) as here, here.browser() as browser:
        guesses = [await here.follow(browser, f"/console/link?token={'x' * 43}") for _ in range(3)]

        assert [answer.status_code for answer in guesses] == [403, 429, 429]
        assert (await here.follow(browser, await here.link("root"))).status_code == 303


@pytest.mark.parametrize(("path", "miss"), [("/console/token", 401), ("/console/sign-out", 204)])
async def test_secrets_that_are_none_are_limited_by_address(console: Console, path: str, miss: int) -> None:
    def cookie(secret: str) -> dict[str, str]:
        return OWN | {"Cookie": f"crm_graph_session={secret}"}

    async with limited(console) as here, here.browser() as browser:
        http = here.crm.http
        malformed = [await http.post(path, headers=cookie("x" * n)) for n in (0, 42, 44) for _ in range(ADDRESS_FACTOR)]
        missed = await http.post(path, headers=cookie("x" * 43))
        over = await http.post(path, headers=cookie("y" * 43))
        beside = await http.get("/console/callback?code=x&state=y")
        await here.follow(browser, await here.link("root"))
        right = await browser.post(path, headers=OWN)

    assert {answer.status_code for answer in (*malformed, missed)} == {miss}
    assert right.status_code in {200, 204}
    assert (over.status_code, over.json()) == (429, {"error": "too_many_requests"})
    assert int(over.headers["retry-after"]) in range(1, 61)
    assert beside.status_code == 403


async def test_a_session_does_not_count_as_a_miss(console: Console) -> None:
    settings = console.crm.settings.model_copy(update={"token_requests_per_minute": 1})
    async with console.browser() as browser:
        await console.follow(browser, await console.link("root"))
        own = OWN | {"Cookie": f"crm_graph_session={browser.cookies['crm_graph_session']}"}
    async with serving(build_app(settings, clock=console.clock, monotonic=console.clock.monotonic)) as http:
        answers = [await http.post("/console/token", headers=own) for _ in range(2 * ADDRESS_FACTOR)]

    assert {answer.status_code for answer in answers} == {200}


async def test_what_is_no_secret_does_not_reach_the_database(console: Console, unreachable: httpx.AsyncClient) -> None:
    for secret in ("", "x" * 42, "x" * 44):
        cookie = OWN | {"Cookie": f"crm_graph_session={secret}"}
        assert (await unreachable.post("/console/token", headers=cookie)).status_code == 401
        assert (await unreachable.post("/console/sign-out", headers=cookie)).status_code == 204
    known = OWN | {"Cookie": f"crm_graph_session={'x' * 43}"}
    assert (await unreachable.post("/console/token", headers=known)).status_code == 503
    assert (await unreachable.post("/console/sign-out", headers=known)).status_code == 503
