"""How a noun declares itself to clients: one line for each field, relation and enum value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Label = tuple[str, str]
"""What people call a thing on a screen, in Chinese and in English."""


@dataclass(frozen=True)
class TypeDeclaration:
    """What clients are told of a type. Every API field and relation of the catalog has one line, by attribute name.

    `label` names one record in Chinese, one in English and many in English; `labels` name the members.
    """

    entity: str
    description: str
    members: Mapping[str, str]
    label: tuple[str, str, str]
    labels: Mapping[str, Label]


@dataclass(frozen=True)
class EnumDeclaration:
    """What clients are told of an enum: one line and, where it is the type of a field, one label for each value."""

    enum: type[StrEnum]
    description: str
    values: Mapping[str, str]
    labels: Mapping[str, Label] = field(default_factory=dict)
