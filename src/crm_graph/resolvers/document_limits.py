"""How large a document may be, in what parsing, validating and compiling it take time for."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    Lexer,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    Source,
    Token,
    TokenKind,
    Visitor,
    get_introspection_query,
    parse,
    visit,
)

from crm_graph.errors import CostExceeded
from crm_graph.resolvers.optional import OPTIONAL

MAX_NESTING = 100
"""Brackets within brackets. What reads a document recurses; this many levels fit."""
MAX_CHARACTERS = 250_000
MAX_COMMENTS = 5_000
"""Comments are no tokens, and reading each takes as long as reading one."""
MAX_DIGITS = 1_000
"""Of a number: one fewer than `_PIECES` looks for."""
MAX_OPERATIONS = 20
MAX_SPREADS = 100
MAX_REPEATS = 30
"""Fields of a response key that their selection has already: GraphQL compares each pair, and what is below them."""
MAX_ALIASES = 500
MAX_DIRECTIVES = 100
MAX_DIRECTIVES_OF_ONE = 5
MAX_VARIABLES = 100
MAX_ROOT_FIELDS = 50
MAX_FIELDS = 1_000
"""Fields that are selected in all, fragments merged, each for every type that its place can hold."""
INTROSPECTIONS = 2
"""How many times as large as the whole schema, as tools ask for it, the introspection of a document may be."""

_PIECES = re.compile(
    r'"""(?:\\"""|[^"]|"(?!""))*+(?:""")?|"(?:\\.|[^"\\\n])*+"?|#[^\n\r]*+|[\[{(]|[\]})]|(?<!\w)\d{1001,}+'
)
"""Strings, comments, brackets, long numbers. A string that does not end is a piece as well: what comes after its quote
must not be tried again from each quote in it.
"""


def require_readable(text: str) -> None:
    """Raise CostExceeded for a text that would take long to parse, or is nested so deeply that this would recurse too
    far.
    """
    if len(text) > MAX_CHARACTERS:
        raise CostExceeded("document_too_long", limit=MAX_CHARACTERS)
    depth = comments = 0
    for found in _PIECES.finditer(text):
        match text[found.start()]:
            case "[" | "{" | "(":
                depth += 1
                if depth > MAX_NESTING:
                    raise CostExceeded("too_deep_to_parse", limit=MAX_NESTING)
            case "]" | "}" | ")":
                depth -= 1
            case "#":
                comments += 1
                if comments > MAX_COMMENTS:
                    raise CostExceeded("too_many_comments", limit=MAX_COMMENTS)
            case start if start.isdigit():
                raise CostExceeded("too_many_digits", limit=MAX_DIGITS)


class LimitedLexer(Lexer):
    """Reads the tokens of a text, up to a limit. Comments are none."""

    def __init__(self, text: str, limit: int) -> None:
        super().__init__(Source(text))
        self._left = self._limit = limit

    def advance(self) -> Token:
        """The next token. Raises CostExceeded beyond the limit."""
        token = super().advance()
        if token.kind is not TokenKind.EOF:
            self._left -= 1
            if self._left < 0:
                raise CostExceeded("too_many_tokens", limit=self._limit)
        return token


def require_moderate(node: DocumentNode) -> None:
    """Raise CostExceeded for a document that would take long to validate."""
    counts = _Counts()
    visit(node, counts)
    for template, number, limit in (
        ("too_many_operations", counts.operations, MAX_OPERATIONS),
        ("too_many_fragments", counts.spreads, MAX_SPREADS),
        ("too_many_repeats", counts.repeats, MAX_REPEATS),
        ("too_many_aliases", counts.aliases, MAX_ALIASES),
        ("too_many_directives", counts.directives, MAX_DIRECTIVES),
        ("too_many_directives_of_one", counts.directives_of_one, MAX_DIRECTIVES_OF_ONE),
        ("too_many_variables", counts.variables, MAX_VARIABLES),
    ):
        if number > limit:
            raise CostExceeded(template, limit=limit)


