"""What operations cost is known from their text and variables, before anything is read."""

from collections.abc import Mapping
from typing import Any

import pytest

from crm_graph.errors import CostExceeded
from crm_graph.proof.engine import principal_of, reading
from crm_graph.proof.rows import Connection
from crm_graph.resolvers.arguments import Given
from crm_graph.resolvers.cost import cost_of_mutation
from crm_graph.resolvers.documents import check_variables
from crm_graph.resolvers.operations import Operations
from crm_graph.resolvers.plan import Limits
from reference.company import USER, company
from reference.compiled import Compiled, catalog, default_access, schema_of

MANAGER = default_access(["crm_manager"])
DEEP = """query($a: Int = 200, $b: Int = 200, $c: Int = 200) {
  customers(first: $a) { nodes { tickets(first: $b) { nodes { customer { contracts(first: $c) { nodes { id } } } } } } }
}"""


ID = "01900000-0000-7000-8100-000000000000"


async def priced(text: str, variables: Mapping[str, Any] | None = None) -> int:
    """The cost of a query to a CRM manager, from its bound values alone."""
    operations = Operations(catalog(), schema_of, Limits(), max_tokens=5_000)
    document = await operations.document(text, MANAGER)
    prepared = await operations.prepare(document, document.operation(None), variables or {}, MANAGER)
    values = [s.value(variables or {}) if isinstance(s, Given) else None for s in prepared.statement.sources]
    return prepared.cost.of(values)


@pytest.mark.parametrize(
    ("query", "cost"),
    [
        ("{ __typename }", 0),
        ("{ customers { nodes { id name phone } } }", 1 + 50),
        ("{ customers(first: 200) { nodes { id } edges { cursor } pageInfo { hasNextPage } } }", 1 + 200),
        ("{ customers(first: 0) { nodes { id } } }", 1),
        ("{ customers { totalCount } }", 1 + 100),
        ("{ customers { totalCount again: totalCountCapped } }", 1 + 200),
        ("{ customers(first: 10, offset: 5) { nodes { id } } }", 1 + 10 + 100),
        ("{ customers(first: 10) { nodes { owner { name } contactPoints { raw } } } }", 1 + 10 * (1 + 1 + 2)),
        ("{ customers(first: 10) { nodes { tickets(last: 5) { nodes { owner { id } } } } } }", 1 + 10 * (1 + 5 * 2)),
        ("{ customers(first: 10) { nodes { a: tickets { totalCount } } } }", 1 + 10 * (1 + 100)),
        ("{ tickets(first: 10) { nodes { availableTransitions { to { key } } } } }", 1 + 10 * (1 + 5)),
        ('{ node(id: "01900000-0000-7000-8100-000000000000") { id ... on Customer { owner { id } } } }', 2),
        ("{ nodes(ids: [" + f'"{ID}"' * 3 + "]) { id ... on Customer { owner { id } } } }", 1 + 3 * 2),
        ('{ customers(first: 10, where: { name: { eq: "a" } }) { nodes { id } } }', 1 + 10),
        ('{ tickets(first: 10, where: { customer: { name: { eq: "a" } } }) { nodes { id } } }', 1 + 10 * 2),
        ("{ customers(first: 10, where: { tickets: { none: {} } }) { nodes { id } } }", 1 + 10 * 3),
        (
            "{ customers(where: { not: { tickets: { some: { owner: { id: { isNull: true } } } } } }) { totalCount } }",
            1 + 100 * (1 + 2 * 2),
        ),
        ('{ search(text: "a", types: [CUSTOMER, LEAD], first: 5) { hits { node { id } } } }', 2 * 100 + 5),
        ('{ customers(search: "a", first: 5) { nodes { id } } }', 1 + 100 + 5),
        ('{ customers(search: "a") { totalCount } }', 1 + 100 + 10),
        ('{ lookup(type: CUSTOMER, field: PHONE, value: "1") { id } }', 100 + 10),
        ('{ customers(first: 10, where: { phone: { eq: "1" } }) { nodes { id } } }', 1 + 10),
        ("{ a: customers(first: 3) { nodes { id } } b: customers(first: 4) { nodes { id } } }", 1 + 3 + 1 + 4),
    ],
)
async def test_rows_that_may_be_read_are_counted(query: str, cost: int) -> None:
    assert await priced(query) == cost


