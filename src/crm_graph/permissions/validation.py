"""Is a policy sound? Every name in it must exist in the catalog, and a role must read what its conditions name; errors
carry the path to what is wrong.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import orjson
import structlog

from crm_graph.access import EVERY_ROW, Access, Level, RowScope, TypeGrant
from crm_graph.catalog import Catalog, CatalogError, EntityType
from crm_graph.criteria.reading import PredicateReader, stored_leaf
from crm_graph.errors import CrmError, Invalid, Path
from crm_graph.messages import render
from crm_graph.models.fields import DataClass, Write
from crm_graph.models.roles import RowRule
from crm_graph.permissions.effective import (
    effective_access,
    field_levels,
    field_paths,
    predicate_problems,
    usable,
    written_fields,
)
from crm_graph.permissions.rules import GrantRule, Policy, RoleRule, actions_of

log = structlog.get_logger(__name__)


def require_sound(roles: Mapping[str, RoleRule], catalog: Catalog) -> None:
    """For the start of a process: raises CatalogError when the default table and the catalog do not fit together."""
    problems = [
        f"{'.'.join(map(str, p.path))}: {p.template_key} {dict(p.details)}" for p in problems_of(roles, catalog)
    ]
    if problems:
        raise CatalogError("the policy is not sound:\n" + "\n".join(problems))


def problems_of(roles: Mapping[str, RoleRule], catalog: Catalog) -> list[CrmError]:
    """What is wrong with these roles, each with a path such as `sales.grants.customer.0.fields.phonee`."""
    found: list[CrmError] = []
    known_actions = actions_of(catalog)
    for key, role in roles.items():
        found += [
            Invalid("unknown_action", path=(key, "actions", a), action=a) for a in sorted(role.actions - known_actions)
        ]
        found += _inheritance_problems(roles, role)
        for entity_type, rules in role.grants.items():
            path = (key, "grants", entity_type)
            entity = catalog.types.get(entity_type)
            if entity is None or entity.is_child:
                found.append(Invalid("unknown_type", path=path, type=entity_type))
                continue
            for index, rule in enumerate(rules):
                found += [problem.at(*path, index) for problem in grant_problems(catalog, entity, rule)]
    return found


def _inheritance_problems(roles: Mapping[str, RoleRule], role: RoleRule) -> Iterator[CrmError]:
    """Keys that there is no role of, and those by which a role comes to inherit itself."""
    for key in role.inherits:
        path = (role.key, "inherits", key)
        if key not in roles:
            yield Invalid("unknown_role", path=path, role=key)
        elif any(above.key == role.key for above in Policy(0, roles).held([key])):
            yield Invalid("role_inherits_itself", path=path, role=role.key)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What is wrong with a stored predicate, against the present catalog or the rights of its role."""

    role: str
    entity_type: str
    problem: CrmError

    def __str__(self) -> str:
        path = ".".join(map(str, self.problem.path)) or "(all of it)"
        return f"role {self.role}, grant on {self.entity_type}: {path}: {render(self.problem, 'en')}"


def unreadable_predicates(policy: Policy, catalog: Catalog) -> list[Unreadable]:
    """All that is wrong with the predicates that grants hold: a release or a custom field may have taken away what they
    name since they were saved. Their grants give no row meanwhile.
    """
    found = []
    for role in policy.roles.values():
        for entity_type, rules in role.grants.items():
            entity = catalog.types.get(entity_type)
            for scope in (rule.scope for rule in rules if rule.scope.predicate is not None):
                if entity is None or entity.is_child:
                    problems: list[CrmError] = [Invalid("unknown_type", type=entity_type)]
                else:
                    problems = predicate_problems(catalog, entity, scope)
                found += [Unreadable(role.key, entity_type, problem) for problem in problems]
    return found


Unread = tuple[str, str, Path]
"""The name of a type, a condition on it, and the path in it to what is not read."""


def unread(catalog: Catalog, policy: Policy, key: str) -> list[Unread]:
    """What a role's conditions name and it does not read in full on every row that it sees: which rows they pick would
    tell of it. Conditions that do not read at all are `unreadable_predicates`.
    """
    role = policy.roles.get(key)
    conditions = [
        (catalog.types[name], rule.scope)
        for name, rules in (role.grants.items() if role else ())
        for rule in rules
        if rule.scope.predicate is not None and name in catalog.types
    ]
    conditions = [(entity, scope) for entity, scope in conditions if usable(catalog, entity, scope)]
    if not conditions:
        return []
    access = effective_access(policy, catalog, [key])
    everywhere = {name: _on_every_row(grants) for name, grants in access.types.items()}
    found: list[Unread] = []
    for entity, scope in conditions:
        levels = {**everywhere, entity.name: everywhere.get(entity.name, {}) | _known_by(access, entity, scope)}
        types = {name: (TypeGrant(EVERY_ROW, of_type, frozenset()),) for name, of_type in levels.items() if of_type}
        problems: list[CrmError] = []
        reader = PredicateReader(catalog, replace(access, types=types), stored_leaf, problems.append)
        reader.read(entity, orjson.loads(scope.predicate or "{}"))
        found += [(entity.name, scope.predicate or "", problem.path) for problem in problems]
    return found


