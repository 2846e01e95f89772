"""The law for queries and all else that is asked: what it is answered on twins, with what is told of its cost, and how
it is refused.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from random import Random
from types import MappingProxyType

import orjson

from crm_graph.access import Access, Level
from crm_graph.proof.datasets import SOURCE, Dataset, Likely
from crm_graph.proof.declassified import gained, told_on_purpose
from crm_graph.proof.engine import Engine, principal_of, reading
from crm_graph.proof.exits import Answer, Exit, Question, Variables, outcome, over
from crm_graph.proof.holders import hold
from crm_graph.proof.operations.changes import tell_source
from crm_graph.proof.operations.drafts import LEFT_OUT, Draft
from crm_graph.proof.operations.generated import Generated
from crm_graph.proof.operations.making import OperationMaker
from crm_graph.proof.rows import insert, load
from crm_graph.proof.twins import Twin
from crm_graph.proof.view import View

QUERIES = 10


@dataclass(frozen=True)
class TellTale:
    """A question that is answered differently on databases which look alike to who asks it."""

    question: Question
    one: Answer
    other: Answer


async def alike(
    engine: Engine,
    random: Random,
    access: Access,
    *,
    columns: Collection[tuple[str, str]] | None = None,
    tables: Collection[str] | None = None,
    told: Level = Level.READ,
    size: int = 3,
    likely: Likely = MappingProxyType({}),
    granted: Access | None = None,
    held: bool = False,
) -> Twin:
    """A database, and a twin of it that is to grow different in these columns and tables. Cells of the level `told` are
    known to the asker, who speaks for SOURCE and sees what is `granted`, if that is not `access` itself. Roles are
    `held` by rows, if verbs that ask for these are to be asked.
    """
    catalog = engine.catalog
    made = Dataset(random, catalog, size, likely).build()
    tell_source(random, made, catalog)
    async with reading(engine.connection):
        await insert(engine.connection, made)
        rows = await load(engine.connection)
    who = replace(principal_of(rows, random.choice(rows["users"])["id"], access), source=SOURCE)
    if held:
        hold(rows, engine.policy, access.roles, who.user_id)
    view = View(catalog, rows, who, granted or access)
    return Twin(random, catalog, view, columns, tables=tables, told=told, sources=[SOURCE], likely=likely)


async def told_apart(
    engine: Engine,
    random: Random,
    twin: Twin,
    queries: int = QUERIES,
    *,
    roots: Callable[[str], object] = lambda _: True,
    depth: int = 3,
    bent: float = 0.6,
    further: Sequence[Question] = (),
) -> list[TellTale]:
    """The questions that tell two databases apart which look alike, by more than is told on purpose: of so many queries
    with some of the roots, of their second pages, and of further ones.
    """
    made = await _made(engine, random, twin, queries, roots=roots, depth=depth, bent=bent)
    asked = [*(Question(query.text, query.variables) for query in made), *further]
    who = twin.view.principal
    async with over(engine, twin.view.tables):
        one = [await outcome(engine, who, question) for question in asked]
        following = [_next_page(random, query, found) for query, found in zip(made, one, strict=False)]
        pages = [Question(q.text, given) for q, given in zip(made, following, strict=True) if given is not None]
        one += [await outcome(engine, who, page) for page in pages]
    asked += pages
    async with over(engine, twin.tables):
        other = [await outcome(engine, who, question) for question in asked]
    return await not_on_purpose(engine, twin, asked, one, other)


async def telling(engine: Engine, twin: Twin, asked: Sequence[Question]) -> list[TellTale]:
    """Those of some questions that tell two databases apart, by more than is told on purpose."""
    answers = []
    for tables in (twin.view.tables, twin.tables):
        async with over(engine, tables):
            answers.append([await outcome(engine, twin.view.principal, question) for question in asked])
    return await not_on_purpose(engine, twin, asked, *answers)


async def not_on_purpose(
    engine: Engine, twin: Twin, asked: Sequence[Question], one: Sequence[Answer], other: Sequence[Answer]
) -> list[TellTale]:
    """The questions whose answers differ though they give away the same on purpose."""
    told = [TellTale(q, a, b) for q, a, b in zip(asked, one, other, strict=True) if a != b]
    told = [each for each in told if not await told_on_purpose(engine, twin, each.question)]
    return [
        each
        for each in told
        if each.question.exit is not Exit.MUTATION or not await gained(engine, twin, each.question)
    ]


async def _made(
    engine: Engine,
    random: Random,
    twin: Twin,
    queries: int,
    *,
    roots: Callable[[str], object],
    depth: int,
    bent: float,
) -> list[Generated]:
    access = twin.view.principal.access
    schema = await engine.operations.schema(access)
    names = schema.query_type.fields if schema.query_type else {}
    without = frozenset(name for name in names if not roots(name))
    if without | LEFT_OUT >= names.keys():
        return []
    made = []
    for _ in range(queries):
        tables = random.choice((twin.view.tables, twin.tables))
        draft = Draft(random, schema, engine.catalog, access, tables, engine.limits, about=twin.about(), bent=bent)
        made.append(OperationMaker(draft, max_depth=depth, without=without).make())
    return made


def _next_page(random: Random, query: Generated, found: Answer) -> Variables | None:
    """The variables of a second page, with cursors of the first answer."""
    data, cost = found
    return query.continued(random, orjson.loads(data)) if query.places and cost >= 0 else None
