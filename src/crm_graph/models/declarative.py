"""The declarative base, constraint names, and the columns that every root entity has."""

import enum
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Date, DateTime, Enum, ForeignKey, Index, Integer, MetaData, Numeric, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, relationship

from crm_graph.models.fields import DataClass, Write, field, internal
from crm_graph.models.ids import EntityCode

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Every table. Enums are text with a check, so that a downgrade leaves nothing behind."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        UUID: Uuid,
        int: Integer,
        Decimal: Numeric(18, 2),
        date: Date,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        enum.Enum: Enum(enum.Enum, native_enum=False, create_constraint=True, length=64),
    }


class Identified:
    """A row with an id; whatever clients can point at."""

    code: ClassVar[EntityCode]

    id: Mapped[UUID] = field(DataClass.BASIC, primary_key=True, write=Write.SERVICE)


class Child(Identified):
    """A row that belongs to a root: its version, its event, its rights. `root` names the root's type, `*` any; of those
    that are `paged` a root may have many.
    """

    root: ClassVar[str]
    paged: ClassVar[bool] = False


class Tracked(Identified):
    """Version and times; `version` counts the verbs that changed the row or its children, from 1."""

    version: Mapped[int] = field(DataClass.BASIC, server_default=text("1"), write=Write.SERVICE)
    created_at: Mapped[datetime] = field(DataClass.BASIC, write=Write.SERVICE)
    updated_at: Mapped[datetime] = field(DataClass.BASIC, write=Write.SERVICE)
    archived_at: Mapped[datetime | None] = field(DataClass.BASIC, write=Write.SERVICE)


class Root(Tracked):
    """A root entity of the business: tracked, owned by a user and a team, open to custom fields."""

    custom: Mapped[dict[str, Any]] = internal(server_default=text("'{}'::jsonb"))

    @declared_attr
    @classmethod
    def owner_id(cls) -> Mapped[UUID | None]:
        return internal(ForeignKey("users.id"))

    @declared_attr
    @classmethod
    def team_id(cls) -> Mapped[UUID | None]:
        return internal(ForeignKey("teams.id"))

    @declared_attr
    @classmethod
    def owner(cls) -> Mapped[Any]:
        return relationship("User", foreign_keys=f"{cls.__name__}.owner_id", lazy="raise", viewonly=True)

    @declared_attr
    @classmethod
    def team(cls) -> Mapped[Any]:
        return relationship("Team", foreign_keys=f"{cls.__name__}.team_id", lazy="raise", viewonly=True)

    @declared_attr
    @classmethod
    def collaborators(cls) -> Mapped[list[Any]]:
        return relationship(
            "User",
            secondary="collaborations",
            primaryjoin=f"foreign(collaborations.c.entity_id) == {cls.__name__}.id",
            secondaryjoin="foreign(collaborations.c.user_id) == User.id",
            lazy="raise",
            viewonly=True,
        )

    @declared_attr
    @classmethod
    def external_refs(cls) -> Mapped[list[Any]]:
        return relationship(
            "ExternalRef",
            primaryjoin=f"foreign(ExternalRef.entity_id) == {cls.__name__}.id",
            lazy="raise",
            viewonly=True,
        )

    @declared_attr
    @classmethod
    def attachments(cls) -> Mapped[list[Any]]:
        return relationship(
            "File", primaryjoin=f"foreign(File.entity_id) == {cls.__name__}.id", lazy="raise", viewonly=True
        )


def custom_index(table: str) -> Index:
    """Finds equal values of custom fields; rows without any cost it nothing."""
    return Index(
        f"ix_{table}_custom",
        "custom",
        postgresql_using="gin",
        postgresql_ops={"custom": "jsonb_path_ops"},
        postgresql_where=text("custom <> '{}'"),
    )


class Workflow:
    """A root that moves through the stages of a pipeline."""

    stage_entered_at: Mapped[datetime] = field(DataClass.BASIC, write=Write.SERVICE)

    @declared_attr
    @classmethod
    def stage_id(cls) -> Mapped[UUID]:
        return internal(ForeignKey("stages.id"))

    @declared_attr
    @classmethod
    def stage(cls) -> Mapped[Any]:
        return relationship("Stage", foreign_keys=f"{cls.__name__}.stage_id", lazy="raise", viewonly=True)

    @declared_attr
    @classmethod
    def stage_history(cls) -> Mapped[list[Any]]:
        return relationship(
            "StageChange",
            primaryjoin=f"foreign(StageChange.entity_id) == {cls.__name__}.id",
            lazy="raise",
            viewonly=True,
        )
