"""How often the OAuth endpoints may be asked: by client, address and endpoint, and by address alone."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.db import ReadPool
from crm_graph.permissions.authorization_server import Limits
from crm_graph.permissions.rate_limits import RateLimit

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


def limits(seconds: Seconds, of_client: int, of_address: int) -> Limits:
    return Limits(RateLimit(of_client, monotonic=seconds), RateLimit(of_address, monotonic=seconds))


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


@pytest.mark.parametrize(
    ("addresses", "last"),
    [
        (["192.0.2.7"] * 3, 429),
        (["192.0.2.7", "192.0.2.8", "192.0.2.9"], 401),
        (["2001:db8::1", "2001:db8::2", "2001:db8::ffff:3"], 429),
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
