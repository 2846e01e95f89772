"""The nouns of a policy: roles with grants by type, row rule, data class and field, and actions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import orjson

from crm_graph.access import Access, Level, RowScope
from crm_graph.bounded import Bounded
from crm_graph.catalog import Catalog
from crm_graph.models.fields import DataClass
from crm_graph.models.roles import RowRule

ADMIN = "admin"
EVERYONE = "everyone"
"""The role that everyone signed in has, beside those of their own."""

REFERENCE_TYPES = frozenset({"user", "team", "pipeline", "stage"})
"""Types that are the company's own directory and configuration, and hold nothing of its customers."""

LABELS: Mapping[str, frozenset[str]] = MappingProxyType(
    {"user": frozenset({"name"}), "team": frozenset({"key", "name"})}
)
"""What names a record's owner and team to a client without a scope on users and teams."""

VERBS = ("create", "update", "archive", "restore", "upsert")
"""Actions that every root type has; `upsert` is the bulk one."""

READ_ROLES, MANAGE_ROLES, ASSIGN_ROLES, APPROVE_ROLES = "roles:read", "roles:manage", "roles:assign", "roles:approve"
"""To see roles and who has them, to edit roles, to give them to users, and to approve what others edited or gave."""

MANAGING = frozenset({MANAGE_ROLES, ASSIGN_ROLES, APPROVE_ROLES, "clients:manage"})
"""Actions that give rights: nobody gives one that they do not have."""

SINGLE_ACTIONS = MANAGING | frozenset(
    {
        READ_ROLES,
        "leads:assign",
        "tasks:assign",
        "tasks:complete",
        "contracts:approve",
        "backfill",
        "export",
        "unmask",
        "merge",
        "erase",
        "access:explain",
        "access:simulate",
        "documents:register",
        "duplicates:check",
        "audit:read",
        "jobs:read",
        "jobs:manage",
    }
)
"""Actions apart from those that follow from a type. `documents:register` tells the whole schema, custom fields and all:
its documents are for other roles too (docs/decisions/0031).
"""


def actions_of(catalog: Catalog) -> frozenset[str]:
    """Every action there is: the verbs of each root type, `transition` where it has stages, and the single ones."""
    verbs = {f"{entity.plural}:{verb}" for entity in catalog.roots for verb in VERBS}
    transitions = {f"{entity.plural}:transition" for entity in catalog.roots if entity.workflow}
    return frozenset(verbs | transitions | SINGLE_ACTIONS)


@dataclass(frozen=True, slots=True)
class GrantRule:
    """What one grant gives on the rows of its scope: levels by data class, overrides by field (`phone`,
    `contact_points.raw`), and writes: a data class, `field:phone`, or `except:credit_hold` to take one field out again.
    A field can be written only where the same grant shows it. `personal` is the most that its class gives to a field
    that is marked as personal; one that `fields` names is as named.
    """

    scope: RowScope
    levels: Mapping[DataClass, Level]
    fields: Mapping[str, Level]
    writes: tuple[str, ...]
    personal: Level = Level.READ

    def level(self, path: str, data_class: DataClass, *, personal: bool) -> Level:
        """What it gives to a field; INTERNAL is never given."""
        if data_class is DataClass.INTERNAL:
            return Level.HIDDEN
        by_class = self.levels.get(data_class, Level.HIDDEN)
        return self.fields.get(path, min(by_class, self.personal) if personal else by_class)


@dataclass(frozen=True, slots=True)
class RoleRule:
    """A role: its names, its grants by entity type (`customer`), its actions (`customers:create`), and the keys of the
    roles whose grants and actions it has beside its own.
    """

    key: str
    name_en: str
    name_zh: str
    description: str
    grants: Mapping[str, tuple[GrantRule, ...]]
    actions: frozenset[str] = frozenset()
    inherits: tuple[str, ...] = ()


class UnknownRole(LookupError):
    """There is no such role."""


@dataclass(frozen=True, eq=False)
class Policy:
    """All roles at one version. `resolved` keeps the access made of it, by role set, scopes and catalog version;
    `simulated` that of roles within somebody's own rights, by role set, fingerprint of these and catalog version.
    """

    version: int
    roles: Mapping[str, RoleRule]
    resolved: Bounded[tuple[frozenset[str], frozenset[str] | None, int], Access] = field(
        default_factory=lambda: Bounded(1024), repr=False
    )
    simulated: Bounded[tuple[frozenset[str], str, int], Access] = field(
        default_factory=lambda: Bounded(256), repr=False
    )

    def held(self, keys: Iterable[str]) -> tuple[RoleRule, ...]:
        """These roles and all that they inherit, each once, by key; a key that there is no role of gives nothing."""
        found: dict[str, RoleRule] = {}
        open_ = list(keys)
        while open_:
            role = self.roles.get(open_.pop())
            if role is not None and role.key not in found:
                found[role.key] = role
                open_ += role.inherits
        return tuple(found[key] for key in sorted(found))

    def require(self, keys: Iterable[str]) -> None:
        """Raise UnknownRole for a key that there is no role of, with those that there are."""
        unknown = sorted(set(keys) - set(self.roles))
        if unknown:
            raise UnknownRole(f"there is no role {unknown[0]}; there are: {', '.join(sorted(self.roles))}")


ALL = RowScope(RowRule.ALL)
TEAM = RowScope(RowRule.TEAM)
TEAM_AND_BELOW = RowScope(RowRule.TEAM_AND_BELOW)
OWN = RowScope(RowRule.OWN)


def where(predicate: Mapping[str, Any]) -> RowScope:
    """The rows that a stored predicate matches; equal predicates give equal scopes (canonical JSON, sorted keys)."""
    return RowScope(RowRule.WHERE, orjson.dumps(predicate, option=orjson.OPT_SORT_KEYS).decode())


def grant(
    scope: RowScope,
    *,
    read: Iterable[DataClass] = (),
    lookup: Iterable[DataClass] = (),
    masked: Iterable[DataClass] = (),
    fields: Mapping[str, Level] = MappingProxyType({}),
    writes: Iterable[str] = (),
    personal: Level = Level.READ,
) -> GrantRule:
    """A grant as the policy table writes it; a data class that it does not name is hidden."""
    ladder = ((Level.MASKED, masked), (Level.LOOKUP, lookup), (Level.READ, read))
    levels = {data_class: level for level, classes in ladder for data_class in classes}
    return GrantRule(scope, MappingProxyType(levels), MappingProxyType(dict(fields)), tuple(writes), personal)
