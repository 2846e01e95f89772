"""How what happens later goes, for who runs the hub: jobs, timers and the feed, in figures."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from crm_graph.services.feed_lag import feed_lag
from crm_graph.services.job_figures import figures
from crm_graph.services.timer_figures import KindFigures, timer_figures


async def told_operations(connection: Any, now: datetime) -> Mapping[str, Any]:
    """By the names of the API, on a connection or a pool."""
    jobs = asdict(await figures(connection))
    lag = await feed_lag(connection)
    return {
        "jobs": {**jobs, "oldestSeconds": max(jobs.pop("oldest_s"), 0.0)},
        "feed": {"lagSeconds": lag.lag_s, "oldestTransactionSeconds": lag.oldest_transaction_s},
        "timers": [_told(kind) for kind in await timer_figures(connection, now)],
    }


def _told(kind: KindFigures) -> Mapping[str, Any]:
    told = asdict(kind)
    return {
        **told,
        "firedAt": told["fired_at"],
        "lateSeconds": told["late_s"],
        "overdueSeconds": told["overdue_s"],
    }
