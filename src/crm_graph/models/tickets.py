"""Tickets: what a customer asks of service, with the times that SLA clocks are about."""

from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, relationship

from crm_graph.models.declarative import Base, Root, Workflow, custom_index
from crm_graph.models.fields import DataClass, Search, Write, field, internal
from crm_graph.models.ids import EntityCode
from crm_graph.models.interactions import InteractionChannel


class Priority(StrEnum):
    LOW = "LOW"
    NORMAL = "NORMAL"
    HIGH = "HIGH"
    URGENT = "URGENT"


class TicketCategory(StrEnum):
    ENQUIRY = "ENQUIRY"
    INSTALLATION = "INSTALLATION"
    REPAIR = "REPAIR"
    MAINTENANCE = "MAINTENANCE"
    RETURN = "RETURN"
    COMPLAINT = "COMPLAINT"
    BILLING = "BILLING"
    OTHER = "OTHER"


class Ticket(Workflow, Root, Base):
    __tablename__ = "tickets"
    code: ClassVar[EntityCode] = EntityCode.TICKET
    __table_args__ = (
        custom_index("tickets"),
        Index("ix_tickets_customer_id_id", "customer_id", "id"),
        Index("ix_tickets_customer_id_created_at_id", "customer_id", "created_at", "id"),
        Index("ix_tickets_contract_id_id", "contract_id", "id"),
        Index("ix_tickets_owner_id_id", "owner_id", "id"),
        Index("ix_tickets_team_id_id", "team_id", "id"),
        Index(
            "ix_tickets_team_id_stage_id",
            "team_id",
            "stage_id",
            postgresql_include=["customer_id"],
            postgresql_where=text("archived_at IS NULL"),
        ),
        Index(
            "ix_tickets_owner_id_stage_id",
            "owner_id",
            "stage_id",
            postgresql_include=["customer_id"],
            postgresql_where=text("archived_at IS NULL"),
        ),
        Index("ix_tickets_created_at_id", "created_at", "id"),
        Index("ix_tickets_updated_at_id", "updated_at", "id"),
        Index("ix_tickets_stage_id_id", "stage_id", "id"),
        Index("ix_tickets_number", "number"),
        Index("ix_tickets_first_response_due_at_id", "first_response_due_at", "id"),
    )

    customer_id: Mapped[UUID] = internal(ForeignKey("customers.id"))
    contract_id: Mapped[UUID | None] = internal(ForeignKey("contracts.id"))

    number: Mapped[str] = field(DataClass.BASIC, write=Write.SERVICE, max_length=64, search=Search.NUMBER)
    subject: Mapped[str] = field(DataClass.BASIC, personal=True, max_length=500, required=True, search=Search.TEXT)
    category: Mapped[TicketCategory] = field(DataClass.BASIC, server_default="OTHER", required=True)
    priority: Mapped[Priority] = field(DataClass.BASIC, server_default="NORMAL", required=True)
    channel: Mapped[InteractionChannel | None] = field(DataClass.BASIC)
    product: Mapped[str | None] = field(DataClass.BASIC)
    serial_number: Mapped[str | None] = field(DataClass.BASIC, max_length=64, search=Search.NUMBER)
    purchased_on: Mapped[date | None] = field(DataClass.BASIC)
    warranty_until: Mapped[date | None] = field(DataClass.BASIC)
    first_response_due_at: Mapped[datetime | None] = field(DataClass.METRIC)
    first_responded_at: Mapped[datetime | None] = field(DataClass.METRIC)
    resolution_due_at: Mapped[datetime | None] = field(DataClass.METRIC)
    resolved_at: Mapped[datetime | None] = field(DataClass.METRIC, write=Write.SERVICE)
    reopened_count: Mapped[int] = field(DataClass.METRIC, server_default=text("0"), write=Write.SERVICE)
    satisfaction: Mapped[int | None] = field(DataClass.METRIC)
    description: Mapped[str | None] = field(DataClass.CONTENT, personal=True, max_length=100_000)
    resolution: Mapped[str | None] = field(DataClass.CONTENT, personal=True, max_length=20_000)

    customer = relationship("Customer", lazy="raise", viewonly=True)
    contract = relationship("Contract", lazy="raise", viewonly=True)
    interactions = relationship("Interaction", lazy="raise", viewonly=True)
    tasks = relationship("Task", lazy="raise", viewonly=True)
