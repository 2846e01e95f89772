"""Workflows as data: pipelines, stages, transitions with what they require, and the stage history of records."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Numeric, UniqueConstraint, text
from sqlalchemy.orm import Mapped, relationship

from crm_graph.models.declarative import Base, Child, Tracked
from crm_graph.models.fields import DataClass, Write, field, internal
from crm_graph.models.ids import EntityCode


class WorkflowType(StrEnum):
    LEAD = "LEAD"
    OPPORTUNITY = "OPPORTUNITY"
    TICKET = "TICKET"
    CONTRACT = "CONTRACT"


class StageCategory(StrEnum):
    """What a stage means to reports: still open, waiting for the customer, or ended well or badly."""

    OPEN = "OPEN"
    WAITING = "WAITING"
    ACTIVE = "ACTIVE"
    WON = "WON"
    LOST = "LOST"
    CLOSED = "CLOSED"


class Pipeline(Tracked, Base):
    __tablename__ = "pipelines"
    code: ClassVar[EntityCode] = EntityCode.PIPELINE
    __table_args__ = (
        UniqueConstraint("workflow_type", "key"),
        Index("uq_pipelines_default", "workflow_type", unique=True, postgresql_where=text("is_default")),
    )

    workflow_type: Mapped[WorkflowType] = field(DataClass.BASIC, write=Write.CREATE_ONLY, required=True)
    key: Mapped[str] = field(DataClass.BASIC, write=Write.CREATE_ONLY, max_length=64, required=True)
    name: Mapped[str] = field(DataClass.BASIC, required=True)
    is_default: Mapped[bool] = field(DataClass.BASIC, server_default=text("false"), required=True)

    stages = relationship("Stage", lazy="raise", viewonly=True)


class Stage(Tracked, Base):
    __tablename__ = "stages"
    code: ClassVar[EntityCode] = EntityCode.STAGE
    __table_args__ = (UniqueConstraint("pipeline_id", "key"), Index("ix_stages_pipeline_id_id", "pipeline_id", "id"))

    pipeline_id: Mapped[UUID] = internal(ForeignKey("pipelines.id"))
    key: Mapped[str] = field(DataClass.BASIC, write=Write.CREATE_ONLY, max_length=64, required=True)
    name: Mapped[str] = field(DataClass.BASIC, required=True)
    category: Mapped[StageCategory] = field(DataClass.BASIC, required=True)
    position: Mapped[int] = field(DataClass.BASIC, required=True)
    is_initial: Mapped[bool] = field(DataClass.BASIC, server_default=text("false"), required=True)
    probability: Mapped[Decimal | None] = field(DataClass.BASIC, Numeric(5, 4))
    rotting_days: Mapped[int | None] = field(DataClass.BASIC)

    pipeline = relationship("Pipeline", lazy="raise", viewonly=True)


class Transition(Base):
    """A move that is allowed. `requirements` is a list of `{"kind": …}` objects that the workflow service knows.

    FIELD (`field` is set), NOTE (`minLength` characters), REASON (one of the reasons of `list`),
    ACTION (the mover holds it).
    """

    __tablename__ = "transitions"
    __table_args__ = (
        UniqueConstraint("from_stage_id", "to_stage_id"),
        Index("ix_transitions_to_stage_id", "to_stage_id"),
    )

    id: Mapped[UUID] = internal(primary_key=True)
    from_stage_id: Mapped[UUID] = internal(ForeignKey("stages.id"))
    to_stage_id: Mapped[UUID] = internal(ForeignKey("stages.id"))
    requirements: Mapped[list[Any]] = internal(server_default=text("'[]'::jsonb"))


class Reason(Base):
    """A governed reason for a move, such as why a deal was lost (丢单原因). `list_key` groups them."""

    __tablename__ = "reasons"

    list_key: Mapped[str] = internal(primary_key=True)
    key: Mapped[str] = internal(primary_key=True)
    name: Mapped[str] = internal()
    position: Mapped[int] = internal()
    active: Mapped[bool] = internal(server_default=text("true"))


class StageChange(Child, Base):
    """One stay in a stage; `left_at` is null while the record is there."""

    __tablename__ = "stage_changes"
    code: ClassVar[EntityCode] = EntityCode.STAGE_CHANGE
    root: ClassVar[str] = "*"
    __table_args__ = (
        Index("ix_stage_changes_entity_id_id", "entity_id", "id"),
        Index("ix_stage_changes_entity_id_entered_at_id", "entity_id", "entered_at", "id"),
        Index("ix_stage_changes_stage_id", "stage_id"),
        Index("ix_stage_changes_from_stage_id", "from_stage_id"),
        Index("ix_stage_changes_actor_id", "actor_id"),
    )

    entity_id: Mapped[UUID] = internal()
    stage_id: Mapped[UUID] = internal(ForeignKey("stages.id"))
    from_stage_id: Mapped[UUID | None] = internal(ForeignKey("stages.id"))
    actor_id: Mapped[UUID | None] = internal(ForeignKey("users.id"))
    entered_at: Mapped[datetime] = field(DataClass.BASIC, write=Write.SERVICE)
    left_at: Mapped[datetime | None] = field(DataClass.BASIC, write=Write.SERVICE)
    reason: Mapped[str | None] = field(DataClass.BASIC, write=Write.SERVICE)
    note: Mapped[str | None] = field(DataClass.CONTENT, personal=True, write=Write.SERVICE, max_length=20_000)

    stage = relationship("Stage", foreign_keys=[stage_id], lazy="raise", viewonly=True)
    from_stage = relationship("Stage", foreign_keys=[from_stage_id], lazy="raise", viewonly=True)
    actor = relationship("User", foreign_keys=[actor_id], lazy="raise", viewonly=True)
