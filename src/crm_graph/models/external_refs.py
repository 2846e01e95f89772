"""External refs: what other systems call a record. (source, entity type, external id) is the one hard uniqueness."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped

from crm_graph.models.declarative import Base, Child
from crm_graph.models.fields import DataClass, Write, field, internal
from crm_graph.models.ids import EntityCode


class ExternalRef(Child, Base):
    __tablename__ = "external_refs"
    code: ClassVar[EntityCode] = EntityCode.EXTERNAL_REF
    root: ClassVar[str] = "*"
    __table_args__ = (
        UniqueConstraint("source", "entity_type", "external_id"),
        Index("ix_external_refs_entity_id_id", "entity_id", "id"),
    )

    entity_type: Mapped[str] = internal()
    entity_id: Mapped[UUID] = internal()
    source: Mapped[str] = field(DataClass.BASIC, write=Write.CREATE_ONLY, max_length=64)
    external_id: Mapped[str] = field(DataClass.BASIC, write=Write.CREATE_ONLY)
    synced_at: Mapped[datetime] = field(DataClass.BASIC, write=Write.SERVICE)
