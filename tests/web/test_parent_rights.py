"""Parents over HTTP: who may write a record's fields may not move the record, and a withheld ref names no parent."""

import asyncio
from typing import Any

from crm_graph.models.ids import EntityCode, IdSource

from .conftest import Crm

ASSIGN = "mutation($id: ID!, $to: ID!) { assignLead(id: $id, to: $to) { errors { code path } } }"
CREATE_DEAL = """
mutation($i: CreateOpportunityInput!) { createOpportunity(input: $i) { opportunity { id } errors { code path } } }"""
INPUT_FIELDS = """
query($type: String!) { __type(name: $type) { inputFields { name } } }"""
UPDATE = """
mutation($id: ID!, $i: UpdateCustomerInput!) {
  updateCustomer(id: $id, input: $i) { customer { version } errors { code path message } }
}"""
UPSERT = """
mutation($source: String!, $items: [UpsertCustomerItem!]!) {
  upsertCustomers(source: $source, items: $items) {
    outcomes { result errors { code path } } errors { code path }
  }
}"""
MOVE = """
mutation($id: ID!, $f: UpdateOpportunityInput) {
  transitionOpportunity(id: $id, to: "needs", fields: $f) {
    opportunity { stage { key } lead { id } nextStep } errors { code path }
  }
}"""


async def inputs(crm: Crm, who: str, type_: str) -> set[str]:
    found = (await crm.ask(who, INPUT_FIELDS, {"type": type_})).data["__type"]["inputFields"]
    return {field["name"] for field in found}


async def upsert(crm: Crm, who: str, source: str, **item: Any) -> Any:
    payload = (await crm.ask(who, UPSERT, {"source": source, "items": [item]})).payload("upsertCustomers")
    assert payload["errors"] == []
    return payload["outcomes"][0]


async def test_finance_writes_figures_and_moves_nothing_to_another_customer(crm: Crm) -> None:
    assert {"bankAccount", "creditLimit"} <= await inputs(crm, "qian", "UpdateCustomerInput")
    assert await inputs(crm, "qian", "UpdateCustomerInput") & {"parentId", "referredById"} == set()
    assert await inputs(crm, "qian", "UpdateContractInput") & {"customerId", "opportunityId"} == set()
    assert {"customerId", "opportunityId"} <= await inputs(crm, "wang", "UpdateContractInput")
    parent = await crm.make("sun", "customer", name="母公司", kind="ORGANIZATION")
    child = await crm.make("sun", "customer", name="子公司", kind="ORGANIZATION")

    written = await crm.ask("qian", UPDATE, {"id": child["id"], "i": {"parentId": parent["id"]}})

    assert (written.status, written.json["errors"][0]["extensions"]) == (400, {"code": "BAD_VARIABLES"})
    assert await crm.count("customers WHERE id = $1 AND parent_id IS NULL", child["id"]) == 1


async def test_withheld_ref_of_another_system_names_no_parent(crm: Crm) -> None:
    """The ERP sees every customer's name, but what the shop calls a customer only where it knows the customer too."""
    of_shop = {"source": "shop", "externalId": "member-1"}
    await upsert(crm, "sun", "shop", externalId="member-1", name="张三", kind="PERSON")
    await upsert(crm, "erp", "erp", externalId="known-1", name="李四", kind="PERSON")

    taken = await upsert(crm, "erp", "erp", externalId="known-1", parent=of_shop)
    never = await upsert(crm, "erp", "erp", externalId="known-1", parent={"source": "shop", "externalId": "never"})
    seen = await upsert(
        crm,
        "sun",
        "crm",
        externalId="c-1",
        name="王五",
        kind="PERSON",
        parent=of_shop,
    )

    assert taken == never == {"result": "REJECTED", "errors": [{"code": "NOT_FOUND", "path": ["parent"]}]}
    assert seen["result"] == "CREATED"


