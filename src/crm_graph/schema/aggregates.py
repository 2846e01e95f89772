"""Aggregates as clients see them: for each type its groups, what rows are grouped by, and conditions and orders."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any

import strawberry

from crm_graph.catalog import CUSTOM, Catalog, EntityType, Field, Kind, Relation, Shape, custom_type
from crm_graph.resolvers.aggregates.plan import (
    AGGREGATE,
    DATED,
    TYPE_SUFFIXES,
    DateBucket,
    Function,
    Measure,
    applies,
    groupable,
)
from crm_graph.resolvers.plan import Archived
from crm_graph.schema.building import Argument, Member, define_enum, define_input, define_type, empty, enum_of, list_of
from crm_graph.schema.filters import PYTHON_TYPES, Filters, OrderDirection

BUCKETS = enum_of(
    DateBucket,
    DAY="Days.",
    WEEK="Weeks, from Monday.",
    MONTH="Months.",
    QUARTER="Quarters, from January, April, July and October.",
    YEAR="Years.",
)
FIELD_TYPES = (
    "GroupKey",
    *dict.fromkeys(TYPE_SUFFIXES.values()),
    "GroupBy",
    "NumberHaving",
    "RangeHaving",
    "DistinctCountHaving",
    "NumberOrderBy",
    "RangeOrderBy",
    "DistinctCountOrderBy",
)
"""What the names of types end in whose members are fields of a type: a role set has those that it reads."""

_CURRENCY = ", in base currency, or in the group's when grouped by `currency`; amounts without a rate are left out"
_MEASURED: Mapping[Function, str] = {
    Function.SUM: "Sum of `{field}`{money}; null without values.",
    Function.AVG: (
        "Average of `{field}`{money}; {decimals} decimals, halves rounded away from zero; null without values."
    ),
    Function.MIN: "Smallest or largest `{field}`{money}; null without values.",
    Function.COUNT_DISTINCT: "How many different values `{field}` has.",
}
_FUNCTIONS: Mapping[Function, str] = {
    Function.SUM: "Sums of numbers and amounts.",
    Function.AVG: "Averages.",
    Function.MIN: "Smallest values.",
    Function.MAX: "Largest values.",
    Function.COUNT_DISTINCT: "How many different values there are.",
}
_INPUTS = {
    Function.SUM: "Number",
    Function.AVG: "Number",
    Function.MIN: "Range",
    Function.MAX: "Range",
    Function.COUNT_DISTINCT: "DistinctCount",
}


@strawberry.input(description="How rows are grouped by a date.")
class DateGroupBy:
    by: DateBucket = strawberry.field(description="The period; its first day is the key.")


@strawberry.input(description="How rows are grouped by a moment.")
class DateTimeGroupBy:
    by: DateBucket = strawberry.field(description="The period; its first day is the key.")
    zone: str | None = strawberry.field(
        description="IANA time zone in which days begin; yours if nothing is said.", default=strawberry.UNSET
    )


class Aggregates:
    """The types of aggregates of a catalog."""

    def __init__(self, catalog: Catalog, filters: Filters, money: Any) -> None:
        define_enum(BUCKETS)
        self._catalog = catalog
        self._filters = filters
        self._money = money
        roots = list(catalog.roots)
        self.types = {t.name: empty(f"{t.api_name}{AGGREGATE}") for t in roots}
        self._keys = {t.name: empty(f"{t.api_name}GroupKey") for t in roots}
        self._group_by = {t.name: empty(f"{t.api_name}GroupBy") for t in roots}
        self._having = {t.name: empty(f"{t.api_name}Having") for t in roots}
        self._order = {t.name: empty(f"{t.api_name}AggregateOrderBy") for t in roots}
        for entity in roots:
            self._define(entity)

    def member(self, entity: EntityType, description: str) -> Member:
        """A field that answers with an aggregate of rows of a type."""
        arguments = {
            "where": Argument(self._filters.where[entity.name] | None, "Only records that match."),
            "group_by": Argument(
                list_of(self._group_by[entity.name]) | None,
                "One group for each combination of these, at most 8; one group of all if nothing is said.",
            ),
            "having": Argument(self._having[entity.name] | None, "Only groups that match."),
            "order_by": Argument(
                list_of(self._order[entity.name]) | None,
                "Order by these, the first one counting most, then by all keys.",
            ),
            "first": Argument(int | None, "At most this many groups, 0 to 1,000; 50 if nothing is said."),
            "archived": Argument(Archived, "Whether archived records count.", Archived.EXCLUDE),
        }
        return Member(self.types[entity.name], description, arguments)

    def _define(self, entity: EntityType) -> None:
        name, group = entity.api_name, empty(f"{entity.api_name}Group")
        functions = [f for f in _FUNCTIONS if any(applies(f, m) for m in entity.cells)]
        values = {suffix: self._values(entity, f) for f, suffix in TYPE_SUFFIXES.items() if f in functions}
        self._define_keys(entity)
        define_type(
            group,
            f"A group of {name} records.",
            {
                "key": Member(self._keys[entity.name], "What the records of the group have in common."),
                "count": Member(int, "How many records there are."),
                **{_snake(f): Member(values[TYPE_SUFFIXES[f]], _FUNCTIONS[f]) for f in functions},
            },
        )
        define_type(
            self.types[entity.name],
            f"Groups of {name} records.",
            {
                "groups": Member(list_of(group), "The groups, in order."),
                "groups_capped": Member(bool, "Whether there are more groups than `first` lets through."),
            },
        )
        self._define_conditions(entity, functions)
        self._define_orders(entity, functions)

    def _values(self, entity: EntityType, function: Function) -> Any:
        suffix = TYPE_SUFFIXES[function]
        shared = suffix == TYPE_SUFFIXES[Function.MIN]
        values = "Smallest or largest values" if shared else _FUNCTIONS[function].removesuffix(".")
        members = self._measured(_fields(entity.fields, function), function)
        custom = self._measured(_fields(entity.custom, function), function)
        if custom:
            about = f"{values} of custom fields of {entity.api_name} records."
            members[CUSTOM] = Member(define_type(empty(f"{custom_type(entity)}{suffix}"), about, custom) | None, about)
        return define_type(empty(f"{entity.api_name}{suffix}"), f"{values} of {entity.api_name} records.", members)

    def _measured(self, fields: Iterable[Field], function: Function) -> dict[str, Member]:
        return {_attribute(m): Member(self._value_type(function, m) | None, _about(function, m)) for m in fields}

    def _value_type(self, function: Function, member: Field) -> Any:
        kind = Measure(function, member).kind
        return self._money if kind is Kind.MONEY else PYTHON_TYPES[kind]

    def _define_keys(self, entity: EntityType) -> None:
        about = f"What {entity.api_name} records are grouped by."
        keys, inputs = self._keys_of(entity.fields)
        for relation in _to_one(entity):
            keys[relation.name] = Member(
                self._keys[relation.target] | None, f"Keys of `{relation.api_name}`; null when not grouped by."
            )
            inputs[relation.api_name] = Member(
                self._group_by[relation.target] | None, f"Group by fields of `{relation.api_name}`."
            )
        custom_keys, custom_inputs = self._keys_of(entity.custom)
        if custom_keys:
            of_keys = define_type(empty(f"{custom_type(entity)}GroupKey"), about, custom_keys)
            of_inputs = define_input(empty(f"{custom_type(entity)}GroupBy"), about, custom_inputs)
            keys[CUSTOM] = Member(of_keys | None, "Keys of custom fields; null when not grouped by.")
            inputs[CUSTOM] = Member(of_inputs | None, "Group by custom fields.")
        define_type(self._keys[entity.name], about, keys)
        define_input(self._group_by[entity.name], about, inputs)

    def _keys_of(self, fields: Mapping[str, Field]) -> tuple[dict[str, Member], dict[str, Member]]:
        """The keys that rows can be grouped by, and the inputs that group by them."""
        keys: dict[str, Member] = {}
        inputs: dict[str, Member] = {}
        for member in fields.values():
            if groupable(member):
                about = "The first day of the period" if member.kind in DATED else f"`{member.api_path}`"
                about = f"{about}; null where it is missing, withheld, or not grouped by."
                keys[_attribute(member)] = Member(self._key_type(member) | None, about)
                inputs[member.api_name] = _group_input(member)
        return keys, inputs

    def _key_type(self, member: Field) -> Any:
        if member.kind is Kind.MONEY:
            return self._money
        return date if member.kind in DATED else member.enum or PYTHON_TYPES[member.kind]

    def _define_conditions(self, entity: EntityType, functions: Iterable[Function]) -> None:
        having, name = self._having[entity.name], entity.api_name
        count = self._filters.scalar(Measure(Function.COUNT).as_field("count"))
        members = {
            "and": Member(list_of(having) | None, "All of these hold."),
            "or": Member(list_of(having) | None, "At least one of these holds; an empty list never does."),
            "not": Member(having | None, "This does not hold."),
            "count": Member(count | None, "Condition on the number of records."),
        }
        made: dict[str, Any] = {}
        for function in functions:
            kind = _INPUTS[function]
            if kind not in made:
                made[kind] = _measured_input(
                    entity, function, f"{kind}Having", "Conditions; all given ones hold.", self._condition
                )
            members[function.value] = Member(made[kind] | None, f"Conditions on `{function.value}`.")
        define_input(having, f"Conditions on a group of {name} records; all given ones hold.", members)

    def _condition(self, function: Function, member: Field) -> Member:
        condition = self._filters.scalar(Measure(function, member).as_field(member.name))
        return Member(condition | None, f"Condition on the value for `{member.api_path}`.")

    def _define_orders(self, entity: EntityType, functions: Iterable[Function]) -> None:
        name = entity.api_name
        members = {
            "key": Member(self._filters.order[entity.name] | None, "Order by keys that rows are grouped by."),
            "count": Member(OrderDirection | None, "Order by the number of records."),
        }
        made: dict[str, Any] = {}
        for function in functions:
            kind = _INPUTS[function]
            if kind not in made:
                made[kind] = _measured_input(
                    entity, function, f"{kind}OrderBy", "Order by values of a group.", _value_order
                )
            members[function.value] = Member(made[kind] | None, f"Order by `{function.value}`.")
        define_input(self._order[entity.name], f"Order of groups of {name} records.", members)


def _fields(fields: Mapping[str, Field], function: Function) -> list[Field]:
    return [m for m in fields.values() if applies(function, m)]


def _attribute(member: Field) -> str:
    """What a field is called where types are made."""
    return member.api_name if member.custom else member.name


def _measured_input(
    entity: EntityType, function: Function, suffix: str, about: str, made_of: Callable[[Function, Field], Member]
) -> Any:
    """An input that names what the function applies to, custom fields in an input of their own."""
    members = {m.api_name: made_of(function, m) for m in _fields(entity.fields, function)}
    custom = {m.api_name: made_of(function, m) for m in _fields(entity.custom, function)}
    if custom:
        input_ = define_input(empty(f"{custom_type(entity)}{suffix}"), about, custom)
        members[CUSTOM] = Member(input_ | None, "The same of custom fields.")
    return define_input(empty(f"{entity.api_name}{suffix}"), about, members)


def _value_order(_: Function, member: Field) -> Member:
    return Member(OrderDirection | None, f"Order by the value for `{member.api_path}`.")


def _to_one(entity: EntityType) -> list[Relation]:
    return [r for r in entity.relations.values() if r.shape is Shape.ONE]


def _group_input(member: Field) -> Member:
    name = member.api_path
    if member.kind is Kind.DATE_TIME:
        return Member(DateTimeGroupBy | None, f"Group by periods of `{name}`.")
    if member.kind is Kind.DATE:
        return Member(DateGroupBy | None, f"Group by periods of `{name}`.")
    return Member(bool | None, f"Group by `{name}`; false as if it were left out.")


def _about(function: Function, member: Field) -> str:
    is_money = member.kind is Kind.MONEY
    text = _MEASURED[Function.MIN if function is Function.MAX else function]
    return text.format(
        field=member.api_path, money=_CURRENCY if is_money else "", decimals="two" if is_money else "six"
    )


def _snake(function: Function) -> str:
    return "count_distinct" if function is Function.COUNT_DISTINCT else function.value
