"""The 360 timeline: several kinds merged by time, paged both ways, with the rights of each kind."""

import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import orjson
import pytest

from crm_graph.access import Level
from crm_graph.errors import CrmError
from crm_graph.models.ids import EntityCode
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.rules import ALL, OWN, GrantRule, RoleRule, grant
from crm_graph.proof.engine import principal_of, reading
from crm_graph.proof.rows import NOON, Connection, Row, id_source, insert
from reference.company import CUSTOMER, LEAD, PEOPLE, STAGE, USER, company
from reference.compiled import Compiled, access_of, default_access, schema_of

READ, MASKED = Level.READ, Level.MASKED
IDS = id_source(77)


def entries(count: int, *, customer: str = "xiaoming") -> dict[str, list[Row]]:
    """So many entries of each kind, three at a time in one moment."""
    rows: dict[str, list[Row]] = {"interactions": [], "tickets": [], "stage_changes": []}
    for n in range(count):
        moment = NOON - timedelta(hours=n)
        tracked = {"created_at": moment, "updated_at": moment, "customer_id": CUSTOMER[customer]}
        rows["interactions"].append(
            {"id": IDS.new(EntityCode.INTERACTION), "channel": "CALL", "occurred_at": moment, **tracked}
        )
        stage = {"stage_id": STAGE["TICKET.open"], "stage_entered_at": moment}
        rows["tickets"].append(
            {"id": IDS.new(EntityCode.TICKET), "number": f"N{n}", "subject": "s", **stage, **tracked}
        )
        rows["stage_changes"].append(
            {
                "id": IDS.new(EntityCode.STAGE_CHANGE),
                "entity_id": LEAD["fair"],
                "stage_id": STAGE["LEAD.open"],
                "entered_at": moment,
            }
        )
    return rows


@pytest.fixture
async def compiled(connection: Connection) -> AsyncIterator[Compiled]:
    async with reading(connection):
        await insert(connection, company())
        for table in ("interactions", "tickets", "stage_changes"):
            await connection.execute(f"DELETE FROM {table}")
        await connection.execute("UPDATE leads SET customer_id = $1 WHERE id = $2", CUSTOMER["xiaoming"], LEAD["fair"])
        yield Compiled(connection)


def person(role: str) -> Principal:
    return principal_of(company(), USER[PEOPLE[role][0]], default_access([role]))


def someone(**grants: GrantRule) -> Principal:
    """Wang, with these grants and nothing else."""
    role = RoleRule("test", "test", "test", "", {name: (rule,) for name, rule in grants.items()})
    return principal_of(company(), USER["wang"], access_of({"test": role}, ["test"]))


async def timeline(compiled: Compiled, who: Principal, arguments: str, body: str, **variables: Any) -> Any:
    head = f"({', '.join(f'${name}: String' for name in variables)})" if variables else ""
    query = f'query{head} {{ customer(id: "{CUSTOMER["xiaoming"]}") {{ timeline({arguments}) {{ {body} }} }} }}'
    return (await compiled.data(who, query, variables))["customer"]["timeline"]


PAGE = "edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"


def newest_first(rows: dict[str, list[Row]]) -> list[str]:
    moments = {"interactions": "occurred_at", "tickets": "created_at", "stage_changes": "entered_at"}
    keys = [(row[moments[table]], row["id"]) for table in rows for row in rows[table]]
    return [str(id_) for _, id_ in sorted(keys, reverse=True)]


async def test_kinds_are_merged_newest_first(compiled: Compiled) -> None:
    rows = entries(4)
    await insert(compiled.connection, rows)

    answer = await timeline(compiled, person("crm_manager"), "first: 200", "nodes { id }")

    assert [n["id"] for n in answer["nodes"]] == newest_first(rows)


