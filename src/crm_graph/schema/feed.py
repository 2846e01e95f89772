"""The change feed as clients see it: its pages, its entries, and what it can be narrowed by."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import strawberry

from crm_graph.catalog import camel
from crm_graph.resolvers.feed.planner import FeedStart
from crm_graph.schema.building import Argument, Member, define_enum, define_input, define_type, empty, enum_of, list_of
from crm_graph.schema.entities import EntityTypes

WHERE = "ChangesWhere"


class FeedEntryKind(StrEnum):
    """What an entry of the feed is."""

    CHANGED = "CHANGED"
    LEFT = "LEFT"
    RESYNC_REQUIRED = "RESYNC_REQUIRED"


ENUMS = (
    enum_of(
        FeedEntryKind,
        CHANGED="A record that you see was created or changed.",
        LEFT="A change took a record out of what you see: forget it. Nothing but its type and id is told.",
        RESYNC_REQUIRED="What you see has changed otherwise, with your rights, your teams or a record that yours are"
        " seen through: read your records again, then go on from the cursor of this page.",
    ),
    enum_of(
        FeedStart,
        OLDEST="With the oldest change that the feed holds.",
        NOW="With what is changed from now on: the page is empty.",
    ),
)


def feed_member(types: EntityTypes) -> Mapping[str, Member]:
    """The root field `changes`."""
    for declaration in ENUMS:
        define_enum(declaration)
    change = define_type(
        empty("Change"),
        "An entry of the feed. A record is told of as you see it when you ask.",
        {
            "kind": Member(FeedEntryKind, "What the entry is."),
            "id": Member(
                strawberry.ID | None, "The id of the event, the same whenever it is told; null unless CHANGED."
            ),
            "type": Member(
                str | None,
                "What was done, such as `customer.created`, `lead.assigned`, `opportunity.stage_changed`; `updated`"
                " where not all that was changed is told to you. Null unless CHANGED.",
            ),
            "entity_type": Member(str | None, "The type of the record; null with RESYNC_REQUIRED."),
            "entity_id": Member(strawberry.ID | None, "The id of the record; null with RESYNC_REQUIRED."),
            "version": Member(int | None, "The version that the record had then; null unless CHANGED."),
            "occurred_at": Member(datetime | None, "When it was done, in UTC; null unless CHANGED."),
            "own": Member(
                bool | None, "Whether you made the change, with the client that you ask by; null unless CHANGED."
            ),
            "backfill": Member(bool | None, "Whether it tells of the past, and is to trigger nothing."),
            "changed": Member(
                list[str], "The fields that were changed, of those that you read, as `phone` or `lines.quantity`."
            ),
            "record": Member(types.node | None, "The record as it is now; null unless CHANGED."),
        },
    )
    page = define_type(
        empty("ChangePage"),
        "A page of the feed.",
        {
            "nodes": Member(list_of(change), "The entries of the page, in the order of the log."),
            "cursor": Member(
                str,
                "Where the next page begins, also of an empty one: keep it once the page is dealt with. It holds as"
                " long as the feed reaches back.",
            ),
            "has_more": Member(bool, "Whether to ask for the next page at once."),
        },
    )
    return {
        "changes": Member(
            page,
            "What was changed of the records that you see, in the order of the log, each once and none left out. A page"
            " may be empty though more follows. FEED_RESET: the cursor leads nowhere any more.",
            {
                "after": Argument(str | None, "Go on from the cursor of a page."),
                "from": Argument(FeedStart | None, "Where to begin without a cursor; OLDEST if nothing is said."),
                "where": Argument(_where(types) | None, "Only entries about these records."),
                "first": Argument(int | None, "At most this many entries, 1 to 1,000; 100 if nothing is said."),
            },
        )
    }


def _where(types: EntityTypes) -> type:
    members = {
        "types": Member(list[str] | None, "Only changes of these types, such as `customer.created`."),
        "entity_types": Member(list[str] | None, "Only of records of these types, such as `Customer`."),
        "entity_ids": Member(list[strawberry.ID] | None, "Only of these records."),
        "customer_id": Member(strawberry.ID | None, "Only of this customer and what belongs to it."),
    }
    for entity in types.catalog.roots:
        members[entity.name] = Member(
            types.filters.where[entity.name] | None,
            f"Changes of {entity.api_name} records only of those that match now; those of other types all the same.",
        )
    made: type = define_input(
        empty(WHERE),
        "What the feed is narrowed by; all given ones hold. LEFT is told whatever `types` and conditions on records"
        " say, RESYNC_REQUIRED always.",
        {camel(name): member for name, member in members.items()},
    )
    return made
