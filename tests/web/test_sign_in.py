"""Sign-in to the console as a browser does it, at a real issuer or by a link, and what no other page can do with it."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from html import escape
from http.cookies import SimpleCookie
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx
import pytest
from starlette.applications import Starlette

from crm_graph.app import build_app, signing_in
from crm_graph.db import write_engine
from crm_graph.hub import open_hub
from crm_graph.permissions.authorization_server import ADDRESS_FACTOR
from crm_graph.permissions.sessions import LINK_LIFETIME, MAX_PER_USER, make_link
from crm_graph.permissions.sign_in import ATTEMPT_LIFETIME_S
from crm_graph.web.sign_in import routes

from .conftest import Answer, Crm, opened, serving, settings_of_own_database
from .issuing import FRONT_CLIENT, Issuer, Live, issuers, walk
from .test_people import GROUPS, SAVE

OWN = {"X-CRM-Graph-Console": "1", "Sec-Fetch-Site": "same-origin"}
PUBLIC = "http://crm.example.com"
CALLBACK = f"{PUBLIC}/console/callback"
SECRET = "the secret of the console & more"
_MORE = ("Client", "Secret", "Scope")
SIGN_IN = (
    SAVE.replace("$status:", "".join(f"$signIn{name}: String, " for name in _MORE) + "$status:")
    .replace("status: $status", "".join(f"signIn{name}: $signIn{name}, " for name in _MORE) + "status: $status")
    .replace("roleMap {", "signInClient signInScope hasSignInSecret roleMap {")
)


@dataclass
class Console:
    """A hub, whose public address is in front of it, and an issuer that knows it as a client."""

    crm: Crm
    clock: Live
    issuer: Issuer
    names: Iterator[int] = field(default_factory=count)

    async def configure(self, **variables: Any) -> Any:
        given = {
            "url": self.issuer.url, "audiences": ["crm-graph"], "map": GROUPS, "status": "ACTIVE",
            "signInClient": "console", "signInSecret": None, "signInScope": "openid profile email groups", **variables,
        }  # fmt: skip
        given["name"] = f"Staff & Co {next(self.names)}"
        payload = (await self.crm.ask("root", SIGN_IN, given)).payload("saveIssuer")
        assert payload["errors"] == []
        offered = given["status"] == "ACTIVE" and given["signInClient"] is not None
        shown = escape(given["name"]) if offered else await self.issuer_id()
        async with asyncio.timeout(1), self.browser() as browser:
            while (shown in (await browser.get("/console/sign-in")).text) != offered:
                pass
        return payload["issuer"]

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[httpx.AsyncClient]:
        async with httpx.AsyncClient(base_url=self.crm.http.base_url, timeout=30) as http:
            yield http

    async def issuer_id(self) -> str:
        return str(await self.crm.database.fetchval("SELECT id FROM issuers WHERE url = $1", self.issuer.url))

    async def leave(self, browser: httpx.AsyncClient) -> str:
        """Click on the issuer; gives where that leads."""
        answer = await browser.get(f"/console/sign-in/{await self.issuer_id()}")
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    async def come_back(self, browser: httpx.AsyncClient, subject: str) -> str:
        """Leave, and sign in there; gives the address that the issuer sends the browser back to."""
        async with httpx.AsyncClient(timeout=30) as elsewhere:
            return await walk(await self.leave(browser), subject, CALLBACK, elsewhere)

    async def sign_in(self, browser: httpx.AsyncClient, subject: str) -> httpx.Response:
        return await browser.get(path_of(await self.come_back(browser, subject)))

    async def link(self, who: str) -> str:
        secret = await make_link(self.crm.database, self.crm.users[who], now=self.clock())
        return f"/console/link?token={secret}"

    async def follow(self, browser: httpx.AsyncClient, link: str, **headers: str) -> httpx.Response:
        """Press the button of a link's page."""
        page = await browser.get(link)
        token = re.search(r'name="token" value="([^"]*)"', page.text)
        assert token is not None
        form = {"token": token[1]}
        return await browser.post("/console/link", data=form, headers={"Sec-Fetch-Site": "same-origin"} | headers)

    async def token(self, browser: httpx.AsyncClient, headers: dict[str, str] | None = None) -> httpx.Response:
        return await browser.post("/console/token", headers=OWN if headers is None else headers)

    async def ask(self, token: str, query: str) -> Answer:
        headers = {"Authorization": f"Bearer {token}"}
        return Answer(await self.crm.http.post("/graphql", json={"query": query}, headers=headers))


