"""Random policies: roles with overlapping grants by row rule, levels by class, and overrides by field."""

from dataclasses import replace
from enum import StrEnum
from random import Random
from types import MappingProxyType
from typing import Any

from crm_graph.access import Level, RowScope
from crm_graph.catalog import Catalog, EntityType, Kind
from crm_graph.models.fields import DataClass
from crm_graph.models.roles import RowRule
from crm_graph.permissions.effective import field_paths
from crm_graph.permissions.policy_rows import IN_VIEWERS_TEAMS, IS_VIEWER
from crm_graph.permissions.rules import ALL, GrantRule, RoleRule, actions_of, grant, where
from crm_graph.permissions.validation import row_rules_of
from crm_graph.proof.moments import some_relative

CLASSES = tuple(c for c in DataClass if c is not DataClass.INTERNAL)
_TEXT_OPERATORS = ("eqInsensitive", "containsInsensitive", "startsWithInsensitive", "endsWith")
SHOWN = (Level.MASKED, Level.LOOKUP, Level.READ, Level.READ)
DONE = 0.7
"""How often a role that acts has an action, and a grant of it lets a class be written."""
INHERITED = 0.5
"""How often a role inherits another."""


class Lean(StrEnum):
    """What most policies withhold: `ROWS`, all of the others is read; `CELLS`, every row exists, and some are read."""

    ROWS = "ROWS"
    CELLS = "CELLS"


class PolicyMaker:
    """Makes roles out of a random source, of any kind or with a leaning; those that act change records too."""

    def __init__(self, random: Random, catalog: Catalog, lean: Lean | None = None, *, acts: bool = False) -> None:
        self._random = random
        self._catalog = catalog
        self._lean = lean
        self._acts = acts

    def roles(self, keys: tuple[str, ...]) -> dict[str, RoleRule]:
        """A role for each key; a role inherits some of those after it."""
        return {key: self._role(key, keys[place + 1 :]) for place, key in enumerate(keys)}

    def _role(self, key: str, others: tuple[str, ...]) -> RoleRule:
        grants = {
            entity.name: self._grants(entity)
            for entity in self._catalog.roots
            if self._lean or self._random.randint(0, 9) < 8
        }
        inherited = tuple(other for other in others if self._random.random() < INHERITED)
        if not self._acts:
            return RoleRule(key, key, key, "", MappingProxyType(grants), inherits=inherited)
        acting = {name: tuple(self._writing(grant) for grant in lines) for name, lines in grants.items()}
        actions = frozenset(a for a in sorted(actions_of(self._catalog)) if self._random.random() < DONE)
        return RoleRule(key, key, key, "", MappingProxyType(acting), actions, inherited)

    def _writing(self, grant: GrantRule) -> GrantRule:
        """The same grant, which lets some of what it shows be written."""
        return replace(grant, writes=tuple(c.value for c in CLASSES if self._random.random() < DONE))

    def _grants(self, entity: EntityType) -> tuple[GrantRule, ...]:
        match self._lean:
            case Lean.ROWS:
                return (grant(self._narrow(entity), read=CLASSES),)
            case Lean.CELLS:
                kept = [c for c in CLASSES if self._random.random() < 0.4]
                named = {self._random.choice(list(entity.fields)): Level.READ}
                everywhere = grant(ALL, read=kept, fields=named, personal=self._random.choice(SHOWN))
                return everywhere, grant(self._narrow(entity), read=CLASSES)
        return tuple(self._grant(entity) for _ in range(self._random.randint(1, 3)))

    def _grant(self, entity: EntityType) -> GrantRule:
        random, paths = self._random, [path for path, _ in field_paths(self._catalog, entity)]
        levels: dict[DataClass, Level] = {c: random.choice(SHOWN) for c in CLASSES if random.randint(0, 9) < 6}
        fields = {random.choice(paths): random.choice(tuple(Level)) for _ in range(random.randint(0, 4))}
        fields.setdefault(random.choice(list(entity.fields)), Level.READ)
        return GrantRule(
            self._scope(entity), MappingProxyType(levels), MappingProxyType(fields), (), random.choice(SHOWN)
        )

    def _narrow(self, entity: EntityType) -> RowScope:
        """A scope that leaves rows out."""
        return self._scope(entity, but=RowRule.ALL)

    def _scope(self, entity: EntityType, but: RowRule | None = None) -> RowScope:
        rule = self._random.choice([rule for rule in sorted(row_rules_of(entity)) if rule is not but])
        return RowScope(rule) if rule is not RowRule.WHERE else where(self._predicate(entity))

    def _predicate(self, entity: EntityType) -> dict[str, Any]:
        random, choices = self._random, list[dict[str, Any]]()
        for member in entity.fields.values():
            if member.kind is Kind.BOOLEAN:
                choices.append({member.api_name: {"eq": random.choice((True, False))}})
            elif member.kind is Kind.ENUM and member.enum is not None:
                choices.append({member.api_name: {"in": random.sample([e.value for e in member.enum], 2)}})
            elif member.kind in (Kind.DATE, Kind.DATE_TIME) and random.random() < 0.5:
                relative = some_relative(random, dated=member.kind is Kind.DATE)
                choices.append({member.api_name: {random.choice(("lt", "gte")): relative}})
            elif member.kind is Kind.TEXT and member.nullable and random.random() < 0.3:
                choices.append({member.api_name: {random.choice(_TEXT_OPERATORS): random.choice(("a", "A", "市", ""))}})
            elif member.nullable:
                choices.append({member.api_name: {"isNull": random.choice((True, False))}})
        if entity.owned:
            choices.append({"or": [{"owner": IS_VIEWER}, {"team": IN_VIEWERS_TEAMS}]})
            choices.append({"collaborators": {random.choice(("some", "none")): IS_VIEWER}})
        if entity.name == "customer":
            choices.append({"tickets": {"some": {"team": IN_VIEWERS_TEAMS}}})
            choices.append({"contactPoints": {"every": {"kind": {"ne": "EMAIL"}}}})
            choices.append({"tickets": {"count": {"gte": 1, "where": {"team": IN_VIEWERS_TEAMS}}}})
        elif "customer" in entity.relations:
            choices.append({"customer": {"owner": IS_VIEWER}})
            choices.append({"not": {"customer": {"kind": {"eq": "PERSON"}}}})
        return random.choice(choices)
