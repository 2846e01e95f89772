"""Timers: what happens at a moment, unless it is cancelled before."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, Double, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped

from crm_graph.models.declarative import Base
from crm_graph.models.fields import internal
from crm_graph.models.ids import EntityCode


class Timer(Base):
    """One live timer of a kind, a record and a key, which is empty where the kind needs but one for each record.

    It fires when `wake_at` has come: that is `due_at`, and later for one that failed. One that failed for good is held
    until somebody lets it fire or discards it. `payload` holds ids and the like, nothing personal; `error` says what
    failed and where (code, kind, place), without the values that it failed on.
    """

    __tablename__ = "timers"
    __table_args__ = (
        UniqueConstraint("kind", "entity_id", "key"),
        Index("ix_timers_kind_wake_at_id", "kind", "wake_at", "id", postgresql_where=text("held_at IS NULL")),
        Index("ix_timers_failed", "id", postgresql_where=text("attempts > 0")),
        Index("ix_timers_entity_id_wake_at_id", "entity_id", "wake_at", "id"),
    )
    code: ClassVar[EntityCode] = EntityCode.TIMER

    id: Mapped[UUID] = internal(primary_key=True)
    kind: Mapped[str] = internal()
    entity_type: Mapped[str] = internal()
    entity_id: Mapped[UUID] = internal()
    key: Mapped[str] = internal(server_default=text("''"))
    due_at: Mapped[datetime] = internal()
    wake_at: Mapped[datetime] = internal()
    payload: Mapped[dict[str, Any] | None] = internal(JSONB(none_as_null=True))
    set_at: Mapped[datetime] = internal()
    attempts: Mapped[int] = internal(server_default=text("0"))
    error: Mapped[dict[str, Any] | None] = internal(JSONB(none_as_null=True))
    held_at: Mapped[datetime | None] = internal()


class TimerKind(Base):
    """How the timers of a kind go: how many have fired, when the last ones did, and how late these were. A worker that
    is killed may leave some uncounted.
    """

    __tablename__ = "timer_kinds"

    kind: Mapped[str] = internal(primary_key=True)
    fired: Mapped[int] = internal(BigInteger)
    fired_at: Mapped[datetime] = internal()
    late_s: Mapped[float] = internal(Double)
