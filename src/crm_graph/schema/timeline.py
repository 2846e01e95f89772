"""The 360 timeline as clients see it: the interface of its entries, its connection, and what a role set has of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import strawberry
from graphql import GraphQLEnumType

from crm_graph.access import Access
from crm_graph.catalog import Catalog, EntityType
from crm_graph.resolvers.timeline.sources import HOLDER, SOURCES, TimelineKind, open_ways
from crm_graph.schema.building import Argument, Member, define_enum, define_interface, define_type, empty, list_of
from crm_graph.schema.declarations import EnumDeclaration

INTERFACE = "TimelineEntry"
HAPPENED_AT = "When it happened, in UTC: what orders a timeline."
_ENTITIES = frozenset(source.entity for source in SOURCES)


class TimelineTypes:
    """The types of timelines."""

    def __init__(self, page_info: Any) -> None:
        about = {source.kind: source.about for source in SOURCES}
        define_enum(EnumDeclaration(TimelineKind, "Kinds of entries in a timeline.", about))
        self.entry = define_interface(
            empty(INTERFACE),
            "What happened with a customer: an entry of the timeline.",
            {
                "id": Member(strawberry.ID, "Opaque id, unique over all types."),
                "happened_at": Member(datetime | None, HAPPENED_AT),
            },
        )
        edge = define_type(
            empty("TimelineEdge"),
            "An entry in a timeline, with its place.",
            {"cursor": Member(str, "Opaque place in the timeline."), "node": Member(self.entry, "The entry.")},
        )
        self._connection = define_type(
            empty("TimelineConnection"),
            "A page of a timeline, newest first.",
            {
                "nodes": Member(list_of(self.entry), "The entries of the page."),
                "edges": Member(list_of(edge), "The entries of the page with their cursors."),
                "page_info": Member(page_info, "Where the page stands in the timeline."),
            },
        )

    def interfaces(self, entity: EntityType) -> tuple[Any, ...]:
        """What a type is beside itself."""
        return (self.entry,) if entity.name in _ENTITIES else ()

    def members(self, entity: EntityType) -> Mapping[str, Member]:
        """What a type has because of timelines."""
        if entity.name == HOLDER:
            return {"timeline": Member(self._connection, "All that happened with the customer, newest first.", _PAGE)}
        return {"happened_at": Member(datetime | None, HAPPENED_AT)} if entity.name in _ENTITIES else {}


_PAGE = {
    "first": Argument(int | None, "At most this many entries from the newest, 0 to 200; 50 if nothing is said."),
    "after": Argument(str | None, "Only entries older than this cursor."),
    "last": Argument(int | None, "At most this many entries from the oldest, 0 to 200."),
    "before": Argument(str | None, "Only entries newer than this cursor."),
    "kinds": Argument(list_of(TimelineKind) | None, "Only entries of these kinds; all that you may see if not given."),
}


class RoleTimeline:
    """What a role set has of timelines: the kinds whose moment it may read."""

    def __init__(self, catalog: Catalog, access: Access) -> None:
        ways = tuple(open_ways(catalog, access))
        self._catalog = catalog
        self._kinds = frozenset(way.source.kind for way in ways)
        self.types = frozenset(way.entity.api_name for way in ways)

    def has(self, type_name: str, field: str) -> bool:
        """Whether a field that is there because of timelines stays."""
        if field == "happenedAt" and type_name != INTERFACE:
            return type_name in self.types
        return field != "timeline" or bool(self.types)

    def enum(self, full: GraphQLEnumType) -> GraphQLEnumType:
        """The enum of kinds with those that are left."""
        kwargs: Any = full.to_kwargs()
        kwargs["values"] = {name: value for name, value in full.values.items() if name in self._kinds}
        return GraphQLEnumType(**kwargs)
