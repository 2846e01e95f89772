"""The catalog: types, fields, relations and data classes, read from the mappers and the rows of custom fields.

Whoever needs to know what exists asks it.
"""

import hashlib
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from itertools import chain
from typing import Any, cast
from zlib import crc32

from sqlalchemy import BigInteger, Boolean, Date, DateTime, Enum, Integer, Numeric, String, Uuid, inspect
from sqlalchemy.orm import Mapper, RelationshipProperty

from crm_graph import models
from crm_graph.custom_fields import MOST_FIELDS, BadCustomField, CustomDefinition
from crm_graph.models import Child, Identified, Root, Tracked, Workflow
from crm_graph.models.fields import DataClass, FieldInfo, Mask, Search, Write, info_of

# Registering an entity for the API is one line here.
API_MODELS: tuple[type[Identified], ...] = (
    models.Customer,
    models.Interaction,
    models.Lead,
    models.Opportunity,
    models.Ticket,
    models.Contract,
    models.Task,
    models.User,
    models.Team,
    models.Pipeline,
    models.Stage,
    models.ContactPoint,
    models.Address,
    models.ContractLine,
    models.ExternalRef,
    models.StageChange,
    models.File,
)


class Kind(StrEnum):
    """The scalar kinds of the API."""

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


PG_TYPES: Mapping[Kind, str] = {
    Kind.ID: "uuid",
    Kind.TEXT: "text",
    Kind.INT: "integer",
    Kind.BIG_INT: "bigint",
    Kind.DECIMAL: "numeric",
    Kind.BOOLEAN: "boolean",
    Kind.DATE: "date",
    Kind.DATE_TIME: "timestamptz",
    Kind.ENUM: "text",
    Kind.MONEY: "numeric",
    Kind.TEXT_LIST: "text[]",
}


LONGEST_ORDERED = 500
CUSTOM = "custom"
"""The column that custom fields are in, and what leads to them in the API and in paths of rights."""


class CatalogError(Exception):
    """The mappers, the API and the policy do not fit together; the process must not start."""


@dataclass(frozen=True, slots=True)
class Field:
    """A scalar field. `name` is its attribute and column name, `api_name` its GraphQL name. One with a `custom`
    definition is a key of the column `custom`: its name is the path of its rights, `custom.loyaltyCard`.
    """

    name: str
    api_name: str
    kind: Kind
    nullable: bool
    has_default: bool
    info: FieldInfo
    enum: type[StrEnum] | None = None
    scale: int | None = None
    based: bool = False
    custom: CustomDefinition | None = None
    indexed: bool = False

    @property
    def api_path(self) -> str:
        """Its name as seen from the record."""
        return self.name if self.custom else self.api_name

    @property
    def data_class(self) -> DataClass:
        return self.info.data_class

    @property
    def mask(self) -> Mask | None:
        return self.info.mask

    @property
    def sort_column(self) -> str:
        """The column that orders and filters this field: money compares in base currency where it has one."""
        return f"{self.name}_base" if self.based else self.name

    @property
    def pg_type(self) -> str:
        return PG_TYPES[self.kind]

    @property
    def orderable(self) -> bool:
        """Whether lists can be ordered by it: bodies of text are too long to stand in a cursor, lists have no order."""
        return self.info.max_length <= LONGEST_ORDERED and self.kind is not Kind.TEXT_LIST


class Shape(StrEnum):
    """How a relation appears in the API."""

    ONE = "ONE"
    LIST = "LIST"
    CONNECTION = "CONNECTION"


@dataclass(frozen=True, slots=True)
class Link:
    """The table between two types of a many-to-many relation."""

    table: str
    here: str
    there: str


@dataclass(frozen=True, slots=True)
class Relation:
    """`target.remote = here.local`, through `link` for many-to-many."""

    name: str
    api_name: str
    target: str
    shape: Shape
    local: str
    remote: str
    link: Link | None = None
    nullable: bool = True


@dataclass(frozen=True)
class EntityType:
    """One type of the API.

    `name` is the singular in snake_case, `root` the type that a child belongs to (`*`: any root).
    """

    name: str
    plural: str
    api_name: str
    api_plural: str
    code: int
    model: type[Any]
    table: str
    fields: Mapping[str, Field]
    relations: Mapping[str, Relation]
    root: str | None
    owned: bool
    tracked: bool
    workflow: bool
    custom: Mapping[str, Field] = field(default_factory=dict)

    @property
    def cells(self) -> Iterable[Field]:
        """Its own fields and the custom ones."""
        return chain(self.fields.values(), self.custom.values())

    @cached_property
    def by_api_name(self) -> Mapping[str, Field | Relation]:
        """Fields and relations by their GraphQL names."""
        members: tuple[Field | Relation, ...] = (*self.fields.values(), *self.relations.values())
        return {m.api_name: m for m in members}

    @property
    def is_child(self) -> bool:
        return self.root is not None

    @property
    def is_listed(self) -> bool:
        """Whether it stands in connections, and is found by its id alone."""
        return not self.is_child or bool(self.model.paged)


