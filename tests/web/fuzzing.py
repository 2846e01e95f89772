"""Documents that hypothesis-graphql makes of a schema, with values that are hostile, ordinary, or in the database."""

import re
from collections.abc import Callable, Collection, Sequence
from random import Random
from typing import Any

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    GraphQLSchema,
    NameNode,
    ObjectFieldNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    Visitor,
    print_ast,
    visit,
)
from hypothesis import strategies as st
from hypothesis_graphql import mutations, nodes, queries

Values = st.SearchStrategy[ValueNode]
WINDOWS = (("first",), ("last",), ("first", "offset"), ())
_TEXTS = (
    "", "王小明", "\0", "a\0b", "\ud800", "\udfff\ud800", "😀👩‍👩‍👧", "\u202e", "\ufeff", "%_\\", "' OR 1=1 --",
    "(a+)+$", "x" * 100_000, "\U0010ffff", "null", "NaN", "e30=", "WyJhIiwxXQ==", "W251bGwsbnVsbF0=", "Asia/Nowhere",
)  # fmt: skip
_NUMBERS = ("0", "-1", "1", "200", "201", "2147483648", "-9223372036854775809", "18446744073709551616", "9" * 400)
_DECIMALS = ("0", "-0", "12.50", "1e999999", "NaN", "-Infinity", "9" * 40, "9" * 41, "0." + "0" * 300 + "1", "٣")
_DATES = ("2026-11-22", "2026-02-30", "0000-01-01", "9999-12-31", "10000-01-01", "2026-W47-7", "", "infinity")
_MOMENTS = (
    "2026-11-22T08:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-11-22T08:00:00", "now",
    "2026-11-22T24:00:00Z", "2026-11-22T08:00:00+99:99", "infinity", "epoch",
)  # fmt: skip
_DURATIONS = ("P90D", "P1M", "PT8H", "P", "P-1D", "P9999Y", "P" + "9" * 500 + "D", "1D", "\0")
_STARTS = ("hour", "day", "week", "month", "quarter", "year", "century", "")
_ZONES = ("Asia/Shanghai", "UTC", "Mars/Olympus", "../../etc/passwd", "\0", "Asia/Shanghai\n", "", "x" * 10_000)


def _strings(*choices: str) -> Values:
    return st.sampled_from(choices).map(nodes.String)


def _member(name: str) -> Callable[[ValueNode], ObjectFieldNode]:
    return lambda value: ObjectFieldNode(name=NameNode(value=name), value=value)


def _relative() -> Values:
    """What stands for a date: `{ start, ago, in, zone }`, also with members that do not go together."""
    members = {
        "start": _strings(*_STARTS),
        "ago": _strings(*_DURATIONS),
        "in": _strings(*_DURATIONS),
        "zone": _strings(*_ZONES),
        "was": st.integers().map(nodes.Int),
    }
    chosen = st.lists(st.sampled_from(sorted(members)), max_size=3, unique=True)
    return chosen.flatmap(lambda names: st.tuples(*(members[n].map(_member(n)) for n in names))).map(
        lambda found: nodes.Object(list(found))
    )


def scalars(ids: Sequence[str], *, hostile: bool) -> dict[str, Values]:
    """A strategy for each scalar; `ids` are those of records that exist."""
    known = st.sampled_from(ids).map(nodes.String)
    if not hostile:
        texts = st.sampled_from(("", "a", "A", "ab", "上海", "b%_", "😀", "\u00e9")).map(nodes.String)
        return {
            "ID": known,
            "String": texts,
            "Int": st.integers(0, 20).map(nodes.Int),
            "Decimal": _strings("0", "-1.5", "10", "99.99", "1000000"),
            "BigInt": _strings("0", "5", "100"),
            "Currency": _strings("CNY", "USD"),
            "Date": _strings("2026-11-22", "2026-01-31", "1990-05-01"),
            "DateTime": _strings("2026-11-22T04:00:00Z", "2026-11-21T00:00:00+08:00", "2025-01-01T00:00:00Z"),
            "Lenient": texts,
            "JSON": texts,
        }
    texts = st.one_of(_strings(*_TEXTS), st.text(max_size=20).map(nodes.String))
    numbers = st.sampled_from(_NUMBERS).map(lambda digits: nodes.Int(int(digits)))
    decimals = st.one_of(
        _strings(*_DECIMALS), numbers, st.floats(allow_nan=False, allow_infinity=False).map(nodes.Float)
    )
    anything = st.one_of(texts, numbers, decimals, _relative(), st.booleans().map(nodes.Boolean))
    return {
        "ID": st.one_of(
            known, known, _strings("x", "0" * 36, "\0" * 36, "019aaaaa-0000-7000-8100-00000000000g"), texts
        ),
        "String": texts,
        "Int": st.one_of(st.integers(0, 200).map(nodes.Int), st.integers(-(2**31), 2**31 - 1).map(nodes.Int), numbers),
        "Decimal": decimals,
        "BigInt": st.one_of(numbers, _strings(*_NUMBERS, "x")),
        "Currency": st.one_of(_strings("CNY", "cny", "XXX", "¥"), texts),
        "Date": st.one_of(_strings(*_DATES), _relative()),
        "DateTime": st.one_of(_strings(*_MOMENTS), _relative()),
        "Lenient": anything,
        "JSON": anything,
    }


