"""`previewGrants` over HTTP: what is told of an edit before it holds is what it does then."""

from typing import Any

import orjson
import pytest

from crm_graph.access import Access
from crm_graph.catalog import build_catalog
from crm_graph.errors import BadVariables
from crm_graph.permissions.principals import load_principal
from crm_graph.permissions.store import load_policy
from crm_graph.services import grant_previews
from web.administering import done, grant, holds, new_role, role
from web.conftest import Crm

PREVIEW = """query($draft: RoleDraft!) { previewGrants(draft: $draft) {
  users summary
  changes { type fields kind level users rows rowsCapped rowsBounded }
  actions { action kind users }
  documents { id operations kind users }
} }"""


async def preview(crm: Crm, language: str = "en", who: str = "root", **draft: Any) -> Any:
    return (await crm.ask(who, PREVIEW, {"draft": draft}, Accept_Language=language)).data["previewGrants"]


async def refused(crm: Crm, **draft: Any) -> tuple[str, list[str]]:
    answer = await crm.ask("root", PREVIEW, {"draft": draft})
    (error,) = answer.json["errors"]
    return error["extensions"]["code"], error["extensions"].get("argument", [])


NAMES: dict[str, Any] = {"fields": [{"field": "name", "level": "READ"}, {"field": "city", "level": "READ"}]}


def of(told: Any, kind: str) -> Any:
    """The changes of a kind."""
    return [(c["type"], c["fields"], c["level"], c["users"], c["rows"]) for c in told["changes"] if c["kind"] == kind]


async def test_preview_tells_what_a_role_would_give_to_whom(ruled: Crm) -> None:
    """One of three customers is archived; Qian sees customers already, Zhou does not, but for their own."""
    for number in range(3):
        made = await ruled.make("sun", "customer", kind="ORGANIZATION", name=f"台州{number}", city="台州")
    await ruled.ask("sun", f'mutation {{ archiveCustomer(id: "{made["id"]}") {{ errors {{ code }} }} }}')
    version = await ruled.database.fetchval("SELECT version FROM policy_version")
    in_use = await ruled.count("customers WHERE archived_at IS NULL")
    own = await ruled.count("customers WHERE archived_at IS NULL AND owner_id = $1", ruled.users["zhou"])
    users = [str(ruled.users["zhou"]), str(ruled.users["qian"])]

    told = await preview(ruled, role="taizhou", grants=[grant(**NAMES)], actions=["export"], users=users)

    rows = in_use - own
    assert told["users"] == 2
    assert of(told, "GAIN") == [("Customer", ["city"], "READ", 1, rows), ("Customer", ["name"], "READ", 1, rows)]
    assert {c["rowsBounded"] for c in told["changes"]} == {False}
    assert of(told, "LOSE") == []
    assert told["actions"] == [{"action": "export", "kind": "GAIN", "users": 2}]
    assert told["summary"][0] == f"1 user will gain city on {rows:,} customers."
    assert await ruled.database.fetchval("SELECT version FROM policy_version") == version
    assert await ruled.count("roles WHERE key = 'taizhou'") == 0


