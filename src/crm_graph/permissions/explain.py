"""Why a role set sees what it sees: each grant on a type with what it gives of one field, and what follows from those
that match. Made of the same functions as effective access, so that the two cannot differ.
"""

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from crm_graph.access import EVERY_ROW, Level
from crm_graph.catalog import Catalog, EntityType
from crm_graph.permissions.effective import covered, field_levels, kept_by_scopes, usable, written_fields
from crm_graph.permissions.rules import EVERYONE, GrantRule, Policy


class GrantState(StrEnum):
    """What became of a grant."""

    IN_FORCE = "IN_FORCE"
    CUT = "CUT"
    UNREADABLE = "UNREADABLE"
    EMPTY = "EMPTY"


@dataclass(frozen=True, slots=True)
class GrantFact:
    """A grant of a role, and what it gives of a field, or of the record as a whole. `through` are the roles by which it
    came, from one that is held to the one that has it. `matches` says whether a record is among its rows; None where
    that is not known, since it depends on the record or on who holds the role.
    """

    through: tuple[str, ...]
    rule: GrantRule
    state: GrantState
    level: Level
    writable: bool
    matches: bool | None

    @property
    def role(self) -> str:
        """The role that has it."""
        return self.through[-1]

    def seen_on(self, *, matches: bool | None) -> "GrantFact":
        """The same grant, asked of a record."""
        return replace(self, matches=matches)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a role set sees: `visible` is None where that depends, `level` the most that is shown, `least` what is shown
    in any case. `deciding` are the grants that give the most.
    """

    visible: bool | None
    level: Level
    least: Level
    writable: bool
    deciding: tuple[GrantFact, ...]

    @property
    def conditional(self) -> bool:
        """Whether it depends on the record, or on who holds the role."""
        return self.least < self.level


def facts_of(
    policy: Policy,
    catalog: Catalog,
    entity: EntityType,
    path: str | None,
    roles: Collection[str],
    *,
    scopes: frozenset[str] | None = None,
) -> list[GrantFact]:
    """Every grant that these roles have and inherit on a type, those of everyone among them, cut to a client's scopes.
    Without a path they are about the record as a whole.
    """
    facts = []
    for key, through in sorted(_lines(policy, {*roles, EVERYONE}).items()):
        for rule in policy.roles[key].grants.get(entity.name, ()):
            levels, kept = field_levels(catalog, entity, rule), kept_by_scopes(catalog, entity, key, rule, scopes)
            left = {} if kept is None else field_levels(catalog, entity, kept)
            written = frozenset[str]() if kept is None else written_fields(catalog, entity, kept, left)
            if kept is None or (path in levels and path not in left):
                state = GrantState.CUT
            elif not usable(catalog, entity, rule.scope):
                state = GrantState.UNREADABLE
            else:
                state = GrantState.IN_FORCE if levels else GrantState.EMPTY
            level = levels.get(path, Level.HIDDEN) if path is not None else Level.READ if levels else Level.HIDDEN
            writable = path in written if path is not None else bool(written)
            matches = True if rule.scope == EVERY_ROW else None
            facts.append(GrantFact(through, rule, state, level, writable, matches))
    return facts


def _lines(policy: Policy, keys: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    """Each role that these are or inherit, with the shortest line to it from one of them."""
    found: dict[str, tuple[str, ...]] = {}
    lines: deque[tuple[str, ...]] = deque((key,) for key in sorted(keys))
    while lines:
        line = lines.popleft()
        role = policy.roles.get(line[-1])
        if role is not None and role.key not in found:
            found[role.key] = line
            lines.extend((*line, key) for key in role.inherits)
    return found


def facts_of_role(policy: Policy, catalog: Catalog, entity: EntityType, path: str | None, role: str) -> list[GrantFact]:
    """The grants that one role has and inherits on a type, without those that everyone has anyway."""
    return [fact for fact in facts_of(policy, catalog, entity, path, (role,)) if fact.through[0] == role]


def verdict(facts: Iterable[GrantFact]) -> Verdict:
    """What follows: the highest level of a single grant that matches."""
    possible = [fact for fact in facts if fact.state is GrantState.IN_FORCE and fact.matches is not False]
    certain = [fact for fact in possible if fact.matches]
    most = max((fact.level for fact in possible), default=Level.HIDDEN)
    least = max((fact.level for fact in certain), default=Level.HIDDEN)
    return Verdict(
        visible=True if certain else None if possible else False,
        level=most,
        least=least,
        writable=any(fact.writable for fact in possible),
        deciding=tuple(f for f in possible if f.level is most) if most > Level.HIDDEN else (),
    )


class Idle(StrEnum):
    """Why a grant does nothing."""

    NOBODY_HOLDS = "NOBODY_HOLDS"
    COVERED = "COVERED"
    UNREADABLE = "UNREADABLE"
    EMPTY = "EMPTY"


def idle_grants(
    policy: Policy, catalog: Catalog, entity: EntityType, held: Collection[str]
) -> list[tuple[GrantFact, Idle]]:
    """The grants on a type that do nothing: of roles that nobody holds or inherits, without effect beside another of
    the same role or one that it inherits, with a condition that no longer reads, or without a level.
    """
    found = []
    for key in sorted(policy.roles):
        facts = facts_of_role(policy, catalog, entity, None, key)
        for fact in (f for f in facts if f.role == key):
            reason = _idle(fact, facts, catalog, entity, held=key in held)
            if reason is not None:
                found.append((fact, reason))
    return found


def _idle(
    fact: GrantFact, beside: Sequence[GrantFact], catalog: Catalog, entity: EntityType, *, held: bool
) -> Idle | None:
    if fact.state in (GrantState.UNREADABLE, GrantState.EMPTY):
        return Idle(fact.state.value)
    others = [f.rule for f in beside if f is not fact and f.rule.scope == EVERY_ROW and f.rule.scope != fact.rule.scope]
    if any(covered(catalog, entity, fact.rule, other) for other in others):
        return Idle.COVERED
    return None if held else Idle.NOBODY_HOLDS
