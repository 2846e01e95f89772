"""People who come through OpenID Connect issuers, over HTTP on both sides: users, names and roles from claims, and
tokens that must not let anybody in.
"""

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from joserfc.jwk import ECKey, RSAKey
from joserfc.util import urlsafe_b64encode

from crm_graph.permissions.issuer_keys import KEPT_S, MAX_DOCUMENT_BYTES, RENEW_AFTER_S, TRY_EVERY_S
from crm_graph.permissions.people import HOLDS_S

from .administering import done, refusals
from .conftest import Answer, Crm, opened, settings_of_own_database
from .issuing import CALLBACK, ELSEWHERE, FRONT, PLAIN, Issuer, Live, Tokens, issuers

REFUSED = (401, "UNAUTHENTICATED", "A valid access token is needed.")
DOWN = (503, "UNAVAILABLE", "The service is not available now. Try again later.")
SAVE = """
mutation($url: String!, $name: String, $audiences: [String!], $clients: [String!], $algorithms: [String!],
         $plain: Boolean, $leeway: Int, $map: [ClaimRuleInput!], $status: IssuerStatus) {
  saveIssuer(url: $url, name: $name, audiences: $audiences, clients: $clients, algorithms: $algorithms,
             plainTokens: $plain, leewaySeconds: $leeway, roleMap: $map, status: $status) {
    issuer {
      url name audiences clients algorithms plainTokens leewaySeconds status
      roleMap { claim value roles teams }
    }
    errors { code path message }
  }
}
"""
LIST = """
{ issuers { url name audiences clients algorithms plainTokens leewaySeconds status
            roleMap { claim value roles teams } signInClient signInScope hasSignInSecret } }
"""
KEYS = "/jwks"


def rule(value: str, *roles: str, claim: tuple[str, ...] = ("groups",), teams: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"claim": list(claim), "value": value, "roles": list(roles), "teams": list(teams)}


GROUPS = [rule("crm-sales", "sales"), rule("crm-finance", "finance"), rule("crm-admin", "admin")]


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


@pytest.fixture(scope="module")
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


# Who comes in.


async def test_a_first_token_makes_a_user_with_name_mail_locale_and_the_roles_of_the_claims(company: Company) -> None:
    token = await company.known.token(
        "lin", name="林小红", preferred_username="lin", email="lin@example.com", locale="en_US", groups=["crm-sales"]
    )

    assert await company.rights(token) == (True, False)

    user = await company.user(company.known, "lin")
    events = await company.crm.events(str(user["id"]))
    told = {"name": "林小红", "username": "lin", "email": "lin@example.com", "locale": "en-US"}
    assert {name: user[name] for name in told} == told
    assert (user["kind"], user["status"], user["version"], user["roles"]) == (
        "PERSON", "ACTIVE", 1, {"sales": "issuer"}
    )  # fmt: skip
    assert [(e["type"], e["after"], e["source"], e["actor_id"]) for e in events] == [
        ("user.created", told | {"roles": ["sales"]}, "oidc", user["id"])
    ]


async def test_further_tokens_are_of_the_same_user_and_write_nothing_new(company: Company) -> None:
    claims: dict[str, Any] = {"name": "Hu", "groups": ["crm-sales"]}
    first = await company.known.token("hu", **claims)
    assert await company.lets_in(first)
    user, users = await company.user(company.known, "hu"), await company.users()

    second = await company.known.token("hu", **claims)

    assert await company.lets_in(second)
    assert await company.user(company.known, "hu") == user
    assert await company.users() == users
    assert len(await company.crm.events(str(user["id"]))) == 1


async def test_who_is_renamed_at_the_issuer_is_renamed_here(company: Company) -> None:
    first = await company.known.forge(sub="mei", name="Mei", iat=now_and(-30))
    assert await company.lets_in(first)
    before = await company.user(company.known, "mei")

    assert await company.lets_in(await company.known.token("mei", name="Mei Tan", groups=["crm-sales"]))

    after = await company.user(company.known, "mei")
    (_, event) = await company.crm.events(str(after["id"]))
    assert (after["id"], after["username"], after["name"]) == (before["id"], before["username"], "Mei Tan")
    assert (event["type"], event["before"], event["after"]) == ("user.updated", {"name": "Mei"}, {"name": "Mei Tan"})


