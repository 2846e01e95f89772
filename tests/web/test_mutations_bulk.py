"""Bulk upsert and idempotency keys over HTTP: a bad item costs itself alone, a retry costs nothing."""

import asyncio
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import orjson
import pytest

from crm_graph.web.graphql_requests import MAX_CONTAINERS, MAX_VALUES, from_json

from .administering import done
from .conftest import Answer, Crm

UPSERT = """
mutation($source: String!, $items: [UpsertCustomerItem!]!, $mode: Mode, $dryRun: Boolean) {
  upsertCustomers(source: $source, items: $items, mode: $mode, dryRun: $dryRun) {
    created updated unchanged rejected
    outcomes { index result id errors { code path message } }
    errors { code path message }
  }
}"""
USED_OTHERWISE = "This idempotency key was used with another request, or by an asker with other rights. Use a new key."
CREATE = """
mutation($name: String!) {
  createCustomer(input: { name: $name, kind: PERSON }) { customer { id } errors { code } }
}"""

Items = Sequence[dict[str, Any]]


def people(count: int, prefix: str = "p") -> list[dict[str, Any]]:
    return [
        {"externalId": f"{prefix}{n}", "name": f"客户{n}", "kind": "PERSON", "phone": f"139{n:08d}"}
        for n in range(count)
    ]


async def upsert(crm: Crm, source: str, items: Items, who: str = "sun", **more: Any) -> Any:
    headers = more.pop("headers", {})
    answer = await crm.ask(who, UPSERT, {"source": source, "items": items, **more}, **headers)
    return answer.payload("upsertCustomers")


def results(payload: Any) -> list[str]:
    return [outcome["result"] for outcome in payload["outcomes"]]


async def refs(crm: Crm, source: str) -> int:
    return await crm.count("external_refs WHERE source = $1", source)


async def test_of_10000_items_the_bad_one_alone_is_rejected(crm: Crm) -> None:
    items = people(10_000)
    items[7_777]["phone"] = "12"

    payload = await upsert(crm, "bulk-partial", items)

    assert [payload[k] for k in ("created", "updated", "unchanged", "rejected")] == [9_999, 0, 0, 1]
    assert payload["outcomes"][7_777] == {
        "index": 7_777,
        "result": "REJECTED",
        "id": None,
        "errors": [
            {
                "code": "INVALID",
                "path": ["phone"],
                "message": "This is not a phone number that exists. Give a full number,"
                " with its country code if it is abroad.",
            }
        ],
    }
    assert [o["index"] for o in payload["outcomes"]] == list(range(10_000))
    assert await refs(crm, "bulk-partial") == 9_999


async def test_of_10000_items_the_bad_one_refuses_all_where_all_is_asked_for(crm: Crm) -> None:
    items = people(10_000)
    items[7_777]["kind"] = "NOPE"
    before = await crm.count("customers"), await crm.count("events")

    payload = await upsert(crm, "bulk-atomic", items, mode="ATOMIC")

    assert [payload[k] for k in ("created", "rejected")] == [0, 10_000]
    assert payload["outcomes"][7_777]["errors"] == [
        {"code": "INVALID", "path": ["kind"], "message": "One of these is expected: PERSON, ORGANIZATION."}
    ]
    assert {e["code"] for o in payload["outcomes"] if o["index"] != 7_777 for e in o["errors"]} == {"RULE_VIOLATED"}
    assert (await crm.count("customers"), await crm.count("events")) == before
    assert await refs(crm, "bulk-atomic") == 0


async def test_one_item_too_many_refuses_the_call(crm: Crm) -> None:
    payload = await upsert(crm, "bulk-many", [{"externalId": "x"}] * 10_001)

    assert (payload["outcomes"], payload["created"]) == (None, None)
    assert [(e["code"], e["path"], e["message"]) for e in payload["errors"]] == [
        ("LIMIT_REACHED", ["items"], "At most 10000 items are taken at once.")
    ]


