"""The exits through which answers leave the hub, and what each answers: bytes, with refusals among them."""

import io
import tempfile
import zipfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from rich.console import Console

from crm_graph.access import Access
from crm_graph.catalog import EntityType
from crm_graph.errors import CrmError, NoSuchFile
from crm_graph.fragments import name, render, sql
from crm_graph.messages import render as words
from crm_graph.models.exports import ExportFormat
from crm_graph.permissions.principals import Principal
from crm_graph.proof.datasets import SOURCE
from crm_graph.proof.engine import Engine, reading
from crm_graph.proof.rows import Tables, insert
from crm_graph.resolvers.exports.encoders import encoder_for
from crm_graph.resolvers.write import Begin
from crm_graph.services.files import WHOLE, visible
from crm_graph.services.import_reports import print_report
from crm_graph.services.imports import import_file, upserting

SEQUENCES = ("customer_numbers", "ticket_numbers", "contract_numbers")
"""What record numbers are drawn from: they tell how many were made."""
ZONE = ZoneInfo("Asia/Shanghai")
Answer = tuple[bytes, int]
"""The data, or how it is refused, and what it is told to cost: -1 for a refusal."""
Variables = Mapping[str, Any]


class Exit(StrEnum):
    """How something is asked."""

    QUERY = "QUERY"
    EXPORT = "EXPORT"
    MUTATION = "MUTATION"
    IMPORT = "IMPORT"
    DOWNLOAD = "DOWNLOAD"
    NAMES = "NAMES"


DOCUMENTS = frozenset({Exit.QUERY, Exit.EXPORT, Exit.MUTATION})
"""Where a GraphQL document is sent."""


@dataclass(frozen=True)
class Question:
    """A document with its variables; of an import, the file, and the type of its records as the variable `type`; of a
    download, the id of the file.
    """

    text: str
    variables: Variables
    exit: Exit = Exit.QUERY


async def outcome(engine: Engine, who: Principal, question: Question) -> Answer:
    """How a question is answered, or refused, in the transaction that is open. What it changes does not stay."""
    text, variables = question.text, question.variables
    try:
        match question.exit:
            case Exit.QUERY:
                return await engine.answered(who, text, variables)
            case Exit.EXPORT:
                return await _files(engine, who, text, variables), 0
            case Exit.MUTATION:
                async with reading(engine.connection):
                    return await engine.changed(who, text, variables), 0
            case Exit.IMPORT:
                async with reading(engine.connection):
                    begin = engine.writing(who)
                    return await imported(begin, engine.catalog[variables["type"]], who.access, text), 0
            case Exit.DOWNLOAD:
                return await _downloaded(engine, who, text), 0
    except CrmError as error:
        told = (error.code, words(error, "en"), error.path, sorted(error.details.items(), key=str))
        return repr(told).encode(), -1
    raise ValueError(question.exit)


@asynccontextmanager
async def over(engine: Engine, tables: Tables) -> AsyncIterator[None]:
    """Some rows and nothing else, for as long as it lasts; records are numbered from one."""
    async with reading(engine.connection):
        await insert(engine.connection, tables)
        for sequence in SEQUENCES:
            restart = render(sql("ALTER SEQUENCE {sequence} RESTART", sequence=name(sequence)))
            await engine.connection.execute(restart.text)
        yield


async def _files(engine: Engine, who: Principal, text: str, variables: Variables) -> bytes:
    """A list in each format, one behind the other; a workbook as the text in it."""
    prepared, rows = await engine.export(who, text, variables)
    written = []
    for format_ in ExportFormat:
        encoder = encoder_for(format_, prepared.columns, ZONE, byte_order_mark=False)
        whole = encoder.begin() + encoder.rows(rows) + encoder.end()
        written.append(_texts(whole) if format_ is ExportFormat.XLSX else whole)
    return b"\n".join(written)


async def _downloaded(engine: Engine, who: Principal, id_: str) -> bytes:
    """What a download tells: the file's headers, and by its SHA-256 its bytes. Raises NoSuchFile."""
    found = await visible(engine.connection, who, engine.catalog, engine.now, ids=[UUID(id_)], members=WHOLE)
    if not found:
        raise NoSuchFile
    return repr([found[0][name] for name in ("name", "media_type", "size", "sha256")]).encode()


def _texts(workbook: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(workbook)) as parts:
        return b"\n".join(part.encode() + b": " + parts.read(part) for part in parts.namelist())


async def imported(begin: Begin, entity: EntityType, access: Access, file: str) -> bytes:
    """What is told of a file that is imported: the report, its problems, and the rows that are given back. Raises
    CrmError.
    """
    printed = io.StringIO()
    with tempfile.TemporaryDirectory(prefix="crm-graph-prove-") as folder:
        path, problems, rejects = (Path(folder) / each for each in ("rows.csv", "problems.csv", "rejects.csv"))
        path.write_text(file, encoding="utf-8")
        write = upserting(begin, entity, SOURCE)
        report = await import_file(path, entity, write, access=access, report_to=problems, rejects_to=rejects)
        print_report(report, Console(file=printed, width=200))
        return b"\n".join((printed.getvalue().encode(), problems.read_bytes(), rejects.read_bytes()))
