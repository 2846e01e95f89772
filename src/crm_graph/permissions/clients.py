"""OAuth clients: registration, and secrets that are shown once, kept as hashes, and end when they are told to.

A secret is 256 random bits that we make ourselves, never a password that someone chose: nothing can be guessed, so a
salted SHA-256 keeps it as safely as a slow hash would, and a flood of wrong secrets costs the server next to nothing.
"""

import hmac
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
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
    token_epoch: int = 0

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


async def load_client(connection: Connection, client_id: str, now: datetime) -> RegisteredClient:
    """The client, while it and its service account are active, with the secrets that hold at this moment; else one that
    no secret fits.
    """
    if not could_be(client_id):
        return RegisteredClient(client_id)
    row = await connection.fetchrow(
        "SELECT c.id, c.user_id, c.scopes::text AS scopes, c.secrets::text AS secrets, c.jwks::text AS jwks,"
        " c.token_epoch"
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
        tuple(live(orjson.loads(row["secrets"]), now)),
        orjson.loads(row["jwks"]) if row["jwks"] else None,
        row["token_epoch"],
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
    secret, kept = new_secret(now, random_text)
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


def add_secret(
    client: Client,
    *,
    now: datetime,
    old_ends_at: datetime | None = None,
    random_text: RandomText = secrets.token_urlsafe,
) -> str:
    """A new secret of a client, as `keep_secret` keeps it."""
    secret, kept = new_secret(now, random_text)
    keep_secret(client, kept, now=now, old_ends_at=old_ends_at)
    return secret


def keep_secret(client: Client, kept: Mapping[str, Any], *, now: datetime, old_ends_at: datetime | None = None) -> None:
    """Let a secret hold, of which this is kept; those that the client has end at `old_ends_at`, if that is given.
    Raises LimitReached where two others hold still.
    """
    others = live(client.secrets, now)
    if old_ends_at is not None:
        others = live([_ending(kept, old_ends_at) for kept in others], now)
    if len(others) >= MAX_SECRETS:
        raise LimitReached("client_secrets_limit", limit=MAX_SECRETS)
    client.secrets = [*others, kept]


def retire_secret(client: Client, id_: str | None, *, now: datetime, ends_at: datetime | None = None) -> str:
    """Let a secret of a client, or its oldest, hold until `ends_at`, or no longer, and give its id.
    Raises NotFound for a secret that is not there, LimitReached where the client would be left with nothing to prove
    itself by.
    """
    living = live(client.secrets, now)
    retired = next((kept for kept in living if id_ in (None, secret_id(kept))), None)
    if retired is None and id_ is not None:
        raise NotFound(path=("secretId",))
    others = [kept for kept in living if kept is not retired]
    if retired is None or (client.jwks is None and all("ends_at" in kept for kept in others)):
        raise LimitReached("client_secrets_last")
    ending = [kept if kept is not retired else _ending(kept, ends_at or now) for kept in living]
    client.secrets = live(ending, now)
    return secret_id(retired)


def secret_id(kept: Mapping[str, Any]) -> str:
    """A name for a secret, which tells nothing of it."""
    return sha256(kept["salt"].encode()).hexdigest()[:12]


def live(kept: Iterable[Mapping[str, Any]], now: datetime) -> list[Mapping[str, Any]]:
    """The secrets that hold at this moment, the oldest first."""
    return [secret for secret in kept if "ends_at" not in secret or datetime.fromisoformat(secret["ends_at"]) > now]


def _ending(kept: Mapping[str, Any], ends_at: datetime) -> Mapping[str, Any]:
    """A secret that ends then, unless it ends before that."""
    if "ends_at" in kept and datetime.fromisoformat(kept["ends_at"]) <= ends_at:
        return kept
    return {**kept, "ends_at": ends_at.isoformat()}


async def find_client(session: AsyncSession, client_id: str) -> Client:
    """The client's row. Raises NotFound."""
    if not could_be(client_id):
        raise NotFound(path=("clientId",))
    client = await session.scalar(select(Client).where(Client.client_id == client_id))
    if client is None:
        raise NotFound(path=("clientId",))
    return client


def new_secret(now: datetime, random_text: RandomText = secrets.token_urlsafe) -> tuple[str, dict[str, Any]]:
    """A secret, and what is kept of it."""
    secret, salt = random_text(32), random_text(16)
    return secret, {"salt": salt, "sha256": _hashed(secret, salt), "created_at": now.isoformat()}


def _hashed(secret: str, salt: str) -> str:
    return sha256(f"{salt}:{secret}".encode("utf-8", "surrogatepass")).hexdigest()
