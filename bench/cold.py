"""What a document costs that was never seen, and how often a prepared operation is found in a mixed load."""

from itertools import product
from random import Random

from bench.hub import Client, Hub
from bench.report import Section

DOCUMENTS = 60
REQUESTS = 2_000

_FIELDS = ("id", "name", "kind", "lifecycleStage", "tier", "city", "industry", "createdAt", "updatedAt", "version")
_NESTED = (
    "interactions(first: 5) { nodes { id channel occurredAt direction } }",
    "opportunities(first: 5, orderBy: [{ createdAt: ASC }]) { nodes { id name stage { key name } } totalCount }",
    "owner { id name } team { id name }",
)


def measure_cold(hub: Hub, role: str) -> Section:
    """CPU of the process for documents that it never saw, and for the same ones again; the hit rate of a mixed load."""
    client, random = Client(hub, hub.token(role)), Random(1)
    documents = [_document(random, number) for number in range(DOCUMENTS)]
    client.ask("{ customers(first: 1) { nodes { id } } }")
    first = _cpu_ms(hub, client, documents)
    again = _cpu_ms(hub, client, documents)
    before = hub.metric("crm_graph_prepared_operations_total")
    for _ in range(REQUESTS):
        client.ask(random.choice(documents), n=random.randint(1, 20), named=random.choice(["张", "李", "王", "上海"]))
    after = hub.metric("crm_graph_prepared_operations_total")
    asked = sum(after.values()) - sum(before.values())
    return Section(
        "A document that was never seen",
        ("what", "value"),
        (
            ("CPU for a new document, ms", f"{first:.1f}"),
            ("CPU for the same document again, ms", f"{again:.2f}"),
            ("CPU that compiling took, ms", f"{first - again:.1f}"),
            (f"prepared operation found, of {REQUESTS:,} requests", f"{(after['hit'] - before['hit']) / asked:.4f}"),
        ),
    )


def _document(random: Random, number: int) -> str:
    fields = " ".join(random.sample(_FIELDS, random.randint(3, len(_FIELDS))))
    nested = " ".join(random.sample(_NESTED, random.randint(1, len(_NESTED))))
    order = random.choice([f"{field}: {way}" for field, way in product(("createdAt", "name"), ("ASC", "DESC"))])
    return (
        f'query Q{number}($n: Int = 5, $named: String = "张") {{ customers(first: $n, orderBy: [{{ {order} }}],'
        f" where: {{ or: [{{ name: {{ contains: $named }} }}, {{ kind: {{ eq: PERSON }} }}] }})"
        f" {{ nodes {{ {fields} {nested} }} pageInfo {{ hasNextPage endCursor }} }} }}"
    )


def _cpu_ms(hub: Hub, client: Client, documents: list[str]) -> float:
    """CPU of the process for one document, in milliseconds; its clock ticks in hundredths of a second."""
    before = hub.cpu_s()
    for document in documents:
        client.ask(document)
    return (hub.cpu_s() - before) * 1000 / len(documents)
