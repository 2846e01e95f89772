"""What each record is found by: a row of keys for each record of a searched type, made of its searched fields."""

from typing import Any
from uuid import UUID

from sqlalchemy import Index, SmallInteger, Text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped

from crm_graph.models.declarative import Base
from crm_graph.models.fields import internal


class SearchDocument(Base):
    """`code` is the entity's code, so that the newest records of one type stand together."""

    __tablename__ = "search_documents"
    __table_args__ = (
        Index(
            "ix_search_documents_keys",
            "keys",
            postgresql_using="gin",
            postgresql_with={"gin_pending_list_limit": "256"},
        ),
    )

    code: Mapped[int] = internal(SmallInteger, primary_key=True, autoincrement=False)
    entity_id: Mapped[UUID] = internal(primary_key=True)
    keys: Mapped[Any] = internal(TSVECTOR, nullable=False)


class SearchFill(Base):
    """How far the index of one type is filled with records that were there before it: up to the id `filled_to`, with
    keys that are `made_of` so described fields. What is written since has its keys from the write.
    """

    __tablename__ = "search_fills"

    code: Mapped[int] = internal(SmallInteger, primary_key=True, autoincrement=False)
    made_of: Mapped[str] = internal(Text, nullable=False)
    filled_to: Mapped[UUID] = internal(nullable=False)
