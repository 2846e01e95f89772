"""Browsers in which somebody is signed in to the console, and the links that sign in once."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped

from crm_graph.models.declarative import Base
from crm_graph.models.fields import internal


class Session(Base):
    """A browser that somebody signed in with, by the SHA-256 of what its cookie holds. It has no rights: those are its
    user's. `issuer_id` is whom they signed in at; none for a link.
    """

    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_user_id", "user_id"), Index("ix_sessions_ends_at", "ends_at"))

    digest: Mapped[bytes] = internal(LargeBinary, primary_key=True)
    user_id: Mapped[UUID] = internal(ForeignKey("users.id"))
    issuer_id: Mapped[UUID | None] = internal(ForeignKey("issuers.id"))
    created_at: Mapped[datetime] = internal()
    ends_at: Mapped[datetime] = internal()


class SignInLink(Base):
    """A link that signs a user in once, by the SHA-256 of its secret."""

    __tablename__ = "sign_in_links"
    __table_args__ = (Index("ix_sign_in_links_ends_at", "ends_at"),)

    digest: Mapped[bytes] = internal(LargeBinary, primary_key=True)
    user_id: Mapped[UUID] = internal(ForeignKey("users.id"))
    ends_at: Mapped[datetime] = internal()
