"""Predicates as plain data: comparisons, their combinations, and conditions on related rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from crm_graph.access import Level
from crm_graph.catalog import Field, Kind, Relation
from crm_graph.fragments import Fragment
from crm_graph.models.fields import DataClass, FieldInfo


class Op(StrEnum):
    """Comparison operators by their API names."""

    EQ = "eq"
    NE = "ne"
    IN = "in"
    NOT_IN = "notIn"
    LT = "lt"
    LTE = "lte"
    GT = "gt"
    GTE = "gte"
    IS_NULL = "isNull"
    CONTAINS = "contains"
    STARTS_WITH = "startsWith"
    ENDS_WITH = "endsWith"
    EQ_INSENSITIVE = "eqInsensitive"
    CONTAINS_INSENSITIVE = "containsInsensitive"
    STARTS_WITH_INSENSITIVE = "startsWithInsensitive"
    ENDS_WITH_INSENSITIVE = "endsWithInsensitive"
    HAS = "has"
    HAS_ANY = "hasAny"
    HAS_ALL = "hasAll"
    IS_EMPTY = "isEmpty"


_ALWAYS = (Op.EQ, Op.NE, Op.IN, Op.NOT_IN, Op.IS_NULL)
_ORDERED = (*_ALWAYS, Op.LT, Op.LTE, Op.GT, Op.GTE)
_TEXT = (
    Op.CONTAINS,
    Op.STARTS_WITH,
    Op.ENDS_WITH,
    Op.EQ_INSENSITIVE,
    Op.CONTAINS_INSENSITIVE,
    Op.STARTS_WITH_INSENSITIVE,
    Op.ENDS_WITH_INSENSITIVE,
)
OPERATORS: Mapping[Kind, tuple[Op, ...]] = {
    Kind.ID: _ALWAYS,
    Kind.ENUM: _ALWAYS,
    Kind.BOOLEAN: (Op.EQ, Op.NE, Op.IS_NULL),
    Kind.TEXT: (*_ORDERED, *_TEXT),
    Kind.INT: _ORDERED,
    Kind.BIG_INT: _ORDERED,
    Kind.DECIMAL: _ORDERED,
    Kind.MONEY: _ORDERED,
    Kind.DATE: _ORDERED,
    Kind.DATE_TIME: _ORDERED,
    Kind.TEXT_LIST: (Op.HAS, Op.HAS_ANY, Op.HAS_ALL, Op.IS_EMPTY, Op.IS_NULL),
}
MANY = frozenset({Op.IN, Op.NOT_IN, Op.HAS_ANY, Op.HAS_ALL})
"""Operators that take a list of values."""
YES_OR_NO = frozenset({Op.IS_NULL, Op.IS_EMPTY})
"""Operators that take true or false."""


def operand_type(member: Field, op: Op) -> str:
    """The Postgres type of what an operator takes."""
    if op in YES_OR_NO:
        return "boolean"
    item = member.pg_type.removesuffix("[]")
    return f"{item}[]" if op in MANY else item


COUNT = Field("count", "count", Kind.INT, nullable=False, has_default=False, info=FieldInfo(DataClass.BASIC))
"""What a condition on the number of related rows compares."""
COUNT_OPERATORS = tuple(op for op in OPERATORS[Kind.INT] if op is not Op.IS_NULL)


class Quantifier(StrEnum):
    SOME = "some"
    EVERY = "every"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Compare:
    """A comparison with a value; `least` is the level that the cell must have."""

    field: Field
    op: Op
    value: Fragment
    least: Level = Level.READ


@dataclass(frozen=True, slots=True)
class AllOf:
    """A conjunction; empty means true."""

    terms: tuple["Criteria", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """A disjunction; empty means false."""

    terms: tuple["Criteria", ...]


@dataclass(frozen=True, slots=True)
class Not:
    term: "Criteria"


@dataclass(frozen=True, slots=True)
class Related:
    """A condition on related rows; a to-one relation has the quantifier SOME."""

    relation: Relation
    quantifier: Quantifier
    term: "Criteria"


@dataclass(frozen=True, slots=True)
class Counted:
    """A condition on how many related rows match; `bounds` compare `COUNT`, and there is at least one."""

    relation: Relation
    term: "Criteria"
    bounds: tuple[Compare, ...]


Criteria = Compare | AllOf | AnyOf | Not | Related | Counted
