"""Dated exchange rates into the company's base currency."""

from datetime import date
from decimal import Decimal

from sqlalchemy import CheckConstraint, Numeric
from sqlalchemy.orm import Mapped

from crm_graph.models.declarative import Base
from crm_graph.models.fields import internal


class ExchangeRate(Base):
    """`rate` is the price of one unit of `currency` in the base currency, valid from `valid_on` until the next row."""

    __tablename__ = "exchange_rates"
    __table_args__ = (CheckConstraint("rate > 0", name="rate_positive"),)

    currency: Mapped[str] = internal(primary_key=True)
    valid_on: Mapped[date] = internal(primary_key=True)
    rate: Mapped[Decimal] = internal(Numeric(18, 8))
