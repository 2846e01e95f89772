"""A selected timeline becomes a plan: its branches, its page, and what is asked of each type of entries."""

from collections.abc import Callable, Iterable
from typing import Any

from crm_graph.catalog import Catalog
from crm_graph.errors import BadVariables
from crm_graph.resolvers.arguments import Leaf
from crm_graph.resolvers.cursors import signature
from crm_graph.resolvers.plan import ObjectPlan, OrderKey, Page, Part, Timeline, TimelineBranch, TimelinePart
from crm_graph.resolvers.selection import Selected
from crm_graph.resolvers.timeline.sources import SOURCES, TimelineKind, Way

TIMELINE_SIGNATURE = signature("timeline", [("", "happenedAt", "DESC"), ("", "id", "DESC")])


def timeline_order(catalog: Catalog) -> tuple[OrderKey, ...]:
    """Newest first; each type has its own fields for it, which are alike."""
    entity = catalog[SOURCES[0].entity]
    keys = (entity.fields[SOURCES[0].moment], entity.fields["id"])
    return tuple(OrderKey((), key, descending=True, nulls_first=False) for key in keys)


def plan_timeline(
    selected: Selected, ways_: Iterable[Way], page: Page, objects: Callable[[Selected], tuple[ObjectPlan, ...]]
) -> Timeline:
    """The plan of a timeline over the ways that are open; `objects` plans what is selected of each type of entries."""
    kinds = _kinds(selected.argument("kinds"))
    return Timeline(
        key=selected.key,
        branches=tuple(
            TimelineBranch(way.entity, way.moment, way.path)
            for way in ways_
            if kinds is None or way.source.kind in kinds
        ),
        signature=TIMELINE_SIGNATURE,
        page=page,
        parts=tuple(_part(part, objects) for part in selected.only()),
    )


def _kinds(raw: Any) -> frozenset[str] | None:
    """The kinds that are asked for; None for all."""
    if raw is None:
        return None
    if isinstance(raw, Leaf):
        return frozenset(raw.value if isinstance(raw.value, list) else [raw.value])
    if not all(isinstance(item, Leaf) for item in raw):
        raise BadVariables("not_a_value", path=("kinds",), kind=TimelineKind.__name__)
    return frozenset(item.value for item in raw)


def _part(selected: Selected, objects: Callable[[Selected], tuple[ObjectPlan, ...]]) -> TimelinePart:
    part = Part(selected.name)
    if part is Part.NODES:
        return TimelinePart(selected.key, part, rows=((selected.key, objects(selected)),))
    below = selected.only() if part in (Part.EDGES, Part.PAGE_INFO) else ()
    rows = tuple((s.key, objects(s)) for s in below if s.name == "node")
    return TimelinePart(selected.key, part, tuple((s.key, s.name) for s in below), rows)
