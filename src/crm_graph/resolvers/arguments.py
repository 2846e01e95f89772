"""Argument values: literals and variables as one tree whose leaves know where their value comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    ValueNode,
    VariableDefinitionNode,
    VariableNode,
    get_nullable_type,
    is_leaf_type,
)

from crm_graph.errors import BadVariables, CrmError
from crm_graph.fragments import Fragment, join, param, sql
from crm_graph.scalars import Parser, read_literal

Path = tuple[str | int, ...]
MAX_ITEMS = 20_000
"""The longest list that is looked into; what it is for sets its own limit, and tells of it better."""


class Absent:
    """An argument that was not given, as distinct from null."""


ABSENT = Absent()


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar or enum. `path` leads into the request's variables; it is empty for a literal.

    Only `path` may decide about the SQL; `value` may do so only for types that prepared operations are keyed by.
    """

    path: Path
    value: Any


@dataclass(frozen=True, slots=True)
class Given:
    """The source of a bound value that a request gives: found by `path` in its variables, or `literal`, then parsed.

    `at` leads to a literal, for what is wrong with it.
    """

    path: Path
    parse: Parser
    literal: Any = None
    at: Path = field(default=(), compare=False)

    def value(self, variables: Mapping[str, Any]) -> Any:
        if not self.path:
            return self.parse(self.literal)
        found: Any = variables
        for step in self.path:
            found = found[step]
        return self.parse(found)


@dataclass(frozen=True, eq=False)
class GivenTree:
    """The source of a whole input, bound as JSON: what leaves say is looked up in the variables. `at` leads to it."""

    tree: Any
    at: Path
    path: Path = ()

    def value(self, variables: Mapping[str, Any]) -> bytes:
        """The input as JSON. Raises BadVariables for what JSON does not hold."""
        try:
            return orjson.dumps(_looked_up(self.tree, variables), default=str)
        except TypeError:
            raise BadVariables("not_a_value", kind="JSON") from None


def _looked_up(tree: Any, variables: Mapping[str, Any]) -> Any:
    if isinstance(tree, Leaf):
        found: Any = variables if tree.path else tree.value
        for step in tree.path:
            found = found[step]
        return found
    if isinstance(tree, dict):
        return {key: _looked_up(item, variables) for key, item in tree.items()}
    return [_looked_up(item, variables) for item in tree] if isinstance(tree, list) else tree


def given(leaf: Leaf, parse: Parser, at: Path = ()) -> Given:
    """The bound value of a leaf; `at` leads to it where it is a literal."""
    return Given(leaf.path, parse, None if leaf.path else leaf.value, at)


@dataclass(frozen=True, slots=True)
class ManyOf:
    """Parses a list of values by the parser of one. `at` leads to the list, for what is wrong with an item of it."""

    parse: Parser
    limit: int
    at: Path = ()

    def __call__(self, raw: Any) -> list[Any]:
        items = raw if isinstance(raw, list | tuple) else [raw]
        if len(items) > self.limit:
            raise BadVariables("list_too_long", path=self.at, limit=self.limit)
        return [ItemOf(self.parse, (*self.at, index))(item) for index, item in enumerate(items)]


@dataclass(frozen=True, slots=True)
class ItemOf:
    """Parses one item of a list; `at` leads to it."""

    parse: Parser
    at: Path

    def __call__(self, raw: Any) -> Any:
        try:
            return self.parse(raw)
        except CrmError as error:
            raise error.at(*self.at) from None


def given_list(raw: Any, many: ManyOf, type_: str) -> Fragment:
    """A bound array: one variable, literals alone, or a list that has variables among its items."""
    if isinstance(raw, Leaf):
        return param(given(raw, ManyOf(many.parse, many.limit)), f"{type_}[]")
    leaves = [item if isinstance(item, Leaf) else Leaf((), None) for item in raw]
    if not any(leaf.path for leaf in leaves):
        return param(Given((), many, tuple(leaf.value for leaf in leaves)), f"{type_}[]")
    if len(leaves) > many.limit:
        raise BadVariables("list_too_long", path=many.at, limit=many.limit)
    items = [
        param(given(leaf, many.parse if leaf.path else ItemOf(many.parse, (*many.at, index))), type_)
        for index, leaf in enumerate(leaves)
    ]
    return sql("ARRAY[{items}]", items=join(", ", items))


