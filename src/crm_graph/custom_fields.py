"""Custom fields as the catalog takes them: read from their rows once, when a process starts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson

from crm_graph.models.custom_fields import CustomKind
from crm_graph.models.fields import DataClass

_KEY = re.compile(r"[a-z][A-Za-z0-9]{0,39}")
_OPTION = re.compile(r"[A-Z][A-Z0-9_]{0,39}")
MOST_FIELDS = 200
"""Of one type of records."""


class BadCustomField(ValueError):
    """A custom field that the catalog cannot take; the text names it. The process must not start."""


@dataclass(frozen=True, slots=True)
class CustomDefinition:
    """A custom field. `options` are keys with their labels, English and Chinese."""

    entity_type: str
    key: str
    kind: CustomKind
    data_class: DataClass
    label_en: str
    label_zh: str
    personal: bool = False
    options: tuple[tuple[str, str, str], ...] = ()

    def __post_init__(self) -> None:
        keys = [key for key, _, _ in self.options]
        if not _KEY.fullmatch(self.key):
            raise self._wrong("a key is a letter in lower case and up to 39 letters and digits")
        if self.data_class is DataClass.INTERNAL:
            raise self._wrong("INTERNAL is no class for a custom field")
        if (self.kind is CustomKind.ENUM) != bool(keys):
            raise self._wrong("an ENUM has options, and nothing else has")
        if len(set(keys)) != len(keys) or not all(_OPTION.fullmatch(key) for key in keys):
            raise self._wrong("keys of options differ, and are in capitals")

    def _wrong(self, why: str) -> BadCustomField:
        return BadCustomField(f"custom field {self.entity_type}.{self.key}: {why}")


_ROWS = """
SELECT entity_type, key, kind, options::text AS options, data_class, personal, label_en, label_zh
FROM custom_fields WHERE archived_at IS NULL ORDER BY entity_type, position, key
"""


async def load_custom_fields(
    connection: "asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]",
) -> tuple[CustomDefinition, ...]:
    """All that are in use, in the order of their positions. Raises BadCustomField for a row that no release wrote."""
    return tuple(_definition(row) for row in await connection.fetch(_ROWS))


def _definition(row: Mapping[str, Any]) -> CustomDefinition:
    try:
        options = tuple((o["key"], o["en"], o["zh"]) for o in orjson.loads(row["options"]))
        kind, data_class = CustomKind(row["kind"]), DataClass(row["data_class"])
    except (ValueError, TypeError, KeyError) as fault:
        raise BadCustomField(f"custom field {row['entity_type']}.{row['key']} cannot be read: {fault!r}") from None
    return CustomDefinition(
        row["entity_type"], row["key"], kind, data_class, row["label_en"], row["label_zh"], row["personal"], options
    )
