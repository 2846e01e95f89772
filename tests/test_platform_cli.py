"""The commands as a user runs them, in processes of their own."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import orjson
import pytest
from graphql import GraphQLInputObjectType, GraphQLObjectType, GraphQLSchema, build_schema

from crm_graph import maintenance
from crm_graph.db import connect, database_name, with_database
from crm_graph.services.role_rules import LACKING_APPROVER
from crm_graph.settings import load_settings

COMMAND = [sys.executable, "-c", "from crm_graph.cli import main; main()"]
SOURCES = str(Path(__file__).parents[1] / "src")
WALL_S = 600
"""A process that hangs is given up then, on however busy a machine; nothing is said of how long it takes."""


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="crm-graph-home-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory) / "data"


@pytest.fixture
def port() -> int:
    return free_port()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def environment(**values: str) -> Mapping[str, str]:
    left_out = ("CRM_GRAPH", "DATABASE", "HOST", "PORT", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {**kept, "PYTHONPATH": SOURCES, **values}


def crm_graph(*arguments: str, **values: str) -> "subprocess.CompletedProcess[str]":
    """A command that ends by itself."""
    return subprocess.run(
        [*COMMAND, *arguments], env=environment(**values), capture_output=True, text=True, check=False, timeout=WALL_S
    )


@contextmanager
def running(*arguments: str, port: int, **values: str) -> Iterator["subprocess.Popen[str]"]:
    """A command that serves, once it is ready; told to stop at the end."""
    process = subprocess.Popen(
        [*COMMAND, *arguments], env=environment(PORT=str(port), **values), stdout=subprocess.PIPE, text=True
    )
    try:
        _wait_until_ready(process, port)
        yield process
    finally:
        process.terminate()
        try:
            if process.stdout is not None and not process.stdout.closed:
                process.communicate(timeout=WALL_S)
        finally:
            process.kill()


def _wait_until_ready(process: "subprocess.Popen[str]", port: int) -> None:
    transport = httpx.HTTPTransport(retries=8)
    since = time.monotonic()
    with httpx.Client(transport=transport, timeout=WALL_S) as client:
        while process.poll() is None and time.monotonic() - since < WALL_S:
            try:
                if client.get(f"http://127.0.0.1:{port}/health/ready").status_code == 200:
                    return
            except httpx.ConnectError:
                continue
    raise AssertionError("the command ended before it was ready, or never was")


def test_the_demo_runs_from_nothing_and_stops_clean(home: Path, port: int) -> None:
    with running("demo", port=port, CRM_GRAPH_HOME=str(home), CRM_GRAPH_RIGHTS_APPROVAL="true") as demo:
        token = crm_graph("token", "--role", "finance", CRM_GRAPH_HOME=str(home)).stdout.splitlines()[-1]
        query = "{ customers(first: 1, where: {kind: {eq: ORGANIZATION}}) { nodes { taxId } } }"
        answer = httpx.post(
            f"http://127.0.0.1:{port}/graphql", json={"query": query}, headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.status_code == 200
        assert len(answer.json()["data"]["customers"]["nodes"]) == 1

        second = crm_graph("demo", PORT=str(port), CRM_GRAPH_HOME=str(home))
        assert second.returncode == 1
        assert second.stderr == (
            f"crm-graph: 127.0.0.1:{port} is in use by another program; stop it, or choose another PORT\n"
        )
        elsewhere = crm_graph("demo", PORT=str(free_port()), CRM_GRAPH_HOME=str(home))
        assert elsewhere.returncode == 1
        used = f"the data in {home} is in use by process {demo.pid}"
        assert elsewhere.stderr == f"crm-graph: {used}; stop it, or set CRM_GRAPH_HOME to another\n"

        demo.send_signal(signal.SIGINT)
        told, _ = demo.communicate(timeout=WALL_S)
    assert demo.returncode == 0
    lines = told.splitlines()
    assert f"GraphiQL   http://127.0.0.1:{port}/graphql" in lines
    assert [line.split()[0] for line in lines if line.startswith("  ")] == [
        "sales", "sales_manager", "service", "finance", "marketing", "crm_manager", "analyst", "auditor",
        "erp", "commerce", "call_centre", "admin",
    ]  # fmt: skip
    assert sum(line.startswith("curl ") for line in lines) == 3
    # Of its one administrator nobody approves what they edit.
    assert lines[lines.index("Ctrl-C stops the hub and its database.") - 2] == LACKING_APPROVER
    assert lines[-1] == "Stopped; the data stays."
    assert not (home / "postgres-18" / "postmaster.pid").exists()
    gone = crm_graph("token", "--role", "sales", CRM_GRAPH_HOME=str(home))
    assert gone.stderr == f"crm-graph: no demo runs with the data in {home}; start one with make demo\n"


async def test_serve_needs_a_migrated_database_and_then_serves_it(database_url: str, port: int, tmp_path: Path) -> None:
    name = f"{database_name(database_url)}_serve"
    url = with_database(database_url, name)
    admin = await connect(with_database(database_url, "postgres"))
    await admin.execute(f"CREATE DATABASE {name}")
    try:
        early = await asyncio.to_thread(crm_graph, "serve", DATABASE_URL=url, PORT=str(port))
        assert early.returncode == 1
        assert "the database is at revision none and this version needs" in early.stderr
        done = await asyncio.to_thread(crm_graph, "migrate", DATABASE_URL=url)
        assert (done.returncode, done.stdout.endswith(", from nothing.\n")) == (0, True)
        await asyncio.to_thread(_serves_and_stops, url, port)
        await asyncio.to_thread(_keeps_an_issuer, url, tmp_path / "staff.json")
        await asyncio.to_thread(_has_a_way_out, url)
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


def _keeps_an_issuer(url: str, file: Path) -> None:
    rule = {"claim": ["groups"], "value": "admins", "roles": ["admin"], "teams": []}
    told = {"url": "https://login.example.com", "name": "Staff", "audiences": ["crm"], "roleMap": [rule]}
    file.write_text(json.dumps(told))
    saved = crm_graph("issuers", "save", str(file), DATABASE_URL=url)
    assert saved.stderr == ""
    issuer = json.loads(saved.stdout)
    assert issuer == told | {
        "clients": [], "algorithms": ["ES256", "EdDSA", "PS256", "RS256"], "plainTokens": False, "leewaySeconds": 5,
        "signInClient": None, "signInScope": "openid profile email", "status": "ACTIVE",
    }  # fmt: skip
    settings = load_settings(database_url=url)
    listed = orjson.loads(orjson.dumps(asyncio.run(maintenance.all_issuers(settings))))
    assert listed == [issuer]
    with pytest.raises(ValueError, match="an issuer is a JSON object with url and some of: algorithms, audiences"):
        asyncio.run(maintenance.save_issuer(settings, told | {"plain": True}))


def _has_a_way_out(url: str) -> None:
    """Commands for who runs a hub where nobody is left to change rights."""
    reset = crm_graph("rights", "reset", "admin", DATABASE_URL=url)
    assert (reset.returncode, reset.stdout) == (0, "The role admin is what the hub comes with.\n")
    every = crm_graph("rights", "reset", "--all", DATABASE_URL=url)
    assert (every.returncode, every.stdout) == (0, "All built-in roles are what the hub comes with.\n")
    which = crm_graph("rights", "reset", "admin", "--all", DATABASE_URL=url)
    assert (which.returncode, which.stderr) == (
        1, "crm-graph: name the role to reset, or say --all for all built-in ones\n"
    )  # fmt: skip
    nobody = crm_graph("rights", "reinstate", "nobody", DATABASE_URL=url)
    assert (nobody.returncode, nobody.stderr) == (1, "crm-graph: there is no user nobody\n")


def _serves_and_stops(url: str, port: int) -> None:
    with running("serve", port=port, DATABASE_URL=url) as server:
        (leaked,) = _published(port)
        dropped = crm_graph("keys", "drop", leaked, DATABASE_URL=url)
        assert (dropped.stdout, dropped.stderr) == (f"The key {leaked} verifies nothing any more.\n", "")
        since = time.monotonic()
        while leaked in _published(port):
            assert time.monotonic() - since < 1
        (next_one,) = _published(port)
        listed = asyncio.run(maintenance.list_keys(url, load_settings(database_url=url)))
        assert [(key["kid"], key["droppedAt"] is None) for key in listed] == [(next_one, True), (leaked, False)]
        server.terminate()
        assert server.wait(WALL_S) == 0


def _published(port: int) -> list[str]:
    return [key["kid"] for key in httpx.get(f"http://127.0.0.1:{port}/.well-known/jwks.json").json()["keys"]]


def test_what_is_wrong_is_told_in_a_line() -> None:
    missing = crm_graph("serve")
    assert (missing.returncode, missing.stderr.count("\n")) == (1, 1)
    assert missing.stderr.startswith("crm-graph: set DATABASE_URL")
    nowhere = crm_graph("migrate", DATABASE_URL="postgresql://u:secret@127.0.0.1:1/none")
    assert (nowhere.returncode, "secret" in nowhere.stderr, "Traceback" in nowhere.stderr) == (1, False, False)
    wrong = crm_graph("token", "--role", "sales", PORT="many")
    assert wrong.stderr.startswith("crm-graph: PORT: Input should be a valid integer")
    for zone in ("Mars/Base", "Asia", "../etc"):
        nowhere = crm_graph("token", "--role", "sales", CRM_GRAPH_TIME_ZONE=zone)
        assert (nowhere.returncode, nowhere.stderr) == (
            1,
            "crm-graph: time_zone: Value error, there is no such time zone; give an IANA name, such as Asia/Shanghai\n",
        )


def test_migrations_are_checked_on_a_server_of_their_own() -> None:
    done = crm_graph("migrate", "--check")
    assert (done.returncode, done.stdout) == (0, "Migrations and models agree.\n")


def test_prints_the_schema_in_the_definition_language() -> None:
    printed = crm_graph("schema", "print").stdout
    assert "\ntype Query {" in printed
    assert "\ntype Mutation {" in printed


def test_prints_the_schema_as_a_set_of_roles_sees_it(home: Path) -> None:
    def printed(*roles: str) -> GraphQLSchema:
        arguments = [word for role in roles for word in ("--role", role)]
        done = crm_graph("schema", "print", *arguments, CRM_GRAPH_HOME=str(home))
        assert (done.returncode, done.stderr) == (0, "There is no database to ask: these are the built-in rights.\n")
        return build_schema(done.stdout)

    def fields(schema: GraphQLSchema, name: str) -> set[str]:
        type_ = schema.type_map.get(name)
        return set(type_.fields) if isinstance(type_, GraphQLObjectType | GraphQLInputObjectType) else set()

    service, both, auditor = printed("service"), printed("service", "finance"), printed("auditor")
    assert {"title", "netAmount"} & fields(service, "Contract") == {"title"}
    assert {"title", "netAmount"} & fields(both, "Contract") == {"title", "netAmount"}
    assert "phone" not in fields(service, "CreateContractInput")
    assert {"Contract", "Customer", "User"} & set(auditor.type_map) == {"User"}
    assert fields(auditor, "Mutation") == {"withdrawRights"}


def test_unknown_role_is_told_with_those_that_there_are(home: Path) -> None:
    done = crm_graph("schema", "print", "--role", "superuser", CRM_GRAPH_HOME=str(home))
    assert done.returncode == 1
    assert done.stdout == ""
    assert "crm-graph: there is no role superuser; there are: admin, analyst, auditor, " in done.stderr
