"""Derived fields: what SQL cannot compute is filled in after the statement, by one set-based function per field."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from crm_graph.catalog import EntityType
from crm_graph.models.ids import code_of
from crm_graph.resolvers.plan import (
    Connection,
    ConnectionPart,
    Derived,
    Feed,
    History,
    Lookup,
    NodeList,
    NodeLookup,
    ObjectPlan,
    ReadPlan,
    Root,
    RootOf,
    Search,
    SearchHits,
    Timeline,
    ValueLookup,
    WhoAsks,
)
from crm_graph.resolvers.selection import TYPENAME, Selected

Step = str | None
"""A response key, or None for each item of a list."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a derived field stands in the answer, and what of its value is selected."""

    path: tuple[Step, ...]
    key: str
    name: str
    entity: EntityType
    children: tuple[Selected, ...]


TYPES: Mapping[str, str] = {"available_transitions": "Transition", "held_roles": "HeldRole"}
"""What each derived field is a list of."""

Compute = Callable[[EntityType, Sequence[UUID]], Awaitable[Mapping[UUID, Any]]]
"""The value of one derived field for many rows of a type."""


def sites_of(plan: ReadPlan) -> tuple[Site, ...]:
    """Every derived field of a plan."""
    found: list[Site] = []
    for root in plan.roots:
        if isinstance(root, Connection):
            found.extend(_in_connection(root, ()))
        elif isinstance(root, Lookup):
            found.extend(in_object(root.row, (root.key,)))
        elif isinstance(root, NodeLookup):
            for row in root.rows:
                found.extend(in_object(row, (root.key,)))
        elif isinstance(root, NodeList):
            for row in root.rows:
                found.extend(in_object(row, (root.key, None)))
        elif isinstance(root, ValueLookup):
            found.extend(in_object(root.row, (root.key, None)))
        elif isinstance(root, Search):
            found.extend(_in_search(root))
        else:
            found.extend(_in_feed(root) if isinstance(root, Feed) else _in_who_asks(root))
    return tuple(found)


def _in_feed(plan: Feed) -> Iterable[Site]:
    for (part, key), rows in plan.records.items():
        for row in rows:
            yield from in_object(row, (plan.key, part, None, key))


def _in_who_asks(plan: Root) -> Iterable[Site]:
    for member in plan.members if isinstance(plan, WhoAsks) else ():
        if isinstance(member, Lookup):
            yield from in_object(member.row, (plan.key, member.key))
        elif isinstance(member, NodeList):
            for row in member.rows:
                yield from in_object(row, (plan.key, member.key, None))


def _in_search(plan: Search) -> Iterable[Site]:
    for part in plan.parts:
        if isinstance(part, SearchHits):
            for key, rows in part.rows.items():
                for row in rows:
                    yield from in_object(row, (plan.key, part.key, None, key))


def in_object(plan: ObjectPlan, path: tuple[Step, ...]) -> Iterable[Site]:
    """Every derived field of an object and what it contains."""
    for member in plan.members:
        if isinstance(member, Derived):
            yield Site(path, member.key, member.name, plan.entity, member.children)
        elif isinstance(member, Connection):
            yield from _in_connection(member, path)
        elif isinstance(member, Timeline):
            yield from _in_timeline(member, path)
        elif isinstance(member, History):
            yield from _in_history(member, path)
        elif isinstance(member, RootOf):
            for row in member.rows:
                yield from in_object(row, (*path, member.key))
        elif hasattr(member, "row"):
            yield from in_object(member.row, (*path, member.key))


def _in_connection(plan: Connection, path: tuple[Step, ...]) -> Iterable[Site]:
    for part in plan.parts:
        for (_, row), inner in zip(part.rows, paths_of(plan, part), strict=True):
            yield from in_object(row, (*path, *inner))


def paths_of(plan: Connection, part: ConnectionPart) -> list[tuple[Step, ...]]:
    """Where the records of a connection's part stand, as seen from what has the connection."""
    nodes = not part.names
    return [(plan.key, part.key, None) if nodes else (plan.key, part.key, None, key) for key, _ in part.rows]


def _in_timeline(plan: Timeline, path: tuple[Step, ...]) -> Iterable[Site]:
    for part in plan.parts:
        for key, rows in part.rows:
            inner = (part.key, None, key) if part.names else (part.key, None)
            for row in rows:
                yield from in_object(row, (*path, plan.key, *inner))


def _in_history(plan: History, path: tuple[Step, ...]) -> Iterable[Site]:
    for part in plan.parts:
        for member in part.members:
            if member.row is not None:
                yield from in_object(member.row, (*path, plan.key, part.key, None, member.key))


async def fill(answer: bytes, sites: Sequence[Site], compute: Mapping[str, Compute]) -> bytes:
    """The answer with its derived fields; the statement left the id of the row in the place of each."""
    data = orjson.loads(answer)
    await fill_in(data, sites, compute)
    return orjson.dumps(data)


async def fill_in(data: Any, sites: Sequence[Site], compute: Mapping[str, Compute]) -> None:
    """Put the derived fields into an answer that is decoded already."""
    places: dict[tuple[str, str], list[tuple[Site, dict[str, Any]]]] = {}
    for site in sites:
        for holder in reach(data, site.path):
            # Where rows of several types can stand, each site finds those of its own.
            if isinstance(holder.get(site.key), str) and code_of(UUID(holder[site.key])) == site.entity.code:
                places.setdefault((site.name, site.entity.name), []).append((site, holder))
    for (name, _), found in places.items():
        ids = list(dict.fromkeys(UUID(holder[site.key]) for site, holder in found))
        values = await compute[name](found[0][0].entity, ids)
        for site, holder in found:
            holder[site.key] = project(values.get(UUID(holder[site.key]), []), site.children, TYPES[name])


def reach(data: Any, path: tuple[Step, ...]) -> Iterable[dict[str, Any]]:
    """The objects of an answer at the end of a path."""
    if data is None:
        return
    if isinstance(data, list):
        for item in data:
            yield from reach(item, path[1:] if path and path[0] is None else path)
    elif path:
        yield from reach(data.get(path[0]) if path[0] is not None else data, path[1:])
    else:
        yield data


def project(value: Any, children: Sequence[Selected], type_name: str) -> Any:
    """A computed value as it was selected, under its response keys."""
    if isinstance(value, list):
        return [project(item, children, type_name) for item in value]
    if not isinstance(value, Mapping):
        return value
    picked: dict[str, Any] = {}
    for child in children:
        if child.name == TYPENAME:
            picked[child.key] = type_name
        elif child.children:
            ((inner_type, inner),) = child.children.items()
            picked[child.key] = project(value[child.name], inner, inner_type)
        else:
            picked[child.key] = value[child.name]
    return picked
