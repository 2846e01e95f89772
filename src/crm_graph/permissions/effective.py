"""From a policy to effective access: the grants of a role set, cut to the scopes of a client, spelled out per field.

Scopes (RFC 6749, section 3.3) of a client only ever take away. A token of a person without a client has no scopes and
keeps everything. With scopes, for a type with the plural `customers`:

- `customers:read` keeps what is seen of it;
- `customers:write` keeps that, the writable fields, and create, update, archive, restore, assign, transition, complete;
- `sync:customers` keeps that, the writable fields, and the bulk action `customers:upsert`;
- the name of any action (`backfill`, `contracts:approve`) keeps that action.

Without one of the first three a type does not exist for the client, but for the reference types (users, teams,
pipelines, stages) that records of a type which they name belong to. Of what everyone signed in sees of these, it keeps
all of pipelines and stages, and of users and teams what they are called; and always all of its own account.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from types import MappingProxyType

import orjson

from crm_graph.access import EVERY_ROW, Access, Level, RowScope, TypeGrant
from crm_graph.catalog import Catalog, EntityType, Field
from crm_graph.criteria.reading import check_stored_where
from crm_graph.errors import CrmError
from crm_graph.models.fields import DataClass, Write
from crm_graph.models.roles import RowRule
from crm_graph.permissions.rules import (
    EVERYONE,
    LABELS,
    OWN,
    REFERENCE_TYPES,
    GrantRule,
    Policy,
    actions_of,
)

STRUCTURE = frozenset({"id", "version", "created_at", "updated_at", "archived_at"})
"""Fields that a row has for whoever sees anything of it: the API gives the first four non-null, and lists leave out
what is archived, so that an archived row tells so by its absence."""

EVERYDAY_VERBS = frozenset({"create", "update", "archive", "restore", "assign", "transition", "complete"})
"""What `customers:write` lets a client do; every other action is a scope by its own name."""


def scopes_of(catalog: Catalog) -> frozenset[str]:
    """Every scope that a client can have."""
    plurals = [entity.plural for entity in catalog.roots]
    by_type = {s for p in plurals for s in (f"{p}:read", f"{p}:write", f"sync:{p}")}
    return frozenset(by_type | actions_of(catalog))


def effective_access(
    policy: Policy, catalog: Catalog, roles: Collection[str], scopes: frozenset[str] | None = None
) -> Access:
    """What these roles may see and do, cut to the scopes of a client where there are any. Roles that the policy does
    not have give nothing; the role of everyone is always among them. Equal calls give one object.
    """
    key = (frozenset(roles), scopes, catalog.version)
    access = policy.resolved.get(key)
    if access is None:
        access = _resolve(policy, catalog, key[0], scopes)
        policy.resolved.put(key, access)
    return access


def full_access(catalog: Catalog) -> Access:
    """Everything there is, on every row: for the system's own jobs, seeds and the complete schema. No role gives it."""
    types = {}
    for entity in catalog.roots:
        fields = dict(field_paths(catalog, entity))
        levels = {path: Level.READ for path, f in fields.items() if f.data_class is not DataClass.INTERNAL}
        writes = {path for path, f in fields.items() if path in levels and f.info.write is not Write.SERVICE}
        writes.update(relation.name for relation in catalog.parents(entity))
        types[entity.name] = (TypeGrant(EVERY_ROW, MappingProxyType(levels), frozenset(writes)),)
    return Access(("system",), MappingProxyType(types), actions_of(catalog), 0)


def field_paths(catalog: Catalog, entity: EntityType) -> Iterator[tuple[str, Field]]:
    """The fields that grants on a root type are about: its own, as `custom.loyaltyCard` the custom ones and, as
    `contact_points.raw`, those of its children.
    """
    yield from entity.fields.items()
    yield from ((member.name, member) for member in entity.custom.values())
    for relation in catalog.children(entity):
        for name, member in catalog[relation.target].fields.items():
            yield f"{relation.name}.{name}", member


def _resolve(policy: Policy, catalog: Catalog, roles: frozenset[str], scopes: frozenset[str] | None) -> Access:
    held = policy.held(roles | {EVERYONE})
    types = {}
    for entity in catalog.roots:
        lines = [(role.key, rule) for role in held for rule in role.grants.get(entity.name, ())]
        kept = [kept_by_scopes(catalog, entity, key, rule, scopes) for key, rule in lines]
        grants = _type_grants(catalog, entity, [rule for rule in kept if rule is not None])
        if grants:
            types[entity.name] = grants
    actions = actions_of(catalog) & frozenset(action for role in held for action in role.actions)
    return Access(
        roles=tuple(role.key for role in held if role.key in roles and role.key != EVERYONE),
        types=MappingProxyType(types),
        actions=actions if scopes is None else frozenset(a for a in actions if _keeps(scopes, a)),
        policy_version=policy.version,
    )


def _cut(entity: EntityType, scopes: frozenset[str] | None) -> tuple[bool, bool]:
    """Whether the scopes of a client leave the type to be read, and to be written."""
    if scopes is None:
        return True, True
    writes = not scopes.isdisjoint({f"{entity.plural}:write", f"sync:{entity.plural}"})
    return writes or f"{entity.plural}:read" in scopes, writes


def kept_by_scopes(
    catalog: Catalog, entity: EntityType, role: str, rule: GrantRule, scopes: frozenset[str] | None
) -> GrantRule | None:
    """What the scopes of a client leave of a role's grant on a type, if anything."""
    reads, writes = _cut(entity, scopes)
    if reads:
        return rule if writes else replace(rule, writes=())
    if role != EVERYONE:
        return None
    led_to, of_itself = entity.name in _led_to(catalog, scopes), (entity.name, rule.scope) == ("user", OWN)
    if of_itself or (led_to and entity.name not in LABELS):
        return replace(rule, writes=())
    if not led_to:
        return None
    levels = field_levels(catalog, entity, rule)
    labels = {path: levels[path] for path in sorted(LABELS[entity.name]) if path in levels}
    return replace(rule, levels={}, fields=labels, writes=()) if labels else None


