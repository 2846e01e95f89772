"""GraphQL documents that were registered, so that clients may name them instead of sending them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped

from crm_graph.models.declarative import Base
from crm_graph.models.fields import internal


class TrustedDocument(Base):
    """One document. `id` is `sha256:` and the SHA-256 of its text in hexadecimal."""

    __tablename__ = "trusted_documents"
    __table_args__ = (Index("ix_trusted_documents_registered_by_id", "registered_by_id"),)

    id: Mapped[str] = internal(primary_key=True)
    text: Mapped[str] = internal()
    registered_at: Mapped[datetime] = internal()
    registered_by_id: Mapped[UUID] = internal(ForeignKey("users.id"))
