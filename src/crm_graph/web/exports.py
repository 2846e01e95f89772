"""The edge of `/export/{id}`: an export is sent as the client takes it, and what was not sent whole never looks so."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from secrets import token_hex
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import orjson
import structlog
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from crm_graph.db import DATABASE_FAILURES, ReadPool
from crm_graph.errors import (
    CrmError,
    MethodNotAllowed,
    NoSuchExport,
    RateLimited,
    RequestFault,
    TimedOut,
    Unauthenticated,
    Unavailable,
)
from crm_graph.messages import Locale, locale_of
from crm_graph.permissions.authentication import Bearer, Principals
from crm_graph.permissions.principals import Principal
from crm_graph.resolvers.cost import cost_of_refusal
from crm_graph.resolvers.derived import Compute
from crm_graph.resolvers.exports.encoders import Encoder, encoder_for
from crm_graph.resolvers.exports.preparing import PreparedExport, prepare_export
from crm_graph.resolvers.exports.running import Connect, Slots, open_rows
from crm_graph.resolvers.operations import Operations
from crm_graph.resolvers.read import Purse, derived_fields
from crm_graph.scalars import parse_id
from crm_graph.services import exports
from crm_graph.services.exports import StoredExport
from crm_graph.web.authentication import bearer, challenge
from crm_graph.web.graphql import BeginFor, errors_told
from crm_graph.web.quota import spent

log = structlog.get_logger(__name__)

RETRY_AFTER_S = 10
POOL_TIMEOUT_S = 5.0
_ALWAYS = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)


@dataclass(frozen=True, slots=True)
class ExportLimits:
    """How many exports one process sends at once; how long a client may take nothing, and an export may take, in s."""

    at_once: int
    stall_s: float
    total_s: float


@dataclass
class _Call:
    """One download. `started` is set with the first byte, from when on no error can be told any more but by the end of
    the connection; `rows` counts what was sent.
    """

    scope: Scope
    receive: Receive
    send: Send
    headers: dict[bytes, bytes]
    locale: Locale
    request_id: str
    started: bool = False
    recorded: bool = False
    rows: int = 0


class ExportEndpoint:
    """The ASGI application behind `/export/{id}`."""

    def __init__(
        self,
        principals: Principals,
        operations: Operations,
        *,
        purse: Purse,
        primary: ReadPool,
        connect: Connect,
        begin_for: BeginFor,
        clock: Callable[[], datetime],
        limits: ExportLimits,
    ) -> None:
        self._principals = principals
        self._operations = operations
        self._purse = purse
        self._primary = primary
        self._connect = connect
        self._begin_for = begin_for
        self._clock = clock
        self._limits = limits
        self._slots = Slots(limits.at_once)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        locale = locale_of(headers.get(b"accept-language", b"").decode("latin-1"))
        call = _Call(scope, receive, send, headers, locale, token_hex(12))
        try:
            await self._answer(call)
        except CrmError as error:
            await _refuse(call, error)
        except Exception:
            log.exception("export_failed", request_id=call.request_id)
            await _refuse(call, CrmError())

    async def _answer(self, call: _Call) -> None:
        if call.scope["method"] != "GET":
            raise MethodNotAllowed(allow="GET")
        asker = await bearer(self._principals, call.headers)
        principal = asker.principal
        stored = await self._find(call.scope["path_params"]["id"], principal)
        with self._slots.one(principal.user_id) as leave:
            prepared = await self._prepared(stored, principal)
            try:
                await _while_there(call.receive, partial(self._download, call, stored, prepared, asker), leave)
            finally:
                if call.started and not call.recorded:
                    await self._record(call, stored, principal, complete=False)

    async def _prepared(self, stored: StoredExport, principal: Principal) -> PreparedExport:
        """The export, compiled for who asks. Raises RateLimited where the budget does not have what a refusal costs."""
        async with self._purse.deposit(principal, cost_of_refusal(stored.document)):
            return await prepare_export(
                self._operations,
                stored.document,
                stored.operation_name,
                stored.variables,
                stored.row_limit,
                access=principal.access,
            )

    async def _find(self, raw: str, principal: Principal) -> StoredExport:
        """The export of that id, of who asks, with the right to it; everything else is like none."""
        if not principal.access.may(exports.ACTION):
            raise NoSuchExport
        try:
            export_id = parse_id(raw)
        except CrmError:
            raise NoSuchExport from None
        try:
            async with self._primary.acquire(timeout=POOL_TIMEOUT_S) as connection:
                found = await exports.find(connection, export_id, principal.user_id, self._clock())
        except DATABASE_FAILURES as failure:
            raise Unavailable from failure
        if found is None:
            raise NoSuchExport
        return found

    async def _download(self, call: _Call, stored: StoredExport, prepared: PreparedExport, asker: Bearer) -> None:
        """Send all rows. The first batch is there before the first byte, so that what fails at once is told."""
        now, principal = self._clock(), asker.principal
        arguments = prepared.bind(stored.variables, principal, now)
        # So much as a page of the list costs; how many run at once is limited for each person.
        await self._purse.charge(principal, prepared.page.of(arguments))
        encoder = encoder_for(
            stored.format,
            prepared.columns,
            ZoneInfo(principal.time_zone),
            byte_order_mark=stored.byte_order_mark,
        )

        def compute(connection: Any) -> Mapping[str, Compute]:
            return derived_fields(connection, principal, self._operations.catalog, now, call.locale)

        try:
            async with (
                asyncio.timeout(self._limits.total_s),
                open_rows(self._connect, prepared, arguments, compute) as rows,
            ):
                batch = await rows.batch()
                async with self._begin_for(principal, call.request_id)() as tx:
                    await exports.record_start(tx, stored.id)
                await self._start(call, stored, encoder)
                while batch:
                    body = await _encoded(encoder, batch)
                    # What has begun to leave may have arrived.
                    call.rows += len(batch)
                    await self._send(call, body)
                    await self._require_same(asker)
                    batch = await rows.batch()
            # Nobody has a whole file that is not in the log.
            await self._record(call, stored, principal, complete=True)
            await self._send(call, encoder.end(), last=True)
        except TimeoutError:
            raise TimedOut from None

    async def _require_same(self, asker: Bearer) -> None:
        """Raise Unauthenticated where whoever asked may no longer, or sees other rows by now: the cursor was opened
        with the rights of then.
        """
        now, then = await self._principals.again(asker), asker.principal
        if (now.access.fingerprint, now.team_ids, now.team_tree_ids) != (
            then.access.fingerprint,
            then.team_ids,
            then.team_tree_ids,
        ):
            raise Unauthenticated

    async def _start(self, call: _Call, stored: StoredExport, encoder: Encoder) -> None:
        headers = [
            (b"content-type", encoder.media_type.encode()),
            (b"content-disposition", disposition(stored.file_name).encode()),
            *_ALWAYS,
        ]
        call.started = True
        await call.send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send(call, encoder.begin())

    async def _send(self, call: _Call, body: bytes, *, last: bool = False) -> None:
        """Send a piece, and wait until the client has taken it: only then are more rows fetched."""
        async with asyncio.timeout(self._limits.stall_s):
            await call.send({"type": "http.response.body", "body": body, "more_body": not last})
            if not last:
                # The server waits for room before it takes a piece, not after.
                await call.send({"type": "http.response.body", "body": b"", "more_body": True})

    async def _record(self, call: _Call, stored: StoredExport, principal: Principal, *, complete: bool) -> None:
        """Write down what has left the house. Raises what a transaction raises."""
        async with self._begin_for(principal, call.request_id)() as tx:
            await exports.record_download(tx, stored.id, call.rows, complete=complete)
        call.recorded = True


async def _encoded(encoder: Encoder, batch: Sequence[bytes]) -> bytes:
    """A batch as it is sent; between slices of it the event loop serves others."""
    pieces = []
    for start in range(0, len(batch), encoder.slice_rows):
        pieces.append(encoder.rows(batch[start : start + encoder.slice_rows]))
        await asyncio.sleep(0)
    return b"".join(pieces)


async def _while_there(
    receive: Receive, work: Callable[[], Coroutine[Any, Any, None]], left: Callable[[], None]
) -> None:
    """Do the work while the client is there; when it has gone, tell so, and cancel the work."""
    working, gone = asyncio.ensure_future(work()), asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if gone.done():
            left()
        if working.done():
            working.result()
    finally:
        working.cancel()
        gone.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def disposition(file_name: str) -> str:
    """The Content-Disposition of a download (RFC 6266), its name in any script (RFC 8187)."""
    plain = "".join(c if " " <= c <= "~" and c not in '"\\%' else "_" for c in file_name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file_name, safe='')}"


async def _refuse(call: _Call, error: CrmError) -> None:
    """Tell what is wrong. Once rows are on their way that is too late: the answer is left without its end, the
    server closes the connection, and no client takes what it has for whole.
    """
    if call.started:
        log.warning("export_broken_off", request_id=call.request_id, rows=call.rows, code=error.code)
        return
    body = orjson.dumps({"errors": errors_told(error, call.locale, call.request_id)})
    headers = [(b"content-type", b"application/json; charset=utf-8"), (b"content-length", b"%d" % len(body)), *_ALWAYS]
    if isinstance(error, Unauthenticated):
        headers.append((b"www-authenticate", challenge(call.headers)))
    elif isinstance(error, MethodNotAllowed):
        headers.append((b"allow", error.details["allow"].encode()))
    elif isinstance(error, RateLimited):
        headers += spent(error)
    elif isinstance(error, Unavailable):
        headers.append((b"retry-after", b"%d" % RETRY_AFTER_S))
    status = error.status if isinstance(error, RequestFault) else 500
    await call.send({"type": "http.response.start", "status": status, "headers": headers})
    await call.send({"type": "http.response.body", "body": body})


def routes(endpoint: ExportEndpoint) -> list[Route]:
    """`/export/{id}`; the endpoint itself refuses other methods than GET."""
    return [Route("/export/{id}", endpoint)]
