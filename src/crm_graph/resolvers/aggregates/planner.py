"""The selection and the arguments of an aggregate become its plan. What the asker does not read in full is unknown."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from crm_graph.catalog import CUSTOM, EntityType, Field, Kind, Relation, Shape, custom_type
from crm_graph.criteria.predicates import AllOf, AnyOf, Criteria, Not
from crm_graph.criteria.reading import MAX_DEPTH, Holder, PredicateReader
from crm_graph.errors import BadVariables, CrmError, Invalid, ValidationFailed
from crm_graph.fragments import Fragment, Viewer, param
from crm_graph.moments import is_zone
from crm_graph.resolvers.aggregates.plan import (
    DATED,
    TYPE_SUFFIXES,
    Aggregate,
    Capped,
    DateBucket,
    Function,
    GroupKey,
    GroupMember,
    GroupOrder,
    Measure,
    Missing,
    Nested,
    Shown,
    applies,
    groupable,
)
from crm_graph.resolvers.arguments import given
from crm_graph.resolvers.plan import RowSet, Typename
from crm_graph.resolvers.selection import TYPENAME, Selected

MAX_KEYS = 8
MAX_JOINS = 8
"""How many relations the keys of one aggregate may lead through."""
KEY = "key"

Spot = tuple[tuple[Relation, ...], Field]
"""A field, and the to-one relations that lead to it."""
Steps = tuple[str, ...]


def plan_aggregate(selected: Selected, rows: RowSet, size: Fragment, reader: PredicateReader) -> Aggregate:
    """The plan of an aggregate over `rows`, at most `size` groups, with the rights and the limits of `reader`. Raises
    Invalid or ValidationFailed for arguments that do not fit.
    """
    planner = _Planner(rows.entity, reader)
    with _led_from(selected.key, "groupBy"):
        planner.group_by(selected.argument("groupBy") or ())
    having = selected.argument("having")
    with _led_from(selected.key, "having"):
        criteria = planner.having(having) if having else None
    with _led_from(selected.key, "orderBy"):
        order = planner.order(selected.argument("orderBy") or ())
    parts = tuple(planner.part(part) for part in selected.only())
    return Aggregate(
        key=rows.key,
        entity=rows.entity,
        relation=rows.relation,
        criteria=rows.criteria,
        archived=rows.archived,
        keys=tuple(planner.keys.values()),
        measures=tuple(planner.measures),
        having=criteria,
        order=order,
        size=size,
        parts=parts,
    )


def parse_zone(raw: Any) -> str:
    """A name of the IANA time zone database."""
    if isinstance(raw, str) and is_zone(raw):
        return raw
    raise BadVariables("time_zone_invalid")


@contextmanager
def _led_from(*steps: str | int) -> Iterator[None]:
    """Leads the path of an error from further out."""
    try:
        yield
    except CrmError as error:
        raise error.at(*steps) from None


@dataclass
class _Planner:
    """Plans one aggregate. Keys and measures are numbered as they are met: `k1…`, `a1…`."""

    entity: EntityType
    reader: PredicateReader
    keys: dict[Spot, GroupKey] = field(default_factory=dict)
    measures: dict[Measure, str] = field(default_factory=dict)

    def group_by(self, trees: Iterable[Any]) -> None:
        for index, tree in enumerate(trees):
            with _led_from(index):
                self._add_keys(self.entity, tree, (), Holder(self.entity.name, ""))
        joined = {path[:length] for path, _ in self.keys for length in range(1, len(path) + 1)}
        if len(self.keys) > MAX_KEYS or len(joined) > MAX_JOINS:
            raise ValidationFailed("too_many_group_keys", keys=MAX_KEYS, relations=MAX_JOINS)

    def _add_keys(self, entity: EntityType, tree: Any, path: tuple[Relation, ...], holder: Holder) -> None:
        for steps, member, value in _named(entity, tree or {}):
            if value is None:
                continue
            with _led_from(*steps):
                if isinstance(member, Relation) and member.shape is Shape.ONE:
                    target = self.reader.catalog[member.target]
                    self._add_keys(target, value, (*path, member), holder.into(member, target))
                elif isinstance(member, Field) and groupable(member) and self.reader.readable(holder, member):
                    self._add_key(path, member, value)
                else:
                    raise ValidationFailed("unknown_field")

    def _add_key(self, path: tuple[Relation, ...], member: Field, value: Any) -> None:
        if member.kind in DATED:
            zone = value.get("zone")
            if zone and not zone.path:
                with _led_from("zone"):
                    parse_zone(zone.value)
            bound = param(given(zone, parse_zone) if zone else Viewer("time_zone"), "text")
            key = GroupKey(
                path, member, DateBucket(value["by"].value), bound if member.kind is Kind.DATE_TIME else None
            )
        elif value.value is True:
            key = GroupKey(path, member)
        else:
            return
        if (path, member) in self.keys:
            raise ValidationFailed("group_key_twice")
        self.keys[path, member] = key

    def _key_column(self, spot: Spot) -> str | None:
        """The column of a key; None when rows are not grouped by it."""
        return f"k{list(self.keys).index(spot) + 1}" if spot in self.keys else None

    def _measure(self, function: Function, member: Field | Relation | None) -> Measure:
        if (
            isinstance(member, Field)
            and applies(function, member)
            and self.reader.readable(Holder(self.entity.name, ""), member)
        ):
            return Measure(function, member)
        raise ValidationFailed("unknown_field")

    def _column(self, measure: Measure) -> str:
        return self.measures.setdefault(measure, f"a{len(self.measures) + 1}")

    def having(self, tree: Any, depth: int = 0) -> Criteria:
        """The condition on groups: criteria over the columns of measures."""
        if depth > MAX_DEPTH:
            raise Invalid("predicate_depth", limit=MAX_DEPTH)
        terms: list[Criteria] = []
        for name, value in tree.items():
            with _led_from(name):
                terms.extend(self._having_terms(name, value, depth))
        return terms[0] if len(terms) == 1 else AllOf(tuple(terms))

    def _having_terms(self, name: str, value: Any, depth: int) -> Iterator[Criteria]:
        if value is None:
            raise Invalid("predicate_null")
        if name in ("and", "or"):
            terms = tuple(self.having(item, depth + 1) for item in value)
            yield AllOf(terms) if name == "and" else AnyOf(terms)
        elif name == "not":
            yield Not(self.having(value, depth + 1))
        elif name == Function.COUNT:
            yield self._comparisons(Measure(Function.COUNT), value)
        else:
            for steps, member, conditions in _named(self.entity, value):
                with _led_from(*steps):
                    if conditions is None:
                        raise Invalid("predicate_null")
                    yield self._comparisons(self._measure(Function(name), member), conditions)

    def _comparisons(self, measure: Measure, conditions: Any) -> Criteria:
        return self.reader.conditions(self.entity, measure.as_field(self._column(measure)), conditions)

    def order(self, trees: Iterable[Any]) -> tuple[GroupOrder, ...]:
        """The order that was asked for; ties are broken by every key, so that an answer has one order."""
        orders: dict[str, GroupOrder] = {}
        for index, tree in enumerate(trees):
            with _led_from(index):
                for column, direction in self._ordered(tree):
                    orders.setdefault(column, _order(column, direction.value))
        for number in range(1, len(self.keys) + 1):
            orders.setdefault(f"k{number}", _order(f"k{number}", "ASC"))
        return tuple(orders.values())

    def _ordered(self, tree: Any) -> Iterator[tuple[str, Any]]:
        """The columns of one order input, each with its direction."""
        for name, value in (tree or {}).items():
            if value is None:
                continue
            with _led_from(name):
                if name == KEY:
                    yield from self._ordered_keys(self.entity, value, ())
                elif name == Function.COUNT:
                    yield self._column(Measure(Function.COUNT)), value
                else:
                    yield from self._ordered_measures(Function(name), value)

    def _ordered_measures(self, function: Function, tree: Any) -> Iterator[tuple[str, Any]]:
        for steps, member, direction in _named(self.entity, tree):
            if direction is not None:
                with _led_from(*steps):
                    yield self._column(self._measure(function, member)), direction

    def _ordered_keys(self, entity: EntityType, tree: Any, path: tuple[Relation, ...]) -> Iterator[tuple[str, Any]]:
        for steps, member, value in _named(entity, tree or {}):
            if value is None:
                continue
            if isinstance(member, Relation):
                with _led_from(*steps):
                    yield from self._ordered_keys(self.reader.catalog[member.target], value, (*path, member))
                continue
            column = self._key_column((path, member)) if member else None
            if column is None:
                raise ValidationFailed("order_by_no_key").at(*steps)
            yield column, value

    def part(self, selected: Selected) -> Typename | Capped | Nested:
        """A selected field of the aggregate itself."""
        if selected.name == TYPENAME:
            return Typename(selected.key, f"{self.entity.api_name}Aggregate")
        if selected.name == "groupsCapped":
            return Capped(selected.key)
        return Nested(selected.key, tuple(self._group_member(member) for member in selected.only()))

    def _group_member(self, selected: Selected) -> GroupMember:
        name = self.entity.api_name
        if selected.name == TYPENAME:
            return Typename(selected.key, f"{name}Group")
        if selected.name == KEY:
            return Nested(selected.key, tuple(self._key_members(self.entity, selected, ())))
        function = Function(selected.name)
        if function is Function.COUNT:
            return self._shown(selected, Measure(function))
        return Nested(selected.key, tuple(self._measured(function, member) for member in selected.only()))

    def _measured(self, function: Function, selected: Selected) -> GroupMember:
        if selected.name == TYPENAME:
            return Typename(selected.key, f"{self.entity.api_name}{TYPE_SUFFIXES[function]}")
        if selected.name == CUSTOM:
            return Nested(selected.key, tuple(self._custom_measured(function, member) for member in selected.only()))
        return self._shown(selected, self._measure(function, self.entity.by_api_name.get(selected.name)))

    def _custom_measured(self, function: Function, selected: Selected) -> GroupMember:
        if selected.name == TYPENAME:
            return Typename(selected.key, f"{custom_type(self.entity)}{TYPE_SUFFIXES[function]}")
        return self._shown(selected, self._measure(function, self.entity.custom.get(selected.name)))

    def _shown(self, selected: Selected, measure: Measure) -> Shown:
        return Shown(selected.key, self._column(measure), measure, _parts(selected, measure.kind))

    def _key_members(self, entity: EntityType, selected: Selected, path: tuple[Relation, ...]) -> Iterator[GroupMember]:
        for member in selected.only():
            found = entity.by_api_name.get(member.name)
            if member.name == TYPENAME:
                yield Typename(member.key, f"{entity.api_name}GroupKey")
            elif member.name == CUSTOM:
                yield self._custom_keys(entity, member, path)
            elif isinstance(found, Field):
                yield self._key(member, (path, found))
            elif found and any(spot[: len(path) + 1] == (*path, found) for spot, _ in self.keys):
                target = self.reader.catalog[found.target]
                yield Nested(member.key, tuple(self._key_members(target, member, (*path, found))))
            else:
                yield Missing(member.key)

    def _custom_keys(self, entity: EntityType, selected: Selected, path: tuple[Relation, ...]) -> GroupMember:
        """The custom keys of a record; null where it is not grouped by one."""
        if not any(here == path and field.custom for here, field in self.keys):
            return Missing(selected.key)
        members = (
            Typename(member.key, f"{custom_type(entity)}GroupKey")
            if member.name == TYPENAME
            else self._key(member, (path, entity.custom[member.name]))
            for member in selected.only()
        )
        return Nested(selected.key, tuple(members))

    def _key(self, selected: Selected, spot: Spot) -> Shown | Missing:
        key, column = self.keys.get(spot), self._key_column(spot)
        return (
            Shown(selected.key, column, key, _parts(selected, spot[1].kind))
            if column and key
            else Missing(selected.key)
        )


def _named(entity: EntityType, tree: Mapping[str, Any]) -> Iterator[tuple[Steps, Field | Relation | None, Any]]:
    """What a tree names: each member with the steps to it and what is said of it. Custom fields are below `custom`."""
    for name, value in tree.items():
        if name == CUSTOM and entity.custom and value is not None:
            yield from (((name, key), entity.custom.get(key), said) for key, said in value.items())
        else:
            yield (name,), entity.by_api_name.get(name), value


def _parts(selected: Selected, kind: Kind) -> tuple[tuple[str, str], ...]:
    """The selected keys of a money value."""
    return tuple((part.key, part.name) for part in selected.only()) if kind is Kind.MONEY else ()


def _order(column: str, direction: str) -> GroupOrder:
    way, _, nulls = direction.partition("_NULLS_")
    descending = way == "DESC"
    return GroupOrder(column, descending, nulls == "FIRST" if nulls else descending)
