"""What admins do with clients over HTTP, for the tests of it."""

import asyncio
from typing import Any
from uuid import UUID

import httpx

from .conftest import Answer, Crm
from .machines import GRANT, basic_header

FIELDS = "clientId name status scopes roles source costPerMinute keyIds secrets { id endsAt }"
REGISTER = (
    "mutation($id: String!, $name: String!, $scopes: [String!]!, $roles: [String!]!, $source: String,"
    " $cost: Int, $jwks: JSON) { registerClient(clientId: $id, name: $name, scopes: $scopes, roles: $roles,"
    f" source: $source, costPerMinute: $cost, jwks: $jwks) {{ client {{ {FIELDS} }} secret"
    " errors { code path message } } }"
)
ROTATE = (
    "mutation($id: String!, $ends: DateTime) { rotateClientSecret(clientId: $id, oldEndsAt: $ends)"
    " { client { secrets { id endsAt } } secret errors { code path } } }"
)
RETIRE = (
    "mutation($id: String!, $secret: String, $ends: DateTime)"
    " { retireClientSecret(clientId: $id, secretId: $secret, endsAt: $ends)"
    " { client { secrets { id endsAt } } errors { code path } } }"
)
CUSTOMERS = "{ customers(first: 1) { nodes { id } } }"


def values(client_id: str, **more: Any) -> dict[str, Any]:
    return {"id": client_id, "name": client_id.title(), "scopes": ["customers:read"], "roles": ["sales"], **more}


async def register(crm: Crm, client_id: str, who: str = "root", **more: Any) -> Any:
    return (await crm.ask(who, REGISTER, values(client_id, **more))).payload("registerClient")


async def change(crm: Crm, client_id: str, change: str, who: str = "root") -> Any:
    document = (
        f'mutation {{ updateClient(clientId: "{client_id}", {change}) {{ client {{ {FIELDS} }}'
        " errors { code path message } } }"
    )
    return (await crm.ask(who, document)).payload("updateClient")


async def tell(crm: Crm, verb: str, client_id: str, who: str = "root") -> Any:
    """Suspend, reinstate or remove."""
    document = (
        f"mutation($id: String!) {{ {verb}Client(clientId: $id) {{ client {{ clientId status keyIds secrets {{ id }} }}"
        " errors { code path } } }"
    )
    return (await crm.ask(who, document, {"id": client_id})).payload(f"{verb}Client")


async def token(crm: Crm, client_id: str, secret: str) -> httpx.Response:
    headers = {"Authorization": basic_header(client_id, secret)}
    return await crm.http.post("/oauth/token", data=GRANT, headers=headers)


async def ask_with(crm: Crm, access_token: str, document: str = CUSTOMERS) -> Answer:
    headers = {"Authorization": f"Bearer {access_token}", "Accept": "application/graphql-response+json"}
    return Answer(await crm.http.post("/graphql", json={"query": document}, headers=headers))


async def until(crm: Crm, access_token: str, status: int) -> None:
    """Ask until the answer has this status; rights hold within a second."""
    async with asyncio.timeout(1):
        while (await ask_with(crm, access_token)).status != status:
            pass


async def told(crm: Crm, client_id: str) -> list[dict[str, Any]]:
    """The events of a client."""
    id_: UUID = await crm.database.fetchval("SELECT id FROM clients WHERE client_id = $1", client_id)
    return await crm.events(str(id_))
