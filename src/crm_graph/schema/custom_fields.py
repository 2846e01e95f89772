"""Custom fields in the schema: the type of a record's custom values, and the enums of their options."""

from collections.abc import Iterator
from typing import Any

from crm_graph.catalog import EntityType, Field, custom_type
from crm_graph.custom_fields import CustomDefinition
from crm_graph.schema.building import Member, define_enum, define_type, empty
from crm_graph.schema.declarations import EnumDeclaration
from crm_graph.schema.filters import PYTHON_TYPES


def option_declarations(entity: EntityType) -> Iterator[EnumDeclaration]:
    """The enums of an entity's custom fields, with the labels of their options."""
    for field in entity.custom.values():
        if field.enum is not None and field.custom is not None:
            values = {key: f"{en} ({zh})." for key, en, zh in field.custom.options}
            labels = {key: (zh, en) for key, en, zh in field.custom.options}
            yield EnumDeclaration(field.enum, f"Options of `{field.name}`.", values, labels)


def define_options(entity: EntityType) -> None:
    """Register the enums of an entity's custom fields."""
    for declaration in option_declarations(entity):
        define_enum(declaration)


def custom_member(entity: EntityType) -> Member:
    """The field `custom` of a type that has custom fields."""
    members = {f.api_name: Member((f.enum or PYTHON_TYPES[f.kind]) | None, _about(f)) for f in entity.custom.values()}
    about = f"What the company adds to {entity.api_name} records."
    cls: Any = define_type(empty(custom_type(entity)), about, members)
    return Member(cls | None, about)


def described(custom: CustomDefinition) -> str:
    """What clients are told of a custom field."""
    return f"{custom.label_en} ({custom.label_zh})."


def _about(field: Field) -> str:
    return described(field.custom) if field.custom else ""
