"""OAuth clients as admins run them: registration, changes, suspension, removal. Each is an event, without secrets.

Who has `clients:manage` may give a client any role and scope, also to data that they do not see themselves. Only what
manages rights is given, and taken over by a new secret, by those who have it.
"""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import delete, func, or_, select

from crm_graph.catalog import camel
from crm_graph.errors import Duplicate, Invalid, LimitReached, Required, RuleViolated
from crm_graph.models import Client, RevokedToken, Role, User, UserRole
from crm_graph.models.clients import ClientStatus
from crm_graph.models.ids import EntityCode
from crm_graph.models.users import UserKind, UserStatus
from crm_graph.permissions.assertions import public_keys
from crm_graph.permissions.clients import RandomText, find_client, register_client, require_new, require_scopes
from crm_graph.permissions.rules import EVERYONE, MANAGING, Policy
from crm_graph.permissions.store import effective_access, raise_policy_version
from crm_graph.services.role_inputs import Raw
from crm_graph.services.role_rules import standing
from crm_graph.services.texts import clean
from crm_graph.transaction import EventDraft, Transaction

MANAGE = "clients:manage"
MAX_CLIENTS = 1_000
MAX_NAME = 200
MAX_SOURCE = 64
MAX_COST = 2**31 - 1
MAX_TOLD = 5
"""How many wrong names an error tells."""


@dataclass(frozen=True, slots=True)
class RegisterClient:
    """A client to be. With public keys it gets no secret."""

    client_id: str
    name: str
    scopes: Collection[str]
    roles: Collection[str]
    source: str | None = None
    cost_per_minute: int | None = None
    jwks: Any = None


async def register(
    tx: Transaction, command: RegisterClient, *, random_text: RandomText = secrets.token_urlsafe
) -> str | None:
    """Make a client with a service account of its own, and give its secret, which is kept nowhere; None for one with
    keys. Raises UserFault.
    """
    policy, session = await opened(tx), tx.session
    await require_new(session, command.client_id)
    await _require_room(tx)
    if await session.scalar(select(User.id).where(User.username == command.client_id).limit(1)) is not None:
        raise Duplicate(path=("clientId",))
    name, source = await _new_name(tx, command.name, command.client_id), command.source
    cost, jwks = _cost(command.cost_per_minute), None if command.jwks is None else public_keys(command.jwks)
    user = User(
        id=tx.new_id(EntityCode.USER),
        kind=UserKind.SERVICE,
        username=command.client_id,
        name=name,
        created_at=tx.now,
        updated_at=tx.now,
    )
    session.add(user)
    await session.flush()
    secret = await register_client(
        session,
        tx.catalog,
        client_id=command.client_id,
        name=name,
        user_id=user.id,
        scopes=frozenset(command.scopes),
        source=None if source is None else _text(source, "source", MAX_SOURCE),
        now=tx.now,
        ids=tx.ids,
        random_text=random_text,
    )
    client = await find_client(session, command.client_id)
    client.cost_per_minute, client.jwks = cost, jwks
    if jwks is not None:
        client.secrets = []
    await _set_roles(tx, client, command.roles)
    await _require_manageable(tx, policy, client)
    tell(tx, client, "registered", {}, await _told(tx, client))
    await raise_policy_version(session)
    return secret if jwks is None else None


async def update(tx: Transaction, client_id: str, changes: Mapping[str, Any]) -> None:
    """Change what is named among `name`, `scopes`, `roles`, `cost_per_minute` and `jwks`; what stands so already is no
    change. Holds in every process within a second, for tokens that are out too. Raises UserFault.
    """
    policy = await opened(tx)
    client = await held(tx, policy, client_id)
    if client.user_id == tx.principal.user_id and not {"roles", "scopes"}.isdisjoint(changes):
        raise RuleViolated("own_rights", path=("clientId",))
    before = await _told(tx, client)
    for name, value in changes.items():
        await _change(tx, client, name, value)
    await _require_manageable(tx, policy, client)
    after = await _told(tx, client)
    changed = [name for name in after if after[name] != before[name]]
    if changed:
        client.version += 1
        tell(tx, client, "updated", {n: before[n] for n in changed}, {n: after[n] for n in changed})
        await raise_policy_version(tx.session)


async def suspend(tx: Transaction, client_id: str) -> None:
    """Let a client get no tokens until `reinstate`, and never again be answered by those it has. Raises UserFault."""
    await _set_status(tx, await held(tx, await opened(tx), client_id), ClientStatus.SUSPENDED, "suspended")


async def reinstate(tx: Transaction, client_id: str) -> None:
    """Serve a suspended client again, by new tokens; its secrets and keys hold as before. Raises UserFault."""
    await _set_status(tx, await held(tx, await opened(tx), client_id), ClientStatus.ACTIVE, "reinstated")


