"""People and their roles on the console, in a real browser."""

from playwright.async_api import expect

from web.administering import done, grant, new_role
from web.browsing import PUBLIC, Desk, line
from web.console.editing import READ_BASIC


async def test_role_is_given_for_a_time_found_by_its_holders_and_taken(at: Desk) -> None:
    await done(at.crm, "createRole", input=new_role("console_guest", grant(**READ_BASIC)))
    page = await at.at("people?search=qian")
    await page.get_by_role("button", name="Give a role: qian").click()
    await page.get_by_label("Role", exact=True).select_option("console_guest")
    await page.get_by_label("Ends").fill("2099-01-31T12:00")
    await page.get_by_label("Reason").fill("Audit week")
    await page.get_by_role("button", name="Give", exact=True).click()
    await expect(line(page, "qian")).to_contain_text("until 31 Jan 2099")

    await page.goto(f"{PUBLIC}/console#/people?role=console_guest")
    await expect(line(page)).to_have_count(1)
    await page.get_by_role("button", name="Take Role console_guest from qian").click()
    await page.get_by_label("Reason").fill("Audit is over")
    await page.get_by_role("button", name="Take", exact=True).click()
    await expect(page.get_by_text("Nobody found.")).to_be_visible()


async def test_focus_stays_where_one_was_when_the_page_is_drawn_anew(at: Desk) -> None:
    page = await at.at("people?search=qian")
    keys = page.keyboard
    await page.get_by_role("button", name="Suspend qian").focus()
    await keys.press("Enter")
    await keys.type("Away")
    await keys.press("Enter")
    await expect(line(page, "qian")).to_contain_text("Suspended")
    # What had the focus is gone: Tab goes on in the content.
    await expect(page.locator("main")).to_be_focused()
    await page.get_by_role("button", name="Resume qian").focus()
    await keys.press("Enter")
    await keys.type("Back")
    await keys.press("Enter")
    await expect(line(page, "qian")).to_contain_text("Active")
    await page.get_by_role("button", name="Give a role: qian").focus()
    await keys.press("Enter")
    await page.get_by_label("Role", exact=True).select_option("analyst")
    await page.get_by_label("Reason").fill("Month end")
    await keys.press("Enter")
    await expect(line(page, "qian")).to_contain_text("Analyst")
    await expect(page.get_by_role("button", name="Give a role: qian")).to_be_focused()
    await done(at.crm, "revokeRole", user=str(at.crm.users["qian"]), role="analyst")
    await page.get_by_role("link", name="Roles", exact=True).focus()
    await keys.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_be_focused()
