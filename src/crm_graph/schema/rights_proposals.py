"""Edits of rights as they wait for a second approver, and what they keep of the arguments of a mutation."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import strawberry
from strawberry.types.field import StrawberryField

from crm_graph.catalog import camel
from crm_graph.errors import CrmError
from crm_graph.models.rights_proposals import ProposalState
from crm_graph.schema.building import Argument, Member, enum_of
from crm_graph.schema.inputs import read_id
from crm_graph.schema.scalars import JSON
from crm_graph.services import rights_proposals
from crm_graph.services.texts import clean
from crm_graph.transaction import Transaction

MAX_REASON = 500


@strawberry.type(description="An edit of rights that waits for a second approver, or was decided.")
class RightsProposal:
    id: strawberry.ID = strawberry.field(description="Its id.")
    verb: str = strawberry.field(description="The mutation that it is, such as `setGrants`.")
    input: JSON = strawberry.field(description="The arguments of the mutation.")
    reason: str | None = strawberry.field(description="Why, in the words of who proposed it.")
    state: ProposalState = strawberry.field(description="What became of it.")
    proposed_by: strawberry.ID = strawberry.field(description="Id of the user who proposed it.")
    proposed_at: datetime = strawberry.field(description="When it was proposed, in UTC.")
    decided_by: strawberry.ID | None = strawberry.field(description="Id of the user who decided; null while it waits.")
    decided_at: datetime | None = strawberry.field(description="When it was decided, in UTC.")


PROPOSAL_STATE = enum_of(
    ProposalState,
    PENDING="It waits for somebody to approve it.",
    APPROVED="It was approved, and made.",
    REJECTED="It was rejected, or taken back.",
    EXPIRED="Nobody decided in time.",
)

PROPOSAL = {
    "proposal": Member(
        RightsProposal | None, "What waits for a second approver in the place of the edit; null where it was made."
    )
}
UNTOLD = "****"
"""What is told of a secret that waits with an edit."""
REASON = Argument(str | None, "Why, in words that the log keeps.")


def reason_of(raw: str | None) -> str | None:
    """Why a change of rights is made, as the log keeps it. Raises Invalid."""
    try:
        return clean(raw, max_length=MAX_REASON, multiline=True) if raw is not None else None
    except CrmError as error:
        raise error.at("reason") from None


def plain(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as JSON has them, by the names of the API."""
    found = {}
    for name, value in arguments.items():
        if name in ("user", "proposal"):
            found[name] = str(read_id(value, name))
        elif value is not strawberry.UNSET and name != "reason":
            found[camel(name)] = _json(value)
    return found


def _json(value: Any) -> Any:
    if isinstance(value, list):
        return [_json(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if not hasattr(value, "__strawberry_definition__") or isinstance(value, StrEnum):
        return value
    members = ((f.graphql_name or camel(f.python_name), getattr(value, f.python_name)) for f in _fields(value))
    return {name: _json(member) for name, member in members if member is not strawberry.UNSET}


def _fields(value: Any) -> Iterable[StrawberryField]:
    fields: Iterable[StrawberryField] = value.__strawberry_definition__.fields
    return fields


async def proposed(
    tx: Transaction, verb: str, arguments: Mapping[str, Any], withheld: Mapping[str, Any] | None = None
) -> Mapping[str, Any]:
    """The payload of a mutation that waits for a second approver; what is `withheld` waits with it and is not told."""
    return {"proposal": proposal_of(await rights_proposals.propose(tx, verb, plain(arguments), withheld))}


def proposal_of(told: Mapping[str, Any]) -> RightsProposal:
    """A proposal as clients see it."""
    return RightsProposal(
        id=strawberry.ID(told["id"]),
        verb=told["verb"],
        input=told["input"],
        reason=told["reason"],
        state=ProposalState(told["state"]),
        proposed_by=strawberry.ID(told["proposedBy"]),
        proposed_at=told["proposedAt"],
        decided_by=None if told["decidedBy"] is None else strawberry.ID(told["decidedBy"]),
        decided_at=told["decidedAt"],
    )
