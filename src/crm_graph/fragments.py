"""Safe SQL fragments: text, bound values and catalog identifiers, composed without ever formatting a value into text.

`sql("{a}.id = {b}", a=name("t"), b=param)` is the only way to make one; literal text comes from this code base alone.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, LiteralString, Protocol

_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")
MAX_LABEL = 63
_SLOT = re.compile(r"\{(\w+)\}")


class Source(Protocol):
    """Where a bound value comes from; hashable, equal sources share one parameter."""

    def __hash__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Param:
    """One bound value and the Postgres type it is cast to."""

    source: Any
    type: str


@dataclass(frozen=True, slots=True)
class Const:
    """A value known when the statement is composed."""

    value: Any


@dataclass(frozen=True, slots=True)
class Viewer:
    """A value of whoever asks, by its name in `Principal.viewer_values`."""

    name: str


@dataclass(frozen=True, slots=True)
class Now:
    """The moment of the request, in UTC."""


@dataclass(frozen=True, slots=True)
class Reckoned:
    """What another source gives, with relative dates and moments in it reckoned from the request's moment, in the zone
    of whoever asks (`moments.reckoned`).
    """

    source: Any


_LAST = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


@dataclass(frozen=True, slots=True)
class Above:
    """The least text above all those that begin with the text of another source, by code points."""

    source: Any

    def of(self, prefix: str) -> str:
        """Its value for that prefix. Nothing is above all texts; what stands for it is above 500 characters of any."""
        rest = prefix.rstrip(chr(_LAST))
        if not rest:
            return chr(_LAST) * 501
        following = ord(rest[-1]) + 1
        return rest[:-1] + chr(_SURROGATES.stop if following in _SURROGATES else following)


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of SQL: text and parameters in order."""

    parts: tuple[str | Param, ...]

    def __bool__(self) -> bool:
        return bool(self.parts)


EMPTY = Fragment(())
TRUE = Fragment(("TRUE",))
FALSE = Fragment(("FALSE",))


@lru_cache(maxsize=4096)
def name(identifier: str) -> Fragment:
    """A quoted identifier; only plain lower-case names of at most 63 bytes exist in the catalog."""
    if not _IDENTIFIER.fullmatch(identifier):
        raise ValueError(f"not an identifier: {identifier!r}")
    return Fragment((f'"{identifier}"',))


_LABEL = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")


def label(key: str) -> Fragment:
    """A GraphQL name as the name of an output column. Postgres cuts names at 63 bytes, so longer ones are refused."""
    if len(key) > MAX_LABEL or not _LABEL.fullmatch(key):
        raise ValueError(f"not a label: {key!r}")
    return Fragment((f'"{key}"',))


def number(value: int) -> Fragment:
    """An integer of ours (never a caller's) as a literal, where the planner should know it."""
    return Fragment((str(int(value)),))


def param(source: Source, type_: str) -> Fragment:
    """A bound value, cast to `type_` so that Postgres never guesses."""
    return Fragment((Param(source, type_),))


def const(value: Any, type_: str) -> Fragment:
    """A bound value known now."""
    return param(Const(value), type_)


def text(literal: str) -> Fragment:
    """An SQL string literal for a GraphQL key. GraphQL names have no quote; anything else is escaped all the same."""
    return Fragment(("'" + literal.replace("'", "''") + "'",))


def sql(template: LiteralString, /, **slots: Fragment) -> Fragment:
    """Compose a fragment from literal SQL with `{slots}`."""
    parts: list[str | Param] = []
    for index, piece in enumerate(_split(template)):
        if index % 2:
            parts.extend(slots[piece].parts)
        elif piece:
            parts.append(piece)
    return Fragment(tuple(parts))


@lru_cache(maxsize=1024)
def _split(template: str) -> tuple[str, ...]:
    return tuple(_SLOT.split(template))


def join(separator: LiteralString, fragments: Iterable[Fragment]) -> Fragment:
    """Fragments with a separator between."""
    parts: list[str | Param] = []
    for fragment in fragments:
        if parts:
            parts.append(separator)
        parts.extend(fragment.parts)
    return Fragment(tuple(parts))


def all_of(conditions: Iterable[Fragment]) -> Fragment:
    """Their conjunction; TRUE when there is none."""
    kept = [c for c in conditions if c != TRUE]
    if FALSE in kept:
        return FALSE
    if len(kept) < 2:
        return kept[0] if kept else TRUE
    return sql("({all})", all=join(" AND ", kept))


def any_of(conditions: Iterable[Fragment]) -> Fragment:
    """Their disjunction; FALSE when there is none."""
    kept = list(dict.fromkeys(c for c in conditions if c != FALSE))
    if TRUE in kept:
        return TRUE
    if len(kept) < 2:
        return kept[0] if kept else FALSE
    return sql("({any})", any=join(" OR ", kept))


def negation(condition: Fragment) -> Fragment:
    """Its complement; for conditions that are never NULL, such as EXISTS."""
    if condition == TRUE:
        return FALSE
    if condition == FALSE:
        return TRUE
    return sql("NOT {condition}", condition=condition)


_COLUMN = re.compile(r'\."?([a-z_][a-z0-9_]*)')


def columns_of(alias: str, fragment: Fragment) -> list[str]:
    """The columns of a FROM item that a fragment names, each once."""
    item, parts = f'"{alias}"', fragment.parts
    found: dict[str, None] = {}
    for at, part in enumerate(parts):
        if part == item:
            column = _COLUMN.match("".join(p for p in parts[at + 1 : at + 3] if isinstance(p, str)))
            if column:
                found[column[1]] = None
    return list(found)


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text with `$1…` and the sources of its parameters, each once."""

    text: str
    sources: tuple[Any, ...]


def render(fragment: Fragment) -> Statement:
    """The statement as asyncpg takes it; equal parameters share a number."""
    numbers: dict[Param, int] = {}
    pieces: list[str] = []
    for part in fragment.parts:
        if isinstance(part, str):
            pieces.append(part)
        else:
            number = numbers.setdefault(part, len(numbers) + 1)
            pieces.append(f"${number}::{part.type}")
    return Statement("".join(pieces), tuple(p.source for p in numbers))
