"""How often somebody may be told what their rights alone do not tell: a budget of its own for each such right.

It is kept as the budgets of cost are, in one row for all processes, and leased from there.
"""

from dataclasses import dataclass
from uuid import UUID, uuid5

from crm_graph.errors import CostExceeded, RateLimited
from crm_graph.permissions.budgets import Budgets
from crm_graph.permissions.principals import Principal

_ROWS = UUID("019ac000-0000-7000-8000-63726d616c6c")
"""Under which the ids of allowances are made; frozen, since their rows are known by them."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who pays, as `Budgets` asks for them: one row for each who asks and each right."""

    user_id: UUID
    cost_per_minute: int
    client_id: UUID | None = None


class Allowance:
    """What one right gives in a minute, to each client, or to a person without one; 0 gives it without an end."""

    def __init__(self, budgets: Budgets, purpose: str, per_minute: int) -> None:
        self._budgets = budgets
        self._purpose = purpose
        self._per_minute = per_minute

    async def take(self, principal: Principal, times: int) -> None:
        """Use it so many times. Raises RateLimited with the seconds to wait, CostExceeded for more than a whole
        minute's at once, Unavailable where the database cannot be asked.
        """
        subject = principal.client_id or principal.user_id
        holder = Holder(uuid5(_ROWS, f"{self._purpose} {subject}"), self._per_minute)
        try:
            await self._budgets.charge(holder, times)
        except RateLimited as refusal:
            raise RateLimited("allowance_used", **refusal.details, policy=self._purpose) from None
        except CostExceeded:
            raise CostExceeded("allowance_exceeded", requested=times, limit=self._per_minute) from None
