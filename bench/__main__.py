"""`python -m bench`: seed, start what is measured, measure section after section, print."""

import argparse
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import NoReturn

from rich.console import Console
from rich.status import Status

from bench import report
from bench.cold import measure_cold
from bench.database import Database, scratch_database
from bench.feed import measure_feed
from bench.hub import Hub, running_hub
from bench.jobs import measure_jobs
from bench.pages import grow_interactions, growth, measure_depth, page_times
from bench.peers import measure_peers
from bench.policies import measure_policies
from bench.processes import BenchError
from bench.rights import measure_rights
from bench.soak import measure_soak
from bench.timers import measure_timers
from bench.tokens import measure_tokens
from crm_graph.embedded import EmbeddedServerError

SECTIONS = ("peers", "cold", "policies", "rights", "feed", "pages", "soak", "jobs", "timers")
SMALL = 1_000
"""Customers of the small database; each has ten interactions on average."""
console = Console(stderr=True, highlight=False)


def main() -> int:
    """Exit codes: 0 measured, 1 not possible, 130 interrupted."""
    options = _options()
    signal.signal(signal.SIGTERM, _end)
    outcome = report.Report()
    try:
        _run(options, outcome)
    except (BenchError, EmbeddedServerError) as error:
        console.print(f"bench: {error}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("bench: interrupted; everything is stopped")
        return 130
    finally:
        if options.json:
            outcome.save(options.json)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Measures crm-graph: beside the hand-written limit and the peer that PEER names, and by itself.",
    )
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="sections to measure (all)")
    parser.add_argument("--customers", type=int, default=100_000, help="customers to seed (100000)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 20, 100], metavar="N", help="page sizes (1 20 100)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the median counts (5)")
    parser.add_argument("--seconds", type=int, default=4, help="seconds per server and round (4)")
    parser.add_argument("--interactions", type=int, default=10_000_000, help="interactions at the end (10000000)")
    parser.add_argument("--many", type=int, default=1_000_000, help="customers under rights (1000000)")
    parser.add_argument("--soak-seconds", type=int, default=600, help="how long the soak takes (600)")
    parser.add_argument("--role", default="crm_manager", help="whose token crm-graph is asked with (crm_manager)")
    parser.add_argument("--peer", default=os.environ.get("PEER", ""), help="command that serves the peer (PEER)")
    parser.add_argument("--home", type=Path, help="keep the seeded server here for the next run")
    parser.add_argument("--database", help="URL of a seeded database, for `--only peers cold`: it is not changed")
    parser.add_argument("--without-ours", action="store_true", help="measure the limit and the peer alone")
    parser.add_argument("--json", type=Path, help="write every sample to this file")
    return parser.parse_args()


def _run(options: argparse.Namespace, outcome: report.Report) -> None:
    if options.database and not {"peers", "cold"}.issuperset(options.only):
        raise BenchError("only `--only peers cold` leave a database as it is; leave --database out for the rest")
    with ExitStack() as stack:
        status = stack.enter_context(console.status("starting"))
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix="crm-graph-bench-")))
        # The servers below it may run as a user of their own.
        scratch.chmod(0o711)
        home = options.home or scratch
        if _measured_apart(home, scratch, options=options, outcome=outcome, status=status):
            return
        database = (
            Database(options.database)
            if options.database
            else stack.enter_context(scratch_database(home, options.customers, status.update))
        )
        if options.without_ours:
            outcome.add_series(measure_peers(None, database, scratch, options, status.update))
            return
        status.update("starting crm-graph")
        hub = stack.enter_context(running_hub(database, scratch, CRM_GRAPH_FEED_DAYS="3650"))
        if "peers" in options.only:
            outcome.add_series(measure_peers(hub, database, scratch, options, status.update))
        if "cold" in options.only:
            status.update("documents and tokens that were never seen")
            outcome.add(measure_cold(hub, options.role), measure_tokens(database))
        if "policies" in options.only:
            status.update("the rights of a large company")
            outcome.add(measure_policies(database))
        if "feed" in options.only:
            status.update("the feed")
            outcome.add(measure_feed(hub))
        if "pages" in options.only:
            _measure_pages(hub, home, scratch, options=options, outcome=outcome, status=status)
        if "soak" in options.only:
            outcome.add(measure_soak(hub, options.role, options.soak_seconds, status.update))


def _measured_apart(
    home: Path, scratch: Path, *, options: argparse.Namespace, outcome: report.Report, status: Status
) -> bool:
    """What has a server of its own; whether that is all that was asked for."""
    if "rights" in options.only:
        outcome.add(*measure_rights(home, scratch, options.many, status.update))
    if "jobs" in options.only:
        outcome.add(measure_jobs(scratch / "jobs", status.update))
    if "timers" in options.only:
        outcome.add(measure_timers(scratch / "timers", status.update))
    return {"rights", "jobs", "timers"}.issuperset(options.only)


def _measure_pages(
    hub: Hub, home: Path, scratch: Path, *, options: argparse.Namespace, outcome: report.Report, status: Status
) -> None:
    role = options.role
    times: dict[str, dict[str, float]] = {}
    with _small_hub(home, scratch, status) as small:
        times["10 thousand"] = page_times(small, role)
    status.update("pages")
    times["1 million"] = page_times(hub, role)
    outcome.add(measure_depth(hub, role))
    grow_interactions(hub.database, options.interactions, status.update)
    times[f"{options.interactions / 1e6:g} million"] = page_times(hub, role)
    outcome.add(growth(times))


@contextmanager
def _small_hub(home: Path, scratch: Path, status: Status) -> Iterator[Hub]:
    """A hub over a server of its own with ten thousand interactions."""
    small = scratch / "small"
    small.mkdir()
    with (
        scratch_database(home / "small", SMALL, status.update) as database,
        running_hub(database, small) as hub,
    ):
        yield hub


def _end(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Turn a request to end into an exception, so that every server is stopped on the way out."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
