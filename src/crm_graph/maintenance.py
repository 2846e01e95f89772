"""What is done to a database from the command line, beside serving it."""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from graphql import print_schema
from sqlalchemy.ext.asyncio import AsyncSession

from crm_graph import migrations
from crm_graph.catalog import EntityType, build_catalog, camel
from crm_graph.custom_fields import load_custom_fields
from crm_graph.db import connect, write_engine
from crm_graph.embedded import EmbeddedServer
from crm_graph.hub import Hub, open_hub, own_user, prepare, transactions
from crm_graph.messages import Locale
from crm_graph.migrations import Migrated
from crm_graph.permissions import keys
from crm_graph.permissions.effective import effective_access
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.principals import API_SOURCE, Principal
from crm_graph.permissions.rules import ADMIN, Policy, UnknownRole
from crm_graph.permissions.store import load_policy, utc_now
from crm_graph.permissions.validation import Unreadable, unread_predicates, unreadable_predicates
from crm_graph.schema.build import build_schema, role_schemas
from crm_graph.seeding.company import SeedReport, seed_demo
from crm_graph.seeding.foundation import lay
from crm_graph.seeding.population import PopulationReport, Progress, seed_population
from crm_graph.services import issuers, role_holders, roles, search_index
from crm_graph.services.imports import ImportReport, import_file, upserting
from crm_graph.services.issuers import SETTABLE, IssuerView
from crm_graph.services.role_rules import APPROVERS, LACKING_APPROVER, approvers
from crm_graph.settings import Settings
from crm_graph.transaction import Transaction

IMPORT_SOURCE = "import"
IMPORTER = ("system.import", "Import")
OPERATOR = ("system.operator", "Command line")
"""The hub's own users for imports, and for what is set from the command line: their names, and what they are called."""

ONE_ADMINISTRATOR = (
    "One administrator alone can give rights to an account of their own: register a client with the role finance, read"
    " its secret, and read bank accounts with it. CRM_GRAPH_RIGHTS_APPROVAL=true asks for a second approver."
)


class NoSuchUser(LookupError):
    """No active user of this name."""


class UnknownEntity(LookupError):
    """There is no such type of records to import."""


async def migrate(url: str, settings: Settings, progress: Callable[[Progress], None] = lambda _: None) -> Migrated:
    """Bring a database to what this version needs, with built-in roles, default workflows, a signing key, and a search
    index that holds what was there before it.
    """
    done = await migrations.migrate(url, settings)
    engine = write_engine(url, settings)
    try:
        await prepare(engine, filling=lambda plural, done: progress(Progress(f"search: {plural}", done, done)))
    finally:
        await engine.dispose()
    return done


async def rotate_keys(
    url: str, settings: Settings, *, published_before: timedelta = keys.PUBLISHED_BEFORE
) -> keys.NextKey:
    """Publish a new key, which signs access tokens later. Tokens that are out stay valid until they end."""
    async with _session(url, settings) as session:
        return await keys.rotate_keys(
            session, now=utc_now(), token_lifetime_s=settings.token_lifetime_s, published_before=published_before
        )


async def drop_keys(url: str, settings: Settings, kids: Collection[str] | None) -> Sequence[str]:
    """Let keys that leaked, or all, verify nothing any more, and give their kids. Raises NoSuchKey."""
    async with _session(url, settings) as session:
        return await keys.drop_keys(session, kids, now=utc_now())


async def list_keys(url: str, settings: Settings) -> list[dict[str, Any]]:
    """The keys that sign access tokens, without what is secret of them."""
    async with _session(url, settings) as session:
        return [
            {
                "kid": key.kid,
                "publishedAt": key.created_at,
                "signsFrom": key.signs_from,
                "retiredAt": key.retired_at,
                "droppedAt": key.dropped_at,
            }
            for key in await keys.list_keys(session)
        ]


@asynccontextmanager
async def _session(url: str, settings: Settings) -> AsyncIterator[AsyncSession]:
    engine = write_engine(url, settings)
    try:
        async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
            yield session
    finally:
        await engine.dispose()


async def check(url: str, settings: Settings) -> list[str]:
    """What a database lacks of this version's models; empty when it agrees with them."""
    connection = await connect(url)
    try:
        if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
            return ["the database was never migrated"]
        revision = await connection.fetchval("SELECT version_num FROM alembic_version")
    finally:
        await connection.close()
    if revision != migrations.head():
        return [f"the database is at revision {revision}, not {migrations.head()}"]
    return await migrations.drift(url, settings)


