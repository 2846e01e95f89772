"""The law for files: databases that look alike to an asker give the same files, and the same refusals of others."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_graph.access import Access
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import EVERYONE
from crm_graph.proof.exits import Exit, outcome, over
from crm_graph.proof.further import some_downloads
from crm_graph.proof.queries import TellTale, alike, telling
from crm_graph.proof.rows import Connection
from reference.compiled import Compiled, access_of, catalog, default_access, schema_of
from reference.planting import Patch, granting
from reference.policies import Lean, PolicyMaker
from reference.settings import seeds, tried

ROLES = sorted(set(DEFAULT_ROLES) - {EVERYONE})
ATTEMPTS, ENOUGH = 40, 12
SEEDS = 40


async def told_by_downloads(connection: Connection, random: Random, access: Access) -> list[TellTale]:
    """Downloads and deletions that tell twins apart whose files differ."""
    engine = Compiled(connection)
    twin = await alike(engine, random, access, tables=("files", "collaborations"))
    twin.grow(ATTEMPTS, ENOUGH)
    return await telling(engine, twin, some_downloads(random, twin, schema_of(access)))


@pytest.mark.parametrize("role", ROLES)
@tried(2)
@given(seed=st.integers(0, 2**32))
async def test_downloads_from_twins_are_answered_alike(role: str, seed: int, connection: Connection) -> None:
    assert await told_by_downloads(connection, Random(seed), default_access([role])) == []


@tried(10)
@given(seed=st.integers(0, 2**32))
async def test_generated_policies_download_alike(seed: int, connection: Connection) -> None:
    random = Random(seed)
    access = access_of(PolicyMaker(random, catalog(), acts=True).roles(("one", "two")), ["one", "two"])
    assert await told_by_downloads(connection, random, access) == []


@tried(10)
@given(seed=st.integers(0, 2**32))
async def test_whoever_reads_all_of_a_file_downloads_it_and_nobody_else(seed: int, connection: Connection) -> None:
    """By the naive view, for every file that there is."""
    random, engine = Random(seed), Compiled(connection)
    access = access_of(PolicyMaker(random, catalog()).roles(("one", "two")), ["one", "two"])
    twin = await alike(engine, random, access, size=6)
    view = twin.view
    readable = set()
    for root, relation in catalog().holders(catalog()["file"]):
        for record in view.records(root):
            for file in view.related(record, relation):
                if all(view.level(file, name).name == "READ" for name in WHOLE):
                    readable.add(file.row["id"])
    asked = [q for q in some_downloads(random, twin, schema_of(access)) if q.exit is Exit.DOWNLOAD]
    async with over(engine, view.tables):
        given_ = {q.text: (await outcome(engine, view.principal, q))[1] == 0 for q in asked}
    assert given_ == {q.text: q.text in {str(id_) for id_ in readable} for q in asked}


WHOLE = ("name", "media_type", "size", "sha256", "download_url")


@pytest.mark.parametrize("right", ["visible", "cell"])
async def test_planted_leak_is_noticed(right: str, connection: Connection, monkeypatch: Patch) -> None:
    granting(right, "services.files")(monkeypatch)
    for seed in seeds(f"downloads by {right}", SEEDS):
        random = Random(seed)
        lean = Lean.ROWS if right == "visible" else Lean.CELLS
        access = access_of(PolicyMaker(random, catalog(), lean).roles(("one", "two")), ["one"])
        if await told_by_downloads(connection, random, access):
            return
    pytest.fail("a planted leak went unnoticed")
