"""`entityMetadata`: what forms need, for each role what it may see and write and no more."""

import re
from dataclasses import replace
from random import Random
from typing import Any

import orjson
import pytest

from crm_graph.access import Access, Level
from crm_graph.catalog import CatalogError, EntityType, Field, Shape, writable
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import ALL, EVERYONE, OWN, RoleRule, grant
from crm_graph.resolvers.operations import Operations
from crm_graph.resolvers.plan import Limits
from crm_graph.schema import users
from crm_graph.schema.entities import declarations_of
from crm_graph.services.nouns import DIRECTORY, NOUNS
from reference.compiled import access_of, catalog, default_access, schema_of
from reference.policies import PolicyMaker

ROLES = sorted(set(DEFAULT_ROLES) - {EVERYONE})
FIELDS = """
  name custom kind label { zh en } description target required nullable writableOnCreate writableOnUpdate maxLength
  scale options { value label { zh en } description } dataClass personal filterable sortable level
"""
ALL_TYPES = f"{{ entityMetadata {{ name label {{ zh en }} pluralLabel {{ zh en }} fields {{ {FIELDS} }} }} }}"


async def ask(access: Access, text: str, **variables: Any) -> Any:
    operations = Operations(catalog(), schema_of, Limits(), max_tokens=20_000)
    return await answered(operations, access, text, variables)


async def answered(operations: Operations, access: Access, text: str, variables: dict[str, Any]) -> Any:
    document = await operations.document(text, access)
    prepared = await operations.prepare(document, document.operation(None), variables, access)
    assert prepared.known is not None, "it is known without a statement"
    return orjson.loads(prepared.known)["entityMetadata"]


async def of_type(access: Access, name: str) -> dict[str, Any]:
    (found,) = (t for t in await ask(access, ALL_TYPES) if t["name"] == name)
    return {field["name"]: field for field in found["fields"]}


def ceiling(access: Access, entity: EntityType, member: Field) -> Level:
    """The highest level that a grant gives, of a child by any type that it can belong to."""
    if not entity.is_child:
        return access.ceiling(entity.name, member.name)
    ways = [(root, r) for root in catalog().roots for r in root.relations.values() if r.target == entity.name]
    return max(access.ceiling(root.name, f"{relation.name}.{member.name}") for root, relation in ways)


async def holds_what_the_access_says(access: Access) -> None:
    for told in await ask(access, ALL_TYPES):
        entity = catalog().by_api_name[told["name"]]
        by_name = {f["name"]: f for f in told["fields"]}
        seen = {f.api_path: f for f in entity.cells if ceiling(access, entity, f) > Level.HIDDEN}
        assert {n for n, f in by_name.items() if f["kind"] != "RECORD"} == set(seen)
        for name, member in seen.items():
            level = ceiling(access, entity, member)
            assert by_name[name]["level"] == level.name
            assert by_name[name]["custom"] is (member.custom is not None)
            assert by_name[name]["filterable"] is (level is Level.READ), (entity.name, name)
            if not entity.is_child:
                assert by_name[name]["sortable"] is (level is Level.READ and member.orderable)
                writes = access.may_write(entity.name, member.name) and entity.name in {**NOUNS, **DIRECTORY}
                creates = access.may(f"{entity.plural}:create") and writes and member in writable(entity, creating=True)
                assert not (creates and member.custom)
                assert by_name[name]["writableOnCreate"] is creates, (entity.name, name)
        one = {r.api_name: r.target for r in entity.relations.values() if r.shape is Shape.ONE}
        granted = {name: t for name, t in one.items() if catalog()[t].is_child or access.grants(t)}
        records = {n: f["target"] for n, f in by_name.items() if f["kind"] == "RECORD"}
        assert records == {name: catalog()[target].api_name for name, target in granted.items()}


@pytest.mark.parametrize("role", ROLES)
async def test_role_is_told_of_what_it_may_see_and_write(role: str) -> None:
    await holds_what_the_access_says(default_access([role]))


async def test_generated_role_is_told_of_what_it_may_see() -> None:
    for seed in range(5):
        roles = PolicyMaker(Random(seed), catalog()).roles(("one", "two"))
        await holds_what_the_access_says(access_of(roles, ["one", "two"]))


async def test_every_label_is_in_both_languages() -> None:
    for told in await ask(default_access(ROLES), ALL_TYPES):
        options = [option for field in told["fields"] for option in field["options"] or ()]
        for item in (told, *told["fields"], *options):
            assert re.search(r"[\u4e00-\u9fff]|App", item["label"]["zh"]), item
            assert re.fullmatch(r"[A-Z][A-Za-z0-9 ()-]*", item["label"]["en"]), item
    told_of = {told["name"] for told in await ask(default_access(ROLES), "{ entityMetadata { name } }")}
    assert told_of == set(catalog().by_api_name)


