"""What a query makes Postgres look at is a function of what its asker may see: a guess at what is withheld, right or
wrong, looks at no related row, since the time of that would tell which it was.
"""

from collections.abc import Iterator
from random import Random
from typing import Any

import orjson
import pytest

from crm_graph.proof.datasets import Dataset
from crm_graph.proof.engine import principal_of, reading
from crm_graph.proof.rows import NOON, Connection, index, insert, load
from reference.compiled import Compiled, catalog, default_access

PHONE, NAME = "+8613812345678", "云栖科技"
COUNT = "interactions: { count: { gte: 1, where: { subject: { containsInsensitive: $other } } } }"
SOME = "interactions: { some: { subject: { containsInsensitive: $other } } }"


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


async def looks(compiled: Compiled, role: str, text: str, guess: str, id_: str) -> int:
    """How often interactions are looked at for a query whose variable `$guess` is this."""
    tables = await load(compiled.connection)
    who = principal_of(tables, tables["users"][0]["id"], default_access([role]))
    document = await compiled.operations.document(text, who.access)
    operation, variables = document.operation(None), {"guess": guess, "id": id_, "other": "zz"}
    prepared = await compiled.operations.prepare(document, operation, variables, who.access)
    explained = await compiled.connection.fetchval(
        "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + prepared.statement.text,
        *prepared.bind(variables, who, NOON),
    )
    (plan,) = orjson.loads(explained)
    return sum(int(node["Actual Loops"]) for node in nodes(plan["Plan"]) if node.get("Relation Name") == "interactions")


async def customer_of_others(connection: Connection) -> str:
    """A customer with a phone number and interactions, that is neither of the first user nor of a ticket of theirs."""
    await insert(connection, Dataset(Random(3), catalog(), 12).build())
    tables = await load(connection)
    id_, (one, other, *_) = tables["customers"][0]["id"], (user["id"] for user in tables["users"])
    await connection.execute("DELETE FROM collaborations WHERE entity_id = $1 OR user_id = $2", id_, one)
    await connection.execute(
        "UPDATE tickets SET customer_id = $2 WHERE customer_id = $1", id_, tables["customers"][1]["id"]
    )
    await connection.execute(
        "UPDATE customers SET kind = 'PERSON', name = $2, phone = $3, owner_id = $4, pool_state = 'OWNED',"
        " archived_at = NULL WHERE id = $1",
        id_, NAME, PHONE, other,
    )  # fmt: skip
    await connection.execute("UPDATE interactions SET customer_id = $1, archived_at = NULL, subject = 'a'", id_)
    await connection.execute("ANALYZE customers, interactions, tickets, collaborations")
    await index(connection)
    return str(id_)


UNREFERRED = "interactions: { count: { gte: 1, where: { externalRefs: { none: { source: { eq: $other } } } } } }"
OF_ONE = "query($guess: String!, $id: ID!, $other: String!)"
GUESSES = {
    "the start of a masked phone": ("service", "+861381", "+861382", f"phone: {{ startsWith: $guess }}, {COUNT}"),
    "the end of a masked phone": ("service", "5678", "5679", f"{COUNT}, phone: {{ endsWith: $guess }}"),
    "a masked phone": ("finance", PHONE, "+8613812345679", f"phone: {{ eq: $guess }}, {UNREFERRED}"),
    "one of masked phones": (
        "finance", PHONE, "+8613812345679", f"and: [{{ phone: {{ in: [$guess] }} }}], {UNREFERRED}",
    ),
    "either of masked phones": (
        "service", PHONE, "+8613812345679",
        f"or: [{{ phone: {{ eq: $guess }} }}, {{ phone: {{ eq: $guess }}, name: {{ isNull: true }} }}], {SOME}",
    ),
    "between masked phones": ("service", "+86138", "+86139", f"phone: {{ gte: $guess }}, {COUNT}"),
    "the name of a hidden record": ("sales", NAME, "云栖科枝", f"name: {{ eq: $guess }}, {COUNT}"),
    "the phone of a hidden record": ("sales", "1234", "1235", f"phone: {{ contains: $guess }}, {SOME}"),
}  # fmt: skip


@pytest.mark.parametrize("guess", GUESSES)
async def test_a_right_guess_looks_at_no_more_than_a_wrong_one(guess: str, connection: Connection) -> None:
    role, right, wrong, where = GUESSES[guess]
    document = f"{OF_ONE} {{ customers(where: {{ id: {{ eq: $id }}, {where} }}) {{ totalCount nodes {{ id }} }} }}"
    async with reading(connection):
        id_ = await customer_of_others(connection)
        found = [await looks(Compiled(connection), role, document, g, id_) for g in (right, wrong)]
        manager = await looks(Compiled(connection), "crm_manager", document, right, id_)
    assert found == [0, 0]
    assert manager > 0


@pytest.mark.parametrize("tail", ["5678", "5679"])
async def test_a_search_for_the_end_of_a_masked_phone_looks_no_further(tail: str, connection: Connection) -> None:
    document = f"{OF_ONE} {{ customers(search: $guess, where: {{ id: {{ eq: $id }}, {COUNT} }}) {{ nodes {{ id }} }} }}"
    async with reading(connection):
        id_ = await customer_of_others(connection)
        assert await looks(Compiled(connection), "service", document, tail, id_) == 0
        assert (await looks(Compiled(connection), "crm_manager", document, tail, id_) > 0) is (tail == "5678")


@pytest.mark.parametrize("tail", ["5678", "5679"])
async def test_a_count_of_what_is_found_by_the_end_of_a_masked_phone_looks_no_further(
    tail: str, connection: Connection
) -> None:
    declared = "query($guess: String!, $other: String!)"
    document = f"{declared} {{ customers(search: $guess, where: {{ {SOME} }}) {{ totalCount }} }}"
    async with reading(connection):
        id_ = await customer_of_others(connection)
        assert await looks(Compiled(connection), "service", document, tail, id_) == 0