@pytest.fixture(scope="module")
async def console(
    cluster_address: str, worker_id: str, tmp_path_factory: pytest.TempPathFactory, _plain_logs: None
) -> AsyncIterator[Console]:
    clock = Live()
    home: Path = tmp_path_factory.mktemp("sign-in")
    settings = await settings_of_own_database(cluster_address, worker_id, "sign_in", home)
    settings = settings.model_copy(update={"token_requests_per_minute": 0})
    settings = settings.model_copy(update={"issuer": PUBLIC, "token_requests_per_minute": 0})
    async with issuers(1) as (issuer,), opened(settings, clock, clock.monotonic) as crm:
        public = FRONT_CLIENT | {"client_id": "console", "redirect_uris": [CALLBACK]}
        basic = public | {"client_id": "desk", "client_secret": SECRET, **_by("client_secret_basic")}
        await issuer.tell(clients=[public, basic])
        made = Console(crm, clock, issuer)
        await made.configure()
        yield made


def _by(method: str) -> dict[str, str]:
    return {"token_endpoint_auth_method": method}


@pytest.fixture(autouse=True)
async def _as_before(console: Console) -> AsyncIterator[None]:
    yield
    console.clock.by = timedelta()
    await console.issuer.tell(answers={})


@pytest.fixture
async def unreachable(console: Console) -> AsyncIterator[httpx.AsyncClient]:
    """A hub whose database went away for sign-in."""
    nowhere = await asyncpg.create_pool("postgresql://127.0.0.1:1/nowhere", min_size=0)
    engine = write_engine("postgresql://127.0.0.1:1/nowhere", console.crm.settings)
    async with open_hub(console.crm.settings, clock=console.clock) as hub:
        made = replace(signing_in(hub), pool=nowhere, engine=engine)
        async with serving(Starlette(routes=routes(made))) as http:
            yield http
    await nowhere.close()
    await engine.dispose()


def path_of(url: str) -> str:
    """What the hub is asked, of an address under its public one."""
    assert url.startswith(PUBLIC + "/console")
    return url.removeprefix(PUBLIC)


def cookies_of(answer: httpx.Response) -> dict[str, dict[str, str]]:
    """The cookies that an answer sets: value and attributes by name."""
    set_ = [SimpleCookie(line) for line in answer.headers.get_list("set-cookie")]
    return {
        name: {"value": morsel.value, **{k: str(v) for k, v in morsel.items() if v}}
        for cookie in set_
        for name, morsel in cookie.items()
    }


# At an issuer.


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


# By a link.


async def test_a_link_signs_in_once(console: Console) -> None:
    link = await console.link("root")
    async with console.browser() as browser, console.browser() as second:
        looked = [await browser.get(link) for _ in range(2)]
        landed = await console.follow(browser, link)
        token = (await console.token(browser)).json()["access_token"]
        again = await console.follow(second, link)

    assert [answer.status_code for answer in looked] == [200, 200]
    assert (landed.status_code, landed.headers["location"]) == (303, f"{PUBLIC}/console")
    assert (await console.ask(token, "{ users { totalCount } }")).data is not None
    assert again.status_code == 403
    assert "This link was used" in again.text


async def test_the_page_of_a_link_tells_a_browser_to_name_its_origin(console: Console) -> None:
    """By that it is known where there is no Sec-Fetch-Site; under `no-referrer` a form would say `null`."""
    async with console.browser() as browser:
        page, other = await browser.get(await console.link("root")), await browser.get("/console/sign-in")

    assert page.headers["referrer-policy"] == "same-origin"
    assert other.headers["referrer-policy"] == "no-referrer"


