"""`@optional`: what a role's schema does not have is left out of a document before it is validated, so that one text
serves every role. A hidden name and one that never was are left out alike.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from graphql import (
    REMOVE,
    DirectiveLocation,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLDirective,
    GraphQLSchema,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableNode,
    Visitor,
    visit,
)

OPTIONAL = GraphQLDirective(
    "optional",
    [DirectiveLocation.FIELD, DirectiveLocation.FRAGMENT_SPREAD, DirectiveLocation.INLINE_FRAGMENT],
    description=(
        "Leaves out what your schema does not have, instead of refusing the document: a field that is unknown or"
        " hidden, a fragment on a type that is. An object of which nothing is left is `{}`."
    ),
)


def without_unknown(document: DocumentNode, schema: GraphQLSchema) -> DocumentNode:
    """The document without the optional selections that the schema does not know, and without the variables and
    fragments that only those used.
    """
    removal = _Removal(schema, document)
    kept: DocumentNode = visit(document, TypeInfoVisitor(removal.type_info, removal))
    if not removal.removed:
        return document
    return _without_unused(document, kept)


class _Removal(Visitor):
    """Removes what is optional and unknown."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        super().__init__()
        self.type_info = TypeInfo(schema)
        self.removed = False
        self._types = schema.type_map
        self._conditions = {name: d.type_condition.name.value for name, d in _fragments(document).items()}

    def enter_field(self, node: FieldNode, *_: Any) -> Any:
        # Below a parent that is itself unknown nothing is decided: that parent is refused, or left out with all in it.
        if _is_optional(node) and self.type_info.get_parent_type() and not self.type_info.get_field_def():
            return self._remove()
        return None

    def enter_inline_fragment(self, node: InlineFragmentNode, *_: Any) -> Any:
        if _is_optional(node) and node.type_condition and node.type_condition.name.value not in self._types:
            return self._remove()
        return None

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> Any:
        condition = self._conditions.get(node.name.value)
        if _is_optional(node) and condition is not None and condition not in self._types:
            return self._remove()
        return None

    def _remove(self) -> Any:
        self.removed = True
        return REMOVE


def _is_optional(node: FieldNode | InlineFragmentNode | FragmentSpreadNode) -> bool:
    return any(directive.name.value == OPTIONAL.name for directive in node.directives or ())


def _without_unused(before: DocumentNode, after: DocumentNode) -> DocumentNode:
    """`after` without the fragments and variables that `before` used and it does not."""
    fragments_before, fragments_after = _fragments(before), _fragments(after)
    used_before = _reached(_operations(before), fragments_before)
    used_after = _reached(_operations(after), fragments_after)
    unused = used_before - used_after
    operations = {
        id(now): _declaring_used(was, now, fragments_before, fragments_after)
        for was, now in zip(_operations(before), _operations(after), strict=True)
    }
    definitions = tuple(
        operations.get(id(definition), definition)
        for definition in after.definitions
        if not (isinstance(definition, FragmentDefinitionNode) and definition.name.value in unused)
    )
    return replace(after, definitions=definitions)


def _declaring_used(
    before: OperationDefinitionNode,
    after: OperationDefinitionNode,
    fragments_before: Mapping[str, FragmentDefinitionNode],
    fragments_after: Mapping[str, FragmentDefinitionNode],
) -> OperationDefinitionNode:
    unused = _variables(before, fragments_before) - _variables(after, fragments_after)
    kept = tuple(d for d in after.variable_definitions or () if d.variable.name.value not in unused)
    return replace(after, variable_definitions=kept)


def _operations(document: DocumentNode) -> list[OperationDefinitionNode]:
    return [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]


def _fragments(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}


class _Uses(Visitor):
    """Collects the names of the fragments and variables that a piece of a document uses."""

    def __init__(self) -> None:
        super().__init__()
        self.fragments: set[str] = set()
        self.variables: set[str] = set()

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> None:
        self.fragments.add(node.name.value)

    def enter_variable_definition(self, *_: Any) -> Any:
        return False

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.variables.add(node.name.value)


def _uses(node: Node) -> _Uses:
    uses = _Uses()
    visit(node, uses)
    return uses


def _reached(operations: Iterable[Node], fragments: Mapping[str, FragmentDefinitionNode]) -> set[str]:
    """The fragments that operations use, directly or through others."""
    found: set[str] = set()
    waiting = list(operations)
    while waiting:
        for name in _uses(waiting.pop()).fragments - found:
            found.add(name)
            if name in fragments:
                waiting.append(fragments[name])
    return found


def _variables(operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]) -> set[str]:
    """The variables that an operation uses, in its fragments too."""
    reached = [fragments[name] for name in _reached([operation], fragments) if name in fragments]
    return set[str]().union(*(_uses(node).variables for node in (operation, *reached)))
