"""Uploads: a file is announced, its bytes come to an address of its own, and then it may hang on its record."""

import codecs
import hashlib
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from crm_graph.errors import CrmError, FileRefused, Invalid, LimitReached, NoSuchUpload, NotFound, UploadTaken
from crm_graph.models.files import MAX_NAME, FileKind
from crm_graph.models.ids import EntityCode, code_of
from crm_graph.permissions.store import Connection
from crm_graph.services.file_names import file_name
from crm_graph.services.file_types import HEAD, TYPES, FileType
from crm_graph.services.file_writing import writable
from crm_graph.services.nouns import NOUNS
from crm_graph.storage.keeping import PIECE
from crm_graph.transaction import Transaction

LIFETIME = timedelta(hours=1)
"""How long an address takes bytes, and how long bytes wait to be put on their record."""
MAX_WAITING = 100
"""Uploads of one user that have not expired."""
_SHA256_DIGITS = 64
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class FileLimits:
    """What an installation takes: files of these types, of at most so many bytes."""

    max_bytes: int
    types: Mapping[str, FileType]


NO_FILES = FileLimits(0, {})


@dataclass(frozen=True, slots=True)
class CreateUpload:
    """A file that is to hang on a record. `size` in bytes and `sha256` (hexadecimal) are what its bytes must be."""

    record: UUID
    name: str
    media_type: str
    size: int
    kind: FileKind = FileKind.DOCUMENT
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Announced:
    """An upload that was made: `secret` is told once, in its address."""

    id: UUID
    secret: str
    name: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Expected:
    """An upload whose bytes come: what was told of them."""

    id: UUID
    media_type: str
    size: int
    sha256: str | None


_INSERT = """
INSERT INTO uploads (id, user_id, client_id, entity_type, entity_id, name, kind, media_type, size, sha256, digest,
                     created_at, expires_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13
WHERE (SELECT count(*) FROM (
    SELECT 1 FROM uploads WHERE user_id = $2 AND expires_at > $12 LIMIT $14) AS waiting) < $14
RETURNING true
"""


async def create(tx: Transaction, command: CreateUpload, limits: FileLimits) -> Announced:
    """Announce a file for a record that the asker may write. Raises Invalid with the path to what is wrong, NotFound
    for a record that they do not see, RuleViolated for one that they may not hang files on, LimitReached.
    """
    entity = tx.catalog.by_code.get(code_of(command.record))
    if entity is None or entity.name not in NOUNS:
        raise NotFound(path=("record",))
    await writable(tx, entity, command.record)
    type_, sha256 = _checked(command, limits)
    now, secret = tx.now, secrets.token_urlsafe(32)
    try:
        name = file_name(command.name, type_.extensions, otherwise="file", max_length=MAX_NAME)
    except Invalid as fault:
        raise fault.at("name") from None
    made = Announced(tx.new_id(EntityCode.FILE), secret, name, now + LIFETIME)
    kept = await tx.driver().fetchval(
        _INSERT,
        made.id,
        tx.principal.user_id,
        tx.principal.client_id,
        entity.name,
        command.record,
        name,
        command.kind.value,
        command.media_type,
        command.size,
        sha256,
        _digest(secret),
        now,
        made.expires_at,
        MAX_WAITING,
    )
    if not kept:
        raise LimitReached("uploads_waiting", limit=MAX_WAITING)
    return made


def _checked(command: CreateUpload, limits: FileLimits) -> tuple[FileType, str | None]:
    type_ = limits.types.get(command.media_type)
    if type_ is None:
        raise Invalid("file_type_not_taken", path=("mediaType",), types=", ".join(limits.types))
    if not 1 <= command.size <= limits.max_bytes:
        raise Invalid("number_range", path=("size",), min=1, max=limits.max_bytes)
    if command.sha256 is None:
        return type_, None
    sha256 = command.sha256.lower()
    if len(sha256) != _SHA256_DIGITS or not set(sha256) <= set("0123456789abcdef"):
        raise Invalid("not_a_sha256", path=("sha256",))
    return type_, sha256


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


