"""Makes Strawberry types out of declarations, in two steps so that types can name each other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from keyword import iskeyword
from typing import Any, cast

import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.field import StrawberryField

from crm_graph.catalog import camel
from crm_graph.schema.declarations import EnumDeclaration


@dataclass(frozen=True)
class Argument:
    """An argument of a field; with a default it may be left out."""

    type: Any
    description: str
    default: Any = strawberry.UNSET


@dataclass(frozen=True)
class Member:
    """A field of a type or input."""

    type: Any
    description: str
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    resolver: Callable[..., Any] | None = None


def list_of(type_: Any) -> Any:
    """The annotation of a list of a type that is made at start."""
    return list[type_]


def empty(name: str) -> Any:
    """A class that other declarations can already name."""
    return type(name, (), {"__module__": __name__})


def define_type(cls: Any, description: str, members: Mapping[str, Member]) -> Any:
    """Make `cls` an object type; its bases are the interfaces."""
    return strawberry.type(_with_fields(cls, members), description=description)


def define_interface(cls: Any, description: str, members: Mapping[str, Member]) -> Any:
    """Make `cls` an interface."""
    return strawberry.interface(_with_fields(cls, members), description=description)


def define_input(cls: Any, description: str, members: Mapping[str, Member]) -> Any:
    """Make `cls` an input; every member may be left out."""
    names = {_attribute(name): (name, member) for name, member in members.items()}
    cls.__annotations__ = {attribute: member.type for attribute, (_, member) in names.items()}
    for attribute, (name, member) in names.items():
        setattr(cls, attribute, strawberry.field(name=name, description=member.description, default=strawberry.UNSET))
    return strawberry.input(cls, description=description)


def define_enum(declaration: EnumDeclaration) -> Any:
    """Register an enum with a description for each value, also one that an annotation has registered before."""
    cls = cast(Any, declaration.enum)
    if "__strawberry_definition__" not in vars(cls):
        strawberry.enum(cls)
    cls.__strawberry_definition__.description = declaration.description
    for value in cls.__strawberry_definition__.values:
        value.description = declaration.values[value.name]
    return cls


def enum_of(cls: type[StrEnum], **values: str) -> EnumDeclaration:
    """A declaration whose description is the enum's docstring."""
    return EnumDeclaration(cls, cls.__doc__ or "", values)


def _attribute(name: str) -> str:
    """A Python name for a GraphQL name that is a keyword, such as `not`."""
    return f"{name}_" if iskeyword(name) else name


def _with_fields(cls: Any, members: Mapping[str, Member]) -> Any:
    cls.__annotations__ = {_attribute(name): member.type for name, member in members.items()}
    for name, member in members.items():
        made = make_field(name, member)
        made.python_name = _attribute(name)
        setattr(cls, _attribute(name), made)
    return cls


def make_field(name: str, member: Member) -> StrawberryField:
    """A Strawberry field whose arguments are declared, not read from a signature."""
    resolver: Any = member.resolver
    made: StrawberryField = strawberry.field(resolver=resolver, name=camel(name), description=member.description)
    made.python_name = name
    if member.arguments:
        made.arguments = [
            StrawberryArgument(
                python_name=key,
                graphql_name=camel(key),
                type_annotation=StrawberryAnnotation(argument.type),
                description=argument.description,
                default=argument.default,
            )
            for key, argument in member.arguments.items()
        ]
    return made