async def test_of_many_who_use_a_link_at_once_one_is_signed_in(console: Console) -> None:
    link = await console.link("root")
    async with console.browser() as browser:
        answers = await asyncio.gather(*(console.follow(browser, link) for _ in range(10)))

    assert sorted(answer.status_code for answer in answers) == [303] + [403] * 9


async def test_a_link_ends_and_is_not_for_who_has_been_suspended(console: Console) -> None:
    async with console.browser() as browser:
        old = await console.link("root")
        console.clock.by = LINK_LIFETIME + timedelta(seconds=1)
        assert (await console.follow(browser, old)).status_code == 403
        console.clock.by = timedelta()
        of_li = await console.link("li")
        await console.crm.database.execute("UPDATE users SET status = 'SUSPENDED' WHERE username = 'li'")
        assert (await console.follow(browser, of_li)).status_code == 403
        await console.crm.database.execute("UPDATE users SET status = 'ACTIVE' WHERE username = 'li'")


async def test_no_other_site_can_sign_a_browser_in(console: Console) -> None:
    async with console.browser() as browser:
        for headers in (
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "none"},
        ):
            assert (await console.follow(browser, await console.link("root"), **headers)).status_code == 403
        token = (await console.link("root")).partition("=")[2]
        for origin in ("https://evil.example.com", "null", ""):
            answer = await browser.post("/console/link", data={"token": token}, headers={"Origin": origin})
            assert answer.status_code == 403
        own = await browser.post("/console/link", data={"token": token}, headers={"Origin": PUBLIC})
        assert own.status_code == 303


# What a session is good for.


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
        assert (await console.token(browser)).status_code == 200

        suspend = "UPDATE users SET status = $1 WHERE username = 'brief'"
        await console.crm.database.execute(suspend, "SUSPENDED")
        assert (await console.token(browser)).status_code == 401
        await console.crm.database.execute(suspend, "ACTIVE")


async def test_a_user_has_a_bounded_number_of_sessions(console: Console) -> None:
    async with console.browser() as first, console.browser() as browser:
        await console.follow(first, await console.link("qian"))
        for _ in range(MAX_PER_USER):
            await console.follow(browser, await console.link("qian"))

        assert (await console.token(first)).status_code == 401
        assert (await console.token(browser)).status_code == 200
    assert await console.crm.count("sessions WHERE user_id = $1", console.crm.users["qian"]) == MAX_PER_USER


async def test_attempts_from_one_address_are_limited(console: Console) -> None:
    settings = console.crm.settings.model_copy(update={"token_requests_per_minute": 1})
    async with serving(build_app(settings, clock=console.clock, monotonic=console.clock.monotonic)) as http:
        answers = [await http.get("/console/callback?code=x&state=y") for _ in range(ADDRESS_FACTOR + 1)]

    assert [answer.status_code for answer in answers] == [403] * ADDRESS_FACTOR + [429]


@pytest.mark.parametrize(("path", "miss"), [("/console/token", 401), ("/console/sign-out", 204)])
async def test_secrets_that_are_none_are_limited_by_address(console: Console, path: str, miss: int) -> None:
    settings = console.crm.settings.model_copy(update={"token_requests_per_minute": 1})

    def cookie(secret: str) -> dict[str, str]:
        return OWN | {"Cookie": f"crm_graph_session={secret}"}

    async with serving(build_app(settings, clock=console.clock, monotonic=console.clock.monotonic)) as http:
        malformed = [await http.post(path, headers=cookie("x" * n)) for n in (0, 42, 44) for _ in range(ADDRESS_FACTOR)]
        missed = [await http.post(path, headers=cookie("x" * 43)) for _ in range(ADDRESS_FACTOR)]
        over = await http.post(path, headers=cookie("y" * 43))
        beside = await http.get("/console/callback?code=x&state=y")

    assert {answer.status_code for answer in (*malformed, *missed)} == {miss}
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
