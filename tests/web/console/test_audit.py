"""Audited reads on the console, in a real browser."""

from playwright.async_api import expect

from web.browsing import PUBLIC, Desk, line

LOOKUP = "query ($v: String!) { lookup(type: CUSTOMER, field: PHONE, value: $v) { id } }"


async def test_auditor_is_offered_the_audit_and_an_administrator_is_not(at: Desk) -> None:
    page = await at.at("audit", who="mo")
    names = page.get_by_role("navigation", name="Sections").get_by_role("link")
    await expect(names).to_have_text(["Roles", "People", "Issuers", "Explain", "Changes", "Audit"])
    page = await at.at("audit")
    await expect(page.get_by_text("Your roles do not include this.")).to_be_visible()
    await expect(page.get_by_role("link", name="Audit")).to_have_count(0)


async def test_auditor_finds_who_looked_up_what_and_follows_it(at: Desk) -> None:
    crm = at.crm
    made = await crm.make("sun", "customer", kind="PERSON", name="审计页", phone="13871945001")
    for _ in range(51):
        await crm.ask("zhao", LOOKUP, {"v": "13871945002"})
    await crm.ask("zhao", LOOKUP, {"v": "13871945001"})
    page = await at.at("audit?who=zhao&what=looked_up", who="mo")
    await expect(line(page)).to_have_count(50)
    await expect(line(page).first).to_contain_text("Looked upCustomerPhone")
    await page.get_by_role("button", name="Older").click()
    await expect(line(page)).to_have_count(52)
    await expect(page.get_by_role("button", name="Older")).to_have_count(0)

    await line(page).first.get_by_role("link", name=str(made["id"])).click()
    await expect(line(page)).to_have_count(1)
    await page.get_by_role("link", name="All").click()
    await line(page).nth(1).get_by_role("link", name="Same value").click()
    await expect(page.get_by_text("51 found")).to_be_visible()
    await page.get_by_label("Record ID").fill("nonsense")
    await page.get_by_role("button", name="Search").click()
    await expect(page.get_by_role("alert").locator("code")).to_have_text("record")
    await page.goto(f"{PUBLIC}/console#/audit?who=nobody.there")
    await expect(page.get_by_text("Nobody found.")).to_be_visible()


async def test_reads_can_be_narrowed_to_a_time(at: Desk) -> None:
    page = await at.at("audit?since=2026-11-22T00:00&until=2099-01-01T00:00", who="mo")
    await expect(line(page).first).to_be_visible()
    await page.get_by_label("Before", exact=True).fill("2020-01-01T00:00")
    await page.get_by_label("From", exact=True).fill("")
    await page.get_by_role("button", name="Search").click()
    await expect(page.get_by_text("Nothing was read so.")).to_be_visible()
