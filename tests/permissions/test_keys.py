"""Signing keys: one signs, retired ones verify until their last token has ended, and no private part leaves."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from crm_graph.db import ReadPool
from crm_graph.maintenance import list_keys
from crm_graph.maintenance import rotate_keys as rotate
from crm_graph.permissions.keys import (
    JWKS_MAX_AGE_S,
    PUBLISHED_BEFORE,
    RETIREMENT_MARGIN,
    KeyRing,
    NoSuchKey,
    drop_keys,
    ensure_signing_key,
    load_keys,
    rotate_keys,
)
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


async def ring(pool: ReadPool, now: datetime = NOW, lifetime_s: int = LIFETIME_S) -> KeyRing:
    async with pool.acquire() as connection:
        return await load_keys(connection, now=now, token_lifetime_s=lifetime_s)


async def rotated(session: AsyncSession, now: datetime, lifetime_s: int = LIFETIME_S) -> str:
    """A key that signs from a moment on."""
    at_once = timedelta()
    key = await rotate_keys(session, now=now, token_lifetime_s=lifetime_s, published_before=at_once)
    await session.commit()
    return key.kid


async def dropped(session: AsyncSession, *kids: str, now: datetime) -> list[str]:
    gone = await drop_keys(session, kids or None, now=now)
    await session.commit()
    return sorted(gone)


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


async def test_new_key_is_published_before_it_signs_for_longer_than_the_jwks_may_be_kept(
    session: AsyncSession, pool: ReadPool
) -> None:
    """Whoever keeps the JWKS for as long as it says has each key before any token that it signed."""
    old = await rotated(session, NOW)
    rotation = NOW + timedelta(days=1)
    held, held_since = (await ring(pool, rotation)).public(), rotation - timedelta(seconds=1)
    key = await rotate_keys(session, now=rotation, token_lifetime_s=LIFETIME_S)
    await session.commit()

    moment, signed = rotation, []
    while moment < rotation + timedelta(hours=2):
        now = (await ring(pool, rotation)).at(moment)
        if moment - held_since >= timedelta(seconds=JWKS_MAX_AGE_S):
            held, held_since = now.public(), moment
        kids = {each["kid"] for each in held["keys"]}
        signed.append((moment, now.signing_kid))
        out = {kid for at, kid in signed if at + timedelta(seconds=LIFETIME_S) > moment}
        assert out <= kids
        moment += timedelta(seconds=100)

    assert key.signs_from == rotation + PUBLISHED_BEFORE
    assert {kid for at, kid in signed if at < key.signs_from} == {old}
    assert {kid for at, kid in signed if at >= key.signs_from} == {key.kid}


async def test_while_a_new_key_waits_for_its_turn_there_is_no_other(session: AsyncSession, pool: ReadPool) -> None:
    await rotated(session, NOW)
    rotation = NOW + timedelta(days=1)
    key = await rotate_keys(session, now=rotation, token_lifetime_s=LIFETIME_S)
    again = await rotate_keys(session, now=rotation + timedelta(minutes=1), token_lifetime_s=LIFETIME_S)
    await session.commit()

    assert again == key
    assert len((await ring(pool, rotation)).verifying) == 2


async def test_ring_ends_keys_with_time_though_nothing_is_loaded_again(session: AsyncSession, pool: ReadPool) -> None:
    old = await rotated(session, NOW)
    new = await rotated(session, NOW)
    loaded = await ring(pool)
    ended = NOW + timedelta(seconds=LIFETIME_S) + RETIREMENT_MARGIN

    assert set(loaded.at(ended - timedelta(seconds=1)).verifying) == {old, new}
    after = loaded.at(ended)
    assert [key["kid"] for key in after.public()["keys"]] == [new]
    assert (len(loaded.secrets), len(after.secrets)) == (2, 1)
    # A clock that is set back finds what was there.
    assert set(after.at(NOW).verifying) == {old, new}


@pytest.mark.parametrize("shorter", [60, LIFETIME_S])
async def test_key_holds_as_long_as_the_longest_token_that_a_process_signed(
    session: AsyncSession, pool: ReadPool, shorter: int
) -> None:
    """Lowering the lifetime, or rotating by a command that has a shorter one, drops no token that is out."""
    day_s = 24 * 3600
    old = await rotated(session, NOW, shorter)
    await ring(pool, NOW, day_s)
    rotation = NOW + timedelta(minutes=1)
    new = await rotated(session, rotation, shorter)
    last = rotation + timedelta(seconds=day_s - 1)

    assert set((await ring(pool, last, shorter)).verifying) == {old, new}
    assert set((await ring(pool, last + RETIREMENT_MARGIN + timedelta(seconds=1), shorter)).verifying) == {new}
    # The next key holds as long as tokens do by now.
    await rotated(session, rotation + timedelta(days=2), shorter)
    after = rotation + timedelta(days=2, seconds=shorter) + RETIREMENT_MARGIN
    assert new not in (await ring(pool, after, shorter)).verifying


async def test_longer_tokens_of_a_key_that_is_about_to_retire_are_told_to_all(
    session: AsyncSession, pool: ReadPool
) -> None:
    old = await rotated(session, NOW)
    await rotate_keys(session, now=NOW, token_lifetime_s=LIFETIME_S)
    await session.commit()
    version = await session.scalar(text("SELECT version FROM policy_version"))

    await ring(pool, NOW, 2 * LIFETIME_S)

    await session.rollback()
    assert await session.scalar(text("SELECT version FROM policy_version")) == version + 1
    last = NOW + PUBLISHED_BEFORE + timedelta(seconds=2 * LIFETIME_S - 1)
    assert old in (await ring(pool, last)).verifying


async def test_dropped_key_verifies_nothing_and_the_next_one_signs_at_once(
    session: AsyncSession, pool: ReadPool
) -> None:
    retired = await rotated(session, NOW)
    leaked = await rotated(session, NOW)
    prepared = (await rotate_keys(session, now=NOW, token_lifetime_s=LIFETIME_S)).kid

    assert await dropped(session, leaked, now=NOW) == [leaked]

    keys = await ring(pool)
    assert (keys.signing_kid, set(keys.verifying), keys.dropped) == (prepared, {prepared, retired}, frozenset({leaked}))
    assert await session.scalar(text("SELECT jwk::text FROM signing_keys WHERE kid = :kid"), {"kid": leaked}) == "{}"


async def test_key_that_was_to_follow_is_dropped_and_the_present_one_goes_on(
    session: AsyncSession, pool: ReadPool
) -> None:
    present = await rotated(session, NOW)
    leaked = (await rotate_keys(session, now=NOW, token_lifetime_s=LIFETIME_S)).kid

    await dropped(session, leaked, now=NOW)

    later = (await ring(pool)).at(NOW + timedelta(days=9))
    assert (later.signing_kid, set(later.verifying)) == (present, {present})


async def test_all_keys_are_dropped_and_a_new_one_signs(session: AsyncSession, pool: ReadPool) -> None:
    before = {await rotated(session, NOW), await rotated(session, NOW)}

    assert set(await dropped(session, now=NOW)) == before

    keys = await ring(pool)
    assert [keys.signing_kid] == list(keys.verifying)
    assert keys.dropped == before
    with pytest.raises(NoSuchKey):
        await drop_keys(session, [*before], now=NOW)


async def test_command_rotates_and_drops_no_token(
    session: AsyncSession, pool: ReadPool, database_url: str, settings: Settings
) -> None:
    old = await rotated(session, utc_now())

    new = await rotate(database_url, settings)

    keys = await ring(pool, utc_now())
    assert (keys.signing_kid, set(keys.verifying)) == (old, {old, new.kid})
    assert keys.at(new.signs_from).signing_kid == new.kid
    told = await list_keys(database_url, settings)
    assert [(key["kid"], key["retiredAt"]) for key in told] == [(new.kid, None), (old, new.signs_from)]
    assert "jwk" not in told[0]
