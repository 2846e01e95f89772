"""Writing records over HTTP: versions, rights, transactions, payloads and their events."""

from typing import Any

import pytest

from .conftest import START, Crm

UPDATE = """
mutation($id: ID!, $v: Int, $i: UpdateCustomerInput!) {
  updateCustomer(id: $id, expectedVersion: $v, input: $i) {
    customer { version city shortName } errors { code path message details }
  }
}"""
READ = "query($id: ID!) { customer(id: $id) { version city } }"
ASSIGN = """
mutation($id: ID!, $to: ID!, $why: String) {
  assignLead(id: $id, to: $to, reason: $why) {
    lead { owner { name } team { name } } errors { code path message }
  }
}"""


async def customer(crm: Crm, who: str = "wang", **values: Any) -> str:
    """A new customer's id."""
    made = await crm.make(who, "customer", **{"name": "王府井百货", "kind": "ORGANIZATION", **values})
    id_: str = made["id"]
    return id_


async def update(crm: Crm, id_: str, version: int | None = None, who: str = "wang", **values: Any) -> Any:
    return (await crm.ask(who, UPDATE, {"id": id_, "v": version, "i": values})).payload("updateCustomer")


async def test_a_stale_version_conflicts_only_where_the_same_field_has_changed(crm: Crm) -> None:
    id_ = await customer(crm)
    await update(crm, id_, 1, city="北京")

    other = await update(crm, id_, 1, shortName="王府井")
    same_value = await update(crm, id_, 1, city="北京")
    clash = await update(crm, id_, 1, city="上海", shortName="WFJ")

    assert other == {"customer": {"version": 3, "city": "北京", "shortName": "王府井"}, "errors": []}
    assert same_value == {"customer": {"version": 3, "city": "北京", "shortName": "王府井"}, "errors": []}
    assert clash == {
        "customer": None,
        "errors": [
            {
                "code": "CONFLICT",
                "path": ["shortName"],
                "message": "The record has changed since you read it. Read it again and repeat your change.",
                "details": {"fields": ["shortName", "city"], "version": 3},
            }
        ],
    }
    assert (await crm.ask("wang", READ, {"id": id_})).data["customer"] == {"version": 3, "city": "北京"}


async def test_a_version_that_never_was_is_invalid(crm: Crm) -> None:
    payload = await update(crm, await customer(crm), 99, city="上海")

    assert [(e["code"], e["path"], e["details"]) for e in payload["errors"]] == [
        ("INVALID", ["expectedVersion"], {"version": 1})
    ]


async def test_a_field_that_is_only_masked_has_no_input(crm: Crm) -> None:
    """Finance sees a person's phone masked and has no input for it at all."""
    person = await customer(crm, "sun", name="张三", kind="PERSON", phone="13912345678")
    seen = await crm.ask("qian", "query($id: ID!) { customer(id: $id) { phone maskedFields } }", {"id": person})
    assert seen.data["customer"] == {"phone": "139****5678", "maskedFields": ["phone", "email", "wechatId"]}

    written = await crm.ask("qian", UPDATE, {"id": person, "i": {"phone": "139****5678"}})

    assert written.status == 400
    assert written.json["errors"][0]["extensions"] == {"code": "BAD_VARIABLES"}
    assert await crm.count("customers WHERE id = $1 AND phone = '+8613912345678'", person) == 1


async def test_a_mask_as_a_phone_number_is_told_by_name(crm: Crm) -> None:
    payload = await update(crm, await customer(crm, phone="13812345678"), phone="138****5678")

    assert [(e["code"], e["path"]) for e in payload["errors"]] in (
        [("INVALID", ["phone"])],
        [("MASKED_VALUE", ["phone"])],
    )


