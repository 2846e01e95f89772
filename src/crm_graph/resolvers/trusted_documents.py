"""Trusted documents: from the id in a request to the text of its document."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType

import asyncpg
from graphql import GraphQLSchema

from crm_graph.bounded import Bounded
from crm_graph.db import DATABASE_FAILURES
from crm_graph.errors import CrmError, DocumentNotTrusted, Invalid, MalformedRequest, Unavailable
from crm_graph.permissions.principals import COMMAND_TIMEOUT_S
from crm_graph.resolvers.documents import read_document
from crm_graph.resolvers.manifests import SHA256_ID
from crm_graph.services.trusted_documents import Registration, id_of

KEPT_CHARACTERS = 20_000_000
KEPT_UNKNOWN = 10_000
UNKNOWN_FOR_S = 1.0
"""How long an id that nobody registered is not looked for again."""

BUILT_IN: Mapping[str, str] = MappingProxyType(
    {
        "x-crm-graph:registerDocuments": "mutation RegisterDocuments($documents: [String!]!) {"
        " registerDocuments(documents: $documents) { ids errors { code message path } } }",
        "x-crm-graph:removeDocuments": "mutation RemoveDocuments($ids: [String!]!) {"
        " removeDocuments(ids: $ids) { ids errors { code message path } } }",
    }
)
"""Always known: without them nobody could register a first document where only trusted ones are answered."""

Find = Callable[[str], Awaitable[str | None]]
"""The text of a registered document by its id. Raises Unavailable."""


async def registered_document(pool: "asyncpg.Pool[asyncpg.Record]", document_id: str) -> str | None:
    """What the database has under an id. Raises Unavailable."""
    try:
        async with pool.acquire(timeout=COMMAND_TIMEOUT_S) as connection:
            found: str | None = await connection.fetchval(
                "SELECT text FROM trusted_documents WHERE id = $1", document_id, timeout=COMMAND_TIMEOUT_S
            )
    except DATABASE_FAILURES as failure:
        raise Unavailable from failure
    return found


def _length(text: str) -> int:
    return len(text) + 100


class TrustedDocuments:
    """The documents that clients may name: those of the manifest for good, registered ones as the database says.
    `version` tells the policy version, which a removal raises. With `only`, nothing but them is answered.
    """

    def __init__(
        self,
        manifest: Mapping[str, str],
        find: Find,
        version: Callable[[], int],
        schema: GraphQLSchema,
        *,
        max_tokens: int,
        only: bool,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.only = only
        self._fixed = {**BUILT_IN, **manifest}
        self._find = find
        self._version = version
        self._schema = schema
        self._max_tokens = max_tokens
        self._monotonic = monotonic
        self._found: Bounded[str, str] = Bounded(KEPT_CHARACTERS, _length)
        self._found_under = version()
        self._unknown_until: Bounded[str, float] = Bounded(KEPT_UNKNOWN)

    async def text(self, document_id: str | None, query: str | None) -> str:
        """What a request asks for. Raises DocumentNotTrusted for what is not known, or not alone trusted;
        MalformedRequest where id and text do not belong together.
        """
        if document_id is None:
            if query is None or self.only:
                raise DocumentNotTrusted
            return query
        known = self._fixed.get(document_id) or await self._registered(document_id)
        if known is None:
            if query is None or self.only or not SHA256_ID.fullmatch(document_id):
                raise DocumentNotTrusted
            if id_of(query) != document_id:
                raise MalformedRequest("document_id_mismatch")
            return query
        if query is not None and query != known:
            raise MalformedRequest("document_id_mismatch")
        return known

    async def _registered(self, document_id: str) -> str | None:
        version = self._version()
        if version != self._found_under:
            self._found.clear()
            self._found_under = version
        found = self._found.get(document_id)
        if found is not None:
            return found
        if not SHA256_ID.fullmatch(document_id) or (self._unknown_until.get(document_id) or 0.0) > self._monotonic():
            return None
        found = await self._find(document_id)
        if found is None:
            self._unknown_until.put(document_id, self._monotonic() + UNKNOWN_FOR_S)
        elif version == self._version():
            self._found.put(document_id, found)
        return found

    def forget(self, ids: Sequence[str]) -> None:
        """Look for these anew: they are being registered or removed."""
        for id_ in ids:
            self._found.discard(id_)
            self._unknown_until.discard(id_)

    def examine(self, documents: Sequence[Registration]) -> None:
        """Note what is wrong with documents by the full schema. Takes milliseconds for each: not for the event loop."""
        for document in documents:
            if document.errors:
                continue
            try:
                read_document(document.text, self._schema, self._max_tokens)
            except CrmError as error:
                document.errors.append(_told(error))


def _told(error: CrmError) -> CrmError:
    """What refuses a document in a request, as something that its author can correct."""
    problems = error.details.get("problems")
    if problems:
        return Invalid("document_invalid", problem=problems[0].error.message.rstrip("."))
    return Invalid(error.template_key, **error.details)
