"""A selected history becomes a plan: its page, and what is asked of each entry."""

from collections.abc import Callable, Iterable

from crm_graph.catalog import Catalog, EntityType, Field, Kind
from crm_graph.models.fields import DataClass, FieldInfo
from crm_graph.resolvers.cursors import signature
from crm_graph.resolvers.plan import EntryMember, History, HistoryPart, ObjectPlan, OrderKey, Page, Part
from crm_graph.resolvers.selection import Selected

HISTORY_SIGNATURE = signature("history", [("", "version", "DESC"), ("", "id", "DESC")])
WHO = "user"


def history_order() -> tuple[OrderKey, ...]:
    """Newest first: by version, and by id where a version has several events."""
    return _ORDER


def _key(name: str, kind: Kind) -> OrderKey:
    field = Field(name, name, kind, nullable=False, has_default=False, info=FieldInfo(DataClass.INTERNAL))
    return OrderKey((), field, descending=True, nulls_first=False)


_ORDER = (_key("version", Kind.BIG_INT), _key("id", Kind.ID))


def plan_history(
    selected: Selected, page: Page, catalog: Catalog, object_: Callable[[EntityType, Iterable[Selected]], ObjectPlan]
) -> History:
    """The plan of a history; `object_` plans what is selected of who made a change."""
    return History(
        key=selected.key,
        signature=HISTORY_SIGNATURE,
        page=page,
        parts=tuple(_part(part, catalog[WHO], object_) for part in selected.only()),
    )


def _part(
    selected: Selected, who: EntityType, object_: Callable[[EntityType, Iterable[Selected]], ObjectPlan]
) -> HistoryPart:
    part = Part(selected.name)
    if part is Part.NODES:
        return HistoryPart(selected.key, part, members=tuple(_member(s, who, object_) for s in selected.only()))
    below = selected.only() if part is Part.PAGE_INFO else ()
    return HistoryPart(selected.key, part, tuple((s.key, s.name) for s in below))


def _member(
    selected: Selected, who: EntityType, object_: Callable[[EntityType, Iterable[Selected]], ObjectPlan]
) -> EntryMember:
    if selected.name in ("actor", "onBehalfOf"):
        return EntryMember(selected.key, selected.name, row=object_(who, selected.only()))
    below = selected.only() if selected.name == "changes" else ()
    return EntryMember(selected.key, selected.name, names=tuple((s.key, s.name) for s in below))
