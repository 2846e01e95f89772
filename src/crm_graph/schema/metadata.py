"""`entityMetadata`: what a form needs to know of types and fields, read off the schema of the role set that asks."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import Any

import strawberry
from graphql import GraphQLSchema

from crm_graph.access import Access, Level
from crm_graph.catalog import Catalog, EntityType, Field, Kind, Relation, Shape, custom_type
from crm_graph.custom_fields import CustomDefinition
from crm_graph.models.fields import DataClass
from crm_graph.resolvers.documents import CONSTANT
from crm_graph.schema.building import Argument, Member, define_enum, enum_of
from crm_graph.schema.custom_fields import described
from crm_graph.schema.declarations import Label
from crm_graph.schema.entities import COMMON, COMMON_LABELS, declarations_of, enums_of
from crm_graph.schema.labels import Labels


class FieldKind(StrEnum):
    """What a field holds."""

    ID = "ID"
    TEXT = "TEXT"
    INT = "INT"
    BIG_INT = "BIG_INT"
    DECIMAL = "DECIMAL"
    BOOLEAN = "BOOLEAN"
    DATE = "DATE"
    DATE_TIME = "DATE_TIME"
    ENUM = "ENUM"
    MONEY = "MONEY"
    TEXT_LIST = "TEXT_LIST"
    RECORD = "RECORD"


class FieldLevel(StrEnum):
    """The most that a field shows to you; on some records it may show less."""

    MASKED = "MASKED"
    LOOKUP = "LOOKUP"
    READ = "READ"


ENUMS = (
    enum_of(
        FieldKind,
        ID="An opaque id.",
        TEXT="Text.",
        INT="A 32-bit integer.",
        BIG_INT="A 64-bit integer, as a string.",
        DECIMAL="A decimal number, as a string.",
        BOOLEAN="True or false.",
        DATE="A calendar date.",
        DATE_TIME="A moment.",
        ENUM="One of `options`.",
        MONEY="An amount in the record's currency.",
        TEXT_LIST="Any number of texts.",
        RECORD="Another record, of type `target`; inputs name it by `<name>Id`.",
    ),
    enum_of(
        FieldLevel,
        MASKED="Redacted, or withheld where it has no mask.",
        LOOKUP="Redacted, but found by its exact value.",
        READ="In full.",
    ),
    enum_of(
        DataClass,
        BASIC="What everybody who sees the record sees of it.",
        CONTACT="How to reach somebody (联系方式).",
        IDENTITY="Who somebody is: identity numbers, date of birth (身份信息).",
        BILLING="Invoices and tax (开票信息).",
        BANK="Bank accounts (银行信息).",
        AMOUNT="Amounts (金额).",
        COST="Costs, margins, commissions (成本).",
        KYC="Identity checks and risk (合规).",
        CONTENT="What was said or written (内容).",
        METRIC="Figures about the record, such as scores (指标).",
        INTERNAL="Bookkeeping of the hub itself.",
    ),
)


@strawberry.type(description="One value of an enum, as a form offers it.")
class OptionMetadata:
    value: str = strawberry.field(description="The value.")
    label: Labels = strawberry.field(description="What people call it.")
    description: str = strawberry.field(description="What it means.")


@strawberry.type(description="A field or a to-one relation of a type, as you may see and write it.")
class FieldMetadata:
    name: str = strawberry.field(
        description="Its name in this API, of a custom field with what leads to it: `custom.<key>`."
    )
    custom: bool = strawberry.field(description="Whether the company added it; it stands under `custom` everywhere.")
    kind: FieldKind = strawberry.field(description="What it holds.")
    label: Labels = strawberry.field(description="What people call it.")
    description: str = strawberry.field(description="What it means, with unit and rule.")
    target: str | None = strawberry.field(description="Type of the record that it leads to; null for values.")
    required: bool = strawberry.field(description="Whether a new record needs it.")
    nullable: bool = strawberry.field(description="Whether it may be without a value; null clears it then.")
    writable_on_create: bool = strawberry.field(description="Whether you may give it to a new record.")
    writable_on_update: bool = strawberry.field(description="Whether you may change it.")
    max_length: int | None = strawberry.field(description="The longest text that it takes, in characters.")
    scale: int | None = strawberry.field(description="How many decimals it keeps.")
    options: list[OptionMetadata] | None = strawberry.field(description="The values of an enum, in their order.")
    data_class: DataClass | None = strawberry.field(description="The kind of data that rights go by; null for records.")
    personal: bool = strawberry.field(description="Whether it tells something of a person.")
    filterable: bool = strawberry.field(
        description="Whether `where` takes conditions on it; where the level is LOOKUP, a list takes whole values."
    )
    sortable: bool = strawberry.field(description="Whether `orderBy` takes it.")
    level: FieldLevel = strawberry.field(description="The most that it shows to you.")


@strawberry.type(description="A type of records, as you may see and write it.")
class EntityMetadata:
    name: str = strawberry.field(description="Its name in this API.")
    label: Labels = strawberry.field(description="What people call one record.")
    plural_label: Labels = strawberry.field(description="What people call many.")
    description: str = strawberry.field(description="What it is.")
    fields: list[FieldMetadata] = strawberry.field(description="Its fields and to-one relations that you may see.")


ROOT_FIELD = "entity_metadata"


def metadata_field() -> Mapping[str, Member]:
    """The root field; what it answers is made for each role set."""
    for declaration in ENUMS:
        define_enum(declaration)
    names = Argument(list[str] | None, "Names of types, such as `Customer`; those that you may not see are left out.")
    about = "What forms need: types and fields with labels, options and what you may write; all if nothing is said."
    return {ROOT_FIELD: Member(list[EntityMetadata], about, {"types": names})}


def answer_metadata(schema: GraphQLSchema, catalog: Catalog, access: Access) -> None:
    """Let a role's schema answer `entityMetadata`. It depends on the role set alone, so it is asked once."""
    if schema.query_type is None:
        return
    field = schema.query_type.fields["entityMetadata"]
    field.resolve = partial(_resolve, _Describing(schema, catalog, access))
    field.extensions = {**field.extensions, CONSTANT: True}