async def test_a_record_out_of_scope_is_as_one_that_never_was(crm: Crm) -> None:
    id_ = await customer(crm)
    missing = id_[:-4] + "0000"

    answers = [(await crm.ask("li", UPDATE, {"id": i, "i": {"city": "x"}})).response.content for i in (id_, missing)]

    assert answers[0] == answers[1]
    assert b'"NOT_FOUND"' in answers[0]


@pytest.mark.parametrize(
    ("values", "code", "path", "message"),
    [
        ({"name": ""}, "REQUIRED", ["name"], "This field is required."),
        ({"name": None}, "REQUIRED", ["name"], "This field is required."),
        (
            {"name": "a\0b"},
            "INVALID",
            ["name"],
            "The text holds control characters or line breaks. Remove them.",
        ),
        ({"name": "x" * 5_000}, "INVALID", ["name"], "The text may have at most 200 characters."),
        (
            {"annualRevenue": str(10**25)},
            "INVALID",
            ["annualRevenue"],
            "The number must lie between -9999999999999999.99 and 9999999999999999.99.",
        ),
        ({"employeeCount": -1}, "INVALID", ["employeeCount"], "The number must lie between 0 and 2147483647."),
    ],
)
async def test_a_value_that_cannot_be_stored_is_refused(
    crm: Crm, values: dict[str, Any], code: str, path: list[str], message: str
) -> None:
    id_ = await customer(crm)

    (error,) = (await update(crm, id_, **values))["errors"]

    assert (error["code"], error["path"], error["message"]) == (code, path, message)
    assert len(await crm.events(id_)) == 1


async def test_emoji_and_rare_characters_are_stored_as_they_are(crm: Crm) -> None:
    id_ = await customer(crm, name="𠮷野家 😀👩‍👩‍👧")

    answer = await crm.ask("wang", "query($id: ID!) { customer(id: $id) { name } }", {"id": id_})

    assert answer.data["customer"]["name"] == "𠮷野家 😀👩‍👩‍👧"


async def test_user_errors_speak_the_language_of_the_request(crm: Crm) -> None:
    answer = await crm.ask(
        "wang", UPDATE, {"id": await customer(crm), "i": {"phone": "123"}}, Accept_Language="zh-CN,zh;q=0.9"
    )

    assert [e["message"] for e in answer.payload("updateCustomer")["errors"]] == [
        "电话号码无效，请填写完整号码，境外号码请带国家代码。"
    ]


async def test_ids_that_are_none_name_the_argument(crm: Crm) -> None:
    document = """mutation($i: CreateOpportunityInput!) {
      a: updateCustomer(id: "x", input: {}) { errors { code path } }
      b: createOpportunity(input: $i) { errors { code path } }
    }"""
    answer = await crm.ask("wang", document, {"i": {"name": "x", "customerId": "x"}})

    assert answer.refusals("a") == [("INVALID", ["id"])]
    assert answer.refusals("b") == [("INVALID", ["customerId"])]


async def test_each_mutation_field_is_a_transaction(crm: Crm) -> None:
    id_ = await customer(crm)
    document = """mutation($id: ID!) {
      first: updateCustomer(id: $id, input: { city: "A" }) { customer { city version } errors { code } }
      second: updateCustomer(id: $id, expectedVersion: 1, input: { city: "B" }) { customer { city } errors { code } }
      third: updateCustomer(id: $id, input: { shortName: "C" }) { customer { city version } errors { code } }
      __typename
    }"""

    answer = await crm.ask("wang", document, {"id": id_})

    assert answer.data == {
        "first": {"customer": {"city": "A", "version": 2}, "errors": []},
        "second": {"customer": None, "errors": [{"code": "CONFLICT"}]},
        "third": {"customer": {"city": "A", "version": 3}, "errors": []},
        "__typename": "Mutation",
    }
    assert [e["entity_version"] for e in await crm.events(id_)] == [1, 2, 3]


