"""Exports: a list that somebody may download for a while. What a download gives is read anew each time."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.orm import Mapped

from crm_graph.models.declarative import Base
from crm_graph.models.fields import internal


class ExportFormat(StrEnum):
    """How the rows of an export are written."""

    JSONL = "JSONL"
    CSV = "CSV"
    XLSX = "XLSX"


class Export(Base):
    """A query to be downloaded by who asked for it.

    `variables` is JSON as text, since `jsonb` cannot hold every JSON text; `row_limit` is null for all rows.
    `downloads` counts them; `downloaded_at` and `downloaded_rows` are of the last one.
    """

    __tablename__ = "exports"
    __table_args__ = (
        Index("ix_exports_expires_at", "expires_at"),
        Index("ix_exports_user_id_expires_at", "user_id", "expires_at"),
    )

    id: Mapped[UUID] = internal(primary_key=True)
    user_id: Mapped[UUID] = internal(ForeignKey("users.id"))
    client_id: Mapped[UUID | None] = internal()
    document: Mapped[str] = internal(personal=True)
    operation_name: Mapped[str | None] = internal()
    variables: Mapped[str] = internal(personal=True)
    format: Mapped[ExportFormat] = internal()
    file_name: Mapped[str] = internal()
    row_limit: Mapped[int | None] = internal()
    byte_order_mark: Mapped[bool] = internal()
    created_at: Mapped[datetime] = internal()
    expires_at: Mapped[datetime] = internal()
    downloads: Mapped[int] = internal(server_default=text("0"))
    downloaded_at: Mapped[datetime | None] = internal()
    downloaded_rows: Mapped[int | None] = internal(BigInteger)
