"""The demo: database, data and server by one command, and what to paste to see it work."""

import shlex
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from crm_graph import migrations
from crm_graph.app import build_app
from crm_graph.db import connect, dsn, write_engine
from crm_graph.embedded import EmbeddedServer
from crm_graph.hub import prepare
from crm_graph.permissions.keys import load_keys
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import ADMIN, EVERYONE
from crm_graph.permissions.sessions import LINK_LIFETIME, make_link
from crm_graph.permissions.store import load_policy
from crm_graph.permissions.tokens import TokenTerms, issue_user_token
from crm_graph.seeding.company import seed_demo
from crm_graph.seeding.stories import SHOWN_CONTRACT
from crm_graph.server import STOPPING, bind, run, serve
from crm_graph.services.role_rules import APPROVERS, LACKING_APPROVER, approvers
from crm_graph.settings import Settings
from crm_graph.web.sign_in import LINK_PATH
from crm_graph.worker.running import beside

ROLES = tuple(key for key in DEFAULT_ROLES if key != EVERYONE)

Say = Callable[[str], None]
Make = Callable[["asyncpg.Connection[Any]", Settings, str], Awaitable[str]]
"""Makes something for a user with a role."""

_VIEWS = {
    "sales": "number title stage { name } signedOn grossAmount { amount currency } receivedAmount { amount currency }"
    " taxId customer { name phone maskedFields }",
    "service": "number title kind serviceLevel startsOn endsOn customer { name phone maskedFields }",
    "finance": "number grossAmount { amount currency } taxId bankName bankAccount customer { name phone maskedFields }",
}
"""What each role asks of the same contract: the fields that its schema has."""


class NoSuchRole(LookupError):
    """No active user of the database holds the role."""


class NotRunning(RuntimeError):
    """There is no demo to ask."""


@contextmanager
def database(settings: Settings, say: Say, *, shared: bool = False) -> Iterator[str]:
    """DATABASE_URL, or the embedded server of the home for as long as the block lasts.

    `shared` takes the server as it is where a demo runs already.
    """
    if settings.database_url is not None:
        yield settings.database_url
        return
    server = EmbeddedServer(settings.home)
    if shared and server.is_running():
        yield server.url
        return
    try:
        yield server.start(on_init=lambda: say(f"Making a PostgreSQL database in {settings.home}"))
    finally:
        handlers = {number: signal.signal(number, signal.SIG_IGN) for number in STOPPING}
        server.stop()
        for number, handler in handlers.items():
            signal.signal(number, handler)


def running_database(settings: Settings) -> str | None:
    """DATABASE_URL, or the database of a demo that runs; nothing is started."""
    if settings.database_url is not None:
        return settings.database_url
    server = EmbeddedServer(settings.home)
    return server.url if server.is_running() else None


def run_demo(settings: Settings, say: Say) -> None:
    """Everything of `make demo`, until Ctrl-C or SIGTERM.

    The address is taken first, so that what is wrong with it is told before anything is made.
    """
    listener = bind(settings)
    for number in STOPPING:
        signal.signal(number, signal.default_int_handler)
    with listener, database(settings, say) as url:
        ready = settings.model_copy(update={"database_url": url})
        run(_prepare_and_serve(ready, listener, say))
    say("Stopped; the data stays.")


async def _prepare_and_serve(settings: Settings, listener: socket.socket, say: Say) -> None:
    url = settings.database_url or ""
    await migrations.migrate(url, settings)
    engine = write_engine(url, settings)
    try:
        await prepare(engine)
        report = await seed_demo(engine, today=datetime.now(UTC).date())
    finally:
        await engine.dispose()
    if report.rows:
        say(f"Made a demo company: {report.rows.get('customers', 0)} customers, {report.rows.get('events', 0)} events")
    if report.client_secret:
        say(f"The OAuth client `erp` has the secret {report.client_secret}, shown this once")
    note = _issuer_note(settings, settings.database_url or "")
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(settings.token_issuer)
    welcome = await _welcome(settings)
    try:
        async with beside(settings, quiet=True):
            await serve(build_app(settings), listener, on_ready=lambda: say(welcome))
    finally:
        note.unlink(missing_ok=True)


async def fresh_token(settings: Settings, role: str) -> str:
    """A token of a user with this role, for the running demo. Raises NoSuchRole, and NotRunning without a database."""
    return await _asked_of_the_demo(settings, role, _token)


async def fresh_link(settings: Settings, role: str) -> str:
    """An address that signs a user with this role in to the console, once. Raises as `fresh_token` does."""
    return await _asked_of_the_demo(settings, role, _link)


