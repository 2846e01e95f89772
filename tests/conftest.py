"""A database for every worker, and what opens it.

One PostgreSQL server serves a run: the embedded one without durability, or that of TEST_DATABASE_URL. A template is
migrated once, and each worker gets a copy. Reads run on connections of their own, so tests commit; `clean` takes away
what a test added.
"""

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.db import ReadPool, connect, read_pool, with_database, write_engine
from crm_graph.embedded import EmbeddedServer
from crm_graph.migrations import migrate
from crm_graph.models import Base
from crm_graph.settings import Settings, load_settings

REFERENCE = (
    "policy_version", "roles", "grants", "users", "teams", "team_members", "user_roles", "clients", "signing_keys",
    "pipelines", "stages", "transitions", "reasons", "exchange_rates", "log_epochs",
)  # fmt: skip
"""Tables of which a run may hold rows from its start on; of these `clean` takes only what the test added."""


class Cluster:
    """The server of one run, its migrated template, and the databases made from it."""

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="crm-graph-test-"))
        self._given = os.environ.get("TEST_DATABASE_URL")
        # Each worker has several hubs open at a time, with all their connections.
        options = {"max_connections": "500"}
        self._embedded = None if self._given else EmbeddedServer(self._home, durable=False, options=options)
        self._run = f"crm_test_{secrets.token_hex(4)}"
        self.address = ""

    def start(self) -> "Cluster":
        self.address = with_database(self._given or self._started(), "postgres") + "#" + self._run
        _run(_make_template(self.address))
        return self

    def _started(self) -> str:
        assert self._embedded is not None
        return self._embedded.start()

    def stop(self) -> None:
        if self._given:
            _run(_drop_all(self.address))
        if self._embedded:
            self._embedded.stop()
        shutil.rmtree(self._home, ignore_errors=True)


def pytest_xdist_setupnodes(config: pytest.Config, specs: Any) -> None:
    """In the controller, before any worker runs."""
    cluster = Cluster()
    config.add_cleanup(cluster.stop)
    config.stash[_CLUSTER] = cluster.start()


def pytest_configure_node(node: Any) -> None:
    node.workerinput["cluster_address"] = node.config.stash[_CLUSTER].address


_CLUSTER = pytest.StashKey[Cluster]()


@pytest.fixture(scope="session")
def cluster_address(request: pytest.FixtureRequest) -> Iterator[str]:
    """The server's URL, and after a hash the name that this run's databases begin with."""
    workerinput = getattr(request.config, "workerinput", None)
    if workerinput is not None:
        yield workerinput["cluster_address"]
        return
    cluster = Cluster()
    try:
        yield cluster.start().address
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def database_url(cluster_address: str, worker_id: str) -> str:
    """This worker's own migrated database."""
    url, _, run = cluster_address.partition("#")
    name = f"{run}_{worker_id}"
    _run(_execute(url, f"CREATE DATABASE {name} TEMPLATE {run}_template"))
    return with_database(url, name)


@pytest.fixture(scope="session")
def settings(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load_settings(database_url=database_url, database_read_url=None, home=tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """The write engine on this worker's database."""
    assert settings.database_url
    made = write_engine(settings.database_url, settings)
    yield made
    await made.dispose()


@pytest.fixture(scope="session")
async def pool(settings: Settings) -> AsyncIterator[ReadPool]:
    """The read pool on this worker's database."""
    assert settings.database_url
    made = await read_pool(settings.database_url, settings)
    yield made
    await made.close()


@pytest.fixture(scope="session")
async def _janitor(database_url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    connection = await connect(database_url, application_name="tests")
    await connection.execute("SET lock_timeout = '5s'")
    yield connection
    await connection.close()


@pytest.fixture
async def clean(_janitor: "asyncpg.Connection[Any]") -> AsyncIterator[None]:
    """Afterwards the database holds what it held before: records are deleted, reference rows where they are new.

    What a test changes or deletes in reference rows stays so.
    """
    known: str = await _janitor.fetchval(_KNOWN)
    yield
    await _janitor.execute("SELECT set_config('tests.known', $1, false)", known)
    await _janitor.execute(_CLEAN)


def _key(table: Any) -> str:
    return f"ROW({', '.join(column.name for column in table.primary_key)})::text"


_TABLES = Base.metadata.tables
_KNOWN = "SELECT jsonb_build_object({})::text".format(
    ", ".join(f"'{name}', (SELECT jsonb_agg({_key(_TABLES[name])}) FROM {name})" for name in REFERENCE)
)
_CLEAN = ";".join(
    f"DELETE FROM {table.name}"
    + (
        f" WHERE {_key(table)} NOT IN (SELECT jsonb_array_elements_text(NULLIF("
        f"current_setting('tests.known')::jsonb -> '{table.name}', 'null')))"
        if table.name in REFERENCE
        else ""
    )
    for table in reversed(Base.metadata.sorted_tables)
)


def _run(work: Any) -> Any:
    """Run a coroutine to its end, apart from any loop of the tests."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def _execute(url: str, statement: str) -> None:
    connection = await connect(url, application_name="tests")
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _make_template(address: str) -> None:
    url, _, run = address.partition("#")
    connection = await connect(url, application_name="tests")
    try:
        builtin = connection.get_server_version() >= (17,)
        locale = "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'" if builtin else "LOCALE_PROVIDER libc"
        await connection.execute(
            f"CREATE DATABASE {run}_template TEMPLATE template0 ENCODING 'UTF8' {locale}"
            " LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'"
        )
    finally:
        await connection.close()
    await migrate(with_database(url, f"{run}_template"), load_settings())


async def _drop_all(address: str) -> None:
    url, _, run = address.partition("#")
    connection = await connect(url, application_name="tests")
    try:
        for row in await connection.fetch("SELECT datname FROM pg_database WHERE starts_with(datname, $1)", f"{run}_"):
            await connection.execute(f"DROP DATABASE {row['datname']} WITH (FORCE)")
    finally:
        await connection.close()
