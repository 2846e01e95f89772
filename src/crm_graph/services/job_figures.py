"""How the queue of jobs stands, in figures."""

from dataclasses import dataclass

from crm_graph.db import ReadPool

_FIGURES = """
SELECT count(*) FILTER (WHERE status = 'queued' AND attempts = 0 AND execute_after <= now()) AS waiting,
       count(*) FILTER (WHERE status = 'queued' AND attempts = 0 AND execute_after > now()) AS later,
       count(*) FILTER (WHERE status = 'queued' AND attempts > 0) AS failed,
       count(*) FILTER (WHERE status = 'picked') AS running,
       count(*) FILTER (WHERE status = 'failed') AS held,
       COALESCE(extract(epoch FROM now() - min(execute_after) FILTER (WHERE status = 'queued')), 0)::float AS oldest_s
FROM pgqueuer
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Jobs by how they stand, and for how long the one that is due for longest waits, in seconds."""

    waiting: int
    later: int
    failed: int
    running: int
    held: int
    oldest_s: float


async def figures(pool: ReadPool) -> Figures:
    """As it is now, by the clock of the database."""
    row = await pool.fetchrow(_FIGURES)
    if row is None:
        raise RuntimeError("an aggregate has a row")
    return Figures(*row.values())
