"""Stage 2: a selection becomes a plan. Names are resolved against the catalog, arguments against the asker's rights."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from crm_graph.access import Access
from crm_graph.catalog import CUSTOM, Catalog, EntityType, Field, Kind, Relation, Shape, custom_type
from crm_graph.criteria.predicates import MANY, Criteria, Op
from crm_graph.criteria.reading import PredicateReader
from crm_graph.errors import BadVariables, CrmError, ValidationFailed
from crm_graph.fragments import Fragment, Param, param
from crm_graph.permissions.rules import READ_ROLES
from crm_graph.resolvers.aggregates.plan import AGGREGATE, Aggregate
from crm_graph.resolvers.aggregates.planner import plan_aggregate
from crm_graph.resolvers.arguments import Leaf, ManyOf, Path, given, given_list
from crm_graph.resolvers.binding import bound
from crm_graph.resolvers.cursors import CursorKey, cursor_key, signature
from crm_graph.resolvers.feed.cursors import no_cursor
from crm_graph.resolvers.feed.planner import FEED, FeedPlanner
from crm_graph.resolvers.history.planner import HISTORY_SIGNATURE, history_order, plan_history
from crm_graph.resolvers.listings import LISTINGS, plan_listing
from crm_graph.resolvers.operands import api_leaf
from crm_graph.resolvers.ordering import OrderReader
from crm_graph.resolvers.plan import (
    ROW_ID,
    Archived,
    Cell,
    Connection,
    ConnectionPart,
    CustomValues,
    Derived,
    ExactValue,
    Feed,
    History,
    Limits,
    Lookup,
    Many,
    MaskedFields,
    MatchedValue,
    NodeList,
    NodeLookup,
    ObjectPlan,
    One,
    OrderKey,
    Page,
    Part,
    Question,
    ReadPlan,
    Root,
    RootOf,
    RowSet,
    Search,
    Timeline,
    Typename,
    ValueLookup,
    WhoAsks,
)
from crm_graph.resolvers.questions import QUESTIONS, plan_question
from crm_graph.resolvers.search.planning import DEFAULT_HITS, by_relevance, plan_lookup, plan_search
from crm_graph.resolvers.search.queries import wanted_text
from crm_graph.resolvers.selection import TYPENAME, Selected
from crm_graph.resolvers.timeline.planner import TIMELINE_SIGNATURE, plan_timeline, timeline_order
from crm_graph.resolvers.timeline.sources import moment_of, open_ways
from crm_graph.resolvers.viewer import VIEWER, plan_viewer
from crm_graph.scalars import Parser, parse_id, parse_int, parse_text

MAX_LOOKED_UP = 20
"""Values of one field that one condition looks up."""
DERIVED: Mapping[str, str] = {"availableTransitions": "available_transitions", "roles": "held_roles"}
DERIVED_ACTIONS = frozenset({("User", "roles", READ_ROLES)})
"""The derived fields that need an action: type, field, action."""


def plan_read(
    selection: Iterable[Selected], catalog: Catalog, access: Access, limits: Limits, opened: Parser = no_cursor
) -> ReadPlan:
    """The plan of a query's selection. Raises ValidationFailed or BadVariables for arguments that do not fit."""
    planner = Planner(catalog, access, limits, opened)
    return ReadPlan(tuple(planner.root(selected) for selected in selection), tuple(planner.given))


@dataclass(frozen=True, slots=True)
class IdOf:
    """Parses the id of a type; an id of another type is told from one that never was, since the asker holds it."""

    code: int
    type_name: str

    def __call__(self, raw: Any) -> Any:
        value = parse_id(raw)
        if value.bytes[8] & 0x3F != self.code:
            raise BadVariables("id_of_other_type", type=self.type_name)
        return value


@dataclass(frozen=True, slots=True)
class Range:
    """Parses a number of rows."""

    argument: str
    limit: int

    def __call__(self, raw: Any) -> int:
        if raw is None:
            return self.limit
        number = parse_int(raw)
        if not 0 <= number <= self.limit:
            raise BadVariables("page_size", argument=self.argument, limit=self.limit)
        return number


