"""A hidden name and one that never was get the same answer over HTTP, byte by byte: status, headers, texts, places."""

from dataclasses import dataclass
from typing import Any

import pytest

from .conftest import Crm


@dataclass(frozen=True)
class Hidden:
    """Who does not have a name, and one as long that nobody has."""

    who: str
    name: str
    never: str


FIELDS = (
    Hidden("wang", "bankAccount", "bankAccounx"),
    Hidden("zhao", "totalSpent", "totalSpenx"),
    Hidden("qian", "description", "descriptiox"),
    Hidden("sun", "kycStatus", "kycStatux"),
)
TYPES = (Hidden("zhao", "Opportunity", "Opportunitx"), Hidden("root", "Customer", "Customex"))
VERBS = (
    Hidden("wang", "assignLead", "assignLeax"),
    Hidden("qian", "createCustomer", "createCustomex"),
    Hidden("zhao", "registerDocuments", "registerDocumentx"),
    Hidden("wang", "createExport", "createExporx"),
)

IN_FIELDS = (
    "{ customers { nodes { # } } }",
    "{ customers { nodes { id #: name } edges { node { # { amount } } } } }",
    "{ customers { nodes { ...F } } } fragment F on Customer { # __typename }",
    "{ interactions { nodes { customer { # } } } }",
    '{ node(id: "x") { ... on Customer { # } } }',
    '{ customers(where: { and: [{ not: { #: { eq: "1" } } }] }) { totalCount } }',
    "{ customers(where: { #: { isNull: true } }) { totalCount } }",
    "query($v: Boolean!) { customers(where: { #: { isNull: $v } }) { totalCount } }",
    "{ interactions(where: { customer: { #: { isNull: true } } }) { totalCount } }",
    "{ customers(where: { subsidiaries: { count: { gte: 1, where: { #: { isNull: true } } } } }) { totalCount } }",
    "{ customers(orderBy: [{ id: ASC }, { #: ASC_NULLS_FIRST }]) { totalCount } }",
    "{ interactions(orderBy: [{ customer: { #: ASC } }]) { totalCount } }",
    "{ customersAggregate(groupBy: [{ #: true }]) { groups { count } } }",
    '{ customersAggregate(groupBy: [{ #: { by: DAY, zone: "UTC" } }]) { groups { count } } }',
    "{ interactionsAggregate(groupBy: [{ customer: { #: true } }]) { groups { key { customer { # } } } } }",
    "{ customersAggregate { groups { key { # } sum { # } avg { # } min { # } max { # } countDistinct { # } } } }",
    "{ customersAggregate(having: { not: { min: { #: { isNull: true } } } }) { groups { count } } }",
    "{ customersAggregate(having: { or: [{ sum: { #: { gt: 1 } } }] }) { groups { count } } }",
    "{ customersAggregate(orderBy: [{ key: { #: ASC } }, { countDistinct: { #: ASC } }]) { groups { count } } }",
    "{ customers { nodes { id # @optional } } }",
    "{ customers { nodes { id # @optional { amount } ...F @optional } } } fragment F on Customer { # @optional }",
    "query($v: Boolean!) { customers { nodes { id # @optional @include(if: $v) } } }",
    "{ customers(where: { #: { isNull: true } }) @optional { totalCount } }",
    "{ customers { nodes { # @optional(if: true) } } }",
    '{ entityMetadata(types: ["#", "Customer.#"]) { name } }',
    'mutation { updateCustomer(id: "x", input: { #: "1" }) { errors { code } } }',
    'mutation { createCustomer(input: { #: { amount: "1" } }) { errors { code } customer { # } } }',
    '{ __type(name: "Customer") { fields { name } } customers { nodes { # } } }',
)
IN_VARIABLES = (
    ("query($v: CustomerWhere) { customers(where: $v) { totalCount } }", {"#": {"isNull": True}}),
    ("query($v: CustomerWhere) { customers(where: $v) { totalCount } }", {"or": [{"not": {"#": None}}]}),
    ("query($v: [CustomerOrderBy!]) { customers(orderBy: $v) { totalCount } }", [{"#": "ASC"}]),
    ("query($v: [CustomerGroupBy!]) { customersAggregate(groupBy: $v) { groups { count } } }", [{"#": True}]),
    ("query($v: CustomerHaving) { customersAggregate(having: $v) { groups { count } } }", {"max": {"#": {"gt": 1}}}),
    ('mutation($v: UpdateCustomerInput!) { updateCustomer(id: "x", input: $v) { errors { code } } }', {"#": "1"}),
    ("query($v: [String!]) { entityMetadata(types: $v) { name } }", ["#"]),
    ("query($v: String!) { __type(name: $v) { name } }", "#"),
)
IN_TYPES = (
    '{ node(id: "x") { ... on # { id } } }',
    '{ node(id: "x") { id ... on # @optional { id } } }',
    "{ nodes(ids: []) { ...F @optional id } } fragment F on # { id }",
    '{ __type(name: "#") { name } a: __type(name: "#Where") { name } b: __type(name: "#Connection") { name } }',
    "query($v: #Where) { __typename }",
    "query($v: [#OrderBy!]) { __typename }",
    '{ entityMetadata(types: ["#"]) { name fields { name } } }',
    "mutation($v: Create#Input!) { create#(input: $v) { errors { code } } }",
    "{ users { nodes { ... on # { id } } } }",
)
IN_VERBS = (
    "mutation { # { errors { code } } }",
    'mutation { #(id: "x", to: "y", input: {}) { errors { code } } }',
    "mutation { # @optional { errors { code } } __typename }",
    "{ # }",
    "subscription { # }",
)


