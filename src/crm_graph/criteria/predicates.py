"""Predicates as plain data: comparisons, their combinations, and conditions on related rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from crm_graph.catalog import Field, Kind, Relation
from crm_graph.fragments import Fragment


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


_ALWAYS = (Op.EQ, Op.NE, Op.IN, Op.NOT_IN, Op.IS_NULL)
_ORDERED = (*_ALWAYS, Op.LT, Op.LTE, Op.GT, Op.GTE)
OPERATORS: Mapping[Kind, tuple[Op, ...]] = {
    Kind.ID: _ALWAYS,
    Kind.ENUM: _ALWAYS,
    Kind.BOOLEAN: (Op.EQ, Op.NE, Op.IS_NULL),
    Kind.TEXT: (*_ORDERED, Op.CONTAINS, Op.STARTS_WITH),
    Kind.INT: _ORDERED,
    Kind.BIG_INT: _ORDERED,
    Kind.DECIMAL: _ORDERED,
    Kind.MONEY: _ORDERED,
    Kind.DATE: _ORDERED,
    Kind.DATE_TIME: _ORDERED,
}


class Quantifier(StrEnum):
    SOME = "some"
    EVERY = "every"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Compare:
    field: Field
    op: Op
    value: Fragment


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


Criteria = Compare | AllOf | AnyOf | Not | Related
