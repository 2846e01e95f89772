"""How timers stand, in figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from crm_graph.db import ReadPool
from crm_graph.services.timer_handlers import HANDLERS

COUNTED = 1_000_000
"""No more are counted."""

_FIGURES = """
SELECT k.kind,
       (SELECT count(*) FROM (SELECT FROM timers WHERE kind = k.kind AND held_at IS NULL LIMIT $3) AS w) AS waiting,
       (SELECT count(*) FROM (
           SELECT FROM timers WHERE kind = k.kind AND held_at IS NULL AND wake_at <= $2 LIMIT $3) AS d) AS due,
       count(f.id) FILTER (WHERE f.held_at IS NULL) AS failed,
       count(f.id) FILTER (WHERE f.held_at IS NOT NULL) AS held,
       COALESCE(n.fired, 0) AS fired, n.fired_at, n.late_s,
       (SELECT GREATEST(extract(epoch FROM $2 - wake_at), 0)::float FROM timers
        WHERE kind = k.kind AND held_at IS NULL ORDER BY wake_at LIMIT 1) AS overdue_s
FROM unnest($1::text[]) AS k (kind)
LEFT JOIN timer_kinds n ON n.kind = k.kind
LEFT JOIN timers f ON f.kind = k.kind AND f.attempts > 0
GROUP BY k.kind, n.fired, n.fired_at, n.late_s ORDER BY k.kind
"""


@dataclass(frozen=True, slots=True)
class KindFigures:
    """The timers of a kind: all that wait, those of them that are due and that failed before; those that are held; how
    many have fired, when the last ones did and how late; and for how long the earliest one is due, in seconds.
    """

    kind: str
    waiting: int
    due: int
    failed: int
    held: int
    fired: int
    fired_at: datetime | None
    late_s: float | None
    overdue_s: float


async def timer_figures(pool: ReadPool, now: datetime) -> Sequence[KindFigures]:
    """As it is now, for every kind that this release knows."""
    rows = await pool.fetch(_FIGURES, sorted(HANDLERS), now, COUNTED)
    return [KindFigures(**{**row, "overdue_s": row["overdue_s"] or 0.0}) for row in rows]
