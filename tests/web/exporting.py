"""How tests export: people who may, the mutation, the download, and lists that are too long for any buffer."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from crm_graph.app import build_app
from crm_graph.db import write_engine
from crm_graph.models.ids import EntityCode, IdSource
from crm_graph.permissions.store import raise_policy_version

from .conftest import Answer, Crm, serving

CREATE = """
mutation($input: CreateExportInput!) {
  createExport(input: $input) {
    export { id url fileName format expiresAt }
    errors { code message path details }
  }
}"""
LONG = "query($key: String!) { interactions(where: { threadKey: { eq: $key } }) { nodes { id outcome body } } }"
BACKENDS = "pg_stat_activity WHERE application_name = 'crm-graph export' AND datname = current_database()"
SOON_S = 20
"""Long for a busy machine, and short of every timeout of an export."""
NO_SUCH_EXPORT = (404, "NOT_FOUND", "There is no such export, or it has expired. Make it again.")


async def create(
    crm: Crm, document: str, variables: Mapping[str, Any] | None = None, *, who: str = "sun", **more: Any
) -> dict[str, Any]:
    """The payload's export; JSON Lines unless something else is wanted."""
    wanted = {"document": document, "variables": variables, "format": "JSONL", **more}
    payload = (await crm.ask(who, CREATE, {"input": wanted})).payload("createExport")
    assert payload["errors"] == []
    made: dict[str, Any] = payload["export"]
    return made


async def refused(crm: Crm, document: str, variables: Any = None, **more: Any) -> list[tuple[str, str, list[str]]]:
    """Code, message and path of each error of an export that is not made."""
    wanted = {"document": document, "variables": variables, "format": "JSONL", **more}
    payload = (await crm.ask("sun", CREATE, {"input": wanted})).payload("createExport")
    assert payload["export"] is None
    return [(e["code"], e["message"], e["path"]) for e in payload["errors"]]


async def download(
    crm: Crm, url: str, who: str = "sun", http: httpx.AsyncClient | None = None, **headers: str
) -> httpx.Response:
    """The whole file, or what is told instead."""
    return await (http or crm.http).get(url, headers=crm.headers(who, **headers))


async def told(crm: Crm, url: str, who: str = "sun", http: httpx.AsyncClient | None = None) -> tuple[int, str, str]:
    """Status, code and message of a download that is refused."""
    return Answer(await download(crm, url, who, http)).error


@asynccontextmanager
async def hub(crm: Crm, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A second process on the same database, with settings of its own, and a client of it."""
    changed = crm.settings.model_copy(update=settings)
    async with serving(build_app(changed, clock=crm.clock)) as http:
        yield http


@asynccontextmanager
async def long_list(crm: Crm, rows: int = 3_000) -> AsyncIterator[str]:
    """Some thirty megabytes of interactions, and the key that they have in common."""
    key = uuid4().hex
    await crm.database.execute(
        "INSERT INTO interactions (id, channel, occurred_at, outcome, body, thread_key, created_at, updated_at)"
        " SELECT crm_id(2), 'VISIT', now(), 'before', repeat('长', 3333), $1, now(), now() FROM generate_series(1, $2)",
        key,
        rows,
    )
    try:
        yield key
    finally:
        await crm.database.execute("DELETE FROM interactions WHERE thread_key = $1", key)


async def until_no_backend(crm: Crm) -> None:
    """Return when the database runs no export any more, which is soon."""
    async with asyncio.timeout(SOON_S):
        while await crm.count(BACKENDS):
            pass


async def served_again(crm: Crm, url: str, http: httpx.AsyncClient | None = None) -> httpx.Response:
    """The download of sun's, once the place of one that was broken off is free, which is soon after its connection."""
    async with asyncio.timeout(SOON_S):
        while (answer := await download(crm, url, http=http)).status_code == 503:
            pass
    return answer


async def hire(crm: Crm, name: str, *roles: str, team: str | None = None) -> None:
    """A person with these roles who may export, unless they are here already."""
    if name in crm.users:
        return
    assert crm.settings.database_url
    ids, id_ = IdSource(crm.clock), IdSource(crm.clock).new(EntityCode.USER)
    engine = write_engine(crm.settings.database_url, crm.settings)
    try:
        async with AsyncSession(engine) as session, session.begin():
            await session.execute(text(_USER), {"id": id_, "name": name, "now": crm.clock()})
            await session.execute(text(_ROLE), {"id": ids.new(EntityCode.ROLE), "now": crm.clock()})
            await session.execute(text(_HOLDS), {"id": id_, "roles": [*roles, "exporter"]})
            if team is not None:
                await session.execute(text(_MEMBER), {"id": id_, "team": crm.teams[team]})
            await raise_policy_version(session)
    finally:
        await engine.dispose()
    crm.users[name] = id_


_USER = (
    "INSERT INTO users (id, kind, username, name, created_at, updated_at)"
    " VALUES (:id, 'PERSON', :name, :name, :now, :now)"
)
_ROLE = (
    "INSERT INTO roles (id, key, name_en, name_zh, actions, created_at, updated_at)"
    " VALUES (:id, 'exporter', 'Exporter', '导出员', '[\"export\"]', :now, :now) ON CONFLICT DO NOTHING"
)
_HOLDS = "INSERT INTO user_roles (user_id, role_id) SELECT :id, id FROM roles WHERE key = ANY(:roles)"
_MEMBER = "INSERT INTO team_members (user_id, team_id, is_primary) VALUES (:id, :team, true)"
