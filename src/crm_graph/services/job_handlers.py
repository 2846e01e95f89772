"""Every handler of jobs, by the name that jobs call it."""

from collections.abc import Mapping

from crm_graph.services.jobs import Handler

HANDLERS: Mapping[str, Handler] = {}
