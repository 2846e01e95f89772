"""Roles on the console, in a real browser: read, edited, previewed, saved, and obeyed by the hub."""

import re
from typing import Any

from playwright.async_api import Page, expect

from crm_graph.access import Level
from crm_graph.models.fields import DataClass
from crm_graph.models.ids import EntityCode, IdSource
from crm_graph.permissions.policy import DEFAULT_ROLES
from web.administering import done, grant, holds, new_role, role
from web.browsing import PUBLIC, Desk, line
from web.console.editing import READ_BASIC, chosen, saved

CLASSES = [one for one in DataClass if one is not DataClass.INTERNAL]
NAMES = "{ customers { totalCount nodes { name } } }"
NOBODY = (
    "INSERT INTO users (id, kind, username, name, created_at, updated_at)"
    " VALUES ($1, 'PERSON', 'yu', 'Yu', now(), now())"
)
STATES = "cells => cells.map(cell => cell.dataset.state)"


def state_of(rule: Any, data_class: DataClass) -> str:
    level = rule.levels.get(data_class, Level.HIDDEN)
    return "WRITE" if data_class in rule.writes else level.name


async def test_matrix_shows_what_the_policy_says(at: Desk) -> None:
    page = await at.at("roles/finance")
    rows = await page.locator(".matrix tbody tr:not(.detail)").all()

    shown = [
        [cell.split("+")[0].strip() for cell in await row.locator("td[data-state]").evaluate_all(STATES)]
        for row in rows
    ]

    grants = [rule for rules in DEFAULT_ROLES["finance"].grants.values() for rule in rules]
    assert shown == [[state_of(rule, one) for one in CLASSES] for rule in grants]


async def test_intern_made_previewed_and_given_in_the_page_sees_the_names_of_one_city_with_the_next_request(
    at: Desk,
) -> None:
    """The front end asks at another hub than the page, all the while."""
    crm = at.crm
    crm.users["yu"] = IdSource(crm.clock).new(EntityCode.USER)
    await crm.database.execute(NOBODY, crm.users["yu"])
    for city in ("控制城", "浪城"):
        await crm.make("sun", "customer", kind="ORGANIZATION", name=f"{city}商行", city=city, taxId="330106123456789")
    assert (await crm.ask("yu", NAMES)).status == 400

    page = await at.at("roles/finance")
    await page.get_by_role("button", name="New role").click()
    for label, value in {"Key": "console_intern", "English": "Intern", "Chinese": "实习生", "Reason": "Summer"}.items():
        await page.get_by_label(label).fill(value)
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Intern")
    await page.get_by_role("button", name="Edit", exact=True).click()
    await page.get_by_label("Type", exact=True).select_option("Customer")
    await page.get_by_label("Records", exact=True).select_option("WHERE")
    await page.get_by_role("button", name="Add grant").click()
    await page.get_by_label("Condition: field").select_option("City")
    await page.get_by_label("Value", exact=True).fill("控制城")
    await page.get_by_role("button", name="Add condition").click()
    await expect(page.get_by_label("Condition (JSON)")).to_have_value(re.compile("控制城"))
    await chosen(page, "Name: Shown", "READ")
    await chosen(page, "City: Shown", "READ")

    await page.get_by_role("button", name="Preview and save").click()
    preview = page.get_by_role("dialog")
    await expect(preview.get_by_text("Nobody has this role yet.")).to_be_visible()
    await page.get_by_label("As if somebody had it").fill("yu")
    await page.get_by_role("button", name="Preview", exact=True).click()
    await expect(
        preview.get_by_text(re.compile(r"1 user will gain city, name on some of \d+ customers\."))
    ).to_be_visible()
    await page.get_by_label("Reason").fill("Names of one city")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_role("status").filter(has_text="Saved.")).to_be_visible()
    await expect(page.get_by_role("button", name="Edit", exact=True)).to_be_focused()
    await expect(page.locator(".matrix td.some")).to_have_text("2 fields")
    assert (await crm.ask("yu", NAMES)).status == 400

    await _give_yu(page)

    async def obeyed() -> bool:
        return (await crm.ask("yu", NAMES)).status == 200

    await holds(obeyed)
    assert (await crm.ask("yu", NAMES)).data["customers"] == {"totalCount": 1, "nodes": [{"name": "控制城商行"}]}
    await _move_interns(page)

    async def moved() -> bool:
        told = (await crm.ask("yu", NAMES)).data["customers"]
        return bool(told == {"totalCount": 1, "nodes": [{"name": "浪城商行"}]})

    await holds(moved)
    beyond = await crm.ask("yu", "{ customers { nodes { taxId } } }")
    assert beyond.error[:2] == (400, "VALIDATION_FAILED")
    events = await crm.events(str(await crm.database.fetchval("SELECT id FROM roles WHERE key = 'console_intern'")))
    assert [(e["type"], e["reason"]) for e in events] == [
        ("role.created", "Summer"),
        ("role.grants_set", "Names of one city"),
        ("role.grants_set", "Moves"),
    ]
    await done(crm, "revokeRole", user=str(crm.users["yu"]), role="console_intern")


