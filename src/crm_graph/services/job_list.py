"""The list of jobs: what an admin sees of one, and nothing of its payload."""

from enum import StrEnum

from crm_graph.catalog import Kind
from crm_graph.fragments import sql
from crm_graph.scalars import parse_text, parser_for
from crm_graph.services.listings import Listing, Narrowing

READ = "jobs:read"


class JobState(StrEnum):
    """What clients are told of pgqueuer's states; jobs that are done are not in the queue any more."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    HELD = "HELD"


JOB_LIST = Listing(
    name="jobs",
    type_name="Job",
    action=READ,
    source=sql("pgqueuer AS j"),
    key=sql("j.id"),
    members={
        "id": sql("('00000000-0000-7000-9e00-' || lpad(to_hex(j.id), 12, '0'))"),
        "handler": sql("j.entrypoint"),
        "state": sql("CASE j.status WHEN 'queued' THEN 'WAITING' WHEN 'picked' THEN 'RUNNING' ELSE 'HELD' END"),
        "attempts": sql("j.attempts"),
        "key": sql("j.headers ->> 'key'"),
        "nextAttemptAt": sql("CASE WHEN j.status = 'queued' THEN j.execute_after END"),
        "errorCode": sql("j.headers #>> ARRAY['error', 'code']"),
        "errorKind": sql("j.headers #>> ARRAY['error', 'kind']"),
        "errorPlace": sql("j.headers #>> ARRAY['error', 'place']"),
        "createdAt": sql("j.created"),
        "updatedAt": sql("j.updated"),
    },
    where={
        "states": Narrowing(
            parser_for(Kind.ENUM, JobState),
            "text",
            lambda value: sql(
                "j.status = ANY(ARRAY(SELECT CASE s WHEN 'WAITING' THEN 'queued' WHEN 'RUNNING' THEN 'picked'"
                " ELSE 'failed' END::pgqueuer_status FROM unnest({value}) AS s))",
                value=value,
            ),
            many=True,
        ),
        "handlers": Narrowing(
            parse_text, "text", lambda value: sql("j.entrypoint = ANY({value})", value=value), many=True
        ),
        "key": Narrowing(parse_text, "text", lambda value: sql("j.headers ->> 'key' = {value}", value=value)),
    },
    unless={},
    of=Kind.BIG_INT,
    descending=True,
)
