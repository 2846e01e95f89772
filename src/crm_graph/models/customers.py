"""Customers: people and organisations, with contact points, addresses and who else works on them."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from sqlalchemy import Enum, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, relationship

from crm_graph.models.declarative import Base, Child, Root, custom_index
from crm_graph.models.fields import DataClass, Mask, Search, Write, base_amount, field, internal, money
from crm_graph.models.ids import EntityCode


class CustomerKind(StrEnum):
    PERSON = "PERSON"
    ORGANIZATION = "ORGANIZATION"


class LifecycleStage(StrEnum):
    PROSPECT = "PROSPECT"
    ACTIVE = "ACTIVE"
    AT_RISK = "AT_RISK"
    DORMANT = "DORMANT"
    FORMER = "FORMER"


class Tier(StrEnum):
    STANDARD = "STANDARD"
    SILVER = "SILVER"
    GOLD = "GOLD"
    PLATINUM = "PLATINUM"


class Channel(StrEnum):
    """Where a record came from, or the channel that a customer prefers."""

    STORE = "STORE"
    WEB_SHOP = "WEB_SHOP"
    CALL_CENTRE = "CALL_CENTRE"
    WECHAT = "WECHAT"
    APP = "APP"
    EMAIL = "EMAIL"
    REFERRAL = "REFERRAL"
    EXHIBITION = "EXHIBITION"
    PARTNER = "PARTNER"
    IMPORT = "IMPORT"
    OTHER = "OTHER"


class Gender(StrEnum):
    FEMALE = "FEMALE"
    MALE = "MALE"
    OTHER = "OTHER"


class KycStatus(StrEnum):
    NOT_STARTED = "NOT_STARTED"
    PENDING = "PENDING"
    VERIFIED = "VERIFIED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


class RiskRating(StrEnum):
    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


class PoolState(StrEnum):
    """OWNED has an owner; PUBLIC lies in the public pool (公海) and can be claimed."""

    OWNED = "OWNED"
    PUBLIC = "PUBLIC"


class ContactPointKind(StrEnum):
    """SERVICE_NUMBER (400/95xxx) and PRIVACY_NUMBER (platform relay) never match people."""

    MOBILE = "MOBILE"
    LANDLINE = "LANDLINE"
    SERVICE_NUMBER = "SERVICE_NUMBER"
    PRIVACY_NUMBER = "PRIVACY_NUMBER"
    EMAIL = "EMAIL"
    WECHAT = "WECHAT"
    WECOM = "WECOM"
    OTHER = "OTHER"


class AddressKind(StrEnum):
    BILLING = "BILLING"
    SHIPPING = "SHIPPING"
    INSTALLATION = "INSTALLATION"
    HOME = "HOME"
    OFFICE = "OFFICE"
    OTHER = "OTHER"


class Customer(Root, Base):
    __tablename__ = "customers"
    code: ClassVar[EntityCode] = EntityCode.CUSTOMER
    __table_args__ = (
        custom_index("customers"),
        Index("ix_customers_owner_id_id", "owner_id", "id"),
        Index("ix_customers_team_id_id", "team_id", "id"),
        Index("ix_customers_created_at_id", "created_at", "id"),
        Index("ix_customers_updated_at_id", "updated_at", "id"),
        Index("ix_customers_parent_id_id", "parent_id", "id"),
        Index("ix_customers_referred_by_id_id", "referred_by_id", "id"),
        Index("ix_customers_phone", "phone"),
        Index("ix_customers_email", "email"),
        Index("ix_customers_tax_id", "tax_id"),
        Index("ix_customers_name_id", "name", "id"),
        Index("ix_customers_public_pool", "id", postgresql_where=text("pool_state = 'PUBLIC'")),
    )

    kind: Mapped[CustomerKind] = field(DataClass.BASIC, required=True, ruled=True)
    name: Mapped[str] = field(DataClass.BASIC, personal=True, mask=Mask.NAME, required=True, search=Search.NAME)
    short_name: Mapped[str | None] = field(DataClass.BASIC, personal=True, search=Search.NAME)
    number: Mapped[str | None] = field(DataClass.BASIC, max_length=64, search=Search.NUMBER)
    lifecycle_stage: Mapped[LifecycleStage] = field(DataClass.BASIC, server_default="PROSPECT", required=True)
    tier: Mapped[Tier] = field(DataClass.BASIC, server_default="STANDARD", required=True)
    source_channel: Mapped[Channel | None] = field(DataClass.BASIC)
    industry: Mapped[str | None] = field(DataClass.BASIC)
    employee_count: Mapped[int | None] = field(DataClass.BASIC)
    country: Mapped[str | None] = field(DataClass.BASIC, max_length=2)
    province: Mapped[str | None] = field(DataClass.BASIC)
    city: Mapped[str | None] = field(DataClass.BASIC)
    language: Mapped[str | None] = field(DataClass.BASIC, max_length=35)
    preferred_channel: Mapped[Channel | None] = field(
        DataClass.BASIC, Enum(Channel, native_enum=False, create_constraint=True, length=64, name="preferred_channel")
    )
    website: Mapped[str | None] = field(DataClass.BASIC, personal=True, max_length=500)
    pool_state: Mapped[PoolState] = field(DataClass.BASIC, server_default="OWNED", write=Write.SERVICE)
    pooled_at: Mapped[datetime | None] = field(DataClass.BASIC, write=Write.SERVICE)
    credit_hold: Mapped[bool] = field(DataClass.KYC, server_default=text("false"), required=True)

    phone: Mapped[str | None] = field(DataClass.CONTACT, personal=True, mask=Mask.PHONE, search=Search.PHONE)
    email: Mapped[str | None] = field(
        DataClass.CONTACT, personal=True, mask=Mask.EMAIL, max_length=254, search=Search.EMAIL
    )
    wechat_id: Mapped[str | None] = field(DataClass.CONTACT, personal=True, search=Search.NUMBER)

    gender: Mapped[Gender | None] = field(DataClass.IDENTITY, personal=True)
    birth_date: Mapped[date | None] = field(DataClass.IDENTITY, personal=True)
    id_number: Mapped[str | None] = field(DataClass.IDENTITY, personal=True, mask=Mask.TAIL, max_length=32)

    registration_number: Mapped[str | None] = field(DataClass.BILLING, max_length=64, search=Search.NUMBER)
    tax_id: Mapped[str | None] = field(
        DataClass.BILLING, personal=True, mask=Mask.TAIL, max_length=64, search=Search.NUMBER
    )
    invoice_title: Mapped[str | None] = field(DataClass.BILLING, personal=True)
    payment_terms_days: Mapped[int | None] = field(DataClass.BILLING)
    bank_name: Mapped[str | None] = field(DataClass.BANK)
    bank_account: Mapped[str | None] = field(DataClass.BANK, personal=True, mask=Mask.TAIL, max_length=64)

    currency: Mapped[str] = field(DataClass.BASIC, server_default="CNY", max_length=3, required=True)
    credit_limit: Mapped[Decimal | None] = money()
    credit_limit_base: Mapped[Decimal | None] = base_amount()
    annual_revenue: Mapped[Decimal | None] = money()
    annual_revenue_base: Mapped[Decimal | None] = base_amount()

    kyc_status: Mapped[KycStatus] = field(DataClass.KYC, server_default="NOT_STARTED", required=True)
    kyc_reviewed_on: Mapped[date | None] = field(DataClass.KYC)
    kyc_review_due_on: Mapped[date | None] = field(DataClass.KYC)
    risk_rating: Mapped[RiskRating | None] = field(DataClass.KYC)

    total_spent: Mapped[Decimal | None] = money(DataClass.METRIC, write=Write.SERVICE)
    total_spent_base: Mapped[Decimal | None] = base_amount(DataClass.METRIC)
    order_count: Mapped[int] = field(DataClass.METRIC, server_default=text("0"), write=Write.SERVICE)
    first_purchase_on: Mapped[date | None] = field(DataClass.METRIC, write=Write.SERVICE)
    last_purchase_on: Mapped[date | None] = field(DataClass.METRIC, write=Write.SERVICE)
    last_interaction_at: Mapped[datetime | None] = field(DataClass.METRIC, write=Write.SERVICE)
    health_score: Mapped[int | None] = field(DataClass.METRIC, write=Write.SERVICE)

    description: Mapped[str | None] = field(DataClass.CONTENT, personal=True, max_length=20_000)

    parent_id: Mapped[UUID | None] = internal(ForeignKey("customers.id"))
    referred_by_id: Mapped[UUID | None] = internal(ForeignKey("customers.id"))

    parent = relationship("Customer", foreign_keys=[parent_id], remote_side="Customer.id", lazy="raise", viewonly=True)
    subsidiaries = relationship("Customer", foreign_keys=[parent_id], lazy="raise", viewonly=True)
    referred_by = relationship(
        "Customer", foreign_keys=[referred_by_id], remote_side="Customer.id", lazy="raise", viewonly=True
    )
    referrals = relationship("Customer", foreign_keys=[referred_by_id], lazy="raise", viewonly=True)
    contact_points = relationship("ContactPoint", lazy="raise", viewonly=True)
    addresses = relationship("Address", lazy="raise", viewonly=True)
    interactions = relationship("Interaction", lazy="raise", viewonly=True)
    leads = relationship("Lead", lazy="raise", viewonly=True)
    opportunities = relationship("Opportunity", lazy="raise", viewonly=True)
    tickets = relationship("Ticket", lazy="raise", viewonly=True)
    contracts = relationship("Contract", lazy="raise", viewonly=True)
    tasks = relationship("Task", lazy="raise", viewonly=True)


class ContactPoint(Child, Base):
    """A way to reach a customer.

    `raw` is what was entered; `e164` the phone number (ITU-T E.164) or lower-case e-mail.
    """

    __tablename__ = "contact_points"
    code: ClassVar[EntityCode] = EntityCode.CONTACT_POINT
    root: ClassVar[str] = "customer"
    __table_args__ = (
        Index("ix_contact_points_customer_id_id", "customer_id", "id"),
        Index("ix_contact_points_e164", "e164"),
    )

    customer_id: Mapped[UUID] = internal(ForeignKey("customers.id", ondelete="CASCADE"))
    kind: Mapped[ContactPointKind] = field(DataClass.BASIC, required=True)
    label: Mapped[str | None] = field(DataClass.BASIC, personal=True)
    raw: Mapped[str] = field(DataClass.CONTACT, personal=True, mask=Mask.CONTACT, max_length=254, required=True)
    e164: Mapped[str | None] = field(
        DataClass.CONTACT, personal=True, mask=Mask.CONTACT, write=Write.SERVICE, search=Search.CONTACT
    )
    extension: Mapped[str | None] = field(DataClass.CONTACT, personal=True, write=Write.SERVICE)
    is_primary: Mapped[bool] = field(DataClass.BASIC, server_default=text("false"), required=True)
    verified_at: Mapped[datetime | None] = field(DataClass.BASIC, write=Write.SERVICE)


class Address(Child, Base):
    __tablename__ = "addresses"
    code: ClassVar[EntityCode] = EntityCode.ADDRESS
    root: ClassVar[str] = "customer"
    __table_args__ = (Index("ix_addresses_customer_id_id", "customer_id", "id"),)

    customer_id: Mapped[UUID] = internal(ForeignKey("customers.id", ondelete="CASCADE"))
    kind: Mapped[AddressKind] = field(DataClass.BASIC, required=True)
    country: Mapped[str | None] = field(DataClass.BASIC, max_length=2)
    province: Mapped[str | None] = field(DataClass.BASIC)
    city: Mapped[str | None] = field(DataClass.BASIC)
    district: Mapped[str | None] = field(DataClass.BASIC)
    street: Mapped[str | None] = field(DataClass.CONTACT, personal=True, max_length=500)
    postal_code: Mapped[str | None] = field(DataClass.CONTACT, personal=True, max_length=20)
    recipient: Mapped[str | None] = field(DataClass.CONTACT, personal=True, mask=Mask.NAME)
    recipient_phone: Mapped[str | None] = field(DataClass.CONTACT, personal=True, mask=Mask.PHONE)
    is_primary: Mapped[bool] = field(DataClass.BASIC, server_default=text("false"), required=True)
