"""What questions about rights give away on purpose, naively: of a policy and the rows, for the arguments of each."""

from typing import Any
from uuid import UUID

from crm_graph.access import Access, RowScope
from crm_graph.catalog import EntityType
from crm_graph.models.roles import RowRule
from crm_graph.permissions.rules import Policy
from crm_graph.permissions.validation import row_rules_of
from crm_graph.proof.engine import principal_of
from crm_graph.proof.exits import Variables
from crm_graph.proof.rights import granted
from crm_graph.proof.rows import Row
from crm_graph.proof.view import Record, View
from crm_graph.services.counted_conditions import BUILT_IN


def explained(policy: Policy, view: View, variables: Variables) -> object:
    """Whether the record exists, which row rules match it, and of a user their name and whether they are active."""
    entity, user = view.catalog.by_api_name[variables["type"]], variables.get("user")
    access = granted(policy, view.catalog, [variables["role"]] if "role" in variables else [])
    person = [(row["username"], _in_use(row)) for row in view.tables["users"] if str(row["id"]) == user]
    rows = [row for row in view.tables[entity.table] if str(row["id"]) == variables.get("id")]
    held = _of(view, UUID(user), access) if user else view.system
    return person, [[_matches(held, entity, row, g.scope) for g in access.grants(entity.name)] for row in rows]


def reported(_policy: Policy, view: View, _variables: Variables) -> object:
    """How many active users there are, each with their roles."""
    return sorted(str(row["id"]) for row in view.tables["users"] if _in_use(row))


def previewed(_policy: Policy, view: View, variables: Variables) -> object:
    """How many records of the types are in use, which are the users' or their teams', and which meet a condition
    of the roles that the hub comes with; and whether the users are active.
    """
    draft: dict[str, Any] = variables["draft"]
    users = [row for row in view.tables["users"] if str(row["id"]) in draft["users"]]
    told = []
    for name in sorted({grant["type"] for grant in draft["grants"]}):
        entity = view.catalog.by_api_name[name]
        rules = sorted(row_rules_of(entity) - {RowRule.ALL, RowRule.WHERE})
        scopes = [RowScope(rule) for rule in rules]
        scopes += [RowScope(RowRule.WHERE, each) for type_, each in sorted(BUILT_IN) if type_ == entity.name]
        views = [_of(view, row["id"], view.principal.access) for row in users]
        rows = [row for row in view.tables[entity.table] if row.get("archived_at") is None]
        told.append(sorted([_matches(each, entity, row, s) for each in views for s in scopes] for row in rows))
    return told, [_in_use(row) for row in users]


def _of(view: View, user: UUID, access: Access) -> View:
    """The rows with system rights, where a user is the viewer."""
    return View(view.catalog, view.tables, principal_of(view.tables, user, access), None)


def _matches(view: View, entity: EntityType, row: Row, scope: RowScope) -> bool:
    return view.matches(scope, Record(entity, row, entity, row))


def _in_use(user: Row) -> bool:
    return user["status"] == "ACTIVE" and user["archived_at"] is None
