"""What tests of proofs run on."""

from collections.abc import AsyncIterator

import pytest

from crm_graph.db import LaneConnection
from crm_graph.proof.engine import lane_to


@pytest.fixture(scope="session")
async def connection(database_url: str) -> AsyncIterator[LaneConnection]:
    """A lane to the database of the tests, that services take too."""
    made = await lane_to(database_url, LaneConnection)
    yield made
    await made.close()
