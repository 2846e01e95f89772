"""Change-over of the secrets of OAuth clients, as admins run it. Each is an event, without the secret."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from crm_graph.permissions import clients
from crm_graph.permissions.clients import RandomText
from crm_graph.services.clients import held, opened, tell
from crm_graph.services.role_inputs import Raw
from crm_graph.transaction import Transaction


async def rotate(
    tx: Transaction,
    client_id: str,
    old_ends_at: datetime | None = None,
    *,
    random_text: RandomText = secrets.token_urlsafe,
) -> str:
    """A new secret beside those that a client has, which end at `old_ends_at` where that is given. Raises LimitReached
    where two live already, and what `update` raises.
    """
    secret, kept = clients.new_secret(tx.now, random_text)
    await _keep(tx, client_id, kept, old_ends_at)
    return secret


async def proves_itself(tx: Transaction, client_id: str) -> bool:
    """Whether a client has a secret that holds, or keys. Raises as `rotate` does."""
    client = await held(tx, await opened(tx), client_id)
    return client.jwks is not None or bool(clients.live(client.secrets, tx.now))


async def keep_given(tx: Transaction, given: Raw) -> None:
    """Let a secret hold that was shown when it was proposed, by what is kept of it. Raises as `rotate` does."""
    ends_at = given.get("oldEndsAt")
    await _keep(tx, given["clientId"], given["secret"], ends_at and datetime.fromisoformat(ends_at))


async def _keep(tx: Transaction, client_id: str, kept: Mapping[str, Any], old_ends_at: datetime | None) -> None:
    client = await held(tx, await opened(tx), client_id)
    clients.keep_secret(client, kept, now=tx.now, old_ends_at=old_ends_at)
    client.version += 1
    told: dict[str, Any] = {"secret_id": clients.secret_id(client.secrets[-1])}
    if old_ends_at is not None:
        told["old_secrets_end_at"] = max(old_ends_at, tx.now).isoformat()
    tell(tx, client, "secret_added", {}, told)
    await tx.session.flush()


async def retire(
    tx: Transaction, client_id: str, secret_id: str | None = None, ends_at: datetime | None = None
) -> None:
    """Let one secret of a client, or its oldest, hold until a moment, or no longer. Raises NotFound for a secret that
    is not there, LimitReached where nothing would be left to prove itself by, and what `update` raises.
    """
    client = await held(tx, await opened(tx), client_id)
    retired = clients.retire_secret(client, secret_id, now=tx.now, ends_at=ends_at)
    client.version += 1
    ends = max(ends_at or tx.now, tx.now).isoformat()
    tell(tx, client, "secret_retired", {}, {"secret_id": retired, "ends_at": ends})
    await tx.session.flush()
