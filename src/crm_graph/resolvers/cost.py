"""What an operation may cost, known before it runs: about one unit for each row that it may read or write."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from graphql import FieldNode, GraphQLField, GraphQLObjectType, ListValueNode, VariableNode, get_named_type

from crm_graph.access import Access
from crm_graph.catalog import Catalog, EntityType, Shape
from crm_graph.criteria.predicates import AllOf, AnyOf, Compare, Counted, Criteria, Not, Related
from crm_graph.errors import CostExceeded, CrmError
from crm_graph.fragments import Fragment, Param
from crm_graph.resolvers.aggregates.plan import Aggregate
from crm_graph.resolvers.arguments import ArgumentReader, Given, Leaf
from crm_graph.resolvers.documents import Document, Operation
from crm_graph.resolvers.plan import (
    Cell,
    Connection,
    CustomValues,
    Derived,
    Feed,
    History,
    Limits,
    Listed,
    Literal,
    Lookup,
    Many,
    MaskedFields,
    MatchedValue,
    Member,
    NodeList,
    NodeLookup,
    ObjectPlan,
    One,
    Part,
    Question,
    ReadPlan,
    Root,
    RootOf,
    RowSet,
    Search,
    SearchHits,
    Timeline,
    Typename,
    ValueLookup,
    WhoAsks,
)
from crm_graph.resolvers.planner import Planner
from crm_graph.resolvers.questions import QUESTIONS
from crm_graph.resolvers.selection import Selected, reader_of

CHILD_ROWS = 2
"""What a plain list of related rows is taken for: it may hold 200, and has one or two."""
COUNTED_ROWS = 10
"""What a condition on the number of related rows counts."""
DERIVED = 5
"""A derived field, for each row."""
VERB = 10
"""One change: the row, its lock, its rights and its event."""
SCANNED_ROWS = 100
"""So many rows that are only counted or skipped cost as much as one that is read."""
GROUPED_ROWS = 100_000
"""What the rows of an aggregate are taken for."""
GROUPED_BELOW = 1_000
"""The same below a record."""
SEARCH = 100
"""One search of the records of one type: it reads up to some ten thousand keys."""
LOOKUP = 100
"""A lookup reads little, and writes down who was told what. How often one may be told is limited apart from cost."""
LISTED = 10
"""A count of what is no record: there are a thousand of them."""
FEED = 100
"""A page of the feed, beside what it tells: it looks through what its reader is not told of."""
LITERAL_BYTES = 1_000
"""So many bytes of an answer that is known already cost as much as one row."""
REFUSED_CHARACTER = 1
"""A character of a document that is refused: reading and validating takes 2 to 4 µs for each, about as a row does."""
LISTED_RECORDS = 5
"""Records in a list of a payload."""
DOCUMENTS = {"registerDocuments": ("documents",), "createExport": ("input", "document")}
"""Where verbs are given documents, which they read before anything tells whether they are right."""


@dataclass(frozen=True, slots=True)
class Cost:
    """`fixed`, and for each term what each of some rows costs, times their number, which is a bound value or the length
    of one.
    """

    fixed: int = 0
    terms: tuple[tuple[int, "Cost"], ...] = ()

    def of(self, values: Sequence[Any]) -> int:
        """The cost under bound values, which are known to be right."""
        total = self.fixed
        for place, each in self.terms:
            rows = values[place]
            total += (rows if isinstance(rows, int) else len(rows)) * each.of(values)
        return total

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.fixed + other.fixed, (*self.terms, *other.terms))

    def __mul__(self, rows: int) -> "Cost":
        return Cost(self.fixed * rows, tuple((place, each * rows) for place, each in self.terms))


def total(costs: Iterable[Cost]) -> Cost:
    """Their sum."""
    return sum(costs, Cost())


Place = Callable[[Given], int | None]
"""Where a given value stands among the bound values; None for one that is not bound."""


@dataclass(frozen=True, slots=True)
class Pricing:
    """What each kind of plan costs."""

    limits: Limits
    place: Place

    def read(self, plan: ReadPlan) -> Cost:
        """The cost of a query."""
        return total(self.root(root) for root in plan.roots)

    def root(self, root: Root) -> Cost:
        match root:
            case Typename():
                return Cost()
            case Literal():
                return Cost(1 + len(root.json) // LITERAL_BYTES)
            case Lookup():
                return Cost(1) + self.object(root.row)
            case NodeLookup():
                return Cost(1) + total(self.object(row) for row in root.rows)
            case RowSet():
                return Cost(1) + self.rows(root)
            case _:
                return self.several(root)

    def several(  # noqa: PLR0911 - one for each kind of root
        self, root: NodeList | Search | ValueLookup | WhoAsks | Question | Listed | Feed
    ) -> Cost:
        """The cost of rows that are found by ids, a text, or a value, of what is told of rights, and of no record."""
        match root:
            case WhoAsks():
                return Cost(1) + total(self.told(member) for member in root.members)
            case Question():
                return Cost(QUESTIONS[root.name].cost)
            case Listed():
                counts = sum(part.name in (Part.TOTAL_COUNT, Part.TOTAL_COUNT_CAPPED) for part in root.parts)
                page = any(part.name in (Part.NODES, Part.EDGES, Part.PAGE_INFO) for part in root.parts)
                rows = self._rows(root.page.size, Cost(1 + CHILD_ROWS)) if page else Cost()
                return Cost(1 + counts * LISTED) + rows
            case Feed():
                return Cost(FEED) + self._rows(root.size, Cost(1) + total(self.object(row) for row in root.rows))
            case NodeList():
                return Cost(1) + self._rows(root.ids, Cost(1) + total(self.object(row) for row in root.rows))
            case Search():
                return Cost(SEARCH * len(root.types)) + self.search(root)
            case ValueLookup():
                return Cost(LOOKUP) + (Cost(1) + self.object(root.row)) * self.limits.lookup_rows
            case _:
                assert_never(root)

    def told(self, member: Typename | Lookup | NodeList | Literal | Selected) -> Cost:
        """The cost of a part of who asks, whose teams are few."""
        match member:
            case Selected():
                return Cost(1)
            case NodeList():
                return (Cost(1) + total(self.object(row) for row in member.rows)) * CHILD_ROWS
            case _:
                return self.root(member)

    def object(self, plan: ObjectPlan) -> Cost:
        """The cost of what is read with one row."""
        return total(self.member(member) for member in plan.members)

    def member(self, member: Member) -> Cost:
        match member:
            case Typename() | Cell() | MatchedValue() | CustomValues() | MaskedFields():
                return Cost()
            case Derived():
                return Cost(DERIVED)
            case One() | Many():
                return (Cost(1) + self.object(member.row)) * (1 if isinstance(member, One) else CHILD_ROWS)
            case RootOf():
                return Cost(1) + total(self.object(row) for row in member.rows)
            case RowSet():
                return self.rows(member)
            case Timeline() | History():
                return self.timeline(member) if isinstance(member, Timeline) else self.history(member)
            case _:
                assert_never(member)

    def rows(self, plan: RowSet) -> Cost:
        """The cost of a page of rows, or of groups of them."""
        match plan:
            case Connection():
                return self.connection(plan)
            case Aggregate():
                return self.aggregate(plan)
        raise TypeError(plan)

    def aggregate(self, plan: Aggregate) -> Cost:
        """All rows that match are looked at, each with a row of every relation that a key leads through."""
        joined = {key.path[:length] for key in plan.keys for length in range(1, len(key.path) + 1)}
        rows = GROUPED_ROWS if plan.relation is None else GROUPED_BELOW
        return Cost(rows // SCANNED_ROWS * (1 + len(joined) + related_conditions(plan.criteria)))

    def connection(self, plan: Connection) -> Cost:
        """A page is its size times what each row costs, its conditions among that; counts and an offset scan."""
        condition = related_conditions(plan.criteria)
        each = Cost(1 + condition) + total(self.object(row) for part in plan.parts for _, row in part.rows)
        listed = any(part.part in (Part.NODES, Part.EDGES, Part.PAGE_INFO) for part in plan.parts)
        counts = sum(part.part in (Part.TOTAL_COUNT, Part.TOTAL_COUNT_CAPPED) for part in plan.parts)
        counted = counts * self.limits.counted(searched=plan.search is not None)
        scanned = counted + (self.limits.max_offset if plan.page.offset else 0)
        fixed = Cost(-(-scanned // SCANNED_ROWS) * (1 + condition) + (SEARCH if plan.search else 0))
        for exact in plan.lookups:
            fixed += self._rows(exact.value, Cost(LOOKUP)) if exact.several else Cost(LOOKUP)
        return fixed + self._rows(plan.page.size, each) if listed else fixed

    def search(self, plan: Search) -> Cost:
        """So many hits as are asked for, each costing what it may be."""
        hits = (part for part in plan.parts if isinstance(part, SearchHits))
        return total(
            self._rows(plan.size, Cost(1) + total(self.object(row) for rows in part.rows.values() for row in rows))
            for part in hits
        )

    def timeline(self, plan: Timeline) -> Cost:
        """A page is its size times what each entry costs, of whatever type it is; each branch reads an index so far."""
        each = Cost(1) + total(self.object(row) for part in plan.parts for _, rows in part.rows for row in rows)
        listed = any(part.part is not Part.TYPENAME for part in plan.parts)
        return Cost(len(plan.branches)) + self._rows(plan.page.size, each) if listed else Cost()

    def history(self, plan: History) -> Cost:
        """A page is its size times what each entry costs: the event, its changes, and who made them."""
        each = Cost(1)
        for member in (member for part in plan.parts for member in part.members):
            each += Cost(CHILD_ROWS) if member.name == "changes" else Cost()
            each += Cost(1) + self.object(member.row) if member.row else Cost()
        listed = any(part.part is not Part.TYPENAME for part in plan.parts)
        return Cost(1) + self._rows(plan.page.size, each) if listed else Cost()

    def _rows(self, bound: Fragment, each: Cost) -> Cost:
        """So many rows as a page size says or an array holds: known now, or when the request's values are bound."""
        given = [part.source for part in bound.parts if isinstance(part, Param) and isinstance(part.source, Given)]
        if len(bound.parts) > 1:
            return each * len(given)
        if not given:
            return each * self.limits.max_page
        if not given[0].path:
            return each * self._literal(given[0])
        place = self.place(given[0])
        return each * self.limits.max_page if place is None else Cost(0, ((place, each),))

    def _literal(self, given: Given) -> int:
        try:
            value = given.value({})
        except CrmError:
            # It is refused when the values are bound.
            return self.limits.max_page
        return value if isinstance(value, int) else len(value)


