"""The mutations of files: announce one, put it on its record once its bytes are there, take it off."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import strawberry

from crm_graph.catalog import Catalog, Kind
from crm_graph.models.files import FileKind
from crm_graph.resolvers.write import MutationContext, RecordRef
from crm_graph.schema.building import Argument, Member, define_input, define_type, empty
from crm_graph.schema.entities import EntityTypes
from crm_graph.schema.filters import PYTHON_TYPES
from crm_graph.schema.inputs import given_members, read_id
from crm_graph.schema.mutations import Mutation
from crm_graph.services import files, uploads
from crm_graph.services.nouns import NOUNS
from crm_graph.services.uploads import CreateUpload

_UPLOAD = {
    "id": Member(strawberry.ID, "Its id; that of the file, once it is on its record."),
    "url": Member(str, "Path to send the bytes to, as they are, without a token: whoever has it may send them, once."),
    "method": Member(str, "The HTTP method to send them with."),
    "file_name": Member(str, "What the file will be called."),
    "expires_at": Member(datetime, "Until when they are taken."),
}
_INPUT = {
    "record": Member(strawberry.ID, "The record that the file is to hang on."),
    "name": Member(str, "What it is called; a path, and what misleads a screen, is taken out of it."),
    "mediaType": Member(str, "What it holds, such as `application/pdf`; its bytes must begin so."),
    "size": Member(PYTHON_TYPES[Kind.BIG_INT], "How many bytes it has."),
    "sha256": Member(str | None, "SHA-256 of its bytes in hexadecimal, to be compared."),
    "kind": Member(FileKind | None, "What it is to the record; a document if not given."),
}


def file_mutations(types: EntityTypes) -> Iterable[Mutation]:
    """All of them; who may update records of a type has them, and on a record its grants decide."""
    catalog, file = types.catalog, types.types["file"]
    first, *others = (_update(catalog, name) for name in NOUNS)
    otherwise = frozenset(others)
    upload = define_type(empty("Upload"), "A file that is announced, and where its bytes go.", _UPLOAD)
    wanted = define_input(empty("CreateUploadInput"), "A file that is to hang on a record.", _INPUT)
    made = {"upload": Member(upload | None, "Where to send the bytes.")}
    which = {"id": Argument(strawberry.ID, "Its id.")}
    yield Mutation(
        "create_upload",
        first,
        "Announce a file for a record. Send its bytes to the address that this gives, then call `completeUpload`.",
        {"input": Argument(wanted, "The file.")},
        made,
        _creator(upload),
        otherwise=otherwise,
    )
    yield Mutation(
        "complete_upload",
        first,
        "Put a file on its record whose bytes are all there. A second call changes nothing.",
        {"id": Argument(strawberry.ID, "The upload's id.")},
        {"file": Member(file | None, "The file, as you see it now.")},
        _complete,
        otherwise=otherwise,
    )
    yield Mutation(
        "delete_file",
        first,
        "Take a file off its record and delete its bytes. The record's history keeps its name.",
        which,
        {"deleted": Member(bool | None, "True where it is gone.")},
        _delete,
        otherwise=otherwise,
    )


def _update(catalog: Catalog, entity: str) -> str:
    return f"{catalog[entity].plural}:update"


def _creator(upload: Any) -> Any:
    async def create(context: MutationContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        # An address is told once: who repeats the call gets another one.
        context.unkept = True
        given = given_members(arguments["input"])
        command = CreateUpload(
            record=read_id(given["record"], "record"),
            name=given["name"],
            media_type=given["mediaType"],
            size=int(given["size"]),
            kind=given.get("kind") or FileKind.DOCUMENT,
            sha256=given.get("sha256"),
        )
        made = await uploads.create(context.transaction(), command, context.files)
        query = urlencode({"upload": str(made.id), "secret": made.secret})
        told = upload(
            id=strawberry.ID(str(made.id)),
            url=f"/files?{query}",
            method="POST",
            file_name=made.name,
            expires_at=made.expires_at,
        )
        return {"upload": told}

    return create


async def _complete(context: MutationContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    id_ = read_id(arguments["id"], "id")
    await files.attach(context.transaction(), [id_])
    return {"file": RecordRef("file", id_)}


async def _delete(context: MutationContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    await files.remove(context.transaction(), [read_id(arguments["id"], "id")])
    return {"deleted": True}
