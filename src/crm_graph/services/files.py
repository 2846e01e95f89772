"""Files of records: put on them, taken off, downloaded, erased; and the bytes that nobody needs any more."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

import structlog

from crm_graph.access import Level
from crm_graph.catalog import Catalog
from crm_graph.criteria.compiling import Compiler
from crm_graph.criteria.rows import own_row
from crm_graph.errors import Conflict, NotFound, RuleViolated
from crm_graph.fragments import Fragment, all_of, join, name, param, sql, text
from crm_graph.models import File
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.store import Connection
from crm_graph.services.file_writing import ATTACHMENTS, change
from crm_graph.services.rows import Row, insert_rows
from crm_graph.storage.keeping import Storage, StorageFailed
from crm_graph.transaction import EventDraft, Input, Transaction, fetch

log = structlog.get_logger(__name__)

WHOLE = ("name", "media_type", "size", "sha256", "download_url")
"""Who reads all of these fields of a file downloads it: a download tells them."""
PURGED_AT_ONCE = 100
AGAIN_AFTER = timedelta(minutes=10)

_TAKE = """
DELETE FROM uploads WHERE id = ANY($1::uuid[]) AND user_id = $2 AND expires_at > $3 AND received IS NOT NULL
RETURNING id, entity_type, entity_id, name, kind, media_type, size, received AS sha256
"""
_STATE = """
SELECT true FROM uploads WHERE id = ANY($1::uuid[]) AND user_id = $2 AND expires_at > $3
"""
_TOLD = ("id", "name", "kind", "media_type", "size", "sha256")
"""What events tell of a file."""


async def attach(tx: Transaction, ids: Sequence[UUID]) -> None:
    """Put files on their records whose bytes are all there, each a file of the asker's own announcing. One that is on
    its record already stays so: who repeats the call is told the same. Raises NotFound, RuleViolated, Refused.
    """
    who = tx.principal.user_id
    taken = [dict(row) for row in await tx.driver().fetch(_TAKE, sorted(set(ids)), who, tx.now)]
    missing = sorted(set(ids) - {row["id"] for row in taken})
    if missing and await tx.driver().fetchval(_STATE, missing, who, tx.now):
        raise RuleViolated("upload_without_bytes", path=("id",))
    made = "SELECT count(*) FROM files WHERE id = ANY($1::uuid[]) AND created_by_id = $2"
    if missing and await tx.driver().fetchval(made, missing, who) < len(missing):
        raise NotFound(path=("id",))
    for type_, files in _by_type(taken):
        by_record = {record: list(rows) for record, rows in groupby(files, key=lambda row: row["entity_id"])}
        told = {record: [_told(row) for row in rows] for record, rows in by_record.items()}
        await change(tx, type_, told, "file_attached", came=True)
    await insert_rows(
        tx,
        File,
        [{**row, "download_url": f"/files/{row['id']}", "created_by_id": who, "created_at": tx.now} for row in taken],
    )


async def remove(tx: Transaction, ids: Sequence[UUID]) -> None:
    """Take files off their records for good. Raises NotFound for one that the asker does not see, Refused."""
    wanted = sorted(set(ids))
    found = [
        dict(row) for row in await visible(tx.connection, tx.principal, tx.catalog, tx.now, ids=wanted, members=("id",))
    ]
    if len(found) < len(wanted):
        raise NotFound(path=("id",))
    for type_, files in _by_type(found):
        by_record = {record: list(rows) for record, rows in groupby(files, key=lambda row: row["entity_id"])}
        told = {record: [_told(row) for row in rows] for record, rows in by_record.items()}
        await change(tx, type_, told, "file_removed", came=False)
    if await _delete(tx, sql("id = ANY({ids})", ids=param(Input("ids"), "uuid[]")), wanted) < len(wanted):
        # Somebody else took one of them off before the lock was had.
        raise Conflict("try_again", path=("id",))


def _by_type(files: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    ordered = sorted(files, key=lambda row: (row["entity_type"], row["entity_id"], row["id"]))
    return ((type_, list(rows)) for type_, rows in groupby(ordered, key=lambda row: row["entity_type"]))


def _told(row: Row) -> Row:
    return {column: row[column] for column in _TOLD}


async def visible(
    connection: Connection,
    principal: Principal,
    catalog: Catalog,
    now: datetime,
    *,
    ids: Sequence[UUID],
    members: Sequence[str],
) -> Sequence[Any]:
    """Those of the files that hang on a record which the principal sees, and of which they read these fields; with the
    customer whose record it is. One statement, whatever there is, so that its time tells nothing.
    """
    found: Sequence[Any] = await fetch(connection, principal, now, _visible(catalog, principal, members), ids=list(ids))
    return found


def _visible(catalog: Catalog, principal: Principal, members: Sequence[str]) -> Fragment:
    """The statement of `visible`."""
    file, compiler = catalog["file"], Compiler(catalog, principal.access, few=True)
    branches = []
    for root, relation in catalog.holders(file):
        if not principal.access.grants(root.name):
            continue
        record = own_row(root, compiler.alias())
        child = record.child(relation, file, "f")
        rights = [compiler.visible(record), compiler.visible(child)]
        rights += [compiler.cell(child, file.fields[member], Level.READ) for member in members]
        customer = "id" if root.name == "customer" else "customer_id"
        branches.append(
            sql(
                "SELECT {customer} AS customer_id FROM {table} AS {a}"
                " WHERE f.entity_type = {type} AND {id} = f.entity_id AND {rights}",
                customer=record.column(customer),
                table=name(root.table),
                a=name(record.alias),
                type=text(root.name),
                id=record.column("id"),
                rights=all_of(rights),
            )
        )
    return sql(
        "SELECT f.id, f.name, f.kind, f.media_type, f.size, f.sha256, f.entity_type, f.entity_id, r.customer_id"
        " FROM files AS f CROSS JOIN LATERAL ({branches}) AS r WHERE f.id = ANY({ids}) ORDER BY f.id",
        branches=join(" UNION ALL ", branches) if branches else sql("SELECT NULL::uuid AS customer_id WHERE FALSE"),
        ids=param(Input("ids"), "uuid[]"),
    )


def downloaded(file: Any) -> EventDraft:
    """The event of a download, for the log of reads. It names the file and its record, and not what it is called."""
    return EventDraft(
        type="file.downloaded",
        entity_type="file",
        entity_id=file["id"],
        entity_version=0,
        changed=(ATTACHMENTS,),
        before={},
        after={"recordType": file["entity_type"], "recordId": str(file["entity_id"])},
        customer_id=file["customer_id"],
        records=1,
    )


async def erase_files(tx: Transaction, customer_ids: Sequence[UUID]) -> int:
    """Delete all files of customers and of their records, and uploads that are on their way there; their bytes go
    after the commit. Gives how many files. The caller has the right to erase, and tells the log.
    """
    roots = [root for root, _ in tx.catalog.holders(tx.catalog["file"])]
    ids = param(Input("ids"), "uuid[]")
    theirs = join(
        " UNION ALL ",
        [
            sql(
                "SELECT id FROM {table} WHERE {column} = ANY({ids})",
                table=name(root.table),
                column=name("id" if root.name == "customer" else "customer_id"),
                ids=ids,
            )
            for root in roots
        ],
    )
    of_theirs = sql("entity_id IN ({theirs})", theirs=theirs)
    await _delete(tx, of_theirs, customer_ids, of="uploads")
    return await _delete(tx, of_theirs, customer_ids)


async def _delete(tx: Transaction, condition: Fragment, ids: Sequence[UUID], of: str = "files") -> int:
    """Delete files, or uploads, and have their bytes deleted. Gives how many."""
    gone = await tx.fetch(
        sql(
            "WITH gone AS (DELETE FROM {table} WHERE {condition} RETURNING id)"
            " INSERT INTO file_purges (id, due_at) SELECT id, {now} FROM gone ON CONFLICT DO NOTHING RETURNING id",
            table=name(of),
            condition=condition,
            now=param(Input("now"), "timestamptz"),
        ),
        ids=list(ids),
        now=tx.now,
    )
    return len(gone)


_DUE = """
UPDATE file_purges SET due_at = $2 WHERE id = ANY(ARRAY(
    SELECT id FROM file_purges WHERE due_at <= $1 ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
)) RETURNING id
"""
Connect = Callable[[], AbstractAsyncContextManager[Any]]
"""A connection in a transaction of its own."""


async def purge(connect: Connect, storage: Storage, now: datetime) -> int:
    """Delete bytes that are due. What the storage does not delete now is tried again later. Gives how many are gone."""
    async with connect() as connection:
        due = await connection.fetch(_DUE, now, now + AGAIN_AFTER, PURGED_AT_ONCE)
    gone = []
    for row in due:
        try:
            await storage.remove(row["id"])
            gone.append(row["id"])
        except StorageFailed as failure:
            log.warning("file_not_purged", file=str(row["id"]), reason=str(failure))
    async with connect() as connection:
        await connection.execute("DELETE FROM file_purges WHERE id = ANY($1::uuid[])", gone)
    return len(gone)
