"""What a policy gives, read from its lines: the rights of a naive view. Nothing is merged, simplified or kept."""

from collections.abc import Collection, Iterator
from types import MappingProxyType

from crm_graph.access import Access, Level, TypeGrant
from crm_graph.catalog import Catalog, EntityType, Field
from crm_graph.models.fields import DataClass, Write
from crm_graph.permissions.effective import EVERYDAY_VERBS, STRUCTURE, usable
from crm_graph.permissions.rules import EVERYONE, LABELS, OWN, REFERENCE_TYPES, GrantRule, Policy, RoleRule, actions_of


def granted(policy: Policy, catalog: Catalog, roles: Collection[str], scopes: frozenset[str] | None = None) -> Access:
    """What roles give, and of it what the scopes of a client leave: a grant for each line."""
    lines = _held(policy, (*roles, EVERYONE))
    types = {}
    for entity in catalog.roots:
        given = [
            TypeGrant(
                grant.scope,
                MappingProxyType(_left(catalog, entity, role, scopes, grant)),
                _writes(catalog, entity, grant),
            )
            for role in lines
            for grant in role.grants.get(entity.name, ())
            if usable(catalog, entity, grant.scope)
        ]
        given = [each for each in given if each.levels]
        if given:
            types[entity.name] = tuple(given)
    actions = actions_of(catalog) & {action for role in lines for action in role.actions}
    kept = frozenset(a for a in actions if scopes is None or scopes & set(_scopes_for(a)))
    return Access(tuple(sorted(roles)), MappingProxyType(types), kept, policy.version)


def _held(policy: Policy, keys: Collection[str]) -> list[RoleRule]:
    """Roles with all that they inherit."""
    found = [policy.roles[key] for key in dict.fromkeys(keys) if key in policy.roles]
    for role in found:
        found += [policy.roles[key] for key in role.inherits if key in policy.roles and policy.roles[key] not in found]
    return found


def _left(
    catalog: Catalog,
    entity: EntityType,
    role: RoleRule,
    scopes: frozenset[str] | None,
    grant: GrantRule,
) -> dict[str, Level]:
    """What scopes leave of what a line shows: all of a type that they name; of one that everyone sees and that these
    lead to, what names it; of its own account, what everyone sees of theirs.
    """
    shown = levels(catalog, entity, grant)
    itself = role.key == EVERYONE and entity.name == "user" and grant.scope == OWN
    if scopes is None or _named(entity, scopes) or itself:
        return shown
    by_type = [each for each in catalog.roots if _named(each, scopes)]
    for _ in catalog.roots:
        targets = {relation.target for each in by_type for relation in each.relations.values()}
        by_type += [catalog[name] for name in targets & REFERENCE_TYPES if catalog[name] not in by_type]
    if role.key != EVERYONE or entity not in by_type:
        return {}
    named = LABELS.get(entity.name, shown.keys())
    return {path: level for path, level in shown.items() if path in (named | STRUCTURE)} if named & shown.keys() else {}


def _named(entity: EntityType, scopes: frozenset[str]) -> bool:
    """Whether scopes name a type."""
    return bool(scopes & {f"{entity.plural}:read", f"{entity.plural}:write", f"sync:{entity.plural}"})


def _scopes_for(action: str) -> Iterator[str]:
    """The scopes each of which keeps an action."""
    yield action
    plural, _, verb = action.partition(":")
    if verb in EVERYDAY_VERBS:
        yield f"{plural}:write"
    if verb == "upsert":
        yield f"sync:{plural}"


def levels(catalog: Catalog, entity: EntityType, grant: GrantRule) -> dict[str, Level]:
    """What one line shows of a type, by field; structure comes with whatever is shown."""
    given = {path: _given(grant, path, member) for path, member in _fields(catalog, entity)}
    shown = {path: level for path, level in given.items() if level > Level.HIDDEN}
    owners = {"", *(path.rpartition(".")[0] for path in shown)} if shown else set()
    for path, member in _fields(catalog, entity):
        owner, _, name = path.rpartition(".")
        if name in STRUCTURE and owner in owners and member.custom is None:
            shown[path] = Level.READ
    return shown


def _given(grant: GrantRule, path: str, member: Field) -> Level:
    """The level by field, else by class, at most the one for what is personal."""
    if member.data_class is DataClass.INTERNAL:
        return Level.HIDDEN
    by_class = grant.levels.get(member.data_class, Level.HIDDEN)
    return grant.fields.get(path, min(by_class, grant.personal) if member.info.personal else by_class)


def _writes(catalog: Catalog, entity: EntityType, grant: GrantRule) -> frozenset[str]:
    """The fields that one line lets be written: those that it names and shows."""
    return frozenset(
        path
        for path, member in _fields(catalog, entity)
        if _given(grant, path, member) > Level.HIDDEN
        and member.info.write is not Write.SERVICE
        and {member.data_class.value, f"field:{path}"} & set(grant.writes)
        and f"except:{path}" not in grant.writes
    )


def _fields(catalog: Catalog, entity: EntityType) -> Iterator[tuple[str, Field]]:
    """Every field that a line can be about."""
    yield from entity.fields.items()
    yield from ((member.name, member) for member in entity.custom.values())
    for relation in catalog.children(entity):
        for name, member in catalog[relation.target].fields.items():
            yield f"{relation.name}.{name}", member
