"""What timers do, by their kinds: one line for each."""

from collections.abc import Mapping
from types import MappingProxyType

from crm_graph.services import role_holders, task_timers
from crm_graph.services.timers import Handler

HANDLERS: Mapping[str, Handler] = MappingProxyType(
    {
        role_holders.EXPIRY: role_holders.expired,
        task_timers.OVERDUE: task_timers.fired,
        task_timers.REMINDER: task_timers.fired,
    }
)