async def check_predicates(url: str) -> list[Unreadable]:
    """The stored predicates of a migrated database that do not read against what this version has, or that name what
    their role does not read.
    """
    connection = await connect(url)
    try:
        catalog = build_catalog(await load_custom_fields(connection))
        policy = await load_policy(connection)
        return unreadable_predicates(policy, catalog) + unread_predicates(policy, catalog)
    finally:
        await connection.close()


async def role_sdl(url: str | None, roles: Collection[str]) -> str:
    """The schema as a role set sees it in this database; without one, as it would in a new one. Raises UnknownRole."""
    if url is None:
        policy, catalog = Policy(0, DEFAULT_ROLES), build_catalog()
    else:
        connection = await connect(url)
        try:
            catalog = build_catalog(await load_custom_fields(connection))
            policy = await load_policy(connection)
        finally:
            await connection.close()
    policy.require(roles)
    return print_schema(role_schemas(build_schema(catalog), catalog)(effective_access(policy, catalog, roles)))


async def check_scratch(settings: Settings) -> list[str]:
    """What the migrations, run on an empty database, lack of the models."""
    with (
        tempfile.TemporaryDirectory(prefix="crm-graph-check-") as home,
        EmbeddedServer(Path(home), durable=False) as server,
    ):
        await migrations.migrate(server.url, settings)
        return await check(server.url, settings)


async def seed_company(url: str, settings: Settings, seed: int, progress: Callable[[Progress], None]) -> SeedReport:
    """The demo company, where there are no customers yet."""
    engine = write_engine(url, settings)
    try:
        return await seed_demo(engine, today=datetime.now(UTC).date(), seed=seed, progress=progress)
    finally:
        await engine.dispose()


async def seed_load(
    url: str, settings: Settings, customers: int, seed: int, progress: Callable[[Progress], None]
) -> PopulationReport:
    """So many customers with what belongs to them, for measuring."""
    today = datetime.now(UTC).date()
    longest_ms = 3_600_000
    engine = write_engine(url, settings.model_copy(update={"write_timeout_ms": longest_ms}))
    try:
        async with AsyncSession(engine) as session, session.begin():
            await lay(session, seed=seed, today=today)
        return await seed_population(engine, customers=customers, today=today, seed=seed, progress=progress)
    finally:
        await engine.dispose()


async def reindex(url: str, settings: Settings, progress: Callable[[Progress], None]) -> Mapping[str, int]:
    """Write the search index anew, beside a running hub; how many records of each type there are."""
    catalog = build_catalog()
    connection = await connect(url, application_name="crm-graph reindex")
    written = {}
    try:
        for entity in catalog.roots:
            total = await connection.fetchval(_ESTIMATE, entity.table)
            told = partial(_tell, progress, entity.plural, total)
            if count := await search_index.reindex(connection, catalog, entity, told):
                written[entity.plural] = count
    finally:
        await connection.close()
    return written


def _tell(progress: Callable[[Progress], None], step: str, total: int, done: int) -> None:
    progress(Progress(step, done, max(done, total)))


async def import_records(
    settings: Settings,
    plural: str,
    path: Path,
    *,
    username: str | None,
    source: str,
    dry_run: bool,
    locale: Locale,
    report_to: Path | None,
    rejects_to: Path | None,
    progress: Callable[[int, int], None],
) -> ImportReport:
    """Send a file through the upsert service, with the rights of a user and in that user's name.

    Without one it is the hub itself that imports, with every right: whoever holds the database has them anyway. Raises
    NoSuchUser for an unknown name.
    """
    async with open_hub(settings) as hub:
        entity = _entity(hub, plural)
        principal = await (own_user(hub, *IMPORTER) if username is None else _user(hub, username))
        opened = transactions(hub, principal, source=source)
        return await import_file(
            path,
            entity,
            upserting(opened, entity, source, dry_run=dry_run),
            access=principal.access,
            dry_run=dry_run,
            locale=locale,
            report_to=report_to,
            rejects_to=rejects_to,
            progress=progress,
        )


async def save_issuer(settings: Settings, told: Any) -> dict[str, Any]:
    """Make or change an issuer that is described in the names of the API, and give it as it is then."""
    names = {camel(name) for name in SETTABLE}
    if not isinstance(told, dict) or not isinstance(told.get("url"), str) or not told.keys() <= {"url", *names}:
        raise ValueError(f"an issuer is a JSON object with url and some of: {', '.join(sorted(names))}")
    async with open_hub(settings) as hub:
        operator = await own_user(hub, *OPERATOR)
        async with transactions(hub, operator, source=API_SOURCE)() as tx:
            return _as_json(await issuers.save_as_told(tx, told))


