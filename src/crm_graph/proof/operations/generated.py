"""A generated query, its variables, and where a second page of it goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

CURSOR_EDGES = "placesForCursors"


@dataclass(frozen=True)
class Place:
    """A variable that takes a cursor, and the response keys that lead to the list it belongs to."""

    variable: str
    path: tuple[str, ...]


@dataclass(frozen=True)
class Generated:
    """A query, its variables, and where cursors of its answer can be put."""

    text: str
    variables: Mapping[str, Any]
    places: Sequence[Place]
    types: Mapping[str, str] = field(default_factory=dict)
    """The types of those variables that any other value of their type may stand in."""

    def varied(self, random: Random, pool: dict[str, list[Any]]) -> Mapping[str, Any]:
        """Variables with other values that `pool` has seen by type; it learns those of this query."""
        other = dict(self.variables)
        for name, type_ in self.types.items():
            seen = pool.setdefault(type_, [])
            if name in self.variables:
                seen.append(self.variables[name])
            if seen and random.random() < 0.8:
                other[name] = random.choice(seen)
        return other

    def continued(self, random: Random, answer: Any) -> Mapping[str, Any] | None:
        """The variables of a second page, with cursors of the first answer; None where there is none."""
        cursors = {p.variable: found for p in self.places if (found := list(_cursors(answer, p.path)))}
        chosen = {name: random.choice(found) for name, found in cursors.items() if random.random() < 0.8}
        return {**self.variables, **chosen} if chosen else None


def _cursors(answer: Any, path: tuple[str, ...]) -> list[str]:
    if isinstance(answer, list):
        return [cursor for item in answer for cursor in _cursors(item, path)]
    if not isinstance(answer, dict):
        return []
    if path:
        return _cursors(answer.get(path[0]), path[1:])
    found = answer.get(CURSOR_EDGES, ())
    if isinstance(found, dict):
        return [found["endCursor"]] if found["endCursor"] else []
    return [edge["cursor"] for edge in found]
