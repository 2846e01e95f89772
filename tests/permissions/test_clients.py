"""Clients: registered with known scopes, secrets shown once, kept as hashes, two live during a change-over."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
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
    drop_oldest_secret,
    load_client,
    register_client,
)
from crm_graph.permissions.tokens import FIRST_PARTY

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
CATALOG = build_catalog()
IDS = IdSource()


@pytest.fixture
async def session(clean: None, engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine) as opened:
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


async def known(pool: ReadPool, client_id: str = "shop") -> RegisteredClient:
    async with pool.acquire() as connection:
        return await load_client(connection, client_id)


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
    second = await add_secret(session, "shop", now=NOW)
    await session.commit()
    both = await known(pool)

    await drop_oldest_secret(session, "shop")
    await session.commit()
    one = await known(pool)

    assert (both.check_client_secret(first), both.check_client_secret(second)) == (True, True)
    assert (one.check_client_secret(first), one.check_client_secret(second)) == (False, True)


async def test_third_secret_and_dropping_the_last_are_refused(session: AsyncSession, account: UUID) -> None:
    await registered(session, account)
    with pytest.raises(LimitReached):
        await drop_oldest_secret(session, "shop")
    await add_secret(session, "shop", now=NOW)
    with pytest.raises(LimitReached):
        await add_secret(session, "shop", now=NOW)


async def test_unknown_client_has_no_secret_to_add(session: AsyncSession) -> None:
    with pytest.raises(NotFound):
        await add_secret(session, "nobody", now=NOW)


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
