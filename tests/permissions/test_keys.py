"""Signing keys: one signs, retired ones verify until their last token has ended, and no private part leaves."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from crm_graph.db import ReadPool
from crm_graph.maintenance import rotate_keys as rotate
from crm_graph.permissions.keys import RETIREMENT_MARGIN, KeyRing, ensure_signing_key, load_keys, rotate_keys
from crm_graph.permissions.store import utc_now
from crm_graph.settings import Settings

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
LIFETIME_S = 3600


@pytest.fixture
async def session(clean: None, engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine) as opened:
        await opened.execute(text("DELETE FROM signing_keys"))
        await opened.commit()
        yield opened


async def ring(pool: ReadPool, now: datetime = NOW) -> KeyRing:
    async with pool.acquire() as connection:
        return await load_keys(connection, now=now, token_lifetime_s=LIFETIME_S)


async def rotated(session: AsyncSession, now: datetime) -> str:
    kid = await rotate_keys(session, now=now, token_lifetime_s=LIFETIME_S)
    await session.commit()
    return kid


async def test_first_key_is_made_once_though_processes_start_together(
    session: AsyncSession, engine: AsyncEngine, pool: ReadPool
) -> None:
    async def start() -> None:
        async with AsyncSession(engine) as own:
            await ensure_signing_key(own, now=NOW)
            await own.commit()

    await asyncio.gather(start(), start(), start())

    keys = await ring(pool)
    assert list(keys.verifying) == [keys.signing_kid]


async def test_without_a_key_nothing_is_signed(session: AsyncSession, pool: ReadPool) -> None:
    assert await ring(pool) == KeyRing(None, "", {})


async def test_retired_key_verifies_until_its_last_token_has_ended(session: AsyncSession, pool: ReadPool) -> None:
    old = await rotated(session, NOW)
    new = await rotated(session, NOW + timedelta(days=1))
    ended = NOW + timedelta(days=1, seconds=LIFETIME_S) + RETIREMENT_MARGIN

    before, after = await ring(pool, ended - timedelta(seconds=1)), await ring(pool, ended)

    assert (before.signing_kid, set(before.verifying)) == (new, {old, new})
    assert (after.signing_kid, set(after.verifying)) == (new, {new})


async def test_rotation_deletes_keys_whose_time_is_over(session: AsyncSession) -> None:
    await rotated(session, NOW)
    second = await rotated(session, NOW + timedelta(days=1))
    third = await rotated(session, NOW + timedelta(days=2))

    kids = await session.scalars(text("SELECT kid FROM signing_keys"))
    assert set(kids) == {second, third}


async def test_public_keys_hold_no_private_part(session: AsyncSession, pool: ReadPool) -> None:
    kid = await rotated(session, NOW)

    (key,) = (await ring(pool)).public()["keys"]

    assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert (key["kid"], key["use"], key["alg"], key["crv"]) == (kid, "sig", "ES256", "P-256")


async def test_command_rotates_and_drops_no_token(
    session: AsyncSession, pool: ReadPool, database_url: str, settings: Settings
) -> None:
    old = await rotated(session, utc_now())

    new = await rotate(database_url, settings)

    keys = await ring(pool, utc_now())
    assert (keys.signing_kid, set(keys.verifying)) == (new, {old, new})