@pytest.mark.parametrize(
    ("values", "code", "path"),
    [
        ({"kind": "NOPE"}, "INVALID", ["kind"]),
        ({"kind": ["PERSON"]}, "INVALID", ["kind"]),
        ({"name": {"a": 1}}, "INVALID", ["name"]),
        ({"name": "a\0b"}, "INVALID", ["name"]),
        ({"name": None}, "REQUIRED", ["name"]),
        ({"phone": [1]}, "INVALID", ["phone"]),
        ({"employeeCount": 2**70}, "INVALID", ["employeeCount"]),
        ({"annualRevenue": 10**25}, "INVALID", ["annualRevenue"]),
        ({"externalId": None}, "INVALID", ["externalId"]),
        ({"externalId": "a\0"}, "INVALID", ["externalId"]),
        ({"externalId": True}, "INVALID", ["externalId"]),
        ({"externalId": 1.5}, "INVALID", ["externalId"]),
        ({"externalId": "x" * 201}, "INVALID", ["externalId"]),
        ({"deleted": "maybe"}, "INVALID", ["deleted"]),
        ({"parent": "x"}, "INVALID", ["parent"]),
        ({"parent": {"id": "x"}}, "NOT_FOUND", ["parent"]),
        ({"parent": {"externalId": "no such"}}, "NOT_FOUND", ["parent"]),
        ({"parent": {"externalId": "a\0"}}, "NOT_FOUND", ["parent"]),
        ({"parent": {"source": {"a": 1}, "externalId": [1]}}, "NOT_FOUND", ["parent"]),
        ({"contactPoints": "x"}, "INVALID", ["contactPoints"]),
        ({"contactPoints": [1]}, "INVALID", ["contactPoints"]),
        ({"contactPoints": [{"kind": "MOBILE", "raw": {"x": 1}}]}, "INVALID", ["contactPoints", "0", "raw"]),
        ({"contactPoints": [{"kind": "MOBILE", "raw": "12"}]}, "INVALID", ["contactPoints", "0"]),
    ],
)
async def test_a_bad_value_rejects_its_item_and_no_other(
    crm: Crm, values: dict[str, Any], code: str, path: list[str], request: pytest.FixtureRequest
) -> None:
    source = f"odd-{sha256(request.node.name.encode()).hexdigest()[:16]}"
    good, bad = people(2, "ok")

    payload = await upsert(crm, source, [good, {**bad, **values}])

    assert results(payload) == ["CREATED", "REJECTED"]
    assert (code, path) in [(e["code"], e["path"]) for e in payload["outcomes"][1]["errors"]]
    assert await refs(crm, source) == 1


async def test_the_same_external_id_twice_is_taken_once(crm: Crm) -> None:
    one, two = people(1)[0], {**people(1)[0], "name": "另一位"}

    payload = await upsert(crm, "twice", [one, two])

    assert results(payload) == ["CREATED", "REJECTED"]
    assert [e["code"] for e in payload["outcomes"][1]["errors"]] == ["DUPLICATE"]


async def test_a_dry_run_tells_the_outcomes_and_writes_nothing(crm: Crm) -> None:
    before = await crm.count("customers"), await crm.count("events")

    payload = await upsert(crm, "dry", [*people(2), {"externalId": "x"}], dryRun=True)

    assert results(payload) == ["CREATED", "CREATED", "REJECTED"]
    assert (await crm.count("customers"), await crm.count("events"), await refs(crm, "dry")) == (*before, 0)


async def test_the_same_batch_again_changes_nothing(crm: Crm) -> None:
    first = await upsert(crm, "again", people(3))
    second = await upsert(crm, "again", [*people(2), {**people(3)[2], "name": "新名"}])

    assert results(first) == ["CREATED"] * 3
    assert results(second) == ["UNCHANGED", "UNCHANGED", "UPDATED"]
    assert [o["id"] for o in second["outcomes"]] == [o["id"] for o in first["outcomes"]]
    events = [len(await crm.events(o["id"])) for o in first["outcomes"]]
    assert events == [1, 1, 2]


async def test_a_client_writes_under_its_own_source_and_its_name_stands_in_the_event(crm: Crm) -> None:
    foreign = await upsert(crm, "shop", people(1), who="erp")
    own = await upsert(crm, "erp", people(1), who="erp")

    assert [(e["code"], e["path"]) for e in foreign["errors"]] == [("INVALID", ["source"])]
    assert results(own) == ["CREATED"]
    (event,) = await crm.events(own["outcomes"][0]["id"])
    assert (event["actor_id"], event["source"], event["client_id"] is None) == (crm.users["erp"], "erp", False)


async def test_a_retry_gets_the_same_bytes_and_has_no_second_effect(crm: Crm) -> None:
    async def once() -> Answer:
        return await crm.ask("sun", CREATE, {"name": "重试"}, Idempotency_Key="retry-1")

    first, second = await once(), await once()

    assert first.payload("createCustomer")["errors"] == []
    assert second.response.content == first.response.content
    assert await crm.count("customers WHERE name = '重试'") == 1


async def test_a_stored_answer_names_the_customer_it_is_about_and_when_it_ends(crm: Crm) -> None:
    made = await crm.ask("sun", CREATE, {"name": "留痕"}, Idempotency_Key="subject-1")

    id_ = made.payload("createCustomer")["customer"]["id"]
    kept = f"key = 'subject-1' AND subject_id = '{id_}' AND expires_at > created_at"
    assert await crm.count(f"idempotency_keys WHERE {kept}") == 1


async def test_a_key_with_another_body_is_refused(crm: Crm) -> None:
    await crm.ask("sun", CREATE, {"name": "甲公司"}, Idempotency_Key="other-1")

    for media in ("application/json", "application/graphql-response+json"):
        answer = await crm.ask("sun", CREATE, {"name": "乙公司"}, Idempotency_Key="other-1", Accept=media)
        assert answer.error == (422, "IDEMPOTENCY_MISMATCH", USED_OTHERWISE)
    assert await crm.count("customers WHERE name = '乙公司'") == 0


