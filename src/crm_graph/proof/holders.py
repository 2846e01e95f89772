"""Rows by which an asker holds their roles: what verbs that manage rights, teams and people ask the database for."""

from collections.abc import Collection
from uuid import UUID

from crm_graph.models.ids import EntityCode
from crm_graph.models.users import UserKind, UserStatus
from crm_graph.permissions.rules import Policy
from crm_graph.proof.rows import NOON, Row, id_source


def hold(tables: dict[str, list[Row]], policy: Policy, roles: Collection[str], user_id: UUID) -> None:
    """Let a user, who is there, be a person who may act and holds these roles of a policy."""
    (user,) = (row for row in tables["users"] if row["id"] == user_id)
    user.update(kind=UserKind.PERSON.value, status=UserStatus.ACTIVE.value, archived_at=None)
    ids = id_source(5)
    tables["roles"] = [
        {
            "id": ids.new(EntityCode.ROLE),
            "key": role.key,
            "name_en": role.name_en,
            "name_zh": role.name_zh,
            "actions": sorted(role.actions),
            "inherits": list(role.inherits),
            "created_at": NOON,
            "updated_at": NOON,
        }
        for role in policy.roles.values()
    ]
    tables["user_roles"] = [
        {"user_id": user_id, "role_id": role["id"]} for role in tables["roles"] if role["key"] in roles
    ]
