"""The law for changes: on twins that commit apart, the same mutations and imports are answered alike."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.access import Access
from crm_graph.catalog import EntityType
from crm_graph.errors import CrmError
from crm_graph.messages import render
from crm_graph.models import Base
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import Policy, RoleRule
from crm_graph.proof.datasets import SOURCE, Dataset
from crm_graph.proof.declassified import gained, told_on_purpose
from crm_graph.proof.engine import SMALL, mutated, principal_of, reading
from crm_graph.proof.exits import SEQUENCES, Exit, Question, imported
from crm_graph.proof.holders import hold
from crm_graph.proof.operations.changes import VERBS, Changes, Document, tell_source
from crm_graph.proof.rows import NOON, Connection, Tables, id_source, insert, load
from crm_graph.proof.twins import Twin
from crm_graph.proof.view import View
from crm_graph.resolvers.operations import Operations
from crm_graph.resolvers.write import Begin
from crm_graph.services.nouns import NOUNS
from crm_graph.transaction import begin
from reference.compiled import Compiled, access_of, catalog, schema_of

ENOUGH = 10
"""So many changes are enough for twins to differ."""
KEPT = ("policy_version", "log_epochs")
EMPTY = "TRUNCATE " + ", ".join(t for t in Base.metadata.tables if t not in KEPT)
"""Leaves nothing but what a migrated database begins with, without which nothing is written."""


@cache
def agent_access() -> Access:
    """Somebody who sells and may send all that they sell to in bulk: most rows do not exist for them."""
    actions = frozenset(f"{catalog()[name].plural}:upsert" for name in NOUNS)
    agent = RoleRule("agent", "Agent", "代理商", "", {}, actions, inherits=("sales",))
    return access_of({**DEFAULT_ROLES, agent.key: agent}, [agent.key])


@dataclass(frozen=True)
class Bench:
    """Where twins are tried: reads on one connection, what commits in a database of its own."""

    connection: Connection
    twin_connection: Connection
    twin_engine: AsyncEngine


async def grown(
    bench: Bench,
    random: Random,
    access: Access,
    attempts: int,
    *,
    columns: Collection[tuple[str, str]] | None = None,
    tables: Collection[str] | None = None,
    policy: Policy | None = None,
) -> Twin:
    """A database and a twin that whoever writes refs of SOURCE does not tell from it, and holds roles of a policy."""
    async with reading(bench.connection):
        made = Dataset(random, catalog(), 4).build()
        tell_source(random, made, catalog())
        await insert(bench.connection, made)
        rows = await load(bench.connection)
    who = replace(principal_of(rows, random.choice(rows["users"])["id"], access), source=SOURCE)
    if policy is not None:
        hold(rows, policy, access.roles, who.user_id)
    view = View(catalog(), rows, who, access)
    return Twin(random, catalog(), view, columns, tables=tables, sources=[SOURCE]).grow(attempts, ENOUGH)


async def answers(bench: Bench, twin: Twin, documents: Sequence[Document]) -> list[list[bytes]]:
    """What each database answers to the same mutations, one after another."""
    found = []
    operations = Operations(catalog(), schema_of, SMALL, max_tokens=2_000)
    for rows in (twin.view.tables, twin.tables):
        await _fill(bench, rows)
        who, writing = twin.view.principal, _writing(bench, twin)
        found.append([await mutated(operations, writing, who, *document) for document in documents])
    return found


def _writing(bench: Bench, twin: Twin) -> Begin:
    ids = id_source(7)
    who = twin.view.principal
    return lambda: begin(bench.twin_engine, who, catalog(), lambda: NOON, ids, source=SOURCE, request_id="r")


async def _fill(bench: Bench, rows: Tables) -> None:
    """Let the database hold these rows and nothing else, and count its records from one."""
    await bench.twin_connection.execute(EMPTY)
    for sequence in SEQUENCES:
        await bench.twin_connection.execute("SELECT setval($1::regclass, 1)", sequence)
    await insert(bench.twin_connection, rows)


async def told_by_mutations(
    bench: Bench, random: Random, twin: Twin, changes: int, verbs: Sequence[str] = VERBS
) -> list[Document]:
    """The mutations, of so many with some of the verbs, that tell two databases apart which look alike. What is told on
    purpose ends it: databases that differ so are not alike any more.
    """
    maker = Changes(random, twin, schema_of(twin.view.principal.access), verbs)
    documents = [made for _ in range(changes) if (made := maker.make())]
    one, other = await answers(bench, twin, documents)
    engine, told = Compiled(bench.connection, SMALL), list[Document]()
    asked = [Question(*document, Exit.MUTATION) for document in documents]
    for place, (document, a, b) in enumerate(zip(documents, one, other, strict=True)):
        if await told_on_purpose(engine, twin, asked[place]):
            break
        if a != b:
            told.append(document)
    changed = asked[: documents.index(told[0]) + 1] if told else []
    return [] if any([await gained(engine, twin, each) for each in changed]) else told


async def told_by_imports(bench: Bench, random: Random, twin: Twin, rows: int) -> list[str]:
    """The types of records whose imported file tells two databases apart which look alike: by its report, by the rows
    that are given back, or by how it is refused.
    """
    maker, told = Changes(random, twin, schema_of(twin.view.principal.access)), []
    for entity in (catalog()[name] for name in NOUNS):
        if twin.view.principal.access.may(f"{entity.plural}:upsert"):
            file = maker.file(entity, rows)
            one, other = [
                await _imported(bench, twin, entity, file, tables) for tables in (twin.view.tables, twin.tables)
            ]
            if one != other:
                told.append(entity.name)
    return told


async def _imported(bench: Bench, twin: Twin, entity: EntityType, file: str, tables: Tables) -> Any:
    await _fill(bench, tables)
    try:
        return await imported(_writing(bench, twin), entity, twin.view.principal.access, file)
    except CrmError as error:
        return [error.code, render(error, "en"), error.path]
