"""The law for mutations: on twins that commit apart, the same changes are answered alike, refused or not."""

from random import Random
from typing import Any

import orjson
import pytest
from graphql import ExecutionResult
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.access import Access
from crm_graph.catalog import Kind, writable
from crm_graph.models import Base
from crm_graph.resolvers.documents import read_document
from crm_graph.resolvers.operations import Operations
from crm_graph.resolvers.write import MutationContext, run_mutation
from crm_graph.transaction import begin
from reference.compiled import SMALL, catalog, default_access, principal_of, reading, schema_of
from reference.datasets import Dataset
from reference.rows import NOON, Connection, Tables, id_source, insert, load
from reference.settings import tried
from reference.twins import Twin
from reference.view import View

CHANGES = 12
ENTITIES = ("customer", "interaction", "lead", "opportunity", "ticket", "contract")
WRITERS = ("sales", "sales_manager", "service", "finance", "crm_manager", "erp", "commerce", "call_centre")
EMPTY = "TRUNCATE " + ", ".join(t for t in Base.metadata.tables if t != "policy_version")
_ERRORS = "errors { code message path details }"


class Changes:
    """Makes mutations that a role has, on rows that it may or may not see."""

    def __init__(self, random: Random, access: Access, tables: Tables) -> None:
        self._random = random
        self._access = access
        self._tables = tables

    def make(self) -> tuple[str, dict[str, Any]]:
        """A document and its variables."""
        verbs = [
            (e, verb)
            for e in map(catalog().__getitem__, ENTITIES)
            for verb in ("update", "archive", "restore", "transition")
            if self._access.may(f"{e.plural}:{verb}")
        ]
        entity, verb = self._random.choice(verbs)
        variables: dict[str, Any] = {"id": self._id(entity.table, entity.code)}
        payload = f"{{ {entity.name} {{ id version updatedAt maskedFields }} {_ERRORS} }}"
        name = f"{verb}{entity.api_name}"
        if verb == "update":
            variables |= {"input": self._input(entity.name), "version": self._random.choice((None, 0, 1, 5, 100))}
            head = f"mutation($id: ID!, $version: Int, $input: Update{entity.api_name}Input!)"
            return f"{head} {{ {name}(id: $id, expectedVersion: $version, input: $input) {payload} }}", variables
        if verb == "transition":
            variables["to"] = self._random.choice([s["key"] for s in self._tables["stages"]])
            return f"mutation($id: ID!, $to: String!) {{ {name}(id: $id, to: $to) {payload} }}", variables
        return f"mutation($id: ID!) {{ {name}(id: $id) {payload} }}", variables

    def _id(self, table: str, code: int) -> str:
        rows = self._tables[table]
        if rows and self._random.random() < 0.9:
            return str(self._random.choice(list(rows))["id"])
        return f"019aaaaa-0000-7000-{0x80 | code:02x}00-000000000000"

    def _input(self, name: str) -> dict[str, Any]:
        entity = catalog()[name]
        fields = [
            f
            for f in writable(entity, creating=False)
            if f.kind in (Kind.TEXT, Kind.INT, Kind.BOOLEAN) and self._access.may_write(name, f.name)
        ]
        choices = {Kind.TEXT: ("a", "上海", None), Kind.INT: (1, 5, None), Kind.BOOLEAN: (True, False)}
        picked = self._random.sample(fields, min(len(fields), self._random.randint(1, 2)))
        return {f.api_name: self._random.choice(choices[f.kind]) for f in picked}


@pytest.mark.parametrize("role", WRITERS)
@tried(3)
@given(seed=st.integers(0, 2**32))
async def test_mutations_on_twins_are_answered_alike(
    role: str, seed: int, connection: Connection, twin_connection: Connection, twin_engine: AsyncEngine
) -> None:
    random, access = Random(seed), default_access([role])
    async with reading(connection):
        await insert(connection, Dataset(random, catalog(), 4).build())
        tables = await load(connection)
    who = principal_of(tables, random.choice(tables["users"])["id"], access)
    twin = Twin(random, catalog(), View(catalog(), tables, who, access)).grow(15)
    changes = Changes(random, access, tables)
    documents = [changes.make() for _ in range(CHANGES)]

    answers = []
    for rows in (tables, twin.tables):
        await twin_connection.execute(EMPTY)
        await insert(twin_connection, rows)
        answers.append([await _run(twin_engine, twin, text, variables) for text, variables in documents])

    for document, one, other in zip(documents, *answers, strict=True):
        assert one == other, document


async def _run(engine: AsyncEngine, twin: Twin, text: str, variables: dict[str, Any]) -> bytes:
    who = twin.view.principal
    document = read_document(text, schema_of(who.access), max_tokens=1_000)
    ids = id_source(7)
    context = MutationContext(
        operations=Operations(catalog(), schema_of, SMALL, max_tokens=1_000),
        begin=lambda: begin(engine, who, catalog(), lambda: NOON, ids, source="api", request_id="r"),
        locale="en",
        document=document,
        operation=document.operation(None),
        variables=variables,
    )
    result: ExecutionResult = await run_mutation(context)
    errors = [(e.message, e.path, repr(e.original_error)) for e in result.errors or ()]
    return orjson.dumps([result.data, errors], default=str)
