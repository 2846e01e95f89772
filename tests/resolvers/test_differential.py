"""Generated queries give the same answer through the compiler and through the naive reference, for every role set."""

from itertools import combinations
from random import Random

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_graph.access import Access
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.rules import EVERYONE
from reference.compiled import SMALL, Compiled, access_of, catalog, default_access, principal_of, reading, schema_of
from reference.cursors import difference
from reference.datasets import Dataset
from reference.interpreter import Interpreter
from reference.operations import OperationMaker
from reference.policies import PolicyMaker
from reference.rows import Connection, insert, load
from reference.settings import tried
from reference.view import View

QUERIES_PER_DATASET = 4
ROLES = sorted(set(DEFAULT_ROLES) - {EVERYONE})


class Comparison:
    """Counts what was compared, and says how two answers differ."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def run(self, random: Random, access: Access, queries: int) -> None:
        """Build data, ask queries, and compare each answer and the pages that follow it."""
        async with reading(self._connection):
            await insert(self._connection, Dataset(random, catalog(), 4).build())
            tables = await load(self._connection)
            compiled = Compiled(self._connection, SMALL)
            who = principal_of(tables, random.choice(tables["users"])["id"], access)
            schema = schema_of(access)
            reference = Interpreter(schema, View(catalog(), tables, who, access), SMALL)
            for _ in range(queries):
                made = OperationMaker(random, schema, catalog(), access, tables, SMALL).make()
                answer = await self._compare(compiled, reference, who, made.text, dict(made.variables))
                following = made.continued(random, answer)
                if following is not None:
                    await self._compare(compiled, reference, who, made.text, dict(following))

    async def _compare(
        self, compiled: Compiled, reference: Interpreter, who: Principal, text: str, variables: dict[str, object]
    ) -> object:
        answer: object = orjson.loads(await compiled.run(who, text, variables))
        found = difference(answer, reference.answer(text, variables))
        assert found is None, f"{found}\n{text}\n{variables}\n{who.roles}"
        return answer


@pytest.mark.parametrize("role", ROLES)
@tried(8)
@given(seed=st.integers(0, 2**32))
async def test_default_role_reads_what_the_reference_reads(role: str, seed: int, connection: Connection) -> None:
    await Comparison(connection).run(Random(seed), default_access([role]), QUERIES_PER_DATASET)


@tried(24)
@given(seed=st.integers(0, 2**32), held=st.sampled_from(list(combinations(ROLES, 2))))
async def test_pair_of_default_roles_reads_what_the_reference_reads(
    seed: int, held: tuple[str, str], connection: Connection
) -> None:
    await Comparison(connection).run(Random(seed), default_access(held), QUERIES_PER_DATASET)


@tried(20)
@given(seed=st.integers(0, 2**32))
async def test_generated_policy_reads_what_the_reference_reads(seed: int, connection: Connection) -> None:
    random = Random(seed)
    roles = PolicyMaker(random, catalog()).roles(("one", "two"))
    await Comparison(connection).run(random, access_of(roles, ["one", "two"]), QUERIES_PER_DATASET)
