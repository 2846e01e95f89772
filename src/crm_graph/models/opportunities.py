"""Opportunities: deals with a customer, moving through a pipeline towards won or lost."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric
from sqlalchemy.orm import Mapped, relationship

from crm_graph.models.customers import Channel
from crm_graph.models.declarative import Base, Root, Workflow, custom_index
from crm_graph.models.fields import DataClass, Search, Write, base_amount, field, internal, money
from crm_graph.models.ids import EntityCode


class ForecastCategory(StrEnum):
    PIPELINE = "PIPELINE"
    BEST_CASE = "BEST_CASE"
    COMMIT = "COMMIT"
    OMITTED = "OMITTED"


class Opportunity(Workflow, Root, Base):
    __tablename__ = "opportunities"
    code: ClassVar[EntityCode] = EntityCode.OPPORTUNITY
    __table_args__ = (
        custom_index("opportunities"),
        Index("ix_opportunities_customer_id_id", "customer_id", "id"),
        Index("ix_opportunities_lead_id_id", "lead_id", "id"),
        Index("ix_opportunities_owner_id_id", "owner_id", "id"),
        Index("ix_opportunities_team_id_id", "team_id", "id"),
        Index("ix_opportunities_created_at_id", "created_at", "id"),
        Index("ix_opportunities_updated_at_id", "updated_at", "id"),
        Index("ix_opportunities_stage_id_id", "stage_id", "id"),
        Index("ix_opportunities_expected_close_on_id", "expected_close_on", "id"),
        CheckConstraint("probability BETWEEN 0 AND 1", name="probability_range"),
    )

    customer_id: Mapped[UUID] = internal(ForeignKey("customers.id"))
    lead_id: Mapped[UUID | None] = internal(ForeignKey("leads.id"))

    name: Mapped[str] = field(DataClass.BASIC, personal=True, required=True, search=Search.TEXT)
    source_channel: Mapped[Channel | None] = field(DataClass.BASIC)
    campaign: Mapped[str | None] = field(DataClass.BASIC)
    product_interest: Mapped[str | None] = field(DataClass.BASIC)
    competitor: Mapped[str | None] = field(DataClass.BASIC)
    currency: Mapped[str] = field(DataClass.BASIC, server_default="CNY", max_length=3, required=True)
    amount: Mapped[Decimal | None] = money()
    amount_base: Mapped[Decimal | None] = base_amount()
    cost: Mapped[Decimal | None] = money(DataClass.COST)
    cost_base: Mapped[Decimal | None] = base_amount(DataClass.COST)
    probability: Mapped[Decimal | None] = field(DataClass.METRIC, Numeric(5, 4))
    forecast_category: Mapped[ForecastCategory] = field(DataClass.METRIC, server_default="PIPELINE", required=True)
    expected_close_on: Mapped[date | None] = field(DataClass.BASIC)
    closed_at: Mapped[datetime | None] = field(DataClass.BASIC, write=Write.SERVICE)
    loss_reason: Mapped[str | None] = field(DataClass.BASIC, write=Write.SERVICE)
    loss_note: Mapped[str | None] = field(DataClass.CONTENT, personal=True, write=Write.SERVICE, max_length=20_000)
    next_step: Mapped[str | None] = field(DataClass.BASIC, personal=True, max_length=500)
    next_step_on: Mapped[date | None] = field(DataClass.BASIC)
    description: Mapped[str | None] = field(DataClass.CONTENT, personal=True, max_length=20_000)

    customer = relationship("Customer", lazy="raise", viewonly=True)
    lead = relationship("Lead", lazy="raise", viewonly=True)
    interactions = relationship("Interaction", lazy="raise", viewonly=True)
    contracts = relationship("Contract", lazy="raise", viewonly=True)
    tasks = relationship("Task", lazy="raise", viewonly=True)