async def _asked_of_the_demo(settings: Settings, role: str, make: Make) -> str:
    url = running_database(settings)
    if url is None:
        raise NotRunning(f"no demo runs with the data in {settings.home}; start one with make demo")
    note = _issuer_note(settings, url)
    issuer = note.read_text() if note.exists() else settings.token_issuer
    connection = await connect(url)
    try:
        return await make(connection, settings.model_copy(update={"issuer": issuer}), role)
    finally:
        await connection.close()


def _issuer_note(settings: Settings, url: str) -> Path:
    """Where a running demo says what issuer its tokens name, which depends on its port; one note for each database."""
    return settings.home / f"issuer-{sha256(dsn(url).encode()).hexdigest()[:12]}"


async def _token(connection: "asyncpg.Connection[Any]", settings: Settings, role: str) -> str:
    now = datetime.now(UTC)
    user = await _user_of(connection, role, now)
    epoch: int = await connection.fetchval("SELECT token_epoch FROM users WHERE id = $1", user)
    keys = await load_keys(connection, now=now, token_lifetime_s=settings.token_lifetime_s)
    return issue_user_token(TokenTerms.of(settings), keys, user, now=now, epoch=epoch)


async def _link(connection: "asyncpg.Connection[Any]", settings: Settings, role: str) -> str:
    now = datetime.now(UTC)
    secret = await make_link(connection, await _user_of(connection, role, now), now=now)
    return f"{settings.token_issuer.rstrip('/')}{LINK_PATH}?token={secret}"


async def _user_of(connection: "asyncpg.Connection[Any]", role: str, now: datetime) -> UUID:
    user: UUID | None = await connection.fetchval(_USER_OF_ROLE, role, now)
    if user is None:
        known = ", ".join(row["key"] for row in await connection.fetch("SELECT key FROM roles ORDER BY key"))
        raise NoSuchRole(f"nobody has the role {role}; there are: {known}")
    return user


_USER_OF_ROLE = """
SELECT u.id
FROM users u JOIN user_roles held ON held.user_id = u.id JOIN roles r ON r.id = held.role_id
WHERE r.key = $1 AND u.status = 'ACTIVE' AND u.archived_at IS NULL AND (held.expires_at IS NULL OR held.expires_at > $2)
ORDER BY u.username <> $1, u.id
LIMIT 1
"""


_HELD_ROLES = """
SELECT DISTINCT r.key
FROM users u JOIN user_roles held ON held.user_id = u.id JOIN roles r ON r.id = held.role_id
WHERE r.key = ANY($1) AND u.status = 'ACTIVE' AND u.archived_at IS NULL
  AND (held.expires_at IS NULL OR held.expires_at > $2)
"""


async def _welcome(settings: Settings) -> str:
    """What is printed once requests are served."""
    address = f"http://{settings.host}:{settings.port}"
    connection = await connect(settings.database_url or "")
    try:
        held = {row["key"] for row in await connection.fetch(_HELD_ROLES, list(ROLES), datetime.now(UTC))}
        tokens = {role: await _token(connection, settings, role) for role in ROLES if role in held}
        link = await _link(connection, settings, ADMIN) if ADMIN in held else None
        contract: UUID | None = await connection.fetchval("SELECT id FROM contracts WHERE number = $1", SHOWN_CONTRACT)
        lacking = settings.rights_approval and await approvers(connection, await load_policy(connection)) < APPROVERS
    finally:
        await connection.close()
    lines = [
        "",
        f"GraphiQL   {address}/graphql",
        "",
        f"Tokens, valid for {settings.token_lifetime_s // 60} minutes (a fresh one: crm-graph token --role sales)",
        *(f"  {role:<13} {token}" for role, token in tokens.items()),
    ]
    if link is not None:
        minutes = LINK_LIFETIME.total_seconds() // 60
        lines.insert(2, f"Console    {link} (once, within {minutes:.0f} minutes)")
    if contract is not None:
        lines += ["", f"Contract {SHOWN_CONTRACT} as three roles see it"]
        for role, fields in _VIEWS.items():
            lines += ["", f"# {role}", _curl(address, tokens[role], f'{{ contract(id: "{contract}") {{ {fields} }} }}')]
    if lacking:
        lines += ["", LACKING_APPROVER]
    return "\n".join([*lines, "", "Ctrl-C stops the hub and its database.", ""])


def _curl(address: str, token: str, query: str) -> str:
    body = orjson.dumps({"query": query}).decode()
    return (
        f"curl -s {address}/graphql -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json'"
        f" -d {shlex.quote(body)}"
    )
