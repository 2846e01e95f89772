"""The README is true: its examples are run in order against a demo of their own, and its tables name what there is."""

import asyncio
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import typer.main

from crm_graph.cli import app
from crm_graph.db import connect
from crm_graph.embedded import EmbeddedServer
from crm_graph.settings import Settings
from docs.examples import Example, blocks, differences, examples, line_differences

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
BIN = Path(sys.executable).parent
ADDRESS = "127.0.0.1:8000"
LAST_LINE = "Ctrl-C stops the hub and its database."
START_WITHIN_S = 90
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("*.md")],
    key=lambda path: path.as_posix(),
)


@dataclass
class Reader:
    """Who follows the walk-through: a shell in a directory of their own, the tokens of the demo, and what they noted
    from one example for the next.
    """

    home: Path
    port: int
    tokens: dict[str, str]
    names: dict[str, str]
    wrong: list[str] = field(default_factory=list)

    def follow(self, example: Example) -> None:
        """Run an example once for each of its answers, or once."""
        for language, shown in example.answers or [("", "")]:
            given = self._run(example)
            if language == "json":
                wanted, got = orjson.loads(shown), orjson.loads(given)
                if "extensions" not in wanted:
                    got.pop("extensions", None)
                found = differences(wanted, got, self.names)
            else:
                found = line_differences(shown, given) if language else iter(())
            self.wrong += [f"{problem}\n{example.text}" for problem in found]

    def _run(self, example: Example) -> str:
        text = example.text
        if example.language == "graphql":
            return self._ask(text)
        if example.language == "sql":
            return asyncio.run(self._execute(text))
        if text.startswith("make "):
            assert re.search(rf"^{text.split()[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
            return ""
        return self._shell(text)

    def _ask(self, document: str) -> str:
        role = document.splitlines()[0].removeprefix("# ")
        for name, value in self.names.items():
            document = document.replace(name, value)
        return httpx.post(
            f"http://127.0.0.1:{self.port}/graphql",
            json={"query": document},
            headers={"Authorization": f"Bearer {self.tokens[role]}"},
        ).text

    def _shell(self, script: str) -> str:
        done = subprocess.run(
            ["sh", "-euc", script.replace(ADDRESS, f"127.0.0.1:{self.port}")],
            cwd=self.home,
            env=environment(self.home, self.port)
            | {"PATH": f"{self.home}:{os.defpath}"}
            | {name.removeprefix("$"): value for name, value in self.names.items()},
            capture_output=True,
            text=True,
            check=False,
            timeout=START_WITHIN_S,
        )
        assert done.returncode == 0, f"{script}\n{done.stderr}"
        return done.stdout

    async def _execute(self, script: str) -> str:
        connection = await connect(EmbeddedServer(self.home / "data").url)
        try:
            return await connection.execute(script)
        finally:
            await connection.close()


def environment(home: Path, port: int) -> dict[str, str]:
    """The environment of the demo's commands, without what a developer may have set for their own."""
    ours = {"CRM_GRAPH_HOME": str(home / "data"), "PORT": str(port), "COLUMNS": "80", "LC_ALL": "C.UTF-8"}
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CRM_GRAPH_") and not k.startswith("DATABASE_")}
    return kept | ours


@contextmanager
def reader() -> Iterator[Reader]:
    """A running demo and somebody to follow the README with it; at the end Ctrl-C stops it."""
    with tempfile.TemporaryDirectory(prefix="crm-graph-docs-") as directory:
        home, port = Path(directory), _free_port()
        # Where the tests run as root, the database's own user must get to its data below.
        home.chmod(0o711)
        (home / ".venv").mkdir()
        (home / ".venv" / "bin").symlink_to(BIN)
        (home / "examples").symlink_to(ROOT / "examples")
        curl = [sys.executable, str(Path(__file__).with_name("curl.py"))]
        (home / "curl").write_text(f'#!/bin/sh\nexec {shlex.join(curl)} "$@"\n')
        (home / "curl").chmod(0o755)
        with subprocess.Popen(
            [BIN / "crm-graph", "demo"],
            env=environment(home, port),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as demo:
            try:
                told = _told(demo)
                tokens = dict(re.findall(r"^  (\w+) +(ey\S+)$", told, re.MULTILINE))
                secret = re.search(r"`erp` has the secret (\S+),", told)
                assert secret is not None, told
                yield Reader(home, port, tokens, {"$ERP_SECRET": secret[1]})
            finally:
                demo.send_signal(signal.SIGINT)
                rest, _ = demo.communicate(timeout=START_WITHIN_S)
            assert rest.splitlines()[-1] == "Stopped; the data stays."


def _told(demo: "subprocess.Popen[str]") -> str:
    """What the demo prints until it serves."""
    assert demo.stdout is not None
    too_long = threading.Timer(START_WITHIN_S, demo.kill)
    too_long.start()
    told = ""
    for line in demo.stdout:
        told += line
        if line.strip() == LAST_LINE:
            break
    too_long.cancel()
    assert LAST_LINE in told, told
    return told


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def test_walk_through_gives_what_it_says_and_every_route_is_there() -> None:
    with reader() as someone:
        for example in examples(README):
            someone.follow(example)
        assert someone.wrong == []
        base = f"http://127.0.0.1:{someone.port}"
        routes = re.findall(r"`(GET|POST) (/[^`?]+)", README.read_text(encoding="utf-8"))
        answers = {(method, path): httpx.request(method, base + path) for method, path in routes}
        nothing_there = httpx.post(base + "/nowhere")
    assert len(answers) == 18
    # An address of an upload that never was is not found either, and says so with a code.
    unknown = answers.pop(("POST", "/files"))
    assert unknown.json()["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert unknown.content != nothing_there.content
    assert {route for route, answer in answers.items() if answer.status_code in (404, 405)} == set()


def test_chinese_readme_has_the_same_examples() -> None:
    assert blocks(ROOT / "README.zh-CN.md") == blocks(README)


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_variables_are_those_of_the_settings_with_their_defaults(name: str) -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (?:`([^`]*)`)? ?\|", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) > 10
    assert [row for row in rows if row[0] not in _variables()] == []
    assert [(variable, default) for variable, default in rows if _variables()[variable] != (default or None)] == []


def _variables() -> dict[str, str | None]:
    """The defaults by variable; None for what is worked out."""
    found = {}
    for key, member in Settings.model_fields.items():
        alias: Any = member.validation_alias
        variable = alias.choices[0] if alias else f"CRM_GRAPH_{key.upper()}"
        said = member.default or (member.default == 0 and member.default is not False)
        found[variable] = str(member.default) if said and not member.default_factory else None
    return found


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_commands_and_options_are_those_of_the_command_line(name: str) -> None:
    rows = re.findall(
        r"^\| `crm-graph ([\w-]+)([^`]*)`([^\n]*)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE
    )
    commands: Any = typer.main.get_command(app)
    assert {command for command, _, _ in rows} == set(commands.commands)
    for command, usage, about in rows:
        named = commands.commands[command]
        given = (named, *getattr(named, "commands", {}).values())
        known = {option for each in given for parameter in each.params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", usage + about)) <= known, command


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_files_that_the_architecture_names_are_there() -> None:
    package = ROOT / "src" / "crm_graph"
    named = re.findall(
        r"`((?:[a-z_0-9]+/)*[a-z_0-9]+(?:\.py|/))`", (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    )
    assert len(named) > 50
    folders = [package, ROOT, *(path for path in package.iterdir() if path.is_dir())]
    assert [name for name in named if not any((folder / name).exists() for folder in folders)] == []


def test_architecture_is_short() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines()) <= 150