async def test_a_role_goes_with_its_claim_and_one_that_an_admin_gave_stays(company: Company) -> None:
    first = await company.known.token("gao", groups=["crm-sales", "crm-finance"])
    assert await company.rights(first) == (True, True)
    user = await company.user(company.known, "gao")
    await company.give(user, "service")

    second = await company.known.token("gao", groups=["crm-sales"])
    assert await company.rights(second) == (True, False)

    # The older token says more, and is not believed any longer.
    assert await company.rights(first) == (True, False)
    assert (await company.user(company.known, "gao"))["roles"] == {"sales": "issuer", "service": "manual"}


async def test_a_role_that_an_admin_gave_is_not_taken_for_a_claims(company: Company) -> None:
    assert await company.lets_in(await company.known.token("cai", groups=["crm-sales"]))
    user = await company.user(company.known, "cai")
    await company.give(user, "finance")

    assert await company.lets_in(await company.known.token("cai", groups=["crm-sales", "crm-finance"]))
    assert (await company.user(company.known, "cai"))["roles"] == {"sales": "issuer", "finance": "manual"}

    assert await company.rights(await company.known.token("cai", groups=[])) == (False, True)
    assert (await company.user(company.known, "cai"))["roles"] == {"finance": "manual"}


async def test_a_claim_may_lie_deep_and_be_a_text_alone(company: Company) -> None:
    deep = rule("agent", "sales", claim=("realm_access", "roles"))
    alone = rule("books", "finance", claim=("https://example.com/department",))
    await company.configure(company.known, map=[deep, alone])

    nested = await company.known.token("deep", realm_access={"roles": ["agent", 7]})
    single = await company.known.token("alone", **{"https://example.com/department": "books"})

    assert await company.rights(nested) == (True, False)
    assert await company.rights(single) == (False, True)


async def test_teams_of_claims_come_and_go_beside_those_that_were_given(company: Company) -> None:
    places = [rule("in-east", teams=("east",)), rule("in-north", teams=("north",))]
    await company.configure(company.known, map=[*GROUPS, *places])

    first = await company.known.forge(sub="tour", groups=["crm-sales", "in-east"], iat=now_and(-60))
    await company.becomes(first, let_in=True)
    user = await company.user(company.known, "tour")
    assert await company.teams(user) == {"east": ("issuer", True)}
    await company.crm.database.execute(
        "INSERT INTO team_members (user_id, team_id) VALUES ($1, $2)", user["id"], company.crm.teams["service"]
    )

    second = await company.known.forge(sub="tour", groups=["crm-sales", "in-north"], iat=now_and(-30))
    assert await company.lets_in(second)
    moved = await company.teams(user)
    third = await company.known.forge(sub="tour", groups=["crm-sales"], iat=now_and(-10))
    assert await company.lets_in(third)

    assert {key: origin for key, (origin, _) in moved.items()} == {"north": "issuer", "service": "manual"}
    assert [is_primary for _, is_primary in moved.values()].count(True) == 1
    assert await company.teams(user) == {"service": ("manual", True)}
    (created, left, gone) = await company.crm.events(str(user["id"]))
    assert created["after"]["teams"] == ["east"]
    assert (left["before"], left["after"]) == ({"teams": ["east", "service"]}, {"teams": ["north", "service"]})
    assert (gone["before"], gone["after"]) == ({"teams": ["north", "service"]}, {"teams": ["service"]})


async def test_who_has_no_role_is_not_let_in_and_leaves_no_user(company: Company) -> None:
    users = await company.users()

    answer = await company.ask(await company.known.token("guest", name="Guest", groups=["canteen"]))

    assert answer.error == REFUSED
    assert await company.users() == users


async def test_who_has_lost_the_last_role_is_not_let_in(company: Company) -> None:
    assert await company.lets_in(await company.known.token("tang", groups=["crm-sales"]))

    assert not await company.lets_in(await company.known.token("tang", groups=[]))

    assert (await company.user(company.known, "tang"))["roles"] == {}


async def test_a_suspended_user_stays_out_and_rows_stay_as_they_are(company: Company) -> None:
    token = await company.known.token("feng", name="Feng", groups=["crm-sales"])
    assert await company.lets_in(token)
    user = await company.user(company.known, "feng")
    await company.crm.database.execute("UPDATE users SET status = 'SUSPENDED' WHERE id = $1", user["id"])
    await company.crm.database.execute("UPDATE policy_version SET version = version + 1")

    await company.becomes(token, let_in=False)
    assert not await company.lets_in(await company.known.token("feng", name="Feng Li", groups=["crm-admin"]))
    after = await company.user(company.known, "feng")
    assert (after["name"], after["roles"], after["version"]) == ("Feng", {"sales": "issuer"}, 1)


