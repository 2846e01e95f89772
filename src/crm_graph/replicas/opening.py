"""The replica that the settings name, with what watches it."""

import time
from collections.abc import Callable, Sequence
from functools import partial

from crm_graph.db import DATABASE_FAILURES, ReadPool, command_timeout, connect, read_connection
from crm_graph.errors import Unavailable
from crm_graph.replicas.positions import Writes
from crm_graph.replicas.reads import Replica, ReplicaConnection
from crm_graph.replicas.seals import Seals
from crm_graph.replicas.watch import LOOK_WITHIN_S, POSITION, Watch
from crm_graph.settings import Settings

_WRITERS = 10_000
"""Users whose last write is remembered in one process."""
_DETECTED_WITHIN_S = 10.0
"""Longer than it takes to see that a replica has fallen too far behind."""


def replica_of(
    url: str,
    settings: Settings,
    primary: ReadPool,
    is_behind: Callable[[str | None], bool],
    secrets: Callable[[], Sequence[bytes]],
) -> Replica:
    """What reads from the standby at `url` of `primary`; `is_behind` tells which revisions are too old to be read,
    `secrets` what all processes know and nobody else.
    """
    if settings.database_url is None:
        raise ValueError("a replica needs a primary")
    quick = settings.model_copy(update={"connect_timeout_s": min(settings.connect_timeout_s, LOOK_WITHIN_S)})

    async def look() -> int:
        try:
            return int(await primary.fetchval(POSITION, timeout=LOOK_WITHIN_S))
        except DATABASE_FAILURES as failure:
            raise Unavailable from failure

    watched = partial(connect, timeout_s=quick.connect_timeout_s)
    writes = Writes(
        look, kept_s=settings.replica_max_lag_s + _DETECTED_WITHIN_S, limit=_WRITERS, monotonic=time.monotonic
    )
    watch = partial(
        Watch,
        writes,
        connect_primary=partial(watched, settings.database_url, application_name="crm-graph listen"),
        connect_standby=partial(watched, url, application_name="crm-graph watch"),
        is_behind=is_behind,
        max_lag_s=settings.replica_max_lag_s,
    )
    return Replica(
        partial(read_connection, url, quick, ReplicaConnection),
        settings.read_pool_size,
        writes,
        lambda heard: watch(heard=heard),
        Seals(secrets),
        wait_s=settings.pool_wait_s,
        lend_s=command_timeout(settings.statement_timeout_ms),
    )