async def told(crm: Crm, who: str, document: str, variables: Any = None) -> Any:
    """All that an answer is, but for the date."""
    body = {"query": document, "variables": {} if variables is None else {"v": variables}}
    response = await crm.http.post("/graphql", json=body, headers=crm.headers(who))
    headers = sorted((name, value) for name, value in response.headers.items() if name != "date")
    return response.status_code, headers, response.text


def written(template: Any, name: str) -> Any:
    """A document or variables with a name in its places."""
    match template:
        case str():
            return template.replace("#", name)
        case list():
            return [written(item, name) for item in template]
        case dict():
            return {written(key, name): written(value, name) for key, value in template.items()}
    return template


async def require_alike(crm: Crm, hidden: Hidden, document: str, variables: Any = None) -> None:
    one = await told(crm, hidden.who, written(document, hidden.name), written(variables, hidden.name))
    other = await told(crm, hidden.who, written(document, hidden.never), written(variables, hidden.never))
    status, headers, text = other
    assert one == (status, headers, text.replace(hidden.never, hidden.name)), document


@pytest.mark.parametrize("hidden", FIELDS, ids=lambda hidden: hidden.name)
async def test_a_hidden_field_is_like_none_wherever_it_is_named(crm: Crm, hidden: Hidden) -> None:
    for document in IN_FIELDS:
        await require_alike(crm, hidden, document)
    for document, variables in IN_VARIABLES:
        await require_alike(crm, hidden, document, variables)


@pytest.mark.parametrize("hidden", TYPES, ids=lambda hidden: hidden.name)
async def test_a_hidden_type_is_like_none_wherever_it_is_named(crm: Crm, hidden: Hidden) -> None:
    for document in IN_TYPES:
        await require_alike(crm, hidden, document)


@pytest.mark.parametrize("hidden", VERBS, ids=lambda hidden: hidden.name)
async def test_a_verb_that_is_not_granted_is_like_none(crm: Crm, hidden: Hidden) -> None:
    for document in IN_VERBS:
        await require_alike(crm, hidden, document)


async def test_these_names_are_there_for_others(crm: Crm) -> None:
    for who, name in (("qian", "bankAccount"), ("sun", "totalSpent"), ("sun", "description"), ("qian", "kycStatus")):
        answer = await crm.ask(who, f"{{ customers(where: {{ {name}: {{ isNull: true }} }}) {{ totalCount }} }}")
        assert answer.status == 200, name
