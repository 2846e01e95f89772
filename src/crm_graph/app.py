"""The composition root: all that a hub serves over HTTP is put together here and nowhere else."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any, cast

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from crm_graph import migrations
from crm_graph.access import Access
from crm_graph.db import ReadPool, export_connection
from crm_graph.errors import CrmError, Unavailable
from crm_graph.hub import Clock, Hub, approval_of, audit, open_hub, statements, transactions
from crm_graph.messages import Locale
from crm_graph.permissions.authorization_server import Authority, Limits
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.rate_limits import WrongProofs
from crm_graph.permissions.store import utc_now
from crm_graph.resolvers.bulk_reads import BulkReads
from crm_graph.resolvers.documents import read_document
from crm_graph.resolvers.feed.cursors import FeedCursors
from crm_graph.resolvers.operations import Operations
from crm_graph.resolvers.plan import Limits as ReadLimits
from crm_graph.resolvers.questions import Answer, Answers
from crm_graph.resolvers.read import Reader
from crm_graph.resolvers.trusted_documents import TrustedDocuments, registered_document
from crm_graph.resolvers.write import Begin
from crm_graph.schema.build import build_schema, role_schemas
from crm_graph.schema.grantable import told_grantable
from crm_graph.schema.role_definitions import in_words
from crm_graph.schema.vocabulary import vocabulary_of
from crm_graph.services import clients
from crm_graph.services.conditions import ConditionWords
from crm_graph.services.explanations import Explaining
from crm_graph.services.feed_lag import feed_lag
from crm_graph.services.file_types import types_taken
from crm_graph.services.grant_previews import Previewing
from crm_graph.services.issuers import told_issuers
from crm_graph.services.job_figures import figures
from crm_graph.services.operations import told_operations
from crm_graph.services.reads import Note
from crm_graph.services.rights_proposals import told_proposals
from crm_graph.services.role_views import told_roles
from crm_graph.services.timer_figures import timer_figures
from crm_graph.services.uploads import FileLimits
from crm_graph.settings import Settings
from crm_graph.web import console, exports, files, graphiql, health, oauth, sign_in
from crm_graph.web.exports import ExportEndpoint, ExportLimits
from crm_graph.web.files import FileEndpoint, TransferLimits
from crm_graph.web.graphql import BeginFor, GraphQLEndpoint
from crm_graph.web.metrics import (
    FeedMetrics,
    JobMetrics,
    MeasuredRequests,
    PreparedOperations,
    ReplicaMetrics,
    RequestCounts,
    TimerMetrics,
)

_MEASURED_PATHS = ("graphql", "export", "files", "oauth", "health", "metrics", ".well-known", "console")


class Front:
    """The ASGI application. `/graphql` goes straight to its endpoint: a router and its middleware would take as long
    as the whole of a small read. Everything else goes to Starlette. All requests are counted.
    """

    def __init__(self, rest: ASGIApp, counts: RequestCounts) -> None:
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
    rest: ASGIApp = Starlette(lifespan=lifespan)
    if settings.trusted_proxies:
        # Who asks is counted outside `/graphql` alone.
        rest = cast(ASGIApp, ProxyHeadersMiddleware(cast(Any, rest), settings.trusted_networks))
    front = Front(rest, counts)
    return front


def routes(hub: Hub, operations: Operations, registry: CollectorRegistry) -> list[BaseRoute]:
    """Everything that is served over HTTP beside `/graphql`."""
    checks = {"database": _reachable(hub.primary), "schema": _schema_current(hub.primary)}
    replica = hub.replica
    states = {}
    jobs = JobMetrics(partial(figures, hub.primary))
    timers = TimerMetrics(lambda: timer_figures(hub.primary, hub.clock()))
    feed = FeedMetrics(partial(feed_lag, hub.primary))
    for collector in (jobs, timers, feed):
        registry.register(collector)
    if replica is not None:
        registry.register(ReplicaMetrics(replica))
        states["replica"] = lambda: str(replica.state)
    return [
        *health.routes(checks, registry, states, [jobs.refresh, timers.refresh, feed.refresh]),
        *oauth.routes(authority(hub), hub.catalog),
        *sign_in.routes(signing_in(hub)),
        *exports.routes(export_endpoint(hub, operations)),
        *files.routes(file_endpoint(hub)),
        *console.routes(),
        *graphiql.routes(),
    ]


def authority(hub: Hub) -> Authority:
    """The authorization server of a hub."""
    settings, issuer = hub.settings, hub.principals.terms.issuer
    limits = Limits.of(settings.token_requests_per_minute)

    async def end_tokens(principal: Principal, epoch: int) -> None:
        async with transactions(hub, principal, source=principal.source)() as tx:
            await clients.end_own_tokens(tx, epoch)

    return Authority(
        hub.principals,
        hub.primary,
        hub.engine,
        oauth.audiences(issuer),
        limits,
        hub.clock,
        settings.pool_wait_s,
        end_tokens=end_tokens,
    )


def signing_in(hub: Hub) -> sign_in.SignIn:
    """What signs people in to the console of a hub."""
    settings = hub.settings
    secrets, answers = (WrongProofs.of(settings.token_requests_per_minute) for _ in range(2))
    lifetime = timedelta(seconds=settings.session_lifetime_s)
    return sign_in.SignIn(hub.principals, hub.primary, hub.engine, secrets, answers, lifetime, hub.clock)


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
        feed_page=settings.feed_page_size,
        feed_window=settings.feed_window,
        feed_days=settings.feed_days,
    )
    reads = audit(hub)
    bulk = BulkReads(settings.bulk_read_records, settings.bulk_read_window_s)
    schema = build_schema(hub.catalog)
    operations = Operations(
        hub.catalog,
        role_schemas(schema, hub.catalog),
        limits,
        max_tokens=settings.max_tokens,
        cursors=FeedCursors(hub.hashes.key),
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
        files=FileLimits(settings.file_max_bytes, types_taken(settings.file_media_types)),
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
    can_be_given, vocabulary = told_grantable(hub.catalog), vocabulary_of(hub.catalog)
    running = asyncio.Semaphore(PREVIEWS)

    def answers(connection: Any, asker: Principal, now: datetime, locale: Locale, note: Note) -> Mapping[str, Answer]:
        policy, zone = hub.principals.policy, hub.settings.time_zone
        explaining = Explaining(connection, policy, hub.catalog, asker, now, locale, zone, note, vocabulary)

        async def roles(asked: Mapping[str, Any]) -> Any:
            told = await told_roles(connection, policy, hub.catalog, now, asked.get("keys"))
            conditions = ConditionWords(hub.catalog, vocabulary, locale)
            return await asyncio.to_thread(lambda: [in_words(role, conditions) for role in told])

        async def issuers(_: Mapping[str, Any]) -> Any:
            return await told_issuers(connection)

        async def preview(asked: Mapping[str, Any]) -> Any:
            if running.locked():
                raise Unavailable("try_again")
            valid = partial(_operations_of, operations, hub.settings.max_tokens)
            async with running:
                previewing = Previewing(connection, policy, hub.catalog, asker, now, locale, valid, hub.manifest, note)
                return await previewing.preview(asked)

        async def proposals(asked: Mapping[str, Any]) -> Any:
            return await told_proposals(connection, asked.get("state"), now - approval_of(hub.settings).lifetime)

        async def grantable(_: Mapping[str, Any]) -> Any:
            return can_be_given

        async def operations_told(_: Mapping[str, Any]) -> Any:
            return await told_operations(connection, now)

        return {
            "explainAccess": explaining.explain,
            "accessReport": explaining.report,
            "roles": roles,
            "issuers": issuers,
            "previewGrants": preview,
            "rightsProposals": proposals,
            "grantable": grantable,
            "operations": operations_told,
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


def file_endpoint(hub: Hub) -> FileEndpoint:
    """What takes the bytes of a hub's files, and hands them out."""
    settings = hub.settings
    return FileEndpoint(
        hub.principals,
        hub.storage,
        hub.catalog,
        purse=hub.budgets,
        primary=hub.primary,
        connect=partial(statements, hub.engine),
        begin_for=begin_for(hub),
        clock=hub.clock,
        limits=TransferLimits(settings.file_transfers, settings.file_stall_s, settings.file_time_limit_s),
    )


def begin_for(hub: Hub) -> BeginFor:
    """What opens the transactions of a principal."""

    def begun(principal: Principal, request_id: str) -> Begin:
        return transactions(hub, principal, source=principal.source, request_id=request_id)

    return begun


def _reachable(pool: ReadPool) -> health.Check:
    async def check() -> bool:
        return await pool.fetchval("SELECT true") is True

    return check


def _schema_current(pool: ReadPool) -> health.Check:
    async def check() -> bool:
        return not migrations.is_behind(await pool.fetchval("SELECT version_num FROM alembic_version"))

    return check
