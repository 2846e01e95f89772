"""Teams: departments, sales teams, service queues and stores, as one tree."""

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, relationship

from crm_graph.models.declarative import Base, Tracked
from crm_graph.models.fields import DataClass, Write, field, internal
from crm_graph.models.ids import EntityCode


class TeamKind(StrEnum):
    DEPARTMENT = "DEPARTMENT"
    TEAM = "TEAM"
    QUEUE = "QUEUE"
    STORE = "STORE"


class Team(Tracked, Base):
    """`path` lists the keys from the root to this team, each followed by a slash: `hq/sales/east/`."""

    __tablename__ = "teams"
    code: ClassVar[EntityCode] = EntityCode.TEAM
    __table_args__ = (
        Index("uq_teams_path", "path", unique=True, postgresql_ops={"path": "text_pattern_ops"}),
        Index("ix_teams_parent_id_id", "parent_id", "id"),
        Index("ix_teams_key", "key"),
    )

    kind: Mapped[TeamKind] = field(DataClass.BASIC, required=True)
    key: Mapped[str] = field(DataClass.BASIC, write=Write.CREATE_ONLY, max_length=64, required=True)
    name: Mapped[str] = field(DataClass.BASIC, required=True)
    path: Mapped[str] = field(DataClass.BASIC, write=Write.SERVICE)
    region: Mapped[str | None] = field(DataClass.BASIC)
    city: Mapped[str | None] = field(DataClass.BASIC)
    time_zone: Mapped[str | None] = field(DataClass.BASIC, max_length=64)
    parent_id: Mapped[UUID | None] = internal(ForeignKey("teams.id"))

    parent = relationship("Team", foreign_keys=[parent_id], remote_side="Team.id", lazy="raise", viewonly=True)
    children = relationship("Team", foreign_keys=[parent_id], lazy="raise", viewonly=True)
    members = relationship("User", secondary="team_members", lazy="raise", viewonly=True)
