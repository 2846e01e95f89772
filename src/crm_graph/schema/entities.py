"""The read side of the schema: a type and a connection for every entity of the catalog, and the root query fields."""

from collections.abc import Mapping
from decimal import Decimal
from itertools import chain
from typing import Any

import strawberry

from crm_graph.catalog import CUSTOM, Catalog, CatalogError, EntityType, Field, Kind, Relation, Shape
from crm_graph.resolvers.aggregates.plan import AGGREGATE
from crm_graph.resolvers.plan import Archived
from crm_graph.schema import (
    contracts,
    customers,
    external_refs,
    files,
    interactions,
    leads,
    opportunities,
    tasks,
    teams,
    tickets,
    users,
    workflows,
)
from crm_graph.schema.aggregates import Aggregates
from crm_graph.schema.building import (
    Argument,
    Member,
    define_enum,
    define_interface,
    define_type,
    empty,
    enum_of,
    list_of,
)
from crm_graph.schema.custom_fields import custom_member, define_options, option_declarations
from crm_graph.schema.declarations import EnumDeclaration, Label, TypeDeclaration
from crm_graph.schema.filters import PYTHON_TYPES, Filters, OrderDirection
from crm_graph.schema.held_roles import HeldRole
from crm_graph.schema.history import HistoryTypes
from crm_graph.schema.scalars import Currency
from crm_graph.schema.search import search_argument, search_members
from crm_graph.schema.timeline import TimelineTypes
from crm_graph.schema.transitions import Transition

# Registering a noun's declarations is one line here.
NOUNS = (
    customers,
    interactions,
    leads,
    opportunities,
    tickets,
    contracts,
    tasks,
    users,
    teams,
    workflows,
    external_refs,
    files,
)

COMMON: Mapping[str, str] = {
    "id": "Opaque id, unique over all types.",
    "version": "Counts the changes of the record and what belongs to it, from 1; pass it as `expectedVersion`.",
    "created_at": "When the record was created here, in UTC.",
    "updated_at": "When the record last changed here, in UTC.",
    "archived_at": "When the record was archived, in UTC; null while it is in use.",
    "owner": "The user who is responsible for the record.",
    "team": "The team that the record belongs to.",
    "collaborators": "Users who work on the record beside its owner (协作人), at most 200.",
    "external_refs": "What other systems call the record, at most 200.",
    "attachments": "Files that hang on the record, newest first.",
    "stage": "Where the record stands in its pipeline.",
    "stage_entered_at": "When it came to its present stage, in UTC.",
    "stage_history": "Every stay in a stage, oldest first, at most 200.",
}
COMMON_LABELS: Mapping[str, Label] = {
    "id": ("编号", "Id"),
    "version": ("版本", "Version"),
    "created_at": ("创建时间", "Created at"),
    "updated_at": ("更新时间", "Updated at"),
    "archived_at": ("归档时间", "Archived at"),
    "owner": ("负责人", "Owner"),
    "team": ("所属团队", "Team"),
    "collaborators": ("协作人", "Collaborators"),
    "external_refs": ("外部编号", "External references"),
    "attachments": ("附件", "Attachments"),
    "stage": ("阶段", "Stage"),
    "stage_entered_at": ("进入阶段时间", "In the stage since"),
    "stage_history": ("阶段历史", "Stage history"),
}
_ENUMS = (
    enum_of(
        OrderDirection,
        ASC="Smallest first, nulls last.",
        DESC="Largest first, nulls first.",
        ASC_NULLS_FIRST="Smallest first, nulls first.",
        DESC_NULLS_LAST="Largest first, nulls last.",
    ),
    enum_of(
        Archived,
        EXCLUDE="Only records in use.",
        INCLUDE="Records in use and archived ones.",
        ONLY="Only archived records.",
    ),
)

_QUERY = (
    "Everything that can be read. An operation costs about one unit for each row that it may read: a list its page size"
    " times what each of its rows costs, a related record 1, a plain list 2, a count or search 100, an aggregate 1,000"
    " or below a record 10; what it cost stands in `extensions.cost`."
)
_MONEY = {
    "amount": Member(Decimal, "The amount, with two decimals."),
    "currency": Member(Currency, "Its currency, ISO 4217."),
}
_PAGE_INFO = {
    "has_next_page": Member(bool, "Whether records follow the page."),
    "has_previous_page": Member(bool, "Whether records stand before the page."),
    "start_cursor": Member(str | None, "Cursor of the first record, null on an empty page."),
    "end_cursor": Member(str | None, "Cursor of the last record, null on an empty page."),
}