def _on_every_row(grants: Iterable[TypeGrant]) -> dict[str, Level]:
    """The levels that every row of a type has which is seen: by each grant on it, or by those on all rows."""
    grants = tuple(grants)
    paths = {path for grant in grants for path in grant.levels}
    everywhere = [grant for grant in grants if grant.scope == EVERY_ROW]
    levels = {
        path: max(grant.level(path) for grant in everywhere)
        if everywhere
        else min(grant.level(path) for grant in grants)
        for path in paths
    }
    return {path: level for path, level in levels.items() if level > Level.HIDDEN}


_REF = "external_refs.source"


def _known_by(access: Access, entity: EntityType, scope: RowScope) -> dict[str, Level]:
    """That a record is known to another system, which a grant that shows so may ask of the others too: what a system
    syncs are the records that carry its ref, beside others that it only finds.
    """
    shows = any(g.scope == scope and g.level(_REF) is Level.READ for g in access.grants(entity.name))
    return {_REF: Level.READ} if shows else {}


def unread_predicates(policy: Policy, catalog: Catalog) -> list[Unreadable]:
    """The predicates by which roles pick their rows though they do not read what these name."""
    return [
        Unreadable(key, name, Invalid("where_unread", path=path))
        for key in policy.roles
        for name, _, path in dict.fromkeys(unread(catalog, policy, key))
    ]


def warn_of_unread(policy: Policy, catalog: Catalog) -> None:
    """Log what `unread_predicates` finds, for the start of a process: edits are refused."""
    _warn("stored_predicate_unread", unread_predicates(policy, catalog))


def warn_of_unreadable(policy: Policy, catalog: Catalog) -> None:
    """Log each stored predicate that does not read, and each role that another cannot inherit."""
    for role in policy.roles.values():
        for problem in _inheritance_problems(policy.roles, role):
            log.warning("role_not_inherited", path=list(problem.path), problem=render(problem, "en"))
    _warn("stored_predicate_unreadable", unreadable_predicates(policy, catalog))


def _warn(event: str, unreadable: Iterable[Unreadable]) -> None:
    for found in unreadable:
        log.warning(
            event,
            role=found.role,
            type=found.entity_type,
            path=list(found.problem.path),
            problem=render(found.problem, "en"),
        )


def grant_problems(catalog: Catalog, entity: EntityType, rule: GrantRule) -> Iterator[CrmError]:
    """What is wrong with one grant on a type, each with a path such as `fields.phonee`, `scope.…` or `writes.COST`."""
    yield from _scope_problems(catalog, entity, rule.scope)
    fields = dict(field_paths(catalog, entity))
    if rule.levels.get(DataClass.INTERNAL, Level.HIDDEN) is not Level.HIDDEN:
        yield Invalid("internal_class", path=("levels", DataClass.INTERNAL.value))
    for path in rule.fields:
        if path not in fields:
            yield Invalid("unknown_field", path=("fields", path))
    levels = field_levels(catalog, entity, rule)
    if not levels:
        yield Invalid("grant_without_levels", path=("levels",))
    written = written_fields(catalog, entity, rule, levels)
    known = {path: f.info.write for path, f in fields.items()}
    known |= {relation.name: Write.INPUT for relation in catalog.parents(entity)}
    for entry in rule.writes:
        problem = _write_problem(entry, known, written)
        if problem is not None:
            yield problem.at("writes", entry)


def _write_problem(entry: str, fields: Mapping[str, Write], written: frozenset[str]) -> CrmError | None:
    kind, _, path = entry.partition(":")
    if kind not in ("field", "except"):
        return None if entry in set(DataClass) - {DataClass.INTERNAL} else Invalid("unknown_write")
    if path not in fields:
        return Invalid("unknown_field")
    if kind == "except" or path in written:
        return None
    return Invalid("field_not_writable") if fields[path] is Write.SERVICE else Invalid("written_but_hidden")


def _scope_problems(catalog: Catalog, entity: EntityType, scope: RowScope) -> Iterable[CrmError]:
    if (scope.rule is RowRule.WHERE) != (scope.predicate is not None):
        return [Invalid("predicate_iff_where", path=("scope",))]
    if scope.rule not in row_rules_of(entity):
        return [Invalid("row_rule_without_owner", path=("scope",), rule=scope.rule.value)]
    return [problem.at("scope") for problem in predicate_problems(catalog, entity, scope)]


def row_rules_of(entity: EntityType) -> frozenset[RowRule]:
    """The row rules that mean something for a type: without owner and team, OWN is about a user's own row and TEAM
    about the teams themselves.
    """
    always = {RowRule.ALL, RowRule.WHERE}
    if entity.owned:
        return frozenset(RowRule)
    match entity.name:
        case "user":
            return frozenset(always | {RowRule.OWN})
        case "team":
            return frozenset(always | {RowRule.TEAM, RowRule.TEAM_AND_BELOW})
    return frozenset(always)