async def test_a_payload_that_cannot_be_read_takes_its_change_back(crm: Crm) -> None:
    id_ = await customer(crm)
    document = """mutation($id: ID!, $n: Int) {
      updateCustomer(id: $id, input: { city: "A" }) {
        customer { opportunities(first: $n) { nodes { id } } } errors { code }
      }
    }"""

    answer = await crm.ask("wang", document, {"id": id_, "n": 201})

    assert answer.error == (400, "BAD_VARIABLES", "first must lie between 0 and 200.")
    assert (await crm.ask("wang", READ, {"id": id_})).data["customer"] == {"version": 1, "city": None}
    assert len(await crm.events(id_)) == 1


async def test_a_field_that_took_effect_stays_when_the_next_cannot_be_answered(crm: Crm) -> None:
    id_ = await customer(crm)
    document = """mutation($id: ID!) {
      a: updateCustomer(id: $id, input: { city: "A" }) { errors { code } }
      b: updateCustomer(id: $id, input: { city: "B" }) {
        customer { opportunities(first: 201) { nodes { id } } } errors { code }
      }
    }"""

    answer = await crm.ask("wang", document, {"id": id_})
    as_json = await crm.ask("wang", document, {"id": id_}, Accept="application/json")

    assert (answer.status, answer.json["data"]) == (294, None)
    assert (as_json.status, as_json.json["data"]) == (200, None)
    (error,) = answer.json["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["b"], "BAD_VARIABLES")
    assert (await crm.ask("wang", READ, {"id": id_})).data["customer"] == {"version": 2, "city": "A"}


async def test_payloads_take_aliases_variables_fragments_and_connections(crm: Crm) -> None:
    id_ = await customer(crm)
    for name in ("乙", "甲", "丙"):
        await crm.make("wang", "opportunity", name=name, customerId=id_, amount="100.50", currency="CNY")
    document = """mutation($id: ID!, $n: Int, $order: OpportunityOrderBy!, $no: Boolean!) {
      changed: updateCustomer(id: $id, input: { city: "天津" }) {
        who: customer {
          ...Place
          deals: opportunities(first: $n, orderBy: [$order]) {
            totalCount nodes { name amount { amount currency } stage { key } } pageInfo { hasNextPage }
          }
          none: opportunities(where: { name: { eq: "丁" } }) { totalCount }
          version @skip(if: $no)
          __typename
        }
        __typename
      }
    }
    fragment Place on Customer { city }"""

    answer = await crm.ask("wang", document, {"id": id_, "n": 1, "order": {"name": "ASC"}, "no": True})

    assert answer.data == {
        "changed": {
            "who": {
                "city": "天津",
                "deals": {
                    "totalCount": 3,
                    "nodes": [
                        {
                            "name": "丙",
                            "amount": {"amount": "100.50", "currency": "CNY"},
                            "stage": {"key": "qualification"},
                        }
                    ],
                    "pageInfo": {"hasNextPage": True},
                },
                "none": {"totalCount": 0},
                "__typename": "Customer",
            },
            "__typename": "UpdateCustomerPayload",
        }
    }


async def test_a_record_that_left_the_askers_scope_is_null_in_the_payload(crm: Crm) -> None:
    """Zhou sells and may give her leads away; those of the others she does not see."""
    lead = await crm.make("zhou", "lead", name="展会线索", phone="13800138002")

    answer = await crm.ask("zhou", ASSIGN, {"id": lead["id"], "to": str(crm.users["li"]), "why": "华北归李"})

    assert answer.payload("assignLead") == {"lead": None, "errors": []}
    seen = await crm.ask("li", "query($id: ID!) { lead(id: $id) { owner { name } team { name } } }", {"id": lead["id"]})
    assert seen.data == {"lead": {"owner": {"name": "li"}, "team": {"name": "north"}}}
    again = await crm.ask("zhou", ASSIGN, {"id": lead["id"], "to": str(crm.users["zhou"])})
    assert again.refusals("assignLead") == [("NOT_FOUND", ["id"])]
    assert (await crm.events(lead["id"]))[-1]["reason"] == "华北归李"


@pytest.mark.parametrize(
    ("to", "why", "code", "path"),
    [
        ("x", None, "INVALID", ["to"]),
        ("00000000-0000-7000-8000-000000000000", None, "INVALID", ["to"]),
        ("li", "a\0b", "INVALID", ["reason"]),
        ("li", "x" * 501, "INVALID", ["reason"]),
    ],
)
async def test_an_assignment_that_makes_no_sense_is_refused(
    crm: Crm, to: str, why: str | None, code: str, path: list[str]
) -> None:
    lead = await crm.make("wang", "lead", name="展会线索", phone="13800138002")

    answer = await crm.ask("sun", ASSIGN, {"id": lead["id"], "to": str(crm.users.get(to, to)), "why": why})

    assert answer.refusals("assignLead") == [(code, path)]
    assert [e["type"] for e in await crm.events(lead["id"])] == ["lead.created"]


async def test_every_change_has_its_event_with_who_when_and_what(crm: Crm) -> None:
    id_ = await customer(crm, name="王府井百货", city="北京")
    await update(crm, id_, city="上海", shortName="王府井")
    await crm.ask("wang", "mutation($id: ID!) { archiveCustomer(id: $id) { errors { code } } }", {"id": id_})
    await crm.ask("wang", "mutation($id: ID!) { restoreCustomer(id: $id) { errors { code } } }", {"id": id_})
    await crm.ask("wang", "mutation($id: ID!) { restoreCustomer(id: $id) { errors { code } } }", {"id": id_})

    created, updated, archived, restored = await crm.events(id_)

    assert [e["type"] for e in (created, updated, archived, restored)] == [
        "customer.created",
        "customer.updated",
        "customer.archived",
        "customer.restored",
    ]
    assert (created["before"], created["after"]["name"], created["after"]["city"]) == ({}, "王府井百货", "北京")
    assert updated["before"] == {"city": "北京", "short_name": None}
    assert updated["after"] == {"city": "上海", "short_name": "王府井"}
    assert sorted(updated["changed"]) == ["city", "short_name"]
    assert (archived["changed"], archived["before"]) == (["archived_at"], {"archived_at": None})
    assert restored["after"] == {"archived_at": None}
    for event in (created, updated, archived, restored):
        assert (event["actor_id"], event["client_id"], event["source"]) == (crm.users["wang"], None, "api")
        assert len(event["request_id"]) == 32
        assert event["occurred_at"] > START
    assert len({event["request_id"] for event in (created, updated, archived, restored)}) == 4


async def test_optional_fields_of_mutations_and_payloads_are_left_out(crm: Crm) -> None:
    document = """
    mutation($input: CreateCustomerInput!, $lost: ID!, $deal: TransferDealInput) {
      transferDeal(id: $lost, input: $deal) @optional { ...deal }
      createCustomer(input: $input) {
        __typename
        customer { __typename name bankAccount @optional owner { neverWas @optional } ...more }
        errors { __typename code }
        warnings @optional { text }
      }
    }
    fragment deal on TransferDealPayload { errors { code } }
    fragment more on Customer { kind neverWas @optional }
    """
    variables = {"input": {"kind": "ORGANIZATION", "name": "杭州松风茶业有限公司"}, "lost": "x"}

    answer = await crm.ask("wang", document, variables)

    assert answer.data == {
        "createCustomer": {
            "__typename": "CreateCustomerPayload",
            "customer": {"__typename": "Customer", "name": "杭州松风茶业有限公司", "owner": {}, "kind": "ORGANIZATION"},
            "errors": [],
        }
    }


async def test_mutation_of_which_nothing_is_left_changes_nothing(crm: Crm) -> None:
    answer = await crm.ask("wang", "mutation { transferDeal @optional { ok } }")

    assert answer.data == {}
