"""OpenID Connect issuers that people come through, and whom each of them means by a subject."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped

from crm_graph.models.declarative import Base
from crm_graph.models.fields import internal


class IssuerStatus(StrEnum):
    """Whether tokens of an issuer are taken."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"


class Issuer(Base):
    """An issuer whose word we take. `url` is what its tokens name as `iss`, to the letter.

    `audiences`, `clients` and `algorithms` are what its access tokens may name as `aud`, `azp` and `alg`; no clients
    means any. `plain_tokens` says that its access tokens need no `typ` of `at+jwt`. `role_map` is a list of
    `{"claim": [path], "value": text, "roles": [keys], "teams": [keys]}`. `sign_in_client` is what the hub is called
    there, where people sign in to the console through it, `sign_in_secret` its secret, if it has one. `version` counts
    its changes, from 1.
    """

    __tablename__ = "issuers"
    __table_args__ = (UniqueConstraint("url"),)

    id: Mapped[UUID] = internal(primary_key=True)
    url: Mapped[str] = internal()
    name: Mapped[str] = internal()
    status: Mapped[IssuerStatus] = internal(server_default="ACTIVE")
    audiences: Mapped[list[Any]] = internal()
    clients: Mapped[list[Any]] = internal(server_default=text("'[]'::jsonb"))
    algorithms: Mapped[list[Any]] = internal()
    plain_tokens: Mapped[bool] = internal(server_default=text("false"))
    leeway_seconds: Mapped[int] = internal(server_default=text("5"))
    role_map: Mapped[list[Any]] = internal(server_default=text("'[]'::jsonb"))
    sign_in_client: Mapped[str | None] = internal()
    sign_in_secret: Mapped[str | None] = internal()
    sign_in_scope: Mapped[str] = internal(server_default=text("'openid profile email'"))
    version: Mapped[int] = internal(server_default=text("1"))
    created_at: Mapped[datetime] = internal()


class IssuerDocuments(Base):
    """What an issuer answered last when it was asked for its discovery document and its keys."""

    __tablename__ = "issuer_documents"

    issuer_id: Mapped[UUID] = internal(ForeignKey("issuers.id"), primary_key=True)
    discovery: Mapped[dict[str, Any]] = internal()
    jwks: Mapped[dict[str, Any]] = internal()
    fetched_at: Mapped[datetime] = internal()


class Identity(Base):
    """A person as an issuer knows them. `claims_at` is when the newest token that they came with was issued, `roles`
    and `teams` are the keys that its claims gave by the map of that `issuer_version`.
    """

    __tablename__ = "identities"
    __table_args__ = (Index("ix_identities_user_id", "user_id"),)

    issuer_id: Mapped[UUID] = internal(ForeignKey("issuers.id"), primary_key=True)
    subject: Mapped[str] = internal(primary_key=True)
    user_id: Mapped[UUID] = internal(ForeignKey("users.id"))
    claims_at: Mapped[datetime | None] = internal()
    issuer_version: Mapped[int | None] = internal()
    roles: Mapped[list[Any]] = internal(server_default=text("'[]'::jsonb"))
    teams: Mapped[list[Any]] = internal(server_default=text("'[]'::jsonb"))
    created_at: Mapped[datetime] = internal()