async def test_what_a_form_for_customers_needs() -> None:
    fields = await of_type(default_access(["sales"]), "Customer")

    assert fields["number"] == {
        "name": "number",
        "custom": False,
        "kind": "TEXT",
        "label": {"zh": "客户编号", "en": "Number"},
        "description": "Customer number (客户编号) in the company's own numbering.",
        "target": None,
        "required": False,
        "nullable": True,
        "writableOnCreate": True,
        "writableOnUpdate": True,
        "maxLength": 64,
        "scale": None,
        "options": None,
        "dataClass": "BASIC",
        "personal": False,
        "filterable": True,
        "sortable": True,
        "level": "READ",
    }
    assert (fields["name"]["required"], fields["name"]["nullable"]) == (True, False)
    assert (fields["currency"]["required"], fields["currency"]["nullable"]) == (False, False)
    assert fields["annualRevenue"]["scale"] == 2
    assert fields["kind"]["options"] == [
        {"value": "PERSON", "label": {"zh": "个人客户", "en": "Person"}, "description": "A person (个人客户)."},
        {
            "value": "ORGANIZATION",
            "label": {"zh": "企业客户", "en": "Organisation"},
            "description": "A company or another organisation (企业客户).",
        },
    ]
    assert fields["owner"]["label"] == {"zh": "负责人", "en": "Owner"}
    assert (fields["owner"]["kind"], fields["owner"]["target"]) == ("RECORD", "User")
    assert "bankAccount" not in fields


async def test_custom_fields_are_told_like_others() -> None:
    fields = await of_type(default_access(["sales"]), "Customer")

    assert fields["custom.visitTime"] == {
        "name": "custom.visitTime",
        "custom": True,
        "kind": "ENUM",
        "label": {"zh": "上门时段", "en": "Visit time"},
        "description": "Visit time (上门时段).",
        "target": None,
        "required": False,
        "nullable": True,
        "writableOnCreate": False,
        "writableOnUpdate": False,
        "maxLength": None,
        "scale": None,
        "options": [
            {"value": "MORNING", "label": {"zh": "上午", "en": "Morning"}, "description": "Morning (上午)."},
            {"value": "EVENING", "label": {"zh": "晚上", "en": "Evening"}, "description": "Evening (晚上)."},
        ],
        "dataClass": "BASIC",
        "personal": False,
        "filterable": True,
        "sortable": True,
        "level": "READ",
    }
    card, tags = fields["custom.loyaltyCard"], fields["custom.tags"]
    assert (card["kind"], card["maxLength"], card["dataClass"], card["personal"]) == ("TEXT", 500, "CONTACT", True)
    assert (tags["kind"], tags["filterable"], tags["sortable"]) == ("TEXT_LIST", True, False)


async def test_custom_field_named_like_one_of_ours_is_not_taken_for_it() -> None:
    role = RoleRule("r", "r", "r", "", {"ticket": (grant(ALL, fields={"custom.version": Level.MASKED}),)})
    fields = await of_type(access_of({"r": role}, ["r"]), "Ticket")

    told = {name: (f["level"], f["filterable"], f["dataClass"]) for name, f in fields.items() if "version" in name}
    assert told == {"version": ("READ", True, "BASIC"), "custom.version": ("MASKED", False, "COST")}
    assert "custom.class" not in fields


async def test_field_that_is_only_looked_up_says_so() -> None:
    role = RoleRule("r", "r", "r", "", {"customer": (grant(ALL, fields={"phone": Level.LOOKUP, "name": Level.READ}),)})
    fields = await of_type(access_of({"r": role}, ["r"]), "Customer")

    phone = fields["phone"]
    assert (phone["level"], phone["filterable"], phone["sortable"]) == ("LOOKUP", False, False)
    assert not any(f["writableOnCreate"] or f["writableOnUpdate"] for f in fields.values())


async def test_level_is_the_ceiling_over_all_rows() -> None:
    grants = (grant(ALL, fields={"phone": Level.MASKED}), grant(OWN, fields={"phone": Level.READ}))
    role = RoleRule("r", "r", "r", "", {"customer": grants})
    assert (await of_type(access_of({"r": role}, ["r"]), "Customer"))["phone"]["level"] == "READ"


QUERY = "query($types: [String!]) { entityMetadata(types: $types) { __typename name } }"


async def test_types_are_told_in_the_order_they_are_asked_for() -> None:
    told = await ask(default_access(["sales"]), '{ entityMetadata(types: ["Ticket", "Customer", "Ticket"]) { name } }')
    assert told == [{"name": "Ticket"}, {"name": "Customer"}]


async def test_type_that_a_role_may_not_see_is_left_out_like_one_that_never_was() -> None:
    assert await ask(default_access(["admin"]), QUERY, types=["Customer", "NeverWas", "User"]) == [
        {"__typename": "EntityMetadata", "name": "User"}
    ]
    assert await ask(default_access(["admin"]), QUERY, types=["NeverWas"]) == []


async def test_each_value_of_a_variable_has_its_own_answer() -> None:
    operations, access = Operations(catalog(), schema_of, Limits(), max_tokens=20_000), default_access(["sales"])
    nested = "query($one: String!) { entityMetadata(types: [$one]) { name } }"
    for name in ("Customer", "Ticket", "Customer"):
        assert [t["name"] for t in await answered(operations, access, QUERY, {"types": [name]})] == [name]
        assert await answered(operations, access, nested, {"one": name}) == [{"name": name}]
    assert operations.found == 2


def test_missing_label_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    declaration = users.TYPES[0]
    labels = {name: label for name, label in declaration.labels.items() if name != "username"}
    monkeypatch.setattr(users, "TYPES", (replace(declaration, labels=labels),))
    with pytest.raises(CatalogError, match=r"user: labels: \['username'\]"):
        declarations_of(catalog())


def test_missing_label_of_a_value_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    declaration = users.ENUMS[0]
    monkeypatch.setattr(users, "ENUMS", (replace(declaration, labels={}), *users.ENUMS[1:]))
    with pytest.raises(CatalogError, match="UserKind: labels"):
        declarations_of(catalog())
