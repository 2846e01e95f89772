"""Edits that wait for a second approver on the console, in a real browser."""

from playwright.async_api import Page, expect

from web.administering import done, grant, new_role, role
from web.browsing import PUBLIC, Desk, desk, line
from web.conftest import Crm, hub_with
from web.console.editing import READ_BASIC, chosen, saved


async def test_edit_that_needs_a_second_approver_waits_until_somebody_else_approves_it_in_the_page(ruled: Crm) -> None:
    await done(ruled, "createRole", input=new_role("console_careful", grant(**READ_BASIC)))
    await done(ruled, "grantRole", user=str(ruled.users["sun"]), role="admin")
    settings = ruled.settings.model_copy(update={"issuer": PUBLIC, "rights_approval": True})
    async with hub_with(ruled, settings) as http, desk(ruled, str(http.base_url)) as at:
        page = await at.at("roles/console_careful")
        await page.get_by_role("button", name="Edit", exact=True).click()
        await chosen(page, "Customer · All: Metric", "READ")
        await saved(page, "For the board")
        await expect(page.get_by_role("status").filter(has_text="Proposed.")).to_be_visible()
        await page.get_by_text("1 edit waits for a second approver").click()
        await expect(page.get_by_role("button", name="Approve")).to_have_count(0)
        assert (await role(ruled, "console_careful"))["version"] == 1

        page = await at.at("roles/console_careful", who="sun")
        await page.goto(f"{PUBLIC}/console#/changes")
        await page.get_by_text("1 edit waits for a second approver").click()
        await expect(page.locator(".waiting .changes")).to_have_text("Customer · All Metric: Hidden → Read")
        await page.get_by_role("button", name="Approve: Role console_careful: grants").click()
        await page.get_by_role("dialog").get_by_role("button", name="Approve").click()
        await expect(page.get_by_label("Customer · All: Metric")).to_have_count(0)
        await expect(page.locator(".waiting")).to_have_count(0)
        assert (await role(ruled, "console_careful"))["version"] == 2
        page = await at.at("changes?about=console_careful", who="sun")
        await expect(line(page).first).to_contain_text("sunproposed by root")
        await page.goto(f"{PUBLIC}/console#/changes?what=rights")
        await expect(line(page, "Approved", "Role console_careful: grants")).to_be_visible()
        await _client_and_its_secrets_wait(at)
        await _issuer_waits(at)
        await at.end()
    await done(ruled, "revokeRole", user=str(ruled.users["sun"]), role="admin")


async def _client_and_its_secrets_wait(at: Desk) -> None:
    """The first secret comes with what was approved; the next one is shown at once and holds later."""
    page = await at.at("clients")
    await page.get_by_role("button", name="Register client").click()
    await page.get_by_label("Client ID").fill("console_slow")
    await page.get_by_label("Name").fill("Console slow")
    await page.get_by_label("Scopes").fill("customers:read")
    await page.get_by_label("Reason").fill("Slow")
    await page.get_by_role("dialog").get_by_role("button", name="Register client").click()
    await expect(page.get_by_role("status").filter(has_text="Proposed.")).to_be_visible()
    await _approved(at, "New client console_slow")
    page = await at.at("clients")
    await _rotated(page)
    first = await page.get_by_label("Secret", exact=True).input_value()
    await page.get_by_role("button", name="Close").click()
    await expect(line(page, "Console slow")).to_contain_text("1 secret")
    await _rotated(page)
    await expect(page.get_by_role("dialog")).to_contain_text("It holds once somebody else approves it.")
    second = await page.get_by_label("Secret", exact=True).input_value()
    assert await _tokens(at, first, second) == [200, 401]
    await _approved(at, "Client console_slow: new secret")
    assert await _tokens(at, first, second) == [200, 200]


async def _issuer_waits(at: Desk) -> None:
    """What gives rights is kept until it is approved, and its secret with it, untold."""
    url = "https://login.example.com/waiting"
    page = await at.at("issuers/new")
    await page.get_by_label("Name", exact=True).fill("Waiting")
    await page.get_by_label("URL", exact=True).fill(url)
    await page.get_by_label("Audiences").fill("urn:crm-graph")
    await page.get_by_label("Client secret").fill("s3cret")
    await page.get_by_label("Reason").fill("New provider")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("status").filter(has_text="Proposed.")).to_be_visible()
    assert await at.crm.count("issuers WHERE url = $1", url) == 0

    page = await at.at("issuers", who="sun")
    await page.get_by_text("1 edit waits for a second approver").click()
    await page.get_by_role("button", name=f"Approve: Issuer {url}: ").click()
    await page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    await expect(line(page, "Waiting")).to_contain_text("Active")


async def _rotated(page: Page) -> None:
    await page.get_by_role("button", name="Rotate secret of Console slow").click()
    await page.get_by_label("Reason").fill("Due")
    await page.get_by_role("dialog").get_by_role("button", name="Rotate secret").click()


async def _approved(at: Desk, what: str) -> None:
    page = await at.at("roles/console_careful", who="sun")
    await page.get_by_text("1 edit waits for a second approver").click()
    await page.get_by_role("button", name=f"Approve: {what}").click()
    await page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    await expect(page.locator(".waiting")).to_have_count(0)


async def _tokens(at: Desk, *secrets: str) -> list[int]:
    form = {"grant_type": "client_credentials"}
    asked = [at.crm.http.post("/oauth/token", data=form, auth=("console_slow", secret)) for secret in secrets]
    return [(await answer).status_code for answer in asked]