async def _give_yu(page: Page) -> None:
    await page.goto(f"{PUBLIC}/console#/people?search=yu")
    await page.get_by_role("button", name="Give a role: Yu").click()
    await page.get_by_label("Role", exact=True).select_option("Intern")
    await page.get_by_label("Reason").fill("Starts today")
    await page.get_by_role("button", name="Give", exact=True).click()
    await expect(line(page, "Yu").get_by_role("link", name="Intern")).to_be_visible()


async def _move_interns(page: Page) -> None:
    await page.goto(f"{PUBLIC}/console#/roles/console_intern")
    await page.get_by_role("button", name="Edit", exact=True).click()
    await page.get_by_role("button", name="Fields of Customer · Condition").click()
    await page.get_by_label("Condition (JSON)").fill('{ "city": { "eq": "浪城" } }')
    await saved(page, "Moves")


async def test_who_was_slower_is_told_what_differs_and_may_keep_both(at: Desk) -> None:
    await done(at.crm, "createRole", input=new_role("console_contested", grant(**READ_BASIC)))
    page = await at.at("roles/console_contested")
    await page.get_by_role("button", name="Edit", exact=True).click()
    await chosen(page, "Customer · All: Billing", "MASKED")
    await chosen(page, "Customer · All: Metric", "READ")
    theirs = [{"dataClass": one, "level": "READ"} for one in ("BASIC", "AMOUNT", "BILLING")]
    await done(at.crm, "setGrants", role="console_contested", grants=[grant(levels=theirs)])

    await saved(page, "Later")
    lists = page.get_by_role("dialog").locator(".changes")
    await expect(lists.nth(0).get_by_role("listitem")).to_have_text(
        ["Customer · All Billing: Hidden → Read", "Customer · All Amount: Hidden → Read"]
    )
    both = " You both changed this; yours will win if you keep both."
    await expect(lists.nth(1).get_by_role("listitem")).to_have_text(
        [f"Customer · All Billing: Hidden → Masked{both}", "Customer · All Metric: Hidden → Read"]
    )
    await page.get_by_role("button", name="Keep both").click()
    await saved(page, "Both")
    await expect(page.get_by_role("status").filter(has_text="Saved.")).to_be_attached()

    levels = {
        one["dataClass"]: one["level"] for one in (await role(at.crm, "console_contested"))["grants"][0]["levels"]
    }
    assert levels == {"BASIC": "READ", "AMOUNT": "READ", "BILLING": "MASKED", "METRIC": "READ"}


async def test_what_the_hub_refuses_stands_at_its_field(at: Desk) -> None:
    await done(at.crm, "createRole", input=new_role("console_refused", grant(row_rule="OWN", **READ_BASIC)))
    page = await at.at("roles/console_refused")
    await page.get_by_role("button", name="Edit", exact=True).click()
    await page.get_by_role("button", name="Fields of Customer · Own").click()
    await page.locator(".details").get_by_label("Records").select_option("WHERE")
    await page.get_by_label("Condition (JSON)").fill('{ "taxId": { "eq": "x" } }')
    await page.get_by_role("button", name="Preview and save").click()

    field = page.get_by_label("Condition (JSON)")
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(page.get_by_role("alert")).to_contain_text("grants.0.where.taxId")
    assert (await role(at.crm, "console_refused"))["grants"][0]["rowRule"] == "OWN"


async def test_conditions_are_made_by_choosing_and_both_of_one_field_hold(at: Desk) -> None:
    await done(at.crm, "createRole", input=new_role("console_chosen", grant(row_rule="ALL", **READ_BASIC)))
    page = await at.at("roles/console_chosen")
    await page.get_by_role("button", name="Edit", exact=True).click()
    await page.get_by_role("button", name="Fields of Customer · All").click()
    await page.locator(".details").get_by_label("Records").select_option("WHERE")
    for field, how, value in (
        ("City", "is one of", "杭州, 上海"),
        ("Employees", "at least", "5"),
        ("Employees", "at most", "50"),
    ):
        await page.get_by_label("Condition: field").select_option(field)
        await page.get_by_label("Condition: compared").select_option(how)
        await page.get_by_label("Value", exact=True).fill(value)
        await page.get_by_label("Value", exact=True).press("Enter")
    await saved(page, "Middling")
    await expect(page.get_by_role("status").filter(has_text="Saved.")).to_be_attached()

    (kept,) = (await role(at.crm, "console_chosen"))["grants"]
    assert kept["where"] == {
        "and": [
            {"city": {"in": ["杭州", "上海"]}, "employeeCount": {"gte": 5}},
            {"employeeCount": {"lte": 50}},
        ]
    }


