"""Timers that failed, as an admin sees them and runs them, and nobody else; how jobs and timers go."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from crm_graph.models.ids import EntityCode, IdSource

from .conftest import START, Crm

LIST = (
    "query($where: FailedTimerWhere) { failedTimers(where: $where)"
    " { nodes { id kind state attempts dueAt nextAttemptAt heldAt errorCode errorKind errorPlace } totalCount } }"
)
RETRY = (
    'mutation($id: ID!) { retryTimer(id: $id, reason: "mended") { timer { id state heldAt } errors { code path } } }'
)
DISCARD = 'mutation($id: ID!) { discardTimer(id: $id, reason: "of no use") { id errors { code path } } }'
OPERATIONS = (
    "{ operations { jobs { waiting later failed running held oldestSeconds }"
    " timers { kind waiting due failed held fired firedAt lateSeconds overdueSeconds } } }"
)
ERROR = '{"code": "INTERNAL", "kind": "KeyError", "place": "a.py:1"}'
DUE = START - timedelta(minutes=1)
LATER = START + timedelta(days=400)


@pytest.fixture
async def timers(crm: Crm) -> AsyncIterator[list[str]]:
    """One that is held, one that is to fire again, one that waits."""
    source = IdSource()
    ids = [source.new(EntityCode.TIMER) for _ in range(3)]
    for id_, key, wake_at, attempts, held in zip(
        ids, "abc", (DUE, LATER, LATER), (5, 2, 0), (START, None, None), strict=True
    ):
        await crm.database.execute(
            "INSERT INTO timers"
            " (id, kind, entity_type, entity_id, key, due_at, wake_at, set_at, attempts, error, held_at)"
            " VALUES ($1, 'role_expiry', 'user', $2, $3, $4, $5, $4, $6, $7::text::jsonb, $8)",
            *(id_, crm.users["wang"], key, DUE, wake_at, attempts, ERROR if attempts else None, held),
        )
    yield [str(id_) for id_ in ids]
    await crm.database.execute("DELETE FROM timers; DELETE FROM timer_kinds")


async def told(crm: Crm, **arguments: Any) -> Any:
    return (await crm.ask("root", LIST, arguments)).data["failedTimers"]


async def test_an_admin_sees_the_timers_that_failed_and_not_what_they_are_about(crm: Crm, timers: list[str]) -> None:
    page = await told(crm)
    failure = {"errorCode": "INTERNAL", "errorKind": "KeyError", "errorPlace": "a.py:1", "dueAt": DUE.isoformat()}
    held = {"state": "HELD", "attempts": 5, "nextAttemptAt": None, "heldAt": START.isoformat()}
    waits = {"state": "WAITING", "attempts": 2, "nextAttemptAt": LATER.isoformat(), "heldAt": None}
    kind = {"kind": "role_expiry"}
    assert page["nodes"] == [
        {"id": timers[1], **kind, **waits, **failure},
        {"id": timers[0], **kind, **held, **failure},
    ]
    for where, count in (({"states": ["HELD"]}, 1), ({"kinds": ["role_expiry"]}, 2), ({"kinds": ["x"]}, 0)):
        assert (await told(crm, where=where))["totalCount"] == count


async def test_a_held_timer_fires_again_once_an_admin_lets_it(crm: Crm, timers: list[str]) -> None:
    answer = (await crm.ask("root", RETRY, {"id": timers[0]})).data["retryTimer"]
    assert answer == {"timer": {"id": timers[0], "state": "WAITING", "heldAt": None}, "errors": []}
    row = await crm.database.fetchrow(
        "SELECT held_at, attempts, wake_at = due_at AS due FROM timers WHERE id::text = $1", timers[0]
    )
    assert tuple(row or ()) == (None, 1, True)
    event = await crm.database.fetchrow(
        "SELECT type, reason, before ->> 'kind' AS kind, after::text AS after FROM events WHERE entity_id::text = $1",
        timers[0],
    )
    assert tuple(event or ()) == ("timer.retried", "mended", "role_expiry", "{}")


async def test_a_timer_that_is_discarded_is_gone(crm: Crm, timers: list[str]) -> None:
    for id_ in timers[:2]:
        assert (await crm.ask("root", DISCARD, {"id": id_})).data["discardTimer"] == {"id": id_, "errors": []}
    assert (await told(crm))["nodes"] == []
    assert await crm.count("timers") == 1


@pytest.mark.parametrize("mutation", [RETRY, DISCARD])
async def test_what_did_not_fail_or_is_none_is_not_found(crm: Crm, timers: list[str], mutation: str) -> None:
    for id_ in (timers[2], str(crm.users["wang"]), "x"):
        (answer,) = (await crm.ask("root", mutation, {"id": id_})).data.values()
        assert [(error["code"], error["path"]) for error in answer["errors"]] == [("NOT_FOUND", ["id"])]


@pytest.mark.parametrize("person", ["zhou", "mo"])
async def test_for_others_there_is_nothing_of_it(crm: Crm, timers: list[str], person: str) -> None:
    for operation in (LIST, RETRY, DISCARD, OPERATIONS):
        answer = await crm.ask(person, operation, {"id": timers[0]} if "$id" in operation else {})
        assert {error["extensions"]["code"] for error in answer.json["errors"]} == {"VALIDATION_FAILED"}
        assert "data" not in answer.json


async def test_admins_and_metrics_are_told_how_timers_go(crm: Crm, timers: list[str]) -> None:
    await crm.database.execute("INSERT INTO timer_kinds VALUES ('role_expiry', 7, $1, 0.25)", START)
    operations = (await crm.ask("root", OPERATIONS)).data["operations"]
    (found,) = [kind for kind in operations["timers"] if kind["kind"] == "role_expiry"]
    assert found == {
        "kind": "role_expiry",
        "waiting": 2,
        "due": 0,
        "failed": 1,
        "held": 1,
        "fired": 7,
        "firedAt": START.isoformat(),
        "lateSeconds": 0.25,
        "overdueSeconds": 0.0,
    }
    assert set(operations["jobs"]) == {"waiting", "later", "failed", "running", "held", "oldestSeconds"}
    lines = (await crm.http.get("/metrics")).text.splitlines()
    assert {line for line in lines if 'kind="role_expiry"' in line and "created" not in line} == {
        'crm_graph_timers{kind="role_expiry",state="waiting"} 2.0',
        'crm_graph_timers{kind="role_expiry",state="due"} 0.0',
        'crm_graph_timers{kind="role_expiry",state="failed"} 1.0',
        'crm_graph_timers{kind="role_expiry",state="held"} 1.0',
        'crm_graph_timers_fired_total{kind="role_expiry"} 7.0',
        'crm_graph_timers_late_seconds{kind="role_expiry"} 0.25',
        'crm_graph_timers_overdue_seconds{kind="role_expiry"} 0.0',
    }
