"""Explanations on the console, in a real browser."""

from playwright.async_api import expect

from web.browsing import Desk, line


async def test_explains_which_grant_decides(at: Desk) -> None:
    page = await at.at("explain")
    await page.get_by_label("Role", exact=True).select_option("service")
    await page.get_by_label("Type").select_option("Customer")
    await page.get_by_label("Field").fill("phone")
    await page.get_by_role("button", name="Explain").click()

    await expect(page.locator(".verdict")).to_contain_text("phone in full")
    rows = page.get_by_role("region", name="Grants on this type").locator("tbody tr")
    await expect(rows.locator("td[data-state]")).to_have_text(["Lookup", "Read"])
    await expect(rows.filter(has_text="decides")).to_contain_text("Condition")
    await expect(rows.last.locator(".words")).to_contain_text("one of the tickets is such that")
    await expect(line(page, "Finance").last).to_contain_text("Read")
    await page.get_by_label("Field").fill("nonsense")
    await page.get_by_role("button", name="Explain").click()
    await expect(page.get_by_role("alert").locator("code")).to_have_text("field")
