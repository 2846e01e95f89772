"""OAuth clients as admins see them: their list, and the mutations that run them."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any

import strawberry

from crm_graph.catalog import camel
from crm_graph.models.clients import ClientStatus
from crm_graph.moments import reckoned
from crm_graph.permissions.clients import new_secret, secret_id
from crm_graph.resolvers.write import MutationContext
from crm_graph.schema.building import Argument, Member, enum_of
from crm_graph.schema.entities import EntityTypes
from crm_graph.schema.listings import listed
from crm_graph.schema.mutations import Mutation
from crm_graph.schema.rights_proposals import PROPOSAL, REASON, proposal_of, proposed, reason_of
from crm_graph.schema.scalars import JSON
from crm_graph.services import client_secrets, clients, rights_proposals
from crm_graph.services.client_list import CLIENT_LIST
from crm_graph.services.clients import MANAGE, RegisterClient
from crm_graph.services.listings import ListedRef
from crm_graph.services.rights_proposals import VERBS
from crm_graph.transaction import Transaction

ENUMS = (
    enum_of(
        ClientStatus,
        ACTIVE="It gets tokens, and they are answered.",
        SUSPENDED="It gets no tokens, and those it has are refused everywhere within a second, for good.",
        REMOVED="The same for good; its id is never given again.",
    ),
)


@strawberry.type(description="A secret of a client that holds. What it is nobody can tell any more.")
class ClientSecret:
    id: str = strawberry.field(description="A name to retire it by, which tells nothing of it.")
    created_at: datetime = strawberry.field(description="When it was made, in UTC.")
    ends_at: datetime | None = strawberry.field(description="Until when it holds, in UTC; null for no end.")


@strawberry.type(description="A registered OAuth client: a machine that asks in its own name.")
class Client:
    client_id: str = strawberry.field(description="The id that it authenticates with.")
    name: str = strawberry.field(description="What people call it.")
    status: ClientStatus = strawberry.field(description="Whether it is served.")
    scopes: list[str] = strawberry.field(description="The most that its tokens may be for.")
    roles: list[str] = strawberry.field(description="Keys of the roles of its service account.")
    source: str | None = strawberry.field(description="Key of the system whose external ids it writes.")
    cost_per_minute: int | None = strawberry.field(
        description="Its budget by cost; null for that of the settings, 0 for one without an end."
    )
    key_ids: list[str] = strawberry.field(description="The `kid` of each public key that it may sign assertions with.")
    secrets: list[ClientSecret] = strawberry.field(
        description="The secrets that hold, the oldest first: two during a change-over."
    )
    created_at: datetime = strawberry.field(description="When it was registered, in UTC.")


@strawberry.input(description="Which clients; all of these together.")
class ClientWhere:
    status: list[ClientStatus] | None = strawberry.field(
        default=strawberry.UNSET, description="In one of these states; if nothing is said, all but removed ones."
    )
    role: str | None = strawberry.field(default=strawberry.UNSET, description="With the role of this key.")
    scope: str | None = strawberry.field(default=strawberry.UNSET, description="With this scope.")
    search: str | None = strawberry.field(
        default=strawberry.UNSET, description="With this text in id or name, in upper or lower case."
    )


def client_list(types: EntityTypes) -> Mapping[str, Member]:
    """The root field."""
    about = "The OAuth clients, in the order of their ids."
    return {CLIENT_LIST.name: listed(CLIENT_LIST, Client, ClientWhere, types, one="client", about=about)}


_ID = Argument(str, "The client's id.")
_CLIENT = {"client": Member(Client | None, "The client as it stands now.")}
_SECRET = Member(
    str | None,
    "The new secret, shown this once and kept as a hash: a retry under the same idempotency key has null. Beside a"
    " proposal, it holds once that is approved.",
)
_JWKS = (
    "Public keys as a JWK set (RFC 7517), at most 5, each with a `kid`: EC P-256, RSA from 2048 bits, or Ed25519. The"
    " client then authenticates by assertions that it signs (`private_key_jwt`)"
)
_CHANGES: Mapping[str, Argument] = {
    "name": Argument(str | None, "What people call it; no other client may have it."),
    "scopes": Argument(list[str] | None, "All of its scopes from now on."),
    "roles": Argument(list[str] | None, "Keys of all roles of its service account from now on."),
    "cost_per_minute": Argument(int | None, "Its budget by cost; null for that of the settings, 0 for no end."),
    "jwks": Argument(JSON | None, f"{_JWKS}. They replace those that it has; null takes them away."),
}


_RIGHTS = frozenset({"roles", "scopes"})
"""What of a client is given: where a second approver is asked for, it waits, as keys do, by which somebody else could
be the client.
"""

Verb = Callable[[MutationContext, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Takes the arguments that were given."""


def client_mutations() -> Iterable[Mutation]:
    """Register, change, suspend, remove, and change secrets over."""
    yield from _registration()
    yield from _secret_mutations()
    for name, verb, about in (
        ("suspend_client", clients.suspend, "Give a client no more tokens, and refuse those it has."),
        (
            "reinstate_client",
            clients.reinstate,
            "Serve a suspended client again, by new tokens; those from before stay refused.",
        ),
        (
            "revoke_client_tokens",
            clients.revoke_tokens,
            "Take every token back that a client has; its secrets stay, and get it new ones at once.",
        ),
        ("remove_client", clients.remove, "Take a client away for good, with its secrets, keys and service account."),
    ):
        yield _mutation(name, f"{about} Holds everywhere within a second.", {"client_id": _ID}, _by_id(verb))


