"""Revocation (RFC 7009) and introspection (RFC 7662): a client's own tokens, refused by every process."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.db import ReadPool
from crm_graph.errors import Unauthenticated
from crm_graph.permissions.authentication import Principals
from crm_graph.permissions.revocations import MAX_PER_CLIENT
from crm_graph.permissions.tokens import LEEWAY_S, issue_user_token

from .machines import CATALOG, GRANT, NO_STORE, NOW, TERMS, WRONG, Server, serving_machines

INACTIVE = {"active": False}


@pytest.fixture
async def server(clean: None, engine: AsyncEngine, pool: ReadPool) -> AsyncIterator[Server]:
    async with serving_machines(engine, pool) as server:
        yield server


async def revoked_rows(server: Server) -> int:
    async with server.engine.connect() as connection:
        return int(await connection.scalar(text("SELECT count(*) FROM revoked_tokens")) or 0)


async def refused(server: Server, token: str) -> bool:
    try:
        await server.principals.authenticate(token)
    except Unauthenticated:
        return True
    return False


async def test_revoked_token_is_refused_and_other_tokens_stay(server: Server) -> None:
    token, other = await server.fresh_token(), await server.fresh_token()
    for each in (token, other):
        await server.principals.authenticate(each)

    answer = await server.as_erp("/oauth/revoke", token=token, token_type_hint="refresh_token")

    assert (answer.status_code, answer.json()) == (200, {})
    assert {k: answer.headers[k] for k in NO_STORE} == NO_STORE
    assert server.principals.known(b"Bearer " + token.encode(), NOW) is None
    with pytest.raises(Unauthenticated):
        await server.principals.authenticate(token)
    assert server.principals.known(b"Bearer " + other.encode(), NOW) is not None


async def test_other_processes_refuse_it_at_their_next_look(server: Server) -> None:
    elsewhere = Principals(server.pool, CATALOG, TERMS, clock=server.clock)
    token = await server.fresh_token()
    await elsewhere.authenticate(token)
    policy = elsewhere.policy

    await server.as_erp("/oauth/revoke", token=token)
    await elsewhere.refresh()

    assert elsewhere.known(b"Bearer " + token.encode(), NOW) is None
    with pytest.raises(Unauthenticated):
        await elsewhere.authenticate(token)
    assert elsewhere.policy is policy


async def test_process_that_starts_later_refuses_it(server: Server) -> None:
    token = await server.fresh_token()
    await server.as_erp("/oauth/revoke", token=token)
    later = Principals(server.pool, CATALOG, TERMS, clock=server.clock)

    with pytest.raises(Unauthenticated):
        await later.authenticate(token)


async def test_revoking_again_and_revoking_nonsense_succeed_and_change_nothing(server: Server) -> None:
    token = await server.fresh_token()
    for text_ in (token, token, "nonsense", "a.b.c", "x" * 9_000):
        assert (await server.as_erp("/oauth/revoke", token=text_)).status_code == 200

    assert await revoked_rows(server) == 1


async def test_client_takes_back_only_its_own(server: Server) -> None:
    secret = await server.another("shop")
    token = await server.fresh_token()
    people = issue_user_token(TERMS, server.principals.keys, server.account, now=NOW)

    for text_ in (token, people):
        answer = await server.post("/oauth/revoke", {"token": text_}, basic=("shop", secret))
        assert (answer.status_code, answer.json()) == (200, {})

    assert await revoked_rows(server) == 0
    await server.principals.authenticate(token)


async def test_rows_go_when_their_tokens_have_ended(server: Server) -> None:
    await server.as_erp("/oauth/revoke", token=await server.fresh_token())
    server.clock.pass_(TERMS.lifetime_s + LEEWAY_S)

    await server.as_erp("/oauth/revoke", token=await server.fresh_token())

    assert await revoked_rows(server) == 1


async def test_client_that_takes_back_more_than_is_kept_takes_back_all_that_it_has(server: Server) -> None:
    secret = await server.another("shop")
    beside = (await server.token(GRANT, basic=("shop", secret))).json()["access_token"]
    await server.execute(
        "INSERT INTO revoked_tokens (token_id, client_id, ends_at)"
        " SELECT 't' || n, (SELECT id FROM clients WHERE client_id = 'erp'), '2027-01-01'"
        f" FROM generate_series(1, {MAX_PER_CLIENT}) AS n"
    )

    one, other = await server.fresh_token(), await server.fresh_token()

    answers = [await server.as_erp("/oauth/revoke", token=token) for token in (one, other)]

    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {})] * 2
    for token in (one, other):
        assert await refused(server, token)
        assert (await server.as_erp("/oauth/introspect", token=token)).json() == {"active": False}
    assert await revoked_rows(server) == 0
    fresh = await server.fresh_token()
    for token in (fresh, beside):
        await server.principals.authenticate(token)
    async with server.engine.connect() as connection:
        told = await connection.execute(
            text("SELECT actor_id, after::text FROM events WHERE type = 'client.tokens_revoked'")
        )
        assert [tuple(row) for row in told] == [(server.account, '{"token_epoch": 1}')]
    # There is room again: the next one is taken back alone.
    await server.as_erp("/oauth/revoke", token=fresh)
    assert await revoked_rows(server) == 1
    await server.principals.authenticate(await server.fresh_token())


async def test_introspection_tells_what_an_own_token_is_good_for(server: Server) -> None:
    token = await server.fresh_token("customers:read")

    answer = await server.as_erp("/oauth/introspect", token=token)

    body = answer.json()
    assert {k: answer.headers[k] for k in NO_STORE} == NO_STORE
    assert len(body.pop("jti")) == 22
    assert body == {
        "active": True,
        "scope": "customers:read",
        "client_id": "erp",
        "token_type": "Bearer",
        "exp": int(NOW.timestamp()) + TERMS.lifetime_s,
        "iat": int(NOW.timestamp()),
        "sub": str(server.account),
        "aud": TERMS.audience,
        "iss": TERMS.issuer,
    }


async def test_introspection_leaves_out_a_scope_that_the_client_has_lost(server: Server) -> None:
    token = await server.fresh_token()
    await server.execute("UPDATE clients SET scopes = '[\"customers:read\"]' WHERE client_id = 'erp'")

    assert (await server.as_erp("/oauth/introspect", token=token)).json()["scope"] == "customers:read"


async def test_introspection_of_anything_else_is_one_answer(server: Server) -> None:
    secret = await server.another("shop")
    own, revoked = await server.fresh_token(), await server.fresh_token()
    await server.as_erp("/oauth/revoke", token=revoked)
    people = issue_user_token(TERMS, server.principals.keys, server.account, now=NOW)
    foreign = (await server.token(GRANT, basic=("shop", secret))).json()["access_token"]

    told = [(await server.as_erp("/oauth/introspect", token=t)).json() for t in (revoked, people, foreign, "x.y.z")]
    server.clock.pass_(TERMS.lifetime_s + LEEWAY_S)
    told.append((await server.as_erp("/oauth/introspect", token=own)).json())

    assert told == [INACTIVE] * 5


@pytest.mark.parametrize("path", ["/oauth/revoke", "/oauth/introspect"])
async def test_only_clients_that_prove_it_are_answered(server: Server, path: str) -> None:
    token = await server.fresh_token()

    for basic in (("erp", "wrong"), ("nobody", "x")):
        answer = await server.post(path, {"token": token}, basic=basic)
        assert (answer.status_code, answer.json()) == (401, WRONG)
    assert (await server.post(path, {"token": token, "client_id": "erp"})).status_code == 401
    assert (await server.as_erp(path)).json()["error"] == "invalid_request"
    assert (await server.http.get(path)).status_code == 405
    await server.principals.authenticate(token)


async def test_suspended_client_neither_revokes_nor_asks(server: Server) -> None:
    token = await server.fresh_token()
    await server.execute("UPDATE clients SET status = 'SUSPENDED' WHERE client_id = 'erp'")

    for path in ("/oauth/revoke", "/oauth/introspect"):
        assert (await server.as_erp(path, token=token)).json() == WRONG
