"""Rights that issuers' claims give, beside those who administer rights: what their map, its roles and the people who
come by it are kept from.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest
from joserfc.util import urlsafe_b64encode
from structlog.testing import capture_logs

from crm_graph.access import Access
from crm_graph.catalog import build_catalog
from crm_graph.db import write_engine
from crm_graph.errors import Unauthenticated
from crm_graph.models.ids import EntityCode, IdSource
from crm_graph.permissions.authentication import Bearer, Principals
from crm_graph.permissions.people import Admitted, IssuerChanged, People, Person
from crm_graph.permissions.principals import Principal
from crm_graph.permissions.tokens import TokenClaims
from crm_graph.services.people import admit
from crm_graph.transaction import Transaction, begin
from web.administering import done, edit, grant, holds, new_role, refusals, role
from web.conftest import Crm

URL = "https://claims.example.com"
REFUSED = [("RULE_VIOLATED", "")]


def rule(value: str, *roles: str) -> dict[str, Any]:
    return {"claim": ["groups"], "value": value, "roles": list(roles), "teams": []}


@asynccontextmanager
async def mapping(crm: Crm, *rules: dict[str, Any], url: str = URL) -> AsyncIterator[UUID]:
    """An issuer whose claims give roles; in the end it gives none and is suspended."""
    given: dict[str, Any] = {"url": url, "name": "Claims", "audiences": ["crm"], "status": "ACTIVE"}
    await done(crm, "saveIssuer", **given, roleMap=list(rules))
    id_: UUID = await crm.database.fetchval("SELECT id FROM issuers WHERE url = $1", url)
    yield id_
    await crm.database.execute("DELETE FROM identities WHERE issuer_id = $1", id_)
    await done(crm, "saveIssuer", url=url, roleMap=[], status="SUSPENDED")


async def claimed(crm: Crm, issuer: UUID, who: str, key: str) -> None:
    """A role that a user has by a claim."""
    await crm.database.execute(
        "INSERT INTO user_roles (user_id, role_id, origin) SELECT $1, id, $3 FROM roles WHERE key = $2",
        crm.users[who], key, f"issuer:{issuer}",
    )  # fmt: skip


@asynccontextmanager
async def acting_as(crm: Crm, who: str, key: str, *actions: str) -> AsyncIterator[None]:
    """Let somebody manage some of the rights for a while."""
    await done(crm, "createRole", input=new_role(key, actions=["roles:read", *actions]))
    await done(crm, "grantRole", user=str(crm.users[who]), role=key)
    await holds(lambda: _may(crm, who))
    yield
    await done(crm, "removeRole", key=key)


async def _may(crm: Crm, who: str) -> bool:
    return (await crm.ask(who, "{ roles { key } }")).status == 200


async def test_who_may_not_give_a_role_changes_nothing_of_the_claims_that_give_it(ruled: Crm) -> None:
    """Another value of the same rule gives the role to somebody else; so do other clients, audiences or algorithms."""
    async with (
        mapping(ruled, rule("admins", "admin")),
        acting_as(ruled, "zhou", "half_admin", "roles:manage", "roles:assign"),
    ):
        refused: tuple[dict[str, Any], ...] = (
            {"roleMap": [rule("friends", "admin")]},
            {"roleMap": [rule("admins", "sales")]},
            {"audiences": ["crm", "mine"]},
            {"status": "SUSPENDED"},
            {"signInClient": "an_app_of_mine"},
            {"signInSecret": "mine"},
        )
        for changes in refused:
            assert await refusals(ruled, "saveIssuer", "zhou", url=URL, **changes) == REFUSED
        named = await edit(ruled, "saveIssuer", "zhou", url=URL, name="Ours")
    assert named["errors"] == []


async def test_key_that_claims_name_is_neither_freed_nor_taken(ruled: Crm) -> None:
    await done(ruled, "createRole", input=new_role("named", grant("Lead")))
    async with mapping(ruled, rule("some", "named")):
        assert await refusals(ruled, "removeRole", key="named") == [("RULE_VIOLATED", "key")]
        await ruled.database.execute("UPDATE roles SET key = 'renamed' WHERE key = 'named'")
        made = await refusals(ruled, "createRole", input=new_role("named", grant("Customer")))
        copy: dict[str, Any] = {"key": "sales", "as": "named", "label": {"zh": "新", "en": "New"}}
        cloned = await refusals(ruled, "cloneRole", **copy)
        await ruled.database.execute("UPDATE roles SET key = 'named' WHERE key = 'renamed'")
    assert (made, cloned) == ([("RULE_VIOLATED", "input.key")], [("RULE_VIOLATED", "as")])
    assert await done(ruled, "removeRole", key="named") == "named"


async def test_role_that_would_come_back_is_taken_at_its_issuer(ruled: Crm) -> None:
    chen = str(ruled.users["chen"])
    async with mapping(ruled, rule("books", "finance")) as issuer:
        await claimed(ruled, issuer, "chen", "finance")
        (error,) = (await edit(ruled, "revokeRole", user=chen, role="finance"))["errors"]
        assert (error["code"], error["path"], error["message"]) == (
            "RULE_VIOLATED",
            ["role"],
            "The issuer Claims gives this role, so it would come back. Take it there, or suspend the user.",
        )
        await done(ruled, "saveIssuer", url=URL, status="SUSPENDED")
        taken = await done(ruled, "revokeRole", user=chen, role="finance")
    assert "finance" not in {one["key"] for one in taken["roles"]}


async def test_roles_of_a_suspended_issuer_do_not_stay_with_who_comes_in_by_another(ruled: Crm) -> None:
    """Zhou has a role and a team by claims of an issuer that is suspended then; as a seller they come in by another."""
    zhou, north = ruled.users["zhou"], ruled.teams["north"]
    async with mapping(ruled, rule("books", "finance")) as issuer:
        await claimed(ruled, issuer, "zhou", "finance")
        await ruled.database.execute(
            "INSERT INTO team_members (user_id, team_id, origin) VALUES ($1, $2, $3)", zhou, north, f"issuer:{issuer}"
        )
        held = "user_roles WHERE user_id = $1 AND origin LIKE 'issuer:%'"
        assert await ruled.count(held, zhou) == 1
        await done(ruled, "saveIssuer", url=URL, status="SUSPENDED")

        assert await ruled.count(held, zhou) == 0
        assert await ruled.count("team_members WHERE user_id = $1 AND origin LIKE 'issuer:%'", zhou) == 0
        await holds(lambda: _lacks(ruled, "zhou", "finance"))


async def test_role_that_another_issuer_gives_too_stays_when_one_of_them_is_suspended_and_comes_back_with_it(
    ruled: Crm,
) -> None:
    """Chen is in both: the one said finance first and alone says north; the other said it too, by a map of before."""
    chen, other = ruled.users["chen"], "https://others.example.com"
    books = {**rule("books", "finance"), "teams": ["north"]}
    async with mapping(ruled, books) as issuer, mapping(ruled, rule("money", "finance"), url=other) as second:
        await done(ruled, "saveIssuer", url=URL, name="First")
        for id_, said, teams in ((issuer, "finance", ["north"]), (second, "finance", [])):
            await comes_by(ruled, id_, "chen", [said], teams)
        assert await held_by_claims(ruled, chen) == {"finance": issuer, "north": issuer}

        await done(ruled, "saveIssuer", url=URL, status="SUSPENDED")
        assert await held_by_claims(ruled, chen) == {"finance": second}
        await done(ruled, "saveIssuer", url=other, status="SUSPENDED")
        assert await held_by_claims(ruled, chen) == {}
        await holds(lambda: _lacks(ruled, "chen", "finance"))
        await done(ruled, "saveIssuer", url=URL, status="ACTIVE")
        assert await held_by_claims(ruled, chen) == {"finance": issuer, "north": issuer}
        await holds(lambda: _has(ruled, "chen", "finance"))

        # What its claims meant by another map waits for a token, whichever issuer it would take the place of.
        await done(ruled, "saveIssuer", url=other, roleMap=[rule("others", "finance")])
        await done(ruled, "saveIssuer", url=other, status="ACTIVE")
        await done(ruled, "saveIssuer", url=URL, roleMap=[rule("books", "sales")])
        assert await held_by_claims(ruled, chen) == {}
        await done(ruled, "saveIssuer", url=URL, status="SUSPENDED")
        await done(ruled, "saveIssuer", url=URL, status="ACTIVE", roleMap=[books])
        assert await held_by_claims(ruled, chen) == {}


async def comes_by(crm: Crm, issuer: UUID, who: str, roles: list[str], teams: list[str]) -> None:
    """Somebody comes with a token of an issuer, as it is now."""
    version: int = await crm.database.fetchval("SELECT version FROM issuers WHERE id = $1", issuer)
    await crm.database.execute(
        "INSERT INTO identities (issuer_id, subject, user_id, created_at) VALUES ($1, $2, $3, now())",
        issuer, who, crm.users[who],
    )  # fmt: skip
    said = replace(person(issuer, version, who), roles=frozenset(roles), teams=frozenset(teams))
    async with _writing(crm, crm.users[who]) as tx:
        assert await admit(tx, said) is not None


async def held_by_claims(crm: Crm, user: UUID) -> dict[str, UUID]:
    """The roles and teams that somebody has by claims, and of which issuer."""
    rows = await crm.database.fetch(
        "SELECT r.key, h.origin FROM user_roles h JOIN roles r ON r.id = h.role_id WHERE h.user_id = $1"
        " UNION SELECT t.key, m.origin FROM team_members m JOIN teams t ON t.id = m.team_id WHERE m.user_id = $1",
        user,
    )
    return {row["key"]: UUID(row["origin"][7:]) for row in rows if row["origin"].startswith("issuer:")}


async def _has(crm: Crm, who: str, key: str) -> bool:
    return not await _lacks(crm, who, key)


async def _lacks(crm: Crm, who: str, key: str) -> bool:
    told = (await crm.ask(who, "{ viewer { roles { key } } }")).data["viewer"]["roles"]
    return key not in {one["key"] for one in told}


async def test_role_that_ones_claims_give_again_is_not_widened_meanwhile(ruled: Crm) -> None:
    await done(ruled, "createRole", input=new_role("absent", grant("Lead")))
    async with mapping(ruled, rule("some", "absent")) as issuer:
        await ruled.database.execute(
            "INSERT INTO identities (issuer_id, subject, user_id, roles, created_at) VALUES ($1, 'r', $2, $3, now())",
            issuer, ruled.users["root"], '["absent"]',
        )  # fmt: skip
        assert await refusals(ruled, "setGrants", role="absent", grants=[grant("Customer")]) == REFUSED
    await done(ruled, "removeRole", key="absent")


async def test_administrator_by_a_suspended_issuer_is_nobody_who_is_left(ruled: Crm) -> None:
    root, chen = str(ruled.users["root"]), str(ruled.users["chen"])
    later = datetime.fromtimestamp(ruled.clock().timestamp() + 3600, UTC).isoformat()
    async with mapping(ruled) as issuer:
        await done(ruled, "saveIssuer", url=URL, status="SUSPENDED")
        await claimed(ruled, issuer, "sun", "admin")
        await done(ruled, "grantRole", user=chen, role="admin", until=later)
        await holds(lambda: _may(ruled, "chen"))
        refused = await refusals(ruled, "revokeRole", "chen", user=root, role="admin")
        await done(ruled, "revokeRole", user=chen, role="admin")
        await ruled.database.execute("DELETE FROM user_roles WHERE origin = $1", f"issuer:{issuer}")
    assert refused == REFUSED


async def test_who_is_suspended_is_not_unlinked_to_come_in_as_somebody_new(ruled: Crm) -> None:
    chen, at = str(ruled.users["chen"]), {"issuer": URL, "subject": "chen"}
    async with mapping(ruled, rule("some", "sales")):
        await done(ruled, "linkIdentity", user=chen, **at)
        await done(ruled, "suspendUser", user=chen)
        assert await refusals(ruled, "unlinkIdentity", **at) == [("RULE_VIOLATED", "subject")]
        await done(ruled, "reinstateUser", user=chen)
        assert (await done(ruled, "unlinkIdentity", **at))["username"] == "chen"


async def test_user_has_one_subject_at_an_issuer(ruled: Crm) -> None:
    chen = str(ruled.users["chen"])
    async with mapping(ruled, rule("some", "sales")):
        await done(ruled, "linkIdentity", user=chen, issuer=URL, subject="one")
        assert await refusals(ruled, "linkIdentity", user=chen, issuer=URL, subject="two") == [("DUPLICATE", "user")]


async def test_who_takes_a_right_to_manage_must_have_it(ruled: Crm) -> None:
    await done(ruled, "createRole", input=new_role("desk", actions=["clients:manage", "export"]))
    version = (await role(ruled, "desk"))["version"]
    async with acting_as(ruled, "zhou", "editor", "roles:manage"):
        at = {"key": "desk", "expectedVersion": version}
        less = await refusals(ruled, "updateRole", "zhou", **at, input={"actions": ["export"]})
        gone = await refusals(ruled, "removeRole", "zhou", **at)
        other = await edit(ruled, "updateRole", "zhou", **at, input={"actions": ["clients:manage"]})
    assert (less, gone, other["errors"]) == (REFUSED, REFUSED, [])
    await done(ruled, "removeRole", key="desk")


# Whose token was read before something changed.


def person(issuer: UUID, version: int, subject: str) -> Person:
    return Person(issuer, version, f"issuer:{issuer}", subject, datetime.now(UTC), frozenset({"sales"}), frozenset())


async def test_nobody_is_admitted_by_a_map_that_was_changed_meanwhile(ruled: Crm) -> None:
    async with mapping(ruled, rule("some", "sales")) as issuer:
        read_with: int = await ruled.database.fetchval("SELECT version FROM issuers WHERE id = $1", issuer)
        async with _writing(ruled) as tx:
            assert await admit(tx, person(issuer, read_with, "in-time")) == Admitted(tx.principal.user_id, changed=True)
        await done(ruled, "saveIssuer", url=URL, roleMap=[rule("others", "sales")])
        async with _writing(ruled) as tx:
            with pytest.raises(IssuerChanged):
                await admit(tx, person(issuer, read_with, "late"))
        await done(ruled, "saveIssuer", url=URL, status="SUSPENDED")
        async with _writing(ruled) as tx:
            with pytest.raises(IssuerChanged):
                await admit(tx, person(issuer, read_with + 2, "suspended"))
    assert await ruled.count("users WHERE username IN ('late', 'suspended')") == 0


async def test_issuer_takes_the_last_administrator_away_and_it_is_told_aloud(ruled: Crm) -> None:
    """Root's right has an end for a while, so that the one by a claim is the last that lasts."""
    async with mapping(ruled, rule("admins", "admin"), rule("some", "sales")) as issuer:
        version: int = await ruled.database.fetchval("SELECT version FROM issuers WHERE id = $1", issuer)
        newest = person(issuer, version, "boss")
        boss = replace(newest, issued_at=newest.issued_at - timedelta(seconds=9), roles=frozenset({"admin", "sales"}))
        async with _writing(ruled) as tx:
            admitted = await admit(tx, boss)
        assert admitted is not None
        others = await ruled.database.fetch(
            "UPDATE user_roles h SET expires_at = now() + '1 day' FROM roles r WHERE r.id = h.role_id"
            " AND r.key = 'admin' AND h.expires_at IS NULL AND h.user_id <> $1 RETURNING h.user_id, h.role_id",
            admitted.user_id,
        )
        try:
            with capture_logs() as logs:
                async with _writing(ruled, admitted.user_id) as tx:
                    await admit(tx, newest)
        finally:
            await ruled.database.executemany(
                "UPDATE user_roles SET expires_at = NULL WHERE user_id = $1 AND role_id = $2",
                [tuple(o) for o in others],
            )
        async with _writing(ruled, admitted.user_id) as tx:
            again = replace(newest, issued_at=newest.issued_at + timedelta(seconds=9), roles=frozenset())
            with capture_logs() as later:
                await admit(tx, again)
    told = {
        "user": str(admitted.user_id),
        "issuer": str(issuer),
        "log_level": "error",
        "event": "nobody_manages_rights",
    }
    assert [log for log in logs if log["log_level"] == "error"] == [told]
    assert [log for log in later if log["log_level"] == "error"] == []
    assert await ruled.count("user_roles WHERE user_id = $1", admitted.user_id) == 0


