"""Grants that are edited while many ask: each answer is wholly by the old rights or wholly by the new ones."""

import asyncio
from functools import partial
from typing import Any

from crm_graph.models.ids import EntityCode, IdSource
from web.administering import done, grant, holds, new_role
from web.conftest import Crm

MEI, ROLE = "load.mei", "load_reader"
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


def grants(contact: str) -> list[Any]:
    """All customers with contacts at a level; what organisations show in full is in the schema whatever that is."""
    everybody = [{"dataClass": "BASIC", "level": "READ"}, {"dataClass": "CONTACT", "level": contact}]
    organisations = [{"dataClass": "CONTACT", "level": "READ"}, {"dataClass": "BASIC", "level": "READ"}]
    return [
        grant(levels=everybody),
        grant(row_rule="WHERE", where={"kind": {"eq": "ORGANIZATION"}}, levels=organisations),
    ]


async def test_each_answer_is_by_the_rights_before_or_after_an_edit(ruled: Crm) -> None:
    ruled.users[MEI] = IdSource(ruled.clock).new(EntityCode.USER)
    await ruled.database.execute(_USER, ruled.users[MEI], MEI, ruled.clock())
    await done(ruled, "createRole", input=new_role(ROLE, *grants("READ")))
    await done(ruled, "grantRole", user=str(ruled.users[MEI]), role=ROLE)
    for number in (1, 2):
        await ruled.make("sun", "customer", kind="PERSON", name=f"负载客户{number}", phone=f"1380013880{number}")
    answers: list[Any] = []
    edited = asyncio.Event()

    async def ask() -> None:
        while not edited.is_set():
            answers.append((await ruled.ask(MEI, QUERY)).data)

    async def obeys(expected: Any) -> bool:
        return bool((await ruled.ask(MEI, QUERY)).data == expected)

    async with asyncio.TaskGroup() as asking:
        for _ in range(ASKERS):
            asking.create_task(ask())
        for number in range(EDITS):
            level, expected = ("READ", FULL) if number % 2 else ("MASKED", MASKED)
            await done(ruled, "setGrants", role=ROLE, grants=grants(level))
            await holds(partial(obeys, expected))
        edited.set()

    assert len(answers) >= ASKERS
    assert [answer for answer in answers if answer not in (FULL, MASKED)] == []

    await done(ruled, "setGrants", role=ROLE, grants=grants("MASKED"))
    await holds(partial(obeys, MASKED))
    after = await asyncio.gather(*(ruled.ask(MEI, QUERY) for _ in range(20)))
    assert all(answer.data == MASKED for answer in after)
