"""The hub: what a running one is made of, opened and closed; its transactions; what every database of one holds."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from crm_graph import migrations
from crm_graph.catalog import Catalog, build_catalog
from crm_graph.custom_fields import load_custom_fields
from crm_graph.db import ReadPool, command_timeout, connect, read_connection, read_pool, require_server, write_engine
from crm_graph.lanes import Lanes
from crm_graph.models import User
from crm_graph.models.ids import EntityCode, IdSource
from crm_graph.models.users import UserKind
from crm_graph.permissions.allowances import Allowance
from crm_graph.permissions.authentication import Principals
from crm_graph.permissions.budgets import Budgets
from crm_graph.permissions.issuer_documents import DocumentStore
from crm_graph.permissions.keys import ensure_signing_key
from crm_graph.permissions.people import People
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.principals import API_SOURCE, Principal
from crm_graph.permissions.store import full_access, has_raised_policy_version, sync_default_policy, utc_now
from crm_graph.permissions.tokens import TokenTerms
from crm_graph.permissions.validation import require_sound, warn_of_unread
from crm_graph.replicas.opening import replica_of
from crm_graph.replicas.reads import Replica
from crm_graph.resolvers.manifests import read_manifest
from crm_graph.resolvers.write import Begin
from crm_graph.services import search_index
from crm_graph.services.default_workflows import install_default_workflows
from crm_graph.services.file_keeping import FileKeeping
from crm_graph.services.log_epochs import begin_epoch
from crm_graph.services.people import Admission
from crm_graph.services.reads import DUPLICATES, LOOKUPS, UNMASKING, Audit, Hashes, load_hashes
from crm_graph.settings import Settings
from crm_graph.storage.keeping import Storage
from crm_graph.storage.opening import storage_of
from crm_graph.transaction import Approval, Retention, Transaction, begin

Clock = Callable[[], datetime]


class NotMigrated(RuntimeError):
    """The database is older than this version of the hub."""


@dataclass(frozen=True)
class Hub:
    """What the parts of a running hub are given.

    `primary` is a small pool for rights, keys and health; `lanes` are connections to the same database, which compiled
    reads keep. `replica` takes what reads it can from them, where there is one. `manifest` holds documents by id.
    """

    settings: Settings
    engine: AsyncEngine
    lanes: Lanes
    primary: ReadPool
    replica: Replica | None
    manifest: Mapping[str, str]
    catalog: Catalog
    principals: Principals
    budgets: Budgets
    clock: Clock
    ids: IdSource
    hashes: Hashes
    storage: Storage


@asynccontextmanager
async def open_hub(
    settings: Settings, *, clock: Clock = utc_now, monotonic: Callable[[], float] = time.monotonic
) -> AsyncIterator[Hub]:
    """Connect to the migrated database of `settings.database_url`, load rights and keys, and close all at the end.

    `monotonic` tells the age of issuers' keys. Raises NotMigrated where the database is behind, UnfitServer where it
    cannot be opened or is too old, ValueError without a database URL or for a manifest that cannot be used.
    """
    if settings.database_url is None:
        raise ValueError("set DATABASE_URL")
    primary_url = settings.database_url
    manifest = read_manifest(settings.trusted_documents, settings.max_tokens) if settings.trusted_documents else {}
    await require_server(primary_url, settings)
    async with AsyncExitStack() as stack:
        engine = write_engine(primary_url, settings)
        stack.push_async_callback(engine.dispose)
        await _require_migrated(engine)
        primary = await stack.enter_async_context(await read_pool(primary_url, settings))
        lanes = Lanes(
            partial(read_connection, primary_url, settings),
            settings.read_pool_size,
            wait_s=settings.pool_wait_s,
            lend_s=command_timeout(settings.statement_timeout_ms),
        )
        stack.push_async_callback(lanes.close)
        async with primary.acquire() as connection:
            catalog = build_catalog(await load_custom_fields(connection))
        require_sound(DEFAULT_ROLES, catalog)
        ids = IdSource(clock)
        terms = TokenTerms.of(settings)
        admission, documents = Admission(primary, engine, catalog, clock, ids), DocumentStore(primary, engine, clock)
        people = People(terms.issuer, admission, monotonic, documents)
        principals = Principals(
            primary,
            catalog,
            terms,
            clock=clock,
            cache_size=settings.token_cache_size,
            time_zone=settings.time_zone,
            listen=lambda: connect(
                primary_url, application_name="crm-graph listen", timeout_s=settings.connect_timeout_s
            ),
            people=people,
        )
        await principals.start()
        stack.push_async_callback(principals.stop)
        warn_of_unread(principals.policy, catalog)
        budgets = Budgets(engine, clock=clock, default_per_minute=settings.cost_per_minute)
        await budgets.start()
        stack.push_async_callback(budgets.stop)
        replica = None
        if settings.replica_url is not None:
            replica = replica_of(
                settings.replica_url, settings, primary, migrations.is_behind, lambda: principals.keys.secrets
            )
            stack.push_async_callback(replica.stop)
            await replica.start()
        async with engine.connect() as connection:
            await begin_epoch(await driver_of(connection))
        async with engine.begin() as connection:
            hashes = await load_hashes(await driver_of(connection))
        storage = storage_of(settings)
        keeping = FileKeeping(partial(statements, engine), storage, clock)
        await keeping.start()
        stack.push_async_callback(keeping.stop)
        yield Hub(
            settings,
            engine,
            lanes,
            primary,
            replica,
            manifest,
            catalog,
            principals,
            budgets,
            clock,
            ids,
            hashes,
            storage,
        )


def _begun(
    hub: Hub, principal: Principal, source: str, request_id: str | None
) -> AbstractAsyncContextManager[Transaction]:
    """One transaction of a principal."""
    return begin(
        hub.engine,
        principal,
        hub.catalog,
        hub.clock,
        hub.ids,
        source=source,
        request_id=request_id,
        base_currency=hub.settings.base_currency,
        time_zone=hub.settings.time_zone,
        approval=approval_of(hub.settings),
        retention=Retention(hub.settings.feed_days, hub.settings.audit_days),
    )


def approval_of(settings: Settings) -> Approval:
    """How edits of rights are approved."""
    return Approval(settings.rights_approval, timedelta(days=settings.rights_proposal_days))


def audit(hub: Hub) -> Audit:
    """What writes down the reads that matter. Nobody reads them back at once, so no replica is told of them."""

    def begun(principal: Principal, request_id: str) -> AbstractAsyncContextManager[Transaction]:
        return _begun(hub, principal, principal.source, request_id)

    settings = hub.settings
    per_minute = {
        LOOKUPS: settings.lookups_per_minute,
        UNMASKING: settings.unmasked_per_minute,
        DUPLICATES: settings.duplicate_checks_per_minute,
    }
    allowances = {purpose: Allowance(hub.budgets, purpose, number) for purpose, number in per_minute.items()}
    return Audit(begun, hub.hashes, allowances)


def transactions(hub: Hub, principal: Principal, *, source: str, request_id: str | None = None) -> Begin:
    """Transactions of a principal. Once one has ended well, the principal's reads in this process see it, and the
    rights that it changed hold in this process.
    """
    opened = partial(_begun, hub, principal, source, request_id)
    replica = hub.replica

    @asynccontextmanager
    async def noted() -> AsyncIterator[Transaction]:
        async with opened() as tx:
            yield tx
        if has_raised_policy_version(tx.session):
            await hub.principals.catch_up()
        if replica is not None:
            # A retry whose stored answer is told again counts as well: what it tells of was committed before.
            tx.position = await replica.wrote(principal.user_id)

    return noted


async def own_user(hub: Hub, username: str, name: str) -> Principal:
    """A user of the hub's own with every right, made when it is first needed."""
    async with AsyncSession(hub.engine) as session, session.begin():
        # The lock keeps two first uses from making it twice.
        await session.execute(text("SELECT FROM policy_version FOR UPDATE"))
        own = (User.username == username, User.kind == UserKind.SYSTEM)
        user_id = await session.scalar(select(User.id).where(*own))
        if user_id is None:
            user_id, now = hub.ids.new(EntityCode.USER), hub.clock()
            kind = UserKind.SYSTEM
            session.add(User(id=user_id, kind=kind, username=username, name=name, created_at=now, updated_at=now))
    access = full_access(hub.catalog)
    zone = hub.settings.time_zone
    return Principal(user_id, username, None, API_SOURCE, access.roles, None, (), (), access, "en", zone)