async def test_the_same_subject_and_mail_at_two_issuers_are_two_people(company: Company) -> None:
    claims: dict[str, Any] = {"preferred_username": "yu", "email": "yu@example.com"}
    assert await company.lets_in(await company.known.token("42", **claims, groups=["crm-sales"]))
    await company.configure(company.other, map=[rule("crm-sales", "finance")])
    token = await company.other.token("42", **claims, groups=["crm-sales"])

    assert await company.rights(token) == (False, True)

    one, two = await company.user(company.known, "42"), await company.user(company.other, "42")
    assert one["id"] != two["id"]
    assert (one["username"], one["roles"]) == ("yu", {"sales": "issuer"})
    assert two["username"].startswith("yu~")
    assert two["roles"] == {"finance": "issuer"}
    await company.save(company.other.url, status="SUSPENDED")


async def test_nobody_is_called_like_the_hubs_own_users(company: Company) -> None:
    assert await company.lets_in(
        await company.known.token("sly", preferred_username="system.import", groups=["crm-sales"])
    )

    assert (await company.user(company.known, "sly"))["username"].startswith("system.import~")


async def test_a_thousand_first_requests_of_one_person_make_one_user(company: Company) -> None:
    token, users = await company.known.token("crowd", groups=["crm-sales"]), await company.users()

    answers = await asyncio.gather(*(company.lets_in(token) for _ in range(30)))

    assert answers == [True] * 30
    assert await company.users() == users + 1


async def test_a_user_who_was_here_before_comes_in_once_an_admin_says_who_they_are(company: Company) -> None:
    chen, at = str(company.crm.users["chen"]), {"issuer": company.known.url, "subject": "before"}
    users = await company.users()
    await done(company.crm, "linkIdentity", user=chen, **at)

    token = await company.known.token("before", name="Chen Wei", groups=["crm-finance"])

    assert await company.rights(token) == (True, True)
    linked = await company.user(company.known, "before")
    assert (str(linked["id"]), linked["name"], linked["username"]) == (chen, "Chen Wei", "chen")
    assert linked["roles"] == {"sales": "manual", "finance": "issuer"}
    assert await company.users() == users

    await done(company.crm, "unlinkIdentity", **at)
    held = "user_roles h JOIN roles r ON r.id = h.role_id WHERE h.user_id = $1"
    assert await company.crm.count(held, company.crm.users["chen"]) == 1
    later = await company.known.token("before", groups=["crm-finance"])
    assert await company.lets_in(later)
    assert str((await company.user(company.known, "before"))["id"]) != chen
    assert [e["type"] for e in await company.crm.events(chen)] == [
        "user.identity_linked", "user.updated", "user.identity_unlinked"
    ]  # fmt: skip


async def test_nobody_is_linked_who_is_somebody_else_already_or_oneself(company: Company) -> None:
    await company.lets_in(await company.known.token("taken", groups=["crm-sales"]))
    li, url = str(company.crm.users["li"]), company.known.url

    async def refused(user: str, issuer: str, subject: str) -> list[tuple[str, str]]:
        return await refusals(company.crm, "linkIdentity", user=user, issuer=issuer, subject=subject)

    assert await refused(li, url, "taken") == [("DUPLICATE", "subject")]
    assert await refused(li, "https://unknown.example.com", "x") == [("NOT_FOUND", "issuer")]
    assert await refused(li, url, "") == [("INVALID", "subject")]
    assert await refused(str(company.crm.users["root"]), url, "x") == [("RULE_VIOLATED", "user")]
    assert await refused(str(company.crm.users["erp"]), url, "x") == [("RULE_VIOLATED", "user")]
    assert await refusals(company.crm, "unlinkIdentity", issuer=url, subject="x") == [("NOT_FOUND", "subject")]


# What an admin says of an issuer.


