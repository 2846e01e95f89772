"""`where` and `orderBy` inputs, generated from the catalog and the predicate language."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import strawberry

from crm_graph.catalog import Catalog, EntityType, Field, Kind, Shape
from crm_graph.criteria.predicates import COUNT_OPERATORS, OPERATORS, Op, Quantifier
from crm_graph.schema.building import Member, define_input, empty, list_of
from crm_graph.schema.scalars import BigInt

PYTHON_TYPES: Mapping[Kind, Any] = {
    Kind.ID: strawberry.ID,
    Kind.TEXT: str,
    Kind.INT: int,
    Kind.BIG_INT: BigInt,
    Kind.DECIMAL: Decimal,
    Kind.MONEY: Decimal,
    Kind.BOOLEAN: bool,
    Kind.DATE: date,
    Kind.DATE_TIME: datetime,
}
_FILTER_NAMES: Mapping[Kind, str] = {
    Kind.ID: "IDFilter",
    Kind.TEXT: "StringFilter",
    Kind.INT: "IntFilter",
    Kind.BIG_INT: "BigIntFilter",
    Kind.DECIMAL: "DecimalFilter",
    Kind.MONEY: "MoneyFilter",
    Kind.BOOLEAN: "BooleanFilter",
    Kind.DATE: "DateFilter",
    Kind.DATE_TIME: "DateTimeFilter",
}
_OPERATORS: Mapping[Op, str] = {
    Op.EQ: "Equal to the value.",
    Op.NE: "Not equal to the value; true where there is none.",
    Op.IN: "Equal to one of the values.",
    Op.NOT_IN: "Equal to none of the values; true where there is none.",
    Op.LT: "Less than the value.",
    Op.LTE: "Less than or equal to the value.",
    Op.GT: "Greater than the value.",
    Op.GTE: "Greater than or equal to the value.",
    Op.IS_NULL: "True: there is no value, or it is withheld from you. False: there is one that you may read.",
    Op.CONTAINS: "Contains the text, case counts.",
    Op.STARTS_WITH: "Starts with the text, case counts.",
    Op.ENDS_WITH: "Ends with the text, case counts.",
    Op.EQ_INSENSITIVE: "Equal to the text, whatever its case.",
    Op.CONTAINS_INSENSITIVE: "Contains the text, whatever its case.",
    Op.STARTS_WITH_INSENSITIVE: "Starts with the text, whatever its case.",
    Op.ENDS_WITH_INSENSITIVE: "Ends with the text, whatever its case.",
}
_QUANTIFIERS: Mapping[Quantifier, str] = {
    Quantifier.SOME: "At least one related record that you may see matches.",
    Quantifier.EVERY: "All related records that you may see match; true when there is none.",
    Quantifier.NONE: "No related record that you may see matches.",
}


class OrderDirection(StrEnum):
    """Directions of an order."""

    ASC = "ASC"
    DESC = "DESC"
    ASC_NULLS_FIRST = "ASC_NULLS_FIRST"
    DESC_NULLS_LAST = "DESC_NULLS_LAST"


class Filters:
    """All filter and order inputs of a catalog, by entity."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._scalars: dict[str, Any] = {}
        self.where = {n: empty(f"{t.api_name}Where") for n, t in catalog.types.items()}
        self.order = {n: empty(f"{t.api_name}OrderBy") for n, t in catalog.types.items()}
        self._lists = {n: empty(f"{t.api_name}ListWhere") for n, t in catalog.types.items()}
        self._counts = {n: empty(f"{t.api_name}CountWhere") for n, t in catalog.types.items()}
        for entity in catalog.types.values():
            self._define_where(entity)
            self._define_order(entity)

    def scalar(self, field: Field) -> Any:
        """The input of conditions on one value of the field's kind."""
        name = f"{field.enum.__name__}Filter" if field.enum else _FILTER_NAMES[field.kind]
        if name not in self._scalars:
            python = field.enum or PYTHON_TYPES[field.kind]
            members = {op.value: Member(_operand(op, python), _OPERATORS[op]) for op in OPERATORS[field.kind]}
            about = " in the company's base currency" if field.kind is Kind.MONEY else ""
            self._scalars[name] = define_input(
                empty(name), f"Conditions on one value{about}; all given ones hold.", members
            )
        return self._scalars[name]

    def _define_where(self, entity: EntityType) -> None:
        where = self.where[entity.name]
        members = {
            "and": Member(list_of(where) | None, "All of these hold."),
            "or": Member(list_of(where) | None, "At least one of these holds; an empty list never does."),
            "not": Member(where | None, "This does not hold."),
        }
        for field in entity.fields.values():
            members[field.api_name] = Member(self.scalar(field) | None, f"Condition on `{field.api_name}`.")
        for relation in entity.relations.values():
            one = relation.shape is Shape.ONE
            input_ = (self.where if one else self._lists)[relation.target]
            members[relation.api_name] = Member(input_ | None, f"Condition on `{relation.api_name}`.")
        define_input(where, f"Conditions on {entity.api_name} records; all given ones hold.", members)
        define_input(
            self._lists[entity.name],
            f"Conditions on a list of {entity.api_name} records.",
            {q.value: Member(where | None, about) for q, about in _QUANTIFIERS.items()}
            | {"count": Member(self._counts[entity.name] | None, "How many of them there are.")},
        )
        define_input(
            self._counts[entity.name],
            f"How many {entity.api_name} records of a list match, of those that you may see.",
            {op.value: Member(_operand(op, int), _OPERATORS[op]) for op in COUNT_OPERATORS}
            | {"where": Member(where | None, "Count only records that match.")},
        )

    def _define_order(self, entity: EntityType) -> None:
        members = {
            f.api_name: Member(OrderDirection | None, f"Order by `{f.api_name}`.")
            for f in entity.fields.values()
            if f.orderable
        }
        for relation in entity.relations.values():
            if relation.shape is Shape.ONE:
                about = f"Order by a field of `{relation.api_name}`."
                members[relation.api_name] = Member(self.order[relation.target] | None, about)
        define_input(self.order[entity.name], f"Order of {entity.api_name} records.", members)


def _operand(op: Op, python: Any) -> Any:
    if op is Op.IS_NULL:
        return bool | None
    return list[python] | None if op in (Op.IN, Op.NOT_IN) else python | None