async def test_nobody_waits_for_a_row_that_is_not_theirs(crm: Crm) -> None:
    """A lock that another's change holds would tell that there is such a record."""
    theirs = await crm.make("li", "customer", name="北方客户", kind="ORGANIZATION")
    never = str(IdSource(crm.clock).new(EntityCode.CUSTOMER))

    async with crm.database.transaction():
        await crm.database.execute("SELECT 1 FROM customers WHERE id = $1 FOR UPDATE", theirs["id"])
        async with asyncio.timeout(2):
            held = await crm.ask("wang", UPDATE, {"id": theirs["id"], "i": {"city": "上海"}})
    absent = await crm.ask("wang", UPDATE, {"id": never, "i": {"city": "上海"}})

    assert held.json == absent.json
    assert held.refusals("updateCustomer") == [("NOT_FOUND", ["id"])]


async def test_parent_that_is_not_there_is_told_as_the_input_names_it(crm: Crm) -> None:
    never = str(IdSource(crm.clock).new(EntityCode.CUSTOMER))
    create = "mutation($i: CreateTicketInput!) { createTicket(input: $i) { errors { code path } } }"
    update = """mutation($id: ID!, $i: UpdateCustomerInput!) {
      updateCustomer(id: $id, input: $i) { errors { code path } } }"""
    own = await crm.make("wang", "customer", name="有母公司", kind="ORGANIZATION")

    made = await crm.ask("sun", create, {"i": {"subject": "无客户", "customerId": never}})
    changed = await crm.ask("wang", update, {"id": own["id"], "i": {"parentId": never}})

    assert made.refusals("createTicket") == [("NOT_FOUND", ["customerId"])]
    assert changed.refusals("updateCustomer") == [("NOT_FOUND", ["parentId"])]


async def test_move_writes_the_parents_among_its_fields(crm: Crm) -> None:
    one = await crm.make("wang", "customer", name="搬家公司", kind="ORGANIZATION")
    other = await crm.make("wang", "customer", name="新公司", kind="ORGANIZATION")
    lead = await crm.make("wang", "lead", name="李经理", customerId=one["id"])
    deal = await crm.make("wang", "opportunity", name="空调", customerId=one["id"])
    fields = {"leadId": lead["id"], "nextStep": "报价"}

    wrong = await crm.ask("wang", MOVE, {"id": deal["id"], "f": {**fields, "customerId": other["id"]}})
    moved = await crm.ask("wang", MOVE, {"id": deal["id"], "f": fields})

    assert wrong.refusals("transitionOpportunity") == [("RULE_VIOLATED", ["leadId"])]
    assert moved.payload("transitionOpportunity") == {
        "opportunity": {"stage": {"key": "needs"}, "lead": {"id": lead["id"]}, "nextStep": "报价"},
        "errors": [],
    }


async def test_customer_out_of_scope_behind_a_lead_in_the_pool_is_like_none(crm: Crm) -> None:
    """Wang sees the lead in the pool, not whose it is: with or without a customer, it is the same to him."""
    hidden = await crm.make("sun", "customer", name="别人的客户", kind="ORGANIZATION")
    leads = [
        await crm.make("sun", "lead", name="公海线索", customerId=hidden["id"]),
        await crm.make("sun", "lead", name="公海线索"),
    ]
    for lead in leads:
        assigned = await crm.ask("sun", ASSIGN, {"id": lead["id"], "to": str(crm.teams["north"])})
        assert assigned.refusals("assignLead") == []
    own = await crm.make("wang", "customer", name="自己的客户", kind="ORGANIZATION")

    for lead in leads:
        of_own = {"name": "商机", "leadId": lead["id"], "customerId": own["id"]}
        assert (await crm.ask("wang", CREATE_DEAL, {"i": of_own})).refusals("createOpportunity") == []
        of_none = {"name": "商机", "leadId": lead["id"]}
        refused = await crm.ask("wang", CREATE_DEAL, {"i": of_none})
        assert refused.refusals("createOpportunity") == [("REQUIRED", ["customerId"])]