async def revoke_tokens(tx: Transaction, client_id: str) -> None:
    """Take every token back that a client has; it may get new ones. Raises UserFault."""
    await _end_tokens(tx, await held(tx, await opened(tx), client_id))


async def end_own_tokens(tx: Transaction, epoch: int) -> None:
    """As a client, take back every token of its own of an epoch; where that is over already, nothing is left to do."""
    await standing(tx)
    client = await tx.session.get_one(Client, tx.principal.client_id)
    if client.token_epoch == epoch:
        await _end_tokens(tx, client)
        # Those of an epoch that is over need no rows of their own.
        await tx.session.execute(delete(RevokedToken).where(RevokedToken.client_id == client.id))


async def _end_tokens(tx: Transaction, client: Client) -> None:
    client.token_epoch += 1
    client.version += 1
    tell(tx, client, "tokens_revoked", {}, {"token_epoch": client.token_epoch})
    await raise_policy_version(tx.session)


async def remove(tx: Transaction, client_id: str) -> None:
    """Take a client away for good, with its secrets and keys; its row stays, since events name it, and its id is never
    given to another. Its service account leaves where no other client has it. Raises UserFault.
    """
    client = await held(tx, await opened(tx), client_id)
    client.secrets, client.jwks = [], None
    await _set_status(tx, client, ClientStatus.REMOVED, "removed")
    await tx.session.flush()
    others = select(Client.id).where(Client.user_id == client.user_id, Client.status != ClientStatus.REMOVED)
    user = await tx.session.get_one(User, client.user_id)
    if user.kind is UserKind.SERVICE and await tx.session.scalar(others.limit(1)) is None:
        _leave(tx, user)


async def register_given(tx: Transaction, given: Raw) -> None:
    """Make a client that waited for approval, by the names of the API. It has no secret: `client_secrets.rotate` makes
    the first one, for who asks then. Raises as `register` does.
    """
    await register(tx, RegisterClient(**_named(given)))
    (await find_client(tx.session, given["clientId"])).secrets = []


async def update_given(tx: Transaction, given: Raw) -> None:
    """Change a client as it was proposed. Raises as `update` does."""
    changes = _named(given)
    await update(tx, changes.pop("client_id"), changes)


async def reinstate_given(tx: Transaction, given: Raw) -> None:
    """Serve a suspended client again, as it was proposed. Raises as `reinstate` does."""
    await reinstate(tx, given["clientId"])


def _named(given: Raw) -> dict[str, Any]:
    return {snake: given[name] for name, snake in _NAMES.items() if name in given}


_NAMES = {camel(field.name): field.name for field in fields(RegisterClient)}


def _leave(tx: Transaction, user: User) -> None:
    """A service account that nobody asks with any more."""
    before = user.status
    user.status, user.version, user.updated_at = UserStatus.LEFT, user.version + 1, tx.now
    told = EventDraft(
        type="user.left",
        entity_type="user",
        entity_id=user.id,
        entity_version=user.version,
        changed=["status"],
        before={"status": before.value},
        after={"status": user.status.value},
    )
    tx.record(told)


async def opened(tx: Transaction) -> Policy:
    """The policy, for who may change clients. Edits of rights come one after the other: what is read from here on, the
    clients' rows too, nobody else changes.
    """
    tx.require(MANAGE)
    return (await standing(tx)).policy


async def held(tx: Transaction, policy: Policy, client_id: str) -> Client:
    """The client, for who may change it. A removed one is changed no more."""
    client = await find_client(tx.session, client_id)
    if client.status is ClientStatus.REMOVED:
        raise RuleViolated("client_removed", path=("clientId",))
    await _require_manageable(tx, policy, client)
    return client


async def _set_status(tx: Transaction, client: Client, status: ClientStatus, verb: str) -> None:
    before = client.status
    if before is status:
        return
    client.status = status
    client.version += 1
    if status is ClientStatus.SUSPENDED:
        client.token_epoch += 1
    tell(tx, client, verb, {"status": before.value}, {"status": status.value})
    await raise_policy_version(tx.session)


async def _change(tx: Transaction, client: Client, name: str, value: Any) -> None:
    match name:
        case "name":
            client.name = await _new_name(tx, value, client.client_id)
        case "scopes":
            require_scopes(tx.catalog, _given(value, "scopes"))
            client.scopes = sorted(set(value))
        case "roles":
            await _set_roles(tx, client, _given(value, "roles"))
        case "cost_per_minute":
            client.cost_per_minute = _cost(value)
        case "jwks":
            if value is None and not any("ends_at" not in kept for kept in client.secrets):
                raise LimitReached("client_keys_last", path=("jwks",))
            client.jwks = None if value is None else public_keys(value)
        case _:
            raise TypeError(f"a client has no {name} to change")