_CLAIM = """
UPDATE uploads SET claimed_until = $4
WHERE id = $1 AND digest = $2 AND expires_at > $3 AND received IS NULL
  AND (claimed_until IS NULL OR claimed_until <= $3)
RETURNING id, media_type, size, sha256
"""


async def claim(connection: Connection, id_: UUID, secret: str, now: datetime, until: datetime) -> Expected:
    """Keep an upload for who sends its bytes, until that moment. Raises NoSuchUpload for an address that is none, or
    not any more, UploadTaken where the bytes are there or on their way.
    """
    row = await connection.fetchrow(_CLAIM, id_, _digest(secret), now, until)
    if row is not None:
        return Expected(**row)
    found = "SELECT true FROM uploads WHERE id = $1 AND digest = $2 AND expires_at > $3"
    if await connection.fetchval(found, id_, _digest(secret), now):
        raise UploadTaken
    raise NoSuchUpload


async def release(connection: Connection, id_: UUID) -> None:
    """Let bytes be sent once more."""
    await connection.execute("UPDATE uploads SET claimed_until = NULL WHERE id = $1", id_)


async def received(connection: Connection, id_: UUID, sha256: str, now: datetime) -> None:
    """Note that all bytes are kept. Raises NoSuchUpload where nobody waits for them any more."""
    noted = await connection.fetchval(
        "UPDATE uploads SET received = $2, claimed_until = NULL, expires_at = $3 WHERE id = $1 RETURNING true",
        id_,
        sha256,
        now + LIFETIME,
    )
    if not noted:
        raise NoSuchUpload


class Inspection:
    """Looks at bytes on their way: `of` hands them on in pieces, and raises FileRefused where they are not what was
    told of them, at the latest behind the last one. `length` is what their sender says that they have.
    """

    def __init__(self, expected: Expected, length: int | None = None) -> None:
        self._length = expected.size if length is None else length
        self._expected = expected
        self._type = TYPES[expected.media_type]
        self._hash = hashlib.sha256()
        self._size = 0
        self._head = b""

    @property
    def sha256(self) -> str:
        """Of the bytes so far, in hexadecimal."""
        return self._hash.hexdigest()

    async def of(self, body: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """The bytes of a body."""
        waiting = bytearray()
        if self._length != self._expected.size:
            raise self._of_other_size()
        async for chunk in body:
            self._size += len(chunk)
            if self._size > self._expected.size:
                raise self._of_other_size()
            waiting += chunk
            if len(waiting) >= PIECE:
                yield self._seen(bytes(waiting))
                waiting.clear()
        if self._size != self._expected.size:
            raise self._of_other_size()
        if waiting:
            yield self._seen(bytes(waiting))
        if self._expected.sha256 not in (None, self.sha256):
            raise FileRefused("file_sha256", told=self._expected.sha256, found=self.sha256)

    def _seen(self, piece: bytes) -> bytes:
        if not self._head:
            self._head = piece[:HEAD]
            if not self._type.fits(self._head):
                raise self._of_other_type()
        if not self._type.signatures and b"\0" in piece and not self._head.startswith(_UTF_16):
            raise self._of_other_type()
        self._hash.update(piece)
        return piece

    def _of_other_type(self) -> CrmError:
        return FileRefused("file_type", told=self._expected.media_type)

    def _of_other_size(self) -> CrmError:
        return FileRefused("file_size", told=self._expected.size)


_EXPIRE = """
WITH gone AS (
    DELETE FROM uploads WHERE id = ANY(ARRAY(
        SELECT id FROM uploads WHERE expires_at <= $1 AND (claimed_until IS NULL OR claimed_until <= $1)
        ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
    )) RETURNING id
)
INSERT INTO file_purges (id, due_at) SELECT id, $1 FROM gone ON CONFLICT DO NOTHING RETURNING id
"""


async def forget_expired(connection: Connection, now: datetime, at_most: int = 1_000) -> int:
    """Give up uploads that are past their time, and have their bytes deleted. Gives how many."""
    return len(await connection.fetch(_EXPIRE, now, at_most))
