"""The edge of `/files`: bytes come to the address of an upload, and go to who may read the file, at every download."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import orjson
import structlog
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from crm_graph.catalog import Catalog
from crm_graph.db import DATABASE_FAILURES, ReadPool
from crm_graph.errors import (
    CrmError,
    MethodNotAllowed,
    NoSuchFile,
    NoSuchUpload,
    RateLimited,
    RequestFault,
    StorageIsFull,
    TimedOut,
    Unauthenticated,
    Unavailable,
)
from crm_graph.messages import Locale, locale_of
from crm_graph.permissions.authentication import Bearer, Principals
from crm_graph.resolvers.read import Purse
from crm_graph.scalars import parse_id
from crm_graph.services import files, uploads
from crm_graph.services.files import Connect
from crm_graph.storage.keeping import NotStored, Storage, StorageFailed, StorageFull
from crm_graph.web.authentication import bearer, challenge
from crm_graph.web.exports import disposition
from crm_graph.web.graphql import BeginFor, errors_told
from crm_graph.web.quota import spent

log = structlog.get_logger(__name__)

COST = 10
"""What a download costs, as a verb does."""
RETRY_AFTER_S = 10
POOL_TIMEOUT_S = 5.0
LEFT_UNREAD = 1024 * 1024
"""Bytes of a refused upload that are still taken, so that its sender comes to read why it was refused."""
_SLACK = timedelta(minutes=1)
_ALWAYS = (
    (b"cache-control", b"private, no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"sandbox; default-src 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


@dataclass(frozen=True, slots=True)
class TransferLimits:
    """How many files come and go in one process at once; how long a client may send or take nothing, and all of it may
    take, in s.
    """

    at_once: int
    stall_s: float
    total_s: float


class _ClientLeft(Exception):
    """Nobody is there any more to be told anything."""


@dataclass
class _Call:
    """One request. From when an answer is `started`, an error is told by the end of the connection alone."""

    scope: Scope
    receive: Receive
    send: Send
    headers: dict[bytes, bytes]
    locale: Locale
    request_id: str
    started: bool = False
    ended: bool = False

    @property
    def length(self) -> int | None:
        """The length that the body is told to have."""
        told = self.headers.get(b"content-length", b"")
        return int(told) if told.isdigit() else None

    async def message(self) -> Message:
        """The next piece of the body. Raises _ClientLeft."""
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise _ClientLeft
        self.ended = not message.get("more_body")
        return message

    async def answer(self, status: int, body: Any, more: list[tuple[bytes, bytes]] | None = None) -> None:
        """Send a small answer whole."""
        content = orjson.dumps(body)
        length = (b"content-length", b"%d" % len(content))
        headers = [(b"content-type", b"application/json; charset=utf-8"), length, *_ALWAYS, *(more or [])]
        self.started = True
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": content})


@dataclass(frozen=True)
class FileEndpoint:
    """The ASGI application behind `/files` and `/files/{id}`."""

    principals: Principals
    storage: Storage
    catalog: Catalog
    purse: Purse
    primary: ReadPool
    connect: Connect
    begin_for: BeginFor
    clock: Callable[[], datetime]
    limits: TransferLimits
    running: list[int] = field(default_factory=lambda: [0])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        locale = locale_of(headers.get(b"accept-language", b"").decode("latin-1"))
        call = _Call(scope, receive, send, headers, locale, token_hex(12))
        try:
            await self._limited(call)
        except _ClientLeft:
            log.info("file_client_left", request_id=call.request_id)
        except CrmError as error:
            await self._refuse(call, error)
        except Exception:
            log.exception("file_failed", request_id=call.request_id)
            await self._refuse(call, CrmError())

    async def _limited(self, call: _Call) -> None:
        answering = self._receive if call.scope["path_params"].get("id") is None else self._download
        if self.running[0] >= self.limits.at_once:
            raise Unavailable("try_again")
        self.running[0] += 1
        try:
            async with asyncio.timeout(self.limits.total_s):
                await answering(call)
        except TimeoutError:
            raise TimedOut from None
        except StorageFull:
            log.exception("storage_full", request_id=call.request_id)
            raise StorageIsFull from None
        except StorageFailed as failure:
            log.exception("storage_failed", request_id=call.request_id)
            raise Unavailable from failure
        except DATABASE_FAILURES as failure:
            raise Unavailable from failure
        finally:
            self.running[0] -= 1

    async def _receive(self, call: _Call) -> None:
        """Take the bytes of an upload. Its address is all that is needed to send them."""
        if call.scope["method"] != "POST":
            raise MethodNotAllowed(allow="POST")
        id_, secret = _address(call.scope["query_string"])
        now = self.clock()
        async with self.connect() as connection:
            until = now + timedelta(seconds=self.limits.total_s) + _SLACK
            expected = await uploads.claim(connection, id_, secret, now, until)
        try:
            inspection = uploads.Inspection(expected, call.length)
            await self.storage.store(id_, inspection.of(self._body(call)))
            async with self.connect() as connection:
                await uploads.received(connection, id_, inspection.sha256, self.clock())
        except BaseException:
            await asyncio.shield(self._release(id_))
            raise
        await call.answer(200, {"id": str(id_), "size": str(expected.size), "sha256": inspection.sha256})

    async def _release(self, id_: UUID) -> None:
        """Let the bytes be sent once more; where that cannot be noted, the claim ends by itself."""
        with suppress(*DATABASE_FAILURES):
            async with self.connect() as connection:
                await uploads.release(connection, id_)

    async def _body(self, call: _Call) -> AsyncIterator[bytes]:
        while not call.ended:
            async with asyncio.timeout(self.limits.stall_s):
                message = await call.message()
            yield message.get("body", b"")

    async def _download(self, call: _Call) -> None:
        if call.scope["method"] != "GET":
            raise MethodNotAllowed(allow="GET")
        asker = await bearer(self.principals, call.headers)
        await self.purse.charge(asker.principal, COST)
        file = await self._find(call.scope["path_params"]["id"], asker)
        pieces = self.storage.read(file["id"])
        try:
            piece = await anext(pieces, b"")
        except NotStored:
            log.exception("file_bytes_missing", file=str(file["id"]), request_id=call.request_id)
            raise Unavailable from None
        async with self.begin_for(asker.principal, call.request_id)() as tx:
            tx.record(files.downloaded(file))
        try:
            await self._start(call, file)
            while piece:
                await self._send(call, piece)
                await self._require_same(asker)
                piece = await anext(pieces, b"")
            await call.send({"type": "http.response.body", "body": b""})
        finally:
            await pieces.aclose()

    async def _find(self, raw: str, asker: Bearer) -> Any:
        """The file of that id, if whoever asks may read it now; everything else is like none."""
        try:
            id_ = parse_id(raw)
        except CrmError:
            raise NoSuchFile from None
        principal = asker.principal
        async with self.primary.acquire(timeout=POOL_TIMEOUT_S) as connection:
            found = await files.visible(
                connection, principal, self.catalog, self.clock(), ids=[id_], members=files.WHOLE
            )
        if not found:
            raise NoSuchFile
        return found[0]

    async def _require_same(self, asker: Bearer) -> None:
        """Raise Unauthenticated where whoever asked may no longer, or has other rights by now."""
        now, then = await self.principals.again(asker), asker.principal
        if (now.access.fingerprint, now.team_tree_ids) != (then.access.fingerprint, then.team_tree_ids):
            raise Unauthenticated

    async def _start(self, call: _Call, file: Any) -> None:
        digest = base64.b64encode(bytes.fromhex(file["sha256"]))
        headers = [
            (b"content-type", file["media_type"].encode()),
            (b"content-length", b"%d" % file["size"]),
            (b"content-disposition", disposition(file["name"]).encode()),
            # RFC 9530
            (b"repr-digest", b"sha-256=:%b:" % digest),
            *_ALWAYS,
        ]
        call.started = True
        await call.send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _send(self, call: _Call, body: bytes) -> None:
        """Send a piece, and wait until the client has taken it."""
        async with asyncio.timeout(self.limits.stall_s):
            await call.send({"type": "http.response.body", "body": body, "more_body": True})
            # The server waits for room before it takes a piece, not after.
            await call.send({"type": "http.response.body", "body": b"", "more_body": True})

    async def _refuse(self, call: _Call, error: CrmError) -> None:
        """Tell what is wrong. Once bytes are on their way that is too late: the answer is left without its end."""
        if call.started:
            log.warning("file_broken_off", request_id=call.request_id, code=error.code)
            return
        await self._read_on(call)
        more: list[tuple[bytes, bytes]] = []
        if isinstance(error, Unauthenticated):
            more.append((b"www-authenticate", challenge(call.headers)))
        elif isinstance(error, MethodNotAllowed):
            more.append((b"allow", error.details["allow"].encode()))
        elif isinstance(error, RateLimited):
            more += spent(error)
        elif isinstance(error, Unavailable):
            more.append((b"retry-after", b"%d" % RETRY_AFTER_S))
        status = error.status if isinstance(error, RequestFault) else 500
        await call.answer(status, {"errors": errors_told(error, call.locale, call.request_id)}, more)

    async def _read_on(self, call: _Call) -> None:
        left = LEFT_UNREAD
        with suppress(TimeoutError, _ClientLeft):
            async with asyncio.timeout(1):
                while left > 0 and not call.ended:
                    left -= len((await call.message()).get("body", b""))


def _address(query: bytes) -> tuple[UUID, str]:
    """The upload and the secret that an address names. Raises NoSuchUpload."""
    try:
        given: Mapping[str, list[str]] = parse_qs(query.decode("ascii"), max_num_fields=8)
        ((raw,), (secret,)) = given["upload"], given["secret"]
        return parse_id(raw), secret
    except (ValueError, KeyError, CrmError):
        raise NoSuchUpload from None


def routes(endpoint: FileEndpoint) -> list[Route]:
    """`/files` and `/files/{id}`; the endpoint itself refuses other methods."""
    return [Route("/files", endpoint), Route("/files/{id}", endpoint)]
