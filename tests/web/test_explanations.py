"""`viewer`, `explainAccess` and `accessReport` over HTTP: who may ask, in which words, and what is refused."""

from typing import Any

import orjson

from web.conftest import Crm

EXPLAIN = """query($role: String, $user: ID, $client: String, $type: String!, $field: String, $id: ID) {
  explainAccess(role: $role, user: $user, client: $client, type: $type, field: $field, id: $id) {
    recordExists visible level conditional writable summary
    grants { role rowRule state level writable matches decides words }
  }
}"""


async def explained(crm: Crm, who: str = "root", language: str = "en", **asked: Any) -> Any:
    answer = await crm.ask(who, EXPLAIN, {"type": "Customer", **asked}, Accept_Language=language)
    return answer.data["explainAccess"]


async def refused(crm: Crm, **asked: Any) -> tuple[int, str, list[str]]:
    answer = await crm.ask("root", EXPLAIN, {"type": "Customer", **asked})
    (error,) = answer.json["errors"]
    return answer.status, error["extensions"]["code"], error["extensions"].get("argument", [])


async def test_admin_asks_why_a_seller_sees_a_phone(crm: Crm) -> None:
    mine = await crm.make("wang", "customer", kind="PERSON", name="顾一鸣", phone="13800138111")

    told = await explained(crm, user=str(crm.users["wang"]), field="phone", id=mine["id"])

    assert {**told, "grants": None} == {
        "recordExists": True,
        "visible": True,
        "level": "READ",
        "conditional": False,
        "writable": True,
        "summary": "wang sees phone in full, by role sales on records that they own or work on.",
        "grants": None,
    }
    assert [(g["role"], g["rowRule"], g["matches"], g["level"], g["decides"]) for g in told["grants"]] == [
        ("sales", "OWN", True, "READ", True),
        ("sales", "WHERE", False, "MASKED", False),
    ]
    assert told["grants"][1]["words"] == (
        "Role sales shows it masked on records where pool state is Public pool. This record is none of them."
    )
    assert "顾" not in str(told)
    assert "138" not in str(told)


async def test_a_record_of_others_is_told_from_one_that_never_was_by_who_may_explain(crm: Crm) -> None:
    other = await crm.make("li", "customer", kind="PERSON", name="何北")
    never = other["id"][:-6] + ("000000" if other["id"][-6:] != "000000" else "000001")
    asked = {"user": str(crm.users["wang"]), "field": "name"}

    theirs = await explained(crm, **asked, id=other["id"])
    nobodys = await explained(crm, **asked, id=never)

    assert (theirs["recordExists"], theirs["visible"], theirs["level"]) == (True, False, "HIDDEN")
    assert theirs["summary"] == "wang does not see this record: no grant on Customer is about it."
    assert (nobodys["recordExists"], nobodys["visible"]) == (False, False)
    assert nobodys["summary"] == "There is no Customer with this id."


async def test_a_question_about_a_record_is_written_down(crm: Crm) -> None:
    one = await crm.make("wang", "customer", kind="PERSON", name="顾写下", phone="13800138112")
    since = crm.clock()

    await explained(crm, user=str(crm.users["wang"]), field="phone", id=one["id"])
    await explained(crm, role="finance", id=one["id"][:-1] + ("0" if one["id"][-1] != "0" else "1"))
    await explained(crm, role="finance", field="phone")

    found = await crm.database.fetch(
        "SELECT type, entity_id::text, customer_id::text, actor_id, records, changed::text, after::text"
        " FROM events WHERE is_read AND occurred_at > $1 ORDER BY id",
        since,
    )
    assert [(e["type"], e["entity_id"], e["customer_id"], e["records"]) for e in found] == [
        ("customer.explained", one["id"], one["id"], 1),
        ("customer.explained", None, None, 0),
    ]
    assert {e["actor_id"] for e in found} == {crm.users["root"]}
    assert [orjson.loads(e["changed"]) for e in found] == [["phone"], []]
    assert [orjson.loads(e["after"]) for e in found] == [{"user": str(crm.users["wang"])}, {"role": "finance"}]