@dataclass(frozen=True)
class ArgumentReader:
    """Reads argument nodes by their input types, with the variables of one request."""

    variables: Mapping[str, Any]
    definitions: Mapping[str, VariableDefinitionNode]

    def read(self, node: ValueNode, type_: GraphQLInputType) -> Any:
        """A tree of dicts, lists and leaves; None for null, ABSENT for a variable that was not given."""
        if isinstance(type_, GraphQLNonNull):
            return self.read(node, type_.of_type)
        if isinstance(node, VariableNode):
            return self._variable(node.name.value, type_)
        if isinstance(node, NullValueNode):
            return None
        if isinstance(type_, GraphQLList):
            items = node.values if isinstance(node, ListValueNode) else (node,)
            return [self.read(item, type_.of_type) for item in items or ()]
        if isinstance(type_, GraphQLInputObjectType) and isinstance(node, ObjectValueNode):
            pairs = {f.name.value: self.read(f.value, type_.fields[f.name.value].type) for f in node.fields or ()}
            return {key: value for key, value in pairs.items() if value is not ABSENT}
        return Leaf((), read_literal(node))

    def _variable(self, variable: str, type_: GraphQLInputType) -> Any:
        if variable in self.variables:
            return from_json(self.variables[variable], type_, (variable,))
        default = self.definitions[variable].default_value
        return ABSENT if default is None else self.read(default, type_)


def from_json(value: Any, type_: GraphQLInputType, path: Path) -> Any:
    """The tree of a variable's JSON, coercing a single item to a list as GraphQL does.

    A list of scalars is one leaf, since it is one bound array, however long it is next time.
    """
    kind: Any = get_nullable_type(type_)
    if value is None:
        return None
    if isinstance(kind, GraphQLInputObjectType):
        return {key: from_json(item, kind.fields[key].type, (*path, key)) for key, item in value.items()}
    if not isinstance(kind, GraphQLList) or is_leaf_type(get_nullable_type(kind.of_type)):
        return Leaf(path, value)
    if isinstance(value, list):
        return [from_json(item, kind.of_type, (*path, i)) for i, item in enumerate(value)]
    return [from_json(value, kind.of_type, path)]


def require_short(value: Any) -> None:
    """Raise BadVariables for a value with a list that is longer than any that is taken: reading it takes seconds."""
    if isinstance(value, dict):
        for item in value.values():
            if isinstance(item, dict | list):
                require_short(item)
    elif isinstance(value, list):
        if len(value) > MAX_ITEMS:
            raise BadVariables("list_too_long", limit=MAX_ITEMS)
        for item in value:
            if isinstance(item, dict | list):
                require_short(item)


def shape(value: Any) -> Any:
    """What of a variable may change the SQL: which keys are there and what is null, never a text or a number.

    A list of scalars is one bound array, so its length does not count; an empty list may be one of objects as well.
    """
    if isinstance(value, dict):
        return tuple((key, shape(item)) for key, item in value.items())
    if isinstance(value, list):
        if len(value) > MAX_ITEMS:
            raise BadVariables("list_too_long", limit=MAX_ITEMS)
        nested = not value or any(isinstance(item, dict | list) for item in value)
        return tuple(shape(item) for item in value) if nested else "[]"
    return None if value is None else "."


def structure(value: Any, type_: GraphQLInputType) -> Any:
    """The shape of a variable whose booleans and enums shape the SQL by what they are; its texts and numbers are bound.

    What does not fit its type has a shape of its own, under which it is refused.
    """
    kind: Any = get_nullable_type(type_)
    if value is None:
        return None
    if isinstance(kind, GraphQLList):
        return ("[]", *(structure(item, kind.of_type) for item in (value if isinstance(value, list) else [value])))
    if isinstance(kind, GraphQLInputObjectType) and isinstance(value, dict) and value.keys() <= kind.fields.keys():
        return tuple((key, structure(item, kind.fields[key].type)) for key, item in value.items())
    if isinstance(value, str) and not isinstance(kind, GraphQLEnumType | GraphQLInputObjectType):
        return "."
    return repr(value)
