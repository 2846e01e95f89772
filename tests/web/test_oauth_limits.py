"""How often the OAuth endpoints may be asked, and proofs be wrong: by client and address, by address, and together."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.db import ReadPool
from crm_graph.permissions.authorization_server import Limits
from crm_graph.permissions.rate_limits import AT_ONCE, WAITING, RateLimit, TooManyWrong, WrongProofs

from .machines import GRANT, WRONG, Server, app_of, basic_header, client_of, serving_machines


class Seconds:
    """A clock of seconds that is moved by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def server(clean: None, engine: AsyncEngine, pool: ReadPool) -> AsyncIterator[Server]:
    async with serving_machines(engine, pool) as server:
        yield server


def limits(seconds: Seconds, of_client: int, of_address: int, of_all: int = 0) -> Limits:
    requests, *wrong = (RateLimit(number, monotonic=seconds) for number in (of_client, of_client, of_address, of_all))
    return Limits(requests, WrongProofs(*wrong))


async def test_client_that_asks_too_often_waits_and_is_told_how_long(server: Server) -> None:
    seconds = Seconds()
    headers = {"Authorization": basic_header("erp", server.secret)}
    async with client_of(app_of(server, limits=limits(seconds, 2, 100))) as http:
        told = [(await http.post("/oauth/token", data=GRANT, headers=headers)).status_code for _ in range(3)]
        refused = await http.post("/oauth/token", data=GRANT, headers=headers)
        other = await http.post("/oauth/introspect", data={"token": "x"}, headers=headers)
        seconds.now += 30
        later = await http.post("/oauth/token", data=GRANT, headers=headers)

    assert told == [200, 200, 429]
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
    assert refused.json()["error"] == "slow_down"
    assert (other.status_code, later.status_code) == (200, 200)


async def test_unknown_clients_and_wrong_secrets_are_limited_alike(server: Server) -> None:
    async with client_of(app_of(server, limits=limits(Seconds(), 2, 100))) as http:
        told = {
            name: [
                (await http.post("/oauth/token", data=GRANT, headers={"Authorization": basic_header(name, "x")}))
                for _ in range(3)
            ]
            for name in ("erp", "nobody")
        }

    for answers in told.values():
        assert [a.status_code for a in answers] == [401, 401, 429]
        assert answers[0].json() == WRONG


async def test_nobody_keeps_a_client_out_from_another_address(server: Server) -> None:
    app, headers = app_of(server, limits=limits(Seconds(), 1, 100)), {"Authorization": basic_header("erp", "x")}
    async with client_of(app, "192.0.2.7") as attacker, client_of(app, "192.0.2.8") as client:
        for _ in range(5):
            await attacker.post("/oauth/token", data=GRANT, headers=headers)
        own = {"Authorization": basic_header("erp", server.secret)}
        assert (await client.post("/oauth/token", data=GRANT, headers=own)).status_code == 200


async def test_nobody_keeps_a_client_out_from_its_own_address(server: Server) -> None:
    async with client_of(app_of(server, limits=limits(Seconds(), 2, 3))) as http:
        wrong = {"Authorization": basic_header("erp", "x")}
        told = [(await http.post("/oauth/token", data=GRANT, headers=wrong)).status_code for _ in range(5)]
        made_up = {"Authorization": basic_header("nobody", "x")}
        told += [(await http.post("/oauth/token", data=GRANT, headers=made_up)).status_code for _ in range(2)]
        right = {"Authorization": basic_header("erp", server.secret)}
        let_in = await http.post("/oauth/token", data=GRANT, headers=right)
        last = await http.post("/oauth/token", data=GRANT, headers=wrong)

    assert told == [401, 401, 429, 429, 429, 401, 429]
    assert let_in.status_code == 200
    assert last.status_code == 429


async def test_requests_that_are_right_do_not_count_as_wrong(server: Server) -> None:
    everywhere = limits(Seconds(), 0, 0)
    app = app_of(server, limits=Limits(everywhere.of_client, WrongProofs.of(1, Seconds())))
    async with client_of(app) as http:
        right = {"Authorization": basic_header("erp", server.secret)}
        told = {(await http.post("/oauth/token", data=GRANT, headers=right)).status_code for _ in range(5)}
        wrong = {"Authorization": basic_header("erp", "x")}
        told_wrong = [(await http.post("/oauth/token", data=GRANT, headers=wrong)).status_code for _ in range(2)]

    assert told == {200}
    assert told_wrong == [401, 429]


