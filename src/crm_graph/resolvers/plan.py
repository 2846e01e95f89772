"""The plan of a read as plain data: which rows, in which order, which cells. `planner` makes it, `sql` writes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import ceil
from typing import Any

from crm_graph.catalog import EntityType, Field, Kind, Relation, Searched
from crm_graph.criteria.predicates import Criteria
from crm_graph.fragments import Fragment
from crm_graph.models.fields import DataClass, FieldInfo
from crm_graph.resolvers.arguments import Leaf
from crm_graph.resolvers.selection import TYPENAME, Selected
from crm_graph.services.listings import Listing


@dataclass(frozen=True, slots=True)
class Limits:
    """What an installation sets for reads: page sizes and counts, in rows; `max_cost` is what one operation may cost,
    `base_currency` (ISO 4217) what amounts are summed in.
    """

    default_page: int = 50
    max_page: int = 200
    max_offset: int = 10_000
    count_cap: int = 10_000
    max_children: int = 200
    max_depth: int = 15
    max_cost: int = 250_000
    max_groups: int = 1_000
    base_currency: str = "CNY"
    search_window: int = 200
    """Records of a list that is ordered by relevance."""
    search_count_cap: int = 1_000
    """A searched list is counted so far: rights are asked for each record that the text finds."""
    search_hits: int = 50
    """Hits of a search over all types."""
    search_sample: int = 512
    search_usual: int = 5
    """The newest records that tell whether a text is common, and how many of them it finds then."""
    search_rare: int = 5
    """Rows are rare of which no more are among the newest."""
    search_anywhere: int = 1_024
    """The records from a moment taken by chance on, of which one tells that a text is common."""
    search_some: int = 256
    search_broad: int = 16
    """The records taken by chance that tell whether a word is broad, which more than so many of them then have."""
    search_newest: int = 25_000
    """The newest records that are read for a common text, before all that it finds are."""
    lookup_rows: int = 10
    feed_page: int = 1_000
    """Changes of a page of the feed."""
    feed_window: int = 100_000
    """The events of the log that one page looks through."""
    feed_days: int = 90
    """How far back the feed reaches."""

    @property
    def counting(self) -> "Limits":
        """The limits of a searched list that holds as many as are counted, and one more."""
        window = self.counted(searched=True) + 1
        usual = ceil(self.search_usual * window / self.search_window)
        return replace(self, search_window=window, search_usual=usual)

    def counted(self, *, searched: bool) -> int:
        """The records of a list that are counted at most."""
        return min(self.count_cap, self.search_count_cap) if searched else self.count_cap


ROW_ID = " id"
"""The key under which a statement hands out the id of a record that is looked up, for the log of reads. No GraphQL name
has a space.
"""


class Archived(StrEnum):
    """Which rows a list holds: archived ones leave it unless asked for."""

    EXCLUDE = "EXCLUDE"
    INCLUDE = "INCLUDE"
    ONLY = "ONLY"


@dataclass(frozen=True, slots=True)
class Typename:
    key: str
    name: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A scalar; `parts` are the selected keys of a money value."""

    key: str
    field: Field
    parts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class MatchedValue:
    """Which of the values that are looked up a row has, counted from 1: for the log of reads."""

    key: str
    field: Field
    values: Fragment


@dataclass(frozen=True, slots=True)
class CustomValues:
    """The custom values of a row, as an object of their own."""

    key: str
    cells: tuple[Cell | Typename, ...]


@dataclass(frozen=True, slots=True)
class MaskedFields:
    key: str


@dataclass(frozen=True, slots=True)
class Derived:
    """A field that SQL cannot compute; the statement hands out the row's id in its place."""

    key: str
    name: str
    children: tuple[Selected, ...]


@dataclass(frozen=True, slots=True)
class One:
    """A related row, or null."""

    key: str
    relation: Relation
    row: "ObjectPlan"


@dataclass(frozen=True, slots=True)
class RootOf:
    """The record that a child of many types belongs to: one plan for each type that it can be."""

    key: str
    rows: "tuple[ObjectPlan, ...]"


@dataclass(frozen=True, slots=True)
class Many:
    """A plain list of related rows."""

    key: str
    relation: Relation
    row: "ObjectPlan"


