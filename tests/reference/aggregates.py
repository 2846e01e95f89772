"""Aggregates, read naively: records are put into groups one by one, and what is measured is reckoned in Python."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cmp_to_key, partial
from typing import Any
from zoneinfo import ZoneInfo

from graphql import FieldNode

from crm_graph.access import Level
from crm_graph.catalog import CUSTOM, EntityType, Field, Kind, Relation, custom_type
from crm_graph.proof.view import Record, View, listed
from crm_graph.resolvers.aggregates.plan import Function, Measure
from crm_graph.resolvers.plan import Limits

Nodes = list[FieldNode]
Below = Callable[[str, Nodes], dict[str, Nodes]]
"""The selected fields of an object type, by response key."""


@dataclass(frozen=True)
class Key:
    """What records are grouped by."""

    path: tuple[Relation, ...]
    member: Field
    bucket: str | None
    zone: str | None

    @property
    def spot(self) -> tuple[tuple[str, ...], str]:
        return tuple(r.name for r in self.path), self.member.name


@dataclass(frozen=True)
class Group:
    """Records that have the same keys."""

    values: tuple[Any, ...]
    records: list[Record]


@dataclass
class Aggregator:
    """Answers one aggregate."""

    view: View
    limits: Limits
    entity: EntityType
    arguments: Mapping[str, Any]
    below: Below
    to_json: Callable[[Any], Any]

    def __post_init__(self) -> None:
        trees = listed(self.arguments.get("groupBy") or [])
        self.keys = [key for tree in trees for key in self._keys(self.entity, tree, ())]

    def answer(self, records: Sequence[Record], nodes: Nodes) -> dict[str, Any]:
        """What is selected of the groups of these records."""
        having = self.arguments.get("having")
        groups = [g for g in self._groups(records) if having is None or self._holds(having, g)]
        groups.sort(key=cmp_to_key(self._compare))
        first = self.arguments.get("first")
        size = min(self.limits.default_page, self.limits.max_groups) if first is None else first
        answer: dict[str, Any] = {}
        for key, same in self.below(f"{self.entity.api_name}Aggregate", nodes).items():
            match same[0].name.value:
                case "groups":
                    answer[key] = [self._group(group, same) for group in groups[:size]]
                case "groupsCapped":
                    answer[key] = len(groups) > size
                case _:
                    answer[key] = f"{self.entity.api_name}Aggregate"
        return answer

    def _keys(self, entity: EntityType, tree: Mapping[str, Any], path: tuple[Relation, ...]) -> Iterator[Key]:
        for member, value in named(entity, tree):
            if value is None or value is False:
                continue
            if isinstance(member, Relation):
                yield from self._keys(self.view.catalog[member.target], value, (*path, member))
            elif value is True:
                yield Key(path, member, None, None)
            else:
                yield Key(path, member, value["by"], value.get("zone") or self.view.principal.time_zone)

    def _groups(self, records: Sequence[Record]) -> list[Group]:
        found: dict[tuple[Any, ...], list[Record]] = {} if self.keys else {(): []}
        for record in records:
            found.setdefault(tuple(self._key_value(key, record) for key in self.keys), []).append(record)
        return [Group(values, kept) for values, kept in found.items()]

    def _key_value(self, key: Key, record: Record) -> Any:
        for relation in key.path:
            related = self.view.related(record, relation)
            if not related:
                return None
            record = related[0]
        value = self._value(record, key.member) if not key.path else self._comparable(record, key.member)
        if value is None or key.bucket is None:
            return value
        day = value.astimezone(ZoneInfo(key.zone or "UTC")).date() if isinstance(value, datetime) else value
        return first_day(day, key.bucket)

    @property
    def _by_currency(self) -> bool:
        return ((), "currency") in [key.spot for key in self.keys]

    def _value(self, record: Record, member: Field) -> Any:
        """Amounts count in base currency, or grouped by currency as they stand, where the currency may be read."""
        if member.kind is Kind.MONEY and self._by_currency:
            levels = {self.view.level(record, name) for name in (member.name, "currency")}
            return record.row[member.name] if levels == {Level.READ} else None
        return self._comparable(record, member)

    def _comparable(self, record: Record, member: Field) -> Any:
        """Custom decimals may be written in several ways; zeros at their end are left out."""
        value = self.view.comparable(record, member)
        return value.normalize() if member.custom and isinstance(value, Decimal) else value

    def _measured(self, measure: Measure, group: Group) -> Any:
        if measure.field is None:
            return len(group.records)
        member = measure.field
        values = [v for r in group.records if (v := self._value(r, member)) is not None]
        if measure.function is Function.COUNT_DISTINCT:
            return len(set(values))
        places = Decimal("0.01") if member.kind is Kind.MONEY else Decimal("0.000001")
        return _REDUCED[measure.function](values, places) if values else None

    def _holds(self, tree: Mapping[str, Any], group: Group) -> bool:
        return all(self._term(name, value, group) for name, value in tree.items())

    def _term(self, name: str, value: Any, group: Group) -> bool:
        match name:
            case "and":
                return all(self._holds(tree, group) for tree in listed(value))
            case "or":
                return any(self._holds(tree, group) for tree in listed(value))
            case "not":
                return not self._holds(value, group)
            case "count":
                return self._compared(Measure(Function.COUNT), value, group)
        return all(
            self._compared(Measure(Function(name), as_field(member)), conditions, group)
            for member, conditions in named(self.entity, value)
        )

    def _compared(self, measure: Measure, conditions: Mapping[str, Any], group: Group) -> bool:
        return self.view.meets(measure.as_field("measure"), conditions, self._measured(measure, group))

    def _compare(self, one: Group, other: Group) -> int:
        for value, direction in self._order():
            a, b = value(one), value(other)
            if a == b:
                continue
            if a is None or b is None:
                return -1 if (a is None) is (direction in ("DESC", "ASC_NULLS_FIRST")) else 1
            return -1 if (a > b) is direction.startswith("DESC") else 1
        return 0

    def _order(self) -> Iterator[tuple[Callable[[Group], Any], str]]:
        for tree in listed(self.arguments.get("orderBy") or []):
            for name, value in tree.items():
                if name == "key":
                    yield from self._key_order(self.entity, value, ())
                elif name == "count":
                    yield partial(self._measured, Measure(Function.COUNT)), value
                else:
                    for member, direction in named(self.entity, value):
                        measure = Measure(Function(name), as_field(member))
                        yield partial(self._measured, measure), direction
        for index in range(len(self.keys)):
            yield partial(_key_at, index), "ASC"

    def _key_order(
        self, entity: EntityType, tree: Mapping[str, Any], path: tuple[str, ...]
    ) -> Iterator[tuple[Callable[[Group], Any], str]]:
        for member, value in named(entity, tree):
            if isinstance(member, Relation):
                yield from self._key_order(self.view.catalog[member.target], value, (*path, member.name))
            else:
                index = [key.spot for key in self.keys].index((path, member.name))
                yield partial(_key_at, index), value

    def _group(self, group: Group, nodes: Nodes) -> dict[str, Any]:
        name = self.entity.api_name
        answer: dict[str, Any] = {}
        for key, same in self.below(f"{name}Group", nodes).items():
            match same[0].name.value:
                case "__typename":
                    answer[key] = f"{name}Group"
                case "key":
                    answer[key] = self._key_object(self.entity, group, same, ())
                case "count":
                    answer[key] = len(group.records)
                case function:
                    answer[key] = self._measures(Function(function), group, same)
        return answer

    def _measures(self, function: Function, group: Group, nodes: Nodes, *, custom: bool = False) -> dict[str, Any]:
        holder, fields = (custom_type(self.entity), self.entity.custom) if custom else (self.entity.api_name, None)
        suffix = {"sum": "Sum", "avg": "Avg", "min": "Range", "max": "Range"}.get(function, "DistinctCount")
        type_name, answer = f"{holder}{suffix}", dict[str, Any]()
        for key, same in self.below(type_name, nodes).items():
            name = same[0].name.value
            if name == "__typename":
                answer[key] = type_name
                continue
            if name == CUSTOM and not custom:
                answer[key] = self._measures(function, group, same, custom=True)
                continue
            measure = Measure(function, as_field((fields or self.entity.by_api_name)[name]))
            value = self._measured(measure, group)
            whole = function is Function.SUM and isinstance(value, int)
            answer[key] = str(value) if whole else self._shown(value, measure.kind, group, same)
        return answer

    def _key_object(
        self, entity: EntityType, group: Group, nodes: Nodes, path: tuple[str, ...]
    ) -> dict[str, Any] | None:
        if path and not any(key.spot[0][: len(path)] == path for key in self.keys):
            return None
        answer: dict[str, Any] = {}
        for response, same in self.below(f"{entity.api_name}GroupKey", nodes).items():
            name = same[0].name.value
            if name == "__typename":
                answer[response] = f"{entity.api_name}GroupKey"
                continue
            if name == CUSTOM:
                answer[response] = self._custom_keys(entity, group, same, path)
                continue
            member = entity.by_api_name[name]
            if isinstance(member, Relation):
                target = self.view.catalog[member.target]
                answer[response] = self._key_object(target, group, same, (*path, member.name))
                continue
            answer[response] = self._key_shown(member, group, same, path)
        return answer

    def _custom_keys(
        self, entity: EntityType, group: Group, nodes: Nodes, path: tuple[str, ...]
    ) -> dict[str, Any] | None:
        """The custom keys of a record, where it is grouped by any."""
        if not any(key.member.custom and key.spot[0] == path for key in self.keys):
            return None
        type_name, answer = f"{custom_type(entity)}GroupKey", dict[str, Any]()
        for response, same in self.below(type_name, nodes).items():
            member = entity.custom.get(same[0].name.value)
            answer[response] = self._key_shown(member, group, same, path) if member else type_name
        return answer

    def _key_shown(self, member: Field, group: Group, nodes: Nodes, path: tuple[str, ...]) -> Any:
        spots, here = [key.spot for key in self.keys], (path, member.name)
        value = group.values[spots.index(here)] if here in spots else None
        return self._shown(value, member.kind, group, nodes, own=not path)

    def _shown(self, value: Any, kind: Kind, group: Group, nodes: Nodes, *, own: bool = True) -> Any:
        if value is None or kind is not Kind.MONEY:
            return None if value is None else self.to_json(value)
        currency = self.limits.base_currency
        if own and self._by_currency:
            currency = group.values[[key.spot for key in self.keys].index(((), "currency"))]
        parts = {"__typename": "Money", "amount": self.to_json(value), "currency": currency}
        return {key: parts[same[0].name.value] for key, same in self.below("Money", nodes).items()}


def named(entity: EntityType, tree: Mapping[str, Any]) -> Iterator[tuple[Field | Relation, Any]]:
    """What a tree names, each with what is said of it; custom fields stand below `custom`."""
    for name, value in tree.items():
        if name == CUSTOM:
            yield from ((entity.custom[key], said) for key, said in (value or {}).items())
        else:
            yield entity.by_api_name[name], value


def as_field(member: Field | Relation) -> Field:
    """What is measured, which is a field."""
    assert isinstance(member, Field)
    return member


def _key_at(index: int, group: Group) -> Any:
    return group.values[index]


def _average(values: Sequence[Any], places: Decimal) -> Decimal:
    return (Decimal(sum(values)) / len(values)).quantize(places, ROUND_HALF_UP)


_REDUCED: Mapping[Function, Callable[[Sequence[Any], Decimal], Any]] = {
    Function.SUM: lambda values, _: sum(values),
    Function.AVG: _average,
    Function.MIN: lambda values, _: min(values),
    Function.MAX: lambda values, _: max(values),
}


def first_day(day: date, bucket: str) -> date:
    """The first day of the period that a day lies in."""
    match bucket:
        case "WEEK":
            return day - timedelta(days=day.weekday())
        case "MONTH":
            return day.replace(day=1)
        case "QUARTER":
            return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        case "YEAR":
            return day.replace(month=1, day=1)
    return day