@dataclass(frozen=True)
class Catalog:
    """All types. `version` changes when what exists changes."""

    types: Mapping[str, EntityType]
    version: int = 1
    by_api_name: Mapping[str, EntityType] = field(init=False)
    by_code: Mapping[int, EntityType] = field(init=False)
    by_plural: Mapping[str, EntityType] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_api_name", {t.api_name: t for t in self.types.values()})
        object.__setattr__(self, "by_code", {t.code: t for t in self.types.values()})
        object.__setattr__(self, "by_plural", {t.plural: t for t in self.types.values() if not t.is_child})

    def __getitem__(self, name: str) -> EntityType:
        return self.types[name]

    @property
    def roots(self) -> Iterable[EntityType]:
        """The types that stand on their own, with rights of their own."""
        return (t for t in self.types.values() if not t.is_child)

    def children(self, entity: EntityType) -> Iterable[Relation]:
        """The relations of a type to what belongs to it and shares its rights."""
        return (r for r in entity.relations.values() if self.types[r.target].is_child)

    def holders(self, child: EntityType) -> Iterable[tuple[EntityType, Relation]]:
        """The root types that a child can belong to, each with the relation that leads to it."""
        return ((root, r) for root in self.roots for r in root.relations.values() if r.target == child.name)

    def parents(self, entity: EntityType) -> Iterable[Relation]:
        """The to-one relations that inputs set: not owner, team and stage, which have verbs of their own."""
        return (r for r in entity.relations.values() if r.shape is Shape.ONE and self.types[r.target].owned)


def camel(name: str) -> str:
    """`first_name` as `firstName`."""
    head, *tail = name.split("_")
    return head + "".join(part.title() if part.islower() else part.capitalize() for part in tail)


def build_catalog(custom: Sequence[CustomDefinition] = ()) -> Catalog:
    """Read the mappers, and add custom fields. Raises CatalogError for a column without a data class, BadCustomField
    for a custom field of a type that has none, or of a key that is taken.
    """
    names = {model: _snake(model.__name__) for model in API_MODELS}
    types = {names[model]: _entity(model, names) for model in API_MODELS}
    for definition in custom:
        entity = types.get(definition.entity_type)
        if entity is None or not entity.owned:
            raise BadCustomField(f"custom field {definition.entity_type}.{definition.key}: there is no such type")
        if definition.key in entity.custom or len(entity.custom) == MOST_FIELDS:
            raise BadCustomField(f"custom field {definition.entity_type}.{definition.key}: one too many")
        types[entity.name] = replace(
            entity, custom={**entity.custom, definition.key: _custom_field(entity, definition)}
        )
    return Catalog(types, version=crc32(repr(tuple(custom)).encode()) if custom else 1)


def custom_type(entity: EntityType) -> str:
    """The GraphQL type of a record's custom values."""
    return f"{entity.api_name}Custom"


def _custom_field(entity: EntityType, definition: CustomDefinition) -> Field:
    enum = None
    if definition.options:
        name = f"{custom_type(entity)}{definition.key[0].upper()}{definition.key[1:]}Option"
        enum = cast(type[StrEnum], StrEnum(name, [(key, key) for key, _, _ in definition.options]))
    return Field(
        name=f"{CUSTOM}.{definition.key}",
        api_name=definition.key,
        kind=Kind[definition.kind.name],
        nullable=True,
        has_default=True,
        info=FieldInfo(definition.data_class, definition.personal, write=Write.SERVICE, max_length=LONGEST_ORDERED),
        enum=enum,
        custom=definition,
    )


def _snake(class_name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(class_name))


