"""Asking as another role: what it may do and the asker may do too, cell by cell. See docs/decisions/0035."""

from collections.abc import Collection
from types import MappingProxyType

from crm_graph.access import EVERY_ROW, Access, Level, RowScope, TypeGrant
from crm_graph.catalog import Catalog
from crm_graph.permissions.effective import effective_access, scope_order, simplified
from crm_graph.permissions.rules import Policy

SIMULATE = "access:simulate"
"""The action that it needs."""


def simulated(policy: Policy, catalog: Catalog, roles: Collection[str], own: Access) -> Access | None:
    """What a user of these roles may do, within the asker's own rights; None where the asker may not ask, or a role is
    not there. Equal calls give one object.
    """
    if not own.may(SIMULATE) or not policy.roles.keys() >= set(roles):
        return None
    key = (frozenset(roles), own.fingerprint, catalog.version)
    access = policy.simulated.get(key)
    if access is None:
        access = within(effective_access(policy, catalog, roles), own)
        policy.simulated.put(key, access)
    return access


def within(theirs: Access, own: Access) -> Access:
    """What both give: a cell has the lower of both levels.

    The highest level of some grants, where it is no more than the highest of others, is the highest of what each pair
    of them gives: min(max aᵢ, max bⱼ) = max min(aᵢ, bⱼ). So it is a list of grants again, each on the rows that both of
    its two are about, and whatever asks for rights asks it as any other.
    """
    types = {
        name: simplified(_both(one, other) for one in grants for other in own.grants(name))
        for name, grants in theirs.types.items()
        if own.grants(name)
    }
    return Access(theirs.roles, MappingProxyType(types), theirs.actions & own.actions, theirs.policy_version)


def _both(one: TypeGrant, other: TypeGrant) -> TypeGrant:
    levels = {path: min(level, other.level(path)) for path, level in one.levels.items()}
    shown = {path: level for path, level in levels.items() if level > Level.HIDDEN}
    return TypeGrant(_rows_of_both(one.scope, other.scope), MappingProxyType(shown), one.writes & other.writes)


def _rows_of_both(one: RowScope, other: RowScope) -> RowScope:
    """The rows that both are about; the same for the same rules in whatever order."""
    parts = sorted({*one.parts, *other.parts} - {EVERY_ROW}, key=scope_order)
    if not parts:
        return EVERY_ROW
    found = parts[-1]
    for part in reversed(parts[:-1]):
        found = RowScope(part.rule, part.predicate, found)
    return found
