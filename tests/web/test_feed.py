"""`changes` over HTTP: who reads on is told of all that changes of what they see, in order, once, and no more."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import text

from crm_graph.db import write_engine
from crm_graph.resolvers.feed.cursors import FeedCursors
from crm_graph.services.log_epochs import begin_epoch

from .conftest import Crm
from .directing import done
from .feeding import CHANGES, Reader

ASSIGN = "mutation($id: ID!, $to: ID!) { assignLead(id: $id, to: $to) { lead { id } errors { code } } }"
UPDATE = """mutation($id: ID!, $version: Int!, $input: UpdateCustomerInput!) {
  updateCustomer(id: $id, expectedVersion: $version, input: $input) { customer { version } errors { code path } }
}"""


async def customer(crm: Crm, name: str, who: str = "wang", **values: Any) -> dict[str, Any]:
    return await crm.make(who, "customer", kind="ORGANIZATION", name=name, **values)


async def update(crm: Crm, who: str, record: dict[str, Any], **values: Any) -> None:
    answer = await crm.ask(who, UPDATE, {"id": record["id"], "version": record["version"], "input": values})
    assert answer.payload("updateCustomer")["errors"] == []
    record["version"] = answer.payload("updateCustomer")["customer"]["version"]


async def moved(crm: Crm, table: str, type_: str, id_: str, **values: Any) -> None:
    """A change that no verb of the API makes yet, with its event, as a service writes them."""
    async with crm.database.transaction():
        names = ", ".join(f"{name} = ${place}" for place, name in enumerate(values, 2))
        was = await crm.database.fetchrow(f"SELECT * FROM {table} WHERE id = $1", UUID(id_))
        assert was is not None
        await crm.database.execute(
            f"UPDATE {table} SET {names}, version = version + 1 WHERE id = $1", UUID(id_), *values.values()
        )
        before = {name: was[name] for name in values}
        await crm.database.execute(
            "INSERT INTO events (id, epoch, type, entity_type, entity_id, entity_version, customer_id, occurred_at,"
            " source, changed, before, after) VALUES (crm_id(15, $1), (SELECT max(epoch) FROM log_epochs), $2, $3, $4,"
            " $5, $6, $1, 'api', $7, $8, $9)",
            crm.clock(), type_, type_.partition(".")[0], was["id"], was["version"] + 1,
            was["id"] if table == "customers" else was["customer_id"],
            *(orjson.dumps(each, default=str).decode() for each in (list(values), before, values)),
        )  # fmt: skip


def told(nodes: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(node["kind"], node["type"], node["entityId"], node["changed"]) for node in nodes]


async def test_a_reader_is_told_of_each_change_once_and_in_order(fed: Crm) -> None:
    reader = await Reader(fed, "sun").at_end()
    made = await customer(fed, "Told in order")
    await update(fed, "wang", made, name="Told in order, again", industry="Paper")

    created, updated = await reader.rest(first=1)

    event: Any = await fed.database.fetchrow(
        "SELECT id, occurred_at FROM events WHERE entity_id = $1 AND entity_version = 2", UUID(made["id"])
    )
    assert (created["type"], created["entityType"], created["version"]) == ("customer.created", "Customer", 1)
    assert updated == {
        "kind": "CHANGED",
        "id": str(event["id"]),
        "type": "customer.updated",
        "entityType": "Customer",
        "entityId": made["id"],
        "version": 2,
        "own": False,
        "backfill": False,
        "changed": ["industry", "name"],
    }
    assert await reader.rest() == []


async def test_pages_of_any_size_make_the_same_feed(fed: Crm) -> None:
    for number in range(5):
        await customer(fed, f"Paged {number}")
    whole = await Reader(fed, "sun").rest()
    for size in (1, 2, 3, 7):
        assert await Reader(fed, "sun").rest(first=size) == whole


async def test_a_record_that_leaves_what_somebody_sees_leaves_a_note_and_no_more(fed: Crm) -> None:
    wang, li = await Reader(fed, "wang").at_end(), await Reader(fed, "li").at_end()
    lead = await fed.make("wang", "lead", name="Leaving")
    assert told(await wang.rest())[0][:2] == ("CHANGED", "lead.created")
    await fed.ask("sun", ASSIGN, {"id": lead["id"], "to": str(fed.users["li"])})
    await moved(fed, "leads", "lead.updated", lead["id"], name="Unseen")

    nothing = dict.fromkeys(("id", "type", "version", "own", "backfill"))
    assert await wang.rest() == [
        {**nothing, "kind": "LEFT", "entityType": "Lead", "entityId": lead["id"], "changed": []}
    ]
    assert await wang.rest() == []
    assert [node["type"] for node in await li.rest()] == ["lead.created", "lead.assigned", "lead.updated"]


async def test_who_comes_later_is_told_once_of_what_left(fed: Crm) -> None:
    lead = await fed.make("wang", "lead", name="To and fro")
    for to in ("chen", "wang", "li"):
        await fed.ask("sun", ASSIGN, {"id": lead["id"], "to": str(fed.users[to])})
    for who in ("wang", "chen"):
        found = await Reader(fed, who).rest(entityIds=[lead["id"]])
        assert told(found) == [("LEFT", None, lead["id"], [])], who


async def test_what_is_out_of_scope_leaves_no_trace(fed: Crm) -> None:
    reader = await Reader(fed, "li").at_end()
    before = reader.cursor
    for number in range(3):
        await customer(fed, f"Out of scope {number}")
    page = await reader.page(first=1)
    assert (page["nodes"], page["hasMore"], len(page["cursor"])) == ([], False, len(before or ""))


async def test_a_change_of_what_is_withheld_is_no_change(fed: Crm) -> None:
    made = await customer(fed, "Withheld")
    reader = await Reader(fed, "zhao").at_end()
    await moved(fed, "customers", "customer.updated", made["id"], annual_revenue=5)
    assert await reader.rest() == []


async def test_a_verb_that_speaks_of_what_is_withheld_is_an_update(fed: Crm) -> None:
    made = await customer(fed, "Verbs")
    sees, not_all = await Reader(fed, "sun").at_end(), await Reader(fed, "zhao").at_end()
    await moved(fed, "customers", "customer.graded", made["id"], tier="GOLD", annual_revenue=7)
    assert told(await sees.rest()) == [("CHANGED", "customer.graded", made["id"], ["annualRevenue", "tier"])]
    assert told(await not_all.rest()) == [("CHANGED", "customer.updated", made["id"], ["tier"])]
    assert await Reader(fed, "zhao").rest(types=["customer.graded"]) == []


async def test_who_is_seen_through_a_customer_calls_for_reading_again(fed: Crm) -> None:
    made = await customer(fed, "Moves its interactions", who="chen")
    spoken = await fed.make(
        "sun",
        "interaction",
        customerId=made["id"],
        channel="CALL",
        direction="INBOUND",
        subject="Hello",
        occurredAt="2026-11-20T10:00:00Z",
    )
    readers = {who: await Reader(fed, who).at_end() for who in ("chen", "li", "wang", "sun")}
    assert told(await Reader(fed, "chen").rest(entityIds=[spoken["id"]]))[0][1] == "interaction.created"
    await moved(fed, "customers", "customer.assigned", made["id"], owner_id=fed.users["li"])

    found = {
        who: [(node["kind"], node["entityId"]) for node in await reader.rest(first=1)]
        for who, reader in readers.items()
    }
    assert found == {
        "chen": [("LEFT", made["id"]), ("RESYNC_REQUIRED", None)],
        "li": [("CHANGED", made["id"]), ("RESYNC_REQUIRED", None)],
        "wang": [],
        "sun": [("CHANGED", made["id"])],
    }


async def test_other_teams_call_once_for_reading_again(fed: Crm) -> None:
    reader, other = await Reader(fed, "zhao").at_end(), await Reader(fed, "sun").at_end()
    made = await customer(fed, "After the team")
    team, zhao = str(fed.teams["north"]), str(fed.users["zhao"])
    await done(fed, "addTeamMembers", team=team, users=[zhao])
    page = await reader.page()
    await done(fed, "removeTeamMembers", team=team, users=[zhao])
    assert [(node["kind"], node["entityId"]) for node in page["nodes"]] == [("RESYNC_REQUIRED", None)]
    assert page["hasMore"] is True
    assert [node["kind"] for node in await reader.rest(first=1)] == ["RESYNC_REQUIRED", "CHANGED"]
    assert [node["kind"] for node in await reader.rest()] == []
    assert [node["entityId"] for node in await other.rest(entityTypes=["Customer"])] == [made["id"]]


WHERE: list[tuple[dict[str, Any], list[str]]] = [
    ({"types": ["customer.created"]}, ["a.1", "b.1"]),
    ({"types": ["customer.updated", "lead.created"]}, ["a.2", "l.1"]),
    ({"types": ["customer.never"]}, []),
    ({"entityTypes": ["Lead"]}, ["l.1"]),
    ({"entityTypes": ["Export", "Lied"]}, []),
    ({"entityIds": "b"}, ["b.1"]),
    ({"customerId": "a"}, ["a.1", "a.2"]),
    ({"customer": {"industry": {"eq": "Paper"}}}, ["a.1", "a.2", "l.1"]),
    ({"customer": {"industry": {"eq": "Paper"}}, "entityTypes": ["Customer"], "types": ["customer.updated"]}, ["a.2"]),
]


async def test_the_feed_is_narrowed(fed: Crm) -> None:
    start = (await Reader(fed, "sun").at_end()).cursor
    a, b = await customer(fed, "Narrow A"), await customer(fed, "Narrow B")
    await update(fed, "wang", a, industry="Paper")
    lead = await fed.make("wang", "lead", name="Narrow lead")
    names = {a["id"]: "a", b["id"]: "b", lead["id"]: "l"}
    ids = {name: id_ for id_, name in names.items()}
    for where, expected in WHERE:
        asked = {key: ids.get(value, value) if isinstance(value, str) else value for key, value in where.items()}
        found = await Reader(fed, "sun", start).rest(**asked)
        assert [f"{names[n['entityId']]}.{n['version']}" for n in found] == expected, where


async def test_a_condition_on_what_is_hidden_is_refused_as_one_on_what_never_was(fed: Crm) -> None:
    refused = [
        (
            await fed.ask(
                "zhao", f"{{ changes(where: {{ customer: {{ {field}: {{ isNull: true }} }} }}) {{ cursor }} }}"
            )
        ).error
        for field in ("annualRevenue", "annualRevenux")
    ]
    assert [message.replace("Revenue", "Revenux") for _, _, message in refused] == [refused[1][2]] * 2
    assert {code for _, code, _ in refused} == {"VALIDATION_FAILED"}


async def test_records_are_told_as_they_are_seen(fed: Crm) -> None:
    document = (
        "query ($after: String) { changes(after: $after) {"
        " nodes { record { id ... on Customer { name annualRevenue { amount } } } } } }"
    )
    reader = await Reader(fed, "sun").at_end()
    made = await customer(fed, "With its record", annualRevenue="5")
    found = (await fed.ask("sun", document, {"after": reader.cursor})).data["changes"]["nodes"]
    assert found == [
        {
            "record": {
                "id": made["id"],
                "name": "With its record",
                "annualRevenue": {"amount": "5.00"},
            }
        }
    ]


@pytest.mark.parametrize(
    "arguments",
    ['after: "x"', 'after: ""', 'after: "\u00e9"', "first: 0", "first: 1001", "first: -1", f'after: "{"A" * 4000}"'],
)
async def test_bad_arguments_are_refused(fed: Crm, arguments: str) -> None:
    status, code, _ = (await fed.ask("sun", f"{{ changes({arguments}) {{ cursor }} }}")).error
    assert (status, code) == (400, "BAD_VARIABLES")


def resealed(crm: Crm, key: bytes, cursor: str, **parts: Any) -> str:
    """A cursor with something in it changed, sealed with a key."""
    place = orjson.loads(FeedCursors(key)(cursor))
    for at, value in parts.items():
        place[int(at[1:])] = value
    sealed: str = orjson.loads(FeedCursors(key).sealed(b'{" place":%b}' % orjson.dumps(place)))
    return sealed


async def test_cursors_that_lead_nowhere_are_told(fed: Crm) -> None:
    key = await fed.database.fetchval("SELECT key FROM hash_keys WHERE name = 'looked_for'")
    cursor = (await Reader(fed, "sun").at_end()).cursor or ""
    long_ago = int((fed.clock.now - timedelta(days=91)).timestamp())

    async def asked(after: str) -> tuple[int, str]:
        answer = await fed.ask("sun", CHANGES, {"after": after})
        return answer.error[:2] if "errors" in answer.json else (answer.status, "")

    assert await asked(resealed(fed, key, cursor)) == (200, "")
    assert await asked(resealed(fed, key, cursor, p4="0" * 32)) == (400, "FEED_RESET")
    assert await asked(resealed(fed, key, cursor, p5=long_ago)) == (400, "FEED_RESET")
    assert (await asked(resealed(fed, key, cursor).swapcase()))[1] == "BAD_VARIABLES"
    (foreign,) = (orjson.loads(FeedCursors(b"other" * 8).sealed(b'{" place":%b}' % FeedCursors(key)(cursor).encode())),)
    assert (await asked(foreign))[1] == "BAD_VARIABLES"


async def test_an_open_transaction_holds_the_feed_back_and_nothing_is_lost(fed: Crm) -> None:
    reader = await Reader(fed, "sun").at_end()
    async with fed.database.transaction():
        await fed.database.execute("SELECT pg_current_xact_id()")
        made = await customer(fed, "Behind an open transaction")
        assert await reader.rest() == []
    assert [node["entityId"] for node in await reader.rest()] == [made["id"]]


async def test_a_restored_database_goes_on_in_a_new_epoch(fed: Crm) -> None:
    old = await customer(fed, "Of the old server")
    await fed.database.execute("UPDATE log_epochs SET system_identifier = 1")
    await fed.database.execute("UPDATE events SET transaction = '99999999999' WHERE entity_id = $1", UUID(old["id"]))
    await begin_epoch(fed.database)
    await begin_epoch(fed.database)
    new = await customer(fed, "Of the new server")

    found = [node["entityId"] for node in await Reader(fed, "sun").rest()]

    assert found[-2:] == [old["id"], new["id"]]
    assert await fed.database.fetchval("SELECT max(epoch) FROM log_epochs") == 2


async def test_the_lag_is_told_to_operators(fed: Crm) -> None:
    async def told() -> dict[str, float]:
        lines = (await fed.http.get("/metrics")).text.splitlines()
        return {name: float(value) for name, _, value in (line.partition(" ") for line in lines) if "seconds" in name}

    assert (await told())["crm_graph_oldest_transaction_seconds"] == 0
    async with fed.database.transaction():
        await fed.database.execute("SELECT pg_current_xact_id()")
        await customer(fed, "Lagging")
        found = await told()
        figures = (await fed.ask("root", "{ operations { feed { lagSeconds oldestTransactionSeconds } } }")).data
        assert all(seconds > 0 for seconds in figures["operations"]["feed"].values())
    assert found["crm_graph_feed_lag_seconds"] > 0
    assert found["crm_graph_oldest_transaction_seconds"] > 0
    assert (await told())["crm_graph_feed_lag_seconds"] == 0


async def test_transactions_of_the_hub_come_to_an_end(fed: Crm) -> None:
    limits = fed.settings.model_copy(update={"transaction_time_limit_ms": 70_001})
    engine = write_engine(str(fed.settings.database_url), limits)
    async with engine.connect() as connection:
        assert await connection.scalar(text("SHOW transaction_timeout")) == "70001ms"
    await engine.dispose()
