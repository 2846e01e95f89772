"""When each schedule ticks next, so that one tick is one for all workers."""

from datetime import datetime

from sqlalchemy.orm import Mapped

from crm_graph.models.declarative import Base
from crm_graph.models.fields import internal


class Schedule(Base):
    """A schedule of the hub by its name. Its expression and zone are those that `next_at` was reckoned by."""

    __tablename__ = "schedules"

    name: Mapped[str] = internal(primary_key=True)
    cron: Mapped[str] = internal()
    zone: Mapped[str] = internal()
    next_at: Mapped[datetime] = internal()
    last_at: Mapped[datetime | None] = internal()
