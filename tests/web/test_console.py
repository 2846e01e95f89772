"""The console in a real browser: what an admin does there takes effect in the hub, and what may not be is refused."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from crm_graph.access import Level
from crm_graph.models.fields import DataClass
from crm_graph.models.ids import EntityCode, IdSource
from crm_graph.permissions.policy import DEFAULT_ROLES
from web.administering import done, grant, holds, new_role, role
from web.browsing import PUBLIC, Desk, beside, desk, line
from web.conftest import Crm, hub_with

AXE = Path(__file__).parents[1] / "clients" / "node_modules" / "axe-core" / "axe.min.js"
CLASSES = [one for one in DataClass if one is not DataClass.INTERNAL]
SECTIONS = (
    "roles/sales_manager",
    "roles?type=Customer",
    "people",
    "clients",
    "issuers/new",
    "explain?as=role&who=service&type=Customer&field=phone",
    "simulate?role=sales&what=list&type=User",
    "simulate?role=sales&what=query",
)
NAMES = "{ customers { totalCount nodes { name } } }"
NOBODY = (
    "INSERT INTO users (id, kind, username, name, created_at, updated_at)"
    " VALUES ($1, 'PERSON', 'yu', 'Yu', now(), now())"
)
READ_BASIC: dict[str, Any] = {"levels": [{"dataClass": "BASIC", "level": "READ"}]}


@pytest.fixture(scope="module")
async def _desk(ruled: Crm) -> AsyncIterator[Desk]:
    async with beside(ruled) as made:
        yield made


@pytest.fixture
async def at(_desk: Desk) -> AsyncIterator[Desk]:
    """Each test ends without a complaint of the browser, so that its content security policy holds, and asks no other
    host.
    """
    yield _desk
    await _desk.end()


async def chosen(page: Page, label: str, level: str) -> None:
    await page.get_by_label(label, exact=True).select_option(level)


async def saved(page: Page, reason: str) -> None:
    await page.get_by_role("button", name="Preview and save").click()
    await page.get_by_label("Reason").fill(reason)
    await page.get_by_role("button", name="Save", exact=True).click()


async def test_link_signs_in_once_and_signing_out_ends_it(at: Desk) -> None:
    page, link = await at.page(), await at.link("root")
    await page.goto(link)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Sales", level=1)).to_be_visible()

    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="You are not signed in.")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("link", name="Sign in")).to_have_attribute("href", "console/sign-in")


async def test_matrix_shows_what_the_policy_says(at: Desk) -> None:
    page = await at.at("roles/finance")
    rows = await page.locator(".matrix tbody tr:not(.detail)").all()

    shown = [
        [cell.split("+")[0].strip() for cell in await row.locator("td[data-state]").evaluate_all(STATES)]
        for row in rows
    ]

    grants = [rule for rules in DEFAULT_ROLES["finance"].grants.values() for rule in rules]
    assert shown == [[state_of(rule, one) for one in CLASSES] for rule in grants]


STATES = "cells => cells.map(cell => cell.dataset.state)"


def state_of(rule: Any, data_class: DataClass) -> str:
    level = rule.levels.get(data_class, Level.HIDDEN)
    return "WRITE" if data_class in rule.writes else level.name


async def test_intern_made_previewed_and_given_in_the_page_sees_the_names_of_one_city_with_the_next_request(
    at: Desk,
) -> None:
    """The front end asks at another hub than the page, all the while."""
    crm = at.crm
    crm.users["yu"] = IdSource(crm.clock).new(EntityCode.USER)
    await crm.database.execute(NOBODY, crm.users["yu"])
    for city in ("控制城", "上海"):
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
    assert (await crm.ask("yu", NAMES)).status == 400

    await page.goto(f"{PUBLIC}/console#/people?search=yu")
    await page.get_by_role("button", name="Give a role: Yu").click()
    await page.get_by_label("Role", exact=True).select_option("Intern")
    await page.get_by_label("Reason").fill("Starts today")
    await page.get_by_role("button", name="Give", exact=True).click()
    await expect(line(page, "Yu").get_by_role("link", name="Intern")).to_be_visible()

    async def obeyed() -> bool:
        return (await crm.ask("yu", NAMES)).status == 200

    await holds(obeyed)
    assert (await crm.ask("yu", NAMES)).data["customers"] == {"totalCount": 1, "nodes": [{"name": "控制城商行"}]}
    beyond = await crm.ask("yu", "{ customers { nodes { taxId } } }")
    assert beyond.error[:2] == (400, "VALIDATION_FAILED")
    events = await crm.events(str(await crm.database.fetchval("SELECT id FROM roles WHERE key = 'console_intern'")))
    assert [(e["type"], e["reason"]) for e in events] == [
        ("role.created", "Summer"),
        ("role.grants_set", "Names of one city"),
    ]
    await done(crm, "revokeRole", user=str(crm.users["yu"]), role="console_intern")


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
        await page.get_by_text("1 edit waits for a second approver").click()
        await expect(page.locator(".waiting .changes")).to_have_text("Customer · All Metric: Hidden → Read")
        await page.get_by_role("button", name="Approve: Role console_careful: grants").click()
        await page.get_by_role("dialog").get_by_role("button", name="Approve").click()
        await expect(page.get_by_label("Customer · All: Metric")).to_have_count(0)
        await expect(page.locator(".waiting")).to_have_count(0)
        assert (await role(ruled, "console_careful"))["version"] == 2
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
    await page.get_by_label("Scopes").fill("customers:read")
    await page.get_by_role("dialog").get_by_role("button", name="Register client").click()
    secret = await page.get_by_label("Secret", exact=True).input_value()
    await page.get_by_role("button", name="Close").click()

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
    await expect(line(page, "Finance").last).to_contain_text("Read")
    await page.get_by_label("Field").fill("nonsense")
    await page.get_by_role("button", name="Explain").click()
    await expect(page.get_by_role("alert").locator("code")).to_have_text("field")


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


async def test_long_list_of_roles_is_filtered(at: Desk) -> None:
    for number in range(21):
        await done(at.crm, "createRole", input=new_role(f"console_many_{number}"))
    page = await at.at("roles")
    await page.get_by_label("Filter roles").fill("many_2")
    names = page.get_by_role("navigation", name="Roles").get_by_role("list").first.get_by_role("link")
    await expect(names).to_have_count(2)
    for number in range(21):
        await done(at.crm, "removeRole", key=f"console_many_{number}")


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


async def test_page_is_in_the_language_of_the_browser_and_can_be_switched(at: Desk) -> None:
    page = await at.at("roles/finance", language="zh-CN")
    await expect(page.get_by_role("navigation", name="栏目").get_by_role("link")).to_have_text(
        ["角色", "人员", "客户端", "签发者", "权限解释", "角色视角"]
    )
    await expect(page.get_by_role("heading", level=1)).to_have_text("财务")
    await expect(page.locator("html")).to_have_attribute("lang", "zh-CN")

    await page.get_by_role("button", name="English").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Finance")
    await page.reload()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Finance")


async def test_both_languages_say_everything(at: Desk) -> None:
    page = await at.signed_in()
    script = await page.locator("script").get_attribute("src")
    folder = str(script).removesuffix("main.js")
    read = (
        "async (folder) => { const told = async (l) => Object.keys((await import(`/${folder}texts.${l}.js`)).default);"
    )
    english, chinese = await page.evaluate(f"{read} return [await told('en'), await told('zh')]; }}", folder)
    assert english == chinese


async def test_who_has_no_rights_is_told_so_and_nothing_else(at: Desk) -> None:
    page = await at.signed_in("wang")
    await expect(page.get_by_role("heading", name="You have no rights here.")).to_be_visible()
    await expect(page.get_by_role("navigation").get_by_role("link")).to_have_count(0)
    await page.goto(f"{PUBLIC}/console#/clients")
    await expect(page.get_by_role("heading", name="You have no rights here.")).to_be_visible()


async def test_who_only_reads_roles_is_offered_no_edit(at: Desk) -> None:
    await done(at.crm, "createRole", input=new_role("console_reader", actions=["roles:read"]))
    await done(at.crm, "grantRole", user=str(at.crm.users["li"]), role="console_reader")
    page = await at.at("roles/finance", who="li")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Finance")
    await expect(page.get_by_role("button", name="Edit", exact=True)).to_have_count(0)
    await expect(page.get_by_role("navigation", name="Sections").get_by_role("link")).to_have_text(
        ["Roles", "People", "Issuers"]
    )


async def shown(page: Page, where: str) -> None:
    """A section with all that it loads."""
    await page.goto(f"{PUBLIC}/console#/{where}")
    await page.locator("main :is(h1, table)").first.wait_for()
    await expect(page.locator(".loading")).to_have_count(0)


async def test_auditor_is_offered_the_audit_and_an_administrator_is_not(at: Desk) -> None:
    page = await at.at("audit", who="mo")
    names = page.get_by_role("navigation", name="Sections").get_by_role("link")
    await expect(names).to_have_text(["Roles", "People", "Issuers", "Explain", "Audit"])
    page = await at.at("audit")
    await expect(page.get_by_text("Your roles do not include this.")).to_be_visible()
    await expect(page.get_by_role("link", name="Audit")).to_have_count(0)


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
    page, sizes = await at.page(), []
    page.on("response", lambda response: sizes.append(response))  # noqa: PLW0108 - it cannot mark a built-in method
    await page.goto(f"{PUBLIC}/console")
    await page.get_by_role("heading", name="You are not signed in.").wait_for()

    loaded = [one for one in sizes if one.request.resource_type in {"document", "script", "stylesheet", "image"}]
    assert sum([(await one.request.sizes())["responseBodySize"] for one in loaded]) < 64_000
