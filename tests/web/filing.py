"""How tests hang files on records: announce, send, complete, list, download."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx

from .conftest import Answer, Crm

CREATE = """
mutation($input: CreateUploadInput!) {
  createUpload(input: $input) { upload { id url method fileName expiresAt } errors { code message path } }
}"""
COMPLETE = """
mutation($id: ID!) {
  completeUpload(id: $id) {
    file { id name kind mediaType size sha256 downloadUrl createdBy { username } entity { id } }
    errors { code message path }
  }
}"""
DELETE = "mutation($id: ID!) { deleteFile(id: $id) { deleted errors { code message path } } }"
NODE = "query($id: ID!) { node(id: $id) { id } nodes(ids: [$id]) { id } }"
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 40
PDF_TYPE = "application/pdf"
NO_SUCH_FILE = (404, "NOT_FOUND", "There is no such file, or you may not read it.")
NO_SUCH_UPLOAD = (404, "NOT_FOUND", "There is no such upload, or it has expired. Call createUpload again.")
NOT_WRITABLE = "You may read this record, but not change it."


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def customer(crm: Crm, who: str = "wang") -> str:
    """A new customer."""
    made = await crm.make(who, "customer", kind="PERSON", name="附件")
    return str(made["id"])


def kept(crm: Crm, id_: str) -> list[Path]:
    """What the storage has of a file, whole or in part."""
    return [path for path in (crm.settings.home / "files").rglob(f"{UUID(id_).hex}*") if path.is_file()]


async def announce(crm: Crm, record: str, content: bytes = PDF, *, who: str = "wang", **more: Any) -> dict[str, Any]:
    """The upload of a new file."""
    wanted = {"record": record, "name": "报价.pdf", "mediaType": PDF_TYPE, "size": str(len(content)), **more}
    payload = (await crm.ask(who, CREATE, {"input": wanted})).payload("createUpload")
    assert payload["errors"] == []
    made: dict[str, Any] = payload["upload"]
    return made


async def refused(crm: Crm, record: str, *, who: str = "wang", **more: Any) -> list[tuple[str, str, list[str]]]:
    """Code, message and path of each error of a file that is not announced."""
    wanted = {"record": record, "name": "a.pdf", "mediaType": PDF_TYPE, "size": "10", **more}
    payload = (await crm.ask(who, CREATE, {"input": wanted})).payload("createUpload")
    assert payload["upload"] is None
    return [(e["code"], e["message"], e["path"]) for e in payload["errors"]]


async def send(crm: Crm, upload: dict[str, Any], content: bytes | AsyncIterator[bytes] = PDF, **more: Any) -> Answer:
    """The answer to its bytes."""
    return Answer(await (more.pop("http", None) or crm.http).post(upload["url"], content=content, **more))


async def complete(crm: Crm, upload: dict[str, Any], who: str = "wang") -> dict[str, Any]:
    """The payload of completeUpload."""
    payload: dict[str, Any] = (await crm.ask(who, COMPLETE, {"id": upload["id"]})).payload("completeUpload")
    return payload


async def hang(crm: Crm, record: str, content: bytes = PDF, *, who: str = "wang", **more: Any) -> dict[str, Any]:
    """A file on a record, all the way."""
    upload = await announce(crm, record, content, who=who, **more)
    answer = await send(crm, upload, content)
    assert answer.status == 200, answer.response.text
    payload = await complete(crm, upload, who)
    assert payload["errors"] == []
    file: dict[str, Any] = payload["file"]
    return file


async def download(crm: Crm, id_: str, who: str = "wang") -> httpx.Response:
    return await crm.http.get(f"/files/{id_}", headers=crm.headers(who))


async def attachments(crm: Crm, who: str, record: str, type_: str = "customer") -> Any:
    """The files of a record as somebody sees them; None where the record does not exist for them."""
    query = f"query($id: ID!) {{ {type_}(id: $id) {{ attachments(first: 10) {{ totalCount nodes {{ id name }} }} }} }}"
    found = (await crm.ask(who, query, {"id": record})).data[type_]
    return None if found is None else found["attachments"]


def secret_of(upload: dict[str, Any]) -> str:
    (secret,) = parse_qs(urlsplit(str(upload["url"])).query)["secret"]
    return secret
