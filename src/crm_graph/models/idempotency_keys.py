"""Stored answers of mutations, kept in the transaction of the change, so that a retry is answered and not repeated."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, LargeBinary
from sqlalchemy.orm import Mapped

from crm_graph.models.declarative import Base
from crm_graph.models.fields import internal


class IdempotencyKey(Base):
    """One answered mutation field of one actor.

    `request_hash` is a SHA-256; `answer` the field's JSON as it was sent.
    """

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_expires_at", "expires_at"),)

    actor_id: Mapped[UUID] = internal(primary_key=True)
    key: Mapped[str] = internal(primary_key=True)
    field: Mapped[str] = internal(primary_key=True)
    request_hash: Mapped[bytes] = internal(LargeBinary)
    answer: Mapped[bytes | None] = internal(LargeBinary, personal=True)
    subject_id: Mapped[UUID | None] = internal()
    created_at: Mapped[datetime] = internal()
    expires_at: Mapped[datetime] = internal()
