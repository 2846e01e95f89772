"""Issuers on the console, in a real browser."""

from typing import Any

from playwright.async_api import Page, expect

from web.administering import edit
from web.browsing import Desk, line
from web.conftest import Crm

ISSUERS = (
    "{ issuers { url name status audiences clients algorithms plainTokens leewaySeconds signInClient signInScope"
    " hasSignInSecret roleMap { claim value roles teams } } }"
)


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
