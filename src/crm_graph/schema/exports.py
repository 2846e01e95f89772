"""`createExport`: a list becomes a file that its asker may download for a while."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import strawberry

from crm_graph.errors import (
    BadVariables,
    CostExceeded,
    DocumentNotTrusted,
    Invalid,
    MalformedRequest,
    ParseFailed,
    Required,
    ValidationFailed,
)
from crm_graph.models.exports import ExportFormat
from crm_graph.resolvers.exports.preparing import PreparedExport, prepare_export
from crm_graph.resolvers.write import MutationContext
from crm_graph.schema.building import Argument, Member, define_input, define_type, empty, enum_of
from crm_graph.schema.inputs import given_members
from crm_graph.schema.mutations import Mutation
from crm_graph.schema.scalars import JSON
from crm_graph.services import exports
from crm_graph.services.exports import ACTION, CreateExport, StoredExport

FORMATS = enum_of(
    ExportFormat,
    JSONL="JSON Lines: one object a line, exactly as the query answers it.",
    CSV="Comma-separated (RFC 4180): a column for each scalar, lists as JSON, formulas escaped with an apostrophe.",
    XLSX="An Excel workbook: numbers and dates as such, texts as texts, further sheets from 1,048,576 rows.",
)


def create_export() -> Mutation:
    """The mutation; only roles with the action `export` have it."""
    export = define_type(
        empty("Export"), "A file that its asker may download until it expires; each download reads anew.", _EXPORT
    )
    input_ = define_input(empty("CreateExportInput"), "A list to download.", _INPUT)

    async def verb(context: MutationContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        made = await _create(context, given_members(arguments["input"]))
        return {
            "export": export(
                id=strawberry.ID(str(made.id)),
                url=f"/export/{made.id}",
                file_name=made.file_name,
                format=made.format,
                expires_at=made.expires_at,
            )
        }

    arguments = {"input": Argument(input_, "The list and how it is written.")}
    payload = {"export": Member(export | None, "The file to download.")}
    about = "Make a file of all rows of a list. Its rows and cells are those that you may see when you download it."
    return Mutation("create_export", ACTION, about, arguments, payload, verb)


_EXPORT = {
    "id": Member(strawberry.ID, "Its id."),
    "url": Member(str, "Path to GET it from, with a token of the same user."),
    "file_name": Member(str, "Name of the file, with its extension."),
    "format": Member(ExportFormat, "How rows are written."),
    "expires_at": Member(datetime, "Until when it can be downloaded."),
}

_INPUT = {
    "document": Member(
        str | None,
        "A query of one list with its nodes, as a screen asks it. Its page arguments and counts are ignored.",
    ),
    "documentId": Member(str | None, "The id of a trusted document in its place."),
    "variables": Member(JSON | None, "The document's variables, an object."),
    "operationName": Member(str | None, "Which operation of the document, where it has several."),
    "format": Member(ExportFormat, "How rows are written."),
    "fileName": Member(str | None, "Name of the file, at most 100 characters; the list and the day if not given."),
    "limit": Member(int | None, "At most so many rows; all if not given."),
    "byteOrderMark": Member(
        bool | None, "Whether a CSV begins with a byte order mark, as Excel needs it; true if not given."
    ),
}


async def _create(context: MutationContext, wanted: Mapping[str, Any]) -> StoredExport:
    name, variables = wanted.get("operationName"), wanted.get("variables") or {}
    document = await _document(context, wanted.get("documentId"), wanted.get("document"))
    exports.check_size(document, variables)
    prepared = await _prepared(context, document, name, variables)
    command = CreateExport(
        document=document,
        operation_name=name,
        variables=variables,
        format=wanted["format"],
        entity=prepared.entity.plural,
        columns=tuple(column.header for column in prepared.columns),
        file_name=wanted.get("fileName"),
        row_limit=wanted.get("limit"),
        byte_order_mark=wanted.get("byteOrderMark") is not False,
    )
    return await exports.create(context.transaction(), command)


async def _document(context: MutationContext, document_id: str | None, text: str | None) -> str:
    """The text of the document. Where only trusted documents are answered, only they are exported."""
    if document_id is None and text is None:
        raise Required(path=("document",))
    trusted = context.trusted
    if trusted is None or (document_id is None and not trusted.only):
        return text or ""
    try:
        return await trusted.text(document_id, text)
    except (DocumentNotTrusted, MalformedRequest) as fault:
        raise Invalid(fault.template_key, path=("documentId" if document_id else "document",)) from None


async def _prepared(
    context: MutationContext, document: str, operation_name: str | None, variables: Mapping[str, Any]
) -> PreparedExport:
    """The document as it would be downloaded now; what is wrong with it is what the user can correct."""
    tx = context.transaction()
    try:
        prepared = await prepare_export(context.operations, document, operation_name, variables, None, access=tx.access)
        prepared.bind(variables, tx.principal, tx.now)
    except (ParseFailed, ValidationFailed, BadVariables, CostExceeded) as fault:
        given = isinstance(fault, BadVariables) and (fault.path or "problems" in fault.details)
        where = "variables" if given else "document"
        raise Invalid(fault.template_key, path=(where, *fault.path), **fault.details) from None
    return prepared
