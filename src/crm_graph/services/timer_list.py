"""The list of timers that failed: what an admin sees of one, and nothing of what it is about."""

from enum import StrEnum

from crm_graph.catalog import Kind
from crm_graph.fragments import sql
from crm_graph.scalars import parse_text, parser_for
from crm_graph.services.job_list import READ
from crm_graph.services.listings import Listing, Narrowing


class TimerState(StrEnum):
    """What became of a timer that failed."""

    WAITING = "WAITING"
    HELD = "HELD"


TIMER_LIST = Listing(
    name="failedTimers",
    type_name="FailedTimer",
    action=READ,
    source=sql("timers AS t"),
    key=sql("t.id"),
    members={
        "id": sql("t.id"),
        "kind": sql("t.kind"),
        "state": sql("CASE WHEN t.held_at IS NULL THEN 'WAITING' ELSE 'HELD' END"),
        "attempts": sql("t.attempts"),
        "dueAt": sql("t.due_at"),
        "nextAttemptAt": sql("CASE WHEN t.held_at IS NULL THEN t.wake_at END"),
        "heldAt": sql("t.held_at"),
        "errorCode": sql("t.error ->> 'code'"),
        "errorKind": sql("t.error ->> 'kind'"),
        "errorPlace": sql("t.error ->> 'place'"),
    },
    where={
        "states": Narrowing(
            parser_for(Kind.ENUM, TimerState),
            "text",
            lambda value: sql(
                "CASE WHEN t.held_at IS NULL THEN 'WAITING' ELSE 'HELD' END = ANY({value})",
                value=value,
            ),
            many=True,
        ),
        "kinds": Narrowing(parse_text, "text", lambda value: sql("t.kind = ANY({value})", value=value), many=True),
    },
    unless={},
    # To the letter that of the index `ix_timers_failed`, or it would not serve.
    always=sql("t.attempts > 0"),
    of=Kind.ID,
    descending=True,
)