def _registration() -> Iterable[Mutation]:
    yield _mutation(
        "register_client",
        "Register a client, with a service account of its own. It never sees or does more than its roles, cut to its"
        " scopes.",
        {
            "client_id": Argument(str, "Its id: 3 to 64 characters a-z, 0-9, dot, hyphen, underscore."),
            "name": Argument(str, "What people call it; no other client may have it."),
            "scopes": Argument(list[str], "The most that its tokens may be for, such as `customers:read`."),
            "roles": Argument(list[str], "Keys of the roles of its service account."),
            "source": Argument(str | None, "Key of the system whose external ids it writes, such as `erp`."),
            "cost_per_minute": _CHANGES["cost_per_minute"],
            "jwks": Argument(JSON | None, f"{_JWKS}, and has no secret."),
        },
        _register,
        {"secret": _SECRET},
    )
    yield _mutation(
        "update_client",
        "Change a client; what is left out stays. Holds everywhere within a second, for tokens that are out too.",
        {"client_id": _ID, **_CHANGES},
        _update,
    )


def _secret_mutations() -> Iterable[Mutation]:
    yield _mutation(
        "rotate_client_secret",
        "Give a client a second secret, which it can change over to without an outage. Where a second approver is asked"
        " for, one beside secrets or keys that hold waits for them.",
        {
            "client_id": _ID,
            "old_ends_at": Argument(
                datetime | None, "Until when the present one holds; if nothing is said, until it is retired."
            ),
        },
        _rotate,
        {"secret": _SECRET},
    )
    yield _mutation(
        "retire_client_secret",
        "Let a secret of a client hold no longer, or only until a moment. One that has no end stays, or keys.",
        {
            "client_id": _ID,
            "secret_id": Argument(str | None, "Which one; the oldest if nothing is said."),
            "ends_at": Argument(datetime | None, "Until when it holds; now if nothing is said."),
        },
        _retire,
    )


def _mutation(
    name: str,
    about: str,
    arguments: Mapping[str, Argument],
    verb: Verb,
    more: Mapping[str, Member] = MappingProxyType({}),
) -> Mutation:
    api_name = camel(name)
    payload = {**_CLIENT, **more, **(PROPOSAL if api_name in VERBS else {})}
    return Mutation(name, MANAGE, about, {**arguments, "reason": REASON}, payload, partial(_run, api_name, verb))


async def _run(name: str, verb: Verb, context: MutationContext, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    tx = context.transaction()
    given = {name: value for name, value in arguments.items() if value is not strawberry.UNSET}
    tx.reason = reason_of(given.pop("reason", None))
    if context.rights_approval and _waits(name, given):
        return await proposed(tx, name, given)
    return await verb(context, given)


def _waits(name: str, given: Mapping[str, Any]) -> bool:
    match name:
        case "updateClient":
            return not _RIGHTS.isdisjoint(given) or given.get("jwks") is not None
        case "rotateClientSecret":
            # Its secret is shown now, to who asks for it.
            return False
        case _:
            return name in VERBS


async def _register(context: MutationContext, given: Mapping[str, Any]) -> Mapping[str, Any]:
    secret = await clients.register(context.transaction(), RegisterClient(**given))
    return _told(context, given["client_id"], secret)


async def _update(context: MutationContext, given: Mapping[str, Any]) -> Mapping[str, Any]:
    changes = {name: value for name, value in given.items() if name in _CHANGES}
    await clients.update(context.transaction(), given["client_id"], changes)
    return _told(context, given["client_id"])


async def _rotate(context: MutationContext, given: Mapping[str, Any]) -> Mapping[str, Any]:
    tx, client_id = context.transaction(), given["client_id"]
    old_ends_at = _moment(context, given.get("old_ends_at"))
    if context.rights_approval and await client_secrets.proves_itself(tx, client_id):
        return await _propose_secret(context, client_id, old_ends_at)
    return _told(context, client_id, await client_secrets.rotate(tx, client_id, old_ends_at))


async def _propose_secret(context: MutationContext, client_id: str, old_ends_at: datetime | None) -> Mapping[str, Any]:
    """A secret that is shown now and holds once somebody has approved it: who gets it could be the client."""
    tx = context.transaction()
    secret, kept = new_secret(tx.now)
    asked = {"clientId": client_id, "secretId": secret_id(kept)}
    if old_ends_at is not None:
        asked["oldEndsAt"] = old_ends_at.isoformat()
    proposal = await rights_proposals.propose(tx, "rotateClientSecret", asked, {"secret": kept})
    context.shown_once.append(secret)
    return {"secret": secret, "proposal": proposal_of(proposal)}


async def _retire(context: MutationContext, given: Mapping[str, Any]) -> Mapping[str, Any]:
    ends_at = _moment(context, given.get("ends_at"))
    await client_secrets.retire(context.transaction(), given["client_id"], given.get("secret_id"), ends_at)
    return _told(context, given["client_id"])


def _by_id(verb: Callable[[Transaction, str], Awaitable[None]]) -> Verb:
    async def run(context: MutationContext, given: Mapping[str, Any]) -> Mapping[str, Any]:
        await verb(context.transaction(), given["client_id"])
        return _told(context, given["client_id"])

    return run


def _moment(context: MutationContext, given: Any) -> datetime | None:
    """A moment that was given, or reckoned from now where it is relative."""
    tx = context.transaction()
    moment: datetime | None = reckoned(given, tx.now, tx.principal.zone)
    return moment


def _told(context: MutationContext, client_id: str, secret: str | None = None) -> Mapping[str, Any]:
    """The payload; a secret goes into this answer and into no stored one."""
    if secret is None:
        return {"client": ListedRef(CLIENT_LIST, client_id)}
    context.shown_once.append(secret)
    return {"client": ListedRef(CLIENT_LIST, client_id), "secret": secret}
