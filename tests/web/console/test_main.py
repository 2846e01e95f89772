"""The frame of the console in a real browser: signing in and out, both languages, what every section has to be."""

import json
import re
from pathlib import Path

from playwright.async_api import Page, Response, expect

from crm_graph.services.rights_proposals import VERBS
from crm_graph.web import assets as files
from web.administering import done, grant, new_role
from web.browsing import PUBLIC, Desk
from web.console.editing import READ_BASIC

MODULES = files.FOLDER / "console"
AXE = Path(__file__).parents[2] / "clients" / "node_modules" / "axe-core" / "axe.min.js"
SECTIONS = (
    "roles/sales_manager",
    "roles?type=Customer",
    "people",
    "clients",
    "issuers/new",
    "changes",
    "operations",
    "explain?as=role&who=service&type=Customer&field=phone",
    "simulate?role=sales&what=list&type=User",
    "simulate?role=sales&what=query",
)


async def shown(page: Page, where: str) -> None:
    """A section with all that it loads."""
    await page.goto(f"{PUBLIC}/console#/{where}")
    await page.locator("main :is(h1, table)").first.wait_for()
    await expect(page.locator(".loading")).to_have_count(0)


async def test_link_signs_in_once_and_signing_out_ends_it(at: Desk) -> None:
    page, link = await at.page(), await at.link("root")
    await page.goto(link)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Sales", level=1)).to_be_visible()

    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="You are not signed in.")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("link", name="Sign in")).to_have_attribute("href", "console/sign-in")


async def test_page_is_in_the_language_of_the_browser_and_can_be_switched(at: Desk) -> None:
    page = await at.at("roles/finance", language="zh-CN")
    await expect(page.get_by_role("navigation", name="栏目").get_by_role("link")).to_have_text(
        ["角色", "人员", "客户端", "签发者", "权限解释", "角色视角", "权限变更", "运行"]
    )
    await expect(page.get_by_role("heading", level=1)).to_have_text("财务")
    await expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    await expect(page.get_by_text("所有客户与合同的开票、收款信息")).to_be_visible()

    await page.get_by_role("button", name="English").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Finance")
    await page.reload()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Finance")


async def test_every_text_is_there_once_in_both_languages(at: Desk) -> None:
    page = await at.signed_in()
    folder = str(await page.locator("script").get_attribute("src")).removesuffix("main.js")
    read = "async (folder) => Object.values((await import(`/${folder}texts.js`)).ROOMS).map(Object.entries)"
    texts = [text for room in await page.evaluate(read, folder) for text in room]

    keys = [key for key, _ in texts]
    assert sorted(keys) == sorted(set(keys))
    assert [key for key, said in texts if len(said) != 2 or not all(said)] == []
    asked = [re.findall(r'\bt\("([^"]+)"', file.read_text(encoding="utf-8")) for file in MODULES.glob("*.js")]
    assert {key for one in asked for key in one} - set(keys) == set()
    assert {f"verb_{verb}" for verb in VERBS} - set(keys) == set()


async def test_who_has_no_rights_is_told_so_and_nothing_else(at: Desk) -> None:
    page = await at.signed_in("wang")
    await expect(page.get_by_role("heading", name="You have no rights here.")).to_be_visible()
    await expect(page.get_by_role("navigation").get_by_role("link")).to_have_count(0)
    await page.goto(f"{PUBLIC}/console#/clients")
    await expect(page.get_by_role("heading", name="You have no rights here.")).to_be_visible()


async def test_what_is_not_answered_is_told_in_place_and_can_be_sent_again(at: Desk) -> None:
    page = await at.at("clients")
    await page.get_by_role("button", name="Register client").click()
    await page.get_by_label("Client ID").fill("console_late")
    await page.get_by_label("Name").fill("Late")
    await page.get_by_label("Scopes").fill("customers:read")
    await page.get_by_label("Reason").fill("Late")
    register = page.get_by_role("dialog").get_by_role("button", name="Register client")
    await page.context.set_offline(True)
    await register.click()
    await expect(page.get_by_role("alert")).to_have_text("The hub cannot be reached.")
    await page.context.set_offline(False)
    await register.click()
    await expect(page.get_by_label("Secret", exact=True)).to_be_visible()


async def test_every_section_is_accessible(at: Desk) -> None:
    axe = AXE.read_text(encoding="utf-8")
    for who, where in [("mo", "audit"), *(("root", one) for one in SECTIONS)]:
        page = await at.signed_in(who)
        await shown(page, where)
        if where == "roles/sales_manager":
            await page.get_by_role("button", name="Edit", exact=True).click()
            await page.get_by_role("button", name="Fields of Customer · Team and below").click()
        await page.evaluate(axe)
        found = json.loads(await page.evaluate("axe.run().then(found => JSON.stringify(found.violations))"))
        assert [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in found] == []


async def test_every_section_fits_a_phone(at: Desk) -> None:
    for who, where in [("mo", "audit"), *(("root", one) for one in SECTIONS)]:
        page = await at.signed_in(who, size=(360, 740))
        await shown(page, where)
        assert await page.evaluate("document.documentElement.scrollWidth") == 360


async def test_what_people_wrote_is_text_and_never_runs(at: Desk) -> None:
    wrote = "<img src=x onerror=document.title='run'>"
    labels = {"zh": wrote, "en": wrote}
    await done(at.crm, "createRole", input=new_role("console_markup", grant(**READ_BASIC)) | {"label": labels})
    page = await at.at("roles/console_markup")
    await expect(page.get_by_role("heading", level=1)).to_have_text(wrote)
    await expect(page.locator("main img")).to_have_count(0)
    await expect(page).to_have_title("Console · crm-graph")


async def test_nothing_of_the_page_is_large(at: Desk) -> None:
    page = await at.page()
    sizes: list[Response] = []

    def keep(response: Response) -> None:
        sizes.append(response)

    page.on("response", keep)
    await page.goto(f"{PUBLIC}/console")
    await page.get_by_role("heading", name="You are not signed in.").wait_for()

    loaded = [one for one in sizes if one.request.resource_type in {"document", "script", "stylesheet", "image"}]
    assert sum([(await one.request.sizes())["responseBodySize"] for one in loaded]) < 85_000
