"""Custom fields: what a company adds to its records beside our columns. The values stand in each root's `custom`."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, text
from sqlalchemy.orm import Mapped

from crm_graph.models.declarative import Base
from crm_graph.models.fields import internal


class CustomKind(StrEnum):
    """What a custom field holds. ENUM is one of its options, TEXT_LIST any number of texts."""

    TEXT = "TEXT"
    INT = "INT"
    DECIMAL = "DECIMAL"
    BOOLEAN = "BOOLEAN"
    DATE = "DATE"
    DATE_TIME = "DATE_TIME"
    ENUM = "ENUM"
    TEXT_LIST = "TEXT_LIST"


class CustomField(Base):
    """One key of the JSON in `custom`, of one type of records; it is also its name in the API. `options` are those of
    an ENUM: `[{"key": "MORNING", "en": "Morning", "zh": "上午"}]`. An archived one is not in the API; its values stay.
    """

    __tablename__ = "custom_fields"
    __table_args__ = (
        CheckConstraint("key ~ '^[a-z][A-Za-z0-9]{0,39}$'", name="key"),
        CheckConstraint("jsonb_typeof(options) = 'array' AND (kind = 'ENUM') = (options <> '[]')", name="options"),
        CheckConstraint("data_class <> 'INTERNAL'", name="data_class"),
    )

    entity_type: Mapped[str] = internal(primary_key=True)
    key: Mapped[str] = internal(primary_key=True)
    kind: Mapped[CustomKind] = internal()
    options: Mapped[list[Any]] = internal(server_default=text("'[]'::jsonb"))
    data_class: Mapped[str] = internal()
    personal: Mapped[bool] = internal(server_default=text("false"))
    label_en: Mapped[str] = internal()
    label_zh: Mapped[str] = internal()
    position: Mapped[int] = internal(server_default=text("0"))
    archived_at: Mapped[datetime | None] = internal()
