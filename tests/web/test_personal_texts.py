"""Texts that people write of a person, asked for by who may count and sum, but not know who anybody is."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from crm_graph.models.ids import EntityCode, IdSource

from .conftest import Crm

BAI = "analysing.bai"
NAME = "佟静怡"
TEXTS: Mapping[str, tuple[str, ...]] = {
    "opportunity": ("name", "nextStep"),
    "ticket": ("subject",),
    "interaction": ("outcome", "location", "threadKey"),
    "contract": ("title", "paymentTerms"),
}
PLURAL = {"opportunity": "opportunities"}


@pytest.fixture(scope="module")
async def bai(crm: Crm) -> AsyncIterator[str]:
    """An analyst, and records of a person whose name stands in each text of them."""
    crm.users[BAI] = IdSource(crm.clock).new(EntityCode.USER)
    await crm.database.execute(
        "INSERT INTO users (id, kind, username, name, created_at, updated_at) VALUES ($1, 'PERSON', $2, $2, $3, $3)",
        *(crm.users[BAI], BAI, crm.clock()),
    )
    await crm.database.execute(
        "INSERT INTO user_roles (user_id, role_id) SELECT $1, id FROM roles WHERE key = 'analyst'", crm.users[BAI]
    )
    await crm.database.execute("UPDATE policy_version SET version = version + 1")
    customer = (await crm.make("wang", "customer", kind="PERSON", name=NAME))["id"]
    whose = {"customerId": customer}
    await crm.make(
        "wang", "opportunity", **whose, name=f"{NAME} 520升多门冰箱", nextStep=f"给{NAME}回电", amount="8999"
    )
    await crm.make("zhao", "ticket", **whose, subject=f"{NAME}家冰箱漏水")
    said = {"outcome": f"{NAME}同意上门", "location": f"{NAME}家", "threadKey": f"wx:{NAME}"}
    await crm.make("wang", "interaction", **whose, channel="VISIT", occurredAt=crm.clock().isoformat(), **said)
    await crm.make("wang", "contract", **whose, title=f"{NAME}采购合同", paymentTerms=f"由{NAME}到店付清")
    yield BAI
    await crm.database.execute("DELETE FROM user_roles WHERE user_id = $1", crm.users[BAI])
    await crm.database.execute("UPDATE users SET status = 'LEFT' WHERE id = $1", crm.users.pop(BAI))
    await crm.database.execute("UPDATE policy_version SET version = version + 1")


@pytest.mark.parametrize("entity", TEXTS)
async def test_texts_that_name_a_person_are_masked_like_the_name(crm: Crm, bai: str, entity: str) -> None:
    fields, plural = TEXTS[entity], PLURAL.get(entity, f"{entity}s")
    document = f"{{ {plural}(where: {{ customer: {{ kind: {{ eq: PERSON }} }} }}, first: 200) {{ nodes {{"
    document += f" {' '.join(fields)} maskedFields customer {{ name }} }} }} }}"

    answer = await crm.ask(bai, document)

    assert NAME not in answer.response.text
    nodes = answer.data[plural]["nodes"]
    assert {"name": "佟**"} in [node["customer"] for node in nodes]
    for node in nodes:
        assert [node[field] for field in fields] == [None] * len(fields)
        assert set(fields) <= set(node["maskedFields"])


@pytest.mark.parametrize(("entity", "field"), [(entity, field) for entity, fields in TEXTS.items() for field in fields])
async def test_they_are_neither_grouped_nor_filtered_nor_ordered_by(
    crm: Crm, bai: str, entity: str, field: str
) -> None:
    plural = PLURAL.get(entity, f"{entity}s")
    for document in (
        f"{{ {plural}Aggregate(groupBy: [{{ {field}: true }}]) {{ groups {{ key {{ {field} }} count }} }} }}",
        f'{{ {plural}(where: {{ {field}: {{ contains: "{NAME}" }} }}) {{ totalCount }} }}',
        f"{{ {plural}(orderBy: [{{ {field}: ASC }}]) {{ totalCount }} }}",
    ):
        assert (await crm.ask("sun" if entity != "contract" else "wang", document)).data
        answer = await crm.ask(bai, document)
        assert answer.status == 400
        assert {error["extensions"]["code"] for error in answer.json["errors"]} == {"VALIDATION_FAILED"}


async def test_a_name_that_is_typed_finds_none_of_their_records(crm: Crm, bai: str) -> None:
    document = "query ($t: String!) { search(text: $t) { hits { match } } opportunities(search: $t) { totalCount } }"

    found: Any = {who: (await crm.ask(who, document, {"t": NAME})).data for who in (bai, "wang")}

    assert found[bai] == {"search": {"hits": []}, "opportunities": {"totalCount": 0}}
    assert found["wang"]["opportunities"] == {"totalCount": 1}
