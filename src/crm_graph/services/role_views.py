"""Roles as an admin sees them, by the names of the API: what queries, payloads and events tell of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from crm_graph.access import Level
from crm_graph.catalog import Catalog, EntityType
from crm_graph.models.fields import DataClass
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.policy_texts import in_chinese
from crm_graph.permissions.rules import EVERYONE, GrantRule, Policy, RoleRule
from crm_graph.permissions.store import Connection, load_policy
from crm_graph.services.rights import api_paths

Told = Mapping[str, Any]

_FACTS = """
SELECT (SELECT version FROM policy_version WHERE id = 1) AS policy_version,
       r.id, r.key, r.builtin, r.version, r.created_at, r.updated_at,
       CASE WHEN r.key = $3
         THEN (SELECT count(*) FROM users u WHERE u.status = 'ACTIVE' AND u.archived_at IS NULL)
         ELSE (SELECT count(*) FROM user_roles h JOIN users u ON u.id = h.user_id
               WHERE h.role_id = r.id AND (h.expires_at IS NULL OR h.expires_at > $1)
                 AND u.status = 'ACTIVE' AND u.archived_at IS NULL)
       END AS holders
FROM roles r
WHERE $2::text[] IS NULL OR r.key = ANY($2)
ORDER BY r.key
LIMIT 1000
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What of a role is no right: `holders` are the active users who have it now."""

    id: UUID
    builtin: bool
    version: int
    holders: int
    created_at: datetime
    updated_at: datetime


async def facts_of(
    connection: Connection, now: datetime, keys: Sequence[str] | None
) -> tuple[int, Mapping[str, Facts]]:
    """The policy version, and the facts of roles by key; of all without keys."""
    rows = await connection.fetch(_FACTS, now, None if keys is None else list(keys), EVERYONE)
    found = {
        row["key"]: Facts(
            row["id"], row["builtin"], row["version"], row["holders"], row["created_at"], row["updated_at"]
        )
        for row in rows
    }
    return rows[0]["policy_version"] if rows else 0, found


async def told_roles(
    connection: Connection, policy: Policy, catalog: Catalog, now: datetime, keys: Sequence[str] | None
) -> list[Told]:
    """Roles by key, as they are in the database: `policy` serves where it is of the same version."""
    version, facts = await facts_of(connection, now, keys)
    if facts and version != policy.version:
        policy = await load_policy(connection)
    return [told_role(catalog, policy.roles[key], fact) for key, fact in facts.items() if key in policy.roles]


def told_role(catalog: Catalog, role: RoleRule, facts: Facts) -> Told:
    """A role with its grants."""
    return {
        "id": str(facts.id),
        "key": role.key,
        **told_rights(catalog, role),
        "about": {"zh": in_chinese(role.description), "en": role.description},
        "builtin": facts.builtin,
        "edited": facts.builtin and not as_default(role),
        "version": facts.version,
        "holders": facts.holders,
        "createdAt": facts.created_at,
        "updatedAt": facts.updated_at,
    }


def as_default(role: RoleRule) -> bool:
    """Whether a role gives what the default table gives, in whatever order."""
    default = DEFAULT_ROLES.get(role.key)
    return default is not None and _given(role) == _given(default)


def _given(role: RoleRule) -> Any:
    grants = {
        name: sorted(
            (
                r.scope.rule,
                r.scope.predicate or "",
                sorted(r.levels.items()),
                sorted(r.fields.items()),
                sorted(r.writes),
                r.personal,
            )
            for r in rules
        )
        for name, rules in role.grants.items()
        if rules
    }
    return grants, role.actions, sorted(role.inherits)


def told_rights(catalog: Catalog, role: RoleRule) -> dict[str, Any]:
    """What can be edited of a role."""
    return {
        "label": {"zh": role.name_zh, "en": role.name_en},
        "description": role.description,
        "inherits": list(role.inherits),
        "actions": sorted(role.actions),
        "grants": [told_grant(catalog, name, rule) for name, rules in role.grants.items() for rule in rules],
    }


def told_grant(catalog: Catalog, entity_type: str, rule: GrantRule) -> Told:
    """A grant by the names of the API; what the catalog no longer has is told as it is stored."""
    entity = catalog.types.get(entity_type)
    paths = _paths(catalog, entity) if entity is not None else {}
    return {
        "type": entity.api_name if entity is not None else entity_type,
        "rowRule": rule.scope.rule.value,
        "where": orjson.loads(rule.scope.predicate) if rule.scope.predicate is not None else None,
        "levels": [
            {"dataClass": data_class.value, "level": rule.levels[data_class].name}
            for data_class in DataClass
            if rule.levels.get(data_class, Level.HIDDEN) > Level.HIDDEN
        ],
        "fields": [{"field": paths.get(path, path), "level": level.name} for path, level in rule.fields.items()],
        "personalLevel": rule.personal.name,
        "writes": _told_writes(rule, paths),
    }


def _paths(catalog: Catalog, entity: EntityType) -> dict[str, str]:
    return api_paths(catalog, entity) | {relation.name: relation.api_name for relation in catalog.parents(entity)}


def _told_writes(rule: GrantRule, paths: Mapping[str, str]) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {"classes": [], "fields": [], "except": []}
    for entry in rule.writes:
        kind, _, path = entry.partition(":")
        if path:
            told["fields" if kind == "field" else "except"].append(paths.get(path, path))
        else:
            told["classes"].append(kind)
    return told
