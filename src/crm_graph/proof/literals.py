"""Values of generated operations, as documents write them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson


class Name(str):
    """An enum value: bare in a document, a string in variables."""

    __slots__ = ()


@dataclass(frozen=True)
class Written:
    """A piece of the document: a variable."""

    text: str


def arguments_in_document(arguments: Mapping[str, Any]) -> str:
    """Arguments as a document writes them behind a field; nothing where there are none."""
    written = ", ".join(f"{name}: {in_document(value)}" for name, value in arguments.items())
    return f"({written})" if written else ""


def in_document(value: Any) -> str:
    """A value as a GraphQL literal."""
    match value:
        case Written():
            return value.text
        case Name():
            return str(value)
        case Mapping():
            return "{" + ", ".join(f"{key}: {in_document(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(in_document(item) for item in value) + "]"
    return orjson.dumps(value).decode()
