"""What came of a proof, in words."""

from collections.abc import Iterator
from typing import Any

import orjson
from graphql import parse, print_ast

from crm_graph.proof.exits import DOCUMENTS, Answer, Exit, Question
from crm_graph.proof.json_values import as_json
from crm_graph.proof.proving import CounterExample, Proof, many
from crm_graph.proof.rows import Row
from crm_graph.proof.shrinking import Difference

MOST_CHARACTERS = 4_000
"""Of an answer; the rest is left out."""


def lines(proof: Proof) -> Iterator[str]:
    """A proof, or the counter-example that there is."""
    if proof.counter_example is not None:
        yield from _counter_example(proof.counter_example)
        return
    if proof.cases and not proof.withheld_from:
        yield "Nothing is withheld from these roles that an answer could tell."
    stopped = "" if proof.whole else " before the time was over"
    yield f"{many(proof.cases, 'case')}{stopped}, no counter-example."


_SAID = {
    Exit.EXPORT: "As a file, in each format:\n",
    Exit.IMPORT: "By importing this file:\n",
    Exit.DOWNLOAD: "By downloading the file of this id:\n",
    Exit.NAMES: "By a name that they do not have:\n",
}


def _counter_example(found: CounterExample) -> Iterator[str]:
    by, question = found.by, found.told.question
    scopes = "" if by.scopes is None else f" with the scopes {', '.join(sorted(by.scopes)) or 'none'}"
    options = [f"--role {role}" for role in by.roles] + [f"--scope {scope}" for scope in sorted(by.scopes or ())]
    yield f"Two databases that look alike to the roles {', '.join(by.roles)}{scopes} answer differently."
    yield f"Again: crm-graph prove {' '.join(options)} --seed {found.seed} --cases 1"
    yield f"\nAsked by {found.asker}:\n"
    if question.exit in _SAID:
        yield _SAID[question.exit]
    yield print_ast(parse(question.text)) if question.exit in DOCUMENTS else question.text
    if question.variables:
        yield f"\nVariables: {_json(question.variables)}"
    yield f"\nOne answers:       {_answer(question, found.told.one)}"
    yield f"The other answers: {_answer(question, found.told.other)}"
    if found.differences:
        yield "\nWhat differs, and must not show:"
    for each in found.differences:
        yield _difference(each)


def _answer(question: Question, answer: Answer) -> str:
    data, cost = answer
    text = data.decode(errors="replace")
    cut = text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]} … ({len(text):,} characters)"
    if cost < 0:
        return f"refused: {cut}"
    return f"{cut} (cost {cost})" if question.exit is Exit.QUERY else cut


def _difference(found: Difference) -> str:
    if found.one is None or found.other is None:
        row, where = (found.one, "one") if found.other is None else (found.other, "the other")
        return f"  {found.table}: in {where} alone, {_json(_filled(row or {}))}"
    changed = {name: [found.one[name], found.other[name]] for name in found.one if found.one[name] != found.other[name]}
    cells = ", ".join(f"{name} {_json(a)} and {_json(b)}" for name, (a, b) in changed.items())
    return f"  {found.table} {found.one.get('id', '')}: {cells}"


def _filled(row: Row) -> Row:
    return {name: value for name, value in row.items() if value is not None}


def _json(value: Any) -> str:
    return orjson.dumps(value, default=as_json, option=orjson.OPT_PASSTHROUGH_DATETIME).decode(errors="replace")
