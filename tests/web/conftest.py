"""The real application on a real socket, with a small company of its own: people are tokens, questions are HTTP."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import orjson
import pytest
import structlog
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.applications import Starlette
from starlette.types import ASGIApp

from crm_graph.app import Front, build_app, graphql_endpoint, routes
from crm_graph.catalog import build_catalog
from crm_graph.db import connect, with_database, write_engine
from crm_graph.embedded import EmbeddedServer
from crm_graph.hub import Hub, open_hub, prepare
from crm_graph.migrations import migrate
from crm_graph.models.ids import EntityCode, IdSource
from crm_graph.permissions.clients import register_client
from crm_graph.permissions.keys import KeyRing, load_keys
from crm_graph.permissions.store import raise_policy_version
from crm_graph.permissions.tokens import TokenTerms, issue_access_token, issue_user_token
from crm_graph.server import serve
from crm_graph.settings import Settings, load_settings
from crm_graph.web.metrics import RequestCounts

START = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
MAX_BODY_BYTES = 4 * 1024 * 1024
RESPONSE_JSON = "application/graphql-response+json"

PEOPLE = {
    "wang": ("sales", "east"),
    "chen": ("sales", "east"),
    "li": ("sales", "north"),
    "zhou": ("sales", "east"),
    "zhao": ("service", "service"),
    "qian": ("finance", None),
    "sun": ("crm_manager", None),
    "root": ("admin", None),
    "caller": ("matcher", None),
    "mo": ("auditor", None),
}
"""Username to role and primary team. Zhou is a dispatcher too: she may assign leads, and sees no more for it. The
matcher sees customers' phones masked everywhere, and may look them up and unmask them, and erase customers.
"""


@dataclass
class Clock:
    """Stands where it was put; each reading is a little later than the one before."""

    now: datetime = START

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    response: httpx.Response

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def json(self) -> Any:
        return orjson.loads(self.response.content)

    @property
    def data(self) -> Any:
        """The data of an answer without errors."""
        assert self.status == 200, self.response.text
        assert "errors" not in self.json, self.response.text
        return self.json["data"]

    @property
    def error(self) -> tuple[int, str, str]:
        """Status, code and message of a request that was refused with one error and no data."""
        (error,) = self.json["errors"]
        assert "data" not in self.json, self.response.text
        return self.status, error["extensions"]["code"], error["message"]

    def payload(self, key: str) -> Any:
        """The payload of a mutation field."""
        return self.data[key]

    def refusals(self, key: str) -> list[tuple[str, list[str]]]:
        """Code and path of each user error of a mutation field that took no effect."""
        return [(e["code"], e["path"]) for e in self.payload(key)["errors"]]


@dataclass
class Crm:
    """A running hub, as its clients and its database see it."""

    http: httpx.AsyncClient
    settings: Settings
    database: "asyncpg.Connection[Any]"
    keys: KeyRing
    clock: Clock
    users: dict[str, UUID] = field(default_factory=dict)
    teams: dict[str, UUID] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def terms(self) -> TokenTerms:
        return TokenTerms.of(self.settings)

    def token(self, who: str, *, now: datetime | None = None) -> str:
        """A fresh token of one of the people; `erp` asks as the client of that name."""
        now = now or self.clock()
        if who != "erp":
            epoch = self.epochs.get(who, 0)
            return issue_user_token(self.terms, self.keys, self.users[who], now=now, epoch=epoch)
        scopes = ["customers:read", "customers:upsert", "sync:customers"]
        return issue_access_token(
            self.terms, self.keys, subject=self.users["erp"], client_id="erp", scopes=scopes, now=now
        )

    async def suspended(self, user_id: str) -> None:
        """Give tokens of a user from now on that hold after a suspension which has just ended all others."""
        for who, id_ in self.users.items():
            if str(id_) == user_id:
                statement = "SELECT token_epoch FROM users WHERE id = $1"
                # Two at once share one connection.
                async with self.asking:
                    self.epochs[who] = await self.database.fetchval(statement, id_)

    def headers(self, who: str, **more: str) -> dict[str, str]:
        """What each request carries; `more` by header name, underscores for hyphens."""
        extra = {name.replace("_", "-"): value for name, value in more.items()}
        return {"Authorization": f"Bearer {self.token(who)}", "Accept": RESPONSE_JSON, **extra}

    async def ask(
        self,
        who: str,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        **headers: str,
    ) -> Answer:
        """POST a document as one of the people."""
        body = {"query": query, "variables": variables, "operationName": name}
        response = await self.http.post("/graphql", json=body, headers=self.headers(who, **headers))
        if response.status_code == 401 and await self._is_behind(who):
            # Another hub of the same database has ended their tokens since.
            response = await self.http.post("/graphql", json=body, headers=self.headers(who, **headers))
        return Answer(response)

    async def _is_behind(self, who: str) -> bool:
        """Whether tokens of theirs were of an epoch that is over; new ones are not."""
        before = self.epochs.get(who, 0)
        await self.suspended(str(self.users[who]))
        return self.epochs.get(who, 0) != before

    async def post(self, content: bytes | str, who: str = "sun", **headers: str) -> Answer:
        """POST a body as it is."""
        sent = {"Content-Type": "application/json", **self.headers(who, **headers)}
        return Answer(await self.http.post("/graphql", content=content, headers=sent))

    async def make(self, who: str, entity: str, **values: Any) -> dict[str, Any]:
        """A new record, made through the API: its id and version."""
        type_ = entity[0].upper() + entity[1:]
        answer = await self.ask(
            who,
            f"mutation($i: Create{type_}Input!) {{ create{type_}(input: $i) {{ {entity} {{ id version }}"
            " errors { code path message } } }",
            {"i": values},
        )
        payload = answer.payload(f"create{type_}")
        assert payload["errors"] == []
        made: dict[str, Any] = payload[entity]
        return made

    async def events(self, id_: str) -> list[dict[str, Any]]:
        """The events of a record in their order, JSON read."""
        found = await self.database.fetch(
            "SELECT type, entity_version, changed::text AS changed, before::text AS before, after::text AS after,"
            " actor_id, client_id, source, request_id, reason, occurred_at"
            " FROM events WHERE entity_id = $1 ORDER BY entity_version",
            UUID(id_),
        )
        return [{**e, **{k: orjson.loads(e[k]) for k in ("changed", "before", "after")}} for e in found]

    async def count(self, statement: str, *arguments: Any) -> int:
        return int(await self.database.fetchval(f"SELECT count(*) FROM {statement}", *arguments))


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """An application behind uvicorn on a free port, and a client of it."""
    ready = asyncio.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        running = asyncio.create_task(serve(app, listening, on_ready=ready.set))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            waiting.cancel()
            await running
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            async with httpx.AsyncClient(base_url=url, timeout=30) as http:
                yield http
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


def front_of(hub: Hub) -> Front:
    """The application over a hub that is open already."""
    counts = RequestCounts()
    graphql = graphql_endpoint(hub, counts)
    front = Front(Starlette(routes=routes(hub, graphql.operations, CollectorRegistry())), counts)
    front.graphql = graphql
    return front


@asynccontextmanager
async def hub_with(crm: Crm, settings: Settings, **parts: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A second hub on the same database, some of its parts replaced, and a client of it."""
    async with open_hub(settings, clock=crm.clock) as hub, serving(front_of(replace(hub, **parts))) as http:
        yield http