class _Counts(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.operations = self.spreads = self.repeats = self.aliases = 0
        self.directives = self.directives_of_one = self.variables = 0

    def enter(self, node: Any, *_: Any) -> None:
        directives = getattr(node, "directives", None) or ()
        # A document for every role may say `@optional` of each field; it costs a look at the field's name.
        self.directives += sum(directive.name.value != OPTIONAL.name for directive in directives)
        self.directives_of_one = max(self.directives_of_one, len(directives))
        if isinstance(node, FieldNode):
            self.aliases += node.alias is not None
        elif isinstance(node, SelectionSetNode):
            keys = Counter((f.alias or f.name).value for f in node.selections if isinstance(f, FieldNode))
            self.repeats += sum(keys.values()) - len(keys)
            self.spreads += sum(not isinstance(s, FieldNode) for s in node.selections)
        elif isinstance(node, OperationDefinitionNode):
            self.operations += 1
            self.variables = max(self.variables, len(node.variable_definitions or ()))


def require_moderate_introspection(
    node: DocumentNode, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode]
) -> None:
    """Raise CostExceeded for introspection whose answer would be much larger than the schema itself.

    Each list of the schema's description is taken for as long as it is on average, so aliases and lists in lists are
    told from the queries of tools, which ask for each thing once.
    """
    asked = _introspections(node)
    if asked:
        lengths = _lengths(schema)
        whole = _Introspected(lengths, _WHOLE_FRAGMENTS)
        whole.count(_introspections(_WHOLE), 1)
        _Introspected(lengths, fragments, INTROSPECTIONS * whole.values).count(asked, 1)


_WHOLE = parse(
    get_introspection_query(
        specified_by_url=True, directive_is_repeatable=True, schema_description=True, input_value_deprecation=True
    )
)
_WHOLE_FRAGMENTS = {d.name.value: d for d in _WHOLE.definitions if isinstance(d, FragmentDefinitionNode)}


def _introspections(node: DocumentNode) -> list[FieldNode]:
    found = _Introspections()
    visit(node, found)
    return found.fields


class _Introspections(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.fields: list[FieldNode] = []

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        if node.name.value in ("__schema", "__type"):
            self.fields.append(node)


@dataclass
class _Introspected:
    lengths: Mapping[str, int]
    fragments: Mapping[str, FragmentDefinitionNode]
    limit: int | None = None
    values: int = 0

    def count(self, selections: Iterable[SelectionNode], times: int) -> None:
        for selection in selections:
            self.values += times
            if self.limit is not None and self.values > self.limit:
                raise CostExceeded("introspection_too_large", limit=self.limit)
            if isinstance(selection, FragmentSpreadNode):
                self.count(self.fragments[selection.name.value].selection_set.selections, times)
            elif isinstance(selection, FieldNode):
                if selection.selection_set:
                    longer = times * self.lengths.get(selection.name.value, 1)
                    self.count(selection.selection_set.selections, longer)
            elif isinstance(selection, InlineFragmentNode):
                self.count(selection.selection_set.selections, times)


def _lengths(schema: GraphQLSchema) -> Mapping[str, int]:
    """How long the lists of a schema's description are, on average and at least 1."""
    types = schema.type_map.values()
    objects = [t for t in types if isinstance(t, GraphQLObjectType | GraphQLInterfaceType)]
    fields = [field for type_ in objects for field in type_.fields.values()]
    inputs = [len(t.fields) for t in types if isinstance(t, GraphQLInputObjectType)]
    enums = [len(t.values) for t in types if isinstance(t, GraphQLEnumType)]
    return {
        "types": len(types),
        "fields": _average([len(t.fields) for t in objects], len(types)),
        "args": _average([len(field.args) for field in fields], len(fields)),
        "inputFields": _average(inputs, len(types)),
        "enumValues": _average(enums, len(types)),
        "directives": len(schema.directives),
    }


def _average(numbers: list[int], among: int) -> int:
    return max(1, round(sum(numbers) / max(1, among)))