async def test_an_issuer_is_saved_as_told_and_tells_of_it_in_the_log(company: Company) -> None:
    url = "https://login.example.com/realms/crm"

    made = await company.save(url, name="Login", audiences=["crm"], map=GROUPS[:1])
    changed = await company.save(url, leeway=30, status="SUSPENDED")

    assert made == {
        "issuer": {
            "url": url, "name": "Login", "audiences": ["crm"], "clients": [], "plainTokens": False,
            "algorithms": ["ES256", "EdDSA", "PS256", "RS256"], "leewaySeconds": 5, "status": "ACTIVE",
            "roleMap": GROUPS[:1],
        },
        "errors": [],
    }  # fmt: skip
    assert changed["issuer"] == made["issuer"] | {"leewaySeconds": 30, "status": "SUSPENDED"}
    listed = (await company.crm.ask("root", LIST)).data["issuers"]
    assert [issuer for issuer in listed if issuer["url"] == url] == [
        changed["issuer"] | {"signInClient": None, "signInScope": "openid profile email", "hasSignInSecret": False}
    ]
    assert [issuer["name"] for issuer in listed] == sorted(issuer["name"] for issuer in listed)
    id_ = await company.crm.database.fetchval("SELECT id FROM issuers WHERE url = $1", url)
    created, updated = await company.crm.events(str(id_))
    assert (created["type"], created["actor_id"]) == ("issuer.created", company.crm.users["root"])
    assert (updated["type"], updated["before"], updated["after"]) == (
        "issuer.updated",
        {"leeway_seconds": 5, "status": "ACTIVE"},
        {"leeway_seconds": 30, "status": "SUSPENDED"},
    )


@pytest.mark.parametrize(
    ("variables", "code", "path"),
    [
        ({"url": "http://login.example.com"}, "INVALID", ["url"]),
        ({"url": "https://login.example.com/?x=1"}, "INVALID", ["url"]),
        ({"url": "https://login.example.com/#x"}, "INVALID", ["url"]),
        ({"url": "https://me:secret@login.example.com"}, "INVALID", ["url"]),
        ({"url": "https://login.example.com:x"}, "INVALID", ["url"]),
        ({"url": "file:///etc/passwd"}, "INVALID", ["url"]),
        ({"name": " "}, "REQUIRED", ["name"]),
        ({"audiences": []}, "REQUIRED", ["audiences"]),
        ({"audiences": ["a\u0000"]}, "INVALID", ["audiences"]),
        ({"audiences": ["a"] * 51}, "LIMIT_REACHED", ["audiences"]),
        ({"algorithms": ["HS256"]}, "INVALID", ["algorithms"]),
        ({"algorithms": ["none"]}, "INVALID", ["algorithms"]),
        ({"algorithms": None}, "LIMIT_REACHED", ["algorithms"]),
        ({"leeway": 301}, "INVALID", ["leewaySeconds"]),
        ({"leeway": -1}, "INVALID", ["leewaySeconds"]),
        ({"map": [rule("x", "nobody")]}, "INVALID", ["roleMap"]),
        ({"map": [rule("x", "everyone")]}, "INVALID", ["roleMap"]),
        ({"map": [rule("x")]}, "REQUIRED", ["roleMap"]),
        ({"map": [rule("x", "sales", teams=("nowhere",))]}, "INVALID", ["roleMap"]),
        ({"map": [rule("x", "sales", claim=("a",) * 9)]}, "LIMIT_REACHED", ["roleMap", "claim"]),
        ({"status": None}, "REQUIRED", ["status"]),
    ],
)
async def test_what_cannot_be_of_an_issuer_is_refused_by_name(
    company: Company, variables: dict[str, Any], code: str, path: list[str]
) -> None:
    given = {"url": "https://bad.example.com", "name": "Bad", "audiences": ["crm"], **variables}

    payload = await company.save(**given)

    assert payload["issuer"] is None
    assert [(e["code"], e["path"]) for e in payload["errors"]] == [(code, path)]
    assert await company.crm.count("issuers WHERE url = $1", given["url"]) == 0


async def test_issuers_are_not_there_for_who_does_not_manage_roles(company: Company) -> None:
    answer = await company.crm.ask("sun", SAVE, {"url": company.known.url, "name": "Mine"})

    assert [e["extensions"]["code"] for e in answer.json["errors"]] == ["VALIDATION_FAILED"] * 3
    assert (await company.crm.ask("sun", "{ issuers { url } }")).error[1] == "VALIDATION_FAILED"


