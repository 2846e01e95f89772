"""Trusted documents: registering and removing them. Whether one is valid GraphQL is said by who knows the schema."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crm_graph.errors import CrmError, Invalid, LimitReached
from crm_graph.permissions.store import raise_policy_version
from crm_graph.services.commands import Mode, Refused, keep_good
from crm_graph.transaction import EventDraft, Transaction

REGISTER = "documents:register"
MAX_AT_ONCE = 100
MAX_IN_ALL = 10_000
MAX_CHARACTERS = 100_000

_INSERT = """
INSERT INTO trusted_documents (id, text, registered_at, registered_by_id)
SELECT d.id, d.text, $3, $4 FROM unnest($1::text[], $2::text[]) AS d (id, text)
ON CONFLICT (id) DO NOTHING
RETURNING id
"""


_REMOVE = "DELETE FROM trusted_documents WHERE id = ANY($1::text[]) RETURNING id, text"


@dataclass
class Registration:
    """A document on its way in; `errors` are why it cannot be."""

    index: int
    text: str
    errors: list[CrmError] = field(default_factory=list)

    @property
    def id(self) -> str:
        return id_of(self.text)


def id_of(text: str) -> str:
    """The id of a document by its text, as the persisted documents of GraphQL over HTTP have it."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def registrations(texts: Sequence[str]) -> list[Registration]:
    """The documents of one call. Raises LimitReached for too many."""
    _require_few(texts, "documents")
    found = [Registration(index, text) for index, text in enumerate(texts)]
    for registration in found:
        if len(registration.text) > MAX_CHARACTERS:
            registration.errors.append(Invalid("text_too_long", max=MAX_CHARACTERS))
    return found


async def register(tx: Transaction, documents: Sequence[Registration]) -> list[str]:
    """Let clients name these documents, and give their ids. One that is there stays as it is; one that is wrong
    refuses all. The table is locked against other writers, so that its limit holds: Raises LimitReached.
    """
    tx.require(REGISTER)
    try:
        keep_good(documents, Mode.ATOMIC)
    except Refused:
        raise Refused(documents, argument="documents") from None
    ids = [document.id for document in documents]
    texts = [document.text for document in documents]
    await tx.driver().execute("LOCK TABLE trusted_documents IN SHARE ROW EXCLUSIVE MODE")
    added = await tx.driver().fetch(_INSERT, ids, texts, tx.now, tx.principal.user_id)
    if await tx.driver().fetchval("SELECT count(*) FROM trusted_documents") > MAX_IN_ALL:
        raise LimitReached("documents_limit", path=("documents",), limit=MAX_IN_ALL)
    new = {row["id"] for row in added}
    tx.record(
        *(
            _event("registered", document.id, {}, {"text": document.text})
            for document in documents
            if document.id in new
        )
    )
    return ids


async def remove(tx: Transaction, ids: Sequence[str]) -> list[str]:
    """Take documents back and give the ids of those that were there. Every process knows it within a second, as it
    does of rights.
    """
    tx.require(REGISTER)
    _require_few(ids, "ids")
    rows = await tx.driver().fetch(_REMOVE, list(ids))
    removed = {row["id"]: row["text"] for row in rows}
    if removed:
        await raise_policy_version(tx.session)
        tx.record(*(_event("removed", id_, {"text": text}, {}) for id_, text in removed.items()))
    return [id_ for id_ in dict.fromkeys(ids) if id_ in removed]


def _event(verb: str, id_: str, before: Mapping[str, str], after: Mapping[str, str]) -> EventDraft:
    """What happened to a document, whose id is no record's."""
    was, is_ = ({"id": id_, **texts} if texts else {} for texts in (before, after))
    return EventDraft(f"trusted_document.{verb}", "trusted_document", None, 0, ["text"], was, is_)


def _require_few(items: Sequence[str], argument: str) -> None:
    if len(items) > MAX_AT_ONCE:
        raise LimitReached("too_many_items", path=(argument,), max=MAX_AT_ONCE)
