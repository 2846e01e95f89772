"""`where` and `orderBy` inputs, generated from the catalog and the predicate language."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import strawberry

from crm_graph.catalog import CUSTOM, Catalog, EntityType, Field, Kind, Shape, custom_type
from crm_graph.criteria.predicates import COUNT_OPERATORS, MANY, OPERATORS, YES_OR_NO, Op, Quantifier
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
    Kind.TEXT_LIST: list[str],
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
    Kind.TEXT_LIST: "StringListFilter",
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
    Op.HAS: "Has the value among its own.",
    Op.HAS_ANY: "Has at least one of the values; an empty list is never had.",
    Op.HAS_ALL: "Has all of the values; true for an empty list.",
    Op.IS_EMPTY: "True: there is a list without values. False: there is a list with some.",
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
            python = str if field.kind is Kind.TEXT_LIST else field.enum or PYTHON_TYPES[field.kind]
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
        if entity.custom:
            members[CUSTOM] = Member(self._custom_where(entity) | None, "Conditions on custom fields.")
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

    def _custom_where(self, entity: EntityType) -> Any:
        members = {
            f.api_name: Member(self.scalar(f) | None, f"Condition on `{f.name}`.") for f in entity.custom.values()
        }
        about = f"Conditions on custom fields of {entity.api_name} records; all given ones hold."
        return define_input(empty(f"{custom_type(entity)}Where"), about, members)

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
        keys = {
            f.api_name: Member(OrderDirection | None, f"Order by `{f.name}`.")
            for f in entity.custom.values()
            if f.orderable
        }
        if keys:
            custom = define_input(empty(f"{custom_type(entity)}OrderBy"), "Order by custom fields.", keys)
            members[CUSTOM] = Member(custom | None, "Order by a custom field.")
        define_input(self.order[entity.name], f"Order of {entity.api_name} records.", members)


def _operand(op: Op, python: Any) -> Any:
    if op in YES_OR_NO:
        return bool | None
    return list[python] | None if op in MANY else python | None
