"""Values of custom fields, right and wrong, and what a value is worth as its type."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random
from typing import Any

from crm_graph.catalog import Field, Kind

_GOOD: Mapping[Kind, tuple[Any, ...]] = {
    Kind.TEXT: ("", "a", "A", "ab", "上海", "😀", "x" * 500),
    Kind.INT: (0, 1, 5, 5, -2147483648, 2147483647),
    Kind.DECIMAL: (0, 1.5, -3, "12.50", "1000000"),
    Kind.BOOLEAN: (True, False),
    Kind.DATE: ("2026-11-22", "1990-05-01", "2024-02-29"),
    Kind.DATE_TIME: ("2026-11-22T04:00:00Z", "2026-10-13T12:30:00+08:00", "2025-01-01T00:00:00.5Z"),
    Kind.TEXT_LIST: ([], ["a"], ["a", "b", "上海"], ["A", "b", 1, None, {"a": 1}]),
}
_BAD: tuple[Any, ...] = (
    None, True, 5, 1.5, 2147483648, 1e300, "", "x" * 501, "2026-02-30", "2026-11-22T25:00:00Z", "2026-11-22T04:00:00",
    "infinity", "now", "NaN", "1e5", "MIDNIGHT", {"a": 1}, {}, [1], [[]],
)  # fmt: skip


def some_custom(random: Random, fields: Mapping[str, Field]) -> dict[str, Any]:
    """A document of custom values: some missing, some of another type, some that no field has."""
    made: dict[str, Any] = {"legacy": "kept"} if random.random() < 0.2 else {}
    for key, field in fields.items():
        if random.random() < 0.75:
            good = tuple(field.enum.__members__) if field.enum is not None else _GOOD[field.kind]
            made[key] = random.choice(good if random.random() < 0.75 else _BAD)
    return made


def custom_value(field: Field, document: Mapping[str, Any]) -> Any:
    """What a custom field is worth: its value as its type, None for what is missing or of another type."""
    return _READERS[field.kind](field, document.get(field.api_name))


def _text(_: Field, raw: Any) -> str | None:
    return raw if isinstance(raw, str) and len(raw) <= 500 else None


def _int(_: Field, raw: Any) -> int | None:
    whole = isinstance(raw, int | float) and not isinstance(raw, bool) and raw == int(raw)
    return int(raw) if whole and -(2**31) <= raw < 2**31 else None


def _decimal(_: Field, raw: Any) -> Decimal | None:
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        return Decimal(str(raw)) if abs(raw) < 10**20 else None
    return Decimal(raw) if isinstance(raw, str) and re.fullmatch(r"-?\d{1,20}(\.\d{1,15})?", raw) else None


def _boolean(_: Field, raw: Any) -> bool | None:
    return raw if isinstance(raw, bool) else None


def _date(_: Field, raw: Any) -> date | None:
    try:
        return date.fromisoformat(raw) if isinstance(raw, str) and len(raw) == 10 else None
    except ValueError:
        return None


def _date_time(_: Field, raw: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(raw) if isinstance(raw, str) and len(raw) > 10 else None
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment is not None and moment.tzinfo else None


def _option(field: Field, raw: Any) -> str | None:
    return raw if field.enum is not None and isinstance(raw, str) and raw in field.enum.__members__ else None


def _list(_: Field, raw: Any) -> list[str] | None:
    return [item for item in raw if isinstance(item, str)] if isinstance(raw, list) else None


_READERS = {
    Kind.TEXT: _text,
    Kind.INT: _int,
    Kind.DECIMAL: _decimal,
    Kind.BOOLEAN: _boolean,
    Kind.DATE: _date,
    Kind.DATE_TIME: _date_time,
    Kind.ENUM: _option,
    Kind.TEXT_LIST: _list,
}
