"""The composition root: everything that a running hub is made of is put together here and nowhere else."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from crm_graph import migrations
from crm_graph.access import Access
from crm_graph.catalog import Catalog, build_catalog
from crm_graph.custom_fields import load_custom_fields
from crm_graph.db import (
    ReadPool,
    command_timeout,
    connect,
    export_connection,
    read_connection,
    read_pool,
    require_server,
    write_engine,
)
from crm_graph.errors import CrmError, Unavailable
from crm_graph.lanes import Lanes
from crm_graph.messages import Locale
from crm_graph.models.ids import IdSource
from crm_graph.permissions.allowances import Allowance
from crm_graph.permissions.authentication import Principals
from crm_graph.permissions.authorization_server import ADDRESS_FACTOR, Authority, Limits
from crm_graph.permissions.budgets import Budgets
from crm_graph.permissions.keys import ensure_signing_key
from crm_graph.permissions.people import People
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.rate_limits import RateLimit
from crm_graph.permissions.store import sync_default_policy, utc_now
from crm_graph.permissions.tokens import TokenTerms
from crm_graph.permissions.validation import require_sound
from crm_graph.replicas.opening import replica_of
from crm_graph.replicas.reads import Replica
from crm_graph.resolvers.bulk_reads import BulkReads
from crm_graph.resolvers.documents import read_document
from crm_graph.resolvers.manifests import read_manifest
from crm_graph.resolvers.operations import Operations
from crm_graph.resolvers.plan import Limits as ReadLimits
from crm_graph.resolvers.questions import Answer, Answers
from crm_graph.resolvers.read import Reader
from crm_graph.resolvers.trusted_documents import TrustedDocuments, registered_document
from crm_graph.resolvers.write import Begin
from crm_graph.schema.build import build_schema, role_schemas
from crm_graph.schema.grantable import told_grantable
from crm_graph.services import search_index
from crm_graph.services.default_workflows import install_default_workflows
from crm_graph.services.explanations import Explaining
from crm_graph.services.grant_previews import Previewing
from crm_graph.services.issuers import told_issuers
from crm_graph.services.people import Admission
from crm_graph.services.reads import DUPLICATES, LOOKUPS, UNMASKING, Audit, Hashes, Note, load_hashes
from crm_graph.services.rights_proposals import told_proposals
from crm_graph.services.role_views import told_roles
from crm_graph.settings import Settings
from crm_graph.transaction import Transaction, begin
from crm_graph.web import console, exports, graphiql, health, oauth, sign_in
from crm_graph.web.exports import ExportEndpoint, ExportLimits
from crm_graph.web.graphql import BeginFor, GraphQLEndpoint
from crm_graph.web.metrics import MeasuredRequests, PreparedOperations, ReplicaMetrics, RequestCounts

Clock = Callable[[], datetime]

_MEASURED_PATHS = ("graphql", "export", "oauth", "health", "metrics", ".well-known", "console")


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
        people = People(terms.issuer, Admission(primary, engine, catalog, clock, ids), monotonic)
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
        async with engine.begin() as connection:
            hashes = await load_hashes(await driver_of(connection))
        yield Hub(settings, engine, lanes, primary, replica, manifest, catalog, principals, budgets, clock, ids, hashes)


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
    )


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
    """Transactions of a principal. Once one has ended well, the principal's reads in this process see it."""
    opened = partial(_begun, hub, principal, source, request_id)
    replica = hub.replica
    if replica is None:
        return opened

    @asynccontextmanager
    async def noted() -> AsyncIterator[Transaction]:
        async with opened() as tx:
            yield tx
        # A retry whose stored answer is told again counts as well: what it tells of was committed before.
        tx.position = await replica.wrote(principal.user_id)

    return noted


class Front:
    """The ASGI application. `/graphql` goes straight to its endpoint: a router and its middleware would take as long
    as the whole of a small read. Everything else goes to Starlette. All requests are counted.
    """

    def __init__(self, rest: Starlette, counts: RequestCounts) -> None:
        self._rest = MeasuredRequests(rest, counts, _MEASURED_PATHS)
        self.graphql: GraphQLEndpoint | None = None

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http" or scope["path"] != "/graphql" or self.graphql is None:
            return self._rest(scope, receive, send)
        return self.graphql(scope, receive, send)


def build_app(
    settings: Settings, *, clock: Clock = utc_now, monotonic: Callable[[], float] = time.monotonic
) -> ASGIApp:
    """The ASGI application. Its lifespan opens the hub and then puts the routes in place."""
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with open_hub(settings, clock=clock, monotonic=monotonic) as hub:
            front.graphql = graphql_endpoint(hub, counts)
            app.router.routes[:] = routes(hub, front.graphql.operations, registry)
            registry.register(PreparedOperations(front.graphql.operations))
            yield

    counts = RequestCounts()
    registry.register(counts)
    front = Front(Starlette(lifespan=lifespan), counts)
    return front


def routes(hub: Hub, operations: Operations, registry: CollectorRegistry) -> list[BaseRoute]:
    """Everything that is served over HTTP beside `/graphql`."""
    checks = {"database": _reachable(hub.primary), "schema": _schema_current(hub.primary)}
    replica = hub.replica
    states = {}
    if replica is not None:
        registry.register(ReplicaMetrics(replica))
        states["replica"] = lambda: str(replica.state)
    return [
        *health.routes(checks, registry, states),
        *oauth.routes(authority(hub), hub.catalog),
        *sign_in.routes(signing_in(hub)),
        *exports.routes(export_endpoint(hub, operations)),
        *console.routes(),
        *graphiql.routes(),
    ]


