"""Stage 1: a validated operation becomes a selection tree, fragments merged, conditions and arguments resolved."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLBoolean,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    get_named_type,
    is_abstract_type,
)

from crm_graph.errors import CostExceeded
from crm_graph.resolvers.arguments import ABSENT, ArgumentReader, Leaf
from crm_graph.resolvers.document_limits import MAX_FIELDS, MAX_ROOT_FIELDS

TYPENAME = "__typename"


@dataclass(frozen=True)
class Selected:
    """One field of the answer. `children` holds what is selected of each concrete type that the field can return."""

    key: str
    name: str
    arguments: Mapping[str, Any]
    children: Mapping[str, tuple["Selected", ...]]

    def only(self) -> tuple["Selected", ...]:
        """The children of a field that returns one object type."""
        (children,) = self.children.values()
        return children

    def argument(self, name: str) -> Any:
        """An argument's tree; None when it is null or not given."""
        return self.arguments.get(name)


@dataclass
class SelectionReader:
    """Collects fields as the GraphQL specification does (section 6.3.2), depth first."""

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    arguments: ArgumentReader
    max_depth: int
    _depth: int = field(default=0)
    _fields: int = field(default=0)

    def read(
        self,
        parent: GraphQLObjectType,
        selections: Iterable[SelectionNode],
        leave_out: Container[str] = (),
    ) -> tuple[Selected, ...]:
        """The selected fields of one object type, equal response keys merged."""
        nodes = self.collect(parent, selections)
        self._fields += len(nodes)
        if self._fields > MAX_FIELDS:
            raise CostExceeded("too_many_fields", limit=MAX_FIELDS)
        return tuple(self._field(parent, key, same) for key, same in nodes.items() if key not in leave_out)

    def roots(self, root: GraphQLObjectType, selections: Iterable[SelectionNode]) -> dict[str, list[FieldNode]]:
        """The root fields of an operation. Raises CostExceeded for too many."""
        nodes = self.collect(root, selections)
        if len(nodes) > MAX_ROOT_FIELDS:
            raise CostExceeded("too_many_root_fields", limit=MAX_ROOT_FIELDS)
        return nodes

    def collect(self, parent: GraphQLObjectType, selections: Iterable[SelectionNode]) -> dict[str, list[FieldNode]]:
        """The field nodes of one object type by response key, in order."""
        nodes: dict[str, list[FieldNode]] = {}
        self._collect(parent, selections, nodes, set())
        return nodes

    def _collect(
        self,
        parent: GraphQLObjectType,
        selections: Iterable[SelectionNode],
        nodes: dict[str, list[FieldNode]],
        visited: set[str],
    ) -> None:
        for selection in selections:
            if not self._included(selection):
                continue
            if isinstance(selection, FieldNode):
                key = selection.alias.value if selection.alias else selection.name.value
                nodes.setdefault(key, []).append(selection)
            elif isinstance(selection, InlineFragmentNode):
                condition = selection.type_condition.name.value if selection.type_condition else parent.name
                if self._applies(condition, parent):
                    self._collect(parent, selection.selection_set.selections, nodes, visited)
            elif isinstance(selection, FragmentSpreadNode) and selection.name.value not in visited:
                visited.add(selection.name.value)
                fragment = self.fragments[selection.name.value]
                if self._applies(fragment.type_condition.name.value, parent):
                    self._collect(parent, fragment.selection_set.selections, nodes, visited)

    def _applies(self, condition: str, parent: GraphQLObjectType) -> bool:
        if condition == parent.name:
            return True
        type_ = self.schema.type_map[condition]
        if isinstance(type_, GraphQLInterfaceType | GraphQLUnionType):
            return self.schema.is_sub_type(type_, parent)
        return False

    def _included(self, selection: SelectionNode) -> bool:
        for directive in selection.directives or ():
            name = directive.name.value
            if name in ("skip", "include"):
                condition = self.arguments.read((directive.arguments or ())[0].value, GraphQLBoolean)
                if (isinstance(condition, Leaf) and condition.value is True) is (name == "skip"):
                    return False
        return True

    def _field(self, parent: GraphQLObjectType, key: str, nodes: list[FieldNode]) -> Selected:
        name = nodes[0].name.value
        if name == TYPENAME:
            return Selected(key, name, {}, {})
        definition = parent.fields[name]
        selections = [s for node in nodes if node.selection_set for s in node.selection_set.selections]
        children: dict[str, tuple[Selected, ...]] = {}
        if any(node.selection_set for node in nodes):
            self._depth += 1
            if self._depth > self.max_depth:
                raise CostExceeded("too_deep", limit=self.max_depth)
            for possible in self._possible(definition):
                children[possible.name] = self.read(possible, selections)
            self._depth -= 1
        return Selected(key, name, self._arguments(definition, nodes[0]), children)

    def _possible(self, definition: GraphQLField) -> Iterable[GraphQLObjectType]:
        named = get_named_type(definition.type)
        if is_abstract_type(named):
            return self.schema.get_possible_types(named)
        return (named,) if isinstance(named, GraphQLObjectType) else ()

    def _arguments(self, definition: GraphQLField, node: FieldNode) -> Mapping[str, Any]:
        values = {}
        for argument in node.arguments or ():
            value = self.arguments.read(argument.value, definition.args[argument.name.value].type)
            if value is not ABSENT:
                values[argument.name.value] = value
        return values


def reader_of(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    variables: Mapping[str, Any],
    max_depth: int,
) -> SelectionReader:
    """A reader with the variables of one request."""
    definitions = {d.variable.name.value: d for d in operation.variable_definitions or ()}
    return SelectionReader(schema, fragments, ArgumentReader(variables, definitions), max_depth)
