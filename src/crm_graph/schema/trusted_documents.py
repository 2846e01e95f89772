"""The mutations of trusted documents."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from crm_graph.resolvers.trusted_documents import TrustedDocuments
from crm_graph.resolvers.write import MutationContext
from crm_graph.schema.building import Argument, Member
from crm_graph.schema.mutations import Mutation
from crm_graph.services import trusted_documents
from crm_graph.services.trusted_documents import MAX_AT_ONCE, REGISTER


def trusted_document_mutations() -> Iterable[Mutation]:
    """Register and remove."""
    yield Mutation(
        "register_documents",
        REGISTER,
        "Let clients name these documents by `documentId` instead of sending them. Rights stay those of whoever asks."
        " Documents are for every role: whoever registers is told by the full schema what is wrong with them.",
        {"documents": Argument(list[str], f"Texts, valid for the full schema; at most {MAX_AT_ONCE}.")},
        {"ids": Member(list[str] | None, "The id of each, in order: `sha256:` and the SHA-256 of its text.")},
        _register,
    )
    yield Mutation(
        "remove_documents",
        REGISTER,
        "Take registered documents back; those of the manifest stay. Holds everywhere within a second.",
        {"ids": Argument(list[str], f"Their ids; at most {MAX_AT_ONCE}.")},
        {"ids": Member(list[str] | None, "The ids of those that were there.")},
        _remove,
    )


async def _register(context: MutationContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    documents = trusted_documents.registrations(arguments["documents"])
    known = _known(context)
    await asyncio.to_thread(known.examine, documents)
    ids = await trusted_documents.register(context.transaction(), documents)
    known.forget(ids)
    return {"ids": ids}


async def _remove(context: MutationContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    ids = await trusted_documents.remove(context.transaction(), arguments["ids"])
    _known(context).forget(ids)
    return {"ids": ids}


def _known(context: MutationContext) -> TrustedDocuments:
    if context.trusted is None:
        raise RuntimeError("this hub keeps no trusted documents")
    return context.trusted
