"""The mutations of single nouns: assignment, and moves through a pipeline."""

from collections.abc import Iterable, Mapping
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
from crm_graph.services import leads
from crm_graph.services.leads import AssignLead
from crm_graph.services.workflows import Transition, transition


def verb_mutations(types: EntityTypes, inputs: Inputs) -> Iterable[Mutation]:
    """The mutations that only some entities have."""
    for entity in types.catalog.roots:
        if entity.workflow:
            made = _transition(entity, inputs, record_payload(entity, types.types[entity.name]))
            yield replace(made, renamed=parent_keys(types.catalog, entity))
    lead = types.catalog["lead"]
    yield _assign_lead(lead, record_payload(lead, types.types["lead"]))


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


def _assign_lead(entity: EntityType, payload: Mapping[str, Member]) -> Mutation:
    async def verb(context: MutationContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        to = read_id(arguments["to"], "to")
        if code_of(to) not in (EntityCode.USER, EntityCode.TEAM):
            raise Invalid("not_an_assignee", path=("to",))
        is_user = code_of(to) == EntityCode.USER
        command = AssignLead(
            read_id(arguments["id"], "id"),
            to_user=to if is_user else None,
            to_team=None if is_user else to,
            reason=arguments.get("reason"),
        )
        return record_of(entity, await leads.assign(context.transaction(), [command]))

    arguments = {
        "id": Argument(strawberry.ID, "The lead's id."),
        "to": Argument(strawberry.ID, "Id of the user who works on it, or of the team whose members may claim it."),
        "reason": Argument(str | None, "Why, in words that people read later."),
    }
    return Mutation("assign_lead", "leads:assign", "Give a lead to a user or a team.", arguments, payload, verb)
