"""`rightsChanges` over HTTP: what was changed of rights is read back, by who may read roles, page by page."""

from typing import Any

import orjson

from web.administering import done, grant, new_role
from web.conftest import Crm

CHANGES = """query ($w: RightsChangeWhere, $first: Int, $after: String) {
  rightsChanges(where: $w, first: $first, after: $after) {
    nodes { id type at actorId actorName onBehalfOfId clientId source requestId aboutType aboutId aboutName version
      changed before after reason }
    pageInfo { hasNextPage endCursor } totalCount
  }
}"""


async def changes(
    crm: Crm, who: str = "mo", *, first: int | None = None, after: str | None = None, **where: Any
) -> Any:
    asked = {"w": where, "first": first, "after": after}
    return (await crm.ask(who, CHANGES, asked)).data["rightsChanges"]


async def test_an_auditor_reads_back_who_changed_a_role_and_what_it_was(ruled: Crm) -> None:
    await done(ruled, "createRole", input=new_role("read_back", grant("Lead")), reason="For the fair")
    given = [grant("Ticket", "OWN")]
    await done(ruled, "setGrants", role="read_back", grants=given, reason="Leads are for sellers")
    id_ = str(await ruled.database.fetchval("SELECT id FROM roles WHERE key = 'read_back'"))

    told = await changes(ruled, about=id_)

    newest, oldest = told["nodes"]
    assert (told["totalCount"], oldest["type"], oldest["reason"]) == (2, "role.created", "For the fair")
    assert newest == {
        **newest,
        "type": "role.grants_set",
        "actorId": str(ruled.users["root"]),
        "actorName": "root",
        "onBehalfOfId": None,
        "clientId": None,
        "source": "api",
        "aboutType": "role",
        "aboutId": id_,
        "aboutName": "read_back",
        "version": 2,
        "reason": "Leads are for sellers",
    }
    assert "grants" in newest["changed"]
    assert ([g["type"] for g in newest["before"]["grants"]], [g["type"] for g in newest["after"]["grants"]]) == (
        ["Lead"],
        ["Ticket"],
    )
    await done(ruled, "removeRole", key="read_back")
    removed = (await changes(ruled, about=id_, first=1))["nodes"][0]
    assert (removed["type"], removed["aboutName"]) == ("role.removed", "read_back")


async def test_changes_are_paged_and_chosen_by_person_time_and_type(ruled: Crm) -> None:
    since = ruled.clock().isoformat()
    chen = str(ruled.users["chen"])
    for _ in range(2):
        await done(ruled, "suspendUser", user=chen, reason="Lost a laptop")
        await done(ruled, "reinstateUser", user=chen)

    first = await changes(ruled, about=chen, since=since, first=3)
    rest = await changes(ruled, about=chen, since=since, first=3, after=first["pageInfo"]["endCursor"])
    suspended = await changes(ruled, about=chen, since=since, types=["user.suspended"])
    by = await changes(ruled, by=str(ruled.users["root"]), since=since)
    nobody = await changes(ruled, by=chen, since=since)
    before = await changes(ruled, about=chen, until=since)

    assert [n["type"].partition(".")[2] for n in (*first["nodes"], *rest["nodes"])] == [
        "reinstated", "suspended", "reinstated", "suspended"
    ]  # fmt: skip
    assert (first["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (True, False)
    assert [(n["reason"], n["aboutName"]) for n in suspended["nodes"]] == [("Lost a laptop", "chen")] * 2
    assert suspended["nodes"][0]["before"] == {"status": "ACTIVE"}
    assert (by["totalCount"], nobody["totalCount"]) == (4, 0)
    assert not {n["id"] for n in before["nodes"]} & {n["id"] for n in first["nodes"]}


async def test_personal_data_in_them_are_masked(ruled: Crm) -> None:
    """Somebody's mail changed at their issuer, and a subject was linked."""
    wang = ruled.users["wang"]
    await ruled.database.execute(
        "INSERT INTO events (id, type, entity_type, entity_id, entity_version, occurred_at, actor_id, source, changed,"
        " before, after) VALUES (crm_first_id(now()), 'user.updated', 'user', $1, 77, now(), $1, 'api',"
        """ '["email", "phone", "subject"]', '{"email": "old@example.com"}',"""
        """ '{"email": "wang@example.com", "phone": "13800138000", "subject": "00u1234567", "name": "W"}')""",
        wang,
    )

    (told,) = [n for n in (await changes(ruled, about=str(wang)))["nodes"] if n["version"] == 77]
    await ruled.database.execute("DELETE FROM events WHERE entity_id = $1 AND entity_version = 77", wang)

    assert told["before"] == {"email": "o***@example.com"}
    assert told["after"] == {"email": "w***@example.com", "phone": "138****8000", "subject": "****4567", "name": "W"}
    assert "13800138000" not in orjson.dumps(told).decode()


async def test_changes_are_for_who_may_read_roles(ruled: Crm) -> None:
    assert (await ruled.ask("wang", CHANGES)).status == 400
    assert (await ruled.ask("root", CHANGES)).data["rightsChanges"]["nodes"]


async def test_an_index_finds_them_among_all_events(ruled: Crm) -> None:
    """Planned as if the log were long."""
    for way in ("seqscan", "bitmapscan", "sort"):
        await ruled.database.execute(f"SET enable_{way} = off")
    explained = await ruled.database.fetch(
        "EXPLAIN SELECT e.id FROM events AS e WHERE e.entity_type IN ('client', 'issuer', 'rights_proposal', 'role',"
        " 'team', 'user') AND NOT e.is_read ORDER BY e.id DESC LIMIT 51"
    )
    for way in ("seqscan", "bitmapscan", "sort"):
        await ruled.database.execute(f"RESET enable_{way}")
    plan = "\n".join(row[0] for row in explained)
    assert "Index Only Scan Backward" in plan
    assert "Seq Scan" not in plan
    assert "Filter" not in plan
