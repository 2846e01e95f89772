"""History over HTTP: what a change did is told with its own answer, as far as its reader reads; erased, it is gone."""

from typing import Any

from .conftest import Crm

HISTORY = "history { nodes { version type reason actor { name } changes { field before after } } }"
READ = f"query ($id: ID!) {{ customer(id: $id) {{ phone {HISTORY} }} }}"
UPDATE = f"""mutation ($id: ID!, $i: UpdateCustomerInput!) {{
  updateCustomer(id: $id, input: $i) {{ customer {{ {HISTORY} }} errors {{ code }} }}
}}"""
ERASE = """mutation ($id: ID!, $why: String!) {
  eraseCustomer(id: $id, reason: $why) { erasedAt errors { code path } }
}"""
FIRST, THEN = "+8613871960001", "+8613871960002"


async def customer(crm: Crm, name: str) -> str:
    return str((await crm.make("sun", "customer", kind="PERSON", name=name, phone=FIRST))["id"])


async def told(crm: Crm, who: str, id_: str) -> list[dict[str, Any]]:
    return list((await crm.ask(who, READ, {"id": id_})).data["customer"]["history"]["nodes"])


async def test_a_change_is_told_in_the_history_that_its_own_answer_carries(crm: Crm) -> None:
    id_ = await customer(crm, "历史甲")
    answer = await crm.ask("sun", UPDATE, {"id": id_, "i": {"phone": THEN}})

    newest, oldest = answer.payload("updateCustomer")["customer"]["history"]["nodes"]
    assert (newest["type"], newest["version"], newest["actor"]) == ("customer.updated", 2, {"name": "sun"})
    assert {"field": "phone", "before": FIRST, "after": THEN} in newest["changes"]
    assert {"field": "name", "before": None, "after": "历史甲"} in oldest["changes"]


async def test_who_sees_a_phone_masked_is_not_told_that_it_changed(crm: Crm) -> None:
    id_ = await customer(crm, "历史乙")
    await crm.ask("sun", UPDATE, {"id": id_, "i": {"phone": THEN}})

    assert [(n["version"], [c["field"] for c in n["changes"]]) for n in await told(crm, "caller", id_)] == [
        (1, ["kind", "owner"])
    ]


async def test_what_is_erased_is_in_no_history(crm: Crm) -> None:
    id_ = await customer(crm, "历史丙")
    await crm.ask("sun", UPDATE, {"id": id_, "i": {"phone": THEN}})

    payload = (await crm.ask("caller", ERASE, {"id": id_, "why": "Request 12"})).payload("eraseCustomer")
    assert (payload["errors"], payload["erasedAt"] is not None) == ([], True)
    seen = (await crm.ask("sun", READ, {"id": id_})).data["customer"]
    assert seen["phone"] is None
    assert "历史丙" not in repr(seen)
    assert "1387196" not in repr(seen)
    # Not all that is erased was theirs to see.
    assert seen["history"]["nodes"][0]["type"] == "customer.updated"


async def test_nobody_erases_by_default(crm: Crm) -> None:
    id_ = await customer(crm, "历史丁")
    refused = await crm.ask("sun", ERASE, {"id": id_, "why": "Request 12"})
    assert refused.error[:2] == (400, "VALIDATION_FAILED")
    nobody = "019aaaaa-0000-7000-8100-000000000000"
    answer = await crm.ask("caller", ERASE, {"id": nobody, "why": "Request 12"})
    assert answer.refusals("eraseCustomer") == [("NOT_FOUND", ["id"])]
