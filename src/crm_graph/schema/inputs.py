"""Inputs of writes, generated from the catalog: what a create, an update or an item of a bulk upsert may set."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

import strawberry

from crm_graph.catalog import Catalog, EntityType, Field, Relation, writable
from crm_graph.errors import CrmError, Invalid
from crm_graph.scalars import parse_id
from crm_graph.schema.building import Member, define_input, empty, list_of
from crm_graph.schema.entities import EntityTypes, ExternalRefInput
from crm_graph.schema.filters import PYTHON_TYPES
from crm_graph.schema.scalars import Lenient
from crm_graph.services.commands import ParentKey
from crm_graph.services.nouns import DIRECTORY, NOUNS


def parents_of(catalog: Catalog, entity: EntityType) -> list[Relation]:
    """The to-one relations that an input names by id."""
    return list(catalog.parents(entity))


def parent_keys(catalog: Catalog, entity: EntityType) -> dict[str, str]:
    """What an input calls those relations: `customerId` for `customer`."""
    return {relation.api_name: f"{relation.api_name}Id" for relation in parents_of(catalog, entity)}


def children_of(entity: EntityType) -> list[Relation]:
    """The relations to what belongs to the record and is written with it."""
    return [entity.relations[name] for name in NOUNS[entity.name].children] if entity.name in NOUNS else []


class Inputs:
    """The write inputs of every entity that has services."""

    def __init__(self, types: EntityTypes) -> None:
        self._types = types
        self._catalog = types.catalog
        self._child_inputs: dict[str, Any] = {}
        self.create = {n: self._define(self._catalog[n], creating=True) for n in (*NOUNS, *DIRECTORY)}
        self.update = {n: self._define(self._catalog[n], creating=False) for n in (*NOUNS, *DIRECTORY)}
        self.item = {n: self._define_item(self._catalog[n]) for n in NOUNS}

    def _define(self, entity: EntityType, *, creating: bool) -> Any:
        verb = "Create" if creating else "Update"
        members = self._scalars(entity, writable(entity, creating=creating))
        for relation in parents_of(self._catalog, entity):
            about = f"Id of the {self._catalog[relation.target].api_name} that is its `{relation.api_name}`."
            members[f"{relation.api_name}Id"] = Member(strawberry.ID | None, about)
        for relation in children_of(entity):
            members[relation.api_name] = Member(
                list_of(self._child(relation)) | None,
                f"The whole list of `{relation.api_name}`; equal entries stay as they are.",
            )
        if creating and entity.workflow:
            members["pipeline"] = Member(str | None, "Key of the pipeline it starts in; the default one if not given.")
        about = "What is left out stays, null clears." if not creating else "What a new record holds."
        return define_input(empty(f"{verb}{entity.api_name}Input"), about, members)

    def _scalars(self, entity: EntityType, fields: Iterable[Field]) -> dict[str, Member]:
        lines = self._types.declarations[entity.name].members
        return {f.api_name: Member((f.enum or PYTHON_TYPES[f.kind]) | None, lines.get(f.name, "")) for f in fields}

    def _child(self, relation: Relation) -> Any:
        child = self._catalog[relation.target]
        if child.name not in self._child_inputs:
            members = self._scalars(child, writable(child, creating=True))
            about = f"One {child.api_name} in a list of its record."
            self._child_inputs[child.name] = define_input(empty(f"{child.api_name}Input"), about, members)
        return self._child_inputs[child.name]

    def _define_item(self, entity: EntityType) -> Any:
        lines = self._types.declarations[entity.name].members
        members = {
            "externalId": Member(Lenient | None, "The record's id in the source system; required."),
            "deleted": Member(Lenient | None, "True archives the record."),
        }
        for field in writable(entity, creating=True):
            members[field.api_name] = Member(Lenient | None, lines.get(field.name, ""))
        for relation in parents_of(self._catalog, entity):
            members[relation.api_name] = Member(Lenient | None, "Its parent: `{ id }` or `{ externalId }`.")
        for relation in children_of(entity):
            members[relation.api_name] = Member(Lenient | None, f"The whole list of `{relation.api_name}`.")
        return define_input(
            empty(f"Upsert{entity.api_name}Item"), "A record as another system has it; checked item by item.", members
        )


def given_members(value: Any) -> dict[str, Any]:
    """What was given of an input, by API name; what was left out is not there, null is None."""
    found = {}
    for field in value.__strawberry_definition__.fields:
        item = getattr(value, field.python_name)
        if item is not strawberry.UNSET:
            found[field.graphql_name or field.python_name] = _plain(item)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, ExternalRefInput):
        return value
    return given_members(value) if hasattr(value, "__strawberry_definition__") and not _is_leaf(value) else value


def _is_leaf(value: Any) -> bool:
    return isinstance(value, str | int | float | date | datetime | UUID)


def split_input(
    catalog: Catalog, entity: EntityType, value: Any
) -> tuple[dict[str, Any], dict[str, ParentKey], dict[str, list[Mapping[str, Any]]], str | None]:
    """An input as a command takes it: values, parents, children and the key of a pipeline."""
    members = given_members(value)
    pipeline = members.pop("pipeline", None)
    parents: dict[str, ParentKey] = {}
    keys = parent_keys(catalog, entity)
    for relation in parents_of(catalog, entity):
        key = keys[relation.api_name]
        if key in members:
            parents[relation.name] = _parent(members.pop(key), key)
    children = {r.name: members.pop(r.api_name) or [] for r in children_of(entity) if r.api_name in members}
    return members, parents, children, pipeline


def _parent(raw: Any, key: str) -> ParentKey:
    return None if raw is None else read_id(raw, key)


def read_id(raw: Any, *path: str) -> UUID:
    """An id argument. Raises Invalid with the path to it."""
    try:
        return parse_id(str(raw))
    except CrmError:
        raise Invalid("not_an_id", path=path) from None