@dataclass(frozen=True)
class Planner:
    catalog: Catalog
    access: Access
    limits: Limits
    opened: Parser = no_cursor
    given: list[Any] = field(default_factory=list)
    looked_up: list[ExactValue] = field(default_factory=list)

    @cached_property
    def filters(self) -> PredicateReader:
        """Reads every `where` of the operation, and limits them together."""
        return PredicateReader(self.catalog, self.access, self._leaf, lookup_leaf=self._lookup_leaf)

    def _leaf(self, raw: Any, member: Field, op: Op) -> Fragment:
        return self._noted(api_leaf(raw, member, op))

    def _lookup_leaf(self, raw: Any, member: Field, op: Op) -> Fragment:
        leaf = self._noted(api_leaf(raw, member, op, MAX_LOOKED_UP))
        self.looked_up.append(ExactValue(member, leaf, several=op in MANY))
        return leaf

    def _noted(self, leaf: Fragment) -> Fragment:
        self.given.extend(part.source for part in leaf.parts if isinstance(part, Param))
        return leaf

    def root(self, selected: Selected) -> Root:
        if selected.name == TYPENAME:
            return Typename(selected.key, "Query")
        if selected.name == "node":
            id_ = param(given(selected.arguments["id"], parse_id, (selected.key, "id")), "uuid")
            return NodeLookup(selected.key, id_, self.objects(selected))
        if selected.name == "nodes":
            many = ManyOf(parse_id, self.limits.max_page, (selected.key, "ids"))
            return NodeList(selected.key, given_list(selected.arguments["ids"], many, "uuid"), self.objects(selected))
        if selected.name in ("search", "lookup"):
            return self._found(selected)
        if selected.name in LISTINGS:
            return plan_listing(selected, self.access, self._page, self._page_value)
        return self._of_no_type(selected) or self._of_type(selected)

    def _of_no_type(self, selected: Selected) -> WhoAsks | Question | Feed | None:
        """Who asks, a question about rights, or the feed."""
        if selected.name == FEED:
            opened = self.opened
            feed = FeedPlanner(
                self.catalog, self.access, self.limits, self.filters, self._page_value, opened, self.objects
            )
            return feed.plan(selected)
        if selected.name == VIEWER:
            return plan_viewer(selected, self.catalog, self.access, self.object)
        return plan_question(selected, self.access) if selected.name in QUESTIONS else None

    def _of_type(self, selected: Selected) -> RowSet | Lookup:
        """One record, records or groups of one type."""
        for entity in self.catalog.roots:
            if selected.name == entity.api_plural:
                return self.connection(selected, entity, None)
            if selected.name == entity.api_plural + AGGREGATE:
                return self.aggregate(selected, entity, None)
            if selected.name == camel_singular(entity):
                return self.lookup(selected, entity)
        raise ValidationFailed("unknown_field").at(selected.key)

    def lookup(self, selected: Selected, entity: EntityType) -> Lookup:
        row = self.object(entity, selected.only())
        id_, ref = selected.argument("id"), selected.argument("externalRef")
        if (id_ is None) == (ref is None):
            raise ValidationFailed("id_or_external_ref" if entity.owned else "id_needed").at(selected.key)
        if id_ is not None:
            parse = IdOf(entity.code, entity.api_name)
            return Lookup(selected.key, row, id=param(given(id_, parse, (selected.key, "id")), "uuid"))
        at = (selected.key, "externalRef")
        return Lookup(
            selected.key,
            row,
            source=param(given(ref["source"], parse_text, (*at, "source")), "text"),
            external_id=param(given(ref["externalId"], parse_text, (*at, "externalId")), "text"),
        )

    def objects(self, selected: Selected) -> tuple[ObjectPlan, ...]:
        """What is selected of each type that a field can return."""
        return tuple(self.object(self.catalog.by_api_name[name], below) for name, below in selected.children.items())

    def object(self, entity: EntityType, selection: Iterable[Selected]) -> ObjectPlan:
        return ObjectPlan(entity, tuple(self._member(entity, selected) for selected in selection))

    def _member(self, entity: EntityType, selected: Selected) -> Any:
        member = entity.by_api_name.get(selected.name)
        if selected.name == CUSTOM:
            return CustomValues(selected.key, tuple(self._custom(entity, below) for below in selected.only()))
        if member is None:
            relation = entity.by_api_name.get(selected.name.removesuffix(AGGREGATE))
            if isinstance(relation, Relation):
                return self.aggregate(selected, self.catalog[relation.target], relation)
            return self._beside_the_catalog(entity, selected)
        if isinstance(member, Field):
            money = member.kind is Kind.MONEY
            return Cell(selected.key, member, tuple((s.key, s.name) for s in selected.only()) if money else ())
        target = self.catalog[member.target]
        if member.shape is Shape.CONNECTION:
            return self.connection(selected, target, member)
        row = self.object(target, selected.only())
        return (One if member.shape is Shape.ONE else Many)(selected.key, member, row)

    def _beside_the_catalog(self, entity: EntityType, selected: Selected) -> Any:
        """The plan of what is neither a column nor a relation."""
        match selected.name:
            case "__typename":
                return Typename(selected.key, entity.api_name)
            case "maskedFields":
                return MaskedFields(selected.key)
            case "timeline" | "history":
                return self._timeline(selected) if selected.name == "timeline" else self._history(selected)
            case "happenedAt":
                return Cell(selected.key, moment_of(entity))
            case "entity":
                holders = {root.name for root, _ in self.catalog.holders(entity)}
                rows = tuple(plan for plan in self.objects(selected) if plan.entity.name in holders)
                return RootOf(selected.key, rows)
        needed = (a for type_, name, a in DERIVED_ACTIONS if (type_, name) == (entity.api_name, selected.name))
        if not all(self.access.may(action) for action in needed):
            raise ValidationFailed("unknown_field").at(selected.key)
        return Derived(selected.key, DERIVED[selected.name], selected.only())

    def _custom(self, entity: EntityType, selected: Selected) -> Cell | Typename:
        if selected.name == "__typename":
            return Typename(selected.key, custom_type(entity))
        return Cell(selected.key, entity.custom[selected.name])

    def connection(self, selected: Selected, entity: EntityType, relation: Relation | None) -> Connection:
        search, order_by = selected.argument("search"), selected.argument("orderBy")
        reader = OrderReader(self.catalog, self.access)
        order = by_relevance(entity) if search and not order_by else reader.read(entity, order_by)
        if search:
            self._wanted(search, (selected.key, "search"))
        sign = signature(entity.name, [(".".join(r.name for r in k.path), k.field.name, k.direction) for k in order])
        self.looked_up.clear()
        criteria = self._criteria(selected, entity, exact=relation is None)
        lookups = tuple(self.looked_up)
        parts = tuple(self._part(entity, part, lookups) for part in selected.only())
        return Connection(
            key=selected.key,
            entity=entity,
            relation=relation,
            criteria=criteria,
            archived=_archived(selected),
            order=order,
            signature=sign,
            page=self._page(selected, order, sign),
            parts=(*parts, *_found(entity, parts, lookups)),
            search=search,
            lookups=lookups,
        )

    def _found(self, selected: Selected) -> Search | ValueLookup:
        if selected.name == "lookup":
            return plan_lookup(selected, self.catalog, self.access, self.object)
        self._wanted(selected.arguments["text"], (selected.key, "text"))
        first = selected.argument("first") or Leaf((), min(DEFAULT_HITS, self.limits.search_hits))
        size = self._page_value(first, Range("first", self.limits.search_hits), "integer", (selected.key, "first"))
        return plan_search(selected, self.catalog, self.access, size, self.objects)

    def _wanted(self, text: Leaf, at: Path) -> None:
        """Note a text to search for. One in the document is read here, where the way to it is known."""
        value = given(text, wanted_text, at)
        if text.path:
            self.given.append(value)
        else:
            bound(value, {})

    def _timeline(self, selected: Selected) -> Timeline:
        order = timeline_order(self.catalog)
        page = self._page(selected, order, TIMELINE_SIGNATURE)
        return plan_timeline(selected, open_ways(self.catalog, self.access), page, self.objects)

    def _history(self, selected: Selected) -> History:
        page = self._page(selected, history_order(), HISTORY_SIGNATURE)
        return plan_history(selected, page, self.catalog, self.object)

    def aggregate(self, selected: Selected, entity: EntityType, relation: Relation | None) -> Aggregate:
        rows = RowSet(selected.key, entity, relation, self._criteria(selected, entity), _archived(selected))
        first = selected.argument("first") or Leaf((), min(self.limits.default_page, self.limits.max_groups))
        size = self._page_value(first, Range("first", self.limits.max_groups), "integer", (selected.key, "first"))
        return plan_aggregate(selected, rows, size, self.filters)

    def _criteria(self, selected: Selected, entity: EntityType, *, exact: bool = False) -> Criteria | None:
        where = selected.argument("where")
        try:
            return self.filters.read(entity, where, exact=exact) if where else None
        except CrmError as error:
            raise error.at(selected.key, "where") from None

    def _part(self, entity: EntityType, selected: Selected, lookups: tuple[ExactValue, ...]) -> ConnectionPart:
        part = Part(selected.name)
        if part is Part.NODES:
            row = self._told(entity, selected, lookups)
            return ConnectionPart(selected.key, part, rows=((selected.key, row),))
        if part is Part.EDGES:
            names = tuple((s.key, s.name) for s in selected.only())
            rows = tuple((s.key, self._told(entity, s, lookups)) for s in selected.only() if s.name == "node")
            return ConnectionPart(selected.key, part, names, rows)
        if part is Part.PAGE_INFO:
            return ConnectionPart(selected.key, part, tuple((s.key, s.name) for s in selected.only()))
        return ConnectionPart(selected.key, part)

    def _told(self, entity: EntityType, selected: Selected, lookups: tuple[ExactValue, ...]) -> ObjectPlan:
        """The record of a row, with what the log of reads is told of one that is looked up."""
        plan = self.object(entity, selected.only())
        if not lookups:
            return plan
        return ObjectPlan(entity, (*plan.members, *_for_the_log(entity, lookups)))

    def _page(self, selected: Selected, order: tuple[OrderKey, ...], sign: str) -> Page:
        first, last, offset = (selected.argument(name) for name in ("first", "last", "offset"))
        after, before = selected.argument("after"), selected.argument("before")
        if first is not None and last is not None:
            raise ValidationFailed("first_and_last").at(selected.key)
        if offset is not None and (after is not None or before is not None or last is not None):
            raise ValidationFailed("offset_and_cursor").at(selected.key)
        name, leaf = ("last", last) if last is not None else ("first", first or Leaf((), self.limits.default_page))
        return Page(
            size=self._page_value(leaf, Range(name, self.limits.max_page), "integer", (selected.key, name)),
            backward=last is not None,
            after=self._cursor(after, order, sign, (selected.key, "after")),
            before=self._cursor(before, order, sign, (selected.key, "before")),
            offset=self._page_value(
                offset, Range("offset", self.limits.max_offset), "integer", (selected.key, "offset")
            )
            if offset
            else None,
        )

    def _cursor(
        self, leaf: Leaf | None, order: tuple[OrderKey, ...], sign: str, at: Path
    ) -> tuple[Fragment, ...] | None:
        if leaf is None:
            return None
        keys: list[CursorKey] = [cursor_key(sign, i, len(order), key.field) for i, key in enumerate(order)]
        return tuple(self._page_value(leaf, k, o.field.pg_type, at) for k, o in zip(keys, order, strict=True))

    def _page_value(self, leaf: Leaf, parse: Parser, type_: str, at: Path) -> Fragment:
        value = given(leaf, parse, at)
        self.given.append(value)
        return param(value, type_)


