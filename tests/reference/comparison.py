"""Compares compiled answers with those of the naive reference, over one set of data after another, and counts them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import orjson

from crm_graph.access import Access
from crm_graph.errors import ValidationFailed
from crm_graph.permissions.principals import Principal
from crm_graph.proof.datasets import Dataset
from crm_graph.proof.engine import SMALL, principal_of, reading
from crm_graph.proof.moments import ZONES
from crm_graph.proof.operations.drafts import Draft
from crm_graph.proof.operations.generated import Generated
from crm_graph.proof.operations.making import OperationMaker
from crm_graph.proof.rows import Connection, Row, Tables, insert, load
from crm_graph.proof.view import View
from reference.compiled import Compiled, catalog, schema_of
from reference.cursors import difference
from reference.interpreter import Interpreter

Sees = Callable[[Tables, Principal], View]
"""The rows as somebody sees them, by the reference."""


@dataclass
class Asker:
    """Somebody who asks, and the reference's answers to them."""

    who: Principal
    reference: Interpreter


class Company:
    """One set of data, and two askers of the same roles."""

    def __init__(
        self, connection: Connection, random: Random, tables: Tables, access: Access, sees: Sees | None = None
    ) -> None:
        self.random = random
        self._tables = tables
        self._access = access
        self._sees = sees or (lambda tables, who: View(catalog(), tables, who, access))
        self._compiled = Compiled(connection, SMALL)
        self._askers = [self._asker(user) for user in random.sample(tables["users"], 2)]
        self._pool: dict[str, list[Any]] = {}

    def _asker(self, user: Row) -> Asker:
        """One of the users, in some time zone."""
        who = replace(principal_of(self._tables, user["id"], self._access), time_zone=self.random.choice(ZONES))
        return Asker(who, Interpreter(schema_of(self._access), self._sees(self._tables, who), SMALL))

    def query(self) -> Generated:
        """Some query."""
        schema = schema_of(self._access)
        return OperationMaker(Draft(self.random, schema, catalog(), self._access, self._tables, SMALL)).make()

    async def compare(self, made: Generated, most: int) -> int:
        """Compare at most so many answers to a query, and say how many."""
        first, second = self._askers
        answer = await self._same(first, made.text, made.variables)
        following, other = made.continued(self.random, answer), made.varied(self.random, self._pool)
        more = [
            *([(first, following)] if following else []),
            *([(first, other)] if other != made.variables else []),
            (second, made.variables),
        ][: most - 1]
        compared = 1
        for asker, variables in more:
            try:
                await self._same(asker, made.text, variables)
            except ValidationFailed as refused:
                # A value of another variable may ask exactly for what is looked up, which not every place allows.
                if "lookup_where" not in str(refused):
                    raise
            else:
                compared += 1
        return compared

    async def _same(self, asker: Asker, text: str, variables: Mapping[str, Any]) -> object:
        answer: object = orjson.loads(await self._compiled.run(asker.who, text, variables))
        found = difference(answer, asker.reference.answer(text, variables))
        assert found is None, f"{found}\n{text}\n{dict(variables)}\n{asker.who}"
        return answer


@dataclass
class Comparison:
    """Fails with how two answers differ, and the query. `compared` counts answers, `documents` queries."""

    connection: Connection
    compared: int = 0
    documents: int = 0

    async def run(self, seed: int, access: Access, answers: int, sees: Sees | None = None) -> None:
        """Build data and compare exactly so many answers."""
        random, until = Random(seed), self.compared + answers
        async with reading(self.connection):
            await insert(self.connection, Dataset(random, catalog(), 4).build())
            company = Company(self.connection, random, await load(self.connection), access, sees)
            while self.compared < until:
                self.compared += await company.compare(company.query(), until - self.compared)
                self.documents += 1
