"""The header by which somebody asks as another role, within their own rights."""

import time
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from crm_graph.bounded import Bounded
from crm_graph.catalog import Catalog
from crm_graph.errors import BadVariables
from crm_graph.permissions.authentication import Principals
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.simulation import simulated
from crm_graph.services.reads import Audit, AuditedRead

HEADER = "CRM-Graph-Simulate-Role"
MAX_ROLES = 8
AGAIN_S = 600.0
"""Whoever goes on asking as a role is written down once in so long, by each process."""
_KEPT = 1_000


class Simulations:
    """Lets people ask as others, and writes down who does, before they are answered."""

    def __init__(
        self,
        principals: Principals,
        catalog: Catalog,
        audit: Audit,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._principals = principals
        self._catalog = catalog
        self._audit = audit
        self._monotonic = monotonic
        self._written: Bounded[tuple[UUID, UUID | None, tuple[str, ...]], float] = Bounded(_KEPT)

    async def principal(self, asker: Principal, header: bytes, request_id: str) -> Principal:
        """The asker as one of other roles, whose keys the header lists. Raises BadVariables, the same for who may not
        simulate and for a role that is not there: nobody learns by it which roles there are.
        """
        keys = {key.strip() for key in header.decode("latin-1").split(",")}
        known = len(keys) <= MAX_ROLES
        access = simulated(self._principals.policy, self._catalog, keys, asker.access) if known else None
        if access is None:
            raise BadVariables("role_not_simulated", path=(HEADER,))
        who, now = (asker.user_id, asker.client_id, tuple(sorted(keys))), self._monotonic()
        written = self._written.get(who)
        if written is None or now - written >= AGAIN_S:
            read = AuditedRead("simulated", "role", (), 0, told={"roles": who[2]})
            await self._audit.write(asker, request_id, [read])
            self._written.put(who, now)
        return replace(asker, roles=access.roles, access=access)
