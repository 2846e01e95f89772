"""People who come through issuers: users, names, roles and teams from claims."""

import asyncio
from typing import Any

from web.administering import done, refusals
from web.issuing import GROUPS, rule

from .conftest import REFUSED, Company, now_and


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


async def test_after_a_suspension_only_tokens_from_after_it_let_somebody_in(company: Company) -> None:
    before = await company.known.forge(sub="shen", iat=now_and(-1))
    assert await company.lets_in(before)
    user = str((await company.user(company.known, "shen"))["id"])

    await done(company.crm, "suspendUser", user=user)
    await company.becomes(before, let_in=False)
    await done(company.crm, "reinstateUser", user=user)

    after = await company.known.forge(sub="shen", iat=now_and(1))
    await company.becomes(after, let_in=True)
    assert not await company.lets_in(before)
    assert not await company.lets_in(await company.known.forge(sub="shen", iat=now_and(-2)))


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
