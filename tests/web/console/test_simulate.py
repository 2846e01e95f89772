"""Looking as another role on the console, in a real browser."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import expect

from web.administering import done, new_role
from web.browsing import Desk, line


@pytest.fixture
async def looking(at: Desk) -> AsyncIterator[Desk]:
    """Sun sees customers, and may look as others and ask why."""
    actions = ["roles:read", "access:simulate", "access:explain"]
    if not (await at.crm.ask("root", '{ roles(keys: ["console_looking"]) { key } }')).data["roles"]:
        await done(at.crm, "createRole", input=new_role("console_looking", actions=actions))
    await done(at.crm, "grantRole", user=str(at.crm.users["sun"]), role="console_looking")
    yield at
    await done(at.crm, "revokeRole", user=str(at.crm.users["sun"]), role="console_looking")


async def test_somebody_looks_as_another_role_at_a_list_and_a_record_and_asks_why(looking: Desk) -> None:
    crm = looking.crm
    await crm.make("sun", "customer", kind="PERSON", name="角色视角甲", phone="13871946001", description="内部备注")
    page = await looking.at("simulate", who="sun")
    await page.get_by_label("Role", exact=True).select_option("finance")
    await page.get_by_label("Type", exact=True).select_option("Customer")
    await page.get_by_label("Search").fill("角色视角甲")
    await page.get_by_role("button", name="Look", exact=True).click()

    await expect(page.locator(".simulating")).to_contain_text("You are looking as Finance.")
    await expect(page.get_by_text("Finance sees 1 of the 1 that you see.")).to_be_visible()
    await expect(line(page, "角色视角甲").locator("[data-state=MASKED]")).to_have_text(["138****6001"])
    await page.get_by_role("link", name="角色视角甲").click()
    await expect(line(page, "phone")).to_contain_text("+8613871946001138****6001")
    await expect(line(page, "description").locator("td[data-state]")).to_have_attribute("data-state", "HIDDEN")
    await line(page, "phone").get_by_role("link", name="Why: Phone").click()
    await expect(page.locator(".verdict")).to_contain_text("finance")
    await expect(page.get_by_label("Record ID")).not_to_have_value("")


async def test_records_that_a_role_does_not_see_are_told_as_such(looking: Desk) -> None:
    await looking.crm.make("wang", "customer", kind="PERSON", name="角色视角乙")
    page = await looking.at("simulate?role=sales&what=list&type=Customer&search=角色视角乙", who="sun")
    await expect(page.get_by_text("Sales sees 0 of the 1 that you see.")).to_be_visible()
    await expect(line(page)).to_have_count(0)
    await page.get_by_role("link", name="Show all that you see").click()
    await page.get_by_role("link", name="角色视角乙").click()
    await expect(page.locator(".verdict")).to_contain_text("The role does not see this record.")
    await page.get_by_role("link", name="Stop").click()
    await expect(page.locator(".simulating")).to_have_count(0)


async def test_more_of_what_a_role_sees_is_shown_behind_it(looking: Desk) -> None:
    for number in range(21):
        await looking.crm.make("sun", "customer", kind="PERSON", name=f"翻页{number:02}")
    page = await looking.at("simulate?role=finance&what=list&type=Customer&search=翻页", who="sun")
    await expect(line(page)).to_have_count(20)
    await page.get_by_role("button", name="More").click()
    await expect(line(page)).to_have_count(21)
    await expect(line(page).last.get_by_role("link")).to_be_focused()


async def test_query_runs_as_a_role_and_nothing_is_written_as_one(looking: Desk) -> None:
    page = await looking.at("simulate?role=sales&also=finance&what=query", who="sun")
    await page.get_by_label("Query (GraphQL)").fill("{ viewer { roles { key } } }")
    await page.get_by_role("button", name="Ask as Sales + Finance").click()
    await expect(page.locator(".answer")).to_contain_text('"finance"')
    await page.get_by_label("Query (GraphQL)").fill(
        'mutation { createCustomer(input: { kind: PERSON, name: "角色视角丙" }) { customer { id } } }'
    )
    await page.get_by_role("button", name="Ask as Sales + Finance").click()
    await expect(page.get_by_role("alert")).to_contain_text("As a simulated role you can only ask queries.")
    assert await looking.crm.count("customers WHERE name = '角色视角丙'") == 0
    await page.get_by_label("Variables (JSON)").fill("{")
    await page.get_by_role("button", name="Ask as Sales + Finance").click()
    await expect(page.get_by_role("alert")).to_contain_text("This is no JSON")


async def test_admin_who_sees_no_customers_is_shown_none_as_a_seller(at: Desk) -> None:
    page = await at.at("simulate?role=sales&what=list&type=Customer")
    await expect(page.get_by_text("This role sees nothing of Customer, or you do not.")).to_be_visible()
    await expect(page.get_by_label("Type", exact=True).get_by_role("option", name="Customer")).to_have_count(0)