@pytest.mark.parametrize("saved", [False, True])
async def test_condition_that_the_asker_does_not_read_is_not_counted_by(ruled: Crm, *, saved: bool) -> None:
    """Whoever manages roles alone would ask for a phone by its beginnings, by a draft or by a role that is there. Qian
    reads the phones of organisations already.
    """
    await ruled.make("sun", "customer", kind="PERSON", name="Asked For", phone="13700137421")
    people = await ruled.count("customers WHERE archived_at IS NULL AND kind = 'PERSON'")
    shown: dict[str, Any] = {"fields": [{"field": name, "level": "READ"} for name in ("name", "phone")]}
    user = [str(ruled.users["qian"])]
    told = []
    for beginning in ("+861370013742", "+86999"):
        where = {"name": {"eq": "Asked For"}, "phone": {"startsWith": beginning}}
        grants = [grant(row_rule="WHERE", where=where, **shown)]
        if saved:
            await done(ruled, "createRole", input=new_role("asking", *grants))
            told.append(await preview(ruled, role="asking", users=user))
            told.append(await preview(ruled, role="asking", grants=[grant(row_rule="OWN", **shown)], users=user))
            await done(ruled, "removeRole", key="asking")
        else:
            told.append(await preview(ruled, role="asking", grants=grants, users=user))

    assert told[: len(told) // 2] == told[len(told) // 2 :]
    gained = next(c for c in told[0]["changes"] if c["kind"] == "GAIN" and "phone" in c["fields"])
    assert (gained["rows"], gained["rowsBounded"]) == (people, True)
    assert f" on some of {people:,} customers." in told[0]["summary"][0]


async def test_who_reads_what_a_condition_names_on_every_record_is_told_exactly(ruled: Crm) -> None:
    """Zhou reads cities of all, and phones of their own alone."""
    for number in range(2):
        await ruled.make("sun", "customer", kind="ORGANIZATION", name=f"丽水{number}", city="丽水")
    of_own = grant(row_rule="OWN", fields=[{"field": "phone", "level": "READ"}])
    manages = new_role("reads_cities", grant(**NAMES), of_own, actions=["roles:manage", "roles:read"])
    await done(ruled, "createRole", input=manages)
    await done(ruled, "grantRole", user=str(ruled.users["zhou"]), role="reads_cities")
    await holds(lambda: _may_preview(ruled, "zhou"))
    fields: dict[str, Any] = {"fields": [*NAMES["fields"], {"field": "phone", "level": "READ"}]}
    user = [str(ruled.users["chen"])]

    async def counted(where: Any) -> Any:
        grants = [grant(row_rule="WHERE", where=where, **fields)]
        told = await preview(ruled, who="zhou", role="asked", grants=grants, users=user)
        return {(c["rows"], c["rowsBounded"]) for c in told["changes"] if "city" in c["fields"]}

    assert await counted({"city": {"eq": "丽水"}}) == {(2, False)}
    ((_, bounded),) = await counted({"city": {"eq": "丽水"}, "phone": {"startsWith": "+86"}})
    assert bounded is True
    await done(ruled, "removeRole", key="reads_cities")


async def _may_preview(crm: Crm, who: str) -> bool:
    return (await crm.ask(who, PREVIEW, {"draft": {"role": "sales"}})).status == 200


async def test_what_was_told_is_what_happens(ruled: Crm) -> None:
    """Wang owns two customers of Quzhou, Chen one, and the pool has one; then they lose phones but those of Wang."""
    seen = '{ customers(where: { city: { eq: "衢州" } }) { nodes { name phone maskedFields } } }'
    await done(ruled, "cloneRole", key="sales", **{"as": "quzhou"}, label={"zh": "衢州", "en": "Quzhou"})
    for who, count in (("wang", 2), ("li", 1)):
        for number in range(count):
            await ruled.make(who, "customer", kind="PERSON", name=f"{who}{number}", city="衢州", phone="13800138333")
    own = [g for g in (await role(ruled, "sales"))["grants"] if g["type"] == "Customer" and g["rowRule"] == "OWN"]
    less = [{**own[0], "levels": [x for x in own[0]["levels"] if x["dataClass"] == "BASIC"], "writes": None}]
    others = [g for g in (await role(ruled, "sales"))["grants"] if g["type"] != "Customer"]

    told = await preview(ruled, role="sales", grants=[*others, *less])
    assert (await ruled.ask("wang", seen)).data["customers"]["nodes"][0]["phone"] == "+8613800138333"
    await done(ruled, "setGrants", role="sales", grants=[*others, *less])
    await holds(lambda: _unknown(ruled, "wang", seen))
    after = (await ruled.ask("wang", seen.replace(" phone", ""))).data["customers"]["nodes"]
    await done(ruled, "resetRole", key="sales")

    (lost,) = [c for c in told["changes"] if c["kind"] == "LOSE" and "phone" in c["fields"] and c["rows"]]
    sellers = await ruled.count("user_roles h JOIN roles r ON r.id = h.role_id WHERE r.key = 'sales'")
    owned = await ruled.count(
        "customers c WHERE archived_at IS NULL AND (owner_id = ANY($1) OR pool_state = 'PUBLIC')",
        [ruled.users[name] for name in ("wang", "chen", "li", "zhou")],
    )
    assert (lost["level"], lost["users"], lost["rows"], lost["rowsCapped"]) == ("HIDDEN", sellers, owned, False)
    assert len(after) == 2
    assert [c["users"] for c in told["changes"] if c["kind"] == "LOSE_WRITE" and "phone" in c["fields"]] == [sellers]


async def _unknown(crm: Crm, who: str, document: str) -> bool:
    return (await crm.ask(who, document)).status == 400


async def test_preview_names_documents_that_break_and_that_become_valid(ruled: Crm) -> None:
    texts = ["query Trade { leads { nodes { name } } }", "query Talk { interactions { nodes { subject } } }"]
    registered = await ruled.ask(
        "sun", "mutation($d: [String!]!) { registerDocuments(documents: $d) { ids errors { message } } }", {"d": texts}
    )
    trade, talk = registered.payload("registerDocuments")["ids"]
    await done(ruled, "createRole", input=new_role("trader", grant("Lead")))
    await done(ruled, "grantRole", user=str(ruled.users["qian"]), role="trader")

    told = await preview(ruled, role="trader", grants=[grant("Opportunity")])

    assert told["documents"] == [{"id": trade, "operations": ["Trade"], "kind": "LOSE", "users": 1}]
    assert talk not in str(told)
    await done(ruled, "removeRole", key="trader")


async def test_what_takes_long_to_count_is_told_without_a_count(ruled: Crm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else holds the table of leads."""
    monkeypatch.setattr(grant_previews, "STATEMENT_WITHIN_MS", 100)
    users = [str(ruled.users["qian"])]

    async with ruled.database.transaction():
        await ruled.database.execute("LOCK TABLE leads IN ACCESS EXCLUSIVE MODE")
        told = await preview(ruled, role="slow", grants=[grant("Lead"), grant("Opportunity")], users=users)

    assert [(c["type"], c["rows"] is None) for c in told["changes"]] == [("Lead", True), ("Opportunity", False)]
    assert told["summary"][0].endswith(" on leads that were not counted in time.")


async def test_each_preview_stands_in_the_log_with_its_draft(ruled: Crm) -> None:
    await preview(ruled, role="noted", grants=[grant(row_rule="WHERE", where={"city": {"eq": "x"}}, **NAMES)])

    found = await ruled.database.fetchrow(
        "SELECT type, actor_id, after::text AS after FROM events WHERE is_read ORDER BY id DESC LIMIT 1"
    )

    assert found is not None
    assert (found["type"], found["actor_id"]) == ("role.previewed", ruled.users["root"])
    draft = orjson.loads(found["after"])["draft"]
    assert (draft["role"], draft["grants"][0]["where"]) == ("noted", {"city": {"eq": "x"}})


async def test_preview_of_nothing_is_nothing(ruled: Crm) -> None:
    told = await role(ruled, "finance")

    same = await preview(ruled, role="finance", grants=told["grants"])
    unheld = await preview(ruled, role="nobody_has_it", grants=[grant()])

    assert same == unheld == {"users": 0, "summary": [], "changes": [], "actions": [], "documents": []}


async def test_wrong_drafts_are_refused_with_their_place(ruled: Crm) -> None:
    unread = grant(row_rule="WHERE", where={"taxId": {"eq": "1"}}, fields=[{"field": "name", "level": "READ"}])

    for draft, place in (
        ({"role": "X"}, ["role"]),
        ({"role": "sales", "grants": [grant("Nothing")]}, ["grants", "0", "type"]),
        ({"role": "sales2", "grants": [unread]}, ["grants", "0", "where", "taxId"]),
        ({"role": "sales", "inherits": ["sales_manager"]}, ["inherits", "0"]),
        ({"role": "sales", "users": ["x"]}, ["users", "0"]),
    ):
        assert await refused(ruled, **draft) == ("BAD_VARIABLES", ["previewGrants", "draft", *place])
    misfit = await ruled.ask("root", PREVIEW, {"draft": {"role": "sales", "grants": [{"type": 1}]}})
    assert {error["extensions"]["code"] for error in misfit.json["errors"]} == {"BAD_VARIABLES"}
    unknown = await ruled.ask("sun", PREVIEW, {"draft": {"role": "sales"}})
    assert {error["extensions"]["code"] for error in unknown.json["errors"]} == {"VALIDATION_FAILED"}


async def test_preview_speaks_chinese(ruled: Crm) -> None:
    told = await preview(ruled, "zh", role="zh", grants=[grant(**NAMES)], users=[str(ruled.users["chen"])])

    assert told["summary"][0].startswith("1 个用户将")


async def test_preview_keeps_nothing_in_the_policy_of_the_hub(ruled: Crm) -> None:
    """It reckons in a thread, and what the hub's policy keeps is for the event loop alone."""
    await done(ruled, "createRole", input=new_role("stem", grant(**NAMES)))
    heir = new_role("stem_heir", grant(row_rule="WHERE", where={"city": {"eq": "x"}}), inherits=["stem"])
    heir["grants"][0] |= {"levels": [], "fields": [{"field": "name", "level": "READ"}]}
    await done(ruled, "createRole", input=heir)
    policy, catalog = await load_policy(ruled.database), build_catalog()

    async def valid(_: Access, __: str) -> None:
        return None

    asker = (await load_principal(ruled.database, policy, catalog, ruled.users["root"], now=ruled.clock())).principal
    kept = len(policy.resolved)
    previewing = grant_previews.Previewing(
        ruled.database, policy, catalog, asker, ruled.clock(), "en", valid, {}, lambda _: None
    )
    with pytest.raises(BadVariables, match="role_left_unread"):
        await previewing.preview({"draft": {"role": "stem", "grants": []}})

    assert len(policy.resolved) == kept
    for key in ("stem_heir", "stem"):
        await done(ruled, "removeRole", key=key)
