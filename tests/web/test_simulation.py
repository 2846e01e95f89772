"""Asking as another role over HTTP, by a header."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from crm_graph.models.ids import EntityCode, IdSource
from web.conftest import RESPONSE_JSON, Answer, Crm

_TESTER = """
WITH made AS (
  INSERT INTO roles (id, key, name_en, name_zh, actions, created_at, updated_at)
  VALUES ($1, 'simulation_tester', 'Tester', '测试', '["access:simulate"]', $3, $3) RETURNING id
), who AS (
  INSERT INTO users (id, kind, username, name, created_at, updated_at)
  VALUES ($2, 'PERSON', 'simulating.lin', '林试', $3, $3) RETURNING id
)
INSERT INTO user_roles (user_id, role_id)
SELECT who.id, r.id FROM who, (SELECT id FROM made UNION ALL SELECT id FROM roles WHERE key = 'crm_manager') AS r
"""
LIN = "simulating.lin"
"""A CRM manager who may simulate."""
MINE = """query($name: String!) { customers(where: { name: { startsWith: $name } }, orderBy: [{ name: ASC }]) {
  nodes { name phone maskedFields } totalCount } }"""


@pytest.fixture(scope="module")
async def lin(crm: Crm) -> AsyncIterator[str]:
    """Made once; taken away again, as other tests count who has which role."""
    ids = IdSource(crm.clock)
    crm.users[LIN] = ids.new(EntityCode.USER)
    await crm.database.execute(_TESTER, ids.new(EntityCode.ROLE), crm.users[LIN], crm.clock())
    await crm.database.execute("UPDATE policy_version SET version = version + 1")
    yield LIN
    await crm.database.execute("DELETE FROM user_roles WHERE user_id = $1", crm.users[LIN])
    await crm.database.execute("DELETE FROM roles WHERE key = 'simulation_tester'")
    await crm.database.execute("UPDATE users SET status = 'LEFT' WHERE id = $1", crm.users.pop(LIN))
    await crm.database.execute("UPDATE policy_version SET version = version + 1")


async def simulating(crm: Crm, who: str, roles: str, query: str, **variables: Any) -> Answer:
    return await crm.ask(who, query, variables, CRM_Graph_Simulate_Role=roles)


async def test_answer_is_that_of_the_role_within_the_askers_rights(crm: Crm, lin: str) -> None:
    await crm.make(lin, "customer", kind="PERSON", name="模拟1", phone="13800138701")
    await crm.make("wang", "customer", kind="PERSON", name="模拟2", phone="13800138702")

    own = (await crm.ask(lin, MINE, {"name": "模拟"})).data["customers"]
    sales = (await simulating(crm, lin, "sales", MINE, name="模拟")).data["customers"]
    finance = (await simulating(crm, lin, "finance", MINE, name="模拟")).data["customers"]

    assert (own["totalCount"], [n["phone"] for n in own["nodes"]]) == (2, ["+8613800138701", "+8613800138702"])
    # As a seller she sees what she owns.
    assert sales == {"nodes": [{"name": "模拟1", "phone": "+8613800138701", "maskedFields": []}], "totalCount": 1}
    assert [(n["name"], n["phone"]) for n in finance["nodes"]] == [("模拟1", "138****8701"), ("模拟2", "138****8702")]
    assert all("phone" in n["maskedFields"] for n in finance["nodes"])


async def test_schema_is_what_both_have(crm: Crm, lin: str) -> None:
    query = '{ __type(name: "Customer") { fields { name } } }'

    def names(answer: Answer) -> set[str]:
        return {field["name"] for field in answer.data["__type"]["fields"]}

    own, finance = names(await crm.ask(lin, query)), names(await crm.ask("qian", query))
    both = names(await simulating(crm, lin, "finance", query))

    assert both == own & finance
    assert "bankAccount" in finance - both
    refused = await simulating(crm, lin, "finance", "{ customers { nodes { bankAccount } } }")
    assert refused.error[:2] == (400, "VALIDATION_FAILED")


async def test_administrator_sees_no_customers_as_a_seller(crm: Crm) -> None:
    assert (await simulating(crm, "root", "sales", "{ customers { totalCount } }")).error[:2] == (
        400,
        "VALIDATION_FAILED",
    )
    users = await simulating(crm, "root", "sales", "{ users(first: 1) { nodes { name } } }")
    assert len(users.data["users"]["nodes"]) == 1


async def test_viewer_is_told_the_roles_and_the_rights_that_are_simulated(crm: Crm, lin: str) -> None:
    query = "{ viewer { user { username } roles { key } access { actions } } }"

    told = (await simulating(crm, lin, "sales , finance", query)).data["viewer"]

    assert (told["user"], told["roles"]) == ({"username": LIN}, [{"key": "finance"}, {"key": "sales"}])
    assert "customers:update" in told["access"]["actions"]
    assert not {"access:simulate", "merge", "contracts:update"} & set(told["access"]["actions"])


@pytest.mark.parametrize("roles", ["sales", "nobody", "", "sales,nobody", ",".join(f"r{n}" for n in range(9)), "é"])
async def test_who_may_not_simulate_is_told_what_a_role_that_is_not_there_is(crm: Crm, lin: str, roles: str) -> None:
    for who in ("wang", lin) if roles != "sales" else ("wang",):
        headers = [(name.encode(), value.encode()) for name, value in crm.headers(who).items()]
        headers.append((b"CRM-Graph-Simulate-Role", roles.encode()))
        answer = Answer(await crm.http.post("/graphql", headers=headers, json={"query": "{ __typename }"}))

        assert answer.error == (400, "BAD_VARIABLES", "There is no such role that you may simulate.")
        assert answer.json["errors"][0]["extensions"]["argument"] == ["CRM-Graph-Simulate-Role"]


async def test_who_asks_as_another_role_is_written_down_once_in_a_while(crm: Crm, lin: str) -> None:
    since = crm.clock()

    for roles in ("service,sales", "sales, service", "service"):
        assert (await simulating(crm, lin, roles, "{ __typename }")).status == 200
    assert (await simulating(crm, "wang", "service", "{ __typename }")).status == 400

    found = await crm.database.fetch(
        "SELECT type, actor_id, records, after::text FROM events WHERE is_read AND occurred_at > $1 ORDER BY id", since
    )
    assert [(e["type"], e["records"], orjson.loads(e["after"])) for e in found] == [
        ("role.simulated", 0, {"roles": ["sales", "service"]}),
        ("role.simulated", 0, {"roles": ["service"]}),
    ]
    assert {e["actor_id"] for e in found} == {crm.users[lin]}


async def test_nothing_is_written_as_another_role(crm: Crm, lin: str) -> None:
    query = """mutation { createCustomer(input: { kind: PERSON, name: "模拟3" }) { customer { id } } }"""

    answer = await simulating(crm, lin, "sales", query)

    assert answer.error == (400, "VALIDATION_FAILED", "As a simulated role you can only ask queries.")
    assert await crm.count("customers WHERE name = '模拟3'") == 0
    got = await crm.http.get(
        "/graphql", params={"query": query}, headers=crm.headers(lin, CRM_Graph_Simulate_Role="sales")
    )
    assert Answer(got).error[:2] == (405, "METHOD_NOT_ALLOWED")
    assert got.headers["content-type"].startswith(RESPONSE_JSON)


async def test_a_role_that_is_taken_away_is_simulated_no_more(crm: Crm, lin: str) -> None:
    await crm.database.execute(
        "INSERT INTO roles (id, key, name_en, name_zh, actions, created_at, updated_at)"
        " VALUES ($1, 'simulation_brief', 'Brief', '短暂', '[]', $2, $2)",
        IdSource(crm.clock).new(EntityCode.ROLE),
        crm.clock(),
    )
    await crm.database.execute("UPDATE policy_version SET version = version + 1")
    await once_answered(crm, lin, 200)

    await crm.database.execute("DELETE FROM roles WHERE key = 'simulation_brief'")
    await crm.database.execute("UPDATE policy_version SET version = version + 1")

    await once_answered(crm, lin, 400)


async def once_answered(crm: Crm, who: str, status: int) -> None:
    """Return when the hub has heard of the roles."""
    async with asyncio.timeout(10):
        while (await simulating(crm, who, "simulation_brief", "{ __typename }")).status != status:
            pass