@asynccontextmanager
async def _writing(crm: Crm, user: UUID | None = None) -> AsyncIterator[Transaction]:
    """A transaction in the name of a user, or of somebody who is not there yet."""
    engine, ids = write_engine(str(crm.settings.database_url), crm.settings), IdSource(crm.clock)
    try:
        nothing = Access((), {}, frozenset(), 0)
        who = Principal(user or ids.new(EntityCode.USER), "", None, "oidc", (), None, (), (), nothing, "en", "UTC")
        async with begin(engine, who, build_catalog(), crm.clock, ids, source="oidc") as tx:
            yield tx
    finally:
        await engine.dispose()


async def test_long_answer_ends_for_whose_subject_is_somebody_else_by_now(ruled: Crm) -> None:
    chen = ruled.users["chen"]
    body = urlsafe_b64encode(orjson.dumps({"iss": URL, "sub": "long"})).decode()
    token = f"e30.{body}.e30"
    async with mapping(ruled, rule("some", "sales")) as issuer, _principals(ruled) as principals:
        await done(ruled, "linkIdentity", user=str(chen), issuer=URL, subject="long")
        now = ruled.clock().timestamp()
        claims = TokenClaims(chen, None, None, now + 300, now, f"{issuer}:x", (issuer, "long"))
        bearer = Bearer(await principals.of_user(chen), token, claims, of_issuer=True)
        assert (await principals.again(bearer)).user_id == chen
        await done(ruled, "unlinkIdentity", issuer=URL, subject="long")
        with pytest.raises(Unauthenticated):
            await principals.again(bearer)


@asynccontextmanager
async def _principals(crm: Crm) -> AsyncIterator[Principals]:
    async def nobody(_: Person) -> Admitted:
        raise Unauthenticated

    people = People(crm.terms.issuer, nobody)
    async with asyncpg.create_pool(str(crm.settings.database_url), min_size=1, max_size=2) as pool:
        principals = Principals(pool, build_catalog(), crm.terms, clock=crm.clock, people=people)
        await principals.start()
        try:
            yield principals
        finally:
            await principals.stop()
