"""The history of a record as clients see it: its connection, its entries, and their changes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import strawberry

from crm_graph.catalog import EntityType
from crm_graph.schema.building import Argument, Member, define_type, empty, list_of
from crm_graph.schema.scalars import JSON

_PAGE = {
    "first": Argument(int | None, "At most this many entries from the newest, 0 to 200; 50 if nothing is said."),
    "after": Argument(str | None, "Only entries older than this cursor."),
}
_CHANGE = {
    "field": Member(
        str,
        "Name of the field or relation, by which `entityMetadata` has its label; of what belongs to the record with the"
        " name of the relation before it: `contactPoints.raw`.",
    ),
    "item": Member(
        strawberry.ID | None, "Which of the contact points, lines and the like it is; null for the record itself."
    ),
    "before": Member(
        JSON | None,
        "What it was, in the form in which the field itself is answered; a related record as `{id, type, name}`, null"
        " where you do not see it.",
    ),
    "after": Member(JSON | None, "What it became, in the same form."),
}


class HistoryTypes:
    """The types of histories."""

    def __init__(self, page_info: Any, user: Any) -> None:
        change = define_type(
            empty("HistoryChange"), "One field that was changed, of those that you read on the record now.", _CHANGE
        )
        entry = define_type(
            empty("HistoryEntry"),
            "A change of a record: one verb, by somebody, at a moment.",
            {
                "id": Member(strawberry.ID, "Id of the event."),
                "type": Member(str, "What was done: `customer.updated`, `ticket.assigned`."),
                "occurred_at": Member(datetime, "When, in UTC."),
                "version": Member(int, "The version that the record has had since."),
                "actor": Member(user | None, "Who did it."),
                "on_behalf_of": Member(user | None, "For whom, where somebody else did it."),
                "source": Member(str, "The system that it came from: `api`, or the source of a client."),
                "reason": Member(str | None, "Why; null for who may not read all texts of the record."),
                "changes": Member(list_of(change), "What was changed, field by field, as far as you read it."),
            },
        )
        self._connection = define_type(
            empty("HistoryConnection"),
            "A page of a record's history, newest first.",
            {
                "nodes": Member(list_of(entry), "The entries of the page."),
                "page_info": Member(page_info, "Where the page stands in the history."),
            },
        )

    def members(self, entity: EntityType) -> Mapping[str, Member]:
        """What a type has because of histories: those of the business have one."""
        if not entity.owned:
            return {}
        about = "What became of it, newest first: every change of which you read something on the record as it is now."
        return {"history": Member(self._connection, about, _PAGE)}
