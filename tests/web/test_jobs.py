"""Jobs as an admin sees them and runs them, and nobody else."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from crm_graph.services.jobs import job_id

from .conftest import Crm

LIST = (
    "query($where: JobWhere, $first: Int, $after: String) { jobs(where: $where, first: $first, after: $after)"
    " { nodes { id handler state attempts key nextAttemptAt errorCode errorKind errorPlace }"
    " pageInfo { hasNextPage endCursor } totalCount } }"
)
RETRY = (
    'mutation($id: ID!) { retryJob(id: $id, reason: "mended") { job { id state attempts errorCode }'
    " errors { code message path } } }"
)
DISCARD = 'mutation($id: ID!) { discardJob(id: $id, reason: "of no use") { id errors { code path } } }'
HEADERS = '{"key": "a key", "subject": "%s", "error": {"code": "INTERNAL", "kind": "ValueError", "place": "a.py:1"}}'
SUBJECT = "0192f0c1-7d2a-7b3c-814d-5e6f708192a3"


@pytest.fixture
async def numbers(crm: Crm) -> AsyncIterator[list[int]]:
    """A held job, one that waits for another attempt, and one that runs."""
    rows = await crm.database.fetch(
        "INSERT INTO pgqueuer (priority, status, entrypoint, attempts, payload, headers, execute_after) VALUES"
        " (0, 'failed', 'tests.held', 12, '{\"secret\": \"13800138000\"}', $1::text::jsonb, now()),"
        " (0, 'queued', 'tests.again', 1, '{}', '{}', '2100-01-01T00:00:00Z'),"
        " (0, 'picked', 'tests.runs', 0, '{}', '{}', now()) RETURNING id",
        HEADERS % SUBJECT,
    )
    yield [row["id"] for row in rows]
    await crm.database.execute("TRUNCATE pgqueuer, pgqueuer_log")


async def told(crm: Crm, **arguments: Any) -> Any:
    return (await crm.ask("root", LIST, arguments)).data["jobs"]


async def test_an_admin_sees_how_jobs_stand_and_not_what_they_are_about(crm: Crm, numbers: list[int]) -> None:
    page = await told(crm)
    assert page["nodes"] == [
        {
            "id": str(job_id(number)),
            "handler": handler,
            "state": state,
            "attempts": attempts,
            "key": key,
            "nextAttemptAt": next_at,
            "errorCode": error and "INTERNAL",
            "errorKind": error and "ValueError",
            "errorPlace": error and "a.py:1",
        }
        for number, handler, state, attempts, key, next_at, error in (
            (numbers[2], "tests.runs", "RUNNING", 0, None, None, None),
            (numbers[1], "tests.again", "WAITING", 1, None, "2100-01-01T00:00:00+00:00", None),
            (numbers[0], "tests.held", "HELD", 12, "a key", None, True),
        )
    ]
    assert page["totalCount"] == 3


async def test_the_list_is_paged_and_narrowed(crm: Crm, numbers: list[int]) -> None:
    first = await told(crm, first=2)
    rest = await told(crm, first=2, after=first["pageInfo"]["endCursor"])
    assert [node["handler"] for node in (*first["nodes"], *rest["nodes"])] == [
        "tests.runs",
        "tests.again",
        "tests.held",
    ]
    assert (first["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (True, False)
    for where, handlers in (
        ({"states": ["HELD", "RUNNING"]}, ["tests.runs", "tests.held"]),
        ({"handlers": ["tests.again"]}, ["tests.again"]),
        ({"key": "a key"}, ["tests.held"]),
        ({"states": ["WAITING"], "key": "a key"}, []),
    ):
        assert [node["handler"] for node in (await told(crm, where=where))["nodes"]] == handlers


async def test_a_held_job_is_tried_again_with_all_its_attempts(crm: Crm, numbers: list[int]) -> None:
    answer = (await crm.ask("root", RETRY, {"id": str(job_id(numbers[0]))})).data["retryJob"]
    assert answer == {
        "job": {"id": str(job_id(numbers[0])), "state": "WAITING", "attempts": 0, "errorCode": None},
        "errors": [],
    }
    event = await crm.database.fetchrow(
        "SELECT entity_id, reason, before::text AS before, after::text AS after, customer_id::text AS customer_id"
        " FROM events WHERE type = 'job.retried' ORDER BY id DESC LIMIT 1"
    )
    assert dict(event or {}) == {
        "entity_id": job_id(numbers[0]),
        "reason": "mended",
        "before": '{"error": {"code": "INTERNAL", "kind": "ValueError", "place": "a.py:1"}, "status": "failed",'
        ' "handler": "tests.held", "attempts": 12}',
        "after": '{"status": "queued", "attempts": 0}',
        "customer_id": SUBJECT,
    }


async def test_a_job_that_is_discarded_is_gone(crm: Crm, numbers: list[int]) -> None:
    for number in numbers[:2]:
        identity = str(job_id(number))
        assert (await crm.ask("root", DISCARD, {"id": identity})).data["discardJob"] == {"id": identity, "errors": []}
    assert [node["handler"] for node in (await told(crm))["nodes"]] == ["tests.runs"]
    reason = await crm.database.fetchval("SELECT reason FROM events WHERE entity_id = $1", job_id(numbers[0]))
    assert reason == "of no use"


@pytest.mark.parametrize("mutation", [RETRY, DISCARD])
async def test_what_runs_or_is_none_is_told(crm: Crm, numbers: list[int], mutation: str) -> None:
    for identity, code in (
        (str(job_id(numbers[2])), "RULE_VIOLATED"),
        (str(job_id(2**40)), "NOT_FOUND"),
        (SUBJECT, "NOT_FOUND"),
        ("x", "NOT_FOUND"),
    ):
        (answer,) = (await crm.ask("root", mutation, {"id": identity})).data.values()
        assert [(error["code"], error["path"]) for error in answer["errors"]] == [(code, ["id"])]


@pytest.mark.parametrize("person", ["zhou", "mo"])
async def test_for_others_there_are_no_jobs(crm: Crm, numbers: list[int], person: str) -> None:
    for operation in (LIST, RETRY, DISCARD):
        answer = await crm.ask(person, operation, {"id": str(job_id(numbers[0]))} if operation != LIST else {})
        codes = [error["extensions"]["code"] for error in answer.json["errors"]]
        assert set(codes) == {"VALIDATION_FAILED"}
        assert "data" not in answer.json


async def test_metrics_tell_how_the_queue_stands(crm: Crm, numbers: list[int]) -> None:
    http: httpx.AsyncClient = crm.http
    lines = (await http.get("/metrics")).text.splitlines()
    shown = {line for line in lines if line.startswith("crm_graph_jobs{")}
    assert shown == {
        'crm_graph_jobs{state="waiting"} 0.0',
        'crm_graph_jobs{state="later"} 0.0',
        'crm_graph_jobs{state="failed"} 1.0',
        'crm_graph_jobs{state="running"} 1.0',
        'crm_graph_jobs{state="held"} 1.0',
    }
    assert "crm_graph_jobs_oldest_seconds 0.0" in lines
