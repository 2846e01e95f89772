"""Access: what a role set may see and do, as pure immutable data. Everything asks it; nothing else decides."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import orjson

from crm_graph.models.roles import RowRule


class Level(IntEnum):
    """What a cell shows. LOOKUP is masked, but an exact value can be looked up."""

    HIDDEN = 0
    MASKED = 1
    LOOKUP = 2
    READ = 3


@dataclass(frozen=True, slots=True)
class RowScope:
    """Which rows a grant is about: a rule, and for WHERE its stored predicate as canonical JSON; with `also`, those of
    them that another rule is about too. Grants of a policy have one rule; two are what simulating comes to.
    """

    rule: RowRule
    predicate: str | None = None
    also: "RowScope | None" = None

    @property
    def parts(self) -> "tuple[RowScope, ...]":
        """The single rules, all of which a row has to meet."""
        return (self,) if self.also is None else (RowScope(self.rule, self.predicate), *self.also.parts)


EVERY_ROW = RowScope(RowRule.ALL)


def broadest(scopes: Iterable[RowScope]) -> tuple[RowScope, ...]:
    """What is about the same rows in all: the scopes without those that narrow another one further."""
    found = tuple(dict.fromkeys(scopes))
    if all(scope.also is None for scope in found):
        return found
    rules = {scope: frozenset(scope.parts) for scope in found}
    return tuple(scope for scope in found if not any(other < rules[scope] for other in rules.values()))


@dataclass(frozen=True, slots=True)
class TypeGrant:
    """One grant on one type, spelled out per field: its children's fields stand as `contact_points.raw`."""

    scope: RowScope
    levels: Mapping[str, Level]
    writes: frozenset[str]

    def level(self, field_path: str) -> Level:
        return self.levels.get(field_path, Level.HIDDEN)

    def shows(self, prefix: str) -> bool:
        """Whether it shows anything of the rows whose fields begin so: `contact_points.`, or `` for the type itself."""
        return any(path.startswith(prefix) and level > Level.HIDDEN for path, level in self.levels.items())


@dataclass(frozen=True)
class Access:
    """The effective rights of a role set under one policy version.

    A cell has the highest level that a single grant gives whose scope matches its row; what no grant names is denied.
    """

    roles: tuple[str, ...]
    types: Mapping[str, tuple[TypeGrant, ...]]
    actions: frozenset[str]
    policy_version: int
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fingerprint", _fingerprint(self))

    def grants(self, entity_type: str) -> tuple[TypeGrant, ...]:
        """The grants on a type; none means that its rows do not exist for this role set."""
        return self.types.get(entity_type, ())

    def ceiling(self, entity_type: str, field_path: str) -> Level:
        """The highest level any row can have; HIDDEN means the field is not in the role's schema."""
        return max((g.level(field_path) for g in self.grants(entity_type)), default=Level.HIDDEN)

    def looks_up(self, entity_type: str, field_path: str) -> bool:
        """Whether some rows show the field masked and are found by its exact value."""
        return any(g.level(field_path) is Level.LOOKUP for g in self.grants(entity_type))

    def may(self, action: str) -> bool:
        return action in self.actions

    def may_write(self, entity_type: str, field_path: str) -> bool:
        """Whether some grant lets the field be written; the row decides which."""
        return any(field_path in g.writes for g in self.grants(entity_type))


def _fingerprint(access: Access) -> str:
    body: dict[str, Any] = {
        "actions": sorted(access.actions),
        "types": {
            name: [
                [[[p.rule, p.predicate] for p in g.scope.parts], sorted(g.levels.items()), sorted(g.writes)]
                for g in access.types[name]
            ]
            for name in sorted(access.types)
        },
    }
    return hashlib.sha256(orjson.dumps(body)).hexdigest()
