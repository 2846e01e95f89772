"""What roles of a policy give, for tests that ask."""

from crm_graph.access import Access, Level
from crm_graph.catalog import build_catalog
from crm_graph.models.roles import RowRule
from crm_graph.permissions.effective import effective_access
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import Policy, RoleRule

CATALOG = build_catalog()
POLICY = Policy(1, DEFAULT_ROLES)
HIDDEN, MASKED, LOOKUP, READ = Level.HIDDEN, Level.MASKED, Level.LOOKUP, Level.READ
FOR_EVERYONE = {"user": "BASIC CONTACT", "team": "BASIC", "pipeline": "BASIC", "stage": "BASIC"}


def access_of(*roles: str, scopes: frozenset[str] | None = None, policy: Policy = POLICY) -> Access:
    return effective_access(policy, CATALOG, roles, scopes)


def level(access: Access, entity_type: str, field: str, rule: RowRule = RowRule.ALL) -> Level:
    """The level that the grants with this row rule give."""
    return max((g.level(field) for g in access.grants(entity_type) if g.scope.rule is rule), default=HIDDEN)


def with_role(role: RoleRule) -> Policy:
    return Policy(1, {role.key: role})
