"""Clients: registered with known scopes, secrets shown once, kept as hashes, two live during a change-over."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from crm_graph.catalog import build_catalog
from crm_graph.db import ReadPool
from crm_graph.errors import Duplicate, Invalid, LimitReached, NotFound
from crm_graph.models import Client, User
from crm_graph.models.ids import EntityCode, IdSource
from crm_graph.models.users import UserKind
from crm_graph.permissions.clients import (
    RegisteredClient,
    add_secret,
    find_client,
    load_client,
    register_client,
    retire_secret,
    secret_id,
)
from crm_graph.permissions.tokens import FIRST_PARTY

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
CATALOG = build_catalog()
IDS = IdSource()


@pytest.fixture
async def session(clean: None, engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine, expire_on_commit=False) as opened:
        yield opened


@pytest.fixture
async def account(session: AsyncSession) -> UUID:
    """A service account."""
    user = User(
        id=IDS.new(EntityCode.USER),
        kind=UserKind.SERVICE,
        username="shop.service",
        name="Shop",
        created_at=NOW,
        updated_at=NOW,
    )
    session.add(user)
    await session.flush()
    return user.id


async def registered(
    session: AsyncSession, account: UUID, client_id: str = "shop", scopes: tuple[str, ...] = ("customers:read",)
) -> str:
    secret = await register_client(
        session,
        CATALOG,
        client_id=client_id,
        name="Shop",
        user_id=account,
        scopes=scopes,
        source="shop",
        now=NOW,
        ids=IDS,
    )
    await session.commit()
    return secret


async def known(pool: ReadPool, client_id: str = "shop", now: datetime = NOW) -> RegisteredClient:
    async with pool.acquire() as connection:
        return await load_client(connection, client_id, now)


async def shop(session: AsyncSession) -> Client:
    return await find_client(session, "shop")


async def fitting(pool: ReadPool, secrets: Sequence[str], now: datetime = NOW) -> list[bool]:
    client = await known(pool, now=now)
    return [client.check_client_secret(secret) for secret in secrets]


async def test_secret_is_checked_against_a_hash_and_kept_nowhere(
    session: AsyncSession, account: UUID, pool: ReadPool
) -> None:
    secret = await registered(session, account)

    client = await known(pool)
    stored = await session.scalar(select(Client.secrets).where(Client.client_id == "shop"))

    assert (client.user_id, client.scopes) == (account, frozenset({"customers:read"}))
    assert client.check_client_secret(secret)
    assert not client.check_client_secret(secret[:-1])
    assert not client.check_client_secret("")
    assert secret not in str(stored)
    assert len(secret) == 43


async def test_two_secrets_live_during_a_change_over(session: AsyncSession, account: UUID, pool: ReadPool) -> None:
    first = await registered(session, account)
    second = add_secret(await shop(session), now=NOW)
    await session.commit()
    both = await fitting(pool, [first, second])

    retire_secret(await shop(session), None, now=NOW)
    await session.commit()

    assert (both, await fitting(pool, [first, second])) == ([True, True], [False, True])


async def test_old_secret_ends_by_itself(session: AsyncSession, account: UUID, pool: ReadPool) -> None:
    first = await registered(session, account)
    end = NOW + timedelta(hours=1)
    second = add_secret(await shop(session), now=NOW, old_ends_at=end)
    await session.commit()

    assert await fitting(pool, [first, second], end - timedelta(seconds=1)) == [True, True]
    assert await fitting(pool, [first, second], end) == [False, True]
    third = add_secret(await shop(session), now=end)
    await session.commit()
    assert await fitting(pool, [first, second, third], end) == [False, True, True]


async def test_rotation_in_a_hurry_ends_the_old_secret_at_once(
    session: AsyncSession, account: UUID, pool: ReadPool
) -> None:
    first = await registered(session, account)
    second = add_secret(await shop(session), now=NOW, old_ends_at=NOW)
    third = add_secret(await shop(session), now=NOW, old_ends_at=NOW - timedelta(days=1))
    await session.commit()

    assert await fitting(pool, [first, second, third]) == [False, False, True]


async def test_newer_secret_may_go_as_well(session: AsyncSession, account: UUID, pool: ReadPool) -> None:
    first = await registered(session, account)
    client = await shop(session)
    second = add_secret(client, now=NOW)
    newer = secret_id(client.secrets[-1])

    assert retire_secret(client, newer, now=NOW) == newer
    await session.commit()
    assert await fitting(pool, [first, second]) == [True, False]
    with pytest.raises(NotFound) as unknown:
        retire_secret(client, newer, now=NOW)
    assert unknown.value.path == ("secretId",)


async def test_end_is_never_put_off(session: AsyncSession, account: UUID, pool: ReadPool) -> None:
    first = await registered(session, account)
    client = await shop(session)
    add_secret(client, now=NOW, old_ends_at=NOW + timedelta(hours=1))
    retire_secret(client, None, now=NOW, ends_at=NOW + timedelta(days=1))
    await session.commit()

    assert await fitting(pool, [first], NOW + timedelta(hours=1)) == [False]


async def test_third_secret_and_retiring_the_last_are_refused(session: AsyncSession, account: UUID) -> None:
    await registered(session, account)
    client = await shop(session)
    with pytest.raises(LimitReached):
        retire_secret(client, None, now=NOW)
    with pytest.raises(LimitReached):
        retire_secret(client, None, now=NOW, ends_at=NOW + timedelta(days=1))
    add_secret(client, now=NOW)
    with pytest.raises(LimitReached):
        add_secret(client, now=NOW)
    with pytest.raises(LimitReached):
        add_secret(client, now=NOW, old_ends_at=NOW + timedelta(seconds=1))


async def test_secret_that_stays_is_not_retired_beside_one_that_ends(session: AsyncSession, account: UUID) -> None:
    await registered(session, account)
    client = await shop(session)
    add_secret(client, now=NOW, old_ends_at=NOW + timedelta(hours=1))

    with pytest.raises(LimitReached):
        retire_secret(client, secret_id(client.secrets[-1]), now=NOW)


async def test_unknown_client_is_not_found(session: AsyncSession) -> None:
    with pytest.raises(NotFound):
        await find_client(session, "nobody")


@pytest.mark.parametrize("client_id", ["Shop", "a:b", "", "ab", "x" * 65, FIRST_PARTY])
async def test_registration_refuses_an_id_that_cannot_be(session: AsyncSession, account: UUID, client_id: str) -> None:
    with pytest.raises(Invalid) as refused:
        await registered(session, account, client_id)

    assert refused.value.path == ("clientId",)


async def test_registration_refuses_an_id_that_is_taken(session: AsyncSession, account: UUID) -> None:
    await registered(session, account)
    with pytest.raises(Duplicate):
        await registered(session, account)


async def test_registration_refuses_a_scope_that_does_not_exist(session: AsyncSession, account: UUID) -> None:
    with pytest.raises(Invalid) as refused:
        await registered(session, account, scopes=("customers:read", "customers:own"))

    assert (refused.value.path, refused.value.details["scopes"]) == (("scopes",), ["customers:own"])


@pytest.mark.parametrize("client_id", ["nobody", "", "sh\0op", "x" * 1000, "é"])
async def test_client_that_does_not_exist_fails_like_a_wrong_secret(pool: ReadPool, client_id: str) -> None:
    client = await known(pool, client_id)

    assert client.user_id is None
    assert not client.check_client_secret("")
    assert not client.check_client_secret("anything")
