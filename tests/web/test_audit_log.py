"""What auditors ask the log of reads: by time, by who asked, by record, by what was looked for; and nobody else."""

import re
from typing import Any

import orjson
import pytest

from .conftest import Crm

LOOKUP = "query ($v: String!) { lookup(type: CUSTOMER, field: PHONE, value: $v) { id } }"
READS = """query ($w: AuditedReadWhere, $first: Int, $after: String) {
  auditedReads(where: $w, first: $first, after: $after) {
    nodes { id type at actorId actorName clientId source requestId recordType recordId customerId fields records
      lookedFor reason details }
    pageInfo { hasNextPage hasPreviousPage endCursor } totalCount
  }
}"""
UNMASK = (
    """mutation ($id: ID!) { unmask(ids: [$id], fields: ["phone"], reason: "核对合同联系人") { errors { code } } }"""
)


async def ask(crm: Crm, where: dict[str, Any], **page: Any) -> Any:
    return (await crm.ask("mo", READS, {"w": where, **page})).data["auditedReads"]


async def customer(crm: Crm, name: str, phone: str) -> str:
    return str((await crm.make("sun", "customer", kind="PERSON", name=name, phone=phone))["id"])


async def test_an_auditor_is_told_who_was_told_what(crm: Crm) -> None:
    id_, since = await customer(crm, "审计甲", "13871970001"), crm.clock()
    await crm.ask("zhao", LOOKUP, {"v": "13871970001"})
    await crm.ask("caller", UNMASK, {"id": id_})
    found = await ask(crm, {"since": since.isoformat(), "record": id_})
    unmasked, looked_up = found["nodes"]
    assert found["totalCount"] == 2
    assert looked_up == {
        **looked_up,
        "type": "customer.looked_up",
        "actorId": str(crm.users["zhao"]),
        "actorName": "zhao",
        "clientId": None,
        "source": "api",
        "recordType": "customer",
        "recordId": id_,
        "customerId": id_,
        "fields": ["phone"],
        "records": 1,
        "reason": None,
        "details": {},
    }
    assert (unmasked["type"], unmasked["reason"], unmasked["lookedFor"]) == (
        "customer.unmasked",
        "核对合同联系人",
        None,
    )
    assert "7197" not in orjson.dumps(found).decode()


async def test_reads_are_paged_from_the_newest_back(crm: Crm) -> None:
    since = crm.clock()
    for n in range(5):
        await crm.ask("zhao", LOOKUP, {"v": f"1387197001{n}"})
    where = {"since": since.isoformat(), "actor": str(crm.users["zhao"])}
    whole = (await ask(crm, where))["nodes"]
    assert [read["id"] for read in whole] == sorted((read["id"] for read in whole), reverse=True)
    seen, after = [], None
    for size, more in ((2, True), (2, True), (2, False)):
        page = await ask(crm, where, first=size, after=after)
        assert page["pageInfo"]["hasNextPage"] is more
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        seen += [read["id"] for read in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
    assert seen == [read["id"] for read in whole]
    back = """query ($w: AuditedReadWhere, $b: String) {
      auditedReads(where: $w, last: 2, before: $b) { nodes { id } pageInfo { hasNextPage hasPreviousPage } } }"""
    last = (await crm.ask("mo", back, {"w": where, "b": after})).data["auditedReads"]
    assert [read["id"] for read in last["nodes"]] == seen[2:4]
    assert last["pageInfo"] == {"hasNextPage": True, "hasPreviousPage": True}


async def test_reads_are_found_by_what_was_looked_for_and_by_time(crm: Crm) -> None:
    since = crm.clock()
    await crm.ask("zhao", LOOKUP, {"v": "13871970021"})
    between = crm.clock()
    await crm.ask("caller", LOOKUP, {"v": "138 7197 0021"})
    await crm.ask("zhao", LOOKUP, {"v": "13871970022"})
    (first,) = (await ask(crm, {"since": since.isoformat(), "until": between.isoformat()}))["nodes"]
    same = await ask(crm, {"lookedFor": first["lookedFor"]})
    assert [read["actorName"] for read in same["nodes"]] == ["caller", "zhao"]
    none = await ask(crm, {"since": since.isoformat(), "types": ["customer.unmasked"]})
    assert none["nodes"] == []


@pytest.mark.parametrize("who", ["sun", "zhao", "wang", "root", "qian"])
async def test_the_log_of_reads_is_for_auditors(crm: Crm, who: str) -> None:
    answer = await crm.ask(who, "{ auditedReads { totalCount } }")
    assert answer.error[:2] == (400, "VALIDATION_FAILED")
    assert "auditedReads" in answer.error[2]


@pytest.mark.parametrize(
    "where",
    [{"actor": "x"}, {"since": "yesterday"}, {"types": [None]}, {"record": "a\0b"}, {"since": {"ago": "P1D"}}],
    ids=str,
)
async def test_what_is_asked_badly_is_refused(crm: Crm, where: dict[str, Any]) -> None:
    answer = await crm.ask("mo", READS, {"w": where})
    assert answer.error[:2] == (400, "BAD_VARIABLES")


WAYS_IN = {
    "actor_id": "'019aaaaa-0000-7000-8700-000000000000'",
    "type": "'customer.unmasked'",
    "entity_id": "'019aaaaa-0000-7000-8100-000000000000'",
    "looked_for": "'0123456789abcdef'",
}


@pytest.mark.parametrize("column", WAYS_IN)
async def test_each_way_in_has_an_index_over_reads_alone(crm: Crm, column: str) -> None:
    async with crm.database.transaction():
        await crm.database.execute("SET LOCAL enable_seqscan = off")
        plan = await crm.database.fetchval(
            f"EXPLAIN (FORMAT JSON) SELECT id FROM events AS e WHERE e.is_read AND e.{column} = {WAYS_IN[column]}"
            " ORDER BY id DESC LIMIT 51"
        )
    used = set(re.findall('"Index Name": "([^"]+)"', plan))
    made = [await crm.database.fetchval("SELECT pg_get_indexdef($1::text::regclass)", name) for name in used]
    assert made
    assert all(f"({column}, id) WHERE is_read" in index for index in made)
