"""How far the feed is behind: what is committed and not told yet, since an older transaction is open somewhere."""

from dataclasses import dataclass
from typing import Any

_LAG = """
SELECT (SELECT extract(epoch FROM clock_timestamp() - min(e.occurred_at)) FROM events e
        WHERE (e.epoch, e.transaction) >= ((SELECT max(epoch) FROM log_epochs), pg_snapshot_xmin(pg_current_snapshot()))
       )::float8 AS lag_s,
       (SELECT extract(epoch FROM clock_timestamp() - min(a.xact_start)) FROM pg_stat_activity a
        WHERE a.backend_xid IS NOT NULL)::float8 AS oldest_transaction_s
"""


@dataclass(frozen=True, slots=True)
class FeedLag:
    """In seconds: the age of the oldest event that nobody can read yet, and that of the oldest transaction of the
    server that has written something; 0 where there is none. Transactions of other users of the server count where ours
    may read `pg_stat_activity` (`pg_read_all_stats`).
    """

    lag_s: float
    oldest_transaction_s: float


async def feed_lag(connection: Any) -> FeedLag:
    """The lag as it is now."""
    found = await connection.fetchrow(_LAG)
    return FeedLag(max(found["lag_s"] or 0.0, 0.0), max(found["oldest_transaction_s"] or 0.0, 0.0))
