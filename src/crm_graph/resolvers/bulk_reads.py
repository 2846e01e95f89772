"""Reading in bulk: how many records of a type somebody reads, one by one, page by page or as groups, and when that is
noted.

This is cheap and rough. Of what stands at the top of a query, a single record counts as one, a list as its page size,
or as what fits into the bytes of the answer where that is less. Below, records count as often as a key of theirs stands
in the answer, and so do groups of aggregates that tell records apart. Looking for keys takes longer than much of a
read, so answers that cannot hold many are looked through now and then, and count for those between (a stratified
sample: Cochran, "Sampling Techniques", 1977, chapter 5). Each process counts for itself, and forgets who has not asked
for longest.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor
from random import Random
from typing import Any

from crm_graph.bounded import Bounded
from crm_graph.catalog import Catalog, Field, Kind
from crm_graph.errors import CrmError
from crm_graph.fragments import Fragment, Param
from crm_graph.permissions.budgets import Payer
from crm_graph.resolvers.aggregates.plan import Aggregate, Function, Nested
from crm_graph.resolvers.arguments import Given
from crm_graph.resolvers.plan import (
    Connection,
    Feed,
    History,
    Lookup,
    Many,
    Member,
    NodeList,
    NodeLookup,
    ObjectPlan,
    One,
    Part,
    ReadPlan,
    Root,
    RootOf,
    Search,
    SearchHits,
    Timeline,
    ValueLookup,
)
from crm_graph.services.reads import AuditedRead

PAGED = "paged"
KEPT = 10_000
"""Who is counted at once, by client or person."""
ANY = "record"
"""What records of several types count as: those that are found by ids, or by a search over all."""
LEAST = 10
ALWAYS = 0.5
"""What could hold this part of the limit is always looked through, a smaller answer as often as it is smaller."""
_KNOWN = -1
_RANDOM = Random()


@dataclass(frozen=True, slots=True)
class Listed:
    """A list at the top of a query: its page size, or its list of ids, is the bound value at `place`, or of `size` if
    that is below 0; each of its records takes at least so many bytes of the answer. Or whatever has this `key` in it.
    """

    entity: str
    place: int
    size: int
    least: int
    key: bytes = b""


@dataclass(frozen=True, slots=True)
class Keyed:
    """Records of a type below others, or groups that tell such records apart, each with all of these keys."""

    entity: str
    keys: tuple[str, ...]


@dataclass(slots=True)
class Count:
    """The records of one type that somebody read in a window; the next event comes at `next`.

    Answers that could hold few are laid end to end, each as long as its share of those that are always looked through.
    In each unit of that length one point is `drawn`, and the answer that it falls into counts for the unit.
    """

    records: int
    next: int
    passed: float
    drawn: float


@dataclass(slots=True)
class Window:
    """What somebody read since a moment, by type."""

    since: float
    counts: dict[str, Count]


class BulkReads:
    """Counts for one process. `count` is called with every read; what it gives is to be written down first."""

    def __init__(
        self,
        limit: int,
        window_s: float,
        monotonic: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = _RANDOM.random,
    ) -> None:
        self._limit = limit
        self._always = limit * ALWAYS
        self._window_s = window_s
        self._monotonic = monotonic
        self._random = random
        self._windows: Bounded[int, Window] = Bounded(KEPT)

    def count(self, who: Payer, lists: Sequence[Listed], values: Sequence[Any], answer: bytes) -> list[AuditedRead]:
        """Note what an answer gave; what is to be written down of it, mostly nothing."""
        if not self._limit:
            return []
        subject = (who.client_id or who.user_id).int
        now, size = self._monotonic(), len(answer)
        window = self._windows.get(subject)
        if window is None or now - window.since > self._window_s:
            window = Window(now, {})
            self._windows.put(subject, window)
        crossed: list[AuditedRead] = []
        for listed in lists:
            count = window.counts.get(listed.entity)
            if count is None:
                count = window.counts[listed.entity] = Count(0, self._limit, 0.0, self._random())
            most = size // listed.least
            if listed.key:
                share = most / self._always
                count.passed += share
                if count.passed < count.drawn:
                    continue
                count.records += self._found(answer, listed.key, most, share, count)
            else:
                rows = values[listed.place] if listed.place >= 0 else listed.size
                count.records += min(most, rows if isinstance(rows, int) else len(rows))
            if count.records >= count.next:
                count.next = 2 * count.records
                told = {"seconds": round(now - window.since)}
                crossed.append(AuditedRead(PAGED, listed.entity, (), count.records, told=told))
        return crossed

    def _found(self, answer: bytes, key: bytes, most: int, share: float, count: Count) -> int:
        """How often a key stands in an answer, which is so often at most, and in those that it counts for."""
        found = min(most, answer.count(key))
        if share >= 1:
            count.passed -= share
            return found
        units = 0
        while count.drawn <= count.passed:
            units += 1
            count.drawn = floor(count.drawn) + 1 + self._random()
        return round(found / share * units)


def listed_in(plan: ReadPlan, sources: Sequence[Any], catalog: Catalog) -> tuple[Listed, ...]:
    """What counts of a plan: the lists at its top, the single records as lists of one, and what stands below."""
    places = {source: place for place, source in enumerate(sources) if isinstance(source, Given)}
    at_top = tuple(listed for root in plan.roots for listed in _listed(root, places))
    top = [row for root in plan.roots for row in _rows_of(root)]
    below = [keyed for row in top for keyed in _below(row, catalog)]
    below += [keyed for root in plan.roots if isinstance(root, Aggregate) for keyed in _groups(root, catalog)]
    if not below:
        return at_top
    used = Counter(key for keys in (*map(_keys, top), *(keyed.keys for keyed in below)) for key in keys)
    # Of the keys that a record has, the one that fewest others have: most often it stands for these records alone.
    least: dict[tuple[str, str], int] = {}
    for keyed in below:
        rarest = keyed.entity, min(keyed.keys, key=used.__getitem__)
        least[rarest] = min(_bytes_of(keyed.keys), least.get(rarest, _bytes_of(keyed.keys)))
    return *at_top, *(Listed(name, _KNOWN, 0, size, b'"%b"' % key.encode()) for (name, key), size in least.items())


def _listed(root: Root, places: Mapping[Any, int]) -> Iterable[Listed]:
    match root:
        case Connection() if root.entity.owned:
            rows = _rows_of(root)
            if rows:
                yield _sized(root.entity.name, root.page.size, places, sum(_least(row) for row in rows))
        case Lookup() if root.row.entity.owned:
            yield Listed(root.row.entity.name, _KNOWN, 1, _least(root.row))
        case NodeLookup() if any(row.entity.owned for row in root.rows):
            yield Listed(ANY, _KNOWN, 1, min(_least(row) for row in root.rows))
        case NodeList():
            yield _sized(ANY, root.ids, places, min((_least(row) for row in root.rows), default=LEAST))
        case Feed() if root.records:
            yield _sized(ANY, root.size, places, min((_least(row) for row in root.rows), default=LEAST))
        case Search():
            for part in root.parts:
                for found in part.rows.values() if isinstance(part, SearchHits) else ():
                    yield _sized(ANY, root.size, places, min((_least(row) for row in found), default=LEAST))


def _rows_of(rows: Root | Member) -> Sequence[ObjectPlan]:
    """The records of a part of a plan, each of which is a row of its own."""
    match rows:
        case Connection():
            return [row for part in rows.parts if part.part in (Part.NODES, Part.EDGES) for _, row in part.rows]
        case Lookup() | ValueLookup() | One() | Many():
            return [rows.row]
        case NodeLookup() | NodeList() | RootOf() | Feed():
            return rows.rows
        case Search():
            hits = [part for part in rows.parts if isinstance(part, SearchHits)]
            return [row for part in hits for found in part.rows.values() for row in found]
        case _:
            return _listed_rows(rows)


def _listed_rows(rows: Root | Member) -> Sequence[ObjectPlan]:
    match rows:
        case Timeline():
            return [row for part in rows.parts for _, found in part.rows for row in found]
        case History():
            return [member.row for part in rows.parts for member in part.members if member.row]
    return ()


def _below(row: ObjectPlan, catalog: Catalog) -> Iterator[Keyed]:
    """What stands below a record, at any depth."""
    for member in row.members:
        if isinstance(member, Aggregate):
            yield from _groups(member, catalog)
        for below in _rows_of(member):
            keys = _keys(below)
            if below.entity.owned and keys:
                yield Keyed(below.entity.name, keys)
            yield from _below(below, catalog)


def _keys(row: ObjectPlan) -> tuple[str, ...]:
    return tuple(member.key for member in row.members if member.key[0] != " ")


def _groups(plan: Aggregate, catalog: Catalog) -> Iterator[Keyed]:
    """Groups that tell records apart: by what is grouped by, or by a person's data among the values of a group."""
    entities = [key.path[-1].target if key.path else plan.entity.name for key in plan.keys if _tells(key.field)]
    if any(measure.field and measure.field.info.personal and measure.function in _VALUES for measure in plan.measures):
        entities.append(plan.entity.name)
    owned = sorted({entity for entity in entities if catalog[entity].owned})
    for part in plan.parts:
        if isinstance(part, Nested):
            keys = tuple(member.key for member in part.members)
            yield from (Keyed(entity, keys) for entity in owned)


_VALUES = (Function.MIN, Function.MAX)
"""What is told of a group's rows that one of them has."""


def _tells(field: Field) -> bool:
    """Whether a value may stand for one record: a text that is no choice, or what else is personal."""
    return field.kind is Kind.TEXT or (field.info.personal and field.kind is not Kind.ENUM)


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
    return _bytes_of(_keys(row))


def _bytes_of(keys: Iterable[str]) -> int:
    """What a record takes at least: braces and a comma, and for each member its key and one character."""
    return 2 + sum(len(key) + 5 for key in keys)
