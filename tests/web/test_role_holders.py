"""Who has which role and until when: given, taken, ended by itself; and the company keeps an administrator."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.catalog import build_catalog
from crm_graph.db import write_engine
from crm_graph.models.ids import IdSource
from crm_graph.permissions.principals import load_principal
from crm_graph.permissions.store import load_policy
from crm_graph.services import role_holders
from crm_graph.services.role_holders import EXPIRY
from crm_graph.transaction import NotGranted, Transaction, begin
from web.administering import done, edit, grant, holds, new_role, refusals, role
from web.conftest import RESPONSE_JSON, Crm

NAMES = '{ customers(where: { city: { eq: "嘉兴" } }) { nodes { name } } }'
THERE = [{"name": "钱塘"}]


@pytest.fixture
async def jiaxing(ruled: Crm) -> str:
    """A role that sees the customers of one city, of which there is one; service sees names only by this role."""
    if not await ruled.count("roles WHERE key = 'jiaxing'"):
        where = {"city": {"eq": "嘉兴"}}
        await done(ruled, "createRole", input=new_role("jiaxing", grant(row_rule="WHERE", where=where)))
        await ruled.make("sun", "customer", kind="PERSON", name="钱塘", city="嘉兴")
    return "jiaxing"


async def seen(crm: Crm, who: str, token: str | None = None) -> Any:
    """The customers of Jiaxing that somebody sees."""
    sent = crm.headers(who) if token is None else {"Authorization": f"Bearer {token}", "Accept": RESPONSE_JSON}
    answer = (await crm.http.post("/graphql", json={"query": NAMES}, headers=sent)).json()
    return answer["data"]["customers"]["nodes"]


async def held(crm: Crm, who: str, key: str) -> Any:
    """A role of a user as an admin sees it."""
    asked = (
        "query($n: String!) { users(where: { username: { eq: $n } }) { nodes { roles { key origin until expired } } } }"
    )
    (user,) = (await crm.ask("root", asked, {"n": who})).data["users"]["nodes"]
    return next((r for r in user["roles"] if r["key"] == key), None)


async def test_role_is_given_and_taken_in_every_process(ruled: Crm, elsewhere: Crm, jiaxing: str) -> None:
    user = str(ruled.users["wang"])
    assert await seen(elsewhere, "wang") == await seen(ruled, "wang") == []

    given = await done(ruled, "grantRole", user=user, role=jiaxing, reason="Covers for Li")

    assert {"key": jiaxing, "origin": "manual", "until": None, "expired": False} in given["roles"]
    for crm in (ruled, elsewhere):
        await holds(partial(_is, seen, THERE, crm, "wang"))
    assert (await role(ruled, jiaxing))["holders"] == 1
    await done(ruled, "revokeRole", user=user, role=jiaxing)
    for crm in (ruled, elsewhere):
        await holds(partial(_is, seen, [], crm, "wang"))
    events = await ruled.events(user)
    assert [(e["type"], e["before"], e["after"], e["reason"]) for e in events[-2:]] == [
        ("user.role_granted", {}, {"role": jiaxing, "origin": "manual", "until": None}, "Covers for Li"),
        ("user.role_revoked", {"role": jiaxing, "origin": "manual", "until": None}, {}, None),
    ]


async def _is(ask: Callable[..., Awaitable[Any]], wanted: Any, *asked: Any) -> bool:
    return bool(await ask(*asked) == wanted)


async def test_role_ends_by_itself_in_every_process(ruled: Crm, elsewhere: Crm, jiaxing: str) -> None:
    """The token, its principal and the prepared query are in both caches; no row changes at the end."""
    user, until = str(ruled.users["chen"]), ruled.clock() + timedelta(minutes=5)
    await done(ruled, "grantRole", user=user, role=jiaxing, until=until.isoformat())
    token = ruled.token("chen")
    for crm in (ruled, elsewhere):
        await holds(partial(_is, seen, THERE, crm, "chen", token))
    version = await ruled.database.fetchval("SELECT version FROM policy_version")
    ruled.clock.now = until - timedelta(milliseconds=100)
    for crm in (ruled, elsewhere):
        assert await seen(crm, "chen", token) == THERE

    ruled.clock.now = until

    for crm in (ruled, elsewhere):
        assert await seen(crm, "chen", token) == []
    assert await ruled.database.fetchval("SELECT version FROM policy_version") == version
    told = await held(ruled, "chen", jiaxing)
    assert (told["expired"], datetime.fromisoformat(told["until"])) == (True, until)
    assert (await role(ruled, jiaxing))["holders"] == 0


async def timers(crm: Crm, user: str) -> list[tuple[str, datetime]]:
    """When an event is to tell that roles of a user ended, by role."""
    rows = await crm.database.fetch(
        "SELECT key, due_at FROM timers WHERE entity_id::text = $1 AND kind = $2", user, EXPIRY
    )
    return [(row["key"], row["due_at"]) for row in rows]


async def test_end_is_moved_and_taken_away(ruled: Crm, jiaxing: str) -> None:
    user, soon = str(ruled.users["chen"]), ruled.clock() + timedelta(minutes=5)
    for until in (soon, soon + timedelta(minutes=5)):
        await done(ruled, "grantRole", user=user, role=jiaxing, until=until.isoformat())
        assert await timers(ruled, user) == [(jiaxing, until)]
    moved = await done(ruled, "grantRole", user=user, role=jiaxing)
    assert await timers(ruled, user) == []
    again = await done(ruled, "grantRole", user=user, role=jiaxing)

    assert (await held(ruled, "chen", jiaxing))["until"] is None
    assert again["version"] == moved["version"]
    await done(ruled, "grantRole", user=user, role=jiaxing, until=soon.isoformat())
    await done(ruled, "revokeRole", user=user, role=jiaxing)
    assert await timers(ruled, user) == []


async def test_wrong_gifts_are_refused_with_their_place(ruled: Crm, jiaxing: str) -> None:
    chen, nobody = str(ruled.users["chen"]), str(ruled.users["chen"])[:-4] + "0000"
    past = (ruled.clock() - timedelta(seconds=1)).isoformat()

    for given, told in (
        ({"user": nobody, "role": jiaxing}, ("NOT_FOUND", "user")),
        ({"user": "x", "role": jiaxing}, ("INVALID", "user")),
        ({"user": chen, "role": "jiaxin"}, ("NOT_FOUND", "role")),
        ({"user": chen, "role": "everyone"}, ("RULE_VIOLATED", "role")),
        ({"user": chen, "role": jiaxing, "until": past}, ("INVALID", "until")),
        ({"user": str(ruled.users["root"]), "role": "sales"}, ("RULE_VIOLATED", "user")),
    ):
        assert await refusals(ruled, "grantRole", **given) == [told]


async def test_nobody_widens_their_own_rights(ruled: Crm) -> None:
    """Managing rights does not give data: another administrator has to give it, and the log tells who did."""
    admin = await role(ruled, "admin")
    reading = grant("Customer", "OWN")

    for name, given in (
        ("setGrants", {"role": "admin", "grants": [*admin["grants"], reading]}),
        ("setGrants", {"role": "everyone", "grants": [*(await role(ruled, "everyone"))["grants"], reading]}),
        ("updateRole", {"key": "admin", "input": {"inherits": ["sales"]}}),
        ("updateRole", {"key": "admin", "input": {"actions": [*admin["actions"], "export"]}}),
    ):
        (error,) = (await edit(ruled, name, **given))["errors"]
        assert (error["code"], error["message"]) == (
            "RULE_VIOLATED",
            "Nobody gives themselves more rights (separation of duties). Ask another administrator.",
        )
    assert await role(ruled, "admin") == admin


async def test_what_was_taken_from_ones_own_role_does_not_come_back_by_resetting_it(ruled: Crm) -> None:
    """A company took two actions from its administrators."""
    admin = await role(ruled, "admin")
    taken = {"clients:manage", "access:explain"}
    await done(ruled, "updateRole", key="admin", input={"actions": sorted(set(admin["actions"]) - taken)})
    await holds(lambda: _knows_no_clients(ruled))
    less = await role(ruled, "admin")

    refused = await refusals(ruled, "resetRole", key="admin")

    left = await role(ruled, "admin")
    await ruled.database.execute(
        "UPDATE roles SET actions = $1::jsonb WHERE key = 'admin'", orjson.dumps(admin["actions"]).decode()
    )
    await ruled.database.execute("UPDATE policy_version SET version = version + 1")
    await holds(lambda: _actions_are(ruled, admin["actions"]))
    assert refused == [("RULE_VIOLATED", "")]
    assert left == less


async def _knows_no_clients(crm: Crm) -> bool:
    return (await crm.ask("root", "{ clients { totalCount } }")).status == 400


async def _actions_are(crm: Crm, actions: list[str]) -> bool:
    told: list[str] = (await role(crm, "admin"))["actions"]
    return told == actions


async def test_who_only_appoints_gives_no_right_to_manage(ruled: Crm, jiaxing: str) -> None:
    await done(ruled, "createRole", input=new_role("appointer", actions=["roles:assign", "roles:read"]))
    await done(ruled, "grantRole", user=str(ruled.users["zhou"]), role="appointer")
    await holds(lambda: _reads_roles(ruled, "zhou"))
    chen, root = str(ruled.users["chen"]), str(ruled.users["root"])

    assert await refusals(ruled, "grantRole", "zhou", user=chen, role="admin") == [("RULE_VIOLATED", "")]
    assert await refusals(ruled, "revokeRole", "zhou", user=root, role="admin") == [("RULE_VIOLATED", "")]
    assert await refusals(ruled, "suspendUser", "zhou", user=root) == [("RULE_VIOLATED", "")]
    assert (await done(ruled, "grantRole", "zhou", user=chen, role=jiaxing))["username"] == "chen"
    await done(ruled, "removeRole", key="appointer")
    await done(ruled, "revokeRole", user=chen, role=jiaxing)


async def _reads_roles(crm: Crm, who: str) -> bool:
    return (await crm.ask(who, "{ roles { key } }")).status == 200


async def test_not_everyone_manages_rights(ruled: Crm) -> None:
    everyone = await role(ruled, "everyone")
    actions = [*everyone["actions"], "roles:manage"]

    assert await refusals(ruled, "updateRole", key="everyone", input={"actions": actions}) == [("RULE_VIOLATED", "")]


async def test_removed_role_is_gone_from_whoever_had_it(ruled: Crm) -> None:
    await done(ruled, "createRole", input=new_role("brief", grant("Lead")))
    await done(ruled, "grantRole", user=str(ruled.users["qian"]), role="brief")
    leads = "{ leads { totalCount } }"
    await holds(lambda: _answered(ruled, "qian", leads))
    id_ = await ruled.database.fetchval("SELECT id FROM roles WHERE key = 'brief'")

    assert await done(ruled, "removeRole", key="brief") == "brief"

    await holds(lambda: _refused(ruled, "qian", leads))
    assert await held(ruled, "qian", "brief") is None
    assert (await ruled.events(str(id_)))[-1]["before"]["holders"] == [str(ruled.users["qian"])]


async def _answered(crm: Crm, who: str, document: str) -> bool:
    return (await crm.ask(who, document)).status == 200


async def _refused(crm: Crm, who: str, document: str) -> bool:
    return not await _answered(crm, who, document)


async def test_suspended_user_is_refused_in_every_process_until_reinstated(ruled: Crm, elsewhere: Crm) -> None:
    user, token = str(ruled.users["li"]), ruled.token("li")
    for crm in (ruled, elsewhere):
        assert await _status(crm, token) == 200

    assert (await done(ruled, "suspendUser", user=user))["status"] == "SUSPENDED"

    for crm in (ruled, elsewhere):
        await holds(partial(_is, _status, 401, crm, token))
    assert (await done(ruled, "reinstateUser", user=user))["status"] == "ACTIVE"
    for crm in (ruled, elsewhere):
        await holds(partial(_is, _status, 200, crm, ruled.token("li")))
        assert await _status(crm, token) == 401


async def _status(crm: Crm, token: str) -> int:
    sent = {"Authorization": f"Bearer {token}", "Accept": RESPONSE_JSON}
    return (await crm.http.post("/graphql", json={"query": "{ viewer { locale } }"}, headers=sent)).status_code


async def test_last_administrator_stays(ruled: Crm) -> None:
    """Chen is an administrator for an hour only, so root is the last one who lasts."""
    root, chen = str(ruled.users["root"]), str(ruled.users["chen"])
    later = (ruled.clock() + timedelta(hours=1)).isoformat()
    await done(ruled, "grantRole", user=chen, role="admin", until=later)
    await holds(lambda: _reads_roles(ruled, "chen"))
    admin = await role(ruled, "admin")

    for name, given in (
        ("revokeRole", {"user": root, "role": "admin"}),
        ("grantRole", {"user": root, "role": "admin", "until": later}),
        ("suspendUser", {"user": root}),
        ("updateRole", {"key": "admin", "input": {"actions": [a for a in admin["actions"] if a != "roles:assign"]}}),
        ("updateRole", {"key": "admin", "input": {"actions": []}}),
    ):
        (error,) = (await edit(ruled, name, "chen", **given))["errors"]
        assert (error["code"], error["message"]) == (
            "RULE_VIOLATED",
            "Nobody would be left who manages rights without an end. Make somebody else an administrator first.",
        )
    assert await role(ruled, "admin") == admin
    assert (await held(ruled, "root", "admin"))["until"] is None
    await done(ruled, "revokeRole", user=chen, role="admin")


async def test_two_administrators_cannot_take_each_other_out_at_once(ruled: Crm) -> None:
    """Both take the other's role away at the same time; the second waits for the first, and has no right to then."""
    root, sun = ruled.users["root"], ruled.users["sun"]
    await done(ruled, "grantRole", user=str(sun), role="admin")
    engine = write_engine(str(ruled.settings.database_url), ruled.settings)
    try:
        async with asyncio.timeout(30):
            async with _acting(ruled, engine, root) as first:
                await role_holders.revoke(first, {"user": str(sun), "role": "admin"})
                second = asyncio.create_task(_revoke(ruled, engine, sun, root))
                await _waits_or_ends(ruled, second)
        with pytest.raises(NotGranted):
            await second
    finally:
        await engine.dispose()
    assert await held(ruled, "sun", "admin") is None
    assert (await held(ruled, "root", "admin"))["until"] is None


