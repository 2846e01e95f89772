"""Changes of rights on the console, in a real browser."""

from playwright.async_api import expect

from web.administering import done, grant, new_role
from web.browsing import PUBLIC, Desk, line

MOMENT = "at => new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(at))"
COLUMNS = "rows => rows.map(row => [...row.cells].slice(1).map(cell => cell.innerText))"


async def test_auditor_reads_what_was_changed_of_a_role_and_what_it_was(at: Desk) -> None:
    hangzhou, both = ({"city": {"in": cities}} for cities in (["杭州"], ["杭州", "上海"]))
    shown = [{"field": name, "level": "READ"} for name in ("name", "city")]
    given = [grant(row_rule="WHERE", where=where, fields=shown) for where in (hangzhou, both)]
    await done(at.crm, "createRole", input=new_role("told_back", given[0]), reason="Summer")
    await done(at.crm, "setGrants", role="told_back", grants=[given[1], grant("Lead", "OWN")], reason="Two cities")
    qian = str(at.crm.users["qian"])
    await done(at.crm, "grantRole", user=qian, role="told_back", until="2099-01-31T12:00:00Z", reason="Joins")
    await done(at.crm, "revokeRole", user=qian, role="told_back")

    edited = [
        "Customer · Condition Condition: city ∈ 杭州 → city ∈ 杭州, 上海",
        "Lead · Own new grant",
        "Lead · Own Basic: Read",
    ]
    made = [
        "Name: Role told_back / 角色told_back",
        "Customer · Condition new grant",
        "Customer · Condition Condition: city ∈ 杭州",
        "Customer · Condition Name: Read",
        "Customer · Condition City: Read",
    ]

    page = await at.at("roles/told_back", who="mo")
    await page.get_by_role("link", name="Changes").last.click()
    await expect(line(page)).to_have_count(2)
    assert await line(page).evaluate_all(COLUMNS) == [
        [
            "root",
            "Grants edited",
            "Role told_back",
            "\n".join(edited),
            "Two cities",
        ],
        [
            "root",
            "Role made",
            "Role told_back",
            "\n".join(made),
            "Summer",
        ],
    ]
    await page.goto(f"{PUBLIC}/console#/people?search=qian")
    await page.get_by_role("link", name="Changes: qian").click()
    ends = await page.evaluate(MOMENT, "2099-01-31T12:00Z")
    await expect(line(page, "Role taken")).to_have_count(1)
    assert (await line(page).evaluate_all(COLUMNS))[:2] == [
        ["root", "Role taken", "qian", f"Role: Role told_back → –\nEnds: {ends} → –", ""],
        ["root", "Role given", "qian", f"Role: Role told_back\nEnds: {ends}", "Joins"],
    ]
    await done(at.crm, "removeRole", key="told_back")


async def test_changes_are_narrowed_and_paged_by_keyboard(at: Desk) -> None:
    zhou = str(at.crm.users["zhao"])
    for _ in range(26):
        await done(at.crm, "suspendUser", user=zhou, reason="Away")
        await done(at.crm, "reinstateUser", user=zhou)
    page = await at.at("changes")
    keys = page.keyboard
    await page.get_by_label("About").focus()
    await keys.type("zhao")
    await keys.press("Enter")
    await expect(page.get_by_text("52 found")).to_be_visible()
    await expect(line(page)).to_have_count(50)
    await page.get_by_role("button", name="Older").focus()
    await keys.press("Enter")
    await expect(line(page)).to_have_count(52)
    await expect(line(page).nth(50).get_by_role("link").first).to_be_focused()
    await page.get_by_label("Change", exact=True).select_option("Person suspended")
    await page.get_by_label("By", exact=True).fill("root")
    await page.get_by_label("By", exact=True).press("Enter")
    await expect(page.get_by_text("26 found")).to_be_visible()
    await expect(line(page).first).to_contain_text("Status: Active → Suspended")
    await page.get_by_label("Before", exact=True).fill("2020-01-01T00:00")
    await page.get_by_role("button", name="Search").click()
    await expect(page.get_by_text("Nothing was changed so.")).to_be_visible()
    await page.goto(f"{PUBLIC}/console#/changes?about=nobody.there")
    await expect(page.get_by_text("Nothing and nobody is called so.")).to_be_visible()
    await page.goto(f"{PUBLIC}/console#/changes?about=00000000-0000-0000-0000-000000000000")
    await expect(page.get_by_text("Nothing was changed so.")).to_be_visible()