@pytest.mark.parametrize("size", [1, 2, 5, 12, 13])
async def test_pages_together_are_the_whole(compiled: Compiled, size: int) -> None:
    rows, who = entries(4), person("crm_manager")
    await insert(compiled.connection, rows)
    forward: list[str] = []
    backward: list[str] = []
    after = before = None
    for page in range(12 // size + 1):
        found = await timeline(compiled, who, f"first: {size}, after: $c", PAGE, c=after)
        forward.extend(edge["node"]["id"] for edge in found["edges"])
        facts = found["pageInfo"]
        assert (facts["hasNextPage"], facts["hasPreviousPage"]) == (len(forward) < 12, page > 0)
        after = facts["endCursor"] or after

        found = await timeline(compiled, who, f"last: {size}, before: $c", PAGE, c=before)
        backward[:0] = [edge["node"]["id"] for edge in found["edges"]]
        facts = found["pageInfo"]
        assert (facts["hasNextPage"], facts["hasPreviousPage"]) == (page > 0, len(backward) < 12)
        before = facts["startCursor"] or before
    assert forward == backward == newest_first(rows)


async def test_cursor_survives_what_happens_meanwhile(compiled: Compiled) -> None:
    rows, who = entries(3), person("crm_manager")
    await insert(compiled.connection, rows)
    first = await timeline(compiled, who, "first: 4", PAGE)
    later = {"interactions": [{**entries(1)["interactions"][0], "occurred_at": NOON + timedelta(hours=1)}]}
    await insert(compiled.connection, later)
    await compiled.connection.execute("DELETE FROM interactions WHERE id = $1::uuid", first["edges"][3]["node"]["id"])
    following_ids = newest_first(rows)[4:]

    following = await timeline(compiled, who, "first: 200, after: $c", PAGE, c=first["pageInfo"]["endCursor"])

    assert [e["node"]["id"] for e in following["edges"]] == following_ids
    assert following["pageInfo"]["hasPreviousPage"] is True


async def test_cursor_goes_on_with_other_kinds(compiled: Compiled) -> None:
    rows, who = entries(3), person("crm_manager")
    await insert(compiled.connection, rows)
    first = await timeline(compiled, who, "first: 3", PAGE)

    following = await timeline(
        compiled, who, "kinds: [TICKET], after: $c", "nodes { __typename }", c=first["pageInfo"]["endCursor"]
    )

    assert following["nodes"] == [{"__typename": "Ticket"}] * 2


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ("[]", set()),
        ("null", {"Interaction", "Ticket", "StageChange"}),
        ("TICKET", {"Ticket"}),
        ("[TICKET, STAGE_CHANGE, TICKET]", {"Ticket", "StageChange"}),
    ],
)
async def test_only_the_kinds_that_are_asked_for(compiled: Compiled, kinds: str, expected: set[str]) -> None:
    await insert(compiled.connection, entries(1))
    body = "nodes { __typename } pageInfo { hasNextPage startCursor }"

    answer = await timeline(compiled, person("crm_manager"), f"kinds: {kinds}", body)

    assert {n["__typename"] for n in answer["nodes"]} == expected
    assert answer["pageInfo"]["hasNextPage"] is False


async def test_kinds_may_be_variables(compiled: Compiled) -> None:
    await insert(compiled.connection, entries(1))
    query = """
    query($id: ID!, $all: [TimelineKind!], $one: TimelineKind = TICKET) {
      customer(id: $id) {
        all: timeline(kinds: $all) { nodes { __typename } }
        one: timeline(kinds: [$one]) { nodes { __typename } }
      }
    }"""
    id_ = str(CUSTOMER["xiaoming"])
    for given, expected in (
        ({"all": ["INTERACTION"]}, ["Interaction"]),
        ({"all": []}, []),
        ({"all": "STAGE_CHANGE"}, ["StageChange"]),
    ):
        answer = await compiled.data(person("crm_manager"), query, {"id": id_, **given})
        assert [n["__typename"] for n in answer["customer"]["all"]["nodes"]] == expected
        assert answer["customer"]["one"]["nodes"] == [{"__typename": "Ticket"}]
    with pytest.raises(CrmError) as caught:
        await compiled.run(person("crm_manager"), query, {"id": id_, "one": None})
    assert caught.value.code == "BAD_VARIABLES"


async def test_entry_tells_which_record_it_is_of(compiled: Compiled) -> None:
    await insert(compiled.connection, {"stage_changes": entries(1)["stage_changes"]})
    body = "nodes { happenedAt ... on StageChange { entity { __typename ... on Lead { name } } stage { key } } }"

    answer = await timeline(compiled, person("crm_manager"), "first: 1", body)

    assert answer["nodes"] == [
        {
            "happenedAt": "2026-11-22T04:00:00+00:00",
            "entity": {"__typename": "Lead", "name": "周杰"},
            "stage": {"key": "open"},
        }
    ]


async def test_entry_whose_moment_is_withheld_is_in_no_timeline(compiled: Compiled) -> None:
    await insert(compiled.connection, entries(1))
    moments = {"occurred_at": MASKED, "channel": READ}
    who = someone(
        customer=grant(ALL, fields={"number": READ}),
        interaction=grant(ALL, fields=moments),
        ticket=grant(ALL, fields={"number": READ}),
    )

    answer = await timeline(compiled, who, "first: 9", "nodes { __typename }")

    assert answer == {"nodes": [{"__typename": "Ticket"}]}


async def test_kind_that_a_role_may_not_see_is_not_in_its_schema(compiled: Compiled) -> None:
    some = someone(customer=grant(ALL, fields={"number": READ}), ticket=grant(ALL, fields={"number": READ}))
    none = someone(customer=grant(ALL, fields={"number": READ}))
    kinds: Any = schema_of(some.access).type_map["TimelineKind"]

    assert list(kinds.values) == ["TICKET"]
    with pytest.raises(CrmError) as hidden:
        await timeline(compiled, some, "kinds: [INTERACTION]", "nodes { id }")
    with pytest.raises(CrmError) as unknown:
        await timeline(compiled, some, "kinds: [NEVER_WAS]", "nodes { id }")
    assert str(hidden.value).replace("INTERACTION", "NEVER_WAS") == str(unknown.value)
    with pytest.raises(CrmError) as without:
        await timeline(compiled, none, "first: 1", "nodes { id }")
    assert "Cannot query field 'timeline' on type 'Customer'." in str(without.value)