def _for_the_log(entity: EntityType, lookups: tuple[ExactValue, ...]) -> tuple[Cell | MatchedValue, ...]:
    """What the log of reads is told of a record that is looked up: which it is, and which values it has."""
    matched = [
        MatchedValue(f" {place}", exact.field, exact.value) for place, exact in enumerate(lookups) if exact.several
    ]
    return (Cell(ROW_ID, entity.fields["id"]), *matched)


def _found(
    entity: EntityType, parts: tuple[ConnectionPart, ...], lookups: tuple[ExactValue, ...]
) -> Iterable[ConnectionPart]:
    """All records of a lookup, where more is told of them than stands in the rows: that there are some, or how many."""
    if lookups and any(part.part in _BESIDE_ROWS or (part.part is Part.EDGES and not part.rows) for part in parts):
        row = ObjectPlan(entity, _for_the_log(entity, lookups))
        yield ConnectionPart(Part.FOUND, Part.FOUND, rows=((Part.FOUND, row),))


_BESIDE_ROWS = (Part.TOTAL_COUNT, Part.TOTAL_COUNT_CAPPED, Part.PAGE_INFO)


def _archived(selected: Selected) -> Archived:
    archived = selected.argument("archived")
    return Archived(archived.value) if archived else Archived.EXCLUDE


def camel_singular(entity: EntityType) -> str:
    """The root field of one record: `customer` for Customer."""
    return entity.api_name[0].lower() + entity.api_name[1:]
