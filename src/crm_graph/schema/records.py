"""The mutations that every entity has: create, update, archive, restore and the bulk upsert of other systems."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import strawberry

from crm_graph.catalog import EntityType, camel
from crm_graph.errors import CrmError
from crm_graph.resolvers.write import MutationContext
from crm_graph.schema.building import Argument, Member, list_of
from crm_graph.schema.entities import EntityTypes
from crm_graph.schema.inputs import Inputs, given_members, parent_keys, read_id, split_input
from crm_graph.schema.mutations import Mutation, UserError, record_of, record_payload, user_error
from crm_graph.services import records
from crm_graph.services.commands import Archive, Create, Mode, Outcome, Refused, Restore, Result, Update
from crm_graph.services.nouns import NOUNS
from crm_graph.services.upsert import upsert

_ID = Argument(strawberry.ID, "Its id.")
_VERSION = Argument(
    int | None, "The version you read; a field that you write and that has changed since is a CONFLICT."
)


@strawberry.type(description="What became of one item of a bulk upsert.")
class UpsertOutcome:
    index: int = strawberry.field(description="Place of the item in the request, from 0.")
    result: Result = strawberry.field(description="What became of it.")
    id: strawberry.ID | None = strawberry.field(description="The record's id, null when the item was rejected.")
    errors: list[UserError] = strawberry.field(description="Why it was rejected, with paths within the item.")


UPSERTED = ("customer", "task")
"""The types that other systems write in bulk through the API."""
_UPSERT_PAYLOAD = {
    "outcomes": Member(list[UpsertOutcome] | None, "One outcome for each item, in order."),
    "created": Member(int | None, "How many records were made."),
    "updated": Member(int | None, "How many were changed."),
    "unchanged": Member(int | None, "How many stood so already."),
    "rejected": Member(int | None, "How many items were refused."),
}


def record_mutations(types: EntityTypes, inputs: Inputs) -> Iterable[Mutation]:
    """The shared mutations of every entity that has services."""
    for name in NOUNS:
        entity = types.catalog[name]
        payload = record_payload(entity, types.types[name])
        renamed = parent_keys(types.catalog, entity)
        yield replace(_create(entity, inputs, payload), renamed=renamed)
        yield replace(_update(entity, inputs, payload), renamed=renamed)
        yield _archive(entity, payload)
        yield _restore(entity, payload)
    for name in UPSERTED:
        yield _upsert(types.catalog[name], inputs)


def _create(entity: EntityType, inputs: Inputs, payload: Mapping[str, Member]) -> Mutation:
    async def verb(context: MutationContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        values, parents, children, pipeline = split_input(context.catalog, entity, arguments["input"])
        command = Create(values, parents, children, pipeline)
        return record_of(entity, await records.create(context.transaction(), NOUNS[entity.name], [command]))

    arguments = {"input": Argument(inputs.create[entity.name], "What the record holds.")}
    about = f"Make a new {entity.api_name}. It belongs to you and your primary team."
    return Mutation(f"create_{entity.name}", f"{entity.plural}:create", about, arguments, payload, verb)


def _update(entity: EntityType, inputs: Inputs, payload: Mapping[str, Member]) -> Mutation:
    async def verb(context: MutationContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        values, parents, children, _ = split_input(context.catalog, entity, arguments["input"])
        version = arguments.get("expected_version")
        command = Update(read_id(arguments["id"], "id"), values, version, parents, children)
        return record_of(entity, await records.update(context.transaction(), NOUNS[entity.name], [command]))

    arguments = {
        "id": _ID,
        "expected_version": _VERSION,
        "input": Argument(inputs.update[entity.name], "What to change."),
    }
    about = f"Change one {entity.api_name}: what is left out stays, null clears."
    return Mutation(f"update_{entity.name}", f"{entity.plural}:update", about, arguments, payload, verb)


def _archive(entity: EntityType, payload: Mapping[str, Member]) -> Mutation:
    async def verb(context: MutationContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        command = Archive(read_id(arguments["id"], "id"), arguments.get("expected_version"))
        return record_of(entity, await records.archive(context.transaction(), NOUNS[entity.name], [command]))

    about = f"Take a {entity.api_name} out of the lists; it keeps its id and can be restored."
    arguments = {"id": _ID, "expected_version": _VERSION}
    return Mutation(f"archive_{entity.name}", f"{entity.plural}:archive", about, arguments, payload, verb)


def _restore(entity: EntityType, payload: Mapping[str, Member]) -> Mutation:
    async def verb(context: MutationContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        command = Restore(read_id(arguments["id"], "id"), arguments.get("expected_version"))
        return record_of(entity, await records.restore(context.transaction(), NOUNS[entity.name], [command]))

    about = f"Bring an archived {entity.api_name} back into the lists."
    arguments = {"id": _ID, "expected_version": _VERSION}
    return Mutation(f"restore_{entity.name}", f"{entity.plural}:restore", about, arguments, payload, verb)


def _upsert(entity: EntityType, inputs: Inputs) -> Mutation:
    arguments = {
        "source": Argument(str, "Key of the system that sends, such as `erp`; a client sends as its own source only."),
        "items": Argument(list_of(inputs.item[entity.name]), "Up to 10,000 records."),
        "mode": Argument(Mode, "Whether one bad item refuses all, or only itself.", Mode.PARTIAL),
        "dry_run": Argument(bool, "Check and answer, write nothing.", default=False),
    }
    about = f"Write {camel(entity.plural)} of another system by its own ids: the same batch again changes nothing."
    verb = partial(_run_upsert, entity)
    action = f"{entity.plural}:upsert"
    return Mutation(f"upsert_{entity.plural}", action, about, arguments, _UPSERT_PAYLOAD, verb, _refused_batch)


async def _run_upsert(entity: EntityType, context: MutationContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    items = [given_members(item) for item in arguments["items"]]
    dry_run = bool(arguments.get("dry_run"))
    mode = arguments.get("mode") or Mode.PARTIAL
    outcomes = await upsert(context.transaction(), entity.name, arguments["source"], items, mode=mode, dry_run=dry_run)
    return _told(outcomes, context)


def _refused_batch(context: MutationContext, fault: CrmError) -> Mapping[str, Any]:
    """A batch that was refused as a whole still tells what became of each item."""
    return _told(fault.outcomes, context) if isinstance(fault, Refused) else {}


def _told(outcomes: Sequence[Outcome], context: MutationContext) -> Mapping[str, Any]:
    counts = Counter(outcome.result for outcome in outcomes)
    return {
        "outcomes": [_outcome(o, context) for o in outcomes],
        "created": counts[Result.CREATED],
        "updated": counts[Result.UPDATED],
        "unchanged": counts[Result.UNCHANGED],
        "rejected": counts[Result.REJECTED],
    }


def _outcome(outcome: Outcome, context: MutationContext) -> UpsertOutcome:
    return UpsertOutcome(
        index=outcome.index,
        result=outcome.result,
        id=None if outcome.id is None else strawberry.ID(str(outcome.id)),
        errors=[user_error(error, context.locale) for error in outcome.errors],
    )
