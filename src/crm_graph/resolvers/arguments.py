"""Argument values: literals and variables as one tree whose leaves know where their value comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
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
)
from graphql.utilities import value_from_ast_untyped

from crm_graph.scalars import Parser

Path = tuple[str | int, ...]


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
    """The source of a bound value that a request gives: found by `path` in its variables, or `literal`, then parsed."""

    path: Path
    parse: Parser
    literal: Any = None

    def value(self, variables: Mapping[str, Any]) -> Any:
        if not self.path:
            return self.parse(self.literal)
        found: Any = variables
        for step in self.path:
            found = found[step]
        return self.parse(found)


def given(leaf: Leaf, parse: Parser) -> Given:
    """The bound value of a leaf."""
    return Given(leaf.path, parse, None if leaf.path else leaf.value)


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
        return Leaf((), value_from_ast_untyped(node))

    def _variable(self, variable: str, type_: GraphQLInputType) -> Any:
        if variable in self.variables:
            return from_json(self.variables[variable], type_, (variable,))
        default = self.definitions[variable].default_value
        return ABSENT if default is None else self.read(default, type_)


def from_json(value: Any, type_: GraphQLInputType, path: Path) -> Any:
    """The tree of a variable's JSON, coercing a single item to a list as GraphQL does."""
    if isinstance(type_, GraphQLNonNull):
        return from_json(value, type_.of_type, path)
    if value is None:
        return None
    if isinstance(type_, GraphQLList):
        if isinstance(value, list):
            return [from_json(item, type_.of_type, (*path, i)) for i, item in enumerate(value)]
        return [from_json(value, type_.of_type, path)]
    if isinstance(type_, GraphQLInputObjectType):
        return {key: from_json(item, type_.fields[key].type, (*path, key)) for key, item in value.items()}
    return Leaf(path, value)


def shape(value: Any) -> Any:
    """What of a variable may change the SQL: which keys are there and what is null, never a text or a number.

    A list of scalars is one bound array, so its length does not count.
    """
    if isinstance(value, dict):
        return tuple((key, shape(item)) for key, item in value.items())
    if isinstance(value, list):
        return tuple(shape(item) for item in value) if any(isinstance(i, dict | list) for i in value) else "[]"
    return None if value is None else "."
