"""What clients are told of types and enums, held against the catalog."""

from collections.abc import Iterable
from enum import StrEnum

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    is_specified_scalar_type,
)

from crm_graph.catalog import build_catalog
from crm_graph.models.fields import Write
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
from crm_graph.schema.build import build_schema
from crm_graph.schema.declarations import EnumDeclaration, TypeDeclaration

NOUNS = (
    *(customers, interactions, leads, opportunities, tickets, contracts, tasks),
    *(users, teams, workflows, external_refs, files),
)
TYPES: tuple[TypeDeclaration, ...] = tuple(t for noun in NOUNS for t in noun.TYPES)
ENUMS: tuple[EnumDeclaration, ...] = tuple(e for noun in NOUNS for e in noun.ENUMS)
CATALOG = build_catalog()

# Described once for all types.
COMMON = frozenset(
    {
        "id", "version", "created_at", "updated_at", "archived_at", "owner", "team", "collaborators", "external_refs",
        "attachments", "stage", "stage_history", "stage_entered_at",
    }
)  # fmt: skip
LONGEST = 200


def described() -> Iterable[tuple[str, str]]:
    for type_ in TYPES:
        yield type_.entity, type_.description
        yield from ((f"{type_.entity}.{name}", line) for name, line in type_.members.items())
    for enum in ENUMS:
        yield enum.enum.__name__, enum.description
        yield from ((f"{enum.enum.__name__}.{name}", line) for name, line in enum.values.items())


def test_every_type_of_the_catalog_is_declared_once() -> None:
    assert sorted(t.entity for t in TYPES) == sorted(CATALOG.types)


@pytest.mark.parametrize("declaration", TYPES, ids=lambda t: t.entity)
def test_a_type_declares_exactly_its_own_fields_and_relations(declaration: TypeDeclaration) -> None:
    entity = CATALOG[declaration.entity]
    assert set(declaration.members) == {*entity.fields, *entity.relations} - COMMON


def test_every_enum_of_an_api_field_is_declared_once() -> None:
    used: set[type[StrEnum]] = {f.enum for t in CATALOG.types.values() for f in t.fields.values() if f.enum is not None}
    assert sorted(e.enum.__name__ for e in ENUMS) == sorted(enum.__name__ for enum in used)
    assert {e.enum for e in ENUMS} == used


@pytest.mark.parametrize("declaration", ENUMS, ids=lambda e: e.enum.__name__)
def test_an_enum_declares_exactly_its_members_in_their_order(declaration: EnumDeclaration) -> None:
    assert list(declaration.values) == [member.name for member in declaration.enum]


def test_descriptions_are_short_sentences() -> None:
    wrong = {
        name: line
        for name, line in described()
        if not line.endswith(".") or len(line) > LONGEST or line != line.strip() or "\n" in line
    }
    assert wrong == {}


def test_only_fields_that_services_set_say_so() -> None:
    told = {
        f"{t.entity}.{name}" for t in TYPES for name, line in t.members.items() if line.endswith("Set by the service.")
    }
    assert told == {
        f"{t.name}.{f.name}"
        for t in CATALOG.types.values()
        for f in t.fields.values()
        if f.info.write is Write.SERVICE and f.name not in COMMON
    }


def test_everything_that_clients_see_is_described() -> None:
    lacking = [path for path, description in _told(build_schema(CATALOG)) if not description]
    assert lacking == []


def _told(schema: GraphQLSchema) -> Iterable[tuple[str, str | None]]:
    for name, type_ in schema.type_map.items():
        if name.startswith("__") or is_specified_scalar_type(type_):
            continue
        yield name, type_.description
        if isinstance(type_, GraphQLEnumType):
            yield from ((f"{name}.{key}", value.description) for key, value in type_.values.items())
        elif isinstance(type_, GraphQLInputObjectType):
            yield from ((f"{name}.{key}", member.description) for key, member in type_.fields.items())
        elif isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            for key, member in type_.fields.items():
                yield f"{name}.{key}", member.description
                yield from ((f"{name}.{key}({a})", argument.description) for a, argument in member.args.items())