@dataclass(frozen=True, slots=True)
class ObjectPlan:
    """The members of an object, in the order of the answer."""

    entity: EntityType
    members: tuple["Member", ...]


@dataclass(frozen=True, slots=True)
class OrderKey:
    """One key of an order; `path` leads through to-one relations."""

    path: tuple[Relation, ...]
    field: Field
    descending: bool
    nulls_first: bool

    @property
    def nullable(self) -> bool:
        return bool(self.path) or self.field.nullable

    @property
    def direction(self) -> str:
        return ("DESC" if self.descending else "ASC") + ("_NULLS_FIRST" if self.nulls_first else "")


RANK = Field("rank", "rank", Kind.INT, nullable=False, has_default=False, info=FieldInfo(DataClass.BASIC))
"""How like a record is to the text that is searched for, the least being the likest; not a column, but an order key."""


@dataclass(frozen=True, slots=True)
class Page:
    """A window: `size` rows forward, or backward from the end, between two cursors."""

    size: Fragment
    backward: bool = False
    after: tuple[Fragment, ...] | None = None
    before: tuple[Fragment, ...] | None = None
    offset: Fragment | None = None


class Part(StrEnum):
    """What can be selected of a connection."""

    NODES = "nodes"
    EDGES = "edges"
    PAGE_INFO = "pageInfo"
    TOTAL_COUNT = "totalCount"
    TOTAL_COUNT_CAPPED = "totalCountCapped"
    TYPENAME = TYPENAME
    FOUND = " found"
    """Not selected by anybody: every record that a lookup finds, for the log of reads."""


@dataclass(frozen=True, slots=True)
class ConnectionPart:
    """One selected field of a connection; for edges and pageInfo with the selected (key, name) pairs below it."""

    key: str
    part: Part
    names: tuple[tuple[str, str], ...] = ()
    rows: tuple[tuple[str, ObjectPlan], ...] = ()


@dataclass(frozen=True, slots=True)
class RowSet:
    """Rows of a type that something is made of: of all (`relation` is None) or of one row's relation."""

    key: str
    entity: EntityType
    relation: Relation | None
    criteria: Criteria | None
    archived: Archived


@dataclass(frozen=True, slots=True)
class ExactValue:
    """A value that records are found by in a field that may be masked, or several."""

    field: Field
    value: Fragment
    several: bool


@dataclass(frozen=True, slots=True)
class Connection(RowSet):
    """A page of rows."""

    order: tuple[OrderKey, ...]
    signature: str
    page: Page
    parts: tuple[ConnectionPart, ...]
    search: Leaf | None = None
    lookups: tuple[ExactValue, ...] = ()


@dataclass(frozen=True, slots=True)
class TimelineBranch:
    """One way from a customer to entries of one type, and the field that tells when each was."""

    entity: EntityType
    moment: Field
    path: tuple[Relation, ...]


