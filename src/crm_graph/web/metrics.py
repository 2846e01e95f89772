"""Counts and times requests by where they went and how they ended."""

import time
from collections.abc import Collection
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class MeasuredRequests:
    """ASGI middleware. `paths` are first segments of paths that get a label of their own; all else is `other`.

    So the number of time series is bounded, whatever callers send.
    """

    def __init__(self, app: ASGIApp, registry: CollectorRegistry, paths: Collection[str]) -> None:
        self._app = app
        self._paths = frozenset(paths)
        self._requests = Counter("crm_graph_http_requests", "Requests answered.", ("path", "status"), registry=registry)
        self._seconds = Histogram(
            "crm_graph_http_request_seconds",
            "Time from the request's head to the end of the answer.",
            ("path",),
            buckets=_BUCKETS_S,
            registry=registry,
        )

        self._count = cache(self._requests.labels)
        self._time = cache(self._seconds.labels)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = "500"

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        segment = scope["path"].split("/", 2)[1] if scope["path"].startswith("/") else ""
        path = f"/{segment}" if segment in self._paths else "other"
        began = time.perf_counter()
        try:
            await self._app(scope, receive, send_noting_status)
        finally:
            self._count(path, status).inc()
            self._time(path).observe(time.perf_counter() - began)