async def test_a_suspended_issuer_lets_nobody_in_within_a_second(company: Company) -> None:
    token = await company.known.token("jia", groups=["crm-sales"])
    assert await company.lets_in(token)

    await company.save(company.known.url, status="SUSPENDED")

    await company.becomes(token, let_in=False)
    await company.save(company.known.url, status="ACTIVE")
    await company.becomes(token, let_in=True)


async def test_roles_that_the_map_names_no_longer_are_taken_from_everybody(company: Company) -> None:
    token = await company.known.token("kong", groups=["crm-sales", "crm-finance"])
    assert await company.rights(token) == (True, True)

    await company.configure(company.known, map=GROUPS[:1])

    assert (await company.user(company.known, "kong"))["roles"] == {"sales": "issuer"}

    async def is_less() -> bool:
        return await company.rights(token) == (True, False)

    await within_a_second(is_less)


async def test_only_clients_that_are_named_may_bring_tokens(company: Company) -> None:
    token = await company.known.token("dai", groups=["crm-sales"])
    assert await company.lets_in(token)

    await company.configure(company.known, clients=["other"])
    await company.becomes(token, let_in=False)
    assert not await company.lets_in(await company.known.forge(client_id=None))
    assert not await company.lets_in(await company.known.forge(client_id="other", azp=FRONT))
    await company.configure(company.known, clients=["other", FRONT])
    await company.becomes(token, let_in=True)


# Tokens that must not let anybody in.


async def test_a_token_for_somebody_else_is_refused(company: Company) -> None:
    token = await company.known.token("wei", ELSEWHERE, groups=["crm-sales"])

    assert (await company.ask(token)).error == REFUSED


async def test_a_token_without_the_type_of_access_tokens_is_taken_only_where_the_issuer_gives_such(
    company: Company,
) -> None:
    token = await company.known.token("pan", PLAIN, groups=["crm-sales"])

    assert not await company.lets_in(token)
    await company.configure(company.known, plain=True)
    await company.becomes(token, let_in=True)


async def test_an_id_token_is_no_access_token(company: Company) -> None:
    await company.known.knows("xia", groups=["crm-sales"])
    tokens: Tokens = await company.known.sign_in("xia")
    await company.configure(company.known, plain=True, audiences=["crm-graph", FRONT])
    await company.becomes(await company.known.forge({"typ": "JWT"}, scope="x"), let_in=True)

    assert await company.lets_in(tokens.access)
    assert not await company.lets_in(tokens.id)
    assert not await company.lets_in(await company.known.forge({"typ": "JWT"}, scope="x", nonce="n"))


async def test_an_expired_token_is_refused(company: Company) -> None:
    token = await company.known.token("old", groups=["crm-sales"])
    assert await company.lets_in(token)

    company.clock.by = timedelta(minutes=10, seconds=6)

    assert (await company.ask(token)).error == REFUSED


async def test_a_token_of_the_future_is_refused_beyond_the_leeway(company: Company) -> None:
    token = await company.known.token("soon", groups=["crm-sales"])
    company.clock.by = timedelta(seconds=-60)

    assert not await company.lets_in(token)
    await company.configure(company.known, leeway=90)
    await company.becomes(token, let_in=True)


async def test_a_token_of_an_issuer_that_nobody_configured_is_refused_and_its_issuer_never_asked(
    company: Company,
) -> None:
    await company.save(company.other.url, name="Other", audiences=["crm-graph"], status="SUSPENDED")
    before = await company.other.asked("/.well-known/openid-configuration")

    answer = await company.ask(await company.other.token("mallory", groups=["crm-sales"]))

    assert answer.error == REFUSED
    assert await company.other.asked("/.well-known/openid-configuration") == before


def now_and(seconds: int) -> int:
    return int(datetime.now(UTC).timestamp()) + seconds


CLAIMS: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://evil.example.com"},
    "the issuer with a slash": {"iss": "SLASH"},
    "no audience": {"aud": None},
    "another audience": {"aud": ["elsewhere"]},
    "an audience of another type": {"aud": {"crm-graph": True}},
    "no subject": {"sub": None},
    "an empty subject": {"sub": ""},
    "a subject that is no text": {"sub": 7},
    "a subject with NUL": {"sub": "mal\u0000lory"},
    "a subject too long": {"sub": "x" * 256},
    "no end": {"exp": None},
    "an end that is no number": {"exp": "tomorrow"},
    "an end beyond all times": {"exp": 10**400},
    "no time of issue": {"iat": None},
    "a time of issue beyond all times": {"iat": -(10**30)},
    "not before later": {"nbf": 4_000_000_000},
}


