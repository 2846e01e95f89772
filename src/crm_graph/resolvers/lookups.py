"""Lookups of a query: where it finds records by the whole value of a field that its asker may see masked.

Every value is taken from an allowance before the statement runs, and stands in the log before its answer is told.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from crm_graph.catalog import EntityType, Field
from crm_graph.fragments import Const, Param
from crm_graph.resolvers.arguments import given
from crm_graph.resolvers.binding import bound
from crm_graph.resolvers.derived import Step, paths_of, reach
from crm_graph.resolvers.plan import ROW_ID, Connection, Part, ReadPlan, Root, ValueLookup
from crm_graph.resolvers.search.lookup import compared
from crm_graph.scalars import parse_text
from crm_graph.services.reads import AuditedRead, Hashing

LOOKED_UP = "looked_up"


@dataclass(frozen=True, slots=True)
class LookupSite:
    """One field that a query looks values up in: `paths` lead to the records that it finds. Of several values, the one
    that a record has stands under the key `matched`, counted from 1. `searched` are values however they are written.
    """

    paths: tuple[tuple[Step, ...], ...]
    entity: EntityType
    field: Field
    sources: tuple[Any, ...]
    matched: str | None = None
    searched: bool = False

    def values(self, variables: Mapping[str, Any]) -> list[str]:
        """What is looked for, as it was given."""
        found: list[str] = []
        for source in self.sources:
            value = source.value if isinstance(source, Const) else bound(source, variables)
            found += [value] if isinstance(value, str) else value
        return found


RequestId = Callable[[], str]


def lookups_of(plan: ReadPlan) -> tuple[LookupSite, ...]:
    """Every lookup of a plan."""
    return tuple(site for root in plan.roots for site in _of_root(root))


def _of_root(root: Root) -> Iterable[LookupSite]:
    if isinstance(root, ValueLookup):
        value = given(root.value, parse_text)
        yield LookupSite(((root.key, None),), root.row.entity, root.fields[0].field, (value,), searched=True)
    elif isinstance(root, Connection) and root.lookups:
        paths = tuple(path for part in root.parts for path in paths_of(root, part))
        for place, exact in enumerate(root.lookups):
            sources = tuple(part.source for part in exact.value.parts if isinstance(part, Param))
            yield LookupSite(paths, root.entity, exact.field, sources, f" {place}" if exact.several else None)


def told(
    answer: bytes, lookups: Sequence[LookupSite], variables: Mapping[str, Any], hashes: Hashing
) -> tuple[bytes, list[AuditedRead]]:
    """The answer without what the statement handed out for the log, and what is written there."""
    data = orjson.loads(answer)
    reads = [read for lookup in lookups for read in _reads(data, lookup, variables, hashes)]
    for lookup in lookups:
        for holder in _records(data, lookup):
            holder.pop(ROW_ID, None)
            holder.pop(lookup.matched or ROW_ID, None)
    for root, part, *_ in (path for lookup in lookups for path in lookup.paths):
        if part == Part.FOUND:
            data[root].pop(part, None)
    return orjson.dumps(data), reads


def _reads(data: Any, lookup: LookupSite, variables: Mapping[str, Any], hashes: Hashing) -> Iterable[AuditedRead]:
    """What is written down of one lookup: each value once, with the records of the answer that have it."""
    values = lookup.values(variables)
    found: dict[str, dict[UUID, None]] = {value: {} for value in values}
    for holder in _records(data, lookup):
        place = 1 if lookup.matched is None else holder[lookup.matched]
        found[values[place - 1]][UUID(holder[ROW_ID])] = None
    for value, ids in found.items():
        looked_for = hashes.of(lookup.entity.name, compared(lookup.field.info.search, value))
        fields = (lookup.field.api_name,)
        yield AuditedRead(LOOKED_UP, lookup.entity.name, fields, len(ids), tuple(ids), looked_for)


def _records(data: Any, lookup: LookupSite) -> Iterable[dict[str, Any]]:
    return (holder for path in lookup.paths for holder in reach(data, path))
