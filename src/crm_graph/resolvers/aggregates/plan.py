"""The plan of an aggregate as plain data: what rows are grouped by, what is measured, which groups are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from crm_graph.catalog import Field, Kind, Relation
from crm_graph.criteria.predicates import Criteria
from crm_graph.fragments import Fragment
from crm_graph.models.fields import DataClass, FieldInfo
from crm_graph.resolvers.plan import RowSet, Typename

AGGREGATE = "Aggregate"
"""What the name of an aggregate ends in: `customersAggregate`."""


class DateBucket(StrEnum):
    """Calendar periods that dates are grouped by."""

    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    QUARTER = "QUARTER"
    YEAR = "YEAR"


class Function(StrEnum):
    """What can be measured of a group, by its API name."""

    COUNT = "count"
    SUM = "sum"
    AVG = "avg"
    MIN = "min"
    MAX = "max"
    COUNT_DISTINCT = "countDistinct"


TYPE_SUFFIXES = {
    Function.SUM: "Sum",
    Function.AVG: "Avg",
    Function.MIN: "Range",
    Function.MAX: "Range",
    Function.COUNT_DISTINCT: "DistinctCount",
}
"""What the names of the types end in that hold the values of a function."""

_NUMBERS = (Kind.INT, Kind.BIG_INT, Kind.DECIMAL, Kind.MONEY)
_RANGED = (*_NUMBERS, Kind.DATE, Kind.DATE_TIME, Kind.TEXT)
_SUMS: Mapping[Kind, Kind] = {Kind.INT: Kind.BIG_INT, Kind.BIG_INT: Kind.DECIMAL}
DATED = (Kind.DATE, Kind.DATE_TIME)


def applies(function: Function, field: Field) -> bool:
    """Whether the function can be taken of a field. The version is a count of changes, not a quantity."""
    match function:
        case Function.COUNT:
            return False
        case Function.COUNT_DISTINCT:
            return groupable(field)
    kinds = _NUMBERS if function in (Function.SUM, Function.AVG) else _RANGED
    return field.kind in kinds and field.orderable and field.name != "version" and _comparable(field)


def groupable(field: Field) -> bool:
    """Whether rows can be grouped by it: bodies of text are too long for a key."""
    return field.orderable and _comparable(field)


def _comparable(field: Field) -> bool:
    """Amounts that have no value in base currency can never be put together."""
    return field.kind is not Kind.MONEY or field.based


@dataclass(frozen=True, slots=True)
class GroupKey:
    """What rows are grouped by; `path` leads through to-one relations, a date is cut to its `bucket` in a `zone`."""

    path: tuple[Relation, ...]
    field: Field
    bucket: DateBucket | None = None
    zone: Fragment | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """A function of a group's rows; without a field their number."""

    function: Function
    field: Field | None = None

    @property
    def kind(self) -> Kind:
        """The kind of its value."""
        if self.field is None or self.function is Function.COUNT_DISTINCT:
            return Kind.INT
        if self.field.kind is not Kind.MONEY and self.function is Function.AVG:
            return Kind.DECIMAL
        return _SUMS.get(self.field.kind, self.field.kind) if self.function is Function.SUM else self.field.kind

    def as_field(self, column: str) -> Field:
        """The measure as a field of its group, for conditions; sums and money are compared as decimals."""
        decimal = self.function in (Function.SUM, Function.AVG) or self.kind is Kind.MONEY
        kind = Kind.DECIMAL if decimal else self.kind
        return Field(column, column, kind, nullable=True, has_default=False, info=FieldInfo(DataClass.BASIC))


@dataclass(frozen=True, slots=True)
class Shown:
    """A key or a measure of the answer, by its column; `parts` are the selected keys of a money value."""

    key: str
    column: str
    of: GroupKey | Measure
    parts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Missing:
    """A key that was not grouped by: null."""

    key: str


@dataclass(frozen=True, slots=True)
class Nested:
    """An object of the answer: `key`, `sum`, a relation in `key`."""

    key: str
    members: tuple["GroupMember", ...]


GroupMember = Typename | Shown | Missing | Nested


@dataclass(frozen=True, slots=True)
class Capped:
    """Whether there are more groups than were asked for."""

    key: str


@dataclass(frozen=True, slots=True)
class GroupOrder:
    """One key of the order of groups, by its column."""

    column: str
    descending: bool
    nulls_first: bool


@dataclass(frozen=True, slots=True)
class Aggregate(RowSet):
    """Groups of rows. The columns `k1…` are those of `keys`, `a1…` those of `measures`; `having` is about them."""

    keys: tuple[GroupKey, ...]
    measures: tuple[Measure, ...]
    having: Criteria | None
    order: tuple[GroupOrder, ...]
    size: Fragment
    parts: tuple[Typename | Capped | Nested, ...]
