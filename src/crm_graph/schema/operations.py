"""What happens later as admins see it: how it goes, which timers failed, and what is done to one."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import strawberry

from crm_graph.resolvers.write import MutationContext
from crm_graph.schema.building import Argument, Member, enum_of
from crm_graph.schema.entities import EntityTypes
from crm_graph.schema.jobs import asked
from crm_graph.schema.listings import listed
from crm_graph.schema.mutations import Mutation
from crm_graph.schema.rights_proposals import REASON
from crm_graph.services import timer_administration
from crm_graph.services.job_administration import MANAGE
from crm_graph.services.listings import ListedRef
from crm_graph.services.timer_list import TIMER_LIST, TimerState

ENUMS = (
    enum_of(
        TimerState,
        WAITING="It failed, and fires again later.",
        HELD="It failed as often as it may, and waits for somebody to decide.",
    ),
)


@strawberry.type(description="Jobs that are not done, by how they stand.")
class JobFigures:
    waiting: int = strawberry.field(description="Due, and waiting for a worker.")
    later: int = strawberry.field(description="To come later.")
    failed: int = strawberry.field(description="Failed, and tried again later.")
    running: int = strawberry.field(description="A worker has them.")
    held: int = strawberry.field(description="Failed as often as they may.")
    oldest_seconds: float = strawberry.field(description="For how long the one waits that is due for longest.")


@strawberry.type(description="The timers of one kind, by how they stand.")
class TimerFigures:
    kind: str = strawberry.field(description="What happens at their time, such as `role_expiry`.")
    waiting: int = strawberry.field(description="All that wait; no more than 1,000,000 are counted.")
    due: int = strawberry.field(description="Those of them whose time has come.")
    failed: int = strawberry.field(description="Those of them that failed before.")
    held: int = strawberry.field(description="Those that failed as often as they may, beside the ones that wait.")
    fired: int = strawberry.field(description="How many have fired; a worker that is killed leaves some uncounted.")
    fired_at: datetime | None = strawberry.field(description="When the last ones fired, in UTC.")
    late_seconds: float | None = strawberry.field(description="How late the latest of them was then.")
    overdue_seconds: float = strawberry.field(description="For how long the one is due that is due for longest.")


@strawberry.type(description="How far the change feed is behind, for open transactions.")
class FeedFigures:
    lag_seconds: float = strawberry.field(description="Age of the oldest event that no reader is told of yet.")
    oldest_transaction_seconds: float = strawberry.field(
        description="Age of the oldest open transaction of the server that has written something."
    )


@strawberry.type(description="How what happens later goes.")
class Operations:
    feed: FeedFigures = strawberry.field(description="The change feed.")
    jobs: JobFigures = strawberry.field(description="The queue of jobs.")
    timers: list[TimerFigures] = strawberry.field(description="Timers, by kind.")


@strawberry.type(description="A timer that failed when it fired.")
class FailedTimer:
    id: strawberry.ID = strawberry.field(description="Its id.")
    kind: str = strawberry.field(description="What is to happen, such as `role_expiry`.")
    state: TimerState = strawberry.field(description="Whether it fires again by itself.")
    attempts: int = strawberry.field(description="How often it has failed.")
    due_at: datetime = strawberry.field(description="When it was to fire, in UTC.")
    next_attempt_at: datetime | None = strawberry.field(
        description="When it fires again, in UTC; null where it is held."
    )
    held_at: datetime | None = strawberry.field(description="Since when it is held, in UTC.")
    error_code: str = strawberry.field(description="How it failed last: a stable code.")
    error_kind: str = strawberry.field(description="The kind of the error, as the code calls it.")
    error_place: str = strawberry.field(description="File and line where it was raised.")


@strawberry.input(description="Which timers; all of these together.")
class FailedTimerWhere:
    states: list[TimerState] | None = strawberry.field(default=strawberry.UNSET, description="In one of these states.")
    kinds: list[str] | None = strawberry.field(default=strawberry.UNSET, description="Of one of these kinds.")


def operations_fields(types: EntityTypes) -> Mapping[str, Member]:
    """The root fields."""
    about = "The timers that failed and have not fired since, the newest first; what they are about is not told."
    return {
        "operations": Member(Operations, "How jobs and timers go."),
        TIMER_LIST.name: listed(TIMER_LIST, FailedTimer, FailedTimerWhere, types, one="timer", about=about),
    }


_ID = Argument(strawberry.ID, "The timer's id.")


def timer_mutations() -> Iterable[Mutation]:
    """Retry and discard."""
    yield Mutation(
        "retry_timer",
        MANAGE,
        "Have a timer that failed fire at once. It is held again after four more failures.",
        {"id": _ID, "reason": REASON},
        {"timer": Member(FailedTimer | None, "The timer as it stands now.")},
        _retry,
    )
    yield Mutation(
        "discard_timer",
        MANAGE,
        "Take a timer that failed away: it never fires. The event log keeps what it was.",
        {"id": _ID, "reason": REASON},
        {"id": Member(strawberry.ID | None, "The id of the timer that was.")},
        _discard,
    )


async def _retry(context: MutationContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    identity = await timer_administration.retry(*asked(context, arguments))
    return {"timer": ListedRef(TIMER_LIST, str(identity))}


async def _discard(context: MutationContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    await timer_administration.discard(*asked(context, arguments))
    return {"id": arguments["id"]}
