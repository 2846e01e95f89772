"""A smaller counter-example: a shorter question, and fewer differences, that still tell two databases apart."""

from collections.abc import Awaitable, Callable, Container, Iterator
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

from crm_graph.proof.engine import Engine
from crm_graph.proof.exits import DOCUMENTS, Question, Variables
from crm_graph.proof.queries import TellTale, telling
from crm_graph.proof.rows import Row
from crm_graph.proof.twins import Twin

TOGETHER = 12
"""So many shorter queries are asked at once of either database."""
ROUNDS = 60
_LISTS = frozenset({"selections", "arguments", "directives", "fields", "values"})
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
    """The shortest question found that tells the databases apart, which are made as alike as it lets them be."""
    told = await _shorter(engine, twin, told)
    told = await _more_alike(engine, twin, told)
    return await _shorter(engine, twin, told)


async def _shorter(engine: Engine, twin: Twin, told: TellTale) -> TellTale:
    for _ in range(ROUNDS):
        found = await _first(lambda some: telling(engine, twin, some), _cut(told.question))
        if found is None:
            break
        told = found
    return told


async def _first(ask: Callable[[list[Question]], Awaitable[list[TellTale]]], tries: list[Question]) -> TellTale | None:
    for start in range(0, len(tries), TOGETHER):
        found = await ask(tries[start : start + TOGETHER])
        if found:
            return found[0]
    return None


async def _more_alike(engine: Engine, twin: Twin, told: TellTale) -> TellTale:
    """Undo one difference after another, as long as the question tells the databases apart and their asker does not."""
    for each in differences(twin):
        before = dict(twin.tables)
        twin.undo(each.table, each.one, each.other)
        still = await telling(engine, twin, [told.question]) if twin.stands() and twin.unnoticed() else []
        if still:
            (told,) = still
        else:
            twin.tables.update(before)
    return told


def _cut(told: Question) -> list[Question]:
    """The document without one of its parts, each way, the shortest first."""
    if told.exit not in DOCUMENTS:
        return []
    document = parse(told.text, no_location=True)
    texts = {print_ast(_pruned(made)) for made in _without_one(document)} - {print_ast(document)}
    return [_with_variables(told, text) for text in sorted(texts, key=lambda text: (len(text), text))]


def _with_variables(told: Question, text: str) -> Question:
    (operation,) = (d for d in parse(text).definitions if isinstance(d, OperationDefinitionNode))
    names = {d.variable.name.value for d in operation.variable_definitions or ()}
    variables: Variables = {name: value for name, value in told.variables.items() if name in names}
    return replace(told, text=text, variables=variables)


def _without_one(node: Node) -> Iterator[Any]:
    """The node without one of the items in it or below it, each way."""
    for name in node.keys:
        value: Any = getattr(node, name, None)
        if isinstance(value, Node):
            yield from (_with(node, name, made) for made in _without_one(value))
        items: tuple[Node, ...] = value if isinstance(value, tuple) else ()
        for place, item in enumerate(items):
            before, after = items[:place], items[place + 1 :]
            if name in _LISTS and (before or after or name != "selections"):
                yield _with(node, name, (*before, *after))
            yield from (_with(node, name, (*before, made, *after)) for made in _without_one(item))


def _with(node: Any, name: str, value: Any) -> Any:
    return replace(node, **{name: value})


def _nodes(root: Node) -> list[Node]:
    """A node and all below it."""
    found = [root]
    for name in root.keys:
        value = getattr(root, name, None)
        for item in value if isinstance(value, tuple) else (value,):
            found += _nodes(item) if isinstance(item, Node) else []
    return found


def _pruned(document: DocumentNode) -> DocumentNode:
    """The document without fragments and variables that nothing uses."""
    spread = {node.name.value for node in _nodes(document) if isinstance(node, FragmentSpreadNode)}
    kept = [d for d in document.definitions if not isinstance(d, FragmentDefinitionNode) or d.name.value in spread]
    used = {
        node.name.value
        for definition in kept
        if isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode)
        for part in (definition.selection_set, *(definition.directives or ()))
        for node in _nodes(part)
        if isinstance(node, VariableNode)
    }
    return replace(document, definitions=tuple(_declaring(d, used) for d in kept))


def _declaring(definition: Any, used: Container[str]) -> Any:
    """An operation without the variables that nothing uses."""
    if not isinstance(definition, OperationDefinitionNode):
        return definition
    declared = definition.variable_definitions or ()
    return replace(definition, variable_definitions=tuple(d for d in declared if d.variable.name.value in used))
