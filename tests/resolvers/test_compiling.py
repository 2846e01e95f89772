"""A document that nobody asked for before is compiled beside the event loop, once for all who ask for it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import pytest

from crm_graph.access import Access, TypeGrant
from crm_graph.errors import BadVariables
from crm_graph.proof.engine import principal_of
from crm_graph.proof.rows import Connection
from crm_graph.resolvers.operations import PreparedRead
from reference.company import PEOPLE, USER, company
from reference.compiled import Compiled, default_access

SALES = principal_of(company(), USER[PEOPLE["sales"][0]], default_access(["sales"]))
QUICK = "{ customers { totalCount } }"
SLOW = "query($first: Int) { customers(first: $first) { nodes { name } } }"
LONGEST_S = 10.0
"""Far above what a test takes, and what one waits that fails."""


@dataclass(frozen=True)
class HeldAccess(Access):
    """Rights that are told once they are `released`: compiling with them takes as long as a test wants."""

    asked: Event = field(default_factory=Event)
    released: Event = field(default_factory=Event)

    def grants(self, entity_type: str) -> tuple[TypeGrant, ...]:
        self.asked.set()
        assert self.released.wait(LONGEST_S)
        return super().grants(entity_type)


def held() -> HeldAccess:
    access = SALES.access
    return HeldAccess(access.roles, access.types, access.actions, access.policy_version)


async def compiling(compiled: Compiled, access: Access, variables: Mapping[str, Any]) -> PreparedRead:
    document = await compiled.operations.document(SLOW, access)
    return await compiled.operations.prepare(document, document.operation(None), variables, access)


async def asked_for(access: HeldAccess) -> None:
    """Wait until the compiler has come to the rights."""
    assert await asyncio.to_thread(access.asked.wait, LONGEST_S)


async def test_what_is_prepared_is_answered_while_something_else_compiles(connection: Connection) -> None:
    compiled, access = Compiled(connection), held()
    answer = await compiled.run(SALES, QUICK)

    slow = asyncio.create_task(compiling(compiled, access, {}))
    await asked_for(access)
    assert await compiled.run(SALES, QUICK) == answer
    assert not slow.done()
    access.released.set()

    assert "LIMIT" in (await slow).statement.text


async def test_many_who_ask_for_the_same_wait_for_one_compilation(connection: Connection) -> None:
    compiled, access = Compiled(connection), held()
    asking = [asyncio.create_task(compiling(compiled, access, {"first": n})) for n in range(5)]
    await asked_for(access)
    access.released.set()

    first, *others = await asyncio.gather(*asking)

    assert all(other is first for other in others)
    assert (compiled.operations.compiled, compiled.operations.found) == (1, 4)


async def test_values_that_do_not_fit_are_told_to_who_gave_them_alone(connection: Connection) -> None:
    compiled, access = Compiled(connection), held()
    access.released.set()
    # Read before, so that the one that asks first compiles first.
    document = await compiled.operations.document(SLOW, access)
    operation = document.operation(None)

    bad, good = await asyncio.gather(
        *(compiled.operations.prepare(document, operation, {"first": n}, access) for n in ("two", 2)),
        return_exceptions=True,
    )

    assert isinstance(bad, BadVariables)
    assert isinstance(good, PreparedRead)


async def test_a_compilation_goes_on_when_who_asked_first_is_gone(connection: Connection) -> None:
    compiled, access = Compiled(connection), held()
    gone = asyncio.create_task(compiling(compiled, access, {}))
    await asked_for(access)
    staying = asyncio.create_task(compiling(compiled, access, {}))
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    access.released.set()

    assert "LIMIT" in (await staying).statement.text
    assert compiled.operations.compiled == 1
