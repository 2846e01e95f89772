"""By which conditions of row rules a preview counts records: those that its asker could count by, and those that the
hub comes with. By any other a draft would ask of records what its asker may not see (docs/decisions/0040).
"""

from collections.abc import Callable
from dataclasses import replace

import orjson

from crm_graph.access import EVERY_ROW, Access, RowScope
from crm_graph.catalog import Catalog, EntityType
from crm_graph.criteria.reading import PredicateReader, stored_leaf
from crm_graph.errors import CrmError
from crm_graph.permissions.policy import DEFAULT_ROLES

Counted = Callable[[EntityType, RowScope], bool]
"""Whether records of a type may be counted by a row rule."""

BUILT_IN = frozenset(
    (name, part.predicate)
    for role in DEFAULT_ROLES.values()
    for name, rules in role.grants.items()
    for rule in rules
    for part in rule.scope.parts
    if part.predicate is not None
)
"""Conditions of the default table, with their types: they are few, and nobody chose them to learn something."""


def counted_for(catalog: Catalog, asker: Access) -> Counted:
    """What somebody's previews count by. A condition has to name fields alone that they read on every record."""
    everywhere = {name: tuple(g for g in grants if g.scope == EVERY_ROW) for name, grants in asker.types.items()}
    reads = replace(asker, types={name: grants for name, grants in everywhere.items() if grants})
    known: dict[tuple[str, str], bool] = dict.fromkeys(BUILT_IN, True)

    def counted(entity: EntityType, scope: RowScope) -> bool:
        for part in scope.parts:
            key = (entity.name, part.predicate or "")
            if part.predicate is not None and key not in known:
                known[key] = _reads(catalog, reads, entity, part.predicate)
            if part.predicate is not None and not known[key]:
                return False
        return True

    return counted


def _reads(catalog: Catalog, access: Access, entity: EntityType, predicate: str) -> bool:
    try:
        PredicateReader(catalog, access, stored_leaf).read(entity, orjson.loads(predicate))
    except CrmError:
        return False
    return True