@dataclass(frozen=True, slots=True)
class TimelinePart:
    """One selected field of a timeline; `rows` are the objects below it, one for each type of entries."""

    key: str
    part: Part
    names: tuple[tuple[str, str], ...] = ()
    rows: tuple[tuple[str, tuple[ObjectPlan, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Timeline:
    """A page of what happened with a customer, newest first, of several types merged."""

    key: str
    branches: tuple[TimelineBranch, ...]
    signature: str
    page: Page
    parts: tuple[TimelinePart, ...]


@dataclass(frozen=True, slots=True)
class EntryMember:
    """One selected field of an entry of a history: `row` for records, (key, name) pairs below for changes."""

    key: str
    name: str
    row: ObjectPlan | None = None
    names: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class HistoryPart:
    """One selected field of a history."""

    key: str
    part: Part
    names: tuple[tuple[str, str], ...] = ()
    members: tuple[EntryMember, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """A page of what became of a record, newest first."""

    key: str
    signature: str
    page: Page
    parts: tuple[HistoryPart, ...]


@dataclass(frozen=True, slots=True)
class Lookup:
    """One row by its id or by what another system calls it."""

    key: str
    row: ObjectPlan
    id: Fragment | None = None
    source: Fragment | None = None
    external_id: Fragment | None = None


@dataclass(frozen=True, slots=True)
class NodeLookup:
    """One row of any type by its id, whose code tells the type."""

    key: str
    id: Fragment
    rows: tuple[ObjectPlan, ...]


@dataclass(frozen=True, slots=True)
class NodeList:
    """Rows of any type by their ids, in the order of the ids; null for an id that leads to nothing."""

    key: str
    ids: Fragment
    rows: tuple[ObjectPlan, ...]


@dataclass(frozen=True, slots=True)
class SearchHits:
    """The selected fields of hits; `rows` are the objects below `node`, one for each searched type."""

    key: str
    names: tuple[tuple[str, str], ...]
    rows: Mapping[str, tuple[ObjectPlan, ...]]


@dataclass(frozen=True, slots=True)
class Search:
    """The records of several types that are likest to a text."""

    key: str
    text: Leaf
    types: tuple[EntityType, ...]
    size: Fragment
    parts: tuple[SearchHits | Typename, ...]


@dataclass(frozen=True, slots=True)
class ValueLookup:
    """The rows of a type that have exactly a value in one of some fields."""

    key: str
    row: ObjectPlan
    fields: tuple[Searched, ...]
    value: Leaf


@dataclass(frozen=True, slots=True)
class Literal:
    """An answer that is known already, as JSON: introspection."""

    key: str
    json: bytes


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of what is no record of the catalog, and what is selected around it."""

    key: str
    listing: Listing
    conditions: tuple[Fragment, ...]
    signature: str
    page: Page
    parts: tuple[Selected, ...]


@dataclass(frozen=True, slots=True)
class Feed:
    """A page of the log's changes behind a place, or from the feed's beginning or end on. `entities` are the types that
    the asker may hear of, with what they must be like; of `ids`, types of events and `customer`, None narrows nothing.
    """

    key: str
    entities: tuple[tuple[EntityType, Criteria | None], ...]
    size: Fragment
    after: Fragment | None
    from_now: bool
    parts: tuple[Selected, ...]
    types: Fragment | None = None
    entity_types: Fragment | None = None
    ids: Fragment | None = None
    customer: Fragment | None = None
    records: Mapping[tuple[str, str], tuple[ObjectPlan, ...]] = field(default_factory=dict)
    """What is selected of the records, by the keys of the list and of the field in it."""

    @property
    def rows(self) -> tuple[ObjectPlan, ...]:
        """All that is selected of records."""
        return tuple(row for rows in self.records.values() for row in rows)


Member = (
    Typename
    | Cell
    | MatchedValue
    | CustomValues
    | MaskedFields
    | Derived
    | One
    | RootOf
    | Many
    | RowSet
    | Timeline
    | History
)


@dataclass(frozen=True, slots=True)
class WhoAsks:
    """Who asks: the records among its members, what is known already, and what stands in other tables, as selected."""

    key: str
    members: tuple[Typename | Lookup | NodeList | Literal | Selected, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A question about rights: the statement hands out its arguments, and the answer is put in their place."""

    key: str
    name: str
    arguments: tuple[tuple[str, Fragment], ...]
    children: tuple[Selected, ...]


Root = (
    Typename
    | RowSet
    | Lookup
    | NodeLookup
    | NodeList
    | Search
    | ValueLookup
    | Literal
    | WhoAsks
    | Question
    | Listed
    | Feed
)


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """All roots of one operation. `given` are the sources of its page arguments and filters, used or not."""

    roots: tuple[Root, ...]
    given: tuple[Any, ...] = ()

    def with_literals(self, literals: Sequence[Literal], order: Sequence[str]) -> "ReadPlan":
        """The plan with answers that are known already, in the order of the response keys."""
        roots = sorted((*self.roots, *literals), key=lambda root: order.index(root.key))
        return replace(self, roots=tuple(roots))

    def known(self) -> bytes | None:
        """The answer as JSON where all of it is known already; None where a row is asked for."""
        members = []
        for root in self.roots:
            match root:
                case Literal():
                    members.append(b'"%b":%b' % (root.key.encode(), root.json))
                case Typename():
                    members.append(b'"%b":"%b"' % (root.key.encode(), root.name.encode()))
                case _:
                    return None
        return b"{%b}" % b",".join(members)
