"""Reading in bulk: how many records of a type somebody reads, one by one or page by page, and when that is noted.

Whatever stands at the top of a query counts, a single record as one. This is cheap and rough: a list counts its page
size, or what fits into the bytes of the answer where that is less. Each process counts for itself, and forgets who has
not asked for longest.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crm_graph.bounded import Bounded
from crm_graph.errors import CrmError
from crm_graph.fragments import Fragment, Param
from crm_graph.permissions.budgets import Payer
from crm_graph.resolvers.arguments import Given
from crm_graph.resolvers.plan import (
    Connection,
    Lookup,
    NodeList,
    NodeLookup,
    ObjectPlan,
    Part,
    ReadPlan,
    Root,
    Search,
    SearchHits,
)
from crm_graph.services.reads import AuditedRead

PAGED = "paged"
KEPT = 10_000
"""Who is counted at once, by client or person."""
ANY = "record"
"""What records of several types count as: those that are found by ids, or by a search over all."""
LEAST = 10
_KNOWN = -1


@dataclass(frozen=True, slots=True)
class Listed:
    """A list at the top of a query: its page size, or its list of ids, is the bound value at `place`, or of `size` if
    that is below 0; each of its records takes at least so many bytes of the answer.
    """

    entity: str
    place: int
    size: int
    least: int


@dataclass(slots=True)
class Count:
    """The records of one type that somebody read since a moment, for one window; the next event comes at `next`."""

    since: float
    records: int
    next: int


class BulkReads:
    """Counts for one process. `count` is called with every read; what it gives is to be written down first."""

    def __init__(self, limit: int, window_s: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._window_s = window_s
        self._monotonic = monotonic
        self._counts: Bounded[int, dict[str, Count]] = Bounded(KEPT)

    def count(self, who: Payer, lists: Sequence[Listed], values: Sequence[Any], size: int) -> list[AuditedRead]:
        """Note what an answer of that size in bytes gave; the crossings of the limit, mostly none."""
        if not self._limit:
            return []
        subject = (who.client_id or who.user_id).int
        counts = self._counts.get(subject)
        if counts is None:
            counts = {}
            self._counts.put(subject, counts)
        now = self._monotonic()
        crossed: list[AuditedRead] = []
        for listed in lists:
            rows = values[listed.place] if listed.place >= 0 else listed.size
            if not isinstance(rows, int):
                rows = len(rows)
            most = size // listed.least
            count = counts.get(listed.entity)
            if count is None or now - count.since > self._window_s:
                count = counts[listed.entity] = Count(now, 0, self._limit)
            count.records += min(most, rows)
            if count.records >= count.next:
                count.next = count.records + self._limit
                crossed.append(_crossing(listed.entity, count, now))
        return crossed


def _crossing(entity: str, count: Count, now: float) -> AuditedRead:
    return AuditedRead(PAGED, entity, (), count.records, told={"seconds": round(now - count.since)})


def listed_in(plan: ReadPlan, sources: Sequence[Any]) -> tuple[Listed, ...]:
    """What counts of a plan: the lists at its top, and the single records as lists of one."""
    places = {source: place for place, source in enumerate(sources) if isinstance(source, Given)}
    return tuple(listed for root in plan.roots for listed in _listed(root, places))


def _listed(root: Root, places: Mapping[Any, int]) -> Iterable[Listed]:
    match root:
        case Connection() if root.entity.owned:
            rows = [row for part in root.parts if part.part in (Part.NODES, Part.EDGES) for _, row in part.rows]
            if rows:
                yield _sized(root.entity.name, root.page.size, places, sum(_least(row) for row in rows))
        case Lookup() if root.row.entity.owned:
            yield Listed(root.row.entity.name, _KNOWN, 1, _least(root.row))
        case NodeLookup() if any(row.entity.owned for row in root.rows):
            yield Listed(ANY, _KNOWN, 1, min(_least(row) for row in root.rows))
        case NodeList():
            yield _sized(ANY, root.ids, places, min((_least(row) for row in root.rows), default=LEAST))
        case Search():
            for part in root.parts:
                for found in part.rows.values() if isinstance(part, SearchHits) else ():
                    yield _sized(ANY, root.size, places, min((_least(row) for row in found), default=LEAST))


def _sized(entity: str, size: Fragment, places: Mapping[Any, int], least: int) -> Listed:
    """A list by where its size stands: a bound value, a literal, or a list that has variables in it."""
    sources = [part.source for part in size.parts if isinstance(part, Param)]
    if len(sources) != 1 or len(size.parts) > 1:
        return Listed(entity, _KNOWN, len(sources), least)
    place = places.get(sources[0], _KNOWN)
    if place != _KNOWN or sources[0].path:
        # One that is bound nowhere is of a list that finds nothing.
        return Listed(entity, place, 0, least)
    try:
        value = sources[0].value({})
    except CrmError:
        # It is refused when the values are bound.
        value = 0
    return Listed(entity, place, value if isinstance(value, int) else len(value), least)


def _least(row: ObjectPlan) -> int:
    """The bytes that a record takes at least: braces and a comma, and for each member its key and one character."""
    return 2 + sum(len(member.key) + 5 for member in row.members if member.key[0] != " ")
