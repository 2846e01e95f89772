"""`python -m bench`: seed, start the contenders, check that they answer alike, measure, print the ratios."""

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import NoReturn

from rich.console import Console

from bench import contenders as asked
from bench import report
from bench.contenders import Contender, check_same_data
from bench.database import CRM_GRAPH, Database, crm_graph, scratch_database
from bench.load import Series, measure, require_wrk
from bench.processes import BenchError, free_port, serving
from crm_graph.embedded import EmbeddedServerError

REPOSITORY = Path(__file__).resolve().parent.parent
console = Console(stderr=True, highlight=False)


def main() -> int:
    """Exit codes: 0 measured, 1 not possible, 130 interrupted."""
    options = _options()
    signal.signal(signal.SIGTERM, _end)
    try:
        series = _run(options)
    except (BenchError, EmbeddedServerError) as error:
        console.print(f"bench: {error}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("bench: interrupted; everything is stopped")
        return 130
    report.show(series, Console())
    if options.json:
        report.save(series, options.json)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench", description="Measures crm-graph beside the hand-written limit and the peer that PEER names."
    )
    parser.add_argument("--customers", type=int, default=100_000, help="customers to seed (100000)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 20, 100], metavar="N", help="page sizes (1 20 100)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the median counts (5)")
    parser.add_argument("--seconds", type=int, default=4, help="seconds per server and round (4)")
    parser.add_argument("--role", default="crm_manager", help="whose token crm-graph is asked with (crm_manager)")
    parser.add_argument("--peer", default=os.environ.get("PEER", ""), help="command that serves the peer (PEER)")
    parser.add_argument("--home", type=Path, help="keep the seeded server here for the next run")
    parser.add_argument("--database", help="URL of a seeded database to use as it is, instead of a server of our own")
    parser.add_argument("--without-ours", action="store_true", help="measure the limit and the peer alone")
    parser.add_argument("--json", type=Path, help="write every sample to this file")
    return parser.parse_args()


def _run(options: argparse.Namespace) -> list[Series]:
    require_wrk()
    with ExitStack() as stack:
        status = stack.enter_context(console.status("starting"))
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix="crm-graph-bench-")))
        database = (
            Database(options.database)
            if options.database
            else stack.enter_context(scratch_database(options.home or scratch, options.customers, status.update))
        )
        started = [stack.enter_context(_limit(database, scratch))]
        if not options.without_ours:
            status.update("starting crm-graph")
            started.append(stack.enter_context(_ours(database, scratch, options.role)))
        if options.peer:
            status.update("starting the peer; it may install itself first")
            started.append(stack.enter_context(_peer(database, scratch, shlex.split(options.peer))))
        else:
            console.print("PEER is not set: no peer is measured. Name a command that serves one to see the ratio.")
        for line in check_same_data(started, options.sizes):
            console.print(f"all answer alike, {line}")
        return _measure(started, options, scratch, status.update)


def _measure(
    started: Sequence[Contender], options: argparse.Namespace, scratch: Path, progress: Callable[[str], None]
) -> list[Series]:
    series: list[Series] = []
    for size in options.sizes:
        series += measure(
            started, size, rounds=options.rounds, seconds=options.seconds, scratch=scratch, progress=progress
        )
    return series


@contextmanager
def _limit(database: Database, scratch: Path) -> Iterator[Contender]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "bench.limit:app", "--host=127.0.0.1", f"--port={port}"]
    quiet = ["--loop=uvloop", "--http=httptools", "--lifespan=on", "--no-access-log", "--log-level=warning"]
    environment = {"BENCH_DATABASE_URL": database.url, "PYTHONPATH": str(REPOSITORY)}
    with serving([*command, *quiet], environment, port, scratch / "limit.log"):
        yield Contender(report.LIMIT, port, asked.OURS)


@contextmanager
def _ours(database: Database, scratch: Path, role: str) -> Iterator[Contender]:
    port = free_port()
    environment = {
        "DATABASE_URL": database.url,
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "CRM_GRAPH_HOME": str(scratch),
    }
    with serving([CRM_GRAPH, "serve"], environment, port, scratch / "crm-graph.log"):
        token = crm_graph("token", "--role", role, environment=environment).split()[-1]
        yield Contender(report.OURS, port, asked.OURS, token)


@contextmanager
def _peer(database: Database, scratch: Path, command: Sequence[str]) -> Iterator[Contender]:
    port = free_port()
    arguments = [database.host, database.name, "public", str(port), str(database.port)]
    with serving([*command, *arguments], {}, port, scratch / "peer.log"):
        yield Contender("peer", port, asked.PEER)


def _end(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Turn a request to end into an exception, so that every server is stopped on the way out."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
