"""Users: every actor is one, people as well as service accounts of clients and named system jobs."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, relationship

from crm_graph.models.declarative import Base, Tracked
from crm_graph.models.fields import DataClass, Write, field, internal
from crm_graph.models.ids import EntityCode


class UserKind(StrEnum):
    PERSON = "PERSON"
    SERVICE = "SERVICE"
    SYSTEM = "SYSTEM"


class UserStatus(StrEnum):
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    LEFT = "LEFT"


class User(Tracked, Base):
    """Who acts. A suspension ends every token from before it: `token_epoch` counts them, and the hub's own tokens hold
    in theirs alone; those of issuers hold if they were issued after `suspended_at`, the last one.
    """

    __tablename__ = "users"
    code: ClassVar[EntityCode] = EntityCode.USER
    __table_args__ = (Index("uq_users_username", "username", unique=True),)

    kind: Mapped[UserKind] = field(DataClass.BASIC, write=Write.SERVICE, required=True)
    status: Mapped[UserStatus] = field(DataClass.BASIC, write=Write.SERVICE, server_default="ACTIVE", required=True)
    username: Mapped[str] = field(DataClass.BASIC, write=Write.CREATE_ONLY, max_length=64, required=True)
    name: Mapped[str] = field(DataClass.BASIC, required=True)
    job_title: Mapped[str | None] = field(DataClass.BASIC)
    email: Mapped[str | None] = field(DataClass.CONTACT, mask=None, max_length=254)
    phone: Mapped[str | None] = field(DataClass.CONTACT)
    locale: Mapped[str] = field(DataClass.BASIC, server_default="zh-CN", max_length=35, required=True)
    time_zone: Mapped[str] = field(DataClass.BASIC, server_default="Asia/Shanghai", max_length=64, required=True)
    token_epoch: Mapped[int] = internal(server_default=text("0"))
    suspended_at: Mapped[datetime | None] = internal()

    teams = relationship("Team", secondary="team_members", lazy="raise", viewonly=True)


class TeamMember(Base):
    """A user's membership and where it came from; one of them is primary and owns what the user creates."""

    __tablename__ = "team_members"
    __table_args__ = (
        Index("ix_team_members_team_id", "team_id"),
        Index("uq_team_members_primary", "user_id", unique=True, postgresql_where=text("is_primary")),
    )

    user_id: Mapped[UUID] = internal(ForeignKey("users.id"), primary_key=True)
    team_id: Mapped[UUID] = internal(ForeignKey("teams.id"), primary_key=True)
    is_primary: Mapped[bool] = internal(server_default=text("false"))
    origin: Mapped[str] = internal(server_default="manual")


class UserRole(Base):
    """A role that a user has, where it came from, and when it ends."""

    __tablename__ = "user_roles"
    __table_args__ = (Index("ix_user_roles_role_id", "role_id"),)

    user_id: Mapped[UUID] = internal(ForeignKey("users.id"), primary_key=True)
    role_id: Mapped[UUID] = internal(ForeignKey("roles.id"), primary_key=True)
    origin: Mapped[str] = internal(server_default="manual")
    expires_at: Mapped[datetime | None] = internal()
