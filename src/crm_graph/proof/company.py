"""What is read of a company to be proven: its roles and grants, its custom fields, which roles go together, and the
scopes of its clients.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from random import Random
from typing import Any

import orjson

from crm_graph.catalog import Catalog, EntityType, Field, Relation, build_catalog
from crm_graph.custom_fields import CustomDefinition, load_custom_fields
from crm_graph.db import connect
from crm_graph.hub import NotMigrated
from crm_graph.permissions.effective import scopes_of
from crm_graph.permissions.rules import Policy, UnknownRole
from crm_graph.permissions.store import load_policy
from crm_graph.proof.datasets import Likely

MOST_SETS = 1_000
"""Of roles that are held together, those that most users hold."""


@dataclass(frozen=True)
class Asker:
    """A set of roles, for a client what it has of them by its scopes."""

    roles: tuple[str, ...]
    scopes: frozenset[str] | None = None

    def narrowed(self, random: Random) -> "Asker":
        """The same with a token that was asked for fewer scopes, now and then."""
        if self.scopes is None or random.random() < 0.5:
            return self
        return Asker(self.roles, frozenset(s for s in sorted(self.scopes) if random.random() < 0.7))


@dataclass(frozen=True)
class Company:
    """A policy, its custom fields, the sets of roles that are held, and those of clients with their scopes."""

    policy: Policy
    definitions: tuple[CustomDefinition, ...]
    held: tuple[tuple[str, ...], ...]
    clients: tuple[Asker, ...] = ()

    @cached_property
    def catalog(self) -> Catalog:
        """What there is, custom fields among it."""
        return build_catalog(self.definitions)

    def askers(self, roles: Collection[str], scopes: Collection[str] = ()) -> list[Asker]:
        """Who asks: with the set of these roles, as a client with these scopes if there are any. Without roles, with
        every role that somebody holds, every set that somebody holds, and as every client. Raises UnknownRole.
        """
        unknown = sorted(set(scopes) - scopes_of(self.catalog))
        if unknown:
            raise UnknownRole(f"there is no scope {unknown[0]}")
        if scopes and not roles:
            raise UnknownRole("a scope is of a client with roles: name these with --role")
        sets = self.sets(roles)
        if roles:
            return [Asker(sets[0], frozenset(scopes) if scopes else None)]
        return list(dict.fromkeys([*map(Asker, sets), *self.clients]))

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
            clients = await connection.fetch(_CLIENTS, now, MOST_SETS)
            return Company(
                await load_policy(connection),
                tuple(await load_custom_fields(connection)),
                tuple(tuple(row["roles"]) for row in await connection.fetch(_HELD, now, MOST_SETS)),
                tuple(Asker(tuple(row["roles"]), frozenset(orjson.loads(row["scopes"]))) for row in clients),
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


_CLIENTS = """
SELECT DISTINCT c.scopes::text AS scopes, ARRAY(
  SELECT r.key FROM user_roles held JOIN roles r ON r.id = held.role_id
  WHERE held.user_id = u.id AND (held.expires_at IS NULL OR held.expires_at > $1) ORDER BY r.key
) AS roles
FROM clients c JOIN users u ON u.id = c.user_id
WHERE c.status = 'ACTIVE' AND u.status = 'ACTIVE' AND u.archived_at IS NULL ORDER BY roles, scopes LIMIT $2
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
