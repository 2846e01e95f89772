"""Files that hang on a record, uploads that may become one, and files whose bytes are yet to be deleted."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, relationship

from crm_graph.models.declarative import Base, Child
from crm_graph.models.fields import DataClass, Write, field, internal
from crm_graph.models.ids import EntityCode

MAX_NAME = 200


class FileKind(StrEnum):
    """What a file is to the record that it hangs on."""

    DOCUMENT = "DOCUMENT"
    IMAGE = "IMAGE"
    RECORDING = "RECORDING"
    SIGNED = "SIGNED"
    OTHER = "OTHER"


class File(Child, Base):
    """One file of a record. All of it is content, its id too: whoever reads no content is not told that there is one.

    Who reads all of it may read the bytes; who writes `name` may hang files on the record.
    """

    __tablename__ = "files"
    code: ClassVar[EntityCode] = EntityCode.FILE
    root: ClassVar[str] = "*"
    paged: ClassVar[bool] = True
    __table_args__ = (
        Index("ix_files_entity_id_id", "entity_id", "id"),
        Index("ix_files_created_by_id", "created_by_id"),
    )

    id: Mapped[UUID] = field(DataClass.CONTENT, primary_key=True, write=Write.SERVICE)
    entity_type: Mapped[str] = internal()
    entity_id: Mapped[UUID] = internal()
    created_by_id: Mapped[UUID] = internal(ForeignKey("users.id"))
    name: Mapped[str] = field(DataClass.CONTENT, personal=True, write=Write.CREATE_ONLY, max_length=MAX_NAME)
    kind: Mapped[FileKind] = field(DataClass.CONTENT, write=Write.SERVICE)
    media_type: Mapped[str] = field(DataClass.CONTENT, write=Write.SERVICE)
    size: Mapped[int] = field(DataClass.CONTENT, BigInteger, write=Write.SERVICE)
    sha256: Mapped[str] = field(DataClass.CONTENT, personal=True, write=Write.SERVICE)
    download_url: Mapped[str] = field(DataClass.CONTENT, personal=True, write=Write.SERVICE)
    created_at: Mapped[datetime] = field(DataClass.CONTENT, write=Write.SERVICE)

    created_by = relationship("User", foreign_keys=[created_by_id], lazy="raise", viewonly=True)


class Upload(Base):
    """A file that is announced and not yet on its record; its id is the file's. `digest` is the SHA-256 of the secret
    in its address; `claimed_until` keeps others from sending bytes meanwhile; `received` is the SHA-256 of the bytes,
    null until all are there. `media_type`, `size` and `sha256` are what was told of them.
    """

    __tablename__ = "uploads"
    __table_args__ = (
        Index("ix_uploads_expires_at", "expires_at"),
        Index("ix_uploads_user_id_expires_at", "user_id", "expires_at"),
        Index("ix_uploads_entity_id", "entity_id"),
    )

    id: Mapped[UUID] = internal(primary_key=True)
    user_id: Mapped[UUID] = internal(ForeignKey("users.id"))
    client_id: Mapped[UUID | None] = internal()
    entity_type: Mapped[str] = internal()
    entity_id: Mapped[UUID] = internal()
    name: Mapped[str] = internal(personal=True)
    kind: Mapped[FileKind] = internal()
    media_type: Mapped[str] = internal()
    size: Mapped[int] = internal(BigInteger)
    sha256: Mapped[str | None] = internal()
    digest: Mapped[bytes] = internal(LargeBinary)
    created_at: Mapped[datetime] = internal()
    expires_at: Mapped[datetime] = internal()
    claimed_until: Mapped[datetime | None] = internal()
    received: Mapped[str | None] = internal()


class FilePurge(Base):
    """Bytes that no row needs any more; deleted when `due_at` has come, and again until that has worked."""

    __tablename__ = "file_purges"
    __table_args__ = (Index("ix_file_purges_due_at", "due_at"),)

    id: Mapped[UUID] = internal(primary_key=True)
    due_at: Mapped[datetime] = internal()