Filling = Callable[[str, int], None]
"""Is told of how many records of a type the index is filled with."""


def _untold(_plural: str, _records: int) -> None:
    """Tells nobody."""


async def prepare(engine: AsyncEngine, *, clock: Clock = utc_now, filling: Filling = _untold) -> None:
    """Put into a migrated database what every hub needs: built-in roles, default workflows, a key that signs tokens,
    and the keys by which records are found that were there before search was.

    What is there already stays as it is.
    """
    async with AsyncSession(engine) as session, session.begin():
        ids = IdSource(clock)
        await sync_default_policy(session, ids=ids, clock=clock)
        await install_default_workflows(await _driver(session), ids, clock())
        await ensure_signing_key(session, now=clock())
    async with engine.connect() as connection:
        driver = await driver_of(connection)
        catalog = build_catalog()
        for entity in catalog.roots:
            await search_index.fill(driver, catalog, entity, partial(filling, entity.plural))


@asynccontextmanager
async def statements(engine: AsyncEngine) -> AsyncIterator[Any]:
    """A connection in a transaction of its own, for what is nobody's change of a record."""
    async with engine.begin() as connection:
        yield await driver_of(connection)


async def _driver(session: AsyncSession) -> Any:
    """The asyncpg connection under a session, inside its transaction."""
    return await driver_of(await session.connection())


async def driver_of(connection: AsyncConnection) -> Any:
    """The asyncpg connection under SQLAlchemy's, inside its transaction."""
    return (await connection.get_raw_connection()).driver_connection


async def _require_migrated(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        found = await migrations.current(connection)
    if migrations.is_behind(found):
        raise NotMigrated(
            f"the database is at revision {found or 'none'} and this version needs {migrations.head()};"
            " run crm-graph migrate"
        )
