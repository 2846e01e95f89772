"""A company whose people come through OpenID Connect issuers, over HTTP on both sides."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from web.conftest import Answer, Crm, opened, settings_of_own_database
from web.issuing import GROUPS, SAVE, Issuer, Live, issuers

REFUSED = (401, "UNAUTHENTICATED", "A valid access token is needed.")
DOWN = (503, "UNAVAILABLE", "The service is not available now. Try again later.")
KEYS = "/jwks"


@dataclass
class Company:
    """A hub that takes the tokens of one of two issuers."""

    crm: Crm
    clock: Live
    known: Issuer
    other: Issuer

    async def save(self, url: str, **variables: Any) -> Any:
        """Change an issuer as the admin; gives the payload."""
        answer = await self.crm.ask("root", SAVE, {"url": url, **variables})
        return answer.payload("saveIssuer")

    async def configure(self, issuer: Issuer, **variables: Any) -> Any:
        """Take an issuer's tokens; gives what is taken of it."""
        given = {"name": "Company", "audiences": ["crm-graph"], "map": GROUPS, "status": "ACTIVE", **variables}
        payload = await self.save(issuer.url, **given)
        assert payload["errors"] == []
        return payload["issuer"]

    async def ask(self, token: str, query: str = "{ leads { totalCount } }") -> Answer:
        headers = {"Authorization": f"Bearer {token}"}
        return Answer(await self.crm.http.post("/graphql", json={"query": query}, headers=headers))

    async def lets_in(self, token: str) -> bool:
        """Whether the token is answered at all."""
        answer = await self.ask(token, "{ __typename }")
        assert answer.status in {200, 401}, answer.response.text
        return answer.status == 200

    async def becomes(self, token: str, *, let_in: bool) -> None:
        """Wait until a change of the issuer holds: a second at most."""

        async def holds() -> bool:
            return await self.lets_in(token) == let_in

        await within_a_second(holds)

    async def rights(self, token: str) -> tuple[bool, bool]:
        """Whether who comes with it sees leads, as sales does, and bank accounts, as finance does."""
        leads = await self.ask(token)
        accounts = await self.ask(token, "{ contracts { nodes { bankAccount } } }")
        return "errors" not in leads.json, "errors" not in accounts.json

    async def user(self, issuer: Issuer, subject: str) -> dict[str, Any]:
        """The user that a subject of an issuer is, with the roles and where they are from."""
        row = await self.crm.database.fetchrow(_USER, issuer.url, subject)
        assert row is not None
        return {**row, "roles": orjson.loads(row["roles"])}

    async def teams(self, user: Any) -> dict[str, tuple[str, bool]]:
        """Of which teams a user is, from where, and whether it is the primary one."""
        rows = await self.crm.database.fetch(
            "SELECT t.key, split_part(m.origin, ':', 1) AS origin, m.is_primary"
            " FROM team_members m JOIN teams t ON t.id = m.team_id WHERE m.user_id = $1",
            user["id"],
        )
        return {row["key"]: (row["origin"], row["is_primary"]) for row in rows}

    async def users(self) -> int:
        return await self.crm.count("users")

    async def give(self, user: Any, role: str) -> None:
        """As an admin gives a role."""
        await self.crm.database.execute(
            "INSERT INTO user_roles (user_id, role_id) SELECT $1, id FROM roles WHERE key = $2", user["id"], role
        )
        await self.crm.database.execute("UPDATE policy_version SET version = version + 1")


_USER = """
SELECT u.id, u.kind, u.username, u.name, u.email, u.locale, u.status, u.version, u.updated_at,
       (SELECT COALESCE(jsonb_object_agg(r.key, split_part(h.origin, ':', 1)), '{}')::text
        FROM user_roles h JOIN roles r ON r.id = h.role_id WHERE h.user_id = u.id) AS roles
FROM identities i JOIN issuers s ON s.id = i.issuer_id JOIN users u ON u.id = i.user_id
WHERE s.url = $1 AND i.subject = $2
"""


@pytest.fixture(scope="session")
async def company(
    cluster_address: str, worker_id: str, tmp_path_factory: pytest.TempPathFactory, _plain_logs: None
) -> AsyncIterator[Company]:
    clock = Live()
    home: Path = tmp_path_factory.mktemp("people")
    settings = await settings_of_own_database(cluster_address, worker_id, "people", home)
    async with issuers(2) as (known, other), opened(settings, clock, clock.monotonic) as crm:
        made = Company(crm, clock, known, other)
        await made.configure(known)
        yield made


@pytest.fixture(autouse=True)
async def _as_before(company: Company) -> AsyncIterator[None]:
    """Each test begins at the issuers' time, with the first issuer as it was configured at first."""
    yield
    company.clock.by = timedelta()
    await company.known.tell(answers={})
    await company.configure(company.known, clients=[], plain=False, leeway=5)


async def within_a_second(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(1):
        while not await condition():  # noqa: ASYNC110 - asks over HTTP, which nothing else tells
            await asyncio.sleep(0)


def now_and(seconds: int) -> int:
    return int(datetime.now(UTC).timestamp()) + seconds
