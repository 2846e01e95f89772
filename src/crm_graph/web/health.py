"""What an operator's tools ask: does the process live, can it serve, and what has it done."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import asyncpg
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Check = Callable[[], Awaitable[bool]]

_TIMEOUT_S = 2.0
_NO_STORE = {"Cache-Control": "no-store"}


def routes(
    checks: Mapping[str, Check],
    registry: CollectorRegistry,
    states: Mapping[str, Callable[[], str]] | None = None,
    asked: Sequence[Check] = (),
) -> list[Route]:
    """`/health/live`, `/health/ready` and `/metrics`.

    `checks` are what must hold for requests to be served, by the name that the answer tells. One that fails, or that
    takes longer than two seconds, makes the process not ready: 503. `states` are told beside them and refuse nothing.
    `asked` is what metrics have to ask before they can be told, within the same time.
    """

    async def live(_: Request) -> Response:
        return JSONResponse({"status": "live"}, headers=_NO_STORE)

    async def ready(_: Request) -> Response:
        results = await asyncio.gather(*(_passes(check) for check in checks.values()))
        told = dict(zip(checks, ("ok" if passed else "failed" for passed in results), strict=True))
        status = "ready" if all(results) else "unavailable"
        more = {name: state() for name, state in (states or {}).items()}
        return JSONResponse({"status": status, "checks": told, **more}, 200 if all(results) else 503, _NO_STORE)

    async def metrics(_: Request) -> Response:
        await asyncio.gather(*(_passes(ask) for ask in asked))
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST, headers=_NO_STORE)

    return [
        Route("/health/live", live, methods=["GET"]),
        Route("/health/ready", ready, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
    ]


async def _passes(check: Check) -> bool:
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            return await check()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
