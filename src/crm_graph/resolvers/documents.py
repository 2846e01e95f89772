"""Documents: GraphQL text parsed, limited and validated against a role's schema, once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    get_named_type,
    get_variable_values,
    type_from_ast,
    validate,
    visit,
)
from graphql.language.parser import Parser

from crm_graph.errors import BadVariables, CrmError, ParseFailed, ValidationFailed
from crm_graph.messages import Locale, render
from crm_graph.resolvers.arguments import shape, structure
from crm_graph.resolvers.document_limits import (
    LimitedLexer,
    require_moderate,
    require_moderate_introspection,
    require_readable,
)
from crm_graph.resolvers.optional import OPTIONAL, without_unknown
from crm_graph.resolvers.selection import TYPENAME

CONSTANT = "crm_constant"
"""Marks a root field whose answer depends on the role set and its arguments alone, as introspection does."""
MAX_ERRORS = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """A rule that a document or its variables break: one of GraphQL, in the words of graphql-core, or one of a scalar
    of ours, which has two languages.
    """

    error: GraphQLError

    def told(self, locale: Locale) -> dict[str, Any]:
        """The problem as clients are told of it."""
        places = [{"line": p.line, "column": p.column} for p in self.error.locations or ()]
        message, fault = self.error.message, self.error.original_error
        if isinstance(fault, GraphQLError):
            # What is wrong with a variable's value comes in an error about the variable.
            fault = fault.original_error
        if isinstance(fault, CrmError):
            message = message.replace(render(fault, "en"), render(fault, locale))
        return {"message": message, **({"locations": places} if places else {})}


@dataclass(frozen=True)
class Operation:
    """One operation of a valid document. `structural` names the variables whose very values shape the SQL, or are
    answered by a literal in it; with a type, those of an order or a grouping, whose texts are bound. `reads` is what
    was compiled of it, by the shape of the variables.
    """

    node: OperationDefinitionNode
    variables: tuple[str, ...]
    structural: Mapping[str, GraphQLInputType | None]
    reads: dict[tuple[Any, ...], Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def name(self) -> str:
        return self.node.name.value if self.node.name else ""

    @cached_property
    def is_query(self) -> bool:
        return self.node.operation is OperationType.QUERY

    def shape(self, variables: Mapping[str, Any]) -> tuple[Any, ...]:
        """What of the given variables may change the SQL."""
        structural = self.structural
        return tuple(
            [
                (name, self._structure(name, variables[name]) if name in structural else shape(variables[name]))
                for name in self.variables
                if name in variables
            ]
        )

    def _structure(self, name: str, value: Any) -> Any:
        type_ = self.structural[name]
        return repr(value) if type_ is None else structure(value, type_)


@dataclass(frozen=True)
class Document:
    """A document that is valid for one role schema."""

    text: str
    schema: GraphQLSchema
    node: DocumentNode
    operations: Mapping[str, Operation]
    fragments: Mapping[str, FragmentDefinitionNode]

    def operation(self, name: str | None) -> Operation:
        """The operation of that name, or the only one. Raises ValidationFailed."""
        if name is None and self._only is not None:
            return self._only
        found = self.operations.get(name or "")
        if found is None or name is None:
            raise ValidationFailed("unknown_operation")
        return found

    @cached_property
    def _only(self) -> Operation | None:
        return next(iter(self.operations.values())) if len(self.operations) == 1 else None


def read_document(text: str, schema: GraphQLSchema, max_tokens: int) -> Document:
    """Parse and validate. Raises ParseFailed or ValidationFailed with GraphQL's own messages, no suggestions, or
    CostExceeded for a document that is too large.
    """
    require_readable(text)
    try:
        lexer = LimitedLexer(text, max_tokens)
        node = Parser(lexer.source, lexer=lexer, allow_empty_selection_sets=False).parse_document()
    except GraphQLError as error:
        raise ParseFailed("parse_failed", problems=[Problem(error)]) from None
    except RecursionError:
        raise ParseFailed("too_deep_to_parse") from None
    _unlink_tokens(node)
    require_moderate(node)
    try:
        if OPTIONAL.name in text:
            node = without_unknown(node, schema)
        # Only `@optional` leaves a selection empty: the parser refuses `{ }`.
        errors = validate(schema, node, max_errors=MAX_ERRORS, hide_suggestions=True)
    except RecursionError:
        raise ValidationFailed("too_deep_to_parse") from None
    if errors:
        raise ValidationFailed("validation_failed", problems=[Problem(e) for e in errors])
    operations = [d for d in node.definitions if isinstance(d, OperationDefinitionNode)]
    if not operations:
        raise ValidationFailed("unknown_operation")
    fragments = {d.name.value: d for d in node.definitions if isinstance(d, FragmentDefinitionNode)}
    require_moderate_introspection(node, schema, fragments)
    deciding = _deciding(node, schema)
    return Document(
        text,
        schema,
        node,
        {o.name.value if o.name else "": _operation(o, schema, deciding) for o in operations},
        fragments,
    )


def _unlink_tokens(node: DocumentNode) -> None:
    """Take the links out of the parser's list of tokens. They are circles, which only the collector frees, and it
    seldom comes to what lived long: documents that were forgotten would stay in memory. Errors need places alone.
    """
    token = node.loc.start_token if node.loc else None
    while token is not None:
        following = token.next
        token.prev = token.next = None
        token = following


def is_constant(field: FieldNode, schema: GraphQLSchema) -> bool:
    """Whether a root field is answered once for a role set and its arguments, as introspection is."""
    if field.name.value.startswith("__"):
        return field.name.value != TYPENAME
    root = schema.query_type
    return root is not None and field.name.value in root.fields and CONSTANT in root.fields[field.name.value].extensions


def _deciding(node: DocumentNode, schema: GraphQLSchema) -> frozenset[str]:
    """The variables of constant fields: each value is another answer."""
    found = _InConstants(schema)
    visit(node, found)
    return frozenset(found.variables)


class _InConstants(Visitor):
    def __init__(self, schema: GraphQLSchema) -> None:
        super().__init__()
        self.variables: set[str] = set()
        self._schema = schema
        self._depth = 0

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        if self._depth or is_constant(node, self._schema):
            self._depth += 1

    def leave_field(self, *_: Any) -> None:
        self._depth = max(self._depth - 1, 0)

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        if self._depth:
            self.variables.add(node.name.value)


def _operation(node: OperationDefinitionNode, schema: GraphQLSchema, deciding: frozenset[str]) -> Operation:
    definitions = node.variable_definitions or ()
    structural: dict[str, GraphQLInputType | None] = dict.fromkeys(deciding)
    for definition in definitions:
        type_: Any = type_from_ast(schema, definition.type)
        named: Any = get_named_type(type_)
        if isinstance(named, GraphQLInputObjectType):
            if named.name.endswith(("OrderBy", "GroupBy")):
                structural[definition.variable.name.value] = type_
        elif type_ is None or named.name == "Boolean" or isinstance(named, GraphQLEnumType):
            structural[definition.variable.name.value] = None
    return Operation(node, tuple(d.variable.name.value for d in definitions), structural)


def check_variables(document: Document, operation: Operation, variables: Mapping[str, Any]) -> None:
    """Raise BadVariables unless the variables fit their types."""
    definitions = operation.node.variable_definitions or ()
    values = get_variable_values(document.schema, definitions, dict(variables), MAX_ERRORS, hide_suggestions=True)
    if isinstance(values, list):
        raise BadVariables("bad_variables", problems=[Problem(e) for e in values])