def _led_to(catalog: Catalog, scopes: frozenset[str] | None) -> frozenset[str]:
    """The types that scopes name, and the reference types that these lead to, directly or by one another."""
    found = {entity.name for entity in catalog.roots if _cut(entity, scopes)[0]}
    open_ = list(found)
    while open_:
        targets = {relation.target for relation in catalog[open_.pop()].relations.values()}
        new = (targets & REFERENCE_TYPES) - found
        found |= new
        open_ += new
    return frozenset(found)


def _keeps(scopes: frozenset[str], action: str) -> bool:
    plural, _, verb = action.partition(":")
    return (
        action in scopes
        or (verb in EVERYDAY_VERBS and f"{plural}:write" in scopes)
        or (verb == "upsert" and f"sync:{plural}" in scopes)
    )


def _type_grants(catalog: Catalog, entity: EntityType, rules: Iterable[GrantRule]) -> tuple[TypeGrant, ...]:
    given = []
    for rule in rules:
        levels = field_levels(catalog, entity, rule)
        if levels and usable(catalog, entity, rule.scope):
            written = written_fields(catalog, entity, rule, levels)
            given.append(TypeGrant(rule.scope, MappingProxyType(levels), written))
    return simplified(given)


def simplified(grants: Iterable[TypeGrant]) -> tuple[TypeGrant, ...]:
    """One grant per row scope, without those that give nothing beyond the grant on all rows, in a fixed order."""
    merged: dict[RowScope, TypeGrant] = {}
    for grant in grants:
        merged[grant.scope] = _united(merged[grant.scope], grant) if grant.scope in merged else grant
    everywhere = merged.get(EVERY_ROW)
    kept = [g for g in merged.values() if g is everywhere or everywhere is None or not _within(g, everywhere)]
    return tuple(sorted(kept, key=lambda g: scope_order(g.scope)))


def scope_order(scope: RowScope) -> list[tuple[int, str]]:
    """A fixed order of row scopes."""
    return [(_ORDER[part.rule], part.predicate or "") for part in scope.parts]


_ORDER = {rule: index for index, rule in enumerate(RowRule)}


def field_levels(catalog: Catalog, entity: EntityType, rule: GrantRule) -> dict[str, Level]:
    """The levels above HIDDEN that a grant gives, by field. INTERNAL is never given; a row or a child row of which
    anything is seen also has its structural fields.
    """
    paths = dict(field_paths(catalog, entity))
    levels = {}
    for path, member in paths.items():
        level = rule.level(path, member.data_class, personal=member.info.personal)
        if level > Level.HIDDEN:
            levels[path] = level
    shown = {path.rpartition(".")[0] for path in levels}
    if shown:
        shown.add("")
    for path, member in paths.items():
        owner, _, name = path.rpartition(".")
        if name in STRUCTURE and owner in shown and member.custom is None:
            levels[path] = Level.READ
    return levels


def written_fields(catalog: Catalog, entity: EntityType, rule: GrantRule, levels: dict[str, Level]) -> frozenset[str]:
    """The fields that a grant lets be written: those that clients may set at all and that the same grant shows. Which
    records are a record's parents is of the class BASIC.
    """
    named = frozenset(rule.writes)
    classes = {
        path: member.data_class
        for path, member in field_paths(catalog, entity)
        if path in levels and member.info.write is not Write.SERVICE
    }
    if levels:
        classes |= {relation.name: DataClass.BASIC for relation in catalog.parents(entity)}
    return frozenset(
        path
        for path, data_class in classes.items()
        if f"except:{path}" not in named and (data_class.value in named or f"field:{path}" in named)
    )


def usable(catalog: Catalog, entity: EntityType, scope: RowScope) -> bool:
    """Whether the stored predicate still reads against the catalog; one that does not gives no row. It is told of when
    a policy is loaded (`validation.warn_of_unreadable`).
    """
    if scope.predicate is None:
        return scope.rule is not RowRule.WHERE
    return not predicate_problems(catalog, entity, scope)


def predicate_problems(catalog: Catalog, entity: EntityType, scope: RowScope) -> list[CrmError]:
    """Everything that is wrong with a WHERE scope's predicate."""
    return check_stored_where(catalog, entity, orjson.loads(scope.predicate or "{}"))


def covered(catalog: Catalog, entity: EntityType, rule: GrantRule, wider: GrantRule) -> bool:
    """Whether one rule gives nothing beyond another one."""

    def given(of: GrantRule) -> TypeGrant:
        levels = field_levels(catalog, entity, of)
        return TypeGrant(of.scope, MappingProxyType(levels), written_fields(catalog, entity, of, levels))

    return _within(given(rule), given(wider))


def _united(one: TypeGrant, other: TypeGrant) -> TypeGrant:
    """Two grants on the same rows are one: each cell has the higher level."""
    levels = {path: max(one.level(path), other.level(path)) for path in sorted({*one.levels, *other.levels})}
    return TypeGrant(one.scope, MappingProxyType(levels), one.writes | other.writes)


def _within(grant: TypeGrant, wider: TypeGrant) -> bool:
    """Whether a grant gives nothing that one on all rows does not give."""
    return grant.writes <= wider.writes and all(level <= wider.level(path) for path, level in grant.levels.items())
