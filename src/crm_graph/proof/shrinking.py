"""A smaller counter-example: a shorter query, and fewer differences, that still tell two databases apart."""

from collections.abc import Awaitable, Callable, Container, Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    Node,
    OperationDefinitionNode,
    VariableNode,
    parse,
    print_ast,
)

from crm_graph.proof.engine import Engine, reading
from crm_graph.proof.queries import Answer, TellTale, Variables, looked_up, outcome
from crm_graph.proof.rows import Row, Tables, insert
from crm_graph.proof.twins import Twin

TOGETHER = 12
"""So many shorter queries are asked at once of either database."""
ROUNDS = 60
_LISTS = ("definitions", "selections", "arguments", "directives", "fields", "values")
"""What can lose one of its items, in a node of a document."""


@dataclass(frozen=True)
class Difference:
    """A row that is not the same in both; None where it is not there."""

    table: str
    one: Row | None
    other: Row | None


def differences(twin: Twin) -> list[Difference]:
    """Every row that differs, in the order of tables."""
    found = list[Difference]()
    for table, rows in twin.view.tables.items():
        one, other = ({_key(row): row for row in each} for each in (rows, twin.tables[table]))
        found += [Difference(table, one.get(k), other.get(k)) for k in [*one, *(k for k in other if k not in one)]]
    return [each for each in found if each.one != each.other]


def _key(row: Row) -> Any:
    return row["id"] if "id" in row else tuple(row[name] for name in sorted(row) if name.endswith("_id"))


async def smallest(engine: Engine, twin: Twin, told: TellTale) -> TellTale:
    """The shortest query found that tells the databases apart, which are made as alike as it lets them be."""
    told = await _shorter(engine, twin, told)
    told = await _more_alike(engine, twin, told)
    return await _shorter(engine, twin, told)


async def _shorter(engine: Engine, twin: Twin, told: TellTale) -> TellTale:
    for _ in range(ROUNDS):
        found = await _first(lambda some: _ask(engine, twin, some), _cut(told))
        if found is None:
            break
        told = found
    return told


async def _first(ask: Callable[[list[TellTale]], Awaitable[list[TellTale]]], tries: list[TellTale]) -> TellTale | None:
    for start in range(0, len(tries), TOGETHER):
        found = await ask(tries[start : start + TOGETHER])
        if found:
            return found[0]
    return None


async def _ask(engine: Engine, twin: Twin, tries: list[TellTale]) -> list[TellTale]:
    """Those of some queries that tell the databases apart, with their answers."""
    answers = [await _answers(engine, twin, tables, tries) for tables in (twin.view.tables, twin.tables)]
    told = [replace(each, one=a, other=b) for each, a, b in zip(tries, *answers, strict=True) if a != b]
    return [each for each in told if not await looked_up(engine, twin, each)]


async def _answers(engine: Engine, twin: Twin, tables: Tables, tries: list[TellTale]) -> list[Answer]:
    async with reading(engine.connection):
        await insert(engine.connection, tables)
        return [await outcome(engine, twin.view.principal, each.text, each.variables) for each in tries]


async def _more_alike(engine: Engine, twin: Twin, told: TellTale) -> TellTale:
    """Undo one difference after another, as long as the query tells the databases apart and their asker does not."""
    for each in differences(twin):
        before = dict(twin.tables)
        twin.undo(each.table, each.one, each.other)
        still = await _ask(engine, twin, [told]) if twin.unnoticed() else []
        if still:
            (told,) = still
        else:
            twin.tables.update(before)
    return told


def _cut(told: TellTale) -> list[TellTale]:
    """The query without one of its parts, each way, the shortest first."""
    document = parse(told.text, no_location=True)
    texts = {print_ast(_pruned(made)) for made in _without_one(document)} - {print_ast(document)}
    return [_with_variables(told, text) for text in sorted(texts, key=lambda text: (len(text), text))]


def _with_variables(told: TellTale, text: str) -> TellTale:
    (operation,) = (d for d in parse(text).definitions if isinstance(d, OperationDefinitionNode))
    names = {d.variable.name.value for d in operation.variable_definitions or ()}
    variables: Variables = {name: value for name, value in told.variables.items() if name in names}
    return replace(told, text=text, variables=variables)


def _without_one(document: DocumentNode) -> Iterator[DocumentNode]:
    for place, node in enumerate(_nodes(document)):
        for name in _LISTS:
            items = getattr(node, name, None) or ()
            for gone in range(len(items) if len(items) > (name in ("definitions", "selections")) else 0):
                made = deepcopy(document)
                holder = _nodes(made)[place]
                _set(holder, name, [item for at, item in enumerate(getattr(holder, name)) if at != gone])
                yield made


def _nodes(root: Node) -> list[Node]:
    """A node and all below it, always in the same order."""
    found = [root]
    for key in root.keys:
        value = getattr(root, key, None)
        for item in value if isinstance(value, list | tuple) else [value]:
            if isinstance(item, Node):
                found += _nodes(item)
    return found


def _pruned(document: DocumentNode) -> DocumentNode:
    """The document without fragments and variables that nothing uses."""
    spread = {node.name.value for node in _nodes(document) if isinstance(node, FragmentSpreadNode)}
    _set(document, "definitions", [d for d in document.definitions if not _is_unused_fragment(d, spread)])
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode):
            parts = (operation.selection_set, *(d for d in document.definitions if d is not operation))
            nodes = [node for part in parts for node in _nodes(part)]
            used = {node.name.value for node in nodes if isinstance(node, VariableNode)}
            declared = operation.variable_definitions or ()
            _set(operation, "variable_definitions", [d for d in declared if d.variable.name.value in used])
    return document


def _is_unused_fragment(node: Node, spread: Container[str]) -> bool:
    return isinstance(node, FragmentDefinitionNode) and node.name.value not in spread


def _set(node: Node, name: str, items: Iterable[Node]) -> None:
    """Give a node other items. The copy is ours, whose types say that nodes stay as they are."""
    setattr(node, name, tuple(items))
