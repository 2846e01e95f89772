"""The one event log: append-only, written in the transaction of the change, partitioned by month on its id."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, SmallInteger, text
from sqlalchemy.orm import Mapped
from sqlalchemy.types import UserDefinedType

from crm_graph.models.declarative import Base
from crm_graph.models.fields import DataClass, internal

OF_RIGHTS = "entity_type IN ('client', 'issuer', 'rights_proposal', 'role', 'team', 'user') AND NOT is_read"
"""What is a change of rights, as `rightsChanges` asks for them."""


class TransactionId(UserDefinedType[str]):
    """Postgres' 64-bit transaction id, `xid8`."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


class Event(Base):
    """One verb on one root.

    Its place in the log is (epoch, transaction, n): a reader takes what lies below the oldest open transaction, in that
    order. `before` and `after` hold the changed fields only, children under their relation's name.

    A read that matters is an event as well, with `is_read`: `changed` names the fields that it was about, `records` how
    many records it gave, `looked_for` is a keyed hash of the value that was looked for. `entity_id` is the record, and
    missing where it gave none, or too many to name each.
    """

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_entity_id_entity_version", "entity_id", "entity_version"),
        Index("ix_events_customer_id_id", "customer_id", "id"),
        Index("ix_events_epoch_transaction_n", "epoch", "transaction", "n"),
        Index("ix_events_reads", "id", postgresql_where=text("is_read")),
        Index("ix_events_reads_actor_id_id", "actor_id", "id", postgresql_where=text("is_read")),
        Index("ix_events_reads_type_id", "type", "id", postgresql_where=text("is_read")),
        Index("ix_events_reads_entity_id_id", "entity_id", "id", postgresql_where=text("is_read")),
        Index("ix_events_reads_looked_for_id", "looked_for", "id", postgresql_where=text("is_read")),
        Index("ix_events_rights", "id", postgresql_where=text(OF_RIGHTS)),
        Index("ix_events_rights_entity_id_id", "entity_id", "id", postgresql_where=text(OF_RIGHTS)),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    id: Mapped[UUID] = internal(primary_key=True)
    epoch: Mapped[int] = internal(SmallInteger, server_default=text("1"))
    transaction: Mapped[str] = internal(TransactionId, server_default=text("pg_current_xact_id()"))
    n: Mapped[int] = internal(server_default=text("0"))
    type: Mapped[str] = internal()
    entity_type: Mapped[str] = internal()
    entity_id: Mapped[UUID | None] = internal()
    entity_version: Mapped[int] = internal(BigInteger)
    customer_id: Mapped[UUID | None] = internal()
    occurred_at: Mapped[datetime] = internal()
    actor_id: Mapped[UUID | None] = internal()
    on_behalf_of_id: Mapped[UUID | None] = internal()
    client_id: Mapped[UUID | None] = internal()
    source: Mapped[str] = internal()
    request_id: Mapped[str | None] = internal()
    causation_id: Mapped[UUID | None] = internal()
    reason: Mapped[str | None] = internal(data_class=DataClass.CONTENT, personal=True)
    changed: Mapped[list[Any]] = internal(server_default=text("'[]'::jsonb"))
    before: Mapped[dict[str, Any]] = internal(server_default=text("'{}'::jsonb"), personal=True)
    after: Mapped[dict[str, Any]] = internal(server_default=text("'{}'::jsonb"), personal=True)
    backfill: Mapped[bool] = internal(server_default=text("false"))
    is_read: Mapped[bool] = internal(server_default=text("false"))
    records: Mapped[int | None] = internal()
    looked_for: Mapped[str | None] = internal()
    erased_at: Mapped[datetime | None] = internal()
    schema_version: Mapped[int] = internal(SmallInteger, server_default=text("1"))


class HashKey(Base):
    """A secret of the whole hub that values are hashed with, so that equal ones are known without being told."""

    __tablename__ = "hash_keys"

    name: Mapped[str] = internal(primary_key=True)
    key: Mapped[bytes] = internal()


class LogEpoch(Base):
    """A server that the log was written on. Transactions are numbered by each server anew, so what another one wrote
    lies before all that this one writes.
    """

    __tablename__ = "log_epochs"

    epoch: Mapped[int] = internal(SmallInteger, primary_key=True, autoincrement=False)
    system_identifier: Mapped[int] = internal(BigInteger)
    began_at: Mapped[datetime] = internal()
