"""Uploads over HTTP that lie, break off, come twice or find no room: told clearly, and nothing of them stays."""

import asyncio
import errno
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest

from crm_graph.db import write_engine
from crm_graph.hub import statements
from crm_graph.services import files, uploads
from crm_graph.services.uploads import LIFETIME, MAX_WAITING
from crm_graph.storage.directory import Directory
from crm_graph.storage.keeping import StorageFailed

from .conftest import Crm, hub_with
from .filing import (
    COMPLETE,
    NO_SUCH_UPLOAD,
    PDF,
    announce,
    complete,
    customer,
    download,
    hang,
    kept,
    refused,
    secret_of,
    send,
    sha256,
)
from .replicating import until

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
CLAIMED = "uploads WHERE id = $1 AND claimed_until IS NOT NULL"
TAKEN = (
    409,
    "CONFLICT",
    "The bytes of this upload are here already, or on their way. Call createUpload for another file.",
)


async def in_pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_bytes_that_are_not_what_was_told_leave_nothing(crm: Crm) -> None:
    record = await customer(crm)
    upload = await announce(crm, record, sha256=sha256(PDF))
    size = f"The file does not have {len(PDF)} bytes, as was told."
    other = PDF[:-1] + b"!"
    digests = f"The SHA-256 of the file is {sha256(other)}, and {sha256(PDF)} was told."
    png = PNG + bytes(len(PDF) - len(PNG))
    lies: list[tuple[Any, str]] = [
        (PDF + b"!", size),
        (PDF[:-1], size),
        (in_pieces(PDF, b"!"), size),
        (in_pieces(PDF[:100]), size),
        (b"", size),
        (png, "The content of the file is not application/pdf, as was told."),
        (other, digests),
    ]
    for content, message in lies:
        assert (await send(crm, upload, content)).error == (422, "INVALID", message)
        assert kept(crm, upload["id"]) == []
    early = (await crm.ask("wang", COMPLETE, {"id": upload["id"]})).payload("completeUpload")
    message = "The bytes of this upload are not all here. Send them to its address first."
    assert early == {"file": None, "errors": [{"code": "RULE_VIOLATED", "message": message, "path": ["id"]}]}
    assert (await send(crm, upload, in_pieces(PDF[:3], PDF[3:]))).status == 200
    assert (await complete(crm, upload))["errors"] == []


async def test_a_large_file_that_is_too_long_is_told_so_while_it_comes(crm: Crm) -> None:
    upload = await announce(crm, await customer(crm))
    message = f"The file does not have {len(PDF)} bytes, as was told."
    assert (await send(crm, upload, in_pieces(*[PDF] * 50))).error == (422, "INVALID", message)
    assert kept(crm, upload["id"]) == []


SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ZIPPED = b"PK\x03\x04" + bytes(26)


@pytest.mark.parametrize(
    ("media_type", "content"),
    [
        ("text/csv", "姓名,电话\n".encode()),
        ("text/plain", "\ufeffa\n".encode("utf-16-le")),
        ("image/png", PNG),
        (SHEET, ZIPPED + b"xl/a"),
    ],
)
async def test_content_of_its_type_is_taken(crm: Crm, media_type: str, content: bytes) -> None:
    upload = await announce(crm, await customer(crm), content, mediaType=media_type)
    assert (await send(crm, upload, content)).status == 200
    assert len(kept(crm, upload["id"])) == 1


@pytest.mark.parametrize(
    ("media_type", "content"),
    [
        ("text/plain", b"MZ\x90\x00"),
        ("text/plain", PDF),
        ("text/plain", b"a" * 300_000 + b"\x00"),
        ("image/jpeg", PNG),
        (SHEET, ZIPPED + b"evil.exe"),
    ],
)
async def test_content_of_another_type_is_refused(crm: Crm, media_type: str, content: bytes) -> None:
    upload = await announce(crm, await customer(crm), content, mediaType=media_type)
    message = f"The content of the file is not {media_type}, as was told."
    assert (await send(crm, upload, content)).error == (422, "INVALID", message)
    assert kept(crm, upload["id"]) == []


