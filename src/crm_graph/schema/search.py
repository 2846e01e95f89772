"""How clients search: the argument of lists, the search over all types, and the lookup by an exact value."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from graphql import GraphQLEnumType

from crm_graph.access import Access
from crm_graph.catalog import Catalog, EntityType, searched_fields
from crm_graph.resolvers.search.planning import EXACT, constant, looked_up, searched_types
from crm_graph.resolvers.search.queries import LONGEST_TEXT, MOST_WORDS
from crm_graph.schema.building import Argument, Member, define_enum, define_type, empty, list_of
from crm_graph.schema.declarations import EnumDeclaration

TYPES, FIELDS = "SearchType", "LookupField"

_TEXT = (
    "What was typed: any part of a name, its pinyin or pinyin initials, the end of a phone number, a number of a record"
    f" or its end, an e-mail address; several words must all be found. At most {LONGEST_TEXT} characters and"
    f" {MOST_WORDS} words; without a letter or digit it finds nothing."
)
_MATCHES: Mapping[str, str] = {
    "EXACT": "The value itself, but for case, width and punctuation.",
    "PREFIX": "A value begins so.",
    "PART": "It stands within a value, or at the end of a number.",
    "PINYIN_EXACT": "The pinyin of a whole name.",
    "PINYIN": "The pinyin of a name begins so, or that of a part of it.",
    "INITIALS_EXACT": "The pinyin initials of a whole name.",
    "INITIALS": "The pinyin initials of a name begin so, or those of a part of it.",
    "SIMILAR": "A word or a name with a letter wrong, or characters that sound the same.",
}


def search_argument(catalog: Catalog, entity: EntityType) -> Mapping[str, Argument]:
    """The `search` argument of a list, for types that are searched."""
    if not searched_fields(catalog, entity):
        return {}
    about = "Only records that this text finds, as in `search`; without `orderBy` the 200 likest, of those the newest."
    return {"search": Argument(str | None, about)}


def search_members(catalog: Catalog, node: Any) -> Mapping[str, Member]:
    """The root fields `search` and `lookup`."""
    type_ = _enum(
        TYPES,
        "Types of records that are searched.",
        {constant(e.name): f"{e.api_name} records." for e in searched_types(catalog)},
    )
    match = _enum("SearchMatch", "How like a record is to what is searched for, the likest first.", _MATCHES)
    fields = {
        constant(s.field.name): f"`{s.field.api_name}`"
        for entity in searched_types(catalog)
        for s in searched_fields(catalog, entity)
        if s.relation is None and s.how in EXACT
    }
    field = _enum(
        FIELDS, "Fields that a record can be looked up by.", {key: f"The field {name}." for key, name in fields.items()}
    )
    hit = define_type(
        empty("SearchHit"),
        "A record that was found.",
        {
            "node": Member(node, "The record."),
            "type": Member(type_, "Its type."),
            "match": Member(match, "How like it is to what was searched for."),
        },
    )
    result = define_type(
        empty("SearchResult"),
        "What a search found.",
        {"hits": Member(list_of(hit), "The likest records of all types, of equally like ones the newest.")},
    )
    return {
        "search": Member(
            result,
            "Search the records of all types that you may see, archived ones left out.",
            {
                "text": Argument(str, _TEXT),
                "types": Argument(list_of(type_) | None, "Only records of these types; all if nothing is said."),
                "first": Argument(int | None, "At most this many hits, 0 to 50; 20 if nothing is said."),
            },
        ),
        "lookup": Member(
            list_of(node),
            "The records, newest first and at most 10, that have exactly this value in a field that you may look up on"
            " them, even where you see it masked: a phone number however it is written, in any contact point of a"
            " customer; an e-mail address; a number, whatever its case and punctuation. Lookups are limited, and it is"
            " written down who looked up what.",
            {
                "type": Argument(type_, "The type of the record."),
                "field": Argument(field, "The field."),
                "value": Argument(str, "The whole value."),
            },
        ),
    }


def _enum(name: str, about: str, values: Mapping[str, str]) -> Any:
    members: Any = {value: value for value in values}
    functional: Any = StrEnum
    made: Any = functional(name, members)
    return define_enum(EnumDeclaration(made, about, values))


class RoleSearch:
    """What a role set has of searching: the types that it may see, and the fields that it may look up."""

    def __init__(self, catalog: Catalog, access: Access) -> None:
        self._types = [entity for entity in searched_types(catalog) if access.grants(entity.name)]
        self._catalog, self._access = catalog, access

    def keeps(self, field: str) -> bool:
        """Whether a root field stays."""
        if field == "lookup":
            return any(self._may_look_up(value) for value in self._fields())
        return field != "search" or bool(self._types)

    def enum(self, full: GraphQLEnumType) -> GraphQLEnumType:
        """An enum with the values that are left."""
        kwargs: Any = full.to_kwargs()
        left = (
            {constant(e.name) for e in self._types}
            if full.name == TYPES
            else set(filter(self._may_look_up, full.values))
        )
        kwargs["values"] = {name: value for name, value in full.values.items() if name in left}
        return GraphQLEnumType(**kwargs)

    def _fields(self) -> set[str]:
        return {constant(s.field.name) for e in self._types for s in searched_fields(self._catalog, e)}

    def _may_look_up(self, field: str) -> bool:
        return any(looked_up(self._catalog, self._access, entity, field) for entity in self._types)
