"""What is read of a company to be proven: its roles and grants, its custom fields, and which roles go together."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from crm_graph.catalog import Catalog, EntityType, Field, Relation, build_catalog
from crm_graph.custom_fields import load_custom_fields
from crm_graph.db import connect
from crm_graph.hub import NotMigrated
from crm_graph.permissions.rules import Policy
from crm_graph.permissions.store import load_policy
from crm_graph.proof.datasets import Likely

MOST_SETS = 1_000
"""Of roles that are held together, those that most users hold."""


@dataclass(frozen=True)
class Company:
    """A policy over a catalog, and the sets of roles that are held."""

    policy: Policy
    catalog: Catalog
    held: tuple[tuple[str, ...], ...]

    def sets(self, roles: Collection[str]) -> list[tuple[str, ...]]:
        """The set of these roles; without any, every role that somebody holds and every set that somebody holds. Raises
        UnknownRole.
        """
        self.policy.require(roles)
        if roles:
            return [tuple(sorted(set(roles)))]
        single = sorted({(role,) for together in self.held for role in together})
        return list(dict.fromkeys([*single, *self.held]))

    def likely(self) -> Likely:
        """The values that row rules ask for, by table and column: rows that have them meet a rule now and then."""
        found: dict[tuple[str, str], list[Any]] = {}
        for role in self.policy.roles.values():
            for name, grants in role.grants.items():
                for grant in grants if name in self.catalog.types else ():
                    tree = orjson.loads(grant.scope.predicate or "{}")
                    for place, value in _asked(self.catalog, self.catalog[name], tree):
                        found.setdefault(place, []).append(value)
        return {place: tuple(values) for place, values in found.items()}


async def read_company(url: str, now: datetime) -> Company:
    """Read it, and nothing of its records, in one transaction that cannot write. Raises NotMigrated."""
    connection = await connect(url, application_name="crm-graph prove")
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute(f"SET LOCAL statement_timeout = {_TIMEOUT_MS}")
            if await connection.fetchval("SELECT to_regclass('custom_fields')") is None:
                raise NotMigrated("the database was never migrated, or is older than this version")
            return Company(
                await load_policy(connection),
                build_catalog(await load_custom_fields(connection)),
                tuple(tuple(row["roles"]) for row in await connection.fetch(_HELD, now, MOST_SETS)),
            )
    finally:
        await connection.close()


_TIMEOUT_MS = 30_000
_HELD = """
SELECT roles FROM (
  SELECT array_agg(r.key ORDER BY r.key) AS roles
  FROM user_roles held JOIN users u ON u.id = held.user_id JOIN roles r ON r.id = held.role_id
  WHERE u.status = 'ACTIVE' AND u.archived_at IS NULL AND (held.expires_at IS NULL OR held.expires_at > $1)
  GROUP BY u.id
) AS sets
GROUP BY roles ORDER BY count(*) DESC, roles LIMIT $2
"""


def _asked(catalog: Catalog, entity: EntityType, tree: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Any]]:
    """What a stored condition compares with, each with its table and column, a custom field as `custom.key`."""
    for key, value in tree.items():
        member = entity.by_api_name.get(key)
        if key in ("and", "or", "not"):
            for inner in value if isinstance(value, list) else [value]:
                yield from _asked(catalog, entity, inner)
        elif key == "custom":
            for name, conditions in value.items():
                if name in entity.custom:
                    yield from _operands(entity, entity.custom[name], conditions)
        elif isinstance(member, Field):
            yield from _operands(entity, member, value)
        elif isinstance(member, Relation):
            target = catalog[member.target]
            quantified = value.keys() & {"some", "every", "none", "count"}
            inner_trees = [value[q].get("where", {}) if q == "count" else value[q] for q in sorted(quantified)]
            for inner in inner_trees if quantified else [value]:
                yield from _asked(catalog, target, inner)


def _operands(
    entity: EntityType, member: Field, conditions: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, str], Any]]:
    for op, raw in conditions.items():
        if op not in ("isNull", "isEmpty"):
            for value in raw if isinstance(raw, list) else [raw]:
                if not isinstance(value, Mapping):
                    yield (entity.table, member.name), value
