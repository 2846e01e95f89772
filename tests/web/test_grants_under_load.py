"""Grants that are edited while many ask: each answer is wholly by the old rights or wholly by the new ones."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from crm_graph.models.ids import EntityCode, IdSource
from web.conftest import Crm

MEI = "load.mei"
_ROLE = (
    "INSERT INTO roles (id, key, name_en, name_zh, actions, created_at, updated_at)"
    " VALUES ($1, 'load_reader', 'Reader', '读者', '[]', $2, $2)"
)
_GRANT = "INSERT INTO grants (id, role_id, entity_type, row_rule, levels) VALUES ($1, $2, 'customer', 'ALL', $3::jsonb)"
# What is read in full on some rows is in the schema, whatever the other grant gives.
_ORGANISATIONS = """INSERT INTO grants (id, role_id, entity_type, row_rule, predicate, levels)
    VALUES ($1, $2, 'customer', 'WHERE', '{"kind": {"eq": "ORGANIZATION"}}', '{"CONTACT": "READ"}')"""
_USER = "INSERT INTO users (id, kind, username, name, created_at, updated_at) VALUES ($1, 'PERSON', $2, '梅读', $3, $3)"
QUERY = """{
  customers(where: { name: { startsWith: "负载客户" } }, orderBy: [{ name: ASC }]) { nodes { phone maskedFields } }
  found: customers(where: { name: { startsWith: "负载客户" }, phone: { startsWith: "+86138" } }) { totalCount }
  customersAggregate(where: { name: { startsWith: "负载客户" } }) { groups { countDistinct { phone } } }
}"""
ASKERS, EDITS = 6, 6


def answered(phones: list[str], found: int, distinct: int) -> Any:
    masked = ["phone", "email", "wechatId"] if found == 0 else []
    return {
        "customers": {"nodes": [{"phone": phone, "maskedFields": masked} for phone in phones]},
        "found": {"totalCount": found},
        "customersAggregate": {"groups": [{"countDistinct": {"phone": distinct}}]},
    }


FULL = answered(["+8613800138801", "+8613800138802"], 2, 2)
MASKED = answered(["138****8801", "138****8802"], 0, 0)


@pytest.fixture
async def mei(crm: Crm) -> AsyncIterator[str]:
    """Somebody whose only role reads customers' names and, for a while, phones."""
    ids = IdSource(crm.clock)
    role, crm.users[MEI] = ids.new(EntityCode.ROLE), ids.new(EntityCode.USER)
    async with crm.database.transaction():
        await crm.database.execute(_ROLE, role, crm.clock())
        await crm.database.execute(_GRANT, ids.new(EntityCode.GRANT), role, levels("READ"))
        await crm.database.execute(_ORGANISATIONS, ids.new(EntityCode.GRANT), role)
        await crm.database.execute(_USER, crm.users[MEI], MEI, crm.clock())
        await crm.database.execute("INSERT INTO user_roles (user_id, role_id) VALUES ($1, $2)", crm.users[MEI], role)
        await crm.database.execute("UPDATE policy_version SET version = version + 1")
    yield MEI
    async with crm.database.transaction():
        await crm.database.execute("DELETE FROM user_roles WHERE role_id = $1", role)
        await crm.database.execute("DELETE FROM roles WHERE id = $1", role)
        await crm.database.execute("UPDATE users SET status = 'LEFT' WHERE id = $1", crm.users.pop(MEI))
        await crm.database.execute("UPDATE policy_version SET version = version + 1")


def levels(contact: str) -> str:
    return orjson.dumps({"BASIC": "READ", "CONTACT": contact}).decode()


async def edit(crm: Crm, contact: str) -> None:
    async with crm.database.transaction():
        await crm.database.execute(
            "UPDATE grants SET levels = $1::jsonb FROM roles r WHERE r.id = role_id AND r.key = 'load_reader'"
            " AND row_rule = 'ALL'",
            levels(contact),
        )
        await crm.database.execute("UPDATE policy_version SET version = version + 1")


async def once(crm: Crm, who: str, expected: Any) -> None:
    """Return when the hub has heard of the edit."""
    async with asyncio.timeout(10):
        while (await crm.ask(who, QUERY)).data != expected:
            pass


async def test_each_answer_is_by_the_rights_before_or_after_an_edit(crm: Crm, mei: str) -> None:
    for number in (1, 2):
        await crm.make("sun", "customer", kind="PERSON", name=f"负载客户{number}", phone=f"1380013880{number}")
    answers: list[Any] = []
    edited = asyncio.Event()

    async def ask() -> None:
        while not edited.is_set():
            answers.append((await crm.ask(mei, QUERY)).data)

    async with asyncio.TaskGroup() as asking:
        for _ in range(ASKERS):
            asking.create_task(ask())
        for number in range(EDITS):
            await edit(crm, "READ" if number % 2 else "MASKED")
            await once(crm, mei, FULL if number % 2 else MASKED)
        edited.set()

    assert len(answers) >= ASKERS
    assert [answer for answer in answers if answer not in (FULL, MASKED)] == []

    await edit(crm, "MASKED")
    await once(crm, mei, MASKED)
    after = await asyncio.gather(*(crm.ask(mei, QUERY) for _ in range(20)))
    assert all(answer.data == MASKED for answer in after)
