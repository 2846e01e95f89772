"""Counts and times requests by where they went and how they ended."""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crm_graph.replicas.reads import Replica
from crm_graph.replicas.watch import State
from crm_graph.resolvers.operations import Operations
from crm_graph.services.feed_lag import FeedLag
from crm_graph.services.job_figures import Figures
from crm_graph.services.timer_figures import KindFigures

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BOUNDS = (*(str(float(bound)) for bound in _BUCKETS_S), "+Inf")


@dataclass(slots=True)
class _Path:
    """What is known of the requests to one path: how many by status, and how many took how long."""

    statuses: Counter[int] = field(default_factory=Counter)
    buckets: list[int] = field(default_factory=lambda: [0] * len(_BOUNDS))
    seconds: float = 0.0


class RequestCounts(Collector):
    """The two families of request metrics. The event loop alone writes them, so that plain numbers do: the library's
    own counters lock at each step, which took a twentieth of a small read.
    """

    def __init__(self) -> None:
        self._paths: dict[str, _Path] = {}

    def add(self, path: str, status: int, seconds: float) -> None:
        """Note one answered request."""
        noted = self._paths.get(path)
        if noted is None:
            noted = self._paths[path] = _Path()
        noted.statuses[status] += 1
        noted.buckets[bisect_left(_BUCKETS_S, seconds)] += 1
        noted.seconds += seconds

    def collect(self) -> Iterable[Metric]:
        requests = CounterMetricFamily("crm_graph_http_requests", "Requests answered.", labels=("path", "status"))
        times = HistogramMetricFamily(
            "crm_graph_http_request_seconds",
            "Time from the request's head to the end of the answer.",
            labels=("path",),
        )
        for path, noted in self._paths.items():
            for status, number in noted.statuses.items():
                requests.add_metric((path, str(status)), number)
            buckets = list(zip(_BOUNDS, accumulate(noted.buckets), strict=True))
            times.add_metric((path,), buckets, noted.seconds)
        return requests, times


class PreparedOperations(Collector):
    """How often a query was found prepared, and how often it had to be compiled."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily(
            "crm_graph_prepared_operations",
            "Queries by whether they were found prepared (hit) or compiled (miss).",
            labels=("outcome",),
        )
        family.add_metric(("hit",), self._operations.found)
        family.add_metric(("miss",), self._operations.compiled)
        return (family,)


class FeedMetrics(Collector):
    """How far the feed is behind, as it was last asked; nothing while that fails."""

    def __init__(self, ask: Callable[[], Awaitable[FeedLag]]) -> None:
        self._ask = ask
        self._found: FeedLag | None = None

    async def refresh(self) -> bool:
        """Ask anew."""
        self._found = None
        self._found = await self._ask()
        return True

    def collect(self) -> Iterable[Metric]:
        if self._found is None:
            return ()
        lag = GaugeMetricFamily(
            "crm_graph_feed_lag_seconds",
            "Age of the oldest event that no reader of the feed is told of yet, for an open transaction.",
            self._found.lag_s,
        )
        oldest = GaugeMetricFamily(
            "crm_graph_oldest_transaction_seconds",
            "Age of the oldest open transaction of the server that has written something.",
            self._found.oldest_transaction_s,
        )
        return lag, oldest


class ReplicaMetrics(Collector):
    """What became of reads where there is a replica, and how it is."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica

    def collect(self) -> Iterable[Metric]:
        reads = CounterMetricFamily(
            "crm_graph_replica_reads",
            "Reads by where they went: to the replica; to the primary, while the replica was of no use (primary),"
            " because it had not replayed what the asker wrote (primary_unreplayed), or had failed the read"
            " (primary_retried).",
            labels=("to",),
        )
        for where, number in self._replica.counts.items():
            reads.add_metric((where,), number)
        states = GaugeMetricFamily(
            "crm_graph_replica_state", "1 for the state that it is in; reads go there in ok.", labels=("state",)
        )
        for state in State:
            states.add_metric((state.value,), float(self._replica.state is state))
        lag = GaugeMetricFamily(
            "crm_graph_replica_lag_seconds", "How far it is behind the primary.", self._replica.lag_s
        )
        return reads, states, lag


class JobMetrics(Collector):
    """How the queue of jobs stands, as it was last asked; nothing while that fails."""

    def __init__(self, ask: Callable[[], Awaitable[Figures]]) -> None:
        self._ask = ask
        self._found: Figures | None = None

    async def refresh(self) -> bool:
        """Ask anew."""
        self._found = None
        self._found = await self._ask()
        return True

    def collect(self) -> Iterable[Metric]:
        if self._found is None:
            return ()
        states = GaugeMetricFamily(
            "crm_graph_jobs",
            "Jobs that are not done: waiting for a worker, to come later, failed and to be tried again, running, held.",
            labels=("state",),
        )
        for state in ("waiting", "later", "failed", "running", "held"):
            states.add_metric((state,), getattr(self._found, state))
        oldest = GaugeMetricFamily(
            "crm_graph_jobs_oldest_seconds",
            "For how long the job waits that is due for longest.",
            max(self._found.oldest_s, 0.0),
        )
        return states, oldest


class TimerMetrics(Collector):
    """How timers stand, as they were last asked; nothing while that fails."""

    def __init__(self, ask: Callable[[], Awaitable[Sequence[KindFigures]]]) -> None:
        self._ask = ask
        self._found: Sequence[KindFigures] = ()

    async def refresh(self) -> bool:
        """Ask anew."""
        self._found = ()
        self._found = await self._ask()
        return True

    def collect(self) -> Iterable[Metric]:
        states = GaugeMetricFamily(
            "crm_graph_timers",
            "Timers by kind: all that wait; of these, those that are due and that failed before; and those held.",
            labels=("kind", "state"),
        )
        fired = CounterMetricFamily("crm_graph_timers_fired", "Timers that have fired.", labels=("kind",))
        late = GaugeMetricFamily(
            "crm_graph_timers_late_seconds", "How late the latest of the last ones was that fired.", labels=("kind",)
        )
        overdue = GaugeMetricFamily(
            "crm_graph_timers_overdue_seconds",
            "For how long the timer is due that is due for longest.",
            labels=("kind",),
        )
        for one in self._found:
            for state in ("waiting", "due", "failed", "held"):
                states.add_metric((one.kind, state), getattr(one, state))
            fired.add_metric((one.kind,), one.fired)
            overdue.add_metric((one.kind,), one.overdue_s)
            if one.late_s is not None:
                late.add_metric((one.kind,), one.late_s)
        return states, fired, late, overdue


class MeasuredRequests:
    """ASGI middleware. `paths` are first segments of paths that get a label of their own; all else is `other`.

    So the number of time series is bounded, whatever callers send.
    """

    def __init__(self, app: ASGIApp, counts: RequestCounts, paths: Collection[str]) -> None:
        self._app = app
        self._counts = counts
        self._paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        segment = scope["path"].split("/", 2)[1] if scope["path"].startswith("/") else ""
        began = time.perf_counter()
        try:
            await self._app(scope, receive, send_noting_status)
        finally:
            path = f"/{segment}" if segment in self._paths else "other"
            self._counts.add(path, status, time.perf_counter() - began)
