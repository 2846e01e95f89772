"""The mutation that erases what is personal of a customer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import strawberry

from crm_graph.resolvers.write import MutationContext
from crm_graph.schema.building import Argument, Member
from crm_graph.schema.inputs import read_id
from crm_graph.schema.mutations import Mutation
from crm_graph.services import erasure

_ABOUT = (
    "Erase what is personal of a customer for good: in the record, in the interactions, leads, deals, tickets and"
    " contracts with them, in their history, in stored answers and exports. Figures stay; the customer is archived. It"
    " cannot be taken back."
)


def erase_customer() -> Mutation:
    """The mutation. How much was erased is not told: it may be of records that who erases does not see."""
    return Mutation(
        "erase_customer",
        erasure.ACTION,
        _ABOUT,
        {
            "id": Argument(strawberry.ID, "The customer."),
            "reason": Argument(str, "Why, in words that auditors read; at most 500 characters. Name nobody in it."),
        },
        {"erased_at": Member(datetime | None, "When it was erased, in UTC; null where it was refused.")},
        _erase,
    )


async def _erase(context: MutationContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    tx = context.transaction()
    tx.require(erasure.ACTION)
    await erasure.erase(tx, read_id(arguments["id"], "id"), arguments["reason"])
    return {"erased_at": tx.now.isoformat()}
