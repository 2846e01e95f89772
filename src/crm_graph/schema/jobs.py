"""Jobs as admins see them: their list, and what is done to one."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry

from crm_graph.errors import CrmError, NotFound
from crm_graph.resolvers.write import MutationContext
from crm_graph.scalars import parse_id
from crm_graph.schema.building import Argument, Member, enum_of
from crm_graph.schema.entities import EntityTypes
from crm_graph.schema.listings import listed
from crm_graph.schema.mutations import Mutation
from crm_graph.schema.rights_proposals import REASON, reason_of
from crm_graph.services import job_administration
from crm_graph.services.job_administration import MANAGE
from crm_graph.services.job_list import JOB_LIST, JobState
from crm_graph.services.listings import ListedRef
from crm_graph.transaction import Transaction

ENUMS = (
    enum_of(
        JobState,
        WAITING="It is done when its time has come and a worker is free.",
        RUNNING="A worker has it.",
        HELD="It failed as often as it may, and waits for somebody to decide.",
    ),
)


@strawberry.type(description="Something that is done later, and is not done yet.")
class Job:
    id: strawberry.ID = strawberry.field(description="Its id; events that it causes name it as their cause.")
    handler: str = strawberry.field(description="What is done, such as `upkeep.expired`.")
    state: JobState = strawberry.field(description="Whether it waits, runs or is held.")
    attempts: int = strawberry.field(description="How often it has failed.")
    key: str | None = strawberry.field(description="Jobs of one key are done one after another.")
    next_attempt_at: datetime | None = strawberry.field(
        description="When it may begin, in UTC; null for one that runs or is held."
    )
    error_code: str | None = strawberry.field(
        description="How it failed last: a stable code, or `WORKER_LOST` where that ended the worker."
    )
    error_kind: str | None = strawberry.field(description="The kind of the error, as the code calls it.")
    error_place: str | None = strawberry.field(description="File and line where it was raised.")
    created_at: datetime = strawberry.field(description="When it was enqueued, in UTC.")
    updated_at: datetime = strawberry.field(description="When its state changed last, in UTC.")


@strawberry.input(description="Which jobs; all of these together.")
class JobWhere:
    states: list[JobState] | None = strawberry.field(default=strawberry.UNSET, description="In one of these states.")
    handlers: list[str] | None = strawberry.field(default=strawberry.UNSET, description="Of one of these handlers.")
    key: str | None = strawberry.field(default=strawberry.UNSET, description="Of this key.")


def job_list(types: EntityTypes) -> Mapping[str, Member]:
    """The root field."""
    about = "The jobs that are not done yet, the newest first; what they are about is not told."
    return {JOB_LIST.name: listed(JOB_LIST, Job, JobWhere, types, one="job", about=about)}


_ID = Argument(strawberry.ID, "The job's id.")


def job_mutations() -> Iterable[Mutation]:
    """Retry and discard."""
    yield Mutation(
        "retry_job",
        MANAGE,
        "Have a job tried again at once that is held or waits, with all its attempts before it.",
        {"id": _ID, "reason": REASON},
        {"job": Member(Job | None, "The job as it stands now.")},
        _retry,
    )
    yield Mutation(
        "discard_job",
        MANAGE,
        "Take a job away that is held or waits: it is never done. The event log keeps what it was.",
        {"id": _ID, "reason": REASON},
        {"id": Member(strawberry.ID | None, "The id of the job that was.")},
        _discard,
    )


async def _retry(context: MutationContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    number = await job_administration.retry(*asked(context, arguments))
    return {"job": ListedRef(JOB_LIST, number)}


async def _discard(context: MutationContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    await job_administration.discard(*asked(context, arguments))
    return {"id": arguments["id"]}


def asked(context: MutationContext, arguments: Mapping[str, Any]) -> tuple[Transaction, UUID]:
    """The transaction with the reason that was given, and the id. Raises NotFound for what is none."""
    tx, reason = context.transaction(), arguments["reason"]
    tx.reason = None if reason is strawberry.UNSET else reason_of(reason)
    try:
        return tx, parse_id(arguments["id"])
    except CrmError:
        raise NotFound(path=("id",)) from None
