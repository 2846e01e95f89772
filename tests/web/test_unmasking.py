"""Unmasking over HTTP: masked fields in full, for a reason, limited and written down; what is hidden stays hidden."""

from typing import Any

import pytest

from .conftest import Answer, Crm, hub_with
from .test_audited_reads import reads

UNMASK = """mutation ($ids: [ID!]!, $fields: [String!]!, $why: String!) {
  unmask(ids: $ids, fields: $fields, reason: $why) { values { id field value } errors { code path } }
}"""


async def customer(crm: Crm, name: str, **values: Any) -> str:
    return str((await crm.make("sun", "customer", kind="PERSON", name=name, **values))["id"])


def asking(ids: list[str], fields: list[str], why: str = "来电核对身份") -> dict[str, Any]:
    return {"ids": ids, "fields": fields, "why": why}


async def test_masked_fields_are_told_in_full_and_written_down_with_the_reason(crm: Crm) -> None:
    one = await customer(crm, "去敏甲", phone="13871950001")
    other = await customer(crm, "去敏乙", phone="13871950002")
    since = crm.clock()
    answer = await crm.ask("caller", UNMASK, asking([one, other], ["phone", "contactPoints.raw", "creditLimit"]))
    assert answer.payload("unmask") == {
        "values": [
            {"id": one, "field": "phone", "value": "+8613871950001"},
            {"id": one, "field": "contactPoints.raw", "value": "13871950001"},
            {"id": one, "field": "creditLimit", "value": None},
            {"id": other, "field": "phone", "value": "+8613871950002"},
            {"id": other, "field": "contactPoints.raw", "value": "13871950002"},
            {"id": other, "field": "creditLimit", "value": None},
        ],
        "errors": [],
    }
    found = await reads(crm, since)
    assert [(r["type"], str(r["entity_id"]), r["records"]) for r in found] == [
        ("customer.unmasked", one, 1),
        ("customer.unmasked", other, 1),
    ]
    assert found[0]["changed"] == ["phone", "contactPoints.raw", "creditLimit"]
    assert {event["reason"] for event in await crm.events(one) if event["type"] == "customer.unmasked"} == {
        "来电核对身份"
    }
    assert "7195" not in repr(found)


async def test_amounts_are_told_with_their_currency(crm: Crm) -> None:
    id_ = await customer(crm, "去敏丙", phone="13871950003")
    await crm.database.execute("UPDATE customers SET credit_limit = 1200.5 WHERE id = $1::uuid", id_)
    answer = await crm.ask("caller", UNMASK, asking([id_], ["creditLimit"]))
    assert answer.payload("unmask")["values"][0]["value"] == {"amount": "1200.50", "currency": "CNY"}


@pytest.mark.parametrize(
    "field", ["email", "name", "bankAccount", "neverWas", "contactPoints.e164", "owner", "id_number"]
)
async def test_a_hidden_field_is_as_unknown_as_one_that_never_was(crm: Crm, field: str) -> None:
    id_, since = await customer(crm, "去敏丁", phone="13871950004"), crm.clock()
    answer = await crm.ask("caller", UNMASK, asking([id_], ["phone", field]))
    assert answer.refusals("unmask") == [("INVALID", ["fields", "1"])]
    assert await reads(crm, since) == []


async def test_a_record_that_is_not_there_is_told_like_one_that_never_was(crm: Crm) -> None:
    id_ = await customer(crm, "去敏戊", phone="13871950005")
    user = str(crm.users["sun"])
    for bad in ("019aaaaa-0000-7000-8100-000000000000", "019aaaaa-0000-7000-9000-000000000000"):
        answer = await crm.ask("caller", UNMASK, asking([id_, bad], ["phone"]))
        assert answer.refusals("unmask") == [("NOT_FOUND", ["ids", "1"])]
    assert (await crm.ask("caller", UNMASK, asking([id_, user], ["phone"]))).refusals("unmask") == [
        ("INVALID", ["ids", "1"])
    ]


@pytest.mark.parametrize(
    ("ids", "fields", "why", "refusal"),
    [
        (1, ["phone"], " \n ", ("REQUIRED", ["reason"])),
        (1, ["phone"], "x" * 501, ("INVALID", ["reason"])),
        (1, ["phone"], "a\0b", ("INVALID", ["reason"])),
        (0, ["phone"], "why", ("REQUIRED", ["ids"])),
        (21, ["phone"], "why", ("LIMIT_REACHED", ["ids"])),
        (1, [], "why", ("REQUIRED", ["fields"])),
        (1, ["phone"] * 21, "why", ("LIMIT_REACHED", ["fields"])),
    ],
)
async def test_what_is_asked_badly_is_refused(
    crm: Crm, ids: int, fields: list[str], why: str, refusal: tuple[str, list[str]]
) -> None:
    id_ = await customer(crm, "去敏己", phone="13871950006")
    assert (await crm.ask("caller", UNMASK, asking([id_] * ids, fields, why))).refusals("unmask") == [refusal]


@pytest.mark.parametrize("who", ["sun", "zhao", "wang", "root", "qian"])
async def test_nobody_may_unmask_by_default(crm: Crm, who: str) -> None:
    id_ = await customer(crm, "去敏庚", phone="13871950007")
    answer = await crm.ask(who, UNMASK, asking([id_], ["phone"]))
    assert answer.json["errors"][0]["extensions"]["code"] == "VALIDATION_FAILED"
    assert "data" not in answer.json


async def test_an_idempotency_key_keeps_nothing_that_was_unmasked(crm: Crm) -> None:
    id_, since = await customer(crm, "去敏辛", phone="13871950008"), crm.clock()
    for _ in range(2):
        answer = await crm.ask("caller", UNMASK, asking([id_], ["phone"]), idempotency_key="unmask-once")
        assert answer.payload("unmask")["values"][0]["value"] == "+8613871950008"
    assert len(await reads(crm, since)) == 2
    assert await crm.count("idempotency_keys WHERE key = 'unmask-once'") == 0


async def test_unmasking_is_limited_by_records(crm: Crm) -> None:
    ids = [await customer(crm, f"去敏限{n}", phone=f"1387195001{n}") for n in range(3)]
    async with hub_with(crm, crm.settings.model_copy(update={"unmasked_per_minute": 4})) as http:

        async def unmask(some: list[str]) -> Answer:
            body = {"query": UNMASK, "variables": asking(some, ["phone"])}
            return Answer(await http.post("/graphql", json=body, headers=crm.headers("caller")))

        assert (await unmask(ids)).payload("unmask")["errors"] == []
        since = crm.clock()
        refused = await unmask(ids[:2])
        assert refused.error[:2] == (429, "RATE_LIMITED")
        assert refused.response.headers["ratelimit-policy"] == '"unmasking";q=4;w=60'
        assert await reads(crm, since) == []