def authority(hub: Hub) -> Authority:
    """The authorization server of a hub."""
    settings, issuer = hub.settings, hub.principals.terms.issuer
    limits = Limits.of(settings.token_requests_per_minute)
    return Authority(
        hub.principals, hub.primary, hub.engine, oauth.audiences(issuer), limits, hub.clock, settings.pool_wait_s
    )


def signing_in(hub: Hub) -> sign_in.SignIn:
    """What signs people in to the console of a hub."""
    settings = hub.settings
    limit = RateLimit(settings.token_requests_per_minute * ADDRESS_FACTOR)
    lifetime = timedelta(seconds=settings.session_lifetime_s)
    return sign_in.SignIn(hub.principals, hub.primary, hub.engine, limit, lifetime, hub.clock)


def graphql_endpoint(hub: Hub, counts: RequestCounts) -> GraphQLEndpoint:
    """The GraphQL server over a hub. It counts its own requests."""
    settings = hub.settings
    limits = ReadLimits(
        default_page=settings.page_size,
        max_page=settings.max_page_size,
        max_offset=settings.max_offset,
        count_cap=settings.count_cap,
        max_depth=settings.max_depth,
        max_cost=settings.max_cost,
        base_currency=settings.base_currency,
    )
    reads = audit(hub)
    bulk = BulkReads(settings.bulk_read_records, settings.bulk_read_window_s)
    schema = build_schema(hub.catalog)
    operations = Operations(
        hub.catalog,
        role_schemas(schema, hub.catalog),
        limits,
        max_tokens=settings.max_tokens,
    )
    return GraphQLEndpoint(
        hub.principals,
        operations,
        Reader(hub.lanes, operations, hub.budgets, reads, hub.replica, bulk=bulk, answers=answers_of(hub, operations)),
        begin_for(hub),
        hub.clock,
        budgets=hub.budgets,
        audit=reads,
        counts=counts,
        trusted=TrustedDocuments(
            hub.manifest,
            partial(registered_document, hub.primary),
            lambda: hub.principals.policy.version,
            schema,
            max_tokens=settings.max_tokens,
            only=settings.trusted_documents_only,
        ),
        position=None if hub.replica is None else hub.replica.position,
        max_body_bytes=settings.max_body_bytes,
        idempotency_lifetime=timedelta(seconds=settings.idempotency_lifetime_s),
        rights_approval=settings.rights_approval,
    )


PREVIEWS = 2
"""So many previews of edits run at once: each holds a connection for seconds."""


async def _operations_of(operations: Operations, max_tokens: int, access: Access, text: str) -> Sequence[str] | None:
    """The names of a document's operations, where it is valid for a role set; None where it is not. It is not kept: it
    would take the place of what is asked for.
    """
    schema = await operations.schema(access)
    try:
        return tuple((await asyncio.to_thread(read_document, text, schema, max_tokens)).operations)
    except CrmError:
        return None


def answers_of(hub: Hub, operations: Operations) -> Answers:
    """What answers questions about rights, by the policy as it is then."""
    can_be_given = told_grantable(hub.catalog)
    running = asyncio.Semaphore(PREVIEWS)

    def answers(connection: Any, asker: Principal, now: datetime, locale: Locale, note: Note) -> Mapping[str, Answer]:
        policy, zone = hub.principals.policy, hub.settings.time_zone
        explaining = Explaining(connection, policy, hub.catalog, asker, now, locale, zone, note)

        async def roles(asked: Mapping[str, Any]) -> Any:
            return await told_roles(connection, policy, hub.catalog, now, asked.get("keys"))

        async def issuers(_: Mapping[str, Any]) -> Any:
            return await told_issuers(connection)

        async def preview(asked: Mapping[str, Any]) -> Any:
            if running.locked():
                raise Unavailable("try_again")
            valid = partial(_operations_of, operations, hub.settings.max_tokens)
            async with running:
                previewing = Previewing(connection, policy, hub.catalog, asker, now, locale, valid, hub.manifest, note)
                return await previewing.preview(asked)

        async def grantable(_: Mapping[str, Any]) -> Any:
            return can_be_given

        return {
            "explainAccess": explaining.explain,
            "accessReport": explaining.report,
            "roles": roles,
            "issuers": issuers,
            "previewGrants": preview,
            "rightsProposals": lambda asked: told_proposals(connection, asked.get("state")),
            "grantable": grantable,
        }

    return answers


def export_endpoint(hub: Hub, operations: Operations) -> ExportEndpoint:
    """The downloads of a hub. Rows come from the primary: on a standby, replay would cancel the long ones."""
    settings = hub.settings
    return ExportEndpoint(
        hub.principals,
        operations,
        purse=hub.budgets,
        primary=hub.primary,
        connect=partial(export_connection, str(settings.database_url), settings),
        begin_for=begin_for(hub),
        clock=hub.clock,
        limits=ExportLimits(settings.export_connections, settings.export_stall_s, settings.export_time_limit_s),
    )


def begin_for(hub: Hub) -> BeginFor:
    """What opens the transactions of a principal."""

    def begun(principal: Principal, request_id: str) -> Begin:
        return transactions(hub, principal, source=principal.source, request_id=request_id)

    return begun


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


def _reachable(pool: ReadPool) -> health.Check:
    async def check() -> bool:
        return await pool.fetchval("SELECT true") is True

    return check


def _schema_current(pool: ReadPool) -> health.Check:
    async def check() -> bool:
        return not migrations.is_behind(await pool.fetchval("SELECT version_num FROM alembic_version"))

    return check
