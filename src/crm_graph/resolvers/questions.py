"""Questions about rights, `explainAccess` and `accessReport`. Their answers are made of the policy as it is now, which
no prepared statement knows: they are filled in after it, as derived fields are.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from crm_graph.errors import CrmError
from crm_graph.fragments import param
from crm_graph.messages import Locale
from crm_graph.permissions.principals import Principal
from crm_graph.resolvers.arguments import given
from crm_graph.resolvers.derived import project
from crm_graph.resolvers.plan import Question, ReadPlan
from crm_graph.resolvers.selection import Selected
from crm_graph.scalars import parse_id, parse_text

QUESTIONS: Mapping[str, str] = {"explainAccess": "AccessExplanation", "accessReport": "AccessReport"}
"""The root fields, each with the type of its answer."""
_IDS = frozenset({"user", "id"})
Answer = Callable[[Mapping[str, Any]], Awaitable[Any]]
"""Answers a question by its arguments. Raises CrmError."""
Answers = Callable[[Any, Principal, datetime, Locale], Mapping[str, Answer]]
"""What answers each question, on a connection and to somebody."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Where a question stands in the answer, and what of its own answer is selected."""

    key: str
    name: str
    children: tuple[Selected, ...]


def plan_question(selected: Selected) -> Question:
    """The plan of a question."""
    arguments = []
    for name, leaf in selected.arguments.items():
        if leaf is not None:
            at = (selected.key, name)
            source = given(leaf, parse_id if name in _IDS else parse_text, at)
            arguments.append((name, param(source, "uuid" if name in _IDS else "text")))
    return Question(selected.key, selected.name, tuple(arguments), selected.only())


def asked_of(plan: ReadPlan) -> tuple[Asked, ...]:
    """Every question of a plan."""
    return tuple(Asked(root.key, root.name, root.children) for root in plan.roots if isinstance(root, Question))


async def answer_all(answer: bytes, asked: Sequence[Asked], answers: Mapping[str, Answer]) -> bytes:
    """The answer with that of each question, whose arguments the statement left in its place."""
    data = orjson.loads(answer)
    for question in asked:
        try:
            told = await answers[question.name](data[question.key])
        except CrmError as error:
            raise error.at(question.key) from None
        data[question.key] = project(told, question.children, QUESTIONS[question.name])
    return orjson.dumps(data)
