"""Exports: who may download which list, until when, and what was downloaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from crm_graph.errors import Invalid, LimitReached
from crm_graph.models.exports import ExportFormat
from crm_graph.models.ids import EntityCode
from crm_graph.permissions.store import Connection
from crm_graph.services.file_names import file_name
from crm_graph.transaction import EventDraft, Transaction

ACTION = "export"
LIFETIME = timedelta(hours=24)
MAX_WAITING = 200
"""Exports of one user that have not expired."""
MAX_DOCUMENT = 100_000
MAX_VARIABLES = 1_000_000
MAX_FILE_NAME = 100
MAX_ROWS = 2**31 - 1
FORGOTTEN_AT_A_CREATE = 20
"""More than one, so that what expires goes faster than what comes."""


@dataclass(frozen=True, slots=True)
class CreateExport:
    """A list to be downloaded. The caller has validated the document; `entity` and `columns` say what it lists, for
    the log of events.
    """

    document: str
    operation_name: str | None
    variables: Mapping[str, Any]
    format: ExportFormat
    entity: str
    columns: tuple[str, ...]
    file_name: str | None = None
    row_limit: int | None = None
    byte_order_mark: bool = True


@dataclass(frozen=True, slots=True)
class StoredExport:
    """An export as it is kept. `file_name` has its extension."""

    id: UUID
    document: str
    operation_name: str | None
    variables: Mapping[str, Any]
    format: ExportFormat
    file_name: str
    row_limit: int | None
    byte_order_mark: bool
    expires_at: datetime


_INSERT = """
INSERT INTO exports (id, document, operation_name, variables, format, file_name, row_limit, byte_order_mark, expires_at,
                     user_id, client_id, created_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12
WHERE (SELECT count(*) FROM (
    SELECT 1 FROM exports WHERE user_id = $10 AND expires_at > $12 LIMIT $13) AS waiting) < $13
RETURNING true
"""

_FIND = """
SELECT id, document, operation_name, variables, format, file_name, row_limit, byte_order_mark, expires_at
FROM exports WHERE id = $1 AND user_id = $2 AND expires_at > $3
"""


async def create(tx: Transaction, command: CreateExport) -> StoredExport:
    """Keep an export for its asker. Raises Invalid with the path to what is wrong, LimitReached where too many wait."""
    tx.require(ACTION)
    if command.row_limit is not None and not 1 <= command.row_limit <= MAX_ROWS:
        raise Invalid("number_range", path=("limit",), min=1, max=MAX_ROWS)
    made = StoredExport(
        tx.new_id(EntityCode.EXPORT),
        command.document,
        command.operation_name,
        command.variables,
        command.format,
        _file_name(command, tx.today),
        command.row_limit,
        command.byte_order_mark,
        tx.now + LIFETIME,
    )
    await forget_expired(tx, at_most=FORGOTTEN_AT_A_CREATE)
    kept = await tx.driver().fetchval(
        _INSERT,
        made.id,
        made.document,
        made.operation_name,
        orjson.dumps(made.variables).decode(),
        made.format.value,
        made.file_name,
        made.row_limit,
        made.byte_order_mark,
        made.expires_at,
        tx.principal.user_id,
        tx.principal.client_id,
        tx.now,
        MAX_WAITING,
    )
    if not kept:
        raise LimitReached("exports_waiting", limit=MAX_WAITING)
    told = {"entity": command.entity, "columns": list(command.columns), "format": made.format.value}
    tx.record(_event("export.created", made.id, 1, told, records=0))
    return made


def check_size(document: str, variables: Any) -> None:
    """Raise Invalid for what cannot be kept: too long, or no text of this world."""
    if len(document) > MAX_DOCUMENT:
        raise Invalid("text_too_long", path=("document",), max=MAX_DOCUMENT)
    if "\0" in document or not _is_utf8(document):
        raise Invalid("text_invalid", path=("document",))
    if not isinstance(variables, dict):
        raise Invalid("parameter_not_object", path=("variables",), name="variables")
    try:
        size = len(orjson.dumps(variables))
    except orjson.JSONEncodeError:
        raise Invalid(path=("variables",)) from None
    if size > MAX_VARIABLES:
        raise Invalid("text_too_long", path=("variables",), max=MAX_VARIABLES)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _file_name(command: CreateExport, today: date) -> str:
    """The name of the file: what was wished for without what no file system takes, or the list and the day."""
    extension = f".{command.format.value.lower()}"
    wished = command.file_name
    if wished is None:
        return f"{command.entity}-{today.isoformat()}{extension}"
    if len(wished) > MAX_FILE_NAME:
        raise Invalid("text_too_long", path=("fileName",), max=MAX_FILE_NAME)
    try:
        longest = MAX_FILE_NAME + len(extension)
        return file_name(wished, (extension,), otherwise=command.entity, max_length=longest)
    except Invalid as fault:
        raise fault.at("fileName") from None


async def find(connection: Connection, export_id: UUID, user_id: UUID, now: datetime) -> StoredExport | None:
    """An export that this user may download now. One of somebody else, or past its time, is like none."""
    row = await connection.fetchrow(_FIND, export_id, user_id, now)
    if row is None:
        return None
    return StoredExport(**{**row, "variables": orjson.loads(row["variables"]), "format": ExportFormat(row["format"])})


async def record_start(tx: Transaction, export_id: UUID) -> None:
    """Write down that a download begins, before its first byte: should the process end meanwhile, that stands."""
    downloads = await tx.driver().fetchval("SELECT downloads FROM exports WHERE id = $1", export_id)
    tx.record(_event("export.started", export_id, (downloads or 0) + 1, {}, records=0))


async def record_download(tx: Transaction, export_id: UUID, rows: int, *, complete: bool) -> None:
    """Write down that rows have left the house, whether or not all of them arrived."""
    number = await tx.driver().fetchval(
        "UPDATE exports SET downloads = downloads + 1, downloaded_at = $2, downloaded_rows = $3 WHERE id = $1"
        " RETURNING downloads",
        export_id,
        tx.now,
        rows,
    )
    told = {"rows": rows, "complete": complete}
    tx.record(_event("export.downloaded", export_id, (number or 0) + 1, told, records=rows))


def _event(type_: str, export_id: UUID, version: int, after: Mapping[str, Any], *, records: int) -> EventDraft:
    """An event of the log of reads."""
    return EventDraft(type_, "export", export_id, version, list(after), {}, after, records=records)


async def forget_expired(tx: Transaction, at_most: int = 10_000) -> int:
    """Delete exports that are past their time. Gives how many."""
    deleted = await tx.driver().fetch(
        "DELETE FROM exports WHERE ctid = ANY(ARRAY("
        "SELECT ctid FROM exports WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING 1",
        tx.now,
        at_most,
    )
    return len(deleted)