async def test_words_are_chinese_for_who_asks_so(crm: Crm) -> None:
    told = await explained(crm, language="zh-CN", role="finance", field="bankAccount")

    assert told["summary"] == "finance 对 bankAccount 的权限为完整可见，依据：角色 finance（全部记录）。"
    assert told["grants"][0]["words"] == "角色 finance 在全部记录上的权限为完整可见。"


async def test_scopes_of_a_client_are_told_where_they_cut(crm: Crm) -> None:
    customers = await explained(crm, client="erp", field="name")
    contracts = await explained(crm, client="erp", type="Contract", field="number")

    assert (customers["level"], {g["state"] for g in customers["grants"]}) == ("READ", {"IN_FORCE"})
    assert (contracts["visible"], contracts["level"]) == (False, "HIDDEN")
    assert {g["state"] for g in contracts["grants"]} == {"CUT"}
    assert contracts["grants"][0]["words"].endswith("The scopes of the client take this away.")


async def test_who_lacks_the_action_cannot_ask(crm: Crm) -> None:
    for who in ("wang", "sun", "erp"):
        for query in (EXPLAIN, '{ accessReport(type: "Customer", field: "name") { unheldRoles } }'):
            answer = await crm.ask(who, query, {"type": "Customer", "role": "sales"})
            assert answer.status == 400
            assert answer.json["errors"][0]["extensions"]["code"] == "VALIDATION_FAILED"
        schema = await crm.ask(who, '{ __type(name: "AccessExplanation") { name } }')
        assert schema.data == {"__type": None}


async def test_bad_questions_are_refused_and_leave_the_connection_in_use(crm: Crm) -> None:
    assert await refused(crm) == (400, "BAD_VARIABLES", ["explainAccess"])
    assert await refused(crm, role="x") == (400, "BAD_VARIABLES", ["explainAccess", "role"])
    assert await refused(crm, role="sales", type="Nothing") == (400, "BAD_VARIABLES", ["explainAccess", "type"])
    assert await refused(crm, role="sales", field="x") == (400, "BAD_VARIABLES", ["explainAccess", "field"])
    assert await refused(crm, role="sales", id="x") == (400, "BAD_VARIABLES", ["id"])
    for _ in range(10):
        assert (await refused(crm, role="x"))[0] == 400
    assert (await explained(crm, role="sales"))["summary"].startswith("sales sees some Customer records")


async def test_report_counts_who_has_a_role(crm: Crm) -> None:
    query = """{ accessReport(type: "Customer", field: "bankAccount") {
        type field roles { role label { zh } level conditional writable users grants { rowRule decides } } unheldRoles
    } }"""

    holders = "user_roles h JOIN users u ON u.id = h.user_id JOIN roles r ON r.id = h.role_id"
    with_finance = await crm.count(f"{holders} WHERE r.key = 'finance' AND u.status = 'ACTIVE'")

    told = (await crm.ask("root", query)).data["accessReport"]

    (finance,) = (r for r in told["roles"] if r["role"] == "finance")
    assert finance == {
        "role": "finance",
        "label": {"zh": "财务"},
        "level": "READ",
        "conditional": False,
        "writable": True,
        "users": with_finance,
        "grants": [{"rowRule": "ALL", "decides": True}, {"rowRule": "WHERE", "decides": False}],
    }
    assert with_finance >= 1
    assert "sales" not in {r["role"] for r in told["roles"]}
    assert not {"sales", "finance", "admin", "everyone"} & set(told["unheldRoles"])


async def test_everybody_is_told_who_they_are(crm: Crm) -> None:
    query = """{ viewer { user { username } roles { key label { zh } } team { key } client { clientId source } locale
        timeZone access { actions types { type } } } }"""

    wang = (await crm.ask("wang", query)).data["viewer"]
    erp = (await crm.ask("erp", query)).data["viewer"]

    assert (wang["user"], wang["team"], wang["client"]) == ({"username": "wang"}, {"key": "east"}, None)
    assert wang["roles"] == [{"key": "sales", "label": {"zh": "销售"}}]
    assert (wang["locale"], wang["timeZone"]) == ("zh-CN", "Asia/Shanghai")
    assert erp["client"] == {"clientId": "erp", "source": "erp"}
    assert "customers:upsert" in erp["access"]["actions"]
    assert "contracts:update" not in erp["access"]["actions"]
    assert [t["type"] for t in erp["access"]["types"]] == ["Customer", "User", "Team"]
