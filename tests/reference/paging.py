"""Orders and pages, worked out by comparing rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cmp_to_key
from typing import Any

from crm_graph.catalog import CUSTOM, EntityType, Field, Relation
from crm_graph.proof.view import Record, View, listed
from crm_graph.resolvers import plan
from crm_graph.resolvers.plan import Limits
from reference import search
from reference.cursors import Cursor, row_of


@dataclass(frozen=True)
class Key:
    """One key of an order."""

    path: tuple[Relation, ...]
    member: Field
    descending: bool
    nulls_first: bool


@dataclass(frozen=True)
class Order:
    """The keys of a list, and the text that it is searched for."""

    keys: tuple[Key, ...]
    text: str | None


RANK = Key((), plan.RANK, descending=False, nulls_first=False)


@dataclass(frozen=True)
class Page:
    records: list[Record]
    has_next: bool
    has_previous: bool

    def facts(self) -> dict[str, Any]:
        """What `pageInfo` says."""
        return {
            "__typename": "PageInfo",
            "hasNextPage": self.has_next,
            "hasPreviousPage": self.has_previous,
            "startCursor": Cursor(self.records[0].row["id"]) if self.records else None,
            "endCursor": Cursor(self.records[-1].row["id"]) if self.records else None,
        }


@dataclass(frozen=True)
class Pager:
    """Orders the rows of lists, and cuts their pages."""

    view: View
    limits: Limits

    def ordered(
        self, entity: EntityType, records: Iterable[Record], arguments: Mapping[str, Any]
    ) -> tuple[Order, list[Record]]:
        """The order that is asked for, and the rows in it; of those ordered by rank, no more than are looked at."""
        text, order_by = arguments.get("search"), arguments.get("orderBy")
        by_rank = text is not None and not order_by
        order = Order((*((RANK,) if by_rank else ()), *self._order(entity, order_by)), text)
        found = list(records)
        found.sort(key=cmp_to_key(lambda a, b: self._compare(order, a, b)))
        return order, found[: self.limits.search_window] if by_rank else found

    def page(self, entity: EntityType, order: Order, kept: list[Record], arguments: Mapping[str, Any]) -> Page:
        """The page of rows in order that the arguments ask for."""
        after, before = (self._at(entity, arguments.get(name)) for name in ("after", "before"))
        behind = [r for r in kept if after is None or self._compare(order, r, after) > 0]
        window = [r for r in behind if before is None or self._compare(order, r, before) < 0]
        follows = before is not None and any(self._compare(order, r, before) >= 0 for r in kept)
        precedes = after is not None and any(self._compare(order, r, after) <= 0 for r in kept)
        if arguments.get("last") is not None:
            start = max(len(window) - arguments["last"], 0)
            return Page(window[start:], follows, start > 0 or precedes)
        first, offset = arguments.get("first"), arguments.get("offset") or 0
        size = self.limits.default_page if first is None else first
        records = window[offset : offset + size]
        return Page(records, len(window) > offset + size or follows, (offset > 0 and len(window) > 0) or precedes)

    def _at(self, entity: EntityType, cursor: str | None) -> Record | None:
        """The row that a cursor was made of; in these tests no row goes away between two pages."""
        if cursor is None:
            return None
        id_ = row_of(cursor)
        (row,) = (r for r in self.view.tables[entity.table] if r["id"] == id_)
        if not entity.is_child:
            return Record(entity, row, entity, row)
        ((root, prefix),) = (
            (h, f"{r.name}.") for h, r in self.view.catalog.holders(entity) if h.name == row["entity_type"]
        )
        (root_row,) = (r for r in self.view.tables[root.table] if r["id"] == row["entity_id"])
        return Record(entity, row, root, root_row, prefix)

    def _order(self, entity: EntityType, order_by: Any) -> list[Key]:
        keys: list[Key] = []
        for tree in listed(order_by or []):
            for key in self._order_keys(entity, tree, ()):
                if not any((k.path, k.member) == (key.path, key.member) for k in keys):
                    keys.append(key)
        return [*keys, Key((), entity.fields["id"], keys[-1].descending if keys else True, nulls_first=False)]

    def _order_keys(self, entity: EntityType, tree: Mapping[str, Any], path: tuple[Relation, ...]) -> Iterable[Key]:
        for name, value in tree.items():
            if value is None:
                continue
            if name == CUSTOM:
                yield from (self._key(path, entity.custom[k], d) for k, d in value.items() if d is not None)
                continue
            member = entity.by_api_name[name]
            if isinstance(member, Relation):
                yield from self._order_keys(self.view.catalog[member.target], value, (*path, member))
            else:
                yield self._key(path, member, value)

    def _key(self, path: tuple[Relation, ...], member: Field, direction: str) -> Key:
        return Key(path, member, direction.startswith("DESC"), direction in ("DESC", "ASC_NULLS_FIRST"))

    def _compare(self, order: Order, one: Record, other: Record) -> int:
        for key in order.keys:
            a, b = (self._rank(order, r) if key is RANK else self._sort_value(key, r) for r in (one, other))
            if a == b:
                continue
            if a is None or b is None:
                return -1 if (a is None) is key.nulls_first else 1
            return -1 if (a > b) is key.descending else 1
        return 0

    def _rank(self, order: Order, record: Record) -> int | None:
        """How like a record is to what the list is searched for; that of a cursor may stand elsewhere."""
        return search.rank(self.view, record, order.text or "")

    def _sort_value(self, key: Key, record: Record) -> Any:
        for relation in key.path:
            found = self.view.related(record, relation)
            if not found:
                return None
            record = found[0]
        return self.view.comparable(record, key.member)