async def test_what_cannot_be_a_file_is_not_announced(crm: Crm) -> None:
    record, limit = await customer(crm), crm.settings.file_max_bytes
    for media_type in ("text/html", "image/svg+xml", "application/zip", "", "application/pdf; charset=utf-8"):
        ((code, message, path),) = await refused(crm, record, mediaType=media_type)
        assert (code, path) == ("INVALID", ["mediaType"])
        assert message.startswith("Files of this type are not taken. These are: application/pdf, ")
    for size in ("0", "-1", str(limit + 1)):
        assert [(c, p) for c, _, p in await refused(crm, record, size=size)] == [("INVALID", ["size"])]
    assert await refused(crm, record, sha256="f" * 63 + "g") == [
        ("INVALID", "A SHA-256 has 64 hexadecimal digits.", ["sha256"])
    ]
    for other in (str(crm.users["wang"]), str(uuid4()), await customer(crm, "li")):
        assert [(c, p) for c, _, p in await refused(crm, other)] == [("NOT_FOUND", ["record"])]
    archive = "mutation($id: ID!) { archiveCustomer(id: $id) { errors { code } } }"
    assert (await crm.ask("wang", archive, {"id": record})).payload("archiveCustomer")["errors"] == []
    assert [(c, p) for c, _, p in await refused(crm, record)] == [("RULE_VIOLATED", ["record"])]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "_.._etc_passwd.pdf"),
        ("C:\\Windows\\system32\\a.pdf", "C__Windows_system32_a.pdf"),
        ("a\u0000b\r\nSet-Cookie: x.pdf", "abSet-Cookie_ x.pdf"),
        ("rechnung\u202efdp.exe", "rechnungfdp.exe.pdf"),
        ("CON.pdf", "_CON.pdf"),
        ("nul", "_nul.pdf"),
        ("...", "file.pdf"),
        ("", "file.pdf"),
        (".PDF", "PDF.pdf"),
        ("合" * 500 + ".PDF", "合" * 196 + ".pdf"),
    ],
)
async def test_a_name_is_for_people_alone(crm: Crm, name: str, shown: str) -> None:
    upload = await announce(crm, await customer(crm), name=name)
    assert upload["fileName"] == shown
    await send(crm, upload)
    (path,) = kept(crm, upload["id"])
    assert path.relative_to(crm.settings.home / "files").as_posix() == f"{upload['id'][-2:]}/{UUID(upload['id']).hex}"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


async def test_an_address_is_good_for_one_upload_once(crm: Crm) -> None:
    upload = await announce(crm, await customer(crm))
    for url in (
        "/files",
        "/files?upload=x&secret=y",
        f"/files?upload={upload['id']}",
        f"/files?upload={upload['id']}&secret={secret_of(upload)[:-1]}",
        f"/files?upload={uuid4()}&secret={secret_of(upload)}",
    ):
        assert (await send(crm, {"url": url})).error == NO_SUCH_UPLOAD
    assert (await send(crm, upload)).status == 200
    assert (await send(crm, upload)).error == TAKEN
    assert (await send(crm, upload, PNG)).error == TAKEN
    (path,) = kept(crm, upload["id"])
    assert path.read_bytes() == PDF
    stored = await crm.database.fetchval("SELECT to_json(u)::text FROM uploads u WHERE id = $1", UUID(upload["id"]))
    assert secret_of(upload) not in stored
    assert (await crm.http.put(upload["url"], content=PDF)).status_code == 405
    assert (await crm.http.get("/files/x", headers={})).status_code == 401


async def test_two_senders_of_one_upload_do_not_mix(crm: Crm) -> None:
    upload = await announce(crm, await customer(crm))
    waiting, going = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield PDF[:100]
        waiting.set()
        await going.wait()
        yield PDF[100:]

    first = asyncio.create_task(send(crm, upload, slowly()))
    await waiting.wait()
    await until(lambda: crm.count(CLAIMED, UUID(upload["id"])))
    assert (await send(crm, upload)).error == TAKEN
    going.set()
    assert (await first).status == 200
    (path,) = kept(crm, upload["id"])
    assert path.read_bytes() == PDF