async def test_a_condition_takes_the_values_of_an_enum_by_their_labels_and_is_read_in_words(at: Desk) -> None:
    await done(at.crm, "createRole", input=new_role("console_enum", grant(row_rule="ALL", **READ_BASIC)))
    page = await at.at("roles/console_enum")
    await page.get_by_role("button", name="Edit", exact=True).click()
    await page.get_by_role("button", name="Fields of Customer · All").click()
    await page.locator(".details").get_by_label("Records").select_option("WHERE")
    await page.get_by_label("Condition: field").select_option("Kind")
    await page.get_by_label("Value", exact=True).select_option("Organisation")
    await page.get_by_role("button", name="Add condition").click()
    await page.get_by_label("Condition: field").select_option("Pool state")
    await page.get_by_label("Condition: compared").select_option("is one of")
    await page.get_by_label("Value", exact=True).select_option(["Owned", "Public pool"])
    await page.get_by_role("button", name="Add condition").click()
    await saved(page, "Companies")
    await expect(page.get_by_role("status").filter(has_text="Saved.")).to_be_attached()

    (kept,) = (await role(at.crm, "console_enum"))["grants"]
    assert kept["where"] == {"kind": {"eq": "ORGANIZATION"}, "poolState": {"in": ["OWNED", "PUBLIC"]}}
    words = "kind is Organisation and pool state is one of Owned, Public pool"
    await expect(page.locator(".gist")).to_have_text(words)
    await page.get_by_role("button", name="Fields of Customer · Condition").click()
    await expect(page.locator(".details .words")).to_have_text(words)
    await expect(page.locator(".details pre")).to_have_count(0)


async def test_keyboard_alone_suffices(at: Desk) -> None:
    await done(at.crm, "createRole", input=new_role("console_keys", grant(**READ_BASIC)))
    page = await at.at("roles/console_keys")
    keys = page.keyboard
    await page.get_by_role("button", name="Edit", exact=True).focus()
    await keys.press("Enter")
    await expect(page.get_by_label("Customer · All: Basic", exact=True)).to_be_focused()
    await keys.press("ArrowRight")
    await expect(page.get_by_label("Customer · All: Contact", exact=True)).to_be_focused()
    await keys.press("m")
    await keys.press("End")
    await expect(page.get_by_role("button", name="Fields of Customer · All")).to_be_focused()
    await keys.press("Home")
    await expect(page.get_by_label("Customer · All: Basic", exact=True)).to_be_focused()
    await page.get_by_role("button", name="Preview and save").focus()
    await keys.press("Enter")
    await expect(page.get_by_label("Reason")).to_be_focused()
    await keys.type("By hand")
    await keys.press("Enter")
    await expect(page.get_by_role("status").filter(has_text="Saved.")).to_be_attached()

    (kept,) = (await role(at.crm, "console_keys"))["grants"]
    assert {"dataClass": "CONTACT", "level": "MASKED"} in kept["levels"]


async def test_long_list_of_roles_is_filtered(at: Desk) -> None:
    for number in range(21):
        await done(at.crm, "createRole", input=new_role(f"console_many_{number}"))
    page = await at.at("roles")
    await page.get_by_label("Filter roles").fill("many_2")
    names = page.get_by_role("navigation", name="Roles").get_by_role("list").first.get_by_role("link")
    await expect(names).to_have_count(2)
    for number in range(21):
        await done(at.crm, "removeRole", key=f"console_many_{number}")


async def test_who_only_reads_roles_is_offered_no_edit(at: Desk) -> None:
    await done(at.crm, "createRole", input=new_role("console_reader", actions=["roles:read"]))
    await done(at.crm, "grantRole", user=str(at.crm.users["li"]), role="console_reader")
    page = await at.at("roles/finance", who="li")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Finance")
    await expect(page.get_by_role("button", name="Edit", exact=True)).to_have_count(0)
    await expect(page.get_by_role("navigation", name="Sections").get_by_role("link")).to_have_text(
        ["Roles", "People", "Issuers", "Changes"]
    )
