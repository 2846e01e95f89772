"""What is left of the budgets of those who ask, by client or user."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Double
from sqlalchemy.orm import Mapped

from crm_graph.models.declarative import Base
from crm_graph.models.fields import internal


class CostBudget(Base):
    """A token bucket: `level` units were left at `refilled_at`. `subject_id` is a client's id, or that of a user."""

    __tablename__ = "cost_budgets"

    subject_id: Mapped[UUID] = internal(primary_key=True)
    level: Mapped[float] = internal(Double)
    refilled_at: Mapped[datetime] = internal()
