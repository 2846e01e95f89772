"""A browser in front of a hub, for all tests of the console."""

from collections.abc import AsyncIterator

import pytest

from web.browsing import Desk, beside
from web.conftest import Crm


@pytest.fixture(scope="package")
async def _desk(ruled: Crm) -> AsyncIterator[Desk]:
    async with beside(ruled) as made:
        yield made


@pytest.fixture
async def at(_desk: Desk) -> AsyncIterator[Desk]:
    """Each test ends without a complaint of the browser, so that its content security policy holds, and asks no other
    host.
    """
    yield _desk
    await _desk.end()