async def all_issuers(settings: Settings) -> list[dict[str, Any]]:
    """All issuers, as `save_issuer` takes them."""
    async with open_hub(settings) as hub:
        operator = await own_user(hub, *OPERATOR)
        async with transactions(hub, operator, source=API_SOURCE)() as tx:
            return [_as_json(issuer) for issuer in await issuers.all_issuers(tx)]


async def grant_role(settings: Settings, username: str, role: str) -> None:
    """Give somebody a role, whatever a second approver is asked for."""
    await _on_user(settings, username, role_holders.grant, role=role)


async def suspend(settings: Settings, username: str) -> None:
    """Let somebody not act, also one of the last who approve."""
    await _on_user(settings, username, role_holders.suspend)


async def reinstate(settings: Settings, username: str) -> None:
    """Let somebody suspended act again."""
    await _on_user(settings, username, role_holders.reinstate)


async def reset_role(settings: Settings, key: str) -> None:
    """Make a built-in role what the hub comes with. Raises UnknownRole."""
    async with _operating(settings) as tx:
        version = (await _versions(tx, [key])).get(key)
        if version is None:
            raise UnknownRole(f"there is no role {key}")
        await roles.reset(tx, {"key": key, "expectedVersion": version})


async def reset_roles(settings: Settings) -> list[str]:
    """Make all built-in roles that are there what the hub comes with, or none; the keys of those that were edited."""
    async with _operating(settings) as tx:
        before = await _versions(tx, DEFAULT_ROLES)
        # Administrators first: another role, by which alone somebody managed rights, may give that no longer.
        for key in sorted((key for key in DEFAULT_ROLES if key in before), key=lambda key: key != ADMIN):
            await roles.reset(tx, {"key": key, "expectedVersion": before[key]})
        after = await _versions(tx, DEFAULT_ROLES)
    return [key for key in DEFAULT_ROLES if after.get(key) != before.get(key)]


async def _versions(tx: Transaction, keys: Iterable[str]) -> dict[str, int]:
    rows = await tx.driver().fetch("SELECT key, version FROM roles WHERE key = ANY($1::text[])", list(keys))
    return {row["key"]: row["version"] for row in rows}


async def _on_user(settings: Settings, username: str, verb: Callable[..., Awaitable[Any]], **given: str) -> None:
    async with _operating(settings) as tx:
        user_id = await tx.driver().fetchval(
            "SELECT id FROM users WHERE username = $1 AND archived_at IS NULL", username
        )
        if user_id is None:
            raise NoSuchUser(f"there is no user {username}")
        await verb(tx, {"user": str(user_id), **given})


@asynccontextmanager
async def _operating(settings: Settings) -> AsyncIterator[Transaction]:
    """A transaction of whoever runs the hub, which no second approver is asked about."""
    async with open_hub(settings.model_copy(update={"rights_approval": False})) as hub:
        operator = await own_user(hub, *OPERATOR)
        async with transactions(hub, operator, source=API_SOURCE)() as tx:
            tx.reason = "Command line"
            yield tx


async def warnings_of_rights(hub: Hub) -> Mapping[str, str]:
    """What whoever starts a hub should know of how its rights are managed: names for the log, each with what to do."""
    if not hub.settings.rights_approval:
        return {"rights_need_one_administrator": ONE_ADMINISTRATOR}
    async with hub.primary.acquire(timeout=hub.settings.pool_wait_s) as connection:
        if await approvers(connection, await load_policy(connection)) < APPROVERS:
            return {"rights_need_second_approver": LACKING_APPROVER}
    return {}


def _as_json(issuer: IssuerView) -> dict[str, Any]:
    return {camel(name): value for name, value in asdict(issuer).items() if name in SETTABLE or name == "url"}


def _entity(hub: Hub, plural: str) -> EntityType:
    owned = {entity.plural: entity for entity in hub.catalog.types.values() if entity.owned}
    if plural not in owned:
        raise UnknownEntity(f"there are no {plural} to import; there are: {', '.join(sorted(owned))}")
    return owned[plural]


async def _user(hub: Hub, username: str) -> Principal:
    user_id: UUID | None = await hub.primary.fetchval(_ACTIVE_USER, username)
    if user_id is None:
        raise NoSuchUser(f"there is no active user {username}")
    return await hub.principals.of_user(user_id)


_ESTIMATE = "SELECT reltuples::bigint FROM pg_class WHERE oid = $1::text::regclass"
_ACTIVE_USER = "SELECT id FROM users WHERE username = $1 AND status = 'ACTIVE' AND archived_at IS NULL"
