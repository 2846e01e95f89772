"""Health and metrics as an operator's tools see them."""

import httpx
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.middleware import Middleware

from crm_graph.web import health
from crm_graph.web.metrics import MeasuredRequests, RequestCounts
from web.conftest import Crm


def client(**checks: health.Check) -> httpx.AsyncClient:
    registry = CollectorRegistry()
    counts = RequestCounts()
    registry.register(counts)
    app = Starlette(
        routes=health.routes(checks, registry),
        middleware=[Middleware(MeasuredRequests, counts=counts, paths=("health", "metrics"))],
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hub")


async def holds() -> bool:
    return True


async def fails() -> bool:
    return False


async def breaks() -> bool:
    raise ConnectionRefusedError("10.0.0.7 refused")


async def test_ready_when_every_check_holds() -> None:
    async with client(database=holds, schema=holds) as asked:
        answer = await asked.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "checks": {"database": "ok", "schema": "ok"}}
    assert answer.headers["cache-control"] == "no-store"


async def test_not_ready_names_the_check_and_nothing_of_the_inside() -> None:
    async with client(database=breaks, schema=fails) as asked:
        answer = await asked.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "checks": {"database": "failed", "schema": "failed"}}


async def test_live_whatever_the_database_does() -> None:
    async with client(database=breaks) as asked:
        answer = await asked.get("/health/live")
    assert (answer.status_code, answer.json()) == (200, {"status": "live"})


async def test_requests_are_counted_by_known_paths_only() -> None:
    async with client(database=fails) as asked:
        for path in ("/health/live", "/health/ready", "/etc/passwd", "/anything"):
            await asked.get(path)
        text = (await asked.get("/metrics")).text
    counted = sorted(line for line in text.splitlines() if line.startswith("crm_graph_http_requests_total"))
    assert counted == [
        'crm_graph_http_requests_total{path="/health",status="200"} 1.0',
        'crm_graph_http_requests_total{path="/health",status="503"} 1.0',
        'crm_graph_http_requests_total{path="other",status="404"} 2.0',
    ]


async def test_prepared_operations_are_counted_by_whether_they_were_found(crm: Crm) -> None:
    before = _prepared(await crm.http.get("/metrics"))
    for first in (1, 2, 3):
        await crm.ask("sun", "query($n: Int) { neverSeen: customers(first: $n) { nodes { id } } }", {"n": first})
    after = _prepared(await crm.http.get("/metrics"))
    assert [after[outcome] - before[outcome] for outcome in ("hit", "miss")] == [2, 1]


def _prepared(answer: httpx.Response) -> dict[str, float]:
    lines = (line for line in answer.text.splitlines() if line.startswith("crm_graph_prepared_operations_total"))
    return {line.split('"')[1]: float(line.split()[-1]) for line in lines}
