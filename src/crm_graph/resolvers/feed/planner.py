"""A selected feed becomes a plan: from where on, how much of it, and of which records."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from crm_graph.access import Access
from crm_graph.catalog import Catalog, EntityType, camel
from crm_graph.criteria.predicates import Criteria
from crm_graph.criteria.reading import MAX_LIST, PredicateReader
from crm_graph.errors import BadVariables, CrmError, ValidationFailed
from crm_graph.fragments import Fragment
from crm_graph.resolvers.arguments import Leaf, ManyOf, Path, given_list
from crm_graph.resolvers.plan import Feed, Limits, ObjectPlan
from crm_graph.resolvers.selection import Selected
from crm_graph.scalars import Parser, parse_id, parse_int, parse_text

FEED = "changes"
ValueOf = Callable[[Leaf, Parser, str, Path], Fragment]


class FeedStart(StrEnum):
    """Where a reader without a cursor begins."""

    OLDEST = "OLDEST"
    NOW = "NOW"


@dataclass(frozen=True, slots=True)
class PageOf:
    """Parses the size of a page, which is never empty: its cursor would lead nowhere."""

    limit: int

    def __call__(self, raw: Any) -> int:
        number = parse_int(raw)
        if not 1 <= number <= self.limit:
            raise BadVariables("feed_page", limit=self.limit)
        return number


def _type_name(raw: Any) -> str:
    """The name of a type as events have it; one that there is not is that of no event."""
    name = parse_text(raw)
    return "".join(f"_{c.lower()}" if c.isupper() and at else c.lower() for at, c in enumerate(name))


@dataclass(frozen=True)
class FeedPlanner:
    """Plans for a role set; `value` binds one value, `filters` reads conditions, `opened` reads a cursor."""

    catalog: Catalog
    access: Access
    limits: Limits
    filters: PredicateReader
    value: ValueOf
    opened: Parser
    objects: Callable[[Selected], tuple[ObjectPlan, ...]]

    def plan(self, selected: Selected) -> Feed:
        """The plan. Raises ValidationFailed or BadVariables for arguments that do not fit."""
        where = {name: raw for name, raw in (selected.argument("where") or {}).items() if raw is not None}
        after, start = selected.argument("after"), selected.argument("from")
        if after is not None and start is not None:
            raise ValidationFailed("feed_start").at(selected.key)
        at = (selected.key, "where")
        first = selected.argument("first") or Leaf((), min(100, self.limits.feed_page))
        customer = where.get("customerId")
        return Feed(
            key=selected.key,
            entities=tuple(
                (entity, self._criteria(entity, where.get(camel(entity.name)), (*at, camel(entity.name))))
                for entity in self.catalog.roots
                if self.access.grants(entity.name)
            ),
            size=self.value(first, PageOf(self.limits.feed_page), "integer", (selected.key, "first")),
            after=None if after is None else self.value(after, self.opened, "jsonb", (selected.key, "after")),
            from_now=start is not None and start.value == FeedStart.NOW,
            parts=selected.only(),
            types=self._many(where, "types", parse_text, "text", at),
            entity_types=self._many(where, "entityTypes", _type_name, "text", at),
            ids=self._many(where, "entityIds", parse_id, "uuid", at),
            records={
                (part.key, below.key): self.objects(below)
                for part in selected.only()
                if part.name == "nodes"
                for below in part.only()
                if below.name == "record"
            },
            customer=None if customer is None else self.value(customer, parse_id, "uuid", (*at, "customerId")),
        )

    def _criteria(self, entity: EntityType, tree: Any, at: Path) -> Criteria | None:
        if not tree:
            return None
        try:
            return self.filters.read(entity, tree)
        except CrmError as error:
            raise error.at(*at) from None

    def _many(self, where: dict[str, Any], name: str, parse: Parser, type_: str, at: Path) -> Fragment | None:
        raw = where.get(name)
        return None if raw is None else given_list(raw, ManyOf(parse, MAX_LIST, (*at, name)), type_)