async def settings_of_own_database(cluster_address: str, worker_id: str, name: str, home: Path) -> Settings:
    """Of a new database, so that its company stays whatever other tests clean away."""
    url, _, run = cluster_address.partition("#")
    database = f"{run}_{worker_id}_{name}"
    connection = await connect(url, application_name="tests")
    try:
        await connection.execute(f"CREATE DATABASE {database} TEMPLATE {run}_template")
    finally:
        await connection.close()
    return load_settings(
        database_url=with_database(url, database),
        database_read_url=None,
        home=home,
        max_body_bytes=MAX_BODY_BYTES,
        cost_per_minute=0,
        lookups_per_minute=0,
        unmasked_per_minute=0,
        duplicate_checks_per_minute=0,
        read_pool_size=4,
        write_pool_size=4,
    )


@pytest.fixture(scope="session")
async def web_settings(cluster_address: str, worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return await settings_of_own_database(cluster_address, worker_id, "web", tmp_path_factory.mktemp("web"))


@pytest.fixture(scope="session")
def _plain_logs() -> Iterator[None]:
    """Tracebacks without the values of their variables, which take minutes to print for a GraphQL schema."""
    renderer = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[renderer])
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
async def crm(web_settings: Settings, _plain_logs: None) -> AsyncIterator[Crm]:
    """The hub of the session. Tests make the records they are about; nothing is taken away between them."""
    async with opened(web_settings) as crm:
        yield crm


@pytest.fixture(scope="session")
async def ruled(
    cluster_address: str, worker_id: str, tmp_path_factory: pytest.TempPathFactory, _plain_logs: None
) -> AsyncIterator[Crm]:
    """A hub with a database of its own, whose rights tests change. Each takes back what it does to built-in roles."""
    home = tmp_path_factory.mktemp("ruled")
    async with opened(await settings_of_own_database(cluster_address, worker_id, "ruled", home)) as crm:
        yield crm


@pytest.fixture(scope="session")
async def registry(
    cluster_address: str, worker_id: str, tmp_path_factory: pytest.TempPathFactory, _plain_logs: None
) -> AsyncIterator[Crm]:
    """A hub with a database of its own, in which tests register clients: each has an account with roles."""
    home = tmp_path_factory.mktemp("registry")
    async with opened(await settings_of_own_database(cluster_address, worker_id, "registry", home)) as crm:
        yield crm


@pytest.fixture(scope="session")
async def elsewhere(ruled: Crm) -> AsyncIterator[Crm]:
    """Another process on the same database, as far as a hub can tell."""
    async with hub_with(ruled, ruled.settings) as http:
        yield replace(ruled, http=http)


