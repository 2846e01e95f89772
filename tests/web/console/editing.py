"""What tests that edit a role on the console share."""

from typing import Any

from playwright.async_api import Page

READ_BASIC: dict[str, Any] = {"levels": [{"dataClass": "BASIC", "level": "READ"}]}


async def chosen(page: Page, label: str, level: str) -> None:
    await page.get_by_label(label, exact=True).select_option(level)


async def saved(page: Page, reason: str) -> None:
    await page.get_by_role("button", name="Preview and save").click()
    await page.get_by_label("Reason").fill(reason)
    await page.get_by_role("button", name="Save", exact=True).click()
