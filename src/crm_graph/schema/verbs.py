"""The mutations of single nouns: assignment, moves through a pipeline, and the end of tasks."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import strawberry

from crm_graph.catalog import EntityType
from crm_graph.errors import Invalid
from crm_graph.models.ids import EntityCode, code_of
from crm_graph.resolvers.write import MutationContext
from crm_graph.schema.building import Argument, Member
from crm_graph.schema.entities import EntityTypes
from crm_graph.schema.inputs import Inputs, parent_keys, read_id, split_input
from crm_graph.schema.mutations import Mutation, record_of, record_payload
from crm_graph.services import leads, tasks
from crm_graph.services.assignment import Assign
from crm_graph.services.commands import Outcome
from crm_graph.services.task_outcomes import Complete, complete
from crm_graph.services.workflows import Transition, transition

_REASON = Argument(str | None, "Why, in words that people read later.")
_TASK_ID = Argument(strawberry.ID, "The task's id.")
_ASSIGN_LEAD = (
    "Give a lead to a user or a team.",
    "Id of the user who works on it, or of the team whose members may claim it.",
)
_ASSIGN_TASK = (
    "Give a task to a user or a team.",
    "Id of the user who is to do it, or of the team of which anybody may take it.",
)
_Assigns = Callable[[Any, Sequence[Assign]], Awaitable[list[Outcome]]]


def verb_mutations(types: EntityTypes, inputs: Inputs) -> Iterable[Mutation]:
    """The mutations that only some entities have."""
    for entity in types.catalog.roots:
        if entity.workflow:
            made = _transition(entity, inputs, record_payload(entity, types.types[entity.name]))
            yield replace(made, renamed=parent_keys(types.catalog, entity))
    lead, task = types.catalog["lead"], types.catalog["task"]
    yield _assign(lead, _ASSIGN_LEAD, record_payload(lead, types.types["lead"]), leads.assign)
    payload = record_payload(task, types.types["task"])
    yield _assign(task, _ASSIGN_TASK, payload, tasks.assign)
    yield from (made(task, payload) for made in (_complete_task, _cancel_task, _reopen_task))


def _transition(entity: EntityType, inputs: Inputs, payload: Mapping[str, Member]) -> Mutation:
    async def verb(context: MutationContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        fields = arguments.get("fields")
        values, parents, children, _ = split_input(context.catalog, entity, fields) if fields else ({}, {}, {}, None)
        command = Transition(
            id=read_id(arguments["id"], "id"),
            to=arguments["to"],
            note=arguments.get("note"),
            reason=arguments.get("reason"),
            fields=values,
            parents=parents,
            children=children,
        )
        return record_of(entity, await transition(context.transaction(), entity.name, [command]))

    arguments = {
        "id": Argument(strawberry.ID, "Its id."),
        "to": Argument(str, "Key of the stage to move to; see `availableTransitions`."),
        "note": Argument(str | None, "What people should know of the move (沟通纪要)."),
        "reason": Argument(str | None, "Key of the reason, where the move needs one (丢单原因)."),
        "fields": Argument(inputs.update[entity.name] | None, "Fields to set with the move."),
    }
    about = f"Move a {entity.api_name} to another stage of its pipeline, where the workflow allows it."
    return Mutation(f"transition_{entity.name}", f"{entity.plural}:transition", about, arguments, payload, verb)


def _assign(entity: EntityType, inputs: tuple[str, str], payload: Mapping[str, Member], assign: _Assigns) -> Mutation:
    async def verb(context: MutationContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        to = read_id(arguments["to"], "to")
        if code_of(to) not in (EntityCode.USER, EntityCode.TEAM):
            raise Invalid("not_an_assignee", path=("to",))
        is_user = code_of(to) == EntityCode.USER
        command = Assign(
            read_id(arguments["id"], "id"),
            to_user=to if is_user else None,
            to_team=None if is_user else to,
            reason=arguments.get("reason"),
        )
        return record_of(entity, await assign(context.transaction(), [command]))

    about, to_whom = inputs
    arguments = {
        "id": Argument(strawberry.ID, f"The {entity.name}'s id."),
        "to": Argument(strawberry.ID, to_whom),
        "reason": _REASON,
    }
    return Mutation(f"assign_{entity.name}", f"{entity.plural}:assign", about, arguments, payload, verb)


def _complete_task(entity: EntityType, payload: Mapping[str, Member]) -> Mutation:
    async def verb(context: MutationContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        command = Complete(read_id(arguments["id"], "id"), arguments["note"])
        return record_of(entity, await complete(context.transaction(), [command]))

    arguments = {
        "id": _TASK_ID,
        "note": Argument(str, "What came of it, at most 20,000 characters; becomes `outcome`."),
    }
    about = (
        "A task is done. Its note is logged as an interaction too, with the customer or lead that it is about, where"
        " you see these and may log interactions."
    )
    return Mutation("complete_task", tasks.COMPLETE, about, arguments, payload, verb)


def _cancel_task(entity: EntityType, payload: Mapping[str, Member]) -> Mutation:
    async def verb(context: MutationContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        command = tasks.Cancel(read_id(arguments["id"], "id"), arguments.get("reason"))
        return record_of(entity, await tasks.cancel(context.transaction(), [command]))

    arguments = {"id": _TASK_ID, "reason": _REASON}
    return Mutation("cancel_task", tasks.COMPLETE, "A task is not to be done any more.", arguments, payload, verb)


def _reopen_task(entity: EntityType, payload: Mapping[str, Member]) -> Mutation:
    async def verb(context: MutationContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        command = tasks.Reopen(read_id(arguments["id"], "id"), arguments.get("reason"))
        return record_of(entity, await tasks.reopen(context.transaction(), [command]))

    arguments = {"id": _TASK_ID, "reason": _REASON}
    about = "A task that is done or cancelled is to be done after all; its `outcome` is cleared."
    return Mutation("reopen_task", tasks.COMPLETE, about, arguments, payload, verb)
