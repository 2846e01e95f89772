"""The mutations that tell more than rights alone: unmasking, and the check for duplicates. Both change no record."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
import strawberry

from crm_graph.models.customers import PoolState
from crm_graph.resolvers.write import MutationContext, RecordRef
from crm_graph.schema.building import Argument, Member, define_input, define_type, empty, list_of
from crm_graph.schema.entities import EntityTypes
from crm_graph.schema.inputs import given_members, read_id
from crm_graph.schema.mutations import Mutation
from crm_graph.schema.scalars import JSON
from crm_graph.services import duplicates, unmasking
from crm_graph.services.duplicates import CRITERIA
from crm_graph.services.reads import DUPLICATES, UNMASKING
from crm_graph.services.unmasking import MAX_FIELDS, MAX_RECORDS, Unmask
from crm_graph.transaction import to_json

_VALUES: Mapping[str, str] = {
    "phone": "A phone number, however it is written; in any contact point of a customer.",
    "email": "An e-mail address; in any contact point of a customer.",
    "companyName": "The name of an organisation, but for case, width and punctuation.",
    "registrationNumber": "The credit code of an organisation (统一社会信用代码), or its tax id.",
}


@strawberry.type(description="A masked field in full.")
class UnmaskedValue:
    id: strawberry.ID = strawberry.field(description="The record.")
    child_id: strawberry.ID | None = strawberry.field(
        description="What belongs to the record and has the value, for a field such as `contactPoints.raw`."
    )
    field: str = strawberry.field(description="The field, as it was asked for.")
    value: JSON | None = strawberry.field(description="Its value.")


def disclosures(types: EntityTypes) -> Iterable[Mutation]:
    """Both."""
    yield Mutation(
        "unmask",
        unmasking.ACTION,
        "Tell masked fields of a few records in full. It is limited, and written down who was told what and why; an"
        " idempotency key keeps no answer of it.",
        {
            "ids": Argument(list[strawberry.ID], f"The records, all of one type; at most {MAX_RECORDS}."),
            "fields": Argument(
                list[str], f"Names of fields, such as `phone` or `contactPoints.raw`; at most {MAX_FIELDS}."
            ),
            "reason": Argument(str, "Why, in words that auditors read; at most 500 characters."),
        },
        {"values": Member(list[UnmaskedValue] | None, "The values, by record and field.")},
        _unmask,
    )
    match = define_type(
        empty("DuplicateMatch"),
        "A record that is there already, or several of which no more may be told.",
        {
            "owner_name": Member(str | None, "Who is responsible for it; null for nobody."),
            "pool_state": Member(PoolState, "Whether somebody owns it, or it lies in the public pool."),
            "customer": Member(types.types["customer"] | None, "The customer, if it is one that you may see."),
            "lead": Member(types.types["lead"] | None, "The lead, if it is one that you may see."),
        },
    )
    values = {name: Member(str | None, about) for name, about in _VALUES.items()}
    wanted = define_input(empty("CheckDuplicateInput"), "What records are compared by; any one is enough.", values)
    yield Mutation(
        "check_duplicate",
        duplicates.ACTION,
        "Whether a customer or lead with one of these values is there already (查重), wherever it is. It is limited,"
        " and written down.",
        {"input": Argument(wanted, "What to compare by.")},
        {
            "exists": Member(bool | None, "Whether there is any."),
            "matches": Member(
                list_of(match) | None, "Those that you may see, the newest first; then what is told of others."
            ),
        },
        _checker(match),
    )


async def _unmask(context: MutationContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    context.unkept = True
    tx = context.transaction()
    tx.require(unmasking.ACTION)
    ids = [read_id(raw, "ids", str(place)) for place, raw in enumerate(arguments["ids"])]
    await context.reads().allow(UNMASKING, tx.principal, max(1, min(len(ids), MAX_RECORDS)))
    told = await unmasking.unmask(tx, Unmask(ids, arguments["fields"], arguments["reason"]))
    return {
        "values": [
            UnmaskedValue(
                id=strawberry.ID(str(value.id)),
                child_id=None if value.child_id is None else strawberry.ID(str(value.child_id)),
                field=value.field,
                value=orjson.loads(to_json(value.value)),
            )
            for value in told
        ]
    }


def _checker(match: Any) -> Any:
    async def check(context: MutationContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        context.unkept = True
        tx, given = context.transaction(), given_members(arguments["input"])
        tx.require(duplicates.ACTION)
        asked = {name: given.get(name) for name in CRITERIA}
        values = {name: value for name, value in asked.items() if value is not None}
        await context.reads().allow(DUPLICATES, tx.principal, max(1, len(values)))
        found = await duplicates.check(tx, context.reads().hashes, values)
        matches = [
            match(
                owner_name=m.owner_name,
                pool_state=m.pool_state,
                customer=RecordRef("customer", m.id) if m.id and m.entity == "customer" else None,
                lead=RecordRef("lead", m.id) if m.id and m.entity == "lead" else None,
            )
            for m in found
        ]
        return {"exists": bool(matches), "matches": matches}

    return check
