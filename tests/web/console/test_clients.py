"""OAuth clients on the console, in a real browser."""

from playwright.async_api import expect

from web.browsing import Desk, line


async def test_registered_client_has_a_secret_that_works_and_is_shown_once(at: Desk) -> None:
    page = await at.at("clients")
    await page.get_by_role("button", name="Register client").click()
    await page.get_by_label("Client ID").fill("console_shop")
    await page.get_by_label("Name").fill("Console shop")
    await page.get_by_label("Web shop").check()
    await page.get_by_label("Scopes").fill("customers:read nonsense")
    await page.get_by_label("Reason").fill("New shop")
    await page.get_by_role("dialog").get_by_role("button", name="Register client").click()
    await expect(page.get_by_label("Scopes")).to_have_attribute("aria-invalid", "true")
    await page.get_by_label("Scopes").fill("")
    await page.get_by_label("Add a scope…").focus()
    # A key opens the list, and chooses nothing yet.
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_label("Scopes")).to_have_value("")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Scopes")).to_have_value("access:explain")
    await page.get_by_label("Add a scope…").select_option("customers:read")
    await expect(page.get_by_label("Scopes")).to_have_value("access:explain customers:read")
    await page.get_by_label("Scopes").fill("customers:read")
    await page.get_by_role("dialog").get_by_role("button", name="Register client").click()
    await expect(page.get_by_label("Secret", exact=True)).to_be_focused()
    secret = await page.get_by_label("Secret", exact=True).input_value()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Register client")).to_be_focused()

    form = {"grant_type": "client_credentials"}
    answer = await at.crm.http.post("/oauth/token", data=form, auth=("console_shop", secret))
    assert answer.status_code == 200
    await page.reload()
    await expect(line(page, "Console shop")).to_contain_text("1 secret")
    assert secret not in await page.content()
    await page.get_by_role("button", name="Take tokens back: Console shop").click()
    await page.get_by_label("Reason").fill("Leaked")
    await page.get_by_role("button", name="Take tokens back", exact=True).click()
    await expect(page.get_by_role("status").filter(has_text="All tokens of Console shop")).to_be_visible()
    assert await at.crm.count("clients WHERE client_id = 'console_shop' AND token_epoch = 1") == 1
    await page.get_by_role("button", name="Edit Console shop").click()
    await page.get_by_label("Scopes").fill("customers:read customers:write")
    await page.get_by_label("Reason").fill("It writes too")
    await page.get_by_role("button", name="Save").click()
    await expect(line(page, "Console shop")).to_contain_text("customers:write")
    await page.get_by_role("button", name="Suspend Console shop").click()
    await page.get_by_label("Reason").fill("Closed")
    await page.get_by_role("button", name="Suspend", exact=True).click()
    await expect(line(page, "Console shop")).to_contain_text("Suspended")
    answer = await at.crm.http.post("/oauth/token", data=form, auth=("console_shop", secret))
    assert answer.status_code == 401
