"""What a document asks for, read by itself: its fields under their response keys, and the arguments of each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    InlineFragmentNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionNode,
    ValueNode,
    VariableNode,
    is_abstract_type,
    parse,
)
from graphql.utilities import value_from_ast_untyped


class _Absent:
    """A variable that was not given."""


_ABSENT = _Absent()


@lru_cache(16)
def _parsed(text: str) -> DocumentNode:
    return parse(text)


@dataclass(frozen=True)
class Selections:
    """The one operation of a document with its variables, for one schema."""

    schema: GraphQLSchema
    operation: OperationDefinitionNode
    variables: Mapping[str, Any]
    fragments: Mapping[str, FragmentDefinitionNode]
    defaults: Mapping[str, ValueNode]

    @classmethod
    def of(cls, schema: GraphQLSchema, text: str, variables: Mapping[str, Any]) -> Self:
        """Read a document."""
        document = _parsed(text)
        (operation,) = (d for d in document.definitions if isinstance(d, OperationDefinitionNode))
        fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        defaults = {
            d.variable.name.value: d.default_value
            for d in operation.variable_definitions or ()
            if d.default_value is not None
        }
        return cls(schema, operation, variables, fragments, defaults)

    def roots(self) -> dict[str, list[FieldNode]]:
        """The fields of the query by response key."""
        return self._collect("Query", self.operation.selection_set.selections)

    def below(self, type_name: str, nodes: Iterable[FieldNode]) -> dict[str, list[FieldNode]]:
        """What is selected below fields of one response key, of an object of that type."""
        selections = [s for n in nodes if n.selection_set for s in n.selection_set.selections]
        return self._collect(type_name, selections)

    def _collect(self, type_name: str, selections: Iterable[SelectionNode]) -> dict[str, list[FieldNode]]:
        """GraphQL specification, section 6.3.2."""
        found: dict[str, list[FieldNode]] = {}
        for selection in selections:
            if not self._included(selection) or self._unknown(type_name, selection):
                continue
            if isinstance(selection, FieldNode):
                key = selection.alias.value if selection.alias else selection.name.value
                found.setdefault(key, []).append(selection)
                continue
            if isinstance(selection, FragmentSpreadNode):
                fragment = self.fragments[selection.name.value]
                condition, inner = fragment.type_condition.name.value, fragment.selection_set
            else:
                assert isinstance(selection, InlineFragmentNode)
                condition = selection.type_condition.name.value if selection.type_condition else type_name
                inner = selection.selection_set
            if self._applies(condition, type_name):
                for key, nodes in self._collect(type_name, inner.selections).items():
                    found.setdefault(key, []).extend(nodes)
        return found

    def _applies(self, condition: str, type_name: str) -> bool:
        wanted, type_ = self.schema.type_map[condition], self.schema.type_map[type_name]
        return condition == type_name or (is_abstract_type(wanted) and self.schema.is_sub_type(wanted, type_))

    def _included(self, selection: SelectionNode) -> bool:
        for directive in selection.directives or ():
            if directive.name.value != "optional":
                condition = self._plain((directive.arguments or ())[0].value)
                if condition is (directive.name.value == "skip"):
                    return False
        return True

    def _unknown(self, type_name: str, selection: SelectionNode) -> bool:
        """Whether it is optional, and a field or a fragment's type that the schema does not have."""
        if not any(directive.name.value == "optional" for directive in selection.directives or ()):
            return False
        if isinstance(selection, FieldNode):
            type_: Any = self.schema.type_map[type_name]
            return selection.name.value not in type_.fields and selection.name.value != "__typename"
        holder: Any = selection
        if isinstance(selection, FragmentSpreadNode):
            holder = self.fragments[selection.name.value]
        condition = holder.type_condition
        return condition is not None and condition.name.value not in self.schema.type_map

    def arguments(self, node: FieldNode) -> dict[str, Any]:
        """The arguments of a field as plain values; one whose variable was not given is not there."""
        values = {a.name.value: self._plain(a.value) for a in node.arguments or ()}
        return {key: value for key, value in values.items() if value is not _ABSENT}

    def _plain(self, node: ValueNode) -> Any:
        if isinstance(node, VariableNode):
            name = node.name.value
            if name in self.variables:
                return self.variables[name]
            return self._plain(self.defaults[name]) if name in self.defaults else _ABSENT
        if isinstance(node, NullValueNode):
            return None
        if isinstance(node, ListValueNode):
            return [self._plain(item) for item in node.values or ()]
        if isinstance(node, ObjectValueNode):
            pairs = {f.name.value: self._plain(f.value) for f in node.fields or ()}
            return {key: value for key, value in pairs.items() if value is not _ABSENT}
        return value_from_ast_untyped(node)
