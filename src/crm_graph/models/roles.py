"""Roles and grants: rights as rows. The default policy table fills them; `policy_version` says when they changed."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped

from crm_graph.models.declarative import Base
from crm_graph.models.fields import internal


class RowRule(StrEnum):
    """Which rows a grant is about. WHERE uses the grant's stored predicate."""

    ALL = "ALL"
    TEAM = "TEAM"
    TEAM_AND_BELOW = "TEAM_AND_BELOW"
    OWN = "OWN"
    WHERE = "WHERE"


class Role(Base):
    """A role. `inherits` lists the keys of roles whose grants and actions it has beside its own; `version` counts its
    changes, from 1.
    """

    __tablename__ = "roles"
    __table_args__ = (UniqueConstraint("key"),)

    id: Mapped[UUID] = internal(primary_key=True)
    key: Mapped[str] = internal()
    name_en: Mapped[str] = internal()
    name_zh: Mapped[str] = internal()
    description: Mapped[str | None] = internal()
    builtin: Mapped[bool] = internal(server_default=text("false"))
    actions: Mapped[list[Any]] = internal(server_default=text("'[]'::jsonb"))
    inherits: Mapped[list[Any]] = internal(server_default=text("'[]'::jsonb"))
    version: Mapped[int] = internal(server_default=text("1"))
    created_at: Mapped[datetime] = internal()
    updated_at: Mapped[datetime] = internal()


class Grant(Base):
    """What a role may do with the rows of one type that a rule matches.

    `levels` maps data classes to HIDDEN, MASKED, LOOKUP or READ; `field_levels` overrides single fields;
    `writes` lists data classes and fields (`field:name`) that may be written. `personal_level` is the most that a class
    gives to a field that is marked as personal.
    """

    __tablename__ = "grants"
    __table_args__ = (
        Index("ix_grants_role_id", "role_id"),
        CheckConstraint("(row_rule = 'WHERE') = (predicate IS NOT NULL)", name="predicate_iff_where"),
    )

    id: Mapped[UUID] = internal(primary_key=True)
    role_id: Mapped[UUID] = internal(ForeignKey("roles.id", ondelete="CASCADE"))
    entity_type: Mapped[str] = internal()
    row_rule: Mapped[RowRule] = internal()
    predicate: Mapped[dict[str, Any] | None] = internal()
    levels: Mapped[dict[str, Any]] = internal()
    field_levels: Mapped[dict[str, Any]] = internal(server_default=text("'{}'::jsonb"))
    writes: Mapped[list[Any]] = internal(server_default=text("'[]'::jsonb"))
    personal_level: Mapped[str] = internal(server_default=text("'READ'"))


class PolicyVersion(Base):
    """One row; every change of roles, grants, memberships, users' status or clients raises `version`, every token that
    is taken back `revocations`.
    """

    __tablename__ = "policy_version"
    __table_args__ = (CheckConstraint("id = 1", name="single_row"),)

    id: Mapped[int] = internal(primary_key=True, autoincrement=False)
    version: Mapped[int] = internal(BigInteger, server_default=text("1"))
    revocations: Mapped[int] = internal(BigInteger, server_default=text("0"))
