"""`grantable`: what roles can give, told to who reads roles and sees none of the records."""

from typing import Any

import pytest

from web.administering import done, grant, new_role
from web.conftest import Crm

QUERY = """{ grantable { actions scopes types {
  name owned label { zh en } fields { name label { zh en } kind dataClass personal writable
    options { value label { zh en } description } }
} } }"""


@pytest.fixture
async def told(crm: Crm) -> Any:
    return (await crm.ask("root", QUERY)).data["grantable"]


async def test_admin_who_sees_no_customers_is_told_their_fields_by_name_class_and_label(told: Any) -> None:
    (customer,) = (type_ for type_ in told["types"] if type_["name"] == "Customer")
    fields = {field.pop("name"): field for field in customer["fields"]}

    assert (customer["label"], customer["owned"]) == ({"zh": "客户", "en": "Customer"}, True)
    assert fields["phone"] == {
        "label": {"zh": "电话", "en": "Phone"},
        "kind": "TEXT",
        "dataClass": "CONTACT",
        "personal": True,
        "writable": True,
        "options": None,
    }
    assert fields["contactPoints.e164"]["label"]["zh"].startswith("联系方式 · ")
    assert (fields["poolState"]["dataClass"], fields["poolState"]["writable"]) == ("BASIC", False)
    assert "leads:assign" in told["actions"]
    assert told["actions"] == sorted(told["actions"])
    assert {"customers:read", "customers:write", "sync:customers", "leads:assign"} < set(told["scopes"])


async def test_values_of_enums_are_told_as_forms_are_told_them(crm: Crm, told: Any) -> None:
    asked = """{ entityMetadata(types: ["Opportunity", "Customer"]) {
      name fields { name options { value label { zh en } description } } } }"""
    of_forms = (await crm.ask("sun", asked)).data["entityMetadata"]
    expected = {
        (type_["name"], field["name"]): field["options"]
        for type_ in of_forms
        for field in type_["fields"]
        if field["options"]
    }
    named = {(type_["name"], field["name"]): field["options"] for type_ in told["types"] for field in type_["fields"]}

    assert {key: named[key] for key in expected} == expected
    assert named["Customer", "kind"][0] == {
        "value": "PERSON",
        "label": {"zh": "个人客户", "en": "Person"},
        "description": "A person (个人客户).",
    }
    assert named["Contract", "customer"] is None


async def test_parents_are_told_as_what_can_be_written_alone(told: Any) -> None:
    (contract,) = (type_ for type_ in told["types"] if type_["name"] == "Contract")
    (customer,) = (field for field in contract["fields"] if field["name"] == "customer")

    assert (customer["kind"], customer["dataClass"], customer["writable"]) == ("RECORD", None, True)


async def test_whatever_it_names_a_grant_takes(ruled: Crm, told: Any) -> None:
    grants = [
        grant(
            type_["name"],
            fields=[{"field": field["name"], "level": "READ"} for field in type_["fields"] if field["dataClass"]],
            writes={"classes": [], "except": [], "fields": [f["name"] for f in type_["fields"] if f["writable"]]},
        )
        for type_ in told["types"]
    ]
    made = await done(ruled, "createRole", input=new_role("all_grantable", *grants))

    assert [len(one["fields"]) for one in made["grants"]] == [
        len([f for f in type_["fields"] if f["dataClass"]]) for type_ in sorted(told["types"], key=lambda t: t["name"])
    ]


async def test_is_not_there_for_who_does_not_read_roles(crm: Crm) -> None:
    assert (await crm.ask("sun", QUERY)).error[:2] == (400, "VALIDATION_FAILED")
