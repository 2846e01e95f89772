"""Issuers, simulation and the audit log on the console, in a real browser."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Page, expect

from web.administering import done, edit, new_role
from web.browsing import PUBLIC, Desk, beside, line
from web.conftest import Crm

ISSUERS = (
    "{ issuers { url name status audiences clients algorithms plainTokens leewaySeconds signInClient signInScope"
    " hasSignInSecret roleMap { claim value roles teams } } }"
)
LOOKUP = "query ($v: String!) { lookup(type: CUSTOMER, field: PHONE, value: $v) { id } }"


@pytest.fixture(scope="module")
async def _desk(ruled: Crm) -> AsyncIterator[Desk]:
    async with beside(ruled) as made:
        yield made


@pytest.fixture
async def at(_desk: Desk) -> AsyncIterator[Desk]:
    """Each test ends without a complaint of the browser, and asks no other host."""
    yield _desk
    await _desk.end()


async def issuer(crm: Crm, url: str) -> Any:
    (found,) = [one for one in (await crm.ask("root", ISSUERS)).data["issuers"] if one["url"] == url]
    return found


async def filled(page: Page, values: dict[str, str]) -> None:
    for label, value in values.items():
        await page.get_by_label(label, exact=True).fill(value)


async def test_issuer_is_added_with_what_its_claims_give_and_suspended(at: Desk) -> None:
    url = "https://login.example.com/console"
    page = await at.at("issuers")
    await page.get_by_role("link", name="Add issuer").click()
    await filled(page, {"Name": "Console staff", "URL": "http://login.example.com/console", "Reason": "New provider"})
    await filled(page, {"Audiences": "urn:crm-graph\nurn:elsewhere", "Client secret": "not-told-again"})
    await page.get_by_role("button", name="Add rule").click()
    await filled(page, {"Rule 1: Claim": "realm_access > roles", "Rule 1: Value": "crm-sales"})
    await page.get_by_role("button", name="Save").click()
    # A rule that gives nothing is stopped by the browser, at the select that it lacks.
    gives = page.get_by_label("Add…: Rule 1: Roles")
    await expect(gives).to_be_focused()
    await gives.select_option("sales")
    await page.get_by_label("Add…: Rule 1: Roles").select_option("service")
    await page.get_by_label("Add…: Rule 1: Teams").select_option("east")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_label("URL", exact=True)).to_have_attribute("aria-invalid", "true")

    # What was written stays while one looks elsewhere.
    await page.get_by_role("link", name="Roles", exact=True).click()
    await page.get_by_role("link", name="Issuers", exact=True).click()
    await page.get_by_role("link", name="Go on adding").click()
    await filled(page, {"URL": url, "Reason": "New provider"})
    await page.get_by_role("button", name="Save").click()
    await expect(line(page, "Console staff")).to_contain_text("Active")

    assert await issuer(at.crm, url) == {
        "url": url,
        "name": "Console staff",
        "status": "ACTIVE",
        "audiences": ["urn:crm-graph", "urn:elsewhere"],
        "clients": [],
        "algorithms": ["ES256", "EdDSA", "PS256", "RS256"],
        "plainTokens": False,
        "leewaySeconds": 5,
        "signInClient": None,
        "signInScope": "openid profile email",
        "hasSignInSecret": True,
        "roleMap": [
            {"claim": ["realm_access", "roles"], "value": "crm-sales", "roles": ["sales", "service"], "teams": ["east"]}
        ],
    }
    assert "not-told-again" not in await page.content()
    await page.get_by_role("button", name="Suspend Console staff").click()
    await page.get_by_label("Reason").fill("Moved")
    await page.get_by_role("button", name="Suspend", exact=True).click()
    await expect(line(page, "Console staff")).to_contain_text("Suspended")
    assert (await issuer(at.crm, url))["status"] == "SUSPENDED"


async def test_who_edits_an_issuer_is_told_what_somebody_else_changed_and_may_replace_it(at: Desk) -> None:
    url = "https://login.example.com/contested"
    rules = [{"claim": ["groups"], "value": "a", "roles": ["sales"], "teams": []}]
    given: dict[str, Any] = {"url": url, "name": "Contested", "audiences": ["urn:crm-graph"], "roleMap": rules}
    assert (await edit(at.crm, "saveIssuer", **given))["errors"] == []
    page = await at.at("issuers")
    await page.get_by_role("link", name="Edit: Contested").click()
    await filled(page, {"Audiences": "urn:mine", "Rule 1: Value": "b", "Reason": "Mine"})
    await edit(at.crm, "saveIssuer", url=url, name="Renamed", audiences=["urn:theirs"])

    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_label("Audiences")).to_have_attribute("aria-invalid", "true")
    assert (await issuer(at.crm, url))["audiences"] == ["urn:theirs"]
    await page.get_by_role("button", name="Save").click()
    await expect(line(page, url)).to_contain_text("urn:mine")
    kept = await issuer(at.crm, url)
    # What one did not touch stays theirs.
    assert (kept["name"], kept["audiences"], kept["roleMap"][0]["value"]) == ("Renamed", ["urn:mine"], "b")


async def test_who_only_reads_roles_is_shown_issuers_and_may_change_none(at: Desk) -> None:
    url = "https://login.example.com/read"
    given: dict[str, Any] = {"url": url, "name": "Read alone", "audiences": ["urn:crm-graph"], "roleMap": []}
    assert (await edit(at.crm, "saveIssuer", **given))["errors"] == []
    page = await at.at("issuers", who="mo")
    await expect(page.get_by_role("link", name="Add issuer")).to_have_count(0)
    await expect(line(page, url).get_by_role("button")).to_have_count(0)
    await page.get_by_role("link", name="Show: Read alone").click()
    await expect(page.get_by_label("Name", exact=True)).to_be_disabled()
    await expect(page.get_by_role("button", name="Save")).to_have_count(0)


async def test_person_is_linked_to_a_subject_of_an_issuer_and_unlinked(at: Desk) -> None:
    url = "https://login.example.com/linking"
    given: dict[str, Any] = {"url": url, "name": "Linking", "audiences": ["urn:crm-graph"], "roleMap": []}
    assert (await edit(at.crm, "saveIssuer", **given))["errors"] == []
    page = await at.at("issuers")
    await page.get_by_role("button", name="Link person: Linking").click()
    await filled(page, {"Person": "nobody.there", "Subject": "s-wang", "Reason": "Moves over"})
    await page.get_by_role("button", name="Link person", exact=True).click()
    await expect(page.get_by_role("textbox", name="Person")).to_have_attribute("aria-invalid", "true")
    await filled(page, {"Person": "wang"})
    await page.get_by_role("button", name="Link person", exact=True).click()
    await expect(page.get_by_role("status").filter(has_text="wang can come through it.")).to_be_visible()
    linked = "identities WHERE subject = 's-wang' AND user_id = $1"
    assert await at.crm.count(linked, at.crm.users["wang"]) == 1

    await page.get_by_role("button", name="Unlink: Linking").click()
    await filled(page, {"Subject": "s-wang", "Reason": "Back"})
    await page.get_by_role("button", name="Unlink", exact=True).click()
    await expect(page.get_by_role("status").filter(has_text="Done.")).to_be_visible()
    assert await at.crm.count(linked, at.crm.users["wang"]) == 0


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
