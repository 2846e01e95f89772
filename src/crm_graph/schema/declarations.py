"""How a noun declares itself to clients: one line for each field, relation and enum value."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class TypeDeclaration:
    """What clients are told of a type. Every API field and relation of the catalog has one line, by attribute name."""

    entity: str
    description: str
    members: Mapping[str, str]


@dataclass(frozen=True)
class EnumDeclaration:
    """What clients are told of an enum: one line for each value."""

    enum: type[StrEnum]
    description: str
    values: Mapping[str, str]
