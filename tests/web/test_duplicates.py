"""查重 over HTTP: whether a record is there already, and of others' records not a bit more than that says."""

from typing import Any

import pytest

from crm_graph.services import duplicates

from .conftest import Answer, Crm, hub_with
from .test_audited_reads import reads

CHECK = """mutation ($i: CheckDuplicateInput!) {
  checkDuplicate(input: $i) {
    exists matches { ownerName poolState customer { name phone } lead { name } } errors { code path }
  }
}"""


async def check(crm: Crm, who: str, **values: Any) -> Any:
    return (await crm.ask(who, CHECK, {"i": values})).payload("checkDuplicate")


async def test_a_record_of_somebody_else_is_told_by_owner_and_pool_alone(crm: Crm) -> None:
    await crm.make("wang", "customer", kind="PERSON", name="重复甲", phone="13871960001")
    since = crm.clock()
    found = await check(crm, "li", phone="138-7196-0001")
    assert found == {
        "exists": True,
        "matches": [{"ownerName": "wang", "poolState": "OWNED", "customer": None, "lead": None}],
        "errors": [],
    }
    first, second = await reads(crm, since)
    assert (first["type"], first["records"], first["changed"]) == ("customer.duplicate_checked", 1, ["phone"])
    assert (second["type"], second["records"], second["entity_id"]) == ("lead.duplicate_checked", 0, None)
    assert "7196" not in repr((first, second))


async def test_an_own_record_is_given_as_ever(crm: Crm) -> None:
    await crm.make("wang", "customer", kind="PERSON", name="重复乙", phone="13871960002")
    own = await check(crm, "wang", phone="13871960002")
    assert own["matches"] == [
        {
            "ownerName": "wang",
            "poolState": "OWNED",
            "customer": {"name": "重复乙", "phone": "+8613871960002"},
            "lead": None,
        }
    ]


async def test_several_own_records_are_given_the_newest_first(crm: Crm) -> None:
    for n in range(7):
        await crm.make("wang", "customer", kind="PERSON", name=f"重复多{n}", phone="13871960009")
    found = await check(crm, "wang", phone="13871960009")
    assert [m["customer"]["name"] for m in found["matches"]] == [f"重复多{n}" for n in (6, 5, 4, 3, 2)]


async def test_how_many_there_are_and_what_they_are_is_not_told(crm: Crm) -> None:
    """Equal for the asker: one record of Wang's, or three that differ in all else; by one value, or by two."""
    for n in range(3):
        await crm.make("wang", "customer", kind="PERSON", name=f"重复丙{n}", phone="13871960003", email="dup@x.example")
    await crm.make("wang", "customer", kind="PERSON", name="重复丁", phone="13871960004")
    three = await crm.ask("li", CHECK, {"i": {"phone": "13871960003"}})
    one = await crm.ask("li", CHECK, {"i": {"phone": "13871960004"}})
    assert three.json["data"] == one.json["data"]
    assert (await check(crm, "li", phone="13871960003", email="DUP@x.example"))["matches"] == one.data[
        "checkDuplicate"
    ]["matches"]


async def test_an_own_record_is_given_however_many_others_there_are(crm: Crm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would tell that there are more than are looked at."""
    monkeypatch.setattr(duplicates, "MAX_MATCHES", 2)
    await crm.make("li", "customer", kind="PERSON", name="重复戊", phone="13871960005")
    for n in range(2):
        await crm.make("wang", "customer", kind="PERSON", name=f"重复己{n}", phone="13871960005")
    found = await check(crm, "li", phone="13871960005")
    assert [(m["ownerName"], m["customer"]) for m in found["matches"]] == [
        ("li", {"name": "重复戊", "phone": "+8613871960005"}),
        ("wang", None),
    ]


@pytest.mark.parametrize(
    ("values", "asked", "exists"),
    [
        ({"phone": "13871960011"}, {"phone": "+86 138 7196 0011"}, True),
        ({"phone": "13871960012"}, {"phone": "13871960013"}, False),
        ({"phone": "+1 310 555 0199"}, {"phone": "13105550199"}, False),
        ({"phone": "13105550198"}, {"phone": "+1 310 555 0198"}, False),
        ({"phone": "+1 310 555 0197"}, {"phone": "+1 (310) 555-0197"}, True),
        ({"email": "Check.One@x.example"}, {"email": "check.one@X.example"}, True),
        ({"email": "check.two@x.example"}, {"email": "checktwo@x.example"}, False),
        ({"registrationNumber": "91310000MA1FL0XX01"}, {"registrationNumber": "91310000ma1fl0xx01"}, True),
        ({"registrationNumber": "91310000MA1FL0XX02"}, {"registrationNumber": "91310000MA1FL0XX"}, False),
        ({"kind": "ORGANIZATION", "name": "重复查验有限公司"}, {"companyName": "重复查验 有限公司"}, True),
        ({"kind": "ORGANIZATION", "name": "重复查验二有限公司"}, {"companyName": "重复查验二"}, False),
        ({"kind": "PERSON", "name": "重复人名"}, {"companyName": "重复人名"}, False),
    ],
    ids=str,
)
async def test_values_are_compared_as_they_mean(
    crm: Crm, values: dict[str, Any], asked: dict[str, Any], *, exists: bool
) -> None:
    await crm.make("wang", "customer", **{"kind": "PERSON", "name": "重复戊", **values})
    found = await check(crm, "li", **asked)
    assert (found["exists"], found["errors"]) == (exists, [])


async def test_leads_are_found_and_archived_records_are_not(crm: Crm) -> None:
    lead = await crm.make("wang", "lead", name="重复己", phone="13871960021", companyName="重复线索公司")
    for asked in ({"phone": "13871960021"}, {"companyName": "重复线索公司"}):
        assert (await check(crm, "li", **asked))["exists"] is True
    await crm.ask("wang", "mutation ($id: ID!) { archiveLead(id: $id) { errors { code } } }", {"id": lead["id"]})
    assert (await check(crm, "li", phone="13871960021"))["exists"] is False


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ({}, ("REQUIRED", ["input"])),
        ({"phone": "12"}, ("INVALID", ["input", "phone"])),
        ({"email": "nobody"}, ("INVALID", ["input", "email"])),
        ({"phone": "138****0001"}, ("MASKED_VALUE", ["input", "phone"])),
        ({"companyName": "  "}, ("REQUIRED", ["input", "companyName"])),
    ],
    ids=str,
)
async def test_a_value_that_is_none_is_refused(
    crm: Crm, values: dict[str, Any], refusal: tuple[str, list[str]]
) -> None:
    assert (await crm.ask("li", CHECK, {"i": values})).refusals("checkDuplicate") == [refusal]


@pytest.mark.parametrize("who", ["zhao", "qian", "root"])
async def test_who_may_not_check_has_no_such_mutation(crm: Crm, who: str) -> None:
    answer = await crm.ask(who, CHECK, {"i": {"phone": "13871960001"}})
    assert answer.json["errors"][0]["extensions"]["code"] == "VALIDATION_FAILED"


async def test_checks_are_limited_by_values(crm: Crm) -> None:
    async with hub_with(crm, crm.settings.model_copy(update={"duplicate_checks_per_minute": 3})) as http:

        async def ask(**values: Any) -> Answer:
            body = {"query": CHECK, "variables": {"i": values}}
            return Answer(await http.post("/graphql", json=body, headers=crm.headers("li")))

        assert (await ask(phone="13871960031", email="a@limit.example")).payload("checkDuplicate")["exists"] is False
        assert (await ask(phone="13871960031", email="a@limit.example")).error[:2] == (429, "RATE_LIMITED")
