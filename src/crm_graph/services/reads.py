"""Reads that matter, as events of the log: who was told of which records more than rights alone tell, and when.

A value that was looked for stands there as a keyed hash: equal ones are known as equal, and none can be read.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from crm_graph.catalog import Catalog
from crm_graph.errors import RequestFault, Unavailable
from crm_graph.fragments import name, param, sql
from crm_graph.permissions.allowances import Allowance
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.store import Connection
from crm_graph.transaction import EventDraft, Input, Transaction

LOOKUPS, UNMASKING, DUPLICATES = "lookups", "unmasking", "duplicates"
"""What somebody may be told beyond their rights, each with an allowance of its own."""
NAMED = 20
"""Records of one read that each get an event; of more, their number stands in one."""

_FIND_KEY = "SELECT key FROM hash_keys WHERE name = 'looked_for'"
_KEEP_KEY = "INSERT INTO hash_keys (name, key) VALUES ('looked_for', $1) ON CONFLICT (name) DO NOTHING"


@dataclass(frozen=True, slots=True)
class AuditedRead:
    """What somebody was told: of which type, by or of which fields, and of how many records, named where they are few.

    `verb` is the word of its event: `looked_up` makes `customer.looked_up`. Fields have the names that clients know.
    """

    verb: str
    entity: str
    fields: tuple[str, ...]
    records: int
    ids: tuple[UUID, ...] = ()
    looked_for: str | None = None
    reason: str | None = None
    told: Mapping[str, Any] | None = None


Note = Callable[[AuditedRead], None]
"""Keeps a read, to be written down before it is answered."""


class Hashing(Protocol):
    """Tells equal values as equal, and none of them."""

    def of(self, entity: str, value: str) -> str: ...


class ReadLog(Protocol):
    """Where reads that matter are counted and written down, as `Audit` does."""

    @property
    def hashes(self) -> Hashing: ...

    async def allow(self, purpose: str, principal: Principal, times: int) -> None: ...

    async def write(self, principal: Principal, request_id: str, reads: Sequence["AuditedRead"]) -> None: ...


class Hashes:
    """Keyed hashes of values (HMAC-SHA256, RFC 2104), cut to 128 bits."""

    def __init__(self, key: bytes) -> None:
        self.key = key

    def of(self, entity: str, value: str) -> str:
        """The hash of a value that records of a type are looked for by."""
        return hmac.new(self.key, f"{entity}\0{value}".encode(), hashlib.sha256).hexdigest()[:32]


async def load_hashes(connection: Connection) -> Hashes:
    """The hashes of this hub. Whoever comes first makes their key."""
    key = await connection.fetchval(_FIND_KEY)
    if key is None:
        await connection.execute(_KEEP_KEY, secrets.token_bytes(32))
        key = await connection.fetchval(_FIND_KEY)
    return Hashes(key)


Begin = Callable[[Principal, str], AbstractAsyncContextManager[Transaction]]
"""A transaction of a principal under a request id."""


class Audit:
    """Counts and writes down the reads of one process that matter."""

    def __init__(self, begin: Begin, hashes: Hashes, allowances: Mapping[str, Allowance]) -> None:
        self._begin = begin
        self._allowances = allowances
        self.hashes = hashes

    async def allow(self, purpose: str, principal: Principal, times: int) -> None:
        """Take so many from what the asker may be told for a purpose. Raises what `Allowance.take` raises."""
        await self._allowances[purpose].take(principal, times)

    async def write(self, principal: Principal, request_id: str, reads: Sequence[AuditedRead]) -> None:
        """Write reads down, in a transaction of their own. Raises Unavailable; then nobody may be told."""
        try:
            async with self._begin(principal, request_id) as tx:
                await record(tx, reads)
        except RequestFault as failure:
            raise Unavailable from failure


async def record(tx: Transaction, reads: Sequence[AuditedRead]) -> None:
    """Append the events of reads: one for each record where these are few, else one for each read."""
    customers = await _customers(tx, reads)
    tx.record(*(event for read in reads for event in _events(read, customers)))


def _events(read: AuditedRead, customers: Mapping[UUID, UUID]) -> Iterable[EventDraft]:
    if not read.ids or len(read.ids) > NAMED:
        yield _event(read, None, None, read.records)
        return
    for id_ in read.ids:
        yield _event(read, id_, id_ if read.entity == "customer" else customers.get(id_), 1)


def _event(read: AuditedRead, entity_id: UUID | None, customer_id: UUID | None, records: int) -> EventDraft:
    return EventDraft(
        type=f"{read.entity}.{read.verb}",
        entity_type=read.entity,
        entity_id=entity_id,
        entity_version=0,
        changed=read.fields,
        before={},
        after=read.told or {},
        customer_id=customer_id,
        reason=read.reason,
        records=records,
        looked_for=read.looked_for,
    )


async def _customers(tx: Transaction, reads: Sequence[AuditedRead]) -> Mapping[UUID, UUID]:
    """The customers that named records are of, so that all that was read of a customer can be found."""
    found: dict[UUID, UUID] = {}
    for entity in dict.fromkeys(read.entity for read in reads):
        ids = sorted({id_ for read in reads if read.entity == entity for id_ in read.ids[:NAMED]})
        if ids and _has_customer(tx.catalog, entity):
            rows = await tx.fetch(
                sql(
                    "SELECT t.id, t.customer_id FROM {table} AS t"
                    " WHERE t.id = ANY({ids}) AND t.customer_id IS NOT NULL",
                    table=name(tx.catalog[entity].table),
                    ids=param(Input("ids"), "uuid[]"),
                ),
                ids=ids,
            )
            found.update((row["id"], row["customer_id"]) for row in rows)
    return found


def _has_customer(catalog: Catalog, entity: str) -> bool:
    known = catalog.types.get(entity)
    relation = known.relations.get("customer") if known else None
    return relation is not None and relation.local == "customer_id"
