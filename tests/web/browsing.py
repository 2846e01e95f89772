"""A real browser for tests of pages: Debian's Chromium, driven by Playwright, and what a page did in it."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Request, async_playwright

from crm_graph.permissions.sessions import make_link
from web.conftest import Crm, hub_with

PUBLIC = "http://crm.localhost"
"""Where the browser finds the hub. A name below localhost is as trustworthy to it as HTTPS."""
WIDE = (1280, 800)
_FAILED = "Failed to load resource: "
EXPECTED = (f"{_FAILED}the server responded with a status of 4", f"{_FAILED}net::ERR_INTERNET_DISCONNECTED")
"""What Chromium says of every answer that refuses something, and of none, however well the page takes it."""
MISSING = "the tests of pages need Chromium: apt-get update && apt-get install chromium"


@dataclass
class Seen:
    """What a page complained about, and which hosts it asked."""

    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def watch(self, page: Page) -> None:
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._asked)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(EXPECTED):
            self.complaints.append(message.text)

    def _asked(self, request: Request) -> None:
        self.hosts.add(urlsplit(request.url).netloc)


@dataclass
class Desk:
    """A browser in front of a hub."""

    crm: Crm
    browser: Browser
    seen: Seen = field(default_factory=Seen)
    cookies: dict[str, Any] = field(default_factory=dict)

    async def link(self, who: str) -> str:
        secret = await make_link(self.crm.database, self.crm.users[who], now=self.crm.clock())
        return f"{PUBLIC}/console/link?token={secret}"

    async def page(self, language: str = "en-GB", size: tuple[int, int] = WIDE, cookies: Any = None) -> Page:
        """An empty page in a browser that knows nothing of earlier ones, but for cookies."""
        width, height = size
        context = await self.browser.new_context(
            locale=language, viewport={"width": width, "height": height}, storage_state=cookies
        )
        context.set_default_timeout(20_000)
        page = await context.new_page()
        self.seen.watch(page)
        return page

    async def signed_in(self, who: str = "root", language: str = "en-GB", size: tuple[int, int] = WIDE) -> Page:
        """The console as somebody sees it who has followed a link that serves once, in this test or an earlier one."""
        page = await self.page(language, size, self.cookies.get(who))
        if who in self.cookies:
            await page.goto(f"{PUBLIC}/console")
            return page
        await page.goto(await self.link(who))
        await page.get_by_role("button").click()
        await page.wait_for_url(f"{PUBLIC}/console")
        self.cookies[who] = await page.context.storage_state()
        return page

    async def at(self, where: str, who: str = "root", language: str = "en-GB") -> Page:
        """A section of the console, once it is there."""
        page = await self.signed_in(who, language)
        await page.goto(f"{PUBLIC}/console#/{where}")
        await page.locator("main :is(h1, table)").first.wait_for()
        return page

    async def end(self) -> None:
        """Close every page, and tell what they should not have done."""
        for context in self.browser.contexts:
            await context.close()
        seen, self.seen = self.seen, Seen()
        assert seen.complaints == []
        assert seen.hosts <= {urlsplit(PUBLIC).netloc}


@asynccontextmanager
async def desk(crm: Crm, address: str) -> AsyncIterator[Desk]:
    """A browser that finds the hub at this address under its public name."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail(MISSING)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium,
            args=[f"--host-resolver-rules=MAP crm.localhost {urlsplit(address).netloc}", "--disable-gpu"],
        )
        try:
            yield Desk(crm, browser)
        finally:
            async with asyncio.timeout(30):
                await browser.close()


@asynccontextmanager
async def beside(crm: Crm) -> AsyncIterator[Desk]:
    """A desk at a hub beside the one that the API is asked at, so that what a page does has to hold in both."""
    settings = crm.settings.model_copy(update={"issuer": PUBLIC, "token_requests_per_minute": 0})
    async with hub_with(crm, settings) as http, desk(crm, str(http.base_url)) as made:
        yield made


def line(page: Page, *said: str) -> Locator:
    """The row of a table that says all of this."""
    row = page.locator("tbody > tr:not(.detail)")
    for text in said:
        row = row.filter(has_text=text)
    return row