def _resolve(describing: "_Describing", _source: Any, _info: Any, types: Sequence[str] | None = None) -> Any:
    return describing.types(types)


def _labels(label: Label) -> Labels:
    return Labels(zh=label[0], en=label[1])


class _Describing:
    """Describes what one role's schema has: a field is writable or filterable where its inputs have it."""

    def __init__(self, schema: GraphQLSchema, catalog: Catalog, access: Access) -> None:
        self._schema = schema
        self._catalog = catalog
        self._access = access
        self._declarations = declarations_of(catalog)
        self._enums = enums_of(catalog)

    def types(self, names: Sequence[str] | None) -> list[EntityMetadata]:
        """The types of those names, or all, that the role set may see; each once."""
        wanted = [t.api_name for t in self._catalog.types.values()] if names is None else dict.fromkeys(names)
        seen = (self._catalog.by_api_name[n] for n in wanted if n in self._catalog.by_api_name)
        return [self._type(entity) for entity in seen if entity.api_name in self._schema.type_map]

    def _type(self, entity: EntityType) -> EntityMetadata:
        declaration = self._declarations[entity.name]
        zh, one, many = declaration.label
        return EntityMetadata(
            name=entity.api_name,
            label=_labels((zh, one)),
            plural_label=_labels((zh, many)),
            description=declaration.description,
            fields=[self._field(entity, member) for member in self._members(entity)],
        )

    def _members(self, entity: EntityType) -> Iterator[Field | Relation]:
        type_: Any = self._schema.type_map[entity.api_name]
        yield from (f for f in entity.fields.values() if f.api_name in type_.fields)
        for relation in entity.relations.values():
            if relation.shape is Shape.ONE and relation.api_name in type_.fields:
                yield relation
        custom: Any = self._schema.type_map.get(custom_type(entity))
        yield from (f for f in entity.custom.values() if custom is not None and f.api_name in custom.fields)

    def _field(self, entity: EntityType, member: Field | Relation) -> FieldMetadata:
        if isinstance(member, Field) and member.custom:
            return self._custom_field(entity, member, member.custom)
        declaration, name = self._declarations[entity.name], member.name
        relation = isinstance(member, Relation)
        given = f"{member.api_name}Id" if relation else member.api_name
        create, update = self._inputs(entity)
        required = not member.nullable or (isinstance(member, Field) and member.info.required)
        settable = given in self._input(create)
        return FieldMetadata(
            name=member.api_name,
            custom=False,
            label=_labels(declaration.labels.get(name) or COMMON_LABELS[name]),
            description=declaration.members.get(name) or COMMON[name],
            required=required and settable and not (isinstance(member, Field) and member.has_default),
            nullable=not required,
            writable_on_create=settable,
            writable_on_update=given in self._input(update),
            filterable=self._is_filterable(entity, member),
            sortable=member.api_name in self._input(f"{entity.api_name}OrderBy"),
            **(self._of_relation(member) if isinstance(member, Relation) else self._of_value(entity, member)),
        )

    def _is_filterable(self, entity: EntityType, member: Field | Relation) -> bool:
        """Whether `where` takes all kinds of conditions on it. One that is only looked up has the level LOOKUP."""
        given = member.api_name in self._input(f"{entity.api_name}Where")
        return given and (isinstance(member, Relation) or self._ceiling(entity, member) is Level.READ)

    def _custom_field(self, entity: EntityType, member: Field, custom: CustomDefinition) -> FieldMetadata:
        return FieldMetadata(
            name=member.api_path,
            custom=True,
            label=_labels((custom.label_zh, custom.label_en)),
            description=described(custom),
            required=False,
            nullable=True,
            # No input takes custom values.
            writable_on_create=False,
            writable_on_update=False,
            filterable=member.api_name in self._input(f"{custom_type(entity)}Where"),
            sortable=member.api_name in self._input(f"{custom_type(entity)}OrderBy"),
            **self._of_value(entity, member),
        )

    def _of_relation(self, relation: Relation) -> dict[str, Any]:
        return {
            "kind": FieldKind.RECORD,
            "target": self._catalog[relation.target].api_name,
            "max_length": None,
            "scale": None,
            "options": None,
            "data_class": None,
            "personal": False,
            "level": FieldLevel.READ,
        }

    def _of_value(self, entity: EntityType, member: Field) -> dict[str, Any]:
        return {
            "kind": FieldKind(member.kind.value),
            "target": None,
            "max_length": member.info.max_length if member.kind is Kind.TEXT else None,
            "scale": member.scale,
            "options": self._options(member),
            "data_class": member.data_class,
            "personal": member.info.personal,
            "level": FieldLevel[self._ceiling(entity, member).name],
        }

    def _options(self, member: Field) -> list[OptionMetadata] | None:
        if member.enum is None:
            return None
        declaration = self._enums[member.enum]
        return [
            OptionMetadata(value=value, label=_labels(declaration.labels[value]), description=about)
            for value, about in declaration.values.items()
        ]

    def _inputs(self, entity: EntityType) -> tuple[str, str]:
        """The inputs of a new record and of a change; what belongs to a record is given as a whole list."""
        if entity.is_child:
            return f"{entity.api_name}Input", f"{entity.api_name}Input"
        mutations = self._schema.mutation_type.fields if self._schema.mutation_type else {}
        create, update = (f"{verb}{entity.api_name}" for verb in ("create", "update"))
        return (
            f"Create{entity.api_name}Input" if create in mutations else "",
            f"Update{entity.api_name}Input" if update in mutations else "",
        )

    def _input(self, name: str) -> Mapping[str, Any]:
        type_: Any = self._schema.type_map.get(name)
        return type_.fields if type_ is not None else {}

    def _ceiling(self, entity: EntityType, member: Field) -> Level:
        """The highest level of a field; a child's is the highest that any of its roots gives."""
        if not entity.is_child:
            return self._access.ceiling(entity.name, member.name)
        return max(
            self._access.ceiling(root.name, f"{relation.name}.{member.name}")
            for root in self._catalog.roots
            for relation in root.relations.values()
            if relation.target == entity.name
        )
