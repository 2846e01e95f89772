"""OAuth clients (machines), what they used up and took back, and the keys that sign access tokens."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped

from crm_graph.models.declarative import Base
from crm_graph.models.fields import internal


class ClientStatus(StrEnum):
    """Whether a client is served."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    REMOVED = "REMOVED"


class Client(Base):
    """A registered client. `user_id` is its service account.

    `secrets` holds salted hashes, the oldest first, with the end of those that have one; two may live during a
    rotation. `jwks` holds the public keys of one that signs assertions (RFC 7523). `cost_per_minute` is its budget:
    null for that of the settings, 0 for one without an end.
    `version` counts its changes, from 1. `token_epoch` counts how often all of its tokens were taken back: each says
    which it is of, and holds in that one alone.
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
    jwks: Mapped[dict[str, Any] | None] = internal()
    version: Mapped[int] = internal(server_default=text("1"))
    token_epoch: Mapped[int] = internal(server_default=text("0"))
    created_at: Mapped[datetime] = internal()


class RevokedToken(Base):
    """A token that its client took back before its end. `token_id` is its `jti`."""

    __tablename__ = "revoked_tokens"
    __table_args__ = (
        Index("ix_revoked_tokens_client_id", "client_id"),
        Index("ix_revoked_tokens_ends_at", "ends_at"),
    )

    token_id: Mapped[str] = internal(primary_key=True)
    client_id: Mapped[UUID] = internal(ForeignKey("clients.id"))
    ends_at: Mapped[datetime] = internal()


class UsedAssertion(Base):
    """An assertion that a client has authenticated with, by the SHA-256 of its `jti`: it serves once."""

    __tablename__ = "used_assertions"
    __table_args__ = (Index("ix_used_assertions_ends_at", "ends_at"),)

    client_id: Mapped[UUID] = internal(ForeignKey("clients.id"), primary_key=True)
    digest: Mapped[bytes] = internal(LargeBinary, primary_key=True)
    ends_at: Mapped[datetime] = internal()


class SigningKey(Base):
    """A private JWK (RFC 7517).

    It is published from the start and signs from `signs_from` until `retired_at`, when the next one does. It stays in
    the JWKS until its last token has ended: `token_lifetime_s` is the longest that any process let one hold, 0 before
    a process has loaded it. A dropped one leaked: its private part is gone, and it verifies nothing.
    """

    __tablename__ = "signing_keys"

    kid: Mapped[str] = internal(primary_key=True)
    jwk: Mapped[dict[str, Any]] = internal()
    created_at: Mapped[datetime] = internal()
    signs_from: Mapped[datetime] = internal(server_default=text("now()"))
    retired_at: Mapped[datetime | None] = internal()
    token_lifetime_s: Mapped[int] = internal(server_default=text("0"))
    dropped_at: Mapped[datetime | None] = internal()