async def test_stage_changes_have_the_rights_of_their_record(compiled: Compiled) -> None:
    await insert(compiled.connection, {"stage_changes": entries(1)["stage_changes"]})
    customers, moment = grant(ALL, fields={"number": READ}), {"stage_history.entered_at": READ}
    all_leads = someone(customer=customers, lead=grant(ALL, fields=moment))
    own_leads = someone(customer=customers, lead=grant(OWN, fields=moment))
    without_moment = someone(
        customer=customers,
        lead=grant(ALL, fields={"stage_history.note": READ}),
        contract=grant(ALL, fields=moment),
    )
    await compiled.connection.execute("UPDATE leads SET owner_id = $1", USER["li"])

    seen = [
        (await timeline(compiled, who, "first: 9", "nodes { __typename }"))["nodes"]
        for who in (all_leads, own_leads, without_moment)
    ]

    assert seen == [[{"__typename": "StageChange"}], [], []]


async def test_archived_records_leave_the_timeline(compiled: Compiled) -> None:
    await insert(compiled.connection, entries(2))
    await compiled.connection.execute("UPDATE interactions SET archived_at = now()")
    await compiled.connection.execute("UPDATE leads SET archived_at = now()")

    answer = await timeline(compiled, person("crm_manager"), "first: 9", "nodes { __typename }")

    assert answer == {"nodes": [{"__typename": "Ticket"}] * 2}


MOVING = {"lead": "leads", "opportunity": "opportunities", "ticket": "tickets", "contract": "contracts"}
REQUIRED: dict[str, Row] = {
    "customers": {"name": "n", "kind": "PERSON", "number": "n"},
    "leads": {"name": "n"},
    "opportunities": {"name": "n"},
    "tickets": {"subject": "s", "number": "n"},
    "contracts": {"title": "t", "number": "n"},
    "interactions": {"channel": "CALL", "occurred_at": NOON},
    "tasks": {"title": "t"},
}


def many_customers(count: int, of_each: int) -> dict[str, list[Row]]:
    """So many customers with so many records of each kind, each of which came to its stage."""
    rows: dict[str, list[Row]] = {table: [] for table in (*REQUIRED, "stage_changes")}
    tracked = {"created_at": NOON, "updated_at": NOON}
    for _ in range(count):
        customer = {"id": IDS.new(EntityCode.CUSTOMER), **REQUIRED["customers"], **tracked}
        rows["customers"].append(customer)
        of_customer = {"customer_id": customer["id"], **tracked}
        for _ in range(of_each):
            rows["interactions"].append(
                {"id": IDS.new(EntityCode.INTERACTION), **REQUIRED["interactions"], **of_customer}
            )
            rows["tasks"].append({"id": IDS.new(EntityCode.TASK), **REQUIRED["tasks"], **of_customer})
            for entity, table in MOVING.items():
                stage = {"stage_id": STAGE[f"{entity.upper()}.open"]}
                record = {"id": IDS.new(EntityCode[entity.upper()]), **REQUIRED[table], **stage, **of_customer}
                rows[table].append({**record, "stage_entered_at": NOON})
                move = {"id": IDS.new(EntityCode.STAGE_CHANGE), "entity_id": record["id"], **stage}
                rows["stage_changes"].append({**move, "entered_at": NOON})
    return rows


@pytest.mark.parametrize("arguments", ["first: 5, before: $c", "first: 5, after: $c", "last: 5, before: $c"])
async def test_every_branch_is_a_short_scan_of_an_index(compiled: Compiled, arguments: str) -> None:
    connection = compiled.connection
    await insert(connection, many_customers(200, 5))
    await connection.execute("ANALYZE")
    query = f"query($id: ID!, $c: String) {{ customer(id: $id) {{ timeline({arguments}) {{ nodes {{ id }} }} }} }}"
    variables = {"id": str(CUSTOMER["xiaoming"]), "c": None}
    statement = await compiled.statement(person("crm_manager"), query, variables)

    await connection.execute(f"PREPARE reading AS {statement}")
    arguments = ", ".join(["NULL"] * len(set(re.findall(r"\$(\d+)", statement))))
    plan = orjson.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE reading({arguments})"))
    await connection.execute("DEALLOCATE reading")

    used = set(_scans(plan[0]["Plan"]))
    assert {table for table, node, _ in used if node == "Seq Scan"} == set()
    assert {index for _, _, index in used} >= {
        "ix_interactions_customer_id_occurred_at_id",
        "ix_tickets_customer_id_created_at_id",
        "ix_tasks_customer_id_created_at_id",
        "ix_stage_changes_entity_id_entered_at_id",
        "ix_leads_customer_id_id",
        "ix_opportunities_customer_id_id",
        "ix_contracts_customer_id_id",
    }


def _scans(node: Any) -> Iterator[tuple[str, str, str]]:
    """Table, kind and index of every scan of a plan."""
    if "Relation Name" in node:
        yield node["Relation Name"], node["Node Type"], node.get("Index Name", "")
    for child in node.get("Plans", ()):
        yield from _scans(child)
