"""Edits of rights that wait for a second approver, or waited."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped

from crm_graph.models.declarative import Base
from crm_graph.models.fields import internal


class ProposalState(StrEnum):
    """What became of a proposal."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


class RightsProposal(Base):
    """An edit as somebody asked for it: `verb` is the mutation, `arguments` are its own, by the names of the API.

    `withheld` is what the edit is made with beside them and nobody is told, such as the hash of a secret. It goes when
    the proposal is decided or has expired.
    """

    __tablename__ = "rights_proposals"
    __table_args__ = (
        Index("ix_rights_proposals_state_id", "state", "id"),
        CheckConstraint("decided_by_id <> proposed_by_id OR state <> 'APPROVED'", name="approved_by_another"),
    )

    id: Mapped[UUID] = internal(primary_key=True)
    verb: Mapped[str] = internal()
    arguments: Mapped[dict[str, Any]] = internal()
    withheld: Mapped[dict[str, Any] | None] = internal(JSONB(none_as_null=True))
    reason: Mapped[str | None] = internal()
    state: Mapped[ProposalState] = internal(server_default="PENDING")
    proposed_by_id: Mapped[UUID] = internal(ForeignKey("users.id"))
    proposed_at: Mapped[datetime] = internal()
    decided_by_id: Mapped[UUID | None] = internal(ForeignKey("users.id"))
    decided_at: Mapped[datetime | None] = internal()