class _Choice(Visitor):
    """Leaves out arguments that exclude each other, cursors and half of the conditions, so that much is answered; asks
    lists and groups for what shows which rows they have.
    """

    def __init__(self, random: Random, without: Collection[str]) -> None:
        super().__init__()
        self._random = random
        self._without = without

    def enter_field(self, node: FieldNode, *_: Any) -> FieldNode:
        if node.name.value in self._without:
            return FieldNode(alias=None, name=NameNode(value="__typename"), arguments=(), directives=())
        names = {argument.name.value for argument in node.arguments or ()}
        kept = {*self._random.choice(WINDOWS), *(n for n in names if n not in WINDOW)}
        if {"id", "externalRef"} <= names:
            kept.discard(self._random.choice(("id", "externalRef")))
        for name in ("where", "orderBy", "having", "search", "archived"):
            if self._random.random() < 0.6:
                kept.discard(name)
        arguments: tuple[ArgumentNode, ...] = tuple(a for a in node.arguments or () if a.name.value in kept)
        return FieldNode(
            alias=node.alias,
            name=node.name,
            arguments=arguments,
            directives=node.directives,
            selection_set=node.selection_set and _with_rows(node.selection_set, names),
        )


def _with_rows(selected: SelectionSetNode, arguments: Collection[str]) -> SelectionSetNode:
    """What is selected of a field with such arguments, and which rows a list has or how many a group."""
    if "groupBy" in arguments:
        return _and(selected, "groups", "count")
    if {"archived", "orderBy"} <= set(arguments):
        return _and(selected, "nodes", "id")
    return selected


def _and(selected: SelectionSetNode, name: str, inner: str) -> SelectionSetNode:
    below = SelectionSetNode(selections=(_plain(inner),))
    told = FieldNode(
        alias=NameNode(value="told"), name=NameNode(value=name), arguments=(), directives=(), selection_set=below
    )
    return SelectionSetNode(selections=(*selected.selections, told))


def _plain(name: str) -> FieldNode:
    return FieldNode(alias=None, name=NameNode(value=name), arguments=(), directives=())


WINDOW = ("first", "last", "offset", "after", "before")


def _answerable(document: DocumentNode, seed: int, without: Collection[str] = ()) -> DocumentNode:
    changed: DocumentNode = visit(document, _Choice(Random(seed), without))
    return changed


def _written(document: DocumentNode) -> str:
    """As text, lone surrogates escaped."""
    return re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found.group()):04X}", print_ast(document))


def hostile_queries(schema: GraphQLSchema, ids: Sequence[str]) -> st.SearchStrategy[str]:
    """Queries in which anything stands wherever something can stand; half of them without what excludes each other."""
    made = queries(schema, custom_scalars=scalars(ids, hostile=True), codec=None, print_ast=lambda found: found)
    return st.one_of(made, st.builds(_answerable, made, st.integers(0, 2**32))).map(_written)


def ordinary_queries(
    schema: GraphQLSchema, ids: Sequence[str], roots: Sequence[str], without: Collection[str]
) -> st.SearchStrategy[str]:
    """Queries of some root fields that are mostly answered, without some other fields."""
    made = queries(
        schema,
        fields=roots,
        custom_scalars=scalars(ids, hostile=False),
        allow_null=False,
        print_ast=lambda found: found,
    )
    return st.builds(_answerable, made, st.integers(0, 2**32), st.just(without)).map(print_ast)


class _Telling(Visitor):
    """Asks of each payload what was refused, under the key `refused`."""

    _ERRORS = FieldNode(
        alias=NameNode(value="refused"),
        name=NameNode(value="errors"),
        arguments=(),
        directives=(),
        selection_set=SelectionSetNode(selections=tuple(_plain(name) for name in ("code", "message", "path"))),
    )

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: Any) -> OperationDefinitionNode:
        fields = [
            FieldNode(
                alias=field.alias,
                name=field.name,
                arguments=field.arguments,
                directives=field.directives,
                selection_set=SelectionSetNode(selections=(*field.selection_set.selections, self._ERRORS)),
            )
            for field in node.selection_set.selections
            if isinstance(field, FieldNode) and field.selection_set
        ]
        return OperationDefinitionNode(
            operation=node.operation,
            name=node.name,
            variable_definitions=node.variable_definitions,
            directives=node.directives,
            selection_set=SelectionSetNode(selections=tuple(fields)),
        )


def hostile_mutations(schema: GraphQLSchema, ids: Sequence[str]) -> st.SearchStrategy[str]:
    """Mutations with hostile inputs, whose payloads tell what was refused under the key `refused`."""
    return mutations(
        schema,
        custom_scalars=scalars(ids, hostile=True),
        codec=None,
        print_ast=lambda found: _written(visit(found, _Telling())),
    )