@pytest.mark.parametrize("wrong", CLAIMS)
async def test_a_token_that_says_what_it_must_not_is_refused(company: Company, wrong: str) -> None:
    claims = CLAIMS[wrong]
    if claims.get("iss") == "SLASH":
        claims = {"iss": company.known.url + "/"}
    users = await company.users()

    answer = await company.ask(await company.known.forge(**claims))

    assert answer.error == REFUSED
    assert await company.users() == users


@pytest.mark.parametrize(
    "header",
    [{"typ": "logout+jwt"}, {"typ": None}, {"typ": "JWT"}, {"typ": "dpop+jwt"}, {"kid": "x" * 257}, {"kid": "no"}],
    ids=lambda header: "-".join(f"{name} {str(value)[:9]}" for name, value in header.items()),
)
async def test_a_token_with_another_header_is_refused(company: Company, header: dict[str, Any]) -> None:
    assert (await company.ask(await company.known.forge(header))).error == REFUSED


async def test_what_would_be_taken_is_taken_so_that_the_others_are_refused_for_their_one_fault(
    company: Company,
) -> None:
    assert await company.lets_in(await company.known.forge())


async def test_a_key_that_signed_something_else_signs_no_token(company: Company) -> None:
    await company.known.tell()
    jwk = next(key for key in company.known.private_keys if key["kty"] == "RSA")
    public = RSAKey.import_key({name: jwk[name] for name in ("kty", "n", "e")})
    pem = public.as_pem(private=False)
    body = (await company.known.forge()).split(".")[1]
    head = urlsafe_b64encode(orjson.dumps({"alg": "HS256", "typ": "at+jwt", "kid": jwk["kid"]})).decode()
    signed = f"{head}.{body}"
    mac = urlsafe_b64encode(hmac.digest(pem, signed.encode(), "sha256")).decode()
    own = RSAKey.generate_key(2048)
    forged = {
        "HS256 with the public key": f"{signed}.{mac}",
        "another RSA key under a known kid": await company.known.forge({"alg": "RS256", "kid": jwk["kid"]}, own),
        "another kind of key under a known kid": await company.known.forge(
            {"alg": "ES256", "kid": jwk["kid"]}, ECKey.generate_key("P-256")
        ),
        "its own key in the header": await company.known.forge(
            {"alg": "RS256", "jwk": own.as_dict(private=False)}, own
        ),
    }

    taken = {name: await company.lets_in(token) for name, token in forged.items()}

    assert taken == dict.fromkeys(forged, False)


async def test_a_token_that_nobody_signed_is_refused(company: Company) -> None:
    token = await company.known.forge()
    head, body, signature = token.split(".")
    nobody = [
        urlsafe_b64encode(orjson.dumps({"alg": alg, "typ": "at+jwt"})).decode() for alg in ("none", "None", "", None)
    ]
    changed = urlsafe_b64encode(orjson.dumps({"iss": company.known.url, "sub": "root"})).decode()
    tokens = [
        *(f"{first}.{body}." for first in nobody),
        f"{nobody[0]}.{body}.{signature}",
        f"{head}.{body}.",
        f"{head}.{changed}.{signature}",
        f"{head}.{body}.{signature[:-8]}",
        f"{head}.{body}.{signature}.{signature}",
        f"{head}.{body}",
        f".{body}.{signature}",
    ]

    assert [await company.lets_in(one) for one in tokens] == [False] * len(tokens)


async def test_addresses_in_a_token_are_never_asked(company: Company) -> None:
    own = RSAKey.generate_key(2048)
    before = await company.other.tell()
    trap = company.other.url + KEYS
    for name in ("jku", "x5u"):
        assert not await company.lets_in(await company.known.forge({"alg": "RS256", name: trap}, own))
    assert not await company.lets_in(await company.known.forge({"alg": "RS256"}, own, iss=company.other.url))

    assert await company.other.tell() == before


async def test_an_extension_that_must_be_understood_is_refused(company: Company) -> None:
    token = await company.known.forge({"crit": ["b64"], "b64": True})

    assert not await company.lets_in(token)


# Keys.


