"""The schema of a role set, by omission: what it may not see or do is not there. Nothing is ever added."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_specified_scalar_type,
)

from crm_graph.access import Access, Level
from crm_graph.catalog import CUSTOM, Catalog, EntityType, Field, Relation, custom_type
from crm_graph.criteria.reading import can_be_looked_up
from crm_graph.resolvers.aggregates.plan import AGGREGATE
from crm_graph.resolvers.timeline.sources import TimelineKind
from crm_graph.schema import search
from crm_graph.schema.aggregates import FIELD_TYPES
from crm_graph.schema.feed import WHERE as FEED_WHERE
from crm_graph.schema.timeline import INTERFACE, RoleTimeline

ACTIONS = "crm_actions"
_KEPT_IN_WHERE = ("and", "or", "not")
_QUANTIFIED = ("ListWhere", "CountWhere")
"""Inputs whose members are quantifiers and operators, not fields."""
_CUSTOM = "Custom"


def role_schema(full: GraphQLSchema, catalog: Catalog, access: Access) -> GraphQLSchema:
    """The part of the full schema that a role set may use. Takes about 0.1 s: call it once, off the event loop."""
    return _RoleSchema(full, catalog, access).build()


@dataclass
class _RoleSchema:
    full: GraphQLSchema
    catalog: Catalog
    access: Access
    types: dict[str, GraphQLNamedType] = field(default_factory=dict)

    def build(self) -> GraphQLSchema:
        kwargs = self.full.to_kwargs()
        mutation = self._named(kwargs["mutation"]) if kwargs["mutation"] else None
        granted = [self._named(self.full.type_map[t.api_name]) for t in self.catalog.roots if self._granted(t)]
        granted.extend(self._named(self.full.type_map[name]) for name in sorted(self._timeline.types))
        schema = GraphQLSchema(
            query=self._named(kwargs["query"]),
            mutation=mutation if isinstance(mutation, GraphQLObjectType) and mutation.fields else None,
            types=granted,
            directives=kwargs["directives"],
            description=kwargs["description"],
            extensions=kwargs["extensions"],
        )
        for attribute in ("_schema", "_strawberry_schema"):
            if hasattr(self.full, attribute):
                setattr(schema, attribute, getattr(self.full, attribute))
        return schema

    def _granted(self, entity: EntityType) -> bool:
        if not entity.is_child:
            return bool(self.access.grants(entity.name))
        return any(self._shows(root, relation) for root, relation in self.catalog.holders(entity))

    def _shows(self, root: EntityType, relation: Relation) -> bool:
        """Whether anything is seen of what belongs to a record."""
        return any(grant.shows(f"{relation.name}.") for grant in self.access.grants(root.name))

    @cached_property
    def _timeline(self) -> RoleTimeline:
        return RoleTimeline(self.catalog, self.access)

    @cached_property
    def _search(self) -> search.RoleSearch:
        return search.RoleSearch(self.catalog, self.access)

    @cached_property
    def _inputs(self) -> Mapping[str, tuple[EntityType, str]]:
        suffixes = ("Where", *_QUANTIFIED, "OrderBy", *FIELD_TYPES)
        filters = {f"{t.api_name}{s}": (t, s) for t in self.catalog.types.values() for s in suffixes}
        writes = {
            f"{verb}{t.api_name}{noun}": (t, "Write")
            for t in self.catalog.types.values()
            for verb, noun in (
                ("Create", "Input"),
                ("Update", "Input"),
                ("Upsert", "Item"),
                ("", "Input"),
                ("", "Item"),
            )
            # ExternalRefInput is how a record is looked up; refs are written by the bulk upsert alone.
            if t.name != "external_ref"
        }
        of_custom = ("Where", "OrderBy", *FIELD_TYPES)
        custom = {f"{custom_type(t)}{s}": (t, _CUSTOM + s) for t in self._custom.values() for s in of_custom}
        return {**writes, **filters, **custom}

    @cached_property
    def _custom(self) -> Mapping[str, EntityType]:
        """The types of custom values."""
        return {custom_type(t): t for t in self.catalog.types.values() if t.custom}

    @cached_property
    def _aggregates(self) -> Mapping[str, EntityType]:
        return {f"{t.api_name}{AGGREGATE}": t for t in self.catalog.roots}

    def _named(self, type_: Any) -> Any:
        if isinstance(type_, GraphQLEnumType) and type_.name == TimelineKind.__name__:
            return self.types.setdefault(type_.name, self._timeline.enum(type_))
        if isinstance(type_, GraphQLEnumType) and type_.name in (search.TYPES, search.FIELDS):
            return self.types.setdefault(type_.name, self._search.enum(type_))
        if is_specified_scalar_type(type_) or not isinstance(
            type_, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType
        ):
            return type_
        if type_.name not in self.types:
            kwargs: dict[str, Any] = dict(type_.to_kwargs())
            if isinstance(type_, GraphQLInputObjectType):
                kwargs["fields"] = lambda: self._input_fields(type_)
            else:
                kwargs["fields"] = lambda: self._fields(type_)
                kwargs["interfaces"] = [
                    self._named(i) for i in type_.interfaces if self._implements(type_.name, i.name)
                ]
            self.types[type_.name] = type(type_)(**kwargs)
        return self.types[type_.name]

    def _implements(self, type_name: str, interface: str) -> bool:
        return interface != INTERFACE or type_name in self._timeline.types

    def _wrapped(self, type_: Any) -> Any:
        if isinstance(type_, GraphQLNonNull):
            return GraphQLNonNull(self._wrapped(type_.of_type))
        if isinstance(type_, GraphQLList):
            return GraphQLList(self._wrapped(type_.of_type))
        return self._named(type_)

    def _fields(self, type_: GraphQLObjectType | GraphQLInterfaceType) -> dict[str, GraphQLField]:
        kept = {}
        for name, member in type_.fields.items():
            if self._has_field(type_.name, name, member):
                kwargs = member.to_kwargs()
                kwargs["type_"] = self._wrapped(member.type)
                kwargs["args"] = {
                    key: GraphQLArgument(**{**argument.to_kwargs(), "type_": self._wrapped(argument.type)})
                    for key, argument in member.args.items()
                    if not self._emptied(argument.type)
                }
                kept[name] = GraphQLField(**kwargs)
        return kept

    def _emptied(self, type_: Any) -> bool:
        """Whether nothing is left of an input."""
        named = self._named(get_named_type(type_))
        return isinstance(named, GraphQLInputObjectType) and not named.fields

    def _has_field(self, type_name: str, name: str, member: GraphQLField) -> bool:
        actions = member.extensions.get(ACTIONS)
        if actions is not None:
            return not actions.isdisjoint(self.access.actions)
        entity, holder = self.catalog.by_api_name.get(type_name), self._custom.get(type_name)
        returned = get_named_type(member.type).name
        if entity is not None:
            relation = name.removesuffix(AGGREGATE) if returned in self._aggregates else name
            return self._visible(entity, relation, Level.MASKED) and self._timeline.has(type_name, name)
        if holder is not None:
            return self._ceiling(holder, holder.custom[name]) >= Level.MASKED
        if (type_name == "Query" and not self._search.keeps(name)) or (
            returned in self._inputs and not self._names_any(returned)
        ):
            return False
        if type_name in self._inputs:
            return self._has_input(type_name, name)
        target = self.catalog.by_api_name.get(returned.removesuffix("Connection")) or self._aggregates.get(returned)
        return target is None or self._granted(target)

    def _names_any(self, type_name: str) -> bool:
        """Whether a type whose members are fields of an entity has any that are read in full; asked of the catalog,
        since types name each other.
        """
        entity, suffix = self._inputs[type_name]
        type_: Any = self.full.type_map[type_name]
        members: Mapping[str, Field | Relation] = entity.custom if suffix.startswith(_CUSTOM) else entity.by_api_name
        fields = (members.get(name) for name in type_.fields)
        below = type_.fields.get(CUSTOM) if entity.custom and members is not entity.custom else None
        return any(isinstance(f, Field) and self._can_name(entity, f, suffix) for f in fields) or (
            below is not None and self._names_any(get_named_type(below.type).name)
        )

    def _can_name(self, entity: EntityType, member: Field, suffix: str) -> bool:
        """Whether an input of fields has this one: read in full, or looked up and asked for in `where`."""
        looked_up = suffix == "Where" and not entity.is_child
        return self._ceiling(entity, member) is Level.READ or (
            looked_up and can_be_looked_up(self.access, entity.name, "", member)
        )

    def _visible(self, entity: EntityType, name: str, least: Level) -> bool:
        if name == CUSTOM and entity.custom:
            return any(self._ceiling(entity, member) >= least for member in entity.custom.values())
        found = entity.by_api_name.get(name)
        if isinstance(found, Field):
            return self._ceiling(entity, found) >= least
        if isinstance(found, Relation):
            target = self.catalog[found.target]
            if target.is_child:
                return self._shows(entity, found)
            return self._granted(target)
        return True

    def _ceiling(self, entity: EntityType, member: Field) -> Level:
        """The highest level of a field; a child's is the highest that any of its roots gives."""
        if not entity.is_child:
            return self.access.ceiling(entity.name, member.name)
        holders = self.catalog.holders(entity)
        return max(self.access.ceiling(root.name, f"{relation.name}.{member.name}") for root, relation in holders)

    def _input_fields(self, type_: GraphQLInputObjectType) -> dict[str, GraphQLInputField]:
        return {
            name: GraphQLInputField(**{**member.to_kwargs(), "type_": self._wrapped(member.type)})
            for name, member in type_.fields.items()
            if self._has_input(type_.name, name)
            and not self._names_nothing(member)
            and (type_.name != FEED_WHERE or self._may_narrow(member))
        }

    def _may_narrow(self, member: GraphQLInputField) -> bool:
        """Whether the feed can be narrowed so: by conditions on records of a type only where there are any."""
        entity, _ = self._inputs.get(get_named_type(member.type).name, (None, ""))
        return entity is None or self._granted(entity)

    def _names_nothing(self, member: GraphQLInputField) -> bool:
        """Whether nothing is left of what an order, or a part of an aggregate, can name."""
        named = get_named_type(member.type).name
        _, suffix = self._inputs.get(named, (None, ""))
        return suffix.removeprefix(_CUSTOM) in ("OrderBy", *FIELD_TYPES) and not self._names_any(named)

    def _has_input(self, type_name: str, name: str) -> bool:
        entity, suffix = self._inputs.get(type_name, (None, ""))
        if entity is None or suffix in _QUANTIFIED or name in _KEPT_IN_WHERE:
            return True
        if suffix.startswith(_CUSTOM):
            return self._ceiling(entity, entity.custom[name]) is Level.READ
        if suffix == "Write":
            return self._names_parent(entity, name) if name in self._parents(entity) else self._writable(entity, name)
        found = entity.by_api_name.get(name)
        return (
            self._can_name(entity, found, suffix)
            if isinstance(found, Field)
            else self._visible(entity, name, Level.READ)
        )

    def _parents(self, entity: EntityType) -> Mapping[str, Relation]:
        """The parents of a type by the names that inputs have for them: `customerId`, in a bulk upsert `customer`."""
        relations = list(self.catalog.parents(entity))
        return {f"{r.api_name}Id": r for r in relations} | {r.api_name: r for r in relations}

    def _names_parent(self, entity: EntityType, name: str) -> bool:
        relation = self._parents(entity)[name]
        return self._granted(self.catalog[relation.target]) and self.access.may_write(entity.name, relation.name)

    def _writable(self, entity: EntityType, name: str) -> bool:
        found = entity.by_api_name.get(name)
        if isinstance(found, Relation) and self.catalog[found.target].is_child:
            children = self.catalog[found.target].fields
            return any(self.access.may_write(entity.name, f"{found.name}.{child}") for child in children)
        if not isinstance(found, Field):
            return True
        if not entity.is_child:
            return self.access.may_write(entity.name, found.name)
        holders = self.catalog.holders(entity)
        return any(self.access.may_write(root.name, f"{relation.name}.{found.name}") for root, relation in holders)
