"""Side by side: crm-graph, the hand-written limit and a peer answer the same question in turn."""

import shlex
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console

from bench import contenders as asked
from bench import report
from bench.contenders import Contender, check_same_data
from bench.database import Database
from bench.hub import Hub
from bench.load import Series, measure, require_wrk
from bench.processes import free_port, serving

_console = Console(stderr=True, highlight=False)
REPOSITORY = Path(__file__).resolve().parent.parent


def measure_peers(
    hub: Hub | None,
    database: Database,
    scratch: Path,
    options: Namespace,
    progress: Callable[[str], None],
) -> list[Series]:
    """The series of every contender at every page size, after it was seen that all answer alike."""
    require_wrk()
    with ExitStack() as stack:
        started = [stack.enter_context(_limit(database, scratch))]
        if hub is not None:
            started.append(Contender(report.OURS, hub.port, asked.OURS, hub.token(options.role)))
        if options.peer:
            progress("starting the peer; it may install itself first")
            started.append(stack.enter_context(_peer(database, scratch, shlex.split(options.peer))))
        else:
            _console.print("PEER is not set: no peer is measured. Name a command that serves one to see the ratio.")
        for line in check_same_data(started, options.sizes):
            _console.print(f"all answer alike, {line}")
        return [
            one
            for size in options.sizes
            for one in measure(
                started, size, rounds=options.rounds, seconds=options.seconds, scratch=scratch, progress=progress
            )
        ]


@contextmanager
def _limit(database: Database, scratch: Path) -> Iterator[Contender]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "bench.limit:app", "--host=127.0.0.1", f"--port={port}"]
    quiet = ["--loop=uvloop", "--http=httptools", "--lifespan=on", "--no-access-log", "--log-level=warning"]
    environment = {"BENCH_DATABASE_URL": database.url, "PYTHONPATH": str(REPOSITORY)}
    with serving([*command, *quiet], environment, port, scratch / "limit.log"):
        yield Contender(report.LIMIT, port, asked.OURS)


@contextmanager
def _peer(database: Database, scratch: Path, command: Sequence[str]) -> Iterator[Contender]:
    port = free_port()
    arguments = [database.host, database.name, "public", str(port), str(database.port)]
    with serving([*command, *arguments], {}, port, scratch / "peer.log"):
        yield Contender("peer", port, asked.PEER)