async def _revoke(crm: Crm, engine: AsyncEngine, who: UUID, whose: UUID) -> None:
    async with _acting(crm, engine, who) as tx:
        await role_holders.revoke(tx, {"user": str(whose), "role": "admin"})


@asynccontextmanager
async def _acting(crm: Crm, engine: AsyncEngine, who: UUID) -> AsyncIterator[Transaction]:
    """A transaction of a user, with the rights that they have when it begins."""
    catalog = build_catalog()
    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        loaded = await load_principal(driver, await load_policy(driver), catalog, who, now=crm.clock())
    async with begin(engine, loaded.principal, catalog, crm.clock, IdSource(crm.clock), source="api") as tx:
        yield tx


async def _waits_or_ends(crm: Crm, task: "asyncio.Task[None]") -> None:
    waiting = "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while not task.done() and not await crm.count(waiting):
        await asyncio.wait((task,), timeout=0.01)


@pytest.mark.parametrize("verb", ["revokeRole", "suspendUser"])
async def test_right_that_was_taken_meanwhile_gives_nothing(ruled: Crm, verb: str) -> None:
    """Sun's request has begun; before its edit, root takes the right away."""
    sun, engine = ruled.users["sun"], write_engine(str(ruled.settings.database_url), ruled.settings)
    await done(ruled, "grantRole", user=str(sun), role="admin")
    try:
        async with _acting(ruled, engine, sun) as tx:
            await done(ruled, verb, user=str(sun), **({"role": "admin"} if verb == "revokeRole" else {}))
            with pytest.raises(NotGranted):
                await role_holders.grant(tx, {"user": str(ruled.users["chen"]), "role": "finance"})
    finally:
        await engine.dispose()
    if verb == "suspendUser":
        await done(ruled, "reinstateUser", user=str(sun))
        await done(ruled, "revokeRole", user=str(sun), role="admin")
    assert await held(ruled, "chen", "finance") is None


async def test_end_is_reckoned_from_the_moment_of_the_request(ruled: Crm, jiaxing: str) -> None:
    user = str(ruled.users["chen"])
    asked = ruled.clock()
    given = await done(ruled, "grantRole", user=user, role=jiaxing, until={"in": "P30D"})

    (told,) = [one for one in given["roles"] if one["key"] == jiaxing]
    assert asked < datetime.fromisoformat(told["until"]) - timedelta(days=30) < ruled.clock()
    await done(ruled, "revokeRole", user=user, role=jiaxing)
