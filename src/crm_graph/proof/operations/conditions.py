"""Conditions and orders of lists, with values taken from the data so that they hold now and then."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import get_named_type

from crm_graph.access import Level
from crm_graph.catalog import CUSTOM, EntityType, Field, Kind, Relation, Shape, custom_type, searched_fields
from crm_graph.criteria.predicates import COUNT_OPERATORS, MANY, OPERATORS, YES_OR_NO, Op
from crm_graph.proof.custom import custom_value
from crm_graph.proof.datasets import TEXTS
from crm_graph.proof.json_values import as_json
from crm_graph.proof.literals import Name, Written
from crm_graph.proof.moments import some_relative
from crm_graph.proof.operations.drafts import Draft
from crm_graph.proof.operations.searches import some_text, wanted_values

_PARTS = (
    Op.CONTAINS, Op.STARTS_WITH, Op.ENDS_WITH, Op.EQ_INSENSITIVE, Op.CONTAINS_INSENSITIVE, Op.STARTS_WITH_INSENSITIVE,
    Op.ENDS_WITH_INSENSITIVE,
)  # fmt: skip
DIRECTIONS = ("ASC", "DESC", "ASC_NULLS_FIRST", "DESC_NULLS_LAST")


@dataclass
class ConditionMaker:
    """Makes the arguments that say which rows a list or an aggregate is about."""

    draft: Draft
    lookups: bool = True
    """Whether values may be looked up that some rows show masked."""

    def conditions(self, entity: EntityType, *, search: bool = True, exact: bool = False) -> dict[str, Any]:
        """The arguments that say which rows a list has and in which order; by relevance it is not whole. With `exact`,
        fields that may be looked up are.
        """
        text = self._text(entity) if search else None
        bare = text and self.draft.about and self.draft.chance(0.6)
        arguments = {} if bare else self.filters(entity, exact=exact)
        if self.draft.chance(0.5 if text or not self.draft.about else 0.8):
            order = [self.order(entity, 2) for _ in range(self.draft.random.randint(0, 3))]
            arguments["orderBy"] = self.draft.swappable(f"[{entity.api_name}OrderBy!]", [o for o in order if o])
        return {**arguments, "search": self.draft.either("String", text)} if text is not None else arguments

    def _text(self, entity: EntityType) -> str | None:
        """What is searched for, if anything is."""
        if not searched_fields(self.draft.catalog, entity):
            return None
        share = self.draft.bent if wanted_values(self.draft, entity) else 0.3
        return some_text(self.draft, entity) if self.draft.chance(share) else None

    def filters(self, entity: EntityType, *, exact: bool = False) -> dict[str, Any]:
        """Which rows a list or an aggregate is about."""
        arguments: dict[str, Any] = {}
        if self.draft.chance(0.7 if self.draft.about else 0.5):
            where = self._where(entity, entity, "", 3, exact=exact)
            whole = not self._holds_variables(where)
            arguments["where"] = self.draft.swappable(f"{entity.api_name}Where", where) if whole else where
        if self.draft.chance(0.25):
            arguments["archived"] = self.draft.swappable(
                "Archived", Name(self.draft.random.choice(("INCLUDE", "ONLY", "EXCLUDE")))
            )
        return arguments

    def _readable(self, root: EntityType, path: str) -> bool:
        return self.draft.access.ceiling(root.name, path) is Level.READ

    def _where(
        self, entity: EntityType, root: EntityType, prefix: str, depth: int, *, exact: bool = False
    ) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        names = self.draft.inputs(f"{entity.api_name}Where")
        for _ in range(self.draft.random.randint(0 if self.draft.chance(0.1) else 1, 2)):
            name = self.draft.pick(names, entity)
            value = None if name in tree else self._condition(entity, root, prefix, name, depth, exact=exact)
            if value is not None:
                tree[name] = value
        return tree

    def _condition(
        self, entity: EntityType, root: EntityType, prefix: str, name: str, depth: int, *, exact: bool
    ) -> Any:
        member = entity.by_api_name.get(name)
        if isinstance(member, Field):
            return self._on_field(entity, member, exact=exact, readable=self._readable(root, prefix + member.name))
        if depth == 0 or name == CUSTOM:
            return self._custom_condition(entity, root, prefix) if name == CUSTOM else None
        if name == "not":
            return self._where(entity, root, prefix, depth - 1)
        if not isinstance(member, Relation):
            inside = exact and name == "and"
            number = self.draft.random.randint(0, 2)
            return [self._where(entity, root, prefix, depth - 1, exact=inside) for _ in range(number)]
        target = self.draft.catalog[member.target]
        inner, below = (root, f"{prefix}{member.name}.") if target.is_child else (target, "")
        if member.shape is Shape.ONE:
            return self._where(target, inner, below, depth - 1)
        counts = self.draft.chance(0.6 if target.table in self.draft.about else 0.3)
        number = self.draft.random.randint(0 if counts else 1, 2)
        quantifiers = self.draft.random.sample(("some", "every", "none"), number)
        found: dict[str, Any] = {q: self._where(target, inner, below, depth - 1) for q in quantifiers}
        return {**found, "count": self._count(target, inner, below, depth)} if counts else found

    def _count(self, target: EntityType, root: EntityType, prefix: str, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for op in self.draft.random.sample(COUNT_OPERATORS, self.draft.random.randint(0, 2)):
            many = op in (Op.IN, Op.NOT_IN)
            number = self.draft.random.randint(-1, 3)
            found[op.value] = self.draft.swappable("[Int!]" if many else "Int", [number, 1] if many else number)
        if self.draft.chance(0.3 if target.table in self.draft.about else 0.6):
            found["where"] = self._where(target, root, prefix, depth - 1)
        return found

    def _custom_condition(self, entity: EntityType, root: EntityType, prefix: str) -> dict[str, Any]:
        known = self.draft.inputs(f"{custom_type(entity)}Where")
        names = self.draft.random.sample(known, min(len(known), 1 if self.draft.about else 2))
        readable = [m for m in map(entity.custom.__getitem__, names) if self._readable(root, prefix + m.name)]
        return {m.api_name: self._comparison(entity, m) for m in readable}

    def _comparison(self, entity: EntityType, member: Field) -> dict[str, Any]:
        where: Any = self.draft.schema.type_map[f"{custom_type(entity) if member.custom else entity.api_name}Where"]
        filter_: Any = get_named_type(where.fields[member.api_name].type)
        conditions: dict[str, Any] = {}
        for op in self.draft.random.sample(self._operators(entity, member), self.draft.random.randint(1, 2)):
            value = self._operand(entity, member, op)
            if value is not None:
                conditions[op.value] = self._operand_or_variables(str(filter_.fields[op.value].type), value)
        return conditions

    def _on_field(self, entity: EntityType, member: Field, *, exact: bool, readable: bool) -> dict[str, Any] | None:
        if readable:
            return self._comparison(entity, member)
        return self._lookup(entity, member) if exact else None

    def _operators(self, entity: EntityType, member: Field) -> list[Op]:
        looked_up = not self.lookups and self.draft.access.looks_up(entity.name, member.name)
        return [op for op in OPERATORS[member.kind] if not looked_up or op not in (Op.EQ, Op.IN)]

    def _lookup(self, entity: EntityType, member: Field) -> dict[str, Any]:
        """A whole value, or some, of a field that is masked everywhere."""
        op = self.draft.random.choice((Op.EQ, Op.IN))
        value = self._operand(entity, member, op)
        return {op.value: self._operand_or_variables("[String!]" if op is Op.IN else "String", value)}

    def _operand_or_variables(self, type_: str, value: Any) -> Any:
        if isinstance(value, list) and self.draft.chance(0.2):
            return [self.draft.swappable(type_.strip("[]"), item) for item in value]
        return self.draft.swappable(type_, value)

    def _operand(self, entity: EntityType, member: Field, op: Op) -> Any:
        if op in YES_OR_NO:
            return self.draft.random.choice((True, False))
        values = [v for row in self.draft.tables[entity.table] if (v := stored(row, member)) is not None]
        if member.kind is Kind.TEXT_LIST:
            values = [item for found in values for item in found]
        if op in MANY:
            chosen = (
                [self.draft.random.choice(values) for _ in range(self.draft.random.randint(0, 3))] if values else []
            )
            return [_typed(member, v) for v in chosen] + self._relative(member, 0.2)
        return self._single(member, op, values)

    def _single(self, member: Field, op: Op, values: Sequence[Any]) -> Any:
        text = member.kind in (Kind.TEXT, Kind.TEXT_LIST)
        relative = self._relative(member, 0.4)
        if relative:
            return relative[0]
        if not values or (text and self.draft.chance(0.2)):
            return self.draft.random.choice(TEXTS) if text else None
        value = _typed(member, self.draft.random.choice(values))
        if member.kind is Kind.TEXT and op in _PARTS:
            return self._part_of(value, op)
        return value

    def _part_of(self, value: str, op: Op) -> str:
        start, length = self.draft.random.randint(0, 2), self.draft.random.randint(0, 3)
        if op in (Op.STARTS_WITH, Op.STARTS_WITH_INSENSITIVE):
            start = 0
        elif op in (Op.ENDS_WITH, Op.ENDS_WITH_INSENSITIVE):
            start = max(len(value) - length, 0)
        part = value[start : start + length]
        return part.swapcase() if self.draft.chance(0.4) else part

    def _relative(self, member: Field, share: float) -> list[Any]:
        timed = member.kind in (Kind.DATE, Kind.DATE_TIME)
        return (
            [some_relative(self.draft.random, dated=member.kind is Kind.DATE)]
            if timed and self.draft.chance(share)
            else []
        )

    def order(self, entity: EntityType, depth: int) -> dict[str, Any]:
        """One key of an order, through at most so many relations."""
        name = self.draft.pick(self.draft.inputs(f"{entity.api_name}OrderBy"), entity)
        if name == CUSTOM:
            key = self.draft.random.choice(self.draft.inputs(f"{custom_type(entity)}OrderBy"))
            readable = self._readable(entity, f"{CUSTOM}.{key}")
            return {name: {key: Name(self.draft.random.choice(DIRECTIONS))}} if readable else {}
        member = entity.by_api_name[name]
        if isinstance(member, Field):
            return {name: Name(self.draft.random.choice(DIRECTIONS))} if self._readable(entity, member.name) else {}
        if depth == 0:
            return {}
        target = self.draft.catalog[member.target]
        inner = self.order(target, depth - 1)
        return {name: inner} if inner else {}

    def _holds_variables(self, value: Any) -> bool:
        if isinstance(value, dict):
            return any(self._holds_variables(v) for v in value.values())
        if isinstance(value, list):
            return any(self._holds_variables(v) for v in value)
        return isinstance(value, Written)


def stored(row: Mapping[str, Any], member: Field) -> Any:
    """What a row holds of a field."""
    return custom_value(member, row["custom"]) if member.custom else row[member.name]


def _typed(member: Field, value: Any) -> Any:
    """A stored value as a client writes it."""
    return Name(value) if member.kind is Kind.ENUM else as_json(value)
