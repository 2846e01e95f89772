"""The default policy becomes rows once; rows become a policy; a change of rights raises the version."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from structlog.testing import capture_logs

from crm_graph.access import Level
from crm_graph.catalog import build_catalog
from crm_graph.db import ReadPool
from crm_graph.models.fields import DataClass
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import Policy
from crm_graph.permissions.store import effective_access, load_policy, raise_policy_version, sync_default_policy
from crm_graph.permissions.validation import warn_of_unreadable

CATALOG = build_catalog()


@pytest.fixture
async def session(clean: None, engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine) as opened:
        await opened.execute(text("DELETE FROM user_roles"))
        await opened.execute(text("DELETE FROM roles"))
        await opened.commit()
        yield opened


async def _loaded(pool: ReadPool) -> Policy:
    async with pool.acquire() as connection:
        return await load_policy(connection)


async def test_default_roles_come_back_from_rows_as_they_stand_in_the_table(
    session: AsyncSession, pool: ReadPool
) -> None:
    assert await sync_default_policy(session) == list(DEFAULT_ROLES)
    await session.commit()

    policy = await _loaded(pool)

    assert dict(policy.roles) == dict(DEFAULT_ROLES)
    for role in DEFAULT_ROLES:
        from_table = effective_access(Policy(0, DEFAULT_ROLES), CATALOG, {role})
        assert effective_access(policy, CATALOG, {role}).fingerprint == from_table.fingerprint


async def test_second_sync_changes_nothing_and_keeps_what_an_admin_edited(
    session: AsyncSession, pool: ReadPool
) -> None:
    await sync_default_policy(session)
    await session.execute(text("UPDATE roles SET name_en = 'Reps', actions = '[]' WHERE key = 'sales'"))
    await session.execute(
        text("DELETE FROM grants USING roles r WHERE r.id = role_id AND r.key = 'sales' AND entity_type = 'lead'")
    )
    await session.commit()
    before = await _loaded(pool)

    assert await sync_default_policy(session) == []
    await session.commit()

    after = await _loaded(pool)
    assert after.version == before.version
    assert (after.roles["sales"].name_en, after.roles["sales"].actions) == ("Reps", frozenset())
    assert effective_access(after, CATALOG, {"sales"}).grants("lead") == ()


async def test_database_of_an_earlier_release_gets_the_roles_that_are_new_and_keeps_its_own(
    session: AsyncSession, pool: ReadPool
) -> None:
    await sync_default_policy(session)
    new = ["sales_manager", "marketing", "auditor", "commerce", "call_centre"]
    await session.execute(text("DELETE FROM roles WHERE key = ANY(:keys)"), {"keys": new})
    await session.execute(text("UPDATE roles SET actions = '[\"leads:create\"]' WHERE key = 'sales'"))
    await session.execute(text("UPDATE roles SET builtin = false, name_en = 'Ours' WHERE key = 'analyst'"))
    await session.execute(text("DELETE FROM grants g USING roles r WHERE r.id = g.role_id AND r.key = 'analyst'"))
    await session.commit()
    before = await _loaded(pool)

    assert await sync_default_policy(session) == new
    await session.commit()

    after = await _loaded(pool)
    assert after.version == before.version + 1
    assert {key: after.roles[key] for key in new} == {key: DEFAULT_ROLES[key] for key in new}
    assert {key: role for key, role in after.roles.items() if key not in new} == dict(before.roles)
    assert (after.roles["analyst"].name_en, dict(after.roles["analyst"].grants)) == ("Ours", {})
    assert effective_access(after, CATALOG, {"sales_manager"}).actions == {"leads:create", "leads:assign"}


async def test_inheritance_in_a_circle_among_the_rows_is_told_and_ends(session: AsyncSession, pool: ReadPool) -> None:
    await sync_default_policy(session)
    await session.execute(text("UPDATE roles SET inherits = '[\"sales_manager\", \"gone\"]' WHERE key = 'sales'"))
    await session.commit()
    policy = await _loaded(pool)

    with capture_logs() as logs:
        warn_of_unreadable(policy, CATALOG)

    assert [(entry["event"], entry["path"]) for entry in logs] == [
        ("role_not_inherited", ["sales", "inherits", "sales_manager"]),
        ("role_not_inherited", ["sales", "inherits", "gone"]),
        ("role_not_inherited", ["sales_manager", "inherits", "sales"]),
    ]
    assert effective_access(policy, CATALOG, {"sales"}).may("leads:assign")


async def test_deleted_role_is_created_again_and_raises_the_version(session: AsyncSession, pool: ReadPool) -> None:
    await sync_default_policy(session)
    await session.execute(text("DELETE FROM roles WHERE key = 'erp'"))
    await session.commit()
    before = await _loaded(pool)

    assert await sync_default_policy(session) == ["erp"]
    await session.commit()

    after = await _loaded(pool)
    assert after.version == before.version + 1
    assert after.roles["erp"] == DEFAULT_ROLES["erp"]


async def test_replicas_that_start_together_write_each_role_once(
    session: AsyncSession, engine: AsyncEngine, pool: ReadPool
) -> None:
    async def start() -> list[str]:
        async with AsyncSession(engine) as own:
            written = await sync_default_policy(own)
            await own.commit()
            return written

    written = await asyncio.gather(start(), start(), start())

    assert sorted(map(len, written)) == [0, 0, len(DEFAULT_ROLES)]
    assert dict((await _loaded(pool)).roles) == dict(DEFAULT_ROLES)


async def test_new_version_is_told_at_commit(session: AsyncSession, pool: ReadPool, database_url: str) -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    listener = await asyncpg.connect(database_url)
    await listener.add_listener("crm_policy", lambda *args: told.put_nowait(str(args[3])))

    version = await raise_policy_version(session)
    assert told.empty()
    await session.commit()

    assert await asyncio.wait_for(told.get(), 1) == str(version)
    assert (await _loaded(pool)).version == version
    await listener.close()


async def test_names_of_a_newer_release_give_nothing(session: AsyncSession, pool: ReadPool) -> None:
    await sync_default_policy(session)
    await session.execute(
        text(
            'UPDATE grants SET levels = levels || \'{"HEALTH": "READ", "CONTACT": "GLIMPSE"}\''
            " FROM roles r WHERE r.id = role_id AND r.key = 'crm_manager' AND entity_type = 'customer'"
        )
    )
    await session.commit()

    (rule,) = (await _loaded(pool)).roles["crm_manager"].grants["customer"]

    assert rule.levels[DataClass.CONTACT] is Level.HIDDEN
    assert rule.levels[DataClass.BASIC] is Level.READ


async def test_database_without_a_policy_denies_everything(session: AsyncSession, pool: ReadPool) -> None:
    await session.execute(text("DELETE FROM policy_version"))
    await session.commit()

    policy = await _loaded(pool)

    assert policy.version == 0
    assert effective_access(policy, CATALOG, {"admin"}).types == {}
    await raise_policy_version(session)
    await session.commit()