@strawberry.input(description="What another system calls a record.")
class ExternalRefInput:
    source: str = strawberry.field(description="Key of the other system, such as `erp`.")
    external_id: str = strawberry.field(description="The record's id there.")


_BY_ID = {"id": Argument(strawberry.ID | None, "The record's id.")}
_BY_ID_OR_REF = {**_BY_ID, "external_ref": Argument(ExternalRefInput | None, "What another system calls it.")}


class EntityTypes:
    """The Strawberry types of a catalog. Raises CatalogError where declarations and catalog differ."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.declarations = declarations_of(catalog)
        for declaration in chain(_ENUMS, *(noun.ENUMS for noun in NOUNS)):
            define_enum(declaration)
        for entity in catalog.types.values():
            define_options(entity)
        self.filters = Filters(catalog)
        self.node = define_interface(
            empty("Node"), "A record that can be fetched by its id alone.", {"id": Member(strawberry.ID, COMMON["id"])}
        )
        self.money = define_type(empty("Money"), "An amount in a currency.", _MONEY)
        self.page_info = define_type(empty("PageInfo"), "Where a page stands in its list.", _PAGE_INFO)
        self.timeline = TimelineTypes(self.page_info)
        self.aggregates = Aggregates(catalog, self.filters, self.money)
        self.types = {n: self._empty(t) for n, t in catalog.types.items()}
        self.history = HistoryTypes(self.page_info, self.types["user"])
        self.connections = {n: empty(f"{t.api_name}Connection") for n, t in catalog.types.items() if t.is_listed}
        for entity in catalog.types.values():
            self._define(entity)
        for name in self.connections:
            self._define_connection(catalog[name])

    def _empty(self, entity: EntityType) -> Any:
        bases = ((self.node,) if entity.is_listed else (), self.timeline.interfaces(entity))
        return type(entity.api_name, tuple(chain(*bases)), {"__module__": __name__})

    def _define(self, entity: EntityType) -> None:
        declaration, catalog = self.declarations[entity.name], self.catalog
        lines = {**{n: COMMON[n] for n in (*entity.fields, *entity.relations) if n in COMMON}, **declaration.members}
        members = {f.name: Member(self._scalar(f), lines[f.name]) for f in entity.fields.values()}
        for relation in entity.relations.values():
            members[relation.name] = self._relation(relation, lines[relation.name])
            if relation.shape is Shape.CONNECTION and not catalog[relation.target].is_child:
                members[f"{relation.name}_{AGGREGATE.lower()}"] = self.aggregates.member(
                    catalog[relation.target], f"Groups of `{relation.api_name}`."
                )
        members["masked_fields"] = Member(list[str], "Names of the fields that are masked or withheld from you here.")
        if entity.custom:
            members[CUSTOM] = custom_member(entity)
        if entity.workflow:
            members["available_transitions"] = Member(
                list[Transition], "The moves from its present stage, each with what it still needs."
            )
        if entity.name == "user":
            members["roles"] = Member(
                list[HeldRole], "Roles that were given to the user, those that have ended included, by key."
            )
        if entity.name == "stage_change":
            members["entity"] = Member(self.node | None, "The record that came to the stage.")
        if entity.name == "file":
            members["entity"] = Member(self.node | None, "The record that the file hangs on.")
        members.update(self.timeline.members(entity))
        members.update(self.history.members(entity))
        define_type(self.types[entity.name], declaration.description, members)

    def _scalar(self, field: Field) -> Any:
        python = self.money if field.kind is Kind.MONEY else field.enum or PYTHON_TYPES[field.kind]
        return python if field.name in ("id", "version", "created_at", "updated_at") else python | None

    def _relation(self, relation: Relation, description: str) -> Member:
        target = self.types[relation.target]
        if relation.shape is Shape.ONE:
            return Member(target | None, description)
        if relation.shape is Shape.LIST:
            return Member(list_of(target), description)
        connection = self.connections[relation.target]
        return Member(connection, description, self.list_arguments(self.catalog[relation.target]))

    def list_arguments(self, entity: EntityType) -> Mapping[str, Argument]:
        """The arguments of every list; of what belongs to a record, those of its pages alone."""
        pages = {
            "first": Argument(int | None, "At most this many records from the start, 0 to 200; 50 if nothing is said."),
            "after": Argument(str | None, "Only records behind this cursor."),
            "last": Argument(int | None, "At most this many records from the end, 0 to 200."),
            "before": Argument(str | None, "Only records in front of this cursor."),
        }
        if entity.is_child:
            return pages
        return {
            **pages,
            "offset": Argument(int | None, "Leave out this many records, up to 10,000; not with cursors."),
            **search_argument(self.catalog, entity),
            "where": Argument(self.filters.where[entity.name] | None, "Only records that match."),
            "order_by": Argument(
                list_of(self.filters.order[entity.name]) | None,
                "Order by these keys, the first one counting most; newest first if nothing is said, or by relevance in"
                " a search.",
            ),
            "archived": Argument(Archived, "Whether archived records are in the list.", Archived.EXCLUDE),
        }

    def _define_connection(self, entity: EntityType) -> None:
        node = self.types[entity.name]
        edge = define_type(
            empty(f"{entity.api_name}Edge"),
            f"One {entity.api_name} in a list, with its place.",
            {"cursor": Member(str, "Opaque place in this order."), "node": Member(node, "The record.")},
        )
        define_type(
            self.connections[entity.name],
            f"A page of {entity.api_name} records.",
            {
                "nodes": Member(list_of(node), "The records of the page."),
                "edges": Member(list_of(edge), "The records of the page with their cursors."),
                "page_info": Member(self.page_info, "Where the page stands in the list."),
                "total_count": Member(int, "How many records match, up to 10,000, or 1,000 with `search`."),
                "total_count_capped": Member(bool, "Whether there are more than `totalCount` says."),
            },
        )

    def query(self, more: Mapping[str, Member]) -> Any:
        """The root query type, with `more` beside what the catalog gives."""
        members = {
            "node": Member(self.node | None, "Any record by its id.", {"id": Argument(strawberry.ID, "Its id.")}),
            "nodes": Member(
                list_of(self.node | None),
                "Records by their ids, in that order; null for an id that leads to nothing you may see.",
                {"ids": Argument(list[strawberry.ID], "Their ids, at most 200.")},
            ),
        }
        for entity in self.catalog.roots:
            one = entity.name
            about = f"One {entity.api_name}, by its id" + (" or what another system calls it." if entity.owned else ".")
            members[one] = Member(self.types[entity.name] | None, about, _BY_ID_OR_REF if entity.owned else _BY_ID)
            members[entity.plural] = Member(
                self.connections[entity.name], f"A list of {entity.api_name} records.", self.list_arguments(entity)
            )
            members[f"{entity.plural}_{AGGREGATE.lower()}"] = self.aggregates.member(
                entity, f"Groups of {entity.api_name} records."
            )
        more = {**more, **search_members(self.catalog, self.node)}
        return define_type(empty("Query"), _QUERY, {**members, **more})


def declarations_of(catalog: Catalog) -> Mapping[str, TypeDeclaration]:
    """What nouns declare, by entity. Raises CatalogError where a line or a label is missing, or one too many."""
    found = {d.entity: d for noun in NOUNS for d in noun.TYPES}
    if set(found) != set(catalog.types):
        raise CatalogError(f"types without declaration or model: {sorted(set(found) ^ set(catalog.types))}")
    for entity in catalog.types.values():
        expected = {n for n in (*entity.fields, *entity.relations) if n not in COMMON}
        if expected != set(found[entity.name].members):
            differing = sorted(expected ^ set(found[entity.name].members))
            raise CatalogError(f"{entity.name}: fields without declaration or column: {differing}")
        if expected != set(found[entity.name].labels):
            raise CatalogError(f"{entity.name}: labels: {sorted(expected ^ set(found[entity.name].labels))}")
    for declaration in (d for noun in NOUNS for d in noun.ENUMS):
        if set(declaration.values) != set(declaration.labels):
            differing = sorted(set(declaration.values) ^ set(declaration.labels))
            raise CatalogError(f"{declaration.enum.__name__}: labels: {differing}")
    return found


def enums_of(catalog: Catalog) -> Mapping[Any, EnumDeclaration]:
    """What is declared of the enums of fields, custom ones too."""
    of_nouns = (d for noun in NOUNS for d in noun.ENUMS)
    of_custom = (d for entity in catalog.types.values() for d in option_declarations(entity))
    return {d.enum: d for d in chain(of_nouns, of_custom)}