async def test_a_sender_who_leaves_leaves_nothing(crm: Crm) -> None:
    upload = await announce(crm, await customer(crm), PDF * 100)
    address = urlsplit(str(crm.http.base_url))
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = f"POST {upload['url']} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(PDF) * 100}\r\n\r\n"
    writer.write(head.encode() + PDF * 60)
    await writer.drain()
    await until(lambda: asyncio.to_thread(kept, crm, upload["id"]))
    writer.transport.abort()
    await until(lambda: crm.count("uploads WHERE id = $1 AND claimed_until IS NULL", UUID(upload["id"])))
    assert kept(crm, upload["id"]) == []
    assert (await send(crm, upload, PDF * 100)).status == 200
    reader.feed_eof()


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """What the system lets this process write into one file: beyond it is the same as a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_full_disk_is_told_and_leaves_nothing(crm: Crm) -> None:
    content = PDF * 200
    upload = await announce(crm, await customer(crm), content)
    with files_no_larger_than(1024 * 1024):
        full = await send(crm, upload, content)
    message = "There is no room for the file now. Tell who runs the hub, and try again later."
    assert full.error == (507, "STORAGE_FULL", message)
    assert kept(crm, upload["id"]) == []
    assert (await send(crm, upload, content)).status == 200


async def test_only_who_announced_a_file_completes_it_and_again_changes_nothing(crm: Crm) -> None:
    record = await customer(crm)
    upload = await announce(crm, record)
    await send(crm, upload)
    other = (await crm.ask("sun", COMPLETE, {"id": upload["id"]})).refusals("completeUpload")
    never = (await crm.ask("sun", COMPLETE, {"id": str(uuid4())})).refusals("completeUpload")
    assert other == never == [("NOT_FOUND", ["id"])]
    first = await complete(crm, upload)
    assert first["file"]["id"] == upload["id"]
    assert await complete(crm, upload) == first
    assert [e["type"] for e in await crm.events(record)] == ["customer.created", "customer.file_attached"]


async def test_who_lost_the_record_meanwhile_hangs_nothing_on_it(crm: Crm) -> None:
    record = await customer(crm)
    upload = await announce(crm, record)
    await send(crm, upload)
    taken = "UPDATE customers SET owner_id = NULL, team_id = NULL WHERE id = $1"
    await crm.database.execute(taken, UUID(record))
    assert (await crm.ask("wang", COMPLETE, {"id": upload["id"]})).refusals("completeUpload") == [("NOT_FOUND", ["id"])]
    assert await crm.count("files WHERE id = $1", UUID(upload["id"])) == 0
    assert await crm.count("uploads WHERE id = $1", UUID(upload["id"])) == 1


async def test_unfinished_uploads_are_limited_given_up_and_purged(crm: Crm) -> None:
    record = await customer(crm, "chen")
    upload = await announce(crm, record, who="chen")
    await send(crm, upload)
    engine = write_engine(crm.settings.database_url or "", crm.settings)

    def connect() -> Any:
        return statements(engine)

    class Stubborn(Directory):
        """A storage that deletes nothing just now."""

        async def remove(self, id_: UUID) -> None:
            raise StorageFailed(errno.EIO)

    storage = Directory(crm.settings.home / "files")
    try:
        await crm.database.execute(
            "INSERT INTO uploads SELECT gen_random_uuid(), user_id, client_id, entity_type, entity_id, name, kind,"
            " media_type, size, sha256, digest, created_at, expires_at FROM uploads,"
            " generate_series(2, $2) WHERE id = $1",
            UUID(upload["id"]),
            MAX_WAITING,
        )
        assert [c for c, _, _ in await refused(crm, record, who="chen")] == ["LIMIT_REACHED"]
        after = crm.clock.now + 2 * LIFETIME
        async with connect() as connection:
            assert await uploads.forget_expired(connection, crm.clock.now) == 0
            assert await uploads.forget_expired(connection, after) >= MAX_WAITING
        assert await crm.count("uploads WHERE id = $1", UUID(upload["id"])) == 0
        for _ in range(4):
            assert await files.purge(connect, Stubborn(crm.settings.home / "files"), after) == 0
        assert kept(crm, upload["id"]) != []
        assert await files.purge(connect, storage, after) == 0
        later = after + timedelta(minutes=11)
        while await files.purge(connect, storage, later):
            pass
        assert kept(crm, upload["id"]) == []
        assert await crm.count("file_purges WHERE id = $1", UUID(upload["id"])) == 0
    finally:
        await engine.dispose()


async def test_so_many_transfers_run_at_once(crm: Crm) -> None:
    settings = crm.settings.model_copy(update={"file_transfers": 1})
    upload = await announce(crm, await customer(crm))
    waiting, going = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield PDF[:100]
        waiting.set()
        await going.wait()
        yield PDF[100:]

    async with hub_with(crm, settings) as http:
        first = asyncio.create_task(send(crm, upload, slowly(), http=http))
        await waiting.wait()
        await until(lambda: crm.count(CLAIMED, UUID(upload["id"])))
        busy = await send(replace(crm, http=http), {"url": "/files?upload=x&secret=y"})
        assert busy.error[:2] == (503, "UNAVAILABLE")
        going.set()
        assert (await first).status == 200


async def test_bytes_that_are_gone_are_not_there_for_now(crm: Crm) -> None:
    file = await hang(crm, await customer(crm))
    (path,) = kept(crm, file["id"])
    path.unlink()
    assert (await download(crm, file["id"])).status_code == 503
    assert await crm.count("events WHERE type = 'file.downloaded' AND entity_id = $1", UUID(file["id"])) == 0
