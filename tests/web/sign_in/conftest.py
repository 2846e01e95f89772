"""A browser that signs in to the console, at a real issuer or by a link."""

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

import asyncpg
import httpx
import pytest
from starlette.applications import Starlette

from crm_graph.app import signing_in
from crm_graph.db import write_engine
from crm_graph.hub import open_hub
from crm_graph.permissions.sessions import make_link
from crm_graph.web.sign_in import routes
from web.conftest import Answer, Crm, opened, serving, settings_of_own_database
from web.issuing import FRONT_CLIENT, GROUPS, SAVE, Issuer, Live, issuers, walk

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


@pytest.fixture(scope="session")
async def console(
    cluster_address: str, worker_id: str, tmp_path_factory: pytest.TempPathFactory, _plain_logs: None
) -> AsyncIterator[Console]:
    clock = Live()
    home: Path = tmp_path_factory.mktemp("sign-in")
    settings = await settings_of_own_database(cluster_address, worker_id, "sign_in", home)
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
