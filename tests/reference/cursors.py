"""Cursors in reference answers: opaque, but each is of one row, which is all that the reference says of it."""

from base64 import b64decode
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson


@dataclass(frozen=True)
class Cursor:
    """The cursor of a row, whatever its text is."""

    id: UUID


def row_of(cursor: str) -> UUID:
    """The id of the row that a cursor was made of; the last key of every order is the id."""
    return UUID(orjson.loads(b64decode(cursor))[-1])


def difference(compiled: Any, reference: Any, path: str = "") -> str | None:
    """Where two answers differ, in words; None where they are equal, the order of keys included."""
    if isinstance(reference, Cursor):
        same = isinstance(compiled, str) and row_of(compiled) == reference.id
        return None if same else f"{path}: {compiled!r} is not the cursor of {reference.id}"
    if isinstance(reference, dict):
        if not isinstance(compiled, dict) or list(compiled) != list(reference):
            return f"{path}: {compiled!r} instead of {reference!r}"
        found = (difference(compiled[key], reference[key], f"{path}.{key}") for key in reference)
        return next((f for f in found if f), None)
    if isinstance(reference, list):
        if not isinstance(compiled, list) or len(compiled) != len(reference):
            return f"{path}: {compiled!r} instead of {reference!r}"
        found = (difference(a, b, f"{path}[{i}]") for i, (a, b) in enumerate(zip(compiled, reference, strict=True)))
        return next((f for f in found if f), None)
    same = type(compiled) is type(reference) and compiled == reference
    return None if same else f"{path}: {compiled!r} instead of {reference!r}"
