"""OAuth clients (machines) and the keys that sign access tokens."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped

from crm_graph.models.declarative import Base
from crm_graph.models.fields import internal


class ClientStatus(StrEnum):
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"


class Client(Base):
    """A registered client. `user_id` is its service account.

    `secrets` holds salted hashes; two may live during a rotation. `cost_per_minute` is its budget: null for that of the
    settings, 0 for one without an end.
    """

    __tablename__ = "clients"
    __table_args__ = (
        UniqueConstraint("client_id"),
        CheckConstraint("cost_per_minute >= 0", name="cost_per_minute"),
        Index("ix_clients_user_id", "user_id"),
    )

    id: Mapped[UUID] = internal(primary_key=True)
    client_id: Mapped[str] = internal()
    name: Mapped[str] = internal()
    user_id: Mapped[UUID] = internal(ForeignKey("users.id"))
    secrets: Mapped[list[Any]] = internal()
    scopes: Mapped[list[Any]] = internal()
    status: Mapped[ClientStatus] = internal(server_default="ACTIVE")
    source: Mapped[str | None] = internal()
    cost_per_minute: Mapped[int | None] = internal(BigInteger)
    created_at: Mapped[datetime] = internal()


class SigningKey(Base):
    """A private JWK (RFC 7517).

    The newest active one signs; retired ones stay in the JWKS until their last token ends.
    """

    __tablename__ = "signing_keys"

    kid: Mapped[str] = internal(primary_key=True)
    jwk: Mapped[dict[str, Any]] = internal()
    created_at: Mapped[datetime] = internal()
    retired_at: Mapped[datetime | None] = internal()
