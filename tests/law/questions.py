"""The law for questions about rights and for the moves that records can make: twins are answered alike."""

from collections.abc import Collection
from dataclasses import replace
from random import Random

from crm_graph.access import Access
from crm_graph.permissions.rules import MANAGE_ROLES
from crm_graph.proof.engine import SMALL
from crm_graph.proof.operations.questions import some_questions
from crm_graph.proof.queries import TellTale, alike, telling
from crm_graph.proof.rows import Connection
from crm_graph.resolvers.questions import EXPLAIN
from reference.compiled import Compiled, catalog, schema_of

QUESTIONS = 3
"""So many of each kind."""


def asking(access: Access) -> Access:
    """The same of somebody who may ask about rights and move records."""
    moves = {f"{entity.plural}:transition" for entity in catalog().roots if entity.workflow}
    return replace(access, actions=access.actions | {EXPLAIN, MANAGE_ROLES} | moves)


async def told_by_questions(
    connection: Connection,
    random: Random,
    access: Access,
    attempts: int = 15,
    *,
    tables: Collection[str] | None = None,
) -> list[TellTale]:
    """The questions that tell two databases apart which look alike, by more than is told on purpose."""
    engine = Compiled(connection, SMALL)
    twin = await alike(engine, random, asking(access), tables=tables, size=4)
    twin.grow(attempts)
    asked = [q for _ in range(QUESTIONS) for q in some_questions(random, twin, schema_of(twin.view.principal.access))]
    return await telling(engine, twin, asked)