def related_conditions(criteria: Criteria | None) -> int:
    """How many related rows a condition looks at for each row."""
    match criteria:
        case None | Compare():
            return 0
        case AllOf() | AnyOf():
            return sum(related_conditions(term) for term in criteria.terms)
        case Not():
            return related_conditions(criteria.term)
        case Related():
            rows = 1 if criteria.relation.shape is Shape.ONE else CHILD_ROWS
            return rows * (1 + related_conditions(criteria.term))
        case Counted():
            return COUNTED_ROWS * (1 + related_conditions(criteria.term))
        case _:
            assert_never(criteria)


def cost_of_read(plan: ReadPlan, sources: Sequence[Any], limits: Limits) -> Cost:
    """The cost of a query as a function of its statement's bound values."""
    places = {source: place for place, source in reversed([*enumerate(sources)]) if isinstance(source, Given)}
    return Pricing(limits, places.get).read(plan)


def cost_of_mutation(
    document: Document,
    operation: Operation,
    variables: Mapping[str, Any],
    *,
    catalog: Catalog,
    access: Access,
    limits: Limits,
) -> int:
    """The cost of a mutation whose variables fit: its verbs, by item, the documents that they are given, and
    what their payloads read. A payload that cannot be planned is refused when it is read, and costs nothing here.
    """
    root = document.schema.mutation_type
    if root is None:
        return 0
    reader = reader_of(document.schema, operation.node, document.fragments, variables, limits.max_depth)
    requested = 0
    for nodes in reader.roots(root, operation.node.selection_set.selections).values():
        requested += VERB * _items(nodes[0], variables)
        definition = root.fields.get(nodes[0].name.value)
        requested += _documents(nodes[0], definition, reader.arguments) if definition else 0
        payload = get_named_type(definition.type) if definition else None
        if not isinstance(payload, GraphQLObjectType):
            continue
        told = reader.read(payload, [s for n in nodes if n.selection_set for s in n.selection_set.selections])
        for times, entity, children in _records(told, catalog):
            values: list[Any] = []
            try:
                row = Planner(catalog, access, limits).object(entity, children)
                cost = Pricing(limits, _evaluated(values, variables)).object(row)
            except CrmError:
                continue
            requested += times * (1 + cost.of(values))
    return requested