async def _set_roles(tx: Transaction, client: Client, keys: Collection[str]) -> None:
    """Give a service account these roles and no others; one that it has stays as it was given."""
    session = tx.session
    user = await session.get_one(User, client.user_id)
    if user.kind is not UserKind.SERVICE:
        raise RuleViolated("client_account_is_a_person", path=("roles",))
    wanted = {key: id_ for key, id_ in await session.execute(select(Role.key, Role.id)) if key in keys}
    unknown = sorted(set(keys) - (set(wanted) - {EVERYONE}))
    if unknown:
        raise Invalid("role_unknown", path=("roles",), roles=", ".join(key[:64] for key in unknown[:MAX_TOLD]))
    of_user = UserRole.user_id == user.id
    # What has ended makes room.
    await session.execute(delete(UserRole).where(of_user, UserRole.expires_at <= tx.now))
    held = set(await session.scalars(select(UserRole.role_id).where(of_user)))
    await session.execute(delete(UserRole).where(of_user, UserRole.role_id.not_in(list(wanted.values()))))
    session.add_all(UserRole(user_id=user.id, role_id=id_) for id_ in wanted.values() if id_ not in held)
    await session.flush()


async def _require_manageable(tx: Transaction, policy: Policy, client: Client) -> None:
    """Raise RuleViolated where the client, as it stands, gives rights that the asker does not give. Others of its
    account are asked too: they share its roles.
    """
    await tx.session.flush()
    roles = await _roles(tx, client)
    of_account = select(Client.scopes).where(Client.user_id == client.user_id, Client.status != ClientStatus.REMOVED)
    cuts = [frozenset(scopes) for scopes in await tx.session.scalars(of_account)]
    held = {action for cut in cuts for action in effective_access(policy, tx.catalog, roles, cut).actions}
    beyond = sorted((held & MANAGING) - tx.access.actions)
    if beyond:
        raise RuleViolated("client_beyond_you", path=("clientId",), actions=", ".join(beyond))


async def _roles(tx: Transaction, client: Client) -> list[str]:
    """Keys of the roles that its account has now."""
    held = (
        select(Role.key)
        .join(UserRole, UserRole.role_id == Role.id)
        .where(UserRole.user_id == client.user_id, or_(UserRole.expires_at.is_(None), UserRole.expires_at > tx.now))
    )
    return list(await tx.session.scalars(held.order_by(Role.key)))


async def _told(tx: Transaction, client: Client) -> dict[str, Any]:
    """What an event says of a client."""
    await tx.session.flush()
    return {
        "client_id": client.client_id,
        "name": client.name,
        "status": client.status.value,
        "scopes": list(client.scopes),
        "roles": await _roles(tx, client),
        "source": client.source,
        "cost_per_minute": client.cost_per_minute,
        "key_ids": [key["kid"] for key in client.jwks["keys"]] if client.jwks else [],
    }


def tell(tx: Transaction, client: Client, verb: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Write down what was done."""
    tx.record(
        EventDraft(
            type=f"client.{verb}",
            entity_type="client",
            entity_id=client.id,
            entity_version=client.version,
            changed=list(after),
            before=before,
            after=after,
        )
    )


async def _require_room(tx: Transaction) -> None:
    there = select(func.count()).select_from(Client).where(Client.status != ClientStatus.REMOVED)
    if (await tx.session.scalar(there) or 0) >= MAX_CLIENTS:
        raise LimitReached("clients_limit", limit=MAX_CLIENTS)


async def _new_name(tx: Transaction, value: str | None, client_id: str) -> str:
    """A name that no other client has: people tell clients apart by it."""
    name = _text(value, "name", MAX_NAME)
    same = select(Client.id).where(
        Client.name == name, Client.client_id != client_id, Client.status != ClientStatus.REMOVED
    )
    if await tx.session.scalar(same.limit(1)) is not None:
        raise Duplicate(path=("name",))
    return name


def _given(value: Any, name: str) -> Any:
    if value is None:
        raise Required(path=(name,))
    return value


def _text(value: str | None, name: str, max_length: int) -> str:
    try:
        return str(_given(clean(_given(value, name), max_length=max_length), name))
    except Invalid as wrong:
        raise Invalid(wrong.template_key, path=(name,), **wrong.details) from None


def _cost(value: int | None) -> int | None:
    if value is not None and not 0 <= value <= MAX_COST:
        raise Invalid("client_cost_negative", path=("costPerMinute",))
    return value