class Wrong(Exception):
    """What a proof raises that is none."""


async def prove(proofs: WrongProofs, address: str, *, holds: bool, until: asyncio.Event | None = None) -> None:
    async with proofs.proving(address, "erp", Wrong):
        if until is not None:
            await until.wait()
        if not holds:
            raise Wrong


async def test_wrong_proofs_from_everywhere_make_others_wait_and_keep_nobody_out() -> None:
    seconds, hold = Seconds(), asyncio.Event()
    proofs = WrongProofs(*(RateLimit(number, monotonic=seconds) for number in (10, 10, 3)))
    for number in range(3):
        with pytest.raises(Wrong):
            await prove(proofs, f"192.0.2.{number}", holds=False)
    busy = [asyncio.create_task(prove(proofs, f"198.51.100.{n}", holds=False, until=hold)) for n in range(AT_ONCE)]
    await asyncio.sleep(0)
    right = asyncio.create_task(prove(proofs, "203.0.113.1", holds=True))
    done, _ = await asyncio.wait([right], timeout=0.01)
    assert not done
    hold.set()
    await right
    assert [type(failure) for failure in await asyncio.gather(*busy, return_exceptions=True)] == [Wrong] * AT_ONCE


async def test_so_many_suspects_wait_and_no_more() -> None:
    hold = asyncio.Event()
    proofs = WrongProofs.of(1, Seconds())
    with pytest.raises(Wrong):
        await prove(proofs, "192.0.2.1", holds=False)
    waiting = [asyncio.create_task(prove(proofs, "192.0.2.1", holds=True, until=hold)) for _ in range(WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyWrong):
        await prove(proofs, "192.0.2.1", holds=True)
    await prove(proofs, "192.0.2.2", holds=True)
    hold.set()
    await asyncio.gather(*waiting)
    await prove(proofs, "192.0.2.1", holds=True)


@pytest.mark.parametrize(
    ("addresses", "last"),
    [
        (["192.0.2.7"] * 3, 429),
        (["192.0.2.7", "192.0.2.8", "192.0.2.9"], 401),
        (["2001:db8::1", "2001:db8::2", "2001:db8::ffff:3"], 429),
        (["::ffff:192.0.2.7", "192.0.2.7", "::ffff:192.0.2.7"], 429),
        (["::ffff:192.0.2.7", "::ffff:192.0.2.8", "::ffff:192.0.2.9"], 401),
        (["2001:db8:0:1::1", "2001:db8:0:2::1", "2001:db8:0:3::1"], 401),
    ],
)
async def test_address_is_limited_whatever_names_it_uses(server: Server, addresses: list[str], last: int) -> None:
    app = app_of(server, limits=limits(Seconds(), 100, 2))
    status = 0
    for number, address in enumerate(addresses):
        async with client_of(app, address) as http:
            headers = {"Authorization": basic_header(f"client{number}", "x")}
            status = (await http.post("/oauth/token", data=GRANT, headers=headers)).status_code

    assert status == last


def test_refused_request_costs_nothing() -> None:
    seconds = Seconds()
    limit = RateLimit(60, monotonic=seconds)
    assert [limit.wait_s("a") for _ in range(62)] == [0] * 60 + [1, 1]
    seconds.now += 1
    assert [limit.wait_s("a"), limit.wait_s("a"), limit.wait_s("b")] == [0, 1, 0]


def test_zero_lets_all_pass_and_one_lets_one() -> None:
    seconds = Seconds()
    assert [RateLimit(0).wait_s("a") for _ in range(1000)] == [0] * 1000
    one = RateLimit(1, monotonic=seconds)
    assert [one.wait_s("a"), one.wait_s("a")] == [0, 60]


def test_names_that_were_not_heard_of_for_longest_are_forgotten() -> None:
    limit = RateLimit(1, monotonic=Seconds(), kept=2)
    for name in ("a", "b", "c"):
        limit.wait_s(name)

    assert [limit.wait_s("c"), limit.wait_s("b"), limit.wait_s("a")] == [60, 60, 0]
