"""The header by which somebody asks as another role, within their own rights."""

from dataclasses import replace

import structlog

from crm_graph.catalog import Catalog
from crm_graph.errors import BadVariables
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.rules import Policy
from crm_graph.permissions.simulation import simulated

log = structlog.get_logger(__name__)

HEADER = "CRM-Graph-Simulate-Role"
MAX_ROLES = 8


def simulating(principal: Principal, header: bytes, policy: Policy, catalog: Catalog) -> Principal:
    """The principal as one of other roles, whose keys the header lists. Raises BadVariables, the same for who may not
    simulate and for a role that is not there: nobody learns by it which roles there are.
    """
    roles = {key.strip() for key in header.decode("latin-1").split(",")}
    access = simulated(policy, catalog, roles, principal.access) if len(roles) <= MAX_ROLES else None
    if access is None:
        raise BadVariables("role_not_simulated", path=(HEADER,))
    log.info("role_simulated", by=str(principal.user_id), roles=access.roles)
    return replace(principal, roles=access.roles, access=access)
