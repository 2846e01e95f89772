"""`grantable`: what a grant can name, so that a page can show roles to who sees none of the records."""

from collections.abc import Iterator, Mapping
from typing import Any

import strawberry

from crm_graph.catalog import Catalog, EntityType, Field
from crm_graph.models.fields import DataClass, Write
from crm_graph.permissions.effective import field_paths, scopes_of
from crm_graph.permissions.rules import actions_of
from crm_graph.schema.building import Member
from crm_graph.schema.declarations import EnumDeclaration, Label, TypeDeclaration
from crm_graph.schema.entities import COMMON_LABELS, declarations_of, enums_of
from crm_graph.schema.labels import Labels
from crm_graph.schema.metadata import FieldKind, OptionMetadata
from crm_graph.services.rights import api_paths


@strawberry.type(description="A field that grants can name, or a parent, which they let be written.")
class GrantableField:
    name: str = strawberry.field(description="Its name in grants: `phone`, `contactPoints.raw`, `custom.loyaltyCard`.")
    label: Labels = strawberry.field(description="What people call it.")
    kind: FieldKind = strawberry.field(description="What it holds, for conditions on it.")
    options: list[OptionMetadata] | None = strawberry.field(description="The values of an enum, in their order.")
    data_class: DataClass | None = strawberry.field(description="The class whose level it has; null for parents.")
    personal: bool = strawberry.field(description="Whether it tells something of a person.")
    writable: bool = strawberry.field(description="Whether clients can ever write it.")


@strawberry.type(description="A type of records that grants can be about.")
class GrantableType:
    name: str = strawberry.field(description="Its name in this API.")
    label: Labels = strawberry.field(description="What people call one record.")
    owned: bool = strawberry.field(description="Whether its records have an owner and a team, for row rules by these.")
    fields: list[GrantableField] = strawberry.field(description="Its fields, those of its children, and its parents.")


@strawberry.type(description="What roles can give.")
class Grantable:
    types: list[GrantableType] = strawberry.field(description="The types of records.")
    actions: list[str] = strawberry.field(description="The actions, such as `leads:assign`, in order.")
    scopes: list[str] = strawberry.field(description="The scopes of OAuth clients, such as `customers:read`, in order.")


def grantable_question() -> Mapping[str, Member]:
    """The root field."""
    return {
        "grantable": Member(
            Grantable, "What roles and scopes can give: types, fields, actions. The same for every asker."
        )
    }


def told_grantable(catalog: Catalog) -> Mapping[str, Any]:
    """The answer, which depends on the catalog alone."""
    declarations, enums = declarations_of(catalog), enums_of(catalog)
    return {
        "types": [
            {
                "name": entity.api_name,
                "label": _told(declarations[entity.name].label[:2]),
                "owned": entity.owned,
                "fields": [*_fields(catalog, entity, declarations, enums), *_parents(catalog, entity, declarations)],
            }
            for entity in catalog.roots
        ],
        "actions": sorted(actions_of(catalog)),
        "scopes": sorted(scopes_of(catalog)),
    }


Declarations = Mapping[str, TypeDeclaration]
Enums = Mapping[Any, EnumDeclaration]


def _fields(
    catalog: Catalog, entity: EntityType, declarations: Declarations, enums: Enums
) -> Iterator[Mapping[str, Any]]:
    names, children = api_paths(catalog, entity), {relation.name: relation for relation in catalog.children(entity)}
    for path, member in field_paths(catalog, entity):
        first, _, rest = path.partition(".")
        if member.custom is not None:
            label: Label = (member.custom.label_zh, member.custom.label_en)
        elif rest and first in children:
            whole = _label(declarations[entity.name], first)
            part = _label(declarations[children[first].target], rest)
            label = (f"{whole[0]} · {part[0]}", f"{whole[1]} · {part[1]}")
        else:
            label = _label(declarations[entity.name], path)
        yield {
            "name": names[path],
            "label": _told(label),
            "kind": FieldKind(member.kind.value).value,
            "options": _options(member, enums),
            "dataClass": member.data_class.value,
            "personal": member.info.personal,
            "writable": member.custom is None and member.info.write is not Write.SERVICE,
        }


def _parents(catalog: Catalog, entity: EntityType, declarations: Declarations) -> Iterator[Mapping[str, Any]]:
    for relation in catalog.parents(entity):
        label = _told(_label(declarations[entity.name], relation.name))
        yield {
            "name": relation.api_name,
            "label": label,
            "kind": FieldKind.RECORD.value,
            "options": None,
            "dataClass": None,
            "personal": False,
            "writable": True,
        }


def _options(member: Field, enums: Enums) -> list[Mapping[str, Any]] | None:
    if member.enum is None:
        return None
    declared = enums[member.enum]
    return [
        {"value": value, "label": _told(declared.labels[value]), "description": about}
        for value, about in declared.values.items()
    ]


def _label(declaration: TypeDeclaration, member: str) -> Label:
    return declaration.labels.get(member) or COMMON_LABELS[member]


def _told(label: Label) -> Mapping[str, str]:
    return {"zh": label[0], "en": label[1]}
