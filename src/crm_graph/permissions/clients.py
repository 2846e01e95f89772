"""OAuth clients: registration, and secrets that are shown once and kept as hashes.

A secret is 256 random bits that we make ourselves, never a password that someone chose: nothing can be guessed, so a
salted SHA-256 keeps it as safely as a slow hash would, and a flood of wrong secrets costs the server next to nothing.
"""

import hmac
import re
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm_graph.catalog import Catalog
from crm_graph.errors import Duplicate, Invalid, LimitReached, NotFound
from crm_graph.models import Client
from crm_graph.models.ids import EntityCode, IdSource
from crm_graph.permissions.effective import scopes_of
from crm_graph.permissions.store import Connection, raise_policy_version
from crm_graph.permissions.tokens import FIRST_PARTY

AUTH_METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt")
GRANT_TYPE = "client_credentials"
MAX_SECRETS = 2
"""Two live, so that a client can change over without an outage."""

_CLIENT_ID = re.compile(r"[a-z0-9][a-z0-9._-]{2,63}")
_NO_SECRET: Mapping[str, str] = {"salt": "", "sha256": ""}

MAX_TOLD = 10
"""How many wrong names an error tells."""

RandomText = Callable[[int], str]


@dataclass(frozen=True, slots=True)
class RegisteredClient:
    """A client as the authorization server knows it. One that does not exist, or is suspended, is known with no secret:
    it fails like a wrong secret, in the same time.
    """

    client_id: str
    id: UUID | None = None
    user_id: UUID | None = None
    scopes: frozenset[str] = frozenset()
    secrets: tuple[Mapping[str, str], ...] = ()
    jwks: Mapping[str, Any] | None = None

    def get_client_id(self) -> str:
        return self.client_id

    def check_client_secret(self, client_secret: str) -> bool:
        """Whether this is one of its secrets. Always as many hashes and comparisons as there can be secrets."""
        slots = (*self.secrets, *[_NO_SECRET] * MAX_SECRETS)[:MAX_SECRETS]
        matches = [hmac.compare_digest(_hashed(client_secret, slot["salt"]), slot["sha256"]) for slot in slots]
        return any(matches)

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == GRANT_TYPE

    def get_allowed_scope(self, scope: str | None) -> str:
        """Of the scopes asked for, those that it has; all of its own where it asks for none."""
        asked = frozenset((scope or "").split())
        return " ".join(sorted(asked & self.scopes if asked else self.scopes))


def could_be(client_id: str) -> bool:
    """Whether a client can have this id at all."""
    return _CLIENT_ID.fullmatch(client_id) is not None


async def load_client(connection: Connection, client_id: str) -> RegisteredClient:
    """The client, while it and its service account are active; else one that no secret fits."""
    if not could_be(client_id):
        return RegisteredClient(client_id)
    row = await connection.fetchrow(
        "SELECT c.id, c.user_id, c.scopes::text AS scopes, c.secrets::text AS secrets, c.jwks::text AS jwks"
        " FROM clients c JOIN users u ON u.id = c.user_id"
        " WHERE c.client_id = $1 AND c.status = 'ACTIVE' AND u.status = 'ACTIVE' AND u.archived_at IS NULL",
        client_id,
    )
    if row is None:
        return RegisteredClient(client_id)
    return RegisteredClient(
        client_id,
        row["id"],
        row["user_id"],
        frozenset(orjson.loads(row["scopes"])),
        tuple(orjson.loads(row["secrets"])),
        orjson.loads(row["jwks"]) if row["jwks"] else None,
    )


async def register_client(
    session: AsyncSession,
    catalog: Catalog,
    *,
    client_id: str,
    name: str,
    user_id: UUID,
    scopes: Collection[str],
    source: str | None,
    now: datetime,
    ids: IdSource,
    random_text: RandomText = secrets.token_urlsafe,
) -> str:
    """Register a client for a service account and give its secret, which is not kept. `source` names the external
    system whose refs it writes. The caller commits. Raises Invalid for an id or a scope that cannot be, Duplicate for
    an id that is taken.
    """
    await require_new(session, client_id)
    require_scopes(catalog, scopes)
    secret, kept = _new_secret(now, random_text)
    session.add(
        Client(
            id=ids.new(EntityCode.CLIENT),
            client_id=client_id,
            name=name,
            user_id=user_id,
            secrets=[kept],
            scopes=sorted(scopes),
            source=source,
            created_at=now,
        )
    )
    await session.flush()
    await raise_policy_version(session)
    return secret


async def require_new(session: AsyncSession, client_id: str) -> None:
    """Raise Invalid for an id that no client can have, Duplicate for one that is taken."""
    if not could_be(client_id) or client_id == FIRST_PARTY:
        raise Invalid("client_id_invalid", path=("clientId",))
    if await session.scalar(select(Client.id).where(Client.client_id == client_id)) is not None:
        raise Duplicate(path=("clientId",))


def require_scopes(catalog: Catalog, scopes: Collection[str]) -> None:
    """Raise Invalid for scopes that do not exist."""
    unknown = sorted(set(scopes) - scopes_of(catalog))
    if unknown:
        raise Invalid("scope_unknown", path=("scopes",), scopes=unknown[:MAX_TOLD])


async def add_secret(
    session: AsyncSession, client_id: str, *, now: datetime, random_text: RandomText = secrets.token_urlsafe
) -> str:
    """A second secret beside the first, for a change-over. Raises LimitReached where two are live already."""
    client = await locked_client(session, client_id)
    if len(client.secrets) >= MAX_SECRETS:
        raise LimitReached("client_secrets_limit", limit=MAX_SECRETS)
    secret, kept = _new_secret(now, random_text)
    client.secrets = [*client.secrets, kept]
    await session.flush()
    return secret


async def drop_oldest_secret(session: AsyncSession, client_id: str) -> None:
    """End the change-over: the older of two secrets holds no longer. Raises LimitReached where only one is left, unless
    the client has keys of its own.
    """
    client = await locked_client(session, client_id)
    if len(client.secrets) < (MAX_SECRETS if client.jwks is None else 1):
        raise LimitReached("client_secrets_last")
    client.secrets = client.secrets[1:]
    await session.flush()


async def locked_client(session: AsyncSession, client_id: str) -> Client:
    """The client's row, locked. Raises NotFound."""
    if not could_be(client_id):
        raise NotFound(path=("clientId",))
    client = await session.scalar(select(Client).where(Client.client_id == client_id).with_for_update())
    if client is None:
        raise NotFound(path=("clientId",))
    return client


def _new_secret(now: datetime, random_text: RandomText) -> tuple[str, dict[str, Any]]:
    secret, salt = random_text(32), random_text(16)
    return secret, {"salt": salt, "sha256": _hashed(secret, salt), "created_at": now.isoformat()}


def _hashed(secret: str, salt: str) -> str:
    return sha256(f"{salt}:{secret}".encode("utf-8", "surrogatepass")).hexdigest()
