"""Collaborators (协作人): users who work on a record beside its owner, and see it as the owner does.

They are among the keys of the search index: who changes them writes the keys of their records anew, in the same
transaction (`search_index.index`).
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped

from crm_graph.models.declarative import Base
from crm_graph.models.fields import internal


class Collaboration(Base):
    __tablename__ = "collaborations"
    __table_args__ = (Index("ix_collaborations_user_id_entity_id", "user_id", "entity_id"),)

    entity_id: Mapped[UUID] = internal(primary_key=True)
    user_id: Mapped[UUID] = internal(ForeignKey("users.id"), primary_key=True)
    created_at: Mapped[datetime] = internal()
