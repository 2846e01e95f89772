"""Interactions: every contact with a customer, on every channel, in one indexed table."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, relationship

from crm_graph.models.declarative import Base, Root, custom_index
from crm_graph.models.fields import DataClass, Mask, field, internal
from crm_graph.models.ids import EntityCode


class InteractionChannel(StrEnum):
    CALL = "CALL"
    EMAIL = "EMAIL"
    SMS = "SMS"
    WECHAT = "WECHAT"
    VISIT = "VISIT"
    MEETING = "MEETING"
    WEB = "WEB"
    APP = "APP"
    STORE = "STORE"
    CHAT = "CHAT"
    SURVEY = "SURVEY"
    NOTE = "NOTE"


class Direction(StrEnum):
    INBOUND = "INBOUND"
    OUTBOUND = "OUTBOUND"
    INTERNAL = "INTERNAL"


class Sentiment(StrEnum):
    POSITIVE = "POSITIVE"
    NEUTRAL = "NEUTRAL"
    NEGATIVE = "NEGATIVE"


class Interaction(Root, Base):
    __tablename__ = "interactions"
    code: ClassVar[EntityCode] = EntityCode.INTERACTION
    __table_args__ = (
        custom_index("interactions"),
        Index("ix_interactions_customer_id_id", "customer_id", "id"),
        Index("ix_interactions_customer_id_occurred_at_id", "customer_id", "occurred_at", "id"),
        Index("ix_interactions_ticket_id_id", "ticket_id", "id"),
        Index("ix_interactions_lead_id_id", "lead_id", "id"),
        Index("ix_interactions_opportunity_id_id", "opportunity_id", "id"),
        Index("ix_interactions_owner_id_id", "owner_id", "id"),
        Index("ix_interactions_team_id_id", "team_id", "id"),
        Index("ix_interactions_created_at_id", "created_at", "id"),
        Index("ix_interactions_updated_at_id", "updated_at", "id"),
        Index("ix_interactions_occurred_at_id", "occurred_at", "id"),
    )

    customer_id: Mapped[UUID | None] = internal(ForeignKey("customers.id"))
    lead_id: Mapped[UUID | None] = internal(ForeignKey("leads.id"))
    opportunity_id: Mapped[UUID | None] = internal(ForeignKey("opportunities.id"))
    ticket_id: Mapped[UUID | None] = internal(ForeignKey("tickets.id"))

    channel: Mapped[InteractionChannel] = field(DataClass.BASIC, required=True)
    direction: Mapped[Direction] = field(DataClass.BASIC, server_default="INBOUND", required=True)
    occurred_at: Mapped[datetime] = field(DataClass.BASIC, required=True)
    duration_seconds: Mapped[int | None] = field(DataClass.BASIC)
    outcome: Mapped[str | None] = field(DataClass.BASIC, personal=True)
    sentiment: Mapped[Sentiment | None] = field(DataClass.BASIC)
    location: Mapped[str | None] = field(DataClass.BASIC, personal=True)
    thread_key: Mapped[str | None] = field(DataClass.BASIC, personal=True)
    next_follow_up_at: Mapped[datetime | None] = field(DataClass.BASIC)

    counterpart: Mapped[str | None] = field(DataClass.CONTACT, personal=True, mask=Mask.CONTACT, max_length=254)
    subject: Mapped[str | None] = field(DataClass.CONTENT, personal=True, max_length=500)
    body: Mapped[str | None] = field(DataClass.CONTENT, personal=True, max_length=100_000)
    next_follow_up_note: Mapped[str | None] = field(DataClass.CONTENT, personal=True, max_length=2_000)

    customer = relationship("Customer", lazy="raise", viewonly=True)
    lead = relationship("Lead", lazy="raise", viewonly=True)
    opportunity = relationship("Opportunity", lazy="raise", viewonly=True)
    ticket = relationship("Ticket", lazy="raise", viewonly=True)
    tasks = relationship("Task", lazy="raise", viewonly=True)
