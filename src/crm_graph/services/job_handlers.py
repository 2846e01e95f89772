"""Every handler of jobs, by the name that jobs call it."""

from collections.abc import Mapping

from crm_graph.services import upkeep
from crm_graph.services.jobs import Handler

UPKEEP = ("system.upkeep", "Upkeep")

HANDLERS: Mapping[str, Handler] = {
    "upkeep.event_partitions": Handler(upkeep.make_event_partitions, user=UPKEEP),
    "upkeep.expired": Handler(upkeep.forget_expired, user=UPKEEP),
    "upkeep.old_events": Handler(upkeep.forget_old_events, user=UPKEEP),
    "upkeep.old_jobs": Handler(upkeep.forget_old_jobs, user=UPKEEP),
}