async def test_a_key_that_was_used_with_other_rights_is_refused_and_says_so(crm: Crm) -> None:
    async def once(language: str) -> Answer:
        return await crm.ask("wang", CREATE, {"name": "权限已变"}, Idempotency_Key="rights-1", Accept_Language=language)

    await once("en")
    wang = str(crm.users["wang"])
    await done(crm, "grantRole", user=wang, role="marketing")
    english, chinese = await once("en"), await once("zh")
    await done(crm, "revokeRole", user=wang, role="marketing")

    assert english.error == (422, "IDEMPOTENCY_MISMATCH", USED_OTHERWISE)
    told = "该幂等键已用于其他请求，或使用时请求者的权限不同，请更换新的幂等键。"
    assert chinese.error == (422, "IDEMPOTENCY_MISMATCH", told)
    assert await crm.count("customers WHERE name = '权限已变'") == 1


async def test_keys_belong_to_whoever_sent_them(crm: Crm) -> None:
    mine = await crm.ask("sun", CREATE, {"name": "同键"}, Idempotency_Key="shared-1")
    theirs = await crm.ask("wang", CREATE, {"name": "同键"}, Idempotency_Key="shared-1")

    assert mine.payload("createCustomer")["customer"] != theirs.payload("createCustomer")["customer"]


async def test_a_duplicate_at_the_same_time_waits_and_gets_the_same_answer(crm: Crm) -> None:
    answers = await asyncio.gather(
        *(crm.ask("sun", CREATE, {"name": "并发"}, Idempotency_Key="race-1") for _ in range(6))
    )

    assert {a.status for a in answers} == {200}
    assert len({a.response.content for a in answers}) == 1
    assert await crm.count("customers WHERE name = '并发'") == 1


async def test_what_was_refused_may_be_sent_again_under_its_key(crm: Crm) -> None:
    answer = await crm.ask("sun", CREATE, {"name": ""}, Idempotency_Key="refused-1")
    again = await crm.ask("sun", CREATE, {"name": "这次有名字"}, Idempotency_Key="refused-1")

    assert [e["code"] for e in answer.payload("createCustomer")["errors"]] == ["REQUIRED"]
    assert again.payload("createCustomer")["errors"] == []


@pytest.mark.parametrize("key", ["", '""', "x" * 201])
async def test_a_key_that_is_none_is_refused(crm: Crm, key: str) -> None:
    answer = await crm.ask("sun", CREATE, {"name": "无键"}, Idempotency_Key=key)

    assert answer.error == (400, "BAD_VARIABLES", "An idempotency key has 1 to 200 characters.")
    assert await crm.count("customers WHERE name = '无键'") == 0


async def test_two_fields_under_one_key_are_kept_apart(crm: Crm) -> None:
    document = """mutation {
      a: createCustomer(input: { name: "双一", kind: PERSON }) { customer { name } }
      b: createCustomer(input: { name: "双二", kind: PERSON }) { customer { name } }
    }"""

    answers = [await crm.ask("sun", document, Idempotency_Key="two-1") for _ in range(2)]

    assert answers[0].data == {"a": {"customer": {"name": "双一"}}, "b": {"customer": {"name": "双二"}}}
    assert answers[1].response.content == answers[0].response.content
    assert await crm.count("customers WHERE name IN ('双一', '双二')") == 2


async def test_ten_thousand_full_items_stay_well_below_what_is_parsed(crm: Crm) -> None:
    type_ = await crm.ask("erp", '{ __type(name: "UpsertCustomerItem") { inputFields { name } } }')
    item: dict[str, Any] = {field["name"]: "一，二, 三, 四" for field in type_.data["__type"]["inputFields"]}
    reference = {"source": "erp", "externalId": "A-1"}
    item |= {"parent": reference, "referredBy": reference}
    item["contactPoints"] = [{"kind": "MOBILE", "label": "a", "raw": "13800138000", "isPrimary": True}] * 4
    item["addresses"] = [dict.fromkeys(("label", "country", "province", "city", "district", "line"), "a")] * 3
    body = orjson.dumps({"query": UPSERT, "variables": {"source": "erp", "items": [item] * 10_000}})

    assert len(item) > 30
    assert from_json(body)[3]["items"] == [item] * 10_000
    assert body.count(b"{") + body.count(b"[") < MAX_CONTAINERS / 2
    assert body.count(b",") < MAX_VALUES


@pytest.mark.parametrize("levels", [300, 1000])
async def test_items_of_any_depth_are_refused(crm: Crm, levels: int) -> None:
    variables = b'{"source":"deep","items":[{"contactPoints":' + b"[" * levels + b"]" * levels + b"}]}"
    body = b'{"query":' + orjson.dumps(UPSERT) + b',"variables":' + variables + b"}"

    answer = await crm.post(body, Idempotency_Key="deep")

    assert answer.error[:2] in {(400, "COST_EXCEEDED"), (400, "PARSE_FAILED")}
