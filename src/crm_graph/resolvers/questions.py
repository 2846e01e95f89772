"""Questions about rights, such as `roles` and `explainAccess`. Their answers are made of the policy as it is now, which
no prepared statement knows: they are filled in after it, as derived fields are.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from crm_graph.access import Access
from crm_graph.errors import CrmError, ValidationFailed
from crm_graph.fragments import Fragment, param
from crm_graph.messages import Locale
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.rules import MANAGE_ROLES, READ_ROLES
from crm_graph.resolvers.arguments import GivenTree, ManyOf, Path, given, given_list
from crm_graph.resolvers.derived import project
from crm_graph.resolvers.plan import Question, ReadPlan
from crm_graph.resolvers.selection import Selected
from crm_graph.scalars import parse_id, parse_text
from crm_graph.services.job_list import READ as JOBS_READ
from crm_graph.services.reads import Note


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of question: the type of its answer, the action that it needs, and what it costs."""

    type: str
    action: str
    cost: int = 100


EXPLAIN = "access:explain"
QUESTIONS: Mapping[str, Kind] = {
    "explainAccess": Kind("AccessExplanation", EXPLAIN),
    "accessReport": Kind("AccessReport", EXPLAIN),
    "roles": Kind("Role", READ_ROLES),
    "issuers": Kind("Issuer", READ_ROLES),
    "rightsProposals": Kind("RightsProposal", READ_ROLES),
    "previewGrants": Kind("GrantsPreview", MANAGE_ROLES, 50_000),
    "grantable": Kind("Grantable", READ_ROLES),
    "operations": Kind("Operations", JOBS_READ, 1_000),
}
"""The root fields. Each reads grants or issuers, at most one record, who has which role; a preview counts records, and
`operations` jobs and timers.
"""
_IDS = frozenset({"user", "id"})
_TREES = frozenset({"draft"})
_LISTS = frozenset({"keys"})
MAX_KEYS = 1_000
Answer = Callable[[Mapping[str, Any]], Awaitable[Any]]
"""Answers a question by its arguments. Raises CrmError."""
Answers = Callable[[Any, Principal, datetime, Locale, Note], Mapping[str, Answer]]
"""What answers each question, on a connection and to somebody, and notes what is to be written down first."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Where a question stands in the answer, and what of its own answer is selected."""

    key: str
    name: str
    children: tuple[Selected, ...]


def plan_question(selected: Selected, access: Access) -> Question:
    """The plan of a question. Raises ValidationFailed for who may not ask it."""
    if not access.may(QUESTIONS[selected.name].action):
        raise ValidationFailed("unknown_field").at(selected.key)
    arguments = []
    for name, leaf in selected.arguments.items():
        if leaf is not None:
            arguments.append((name, _argument(name, leaf, (selected.key, name))))
    return Question(selected.key, selected.name, tuple(arguments), selected.only())


def _argument(name: str, leaf: Any, at: Path) -> Fragment:
    if name in _TREES:
        return param(GivenTree(leaf, at), "json")
    if name in _LISTS:
        return given_list(leaf, ManyOf(parse_text, MAX_KEYS, at), "text")
    source = given(leaf, parse_id if name in _IDS else parse_text, at)
    return param(source, "uuid" if name in _IDS else "text")


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
        data[question.key] = project(told, question.children, QUESTIONS[question.name].type)
    return orjson.dumps(data)
