"""Keys of issuers: fetched seldom, kept for a time, and taken from nobody else."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

from crm_graph.permissions.issuer_keys import KEPT_S, MAX_DOCUMENT_BYTES, RENEW_AFTER_S, TRY_EVERY_S
from crm_graph.permissions.people import HOLDS_S
from web.conftest import hub_with
from web.issuing import CALLBACK, issuers

from .conftest import DOWN, KEYS, REFUSED, Company, now_and, within_a_second


async def test_a_new_key_is_found_and_an_old_one_ends_with_what_it_signed(company: Company) -> None:
    async with issuers(1) as (turning,):
        await company.configure(turning)
        old = await turning.token("rotor", groups=["crm-sales"])
        assert await company.lets_in(old)

        await turning.tell(rotate="ES256")
        company.clock.pass_(TRY_EVERY_S)
        new = await turning.token("rotor", groups=["crm-sales"])

        assert await company.lets_in(new)
        company.clock.by = timedelta(seconds=HOLDS_S + 1)
        assert not await company.lets_in(old)
        assert await company.lets_in(new)
    await company.save(turning.url, status="SUSPENDED")


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


async def test_new_process_lets_people_in_while_their_issuer_is_down_but_not_for_ever(company: Company) -> None:
    """It begins with what another one was answered, discovery and keys, for as long as that one would."""
    async with issuers(1) as (stopped,):
        await company.configure(stopped)
        ends = now_and(3 * 24 * 3600)
        token = await stopped.forge(sub="early", iat=now_and(-1), exp=ends)
        assert await company.lets_in(token)

    answered = []
    for age in (0, RENEW_AFTER_S + 1, KEPT_S - 60, KEPT_S + 1):
        company.clock.by = timedelta(seconds=age)
        async with hub_with(company.crm, company.crm.settings) as http:
            new = replace(company, crm=replace(company.crm, http=http))
            answered.append((await new.ask(token, "{ __typename }")).status)
            forged = await new.ask(token[:-6] + "AAAAAA", "{ __typename }")
            assert forged.status in {401, 503}
    assert answered == [200, 200, 200, 503]
    await company.save(stopped.url, status="SUSPENDED")


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
