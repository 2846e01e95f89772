"""Serving over HTTP until told to stop: the socket, the signals, the order of going down."""

import asyncio
import contextlib
import errno
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import structlog
import uvicorn
import uvloop
from starlette.types import ASGIApp

from crm_graph.settings import Settings

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that ask a process to stop."""

_GRACE_S = 10
"""How long requests that are under way may take after the signal to stop."""
_KEEP_ALIVE_S = 65
"""Longer than the 60 s of common load balancers, so that they and not we close an idle connection."""


class AddressTaken(RuntimeError):
    """Something else listens there; the text says what to do."""


class NotStarted(RuntimeError):
    """The application's own start failed; the cause is in the log."""


def bind(settings: Settings) -> socket.socket:
    """Take the address, without yet accepting: until the hub is ready, connections are refused."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle's algorithm off, which would hold back bodies for 40 ms.
    taken = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((settings.host, settings.port))
    except OSError as error:
        taken.close()
        where = f"{settings.host}:{settings.port}"
        if error.errno == errno.EADDRINUSE:
            raise AddressTaken(f"{where} is in use by another program; stop it, or choose another PORT") from None
        raise AddressTaken(f"{where} cannot be served: {error.strerror}") from None
    return taken


class _Server(uvicorn.Server):
    """Uvicorn without its own signals, which it would raise again before we have stopped the rest."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and not self.should_exit:
            settle_memory()
            self._on_ready()


def settle_memory() -> None:
    """Take what start-up made out of the collector's sight, and let it look less often: rows and answers are trees
    without circles, and looking through them at every 700th allocation cost a third of a bulk write.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


async def serve(app: ASGIApp, listener: socket.socket, *, on_ready: Callable[[], None] = lambda: None) -> None:
    """Serve until cancelled, then finish what is under way; a second cancellation cuts that short.

    Raises NotStarted when the application does not come up.
    """
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="websockets-sansio",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = _Server(config, on_ready)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            server.force_exit = True
            await serving
        raise
    if not server.started:
        raise NotStarted("the hub did not start")


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end on uvloop. Ctrl-C, SIGTERM and the closing of the terminal cancel the work, which is no error."""

    async def main() -> None:
        task = asyncio.ensure_future(work)
        for number in STOPPING:
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        await task

    with contextlib.suppress(asyncio.CancelledError):
        uvloop.run(main())


def configure_logs(*, level: int, as_json: bool) -> None:
    """Log to standard error: as JSON lines for machines, or readable for people."""
    logging.basicConfig(level=level, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer()
            if as_json
            else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
