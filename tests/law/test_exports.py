"""The law for exports: databases that look alike to an asker give the same file, byte by byte, in each format."""

from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_graph.access import Access
from crm_graph.errors import CrmError
from crm_graph.models.exports import ExportFormat
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import EVERYONE
from crm_graph.resolvers.exports.encoders import encoder_for
from reference.compiled import SMALL, Compiled, access_of, catalog, default_access, principal_of, reading, schema_of
from reference.datasets import Dataset
from reference.operations.drafts import Draft
from reference.operations.generated import Generated
from reference.operations.making import OperationMaker
from reference.policies import PolicyMaker
from reference.rows import Connection, insert, load
from reference.settings import tried
from reference.twins import Twin
from reference.view import View

LISTS = 6
ROLES = sorted(set(DEFAULT_ROLES) - {EVERYONE})


async def files(connection: Connection, rows: Twin, lists: list[Generated], *, twin: bool) -> list[list[bytes]]:
    """Each list in each format, or how it is refused."""
    async with reading(connection):
        await insert(connection, rows.tables if twin else rows.view.tables)
        return [await formats(Compiled(connection, SMALL), rows, made) for made in lists]


async def formats(compiled: Compiled, rows: Twin, made: Generated) -> list[bytes]:
    try:
        prepared, found = await compiled.export(rows.view.principal, made.text, made.variables)
    except CrmError as error:
        return [repr((error.code, error.template_key, error.path)).encode()]
    written = []
    for format_ in ExportFormat:
        encoder = encoder_for(format_, prepared.columns, ZoneInfo("Asia/Shanghai"), byte_order_mark=True)
        written.append(encoder.begin() + encoder.rows(found) + encoder.end())
    return written


async def telling(connection: Connection, random: Random, access: Access) -> list[str]:
    """The lists whose files tell two databases apart that look alike."""
    async with reading(connection):
        await insert(connection, Dataset(random, catalog(), 4).build())
        tables = await load(connection)
    who = principal_of(tables, random.choice(tables["users"])["id"], access)
    twin = Twin(random, catalog(), View(catalog(), tables, who, access)).grow(15)
    made = [
        OperationMaker(
            Draft(random, schema_of(access), catalog(), access, random.choice((tables, twin.tables)), SMALL)
        ).make_list()
        for _ in range(LISTS)
    ]
    one = await files(connection, twin, made, twin=False)
    other = await files(connection, twin, made, twin=True)
    return [m.text for m, a, b in zip(made, one, other, strict=True) if a != b]


@pytest.mark.parametrize("role", ROLES)
@tried(3)
@given(seed=st.integers(0, 2**32))
async def test_role_cannot_tell_twins_apart(role: str, seed: int, connection: Connection) -> None:
    assert await telling(connection, Random(seed), default_access([role])) == []


@tried(10)
@given(seed=st.integers(0, 2**32))
async def test_generated_policy_cannot_tell_twins_apart(seed: int, connection: Connection) -> None:
    random = Random(seed)
    access = access_of(PolicyMaker(random, catalog()).roles(("one", "two")), ["one", "two"])
    assert await telling(connection, random, access) == []