@pytest.fixture(scope="session")
async def fed(tmp_path_factory: pytest.TempPathFactory, _plain_logs: None) -> AsyncIterator[Crm]:
    """A hub on a server of its own: an open transaction of any other test would hold the feed back."""
    with TemporaryDirectory(prefix="crm-graph-feed-") as home:
        server = EmbeddedServer(Path(home), durable=False, options={"max_connections": "100"})
        try:
            url = server.start()
            administration = await connect(with_database(url, "postgres"), application_name="tests")
            await administration.execute("CREATE DATABASE feed")
            await administration.close()
            settings = load_settings(
                database_url=with_database(url, "feed"),
                database_read_url=None,
                home=tmp_path_factory.mktemp("fed"),
                cost_per_minute=0,
                read_pool_size=4,
            )
            await migrate(str(settings.database_url), settings)
            async with opened(settings) as crm:
                yield crm
        finally:
            server.stop()


@asynccontextmanager
async def opened(
    settings: Settings, clock: Any = None, monotonic: Callable[[], float] = time.monotonic
) -> AsyncIterator[Crm]:
    """A hub on a migrated database, with the company in it."""
    assert settings.database_url
    clock = clock or Clock()
    users, teams = await staff(settings, clock)
    database = await connect(settings.database_url, application_name="tests")
    try:
        keys = await load_keys(database, now=clock(), token_lifetime_s=settings.token_lifetime_s)
        async with serving(build_app(settings, clock=clock, monotonic=monotonic)) as http:
            yield Crm(http, settings, database, keys, clock, users, teams)
    finally:
        await database.close()


async def staff(settings: Settings, clock: Clock) -> tuple[dict[str, UUID], dict[str, UUID]]:
    """Fill an empty database with roles, workflows, a key, and people who have tokens."""
    assert settings.database_url
    engine, ids = write_engine(settings.database_url, settings), IdSource(clock)
    users = {name: ids.new(EntityCode.USER) for name in (*PEOPLE, "erp")}
    teams = {key: ids.new(EntityCode.TEAM) for key in ("east", "north", "service")}
    try:
        await prepare(engine, clock=clock)
        async with AsyncSession(engine) as session:
            for key, id_ in teams.items():
                await session.execute(text(_TEAM), {"id": id_, "key": key, "path": f"{key}/", "now": clock()})
            matcher = {"id": ids.new(EntityCode.ROLE), "grant": ids.new(EntityCode.GRANT), "now": clock()}
            await session.execute(text(_MATCHER), matcher)
            for name, id_ in users.items():
                role, team = PEOPLE.get(name, ("erp", None))
                kind = "SERVICE" if name == "erp" else "PERSON"
                await session.execute(text(_USER), {"id": id_, "name": name, "kind": kind, "now": clock()})
                await session.execute(text(_ROLE), {"id": id_, "role": role})
                if name == "zhou":
                    await session.execute(
                        text(_DISPATCHER), {"id": id_, "role": ids.new(EntityCode.ROLE), "now": clock()}
                    )
                if team is not None:
                    await session.execute(text(_MEMBER), {"id": id_, "team": teams[team]})
            await register_client(
                session,
                build_catalog(),
                client_id="erp",
                name="ERP",
                user_id=users["erp"],
                scopes=["customers:read", "customers:upsert", "sync:customers"],
                source="erp",
                now=clock(),
                ids=ids,
            )
            await raise_policy_version(session)
            await session.commit()
    finally:
        await engine.dispose()
    return users, teams


_TEAM = (
    "INSERT INTO teams (id, kind, key, name, path, created_at, updated_at)"
    " VALUES (:id, 'TEAM', :key, :key, :path, :now, :now)"
)
_USER = (
    "INSERT INTO users (id, kind, username, name, created_at, updated_at) VALUES (:id, :kind, :name, :name, :now, :now)"
)
_ROLE = "INSERT INTO user_roles (user_id, role_id) SELECT :id, id FROM roles WHERE key = :role"
_DISPATCHER = (
    "WITH made AS (INSERT INTO roles (id, key, name_en, name_zh, actions, created_at, updated_at)"
    " VALUES (:role, 'dispatcher', 'Dispatcher', '派单员', '[\"leads:assign\"]', :now, :now) RETURNING id)"
    " INSERT INTO user_roles (user_id, role_id) SELECT :id, id FROM made"
)
_MATCHER = (
    "WITH made AS (INSERT INTO roles (id, key, name_en, name_zh, actions, created_at, updated_at)"
    " VALUES (:id, 'matcher', 'Matcher', '来电匹配', '[\"unmask\", \"erase\"]', :now, :now) RETURNING id)"
    " INSERT INTO grants (id, role_id, entity_type, row_rule, levels, field_levels)"
    " SELECT :grant, id, 'customer', 'ALL', '{}',"
    ' \'{"kind": "READ", "phone": "LOOKUP", "contact_points.raw": "MASKED", "credit_limit": "MASKED"}\''
    " FROM made"
)
_MEMBER = "INSERT INTO team_members (user_id, team_id, is_primary) VALUES (:id, :team, true)"