def _entity(model: type[Identified], names: Mapping[Any, str]) -> EntityType:
    mapper: Mapper[Any] = inspect(model)
    plural = str(mapper.local_table.name)  # type: ignore[attr-defined]  # a FromClause that is a Table here
    fields = {}
    for attribute in mapper.column_attrs:
        column = attribute.columns[0]
        info = info_of(column)
        if info is None:
            raise CatalogError(f"{plural}.{attribute.key} has no data class")
        if info.api:
            fields[attribute.key] = _field(attribute.key, column, info)
    relations = {r.key: _relation(r, names) for r in mapper.relationships if r.mapper.class_ in names}
    return EntityType(
        name=names[model],
        plural=plural,
        api_name=model.__name__,
        api_plural=camel(plural),
        code=int(model.code),
        model=model,
        table=plural,
        fields=fields,
        relations=relations,
        root=getattr(model, "root", None),
        owned=issubclass(model, Root),
        tracked=issubclass(model, Tracked),
        workflow=issubclass(model, Workflow),
    )


def _field(name: str, column: Any, info: FieldInfo) -> Field:
    enum: Any = column.type.enum_class if isinstance(column.type, Enum) else None
    return Field(
        name=name,
        api_name=camel(name),
        kind=Kind.MONEY if info.money else _kind(column.type),
        nullable=bool(column.nullable),
        has_default=column.server_default is not None,
        info=info,
        enum=enum,
        scale=column.type.scale if isinstance(column.type, Numeric) else None,
        based=f"{name}_base" in column.table.columns,
        indexed=_leads_an_index(column),
    )


def _leads_an_index(column: Any) -> bool:
    """Whether an index over all rows of its table begins with the column."""
    options = ((index, index.dialect_options["postgresql"]) for index in column.table.indexes)
    return any(
        next(iter(index.columns), None) is column and given["where"] is None and not given["using"]
        for index, given in options
    )


def _kind(type_: Any) -> Kind:
    for sql_type, kind in (
        (Enum, Kind.ENUM),
        (Uuid, Kind.ID),
        (Boolean, Kind.BOOLEAN),
        (BigInteger, Kind.BIG_INT),
        (Integer, Kind.INT),
        (Numeric, Kind.DECIMAL),
        (DateTime, Kind.DATE_TIME),
        (Date, Kind.DATE),
        (String, Kind.TEXT),
    ):
        if isinstance(type_, sql_type):
            return kind
    raise CatalogError(f"no API kind for {type_!r}")


def _relation(prop: RelationshipProperty[Any], names: Mapping[Any, str]) -> Relation:
    target = prop.mapper.class_
    link = None
    pairs = list(prop.local_remote_pairs or ())
    local, remote = pairs[0][0].name, pairs[0][1].name
    if prop.secondary is not None:
        link = Link(str(prop.secondary.name), pairs[0][1].name, pairs[1][1].name)  # type: ignore[attr-defined]  # a Table
        remote = pairs[1][0].name
    if not prop.uselist:
        shape = Shape.ONE
    elif prop.secondary is not None or (issubclass(target, Child) and not target.paged):
        shape = Shape.LIST
    else:
        shape = Shape.CONNECTION
    nullable = bool(pairs[0][0].nullable) or shape is not Shape.ONE
    return Relation(prop.key, camel(prop.key), names[target], shape, local, remote, link, nullable)


def writable(entity: EntityType, *, creating: bool) -> list[Field]:
    """The fields that an input may set."""
    kinds = (Write.INPUT, Write.CREATE_ONLY) if creating else (Write.INPUT,)
    return [f for f in entity.fields.values() if f.info.write in kinds]


@dataclass(frozen=True, slots=True)
class Searched:
    """A field that a type is searched by: its own, or that of what belongs to it through `relation`.

    `tag` begins the keys of the field in the search index; it follows from the field's name, so that the index of one
    version serves the next.
    """

    relation: Relation | None
    field: Field
    how: Search
    tag: str


def searched_fields(catalog: Catalog, entity: EntityType) -> tuple[Searched, ...]:
    """The fields that a type is searched by, its own first. Raises CatalogError where two would share a tag."""
    own = [(None, field) for field in entity.fields.values()]
    below = [(r, field) for r in catalog.children(entity) for field in catalog[r.target].fields.values()]
    found = tuple(
        Searched(relation, field, field.info.search, _tag(entity, relation, field))
        for relation, field in (*own, *below)
        if field.info.search is not None
    )
    if len({searched.tag for searched in found}) < len(found):
        raise CatalogError(f"{entity.name}: two searched fields have the same tag; rename one")
    return found


def _tag(entity: EntityType, relation: Relation | None, field: Field) -> str:
    path = f"{entity.name}.{relation.name}.{field.name}" if relation else f"{entity.name}.{field.name}"
    return f"{string.ascii_letters[entity.code]}{hashlib.sha256(path.encode()).hexdigest()[:3]}"
