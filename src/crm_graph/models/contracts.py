"""Contracts with their lines: net, tax and gross amounts, terms and where the money goes."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, UniqueConstraint, text
from sqlalchemy.orm import Mapped, relationship

from crm_graph.models.declarative import Base, Child, Root, Workflow, custom_index
from crm_graph.models.fields import DataClass, Mask, Search, Write, base_amount, field, internal, money
from crm_graph.models.ids import EntityCode


class ContractKind(StrEnum):
    SALE = "SALE"
    FRAMEWORK = "FRAMEWORK"
    SERVICE = "SERVICE"
    MAINTENANCE = "MAINTENANCE"
    LEASE = "LEASE"


class Contract(Workflow, Root, Base):
    """Net + tax = gross (不含税 + 税额 = 含税), each the sum of the lines where there are lines."""

    __tablename__ = "contracts"
    code: ClassVar[EntityCode] = EntityCode.CONTRACT
    __table_args__ = (
        custom_index("contracts"),
        Index("ix_contracts_customer_id_id", "customer_id", "id"),
        Index("ix_contracts_opportunity_id_id", "opportunity_id", "id"),
        Index("ix_contracts_owner_id_id", "owner_id", "id"),
        Index("ix_contracts_team_id_id", "team_id", "id"),
        Index("ix_contracts_created_at_id", "created_at", "id"),
        Index("ix_contracts_updated_at_id", "updated_at", "id"),
        Index("ix_contracts_stage_id_id", "stage_id", "id"),
        Index("ix_contracts_number", "number"),
        Index("ix_contracts_ends_on_id", "ends_on", "id"),
    )

    customer_id: Mapped[UUID] = internal(ForeignKey("customers.id"))
    opportunity_id: Mapped[UUID | None] = internal(ForeignKey("opportunities.id"))

    number: Mapped[str] = field(DataClass.BASIC, write=Write.CREATE_ONLY, max_length=64, search=Search.NUMBER)
    title: Mapped[str] = field(DataClass.BASIC, personal=True, max_length=500, required=True, search=Search.TEXT)
    kind: Mapped[ContractKind] = field(DataClass.BASIC, server_default="SALE", required=True)
    service_level: Mapped[str | None] = field(DataClass.BASIC)
    signed_on: Mapped[date | None] = field(DataClass.BASIC)
    starts_on: Mapped[date | None] = field(DataClass.BASIC)
    ends_on: Mapped[date | None] = field(DataClass.BASIC)
    auto_renew: Mapped[bool] = field(DataClass.BASIC, server_default=text("false"), required=True)
    renewal_notice_days: Mapped[int | None] = field(DataClass.BASIC)
    currency: Mapped[str] = field(DataClass.BASIC, server_default="CNY", max_length=3, required=True)
    net_amount: Mapped[Decimal | None] = money()
    net_amount_base: Mapped[Decimal | None] = base_amount()
    tax_amount: Mapped[Decimal | None] = money()
    tax_amount_base: Mapped[Decimal | None] = base_amount()
    gross_amount: Mapped[Decimal | None] = money()
    gross_amount_base: Mapped[Decimal | None] = base_amount()
    received_amount: Mapped[Decimal | None] = money(write=Write.SERVICE)
    received_amount_base: Mapped[Decimal | None] = base_amount()
    cost: Mapped[Decimal | None] = money(DataClass.COST)
    cost_base: Mapped[Decimal | None] = base_amount(DataClass.COST)
    payment_terms: Mapped[str | None] = field(DataClass.AMOUNT, personal=True, max_length=500)
    invoice_title: Mapped[str | None] = field(DataClass.BILLING, personal=True)
    tax_id: Mapped[str | None] = field(DataClass.BILLING, personal=True, mask=Mask.TAIL, max_length=64)
    bank_name: Mapped[str | None] = field(DataClass.BANK)
    bank_account: Mapped[str | None] = field(DataClass.BANK, personal=True, mask=Mask.TAIL, max_length=64)
    terms: Mapped[str | None] = field(DataClass.CONTENT, personal=True, max_length=100_000)

    customer = relationship("Customer", lazy="raise", viewonly=True)
    opportunity = relationship("Opportunity", lazy="raise", viewonly=True)
    lines = relationship("ContractLine", lazy="raise", viewonly=True)
    tickets = relationship("Ticket", lazy="raise", viewonly=True)
    tasks = relationship("Task", lazy="raise", viewonly=True)


class ContractLine(Child, Base):
    """`net_amount = quantity x unit_price x (1 - discount_rate)`, `tax_amount = net_amount x tax_rate`.

    Rates are fractions of one.
    """

    __tablename__ = "contract_lines"
    code: ClassVar[EntityCode] = EntityCode.CONTRACT_LINE
    root: ClassVar[str] = "contract"
    __table_args__ = (
        UniqueConstraint("contract_id", "position"),
        CheckConstraint("quantity > 0", name="quantity_positive"),
        CheckConstraint("tax_rate BETWEEN 0 AND 1", name="tax_rate_range"),
        CheckConstraint("discount_rate BETWEEN 0 AND 1", name="discount_rate_range"),
    )

    contract_id: Mapped[UUID] = internal(ForeignKey("contracts.id", ondelete="CASCADE"))
    position: Mapped[int] = field(DataClass.BASIC, write=Write.SERVICE)
    sku: Mapped[str | None] = field(DataClass.BASIC, max_length=64)
    name: Mapped[str] = field(DataClass.BASIC, required=True)
    quantity: Mapped[Decimal] = field(DataClass.BASIC, Numeric(14, 3), required=True)
    unit: Mapped[str | None] = field(DataClass.BASIC, max_length=32)
    currency: Mapped[str] = field(DataClass.BASIC, write=Write.SERVICE, max_length=3)
    unit_price: Mapped[Decimal] = money()
    discount_rate: Mapped[Decimal] = field(DataClass.AMOUNT, Numeric(7, 6), server_default=text("0"), required=True)
    tax_rate: Mapped[Decimal] = field(DataClass.AMOUNT, Numeric(7, 6), server_default=text("0.13"), required=True)
    net_amount: Mapped[Decimal] = money(write=Write.SERVICE)
    tax_amount: Mapped[Decimal] = money(write=Write.SERVICE)
    gross_amount: Mapped[Decimal] = money(write=Write.SERVICE)
    unit_cost: Mapped[Decimal | None] = money(DataClass.COST)