def _records(
    told: Iterable[Selected], catalog: Catalog, times: int = 1
) -> Iterable[tuple[int, EntityType, tuple[Selected, ...]]]:
    """The records of a payload, with how many there may be, and what is selected of them."""
    for selected in told:
        for name, children in selected.children.items():
            entity = catalog.by_api_name.get(name)
            if entity is None:
                yield from _records(children, catalog, LISTED_RECORDS)
            else:
                yield times, entity, children


def _evaluated(values: list[Any], variables: Mapping[str, Any]) -> Place:
    """Places for values that are read as they are met."""

    def place(given: Given) -> int:
        values.append(given.value(variables))
        return len(values) - 1

    return place


def _items(node: FieldNode, variables: Mapping[str, Any]) -> int:
    """How many records a verb is given: as many as the longest of its lists."""
    longest = 1
    for argument in node.arguments or ():
        value: Any = argument.value
        if isinstance(value, VariableNode):
            given = variables.get(value.name.value)
            longest = max(longest, len(given) if isinstance(given, list) else 1)
        elif isinstance(value, ListValueNode):
            longest = max(longest, len(value.values or ()))
    return longest


def _documents(node: FieldNode, definition: GraphQLField, arguments: ArgumentReader) -> int:
    """What the documents cost that a verb is given, which may be refused."""
    argument, *steps = DOCUMENTS.get(node.name.value, ("",))
    given = next((a.value for a in node.arguments or () if a.name.value == argument), None)
    if given is None:
        return 0
    tree = arguments.read(given, definition.args[argument].type)
    for step in steps:
        tree = tree.get(step) if isinstance(tree, dict) else None
    return sum(cost_of_refusal(text) for text in _texts(tree))


def _texts(tree: Any) -> Iterable[str]:
    """The texts of an argument that is one, or a list of them."""
    if isinstance(tree, Leaf):
        yield from _texts(tree.value)
    elif isinstance(tree, str):
        yield tree
    elif isinstance(tree, list | tuple):
        for item in tree:
            yield from _texts(item)


def cost_of_refusal(text: str) -> int:
    """What a document costs that is refused."""
    return len(text) * REFUSED_CHARACTER


def require_within(requested: int, limits: Limits) -> None:
    """Raise CostExceeded for an operation that costs more than one may."""
    if requested > limits.max_cost:
        raise CostExceeded("cost_limit", requested=requested, limit=limits.max_cost)
