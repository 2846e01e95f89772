"""Sign-in to the console by a link: once, for a time, and for who was meant."""

import asyncio
from datetime import timedelta

from crm_graph.permissions.sessions import LINK_LIFETIME

from .conftest import PUBLIC, Console


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
