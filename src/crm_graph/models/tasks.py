"""Tasks: what somebody, or anybody of a team, is to do, by when, and about which records."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, relationship

from crm_graph.models.declarative import Base, Root, custom_index
from crm_graph.models.fields import DataClass, Search, Write, field, internal
from crm_graph.models.ids import EntityCode
from crm_graph.models.tickets import Priority


class TaskKind(StrEnum):
    TODO = "TODO"
    FOLLOW_UP = "FOLLOW_UP"
    CALL = "CALL"
    EMAIL = "EMAIL"
    MEETING = "MEETING"
    VISIT = "VISIT"


class TaskStatus(StrEnum):
    OPEN = "OPEN"
    DONE = "DONE"
    CANCELLED = "CANCELLED"


class Task(Root, Base):
    """With an `owner` it is theirs; with a team alone, anybody of the team takes it. A FOLLOW_UP with an interaction is
    the next follow-up of that interaction.
    """

    __tablename__ = "tasks"
    code: ClassVar[EntityCode] = EntityCode.TASK
    __table_args__ = (
        custom_index("tasks"),
        Index("ix_tasks_customer_id_id", "customer_id", "id"),
        Index("ix_tasks_customer_id_created_at_id", "customer_id", "created_at", "id"),
        Index("ix_tasks_lead_id_id", "lead_id", "id"),
        Index("ix_tasks_opportunity_id_id", "opportunity_id", "id"),
        Index("ix_tasks_ticket_id_id", "ticket_id", "id"),
        Index("ix_tasks_contract_id_id", "contract_id", "id"),
        Index("ix_tasks_interaction_id_id", "interaction_id", "id"),
        Index("ix_tasks_owner_id_id", "owner_id", "id"),
        Index("ix_tasks_owner_id_status_due_at_id", "owner_id", "status", "due_at", "id"),
        Index("ix_tasks_team_id_id", "team_id", "id"),
        Index("ix_tasks_team_id_status_due_at_id", "team_id", "status", "due_at", "id"),
        Index("ix_tasks_created_at_id", "created_at", "id"),
        Index("ix_tasks_updated_at_id", "updated_at", "id"),
        Index("ix_tasks_due_at_id", "due_at", "id"),
    )

    customer_id: Mapped[UUID | None] = internal(ForeignKey("customers.id"))
    lead_id: Mapped[UUID | None] = internal(ForeignKey("leads.id"))
    opportunity_id: Mapped[UUID | None] = internal(ForeignKey("opportunities.id"))
    ticket_id: Mapped[UUID | None] = internal(ForeignKey("tickets.id"))
    contract_id: Mapped[UUID | None] = internal(ForeignKey("contracts.id"))
    interaction_id: Mapped[UUID | None] = internal(ForeignKey("interactions.id"))

    title: Mapped[str] = field(DataClass.BASIC, personal=True, max_length=500, required=True, search=Search.TEXT)
    kind: Mapped[TaskKind] = field(DataClass.BASIC, server_default="TODO", required=True)
    priority: Mapped[Priority] = field(DataClass.BASIC, server_default="NORMAL", required=True)
    status: Mapped[TaskStatus] = field(DataClass.BASIC, server_default="OPEN", write=Write.SERVICE)
    due_at: Mapped[datetime | None] = field(DataClass.BASIC)
    remind_at: Mapped[datetime | None] = field(DataClass.BASIC)
    closed_at: Mapped[datetime | None] = field(DataClass.BASIC, write=Write.SERVICE)
    body: Mapped[str | None] = field(DataClass.CONTENT, personal=True, max_length=20_000)
    outcome: Mapped[str | None] = field(DataClass.CONTENT, personal=True, write=Write.SERVICE, max_length=20_000)

    customer = relationship("Customer", lazy="raise", viewonly=True)
    lead = relationship("Lead", lazy="raise", viewonly=True)
    opportunity = relationship("Opportunity", lazy="raise", viewonly=True)
    ticket = relationship("Ticket", lazy="raise", viewonly=True)
    contract = relationship("Contract", lazy="raise", viewonly=True)
    interaction = relationship("Interaction", lazy="raise", viewonly=True)
