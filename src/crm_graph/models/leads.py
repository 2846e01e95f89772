"""Leads: possible business that is not yet a customer's opportunity."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, relationship

from crm_graph.models.customers import Channel, PoolState
from crm_graph.models.declarative import Base, Root, Workflow, custom_index
from crm_graph.models.fields import DataClass, Mask, Search, Write, base_amount, field, internal, money
from crm_graph.models.ids import EntityCode


class Intent(StrEnum):
    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


class Lead(Workflow, Root, Base):
    __tablename__ = "leads"
    code: ClassVar[EntityCode] = EntityCode.LEAD
    __table_args__ = (
        custom_index("leads"),
        Index("ix_leads_owner_id_id", "owner_id", "id"),
        Index("ix_leads_team_id_id", "team_id", "id"),
        Index("ix_leads_created_at_id", "created_at", "id"),
        Index("ix_leads_updated_at_id", "updated_at", "id"),
        Index("ix_leads_stage_id_id", "stage_id", "id"),
        Index("ix_leads_customer_id_id", "customer_id", "id"),
        Index("ix_leads_phone", "phone"),
        Index("ix_leads_email", "email"),
        Index("ix_leads_public_pool", "id", postgresql_where=text("pool_state = 'PUBLIC'")),
    )

    name: Mapped[str] = field(DataClass.BASIC, personal=True, mask=Mask.NAME, required=True, search=Search.NAME)
    company_name: Mapped[str | None] = field(DataClass.BASIC, search=Search.NAME)
    job_title: Mapped[str | None] = field(DataClass.BASIC)
    phone: Mapped[str | None] = field(DataClass.CONTACT, personal=True, mask=Mask.PHONE, search=Search.PHONE)
    email: Mapped[str | None] = field(
        DataClass.CONTACT, personal=True, mask=Mask.EMAIL, max_length=254, search=Search.EMAIL
    )
    wechat_id: Mapped[str | None] = field(DataClass.CONTACT, personal=True, search=Search.NUMBER)
    source_channel: Mapped[Channel | None] = field(DataClass.BASIC)
    campaign: Mapped[str | None] = field(DataClass.BASIC)
    province: Mapped[str | None] = field(DataClass.BASIC)
    city: Mapped[str | None] = field(DataClass.BASIC)
    industry: Mapped[str | None] = field(DataClass.BASIC)
    product_interest: Mapped[str | None] = field(DataClass.BASIC)
    intent: Mapped[Intent | None] = field(DataClass.METRIC)
    score: Mapped[int | None] = field(DataClass.METRIC, write=Write.SERVICE)
    currency: Mapped[str] = field(DataClass.BASIC, server_default="CNY", max_length=3, required=True)
    budget: Mapped[Decimal | None] = money()
    budget_base: Mapped[Decimal | None] = base_amount()
    need: Mapped[str | None] = field(DataClass.CONTENT, personal=True, max_length=20_000)
    follow_up_due_at: Mapped[datetime | None] = field(DataClass.BASIC)
    last_contacted_at: Mapped[datetime | None] = field(DataClass.BASIC)
    assigned_at: Mapped[datetime | None] = field(DataClass.BASIC, write=Write.SERVICE)
    assignment_reason: Mapped[str | None] = field(DataClass.BASIC, personal=True, write=Write.SERVICE, max_length=500)
    pool_state: Mapped[PoolState] = field(DataClass.BASIC, server_default="OWNED", write=Write.SERVICE)
    pooled_at: Mapped[datetime | None] = field(DataClass.BASIC, write=Write.SERVICE)
    disqualification_reason: Mapped[str | None] = field(DataClass.BASIC, write=Write.SERVICE)
    converted_at: Mapped[datetime | None] = field(DataClass.BASIC, write=Write.SERVICE)
    customer_id: Mapped[UUID | None] = internal(ForeignKey("customers.id"))

    customer = relationship("Customer", lazy="raise", viewonly=True)
    interactions = relationship("Interaction", lazy="raise", viewonly=True)
    opportunities = relationship("Opportunity", lazy="raise", viewonly=True)
    tasks = relationship("Task", lazy="raise", viewonly=True)