async def test_a_new_key_is_found_and_an_old_one_ends_with_what_it_signed(company: Company) -> None:
    old = await company.known.token("rotor", groups=["crm-sales"])
    assert await company.lets_in(old)

    await company.known.tell(rotate="ES256")
    company.clock.pass_(TRY_EVERY_S)
    new = await company.known.token("rotor", groups=["crm-sales"])

    assert await company.lets_in(new)
    company.clock.by = timedelta(seconds=HOLDS_S + 1)
    assert not await company.lets_in(old)
    assert await company.lets_in(new)


async def test_made_up_key_ids_make_nobody_fetch_keys(company: Company) -> None:
    company.clock.pass_(TRY_EVERY_S)
    assert await company.lets_in(await company.known.token("calm", groups=["crm-sales"]))
    before = await company.known.asked(KEYS)
    flood = [await company.known.forge({"kid": f"made-up-{n}"}) for n in range(40)]

    answers = await asyncio.gather(*(company.ask(token) for token in flood))

    assert {answer.error for answer in answers} == {REFUSED}
    assert await company.known.asked(KEYS) <= before + 1
    company.clock.pass_(TRY_EVERY_S - 0.1)
    await asyncio.gather(*(company.ask(token) for token in flood))
    assert await company.known.asked(KEYS) <= before + 1


async def test_keys_that_are_getting_old_are_fetched_beside_the_request(company: Company) -> None:
    assert await company.lets_in(await company.known.token("aging", groups=["crm-sales"]))
    before = await company.known.asked(KEYS)
    company.clock.pass_(RENEW_AFTER_S + 1)

    assert await company.lets_in(await company.known.token("aging", groups=["crm-sales"]))

    async def is_fetched() -> bool:
        return await company.known.asked(KEYS) == before + 1

    await within_a_second(is_fetched)


async def test_keys_serve_while_the_issuer_is_down_but_not_for_ever(company: Company) -> None:
    async with issuers(1) as (frail,):
        await company.configure(frail)
        one = await frail.token("patient", groups=["crm-sales"])
        two = await frail.token("patient", groups=["crm-sales"])
        three = await frail.token("patient", groups=["crm-sales"])
        assert await company.lets_in(one)

    company.clock.pass_(KEPT_S - 1)
    assert await company.lets_in(two)
    company.clock.pass_(2)

    assert (await company.ask(three)).error == DOWN
    await company.save(frail.url, status="SUSPENDED")


WRONG_ANSWERS: dict[str, dict[str, Any]] = {
    "no keys": {KEYS: {"json": {"keys": []}}},
    "symmetric keys": {KEYS: {"json": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}}},
    "no JSON object": {KEYS: {"json": [1, 2]}},
    "too much": {KEYS: {"length": MAX_DOCUMENT_BYTES + 1}},
    "a redirect": {KEYS: {"status": 302, "headers": {"Location": CALLBACK}}},
    "an error": {KEYS: {"status": 500, "json": {}}},
    "compressed": {KEYS: {"headers": {"Content-Encoding": "gzip"}, "json": {}}},
}


async def test_answers_of_an_issuer_that_cannot_be_right_give_no_keys(company: Company) -> None:
    async with issuers(1) as (strange,):
        await company.configure(strange)
        token = await strange.token("early", groups=["crm-sales"])
        answered = {}
        for name, answers in WRONG_ANSWERS.items():
            await strange.tell(answers=answers)
            answered[name] = (await company.ask(token)).error
            company.clock.pass_(TRY_EVERY_S)
        metadata = (await strange.http.get(f"{strange.url}/.well-known/openid-configuration")).json()
        for address in ("http://169.254.169.254/jwks", "file:///etc/passwd", "http://example.com/jwks", None):
            told = metadata | {"jwks_uri": address}
            await strange.tell(answers={"/.well-known/openid-configuration": {"json": told}})
            answered[str(address)] = (await company.ask(token)).error
            company.clock.pass_(TRY_EVERY_S)
        for other in ("https://evil.example.com", f"{strange.url}/", None):
            told = metadata | {"issuer": other}
            await strange.tell(answers={"/.well-known/openid-configuration": {"json": told}})
            answered[f"issuer {other}"] = (await company.ask(token)).error
            company.clock.pass_(TRY_EVERY_S)
        await strange.tell(answers={})

        assert await company.lets_in(token)

    assert answered == dict.fromkeys(answered, DOWN)
    await company.save(strange.url, status="SUSPENDED")