async def test_page_sizes_in_variables_count_with_the_values_of_the_request() -> None:
    assert await priced(DEEP, {"a": 2, "b": 3, "c": 5}) == 1 + 2 * (1 + 3 * (1 + 1 + 5))
    assert await priced(DEEP, {"a": 2, "b": 0, "c": 5}) == 1 + 2
    assert await priced(DEEP, {"a": 1, "b": 1}) == 1 + 1 * (1 + 1 * (1 + 1 + 200))
    assert await priced("query($i: [ID!]!) { nodes(ids: $i) { ... on Lead { owner { id } } } }", {"i": [ID] * 5}) == 11
    assert await priced("query($i: ID!) { nodes(ids: [$i, $i, $i]) { id } }", {"i": ID}) == 4
    assert await priced(DEEP, {"a": None, "b": 1, "c": 1}) == 1 + 50 * (1 + 1 * (1 + 1 + 1))


async def test_two_full_levels_with_lists_of_children_fit_and_three_full_levels_do_not(connection: Connection) -> None:
    two = """{ customers(first: 200) { nodes { contactPoints { raw } externalRefs { source }
      tickets(first: 200) { nodes { externalRefs { source } collaborators { name } } } } } }"""
    rows = company()
    who = principal_of(rows, USER["chen"], MANAGER)
    async with reading(connection):
        compiled = Compiled(connection)
        assert await compiled.run(who, two)
        with pytest.raises(CostExceeded) as refused:
            await compiled.run(who, DEEP)

    assert await priced(two) == 1 + 200 * (1 + 2 + 2 + 200 * (1 + 2 + 2))
    assert dict(refused.value.details) == {"requested": 1 + 200 * (1 + 200 * (2 + 200)), "limit": 250_000}


ITEMS = [{"externalId": str(i), "name": "x", "kind": "PERSON"} for i in range(3)]


@pytest.mark.parametrize(
    ("mutation", "variables", "cost"),
    [
        ('mutation { createLead(input: { name: "a" }) { errors { code } } }', {}, 10),
        ('mutation { createLead(input: { name: "a" }) { lead { id owner { id } } } }', {}, 10 + 1 + 1),
        (
            """mutation($n: Int) { a: archiveCustomer(id: "x") { customer { tickets(first: $n) { nodes { id } } } }
            b: archiveCustomer(id: "x") { errors { code } } }""",
            {"n": 7},
            10 + 1 + 7 + 10,
        ),
        (
            'mutation($i: [UpsertCustomerItem!]!) { upsertCustomers(source: "erp", items: $i) { created } }',
            {"i": ITEMS},
            30,
        ),
        ("mutation($d: [String!]!) { registerDocuments(documents: $d) { ids } }", {"d": ["{", "{ nope }"]}, 20 + 1 + 8),
        (
            'mutation($d: String!) { registerDocuments(documents: [$d, $d, "{"]) { ids } }',
            {"d": "{ a }"},
            30 + 5 + 5 + 1,
        ),
        ('mutation($d: [String!]! = ["{ a }"]) { registerDocuments(documents: $d) { ids } }', {}, 10 + 5),
        (
            'mutation { registerDocuments(documents: "{ a }") { ids } removeDocuments(ids: ["a"]) { ids } }',
            {},
            10 + 5 + 10,
        ),
        (
            "mutation($i: CreateExportInput!) { createExport(input: $i) { export { id } } }",
            {"i": {"document": "{ a }", "format": "CSV", "fileName": "not a document"}},
            10 + 5,
        ),
        (
            "mutation($d: String) { createExport(input: { document: $d, format: CSV }) { export { id } } }",
            {"d": "{ a }"},
            10 + 5,
        ),
        (
            "mutation($d: String) { createExport(input: { document: $d, format: CSV }) { export { id } } }",
            {},
            10,
        ),
        ('mutation { createExport(input: { documentId: "{ a }", format: CSV }) { export { id } } }', {}, 10),
    ],
)
async def test_a_change_costs_by_item_and_by_what_its_payload_reads(
    mutation: str, variables: dict[str, Any], cost: int
) -> None:
    access = default_access(["crm_manager", "erp"])
    operations = Operations(catalog(), schema_of, Limits(), max_tokens=5_000)
    document = await operations.document(mutation, access)
    operation = document.operation(None)
    check_variables(document, operation, variables)

    requested = cost_of_mutation(
        document, operation, variables, catalog=catalog(), access=access, limits=operations.limits
    )

    assert requested == cost
