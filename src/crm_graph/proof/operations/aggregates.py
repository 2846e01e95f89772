"""Random aggregates, valid for a role's schema."""

from dataclasses import dataclass
from typing import Any

from graphql import GraphQLInputObjectType, GraphQLObjectType, get_named_type

from crm_graph.catalog import CUSTOM, EntityType, Field, Kind, Relation, custom_type
from crm_graph.criteria.predicates import OPERATORS, Op
from crm_graph.proof.json_values import as_json
from crm_graph.proof.literals import Name, arguments_in_document
from crm_graph.proof.operations.conditions import DIRECTIONS, stored
from crm_graph.proof.operations.drafts import Draft
from crm_graph.resolvers.aggregates.plan import DateBucket, Function, Measure

ZONES = ("Asia/Shanghai", "America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati")
FUNCTIONS = ("sum", "avg", "min", "max", "countDistinct")
Spot = tuple[str, ...]
"""Names that lead to a field."""


@dataclass
class AggregateMaker:
    """Makes arguments and selections of aggregates."""

    draft: Draft

    def field(self, key: str, name: str, entity: EntityType, filters: dict[str, Any]) -> str:
        """An aggregate with these filters and random groups."""
        arguments = dict(filters)
        spots: list[Spot] = []
        if self.draft.chance(0.75):
            trees = [t for _ in range(self.draft.random.randint(0, 3)) if (t := self._group_by(entity, (), spots, 2))]
            arguments["groupBy"] = self.draft.either(f"[{entity.api_name}GroupBy!]", trees)
        if self.draft.chance(0.4):
            arguments["having"] = self.draft.either(f"{entity.api_name}Having", self._having(entity, 2))
        if self.draft.chance(0.5):
            orders = [o for _ in range(self.draft.random.randint(0, 3)) if (o := self._order(entity, spots))]
            arguments["orderBy"] = self.draft.either(f"[{entity.api_name}AggregateOrderBy!]", orders)
        if self.draft.chance(0.3):
            arguments["first"] = self.draft.either("Int", self.draft.random.randint(0, self.draft.limits.max_groups))
        written = arguments_in_document(arguments)
        groups = f"{self.draft.fresh('g')}: groups {{ {self._group(entity, spots)} }}"
        parts = self.draft.random.choice(
            (groups, f"{groups} groupsCapped __typename", f"groupsCapped {groups}", f"{groups} {groups}")
        )
        return f"{key}: {name}{written} {{ {parts} }}"

    def _inputs(self, type_name: str) -> dict[str, Any]:
        type_ = self.draft.schema.type_map.get(type_name)
        return dict(type_.fields) if isinstance(type_, GraphQLInputObjectType) else {}

    def _group_by(self, entity: EntityType, path: Spot, spots: list[Spot], depth: int) -> dict[str, Any]:
        """One key that rows are not grouped by yet; nothing where there is none."""
        name = self.draft.pick(self._inputs(f"{entity.api_name}GroupBy"), entity)
        if name == CUSTOM:
            key = self.draft.random.choice(list(self._inputs(f"{custom_type(entity)}GroupBy")))
            inner = self._group_by_field(key, entity.custom[key], (*path, CUSTOM), spots)
            return {CUSTOM: inner} if inner else {}
        member = entity.by_api_name[name]
        if isinstance(member, Relation):
            inner = self._group_by(self.draft.catalog[member.target], (*path, name), spots, depth - 1) if depth else {}
            return {name: inner} if inner else {}
        return self._group_by_field(name, member, path, spots)

    def _group_by_field(self, name: str, member: Field, path: Spot, spots: list[Spot]) -> dict[str, Any]:
        if (*path, name) in spots or len(spots) == 3:
            return {}
        if member.kind not in (Kind.DATE, Kind.DATE_TIME) and self.draft.chance(0.05):
            return {name: False}
        spots.append((*path, name))
        if member.kind not in (Kind.DATE, Kind.DATE_TIME):
            return {name: True}
        by = {"by": Name(self.draft.random.choice(list(DateBucket)).value)}
        zoned = member.kind is Kind.DATE_TIME and self.draft.chance(0.7)
        return {name: {**by, "zone": self.draft.random.choice(ZONES)} if zoned else by}

    def _having(self, entity: EntityType, depth: int) -> dict[str, Any]:
        names = list(self._inputs(f"{entity.api_name}Having"))
        tree: dict[str, Any] = {}
        for name in self.draft.random.sample(names, min(len(names), self.draft.random.randint(1, 2))):
            if name in ("and", "or"):
                if depth:
                    tree[name] = [self._having(entity, depth - 1) for _ in range(self.draft.random.randint(0, 2))]
            elif name == "not":
                if depth:
                    tree[name] = self._having(entity, depth - 1)
            elif name == "count":
                tree[name] = self._conditions(entity, Measure(Function.COUNT))
            else:
                member = self._measured(entity, name)
                tree[name] = _below(member, self._conditions(entity, Measure(Function(name), member)))
        return tree

    def _measured(self, entity: EntityType, function: str) -> Field:
        inputs: Any = get_named_type(self._inputs(f"{entity.api_name}Having")[function].type)
        name = self.draft.pick(inputs.fields, entity)
        if name == CUSTOM:
            return entity.custom[self.draft.random.choice(list(get_named_type(inputs.fields[name].type).fields))]
        return next(member for member in entity.fields.values() if member.api_name == name)

    def _conditions(self, entity: EntityType, measure: Measure) -> dict[str, Any]:
        kind = measure.as_field("measure").kind
        op = self.draft.random.choice([op for op in OPERATORS[kind] if op not in (Op.CONTAINS, Op.STARTS_WITH)])
        if op is Op.IS_NULL:
            return {op.value: self.draft.random.choice((True, False))}
        if op in (Op.IN, Op.NOT_IN):
            return {op.value: [self._operand(entity, measure, kind) for _ in range(self.draft.random.randint(0, 2))]}
        return {op.value: self._operand(entity, measure, kind)}

    def _operand(self, entity: EntityType, measure: Measure, kind: Kind) -> Any:
        if measure.field is None or measure.function is Function.COUNT_DISTINCT:
            return self.draft.random.randint(0, 3)
        values = [v for row in self.draft.tables[entity.table] if (v := stored(row, measure.field)) is not None]
        if kind is Kind.DECIMAL or not values:
            return {Kind.DATE: "2026-01-31", Kind.DATE_TIME: "2026-11-01T00:00:00Z", Kind.TEXT: "a", Kind.INT: 5}.get(
                kind, self.draft.random.choice(("0", "0.13", "5", "10", "99.99", "1000000"))
            )
        return as_json(self.draft.random.choice(values))

    def _order(self, entity: EntityType, spots: list[Spot]) -> dict[str, Any]:
        direction = Name(self.draft.random.choice(DIRECTIONS))
        name = self.draft.random.choice(list(self._inputs(f"{entity.api_name}AggregateOrderBy")))
        if name == "count":
            return {name: direction}
        if name != "key":
            return {name: _below(self._measured(entity, name), direction)}
        tree: Any = direction
        for step in reversed(self.draft.random.choice(spots) if spots else ()):
            tree = {step: tree}
        return {name: tree} if spots else {}

    def _group(self, entity: EntityType, spots: list[Spot]) -> str:
        parts = ["__typename"] if self.draft.chance(0.1) else ["count"]
        parts += [f"{self.draft.fresh('k')}: key {{ {self._key(entity, spots)} }}"]
        type_: Any = self.draft.schema.type_map[f"{entity.api_name}Group"]
        for name in self.draft.random.sample(FUNCTIONS, self.draft.random.randint(0, 4)):
            if name in type_.fields:
                measures = self._measures(get_named_type(type_.fields[name].type), entity)
                parts.append(f"{self.draft.fresh('m')}: {name} {{ {measures} }}")
        return " ".join(parts)

    def _measures(self, type_: Any, entity: EntityType | None = None) -> str:
        names = self.draft.random.sample(list(type_.fields), min(len(type_.fields), self.draft.random.randint(1, 3)))
        if CUSTOM in type_.fields and CUSTOM not in names and self.draft.chance(0.2):
            names.append(CUSTOM)
        if self.draft.about and (name := self.draft.pick(type_.fields, entity)) not in names:
            names.append(name)
        parts = [self._value(type_, name) for name in names]
        return " ".join([*parts, "__typename"] if self.draft.chance(0.1) else parts)

    def _value(self, type_: Any, name: str) -> str:
        money = get_named_type(type_.fields[name].type).name == "Money"
        if name == CUSTOM:
            return f"{self.draft.fresh('o')}: {name} {{ {self._measures(get_named_type(type_.fields[name].type))} }}"
        return f"{self.draft.fresh('x')}: {name}{' { amount currency __typename }' if money else ''}"

    def _key(self, entity: EntityType, spots: list[Spot]) -> str:
        """The keys that rows are grouped by, and one that they need not be grouped by."""
        parts = [self._at(f"{entity.api_name}GroupKey", spot) for spot in spots]
        type_: Any = self.draft.schema.type_map[f"{entity.api_name}GroupKey"]
        other = self.draft.pick(type_.fields)
        if other != CUSTOM and isinstance(get_named_type(type_.fields[other].type), GraphQLObjectType):
            return " ".join([*parts, "__typename"])
        return " ".join([*parts, self._value(type_, other)])

    def _at(self, type_name: str, spot: Spot) -> str:
        type_: Any = self.draft.schema.type_map[type_name]
        if len(spot) == 1:
            return self._value(type_, spot[0])
        inner: Any = get_named_type(type_.fields[spot[0]].type)
        return f"{self.draft.fresh('o')}: {spot[0]} {{ {self._at(inner.name, spot[1:])} }}"


def _below(member: Field, said: Any) -> dict[str, Any]:
    """What is said of a field, a custom one below `custom`."""
    inner = {member.api_name: said}
    return {CUSTOM: inner} if member.custom else inner
