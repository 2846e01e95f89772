"""Who asks, where a proxy stands in front: the address that it tells counts, and no other's word for one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from pydantic import ValidationError

from crm_graph.app import build_app
from crm_graph.settings import load_settings

from .conftest import Crm, serving
from .machines import GRANT, basic_header

HERE = "127.0.0.0/8"
OWN = {"X-CRM-Graph-Console": "1", "Sec-Fetch-Site": "same-origin", "Cookie": f"crm_graph_session={'x' * 43}"}


@asynccontextmanager
async def behind(crm: Crm, proxies: str) -> AsyncIterator[httpx.AsyncClient]:
    """A hub that lets one proof in a minute be wrong. Its proxy is who connects to it, if `proxies` has 127.0.0.1."""
    more = {"trusted_proxies": proxies, "token_requests_per_minute": 1}
    settings = crm.settings.model_copy(update=more)
    async with serving(build_app(settings, clock=crm.clock)) as http:
        yield http


async def wrong_secret(http: httpx.AsyncClient, *told: str) -> int:
    headers = [("Authorization", basic_header("erp", "x")), *(("X-Forwarded-For", line) for line in told)]
    return (await http.post("/oauth/token", data=GRANT, headers=headers)).status_code


async def test_who_asks_is_whom_the_proxy_tells(crm: Crm) -> None:
    async with behind(crm, HERE) as http:
        assert [await wrong_secret(http, "192.0.2.1") for _ in range(2)] == [401, 429]
        assert [await wrong_secret(http, "192.0.2.2") for _ in range(2)] == [401, 429]
        assert await wrong_secret(http, "198.51.100.1, 192.0.2.1") == 429
        assert await wrong_secret(http, "198.51.100.1", "192.0.2.1, 127.0.0.2") == 429
        assert [await wrong_secret(http, f"[2001:db8::{n}]:443") for n in (1, 2)] == [401, 429]

        async def session(address: str) -> int:
            return (await http.post("/console/token", headers=OWN | {"X-Forwarded-For": address})).status_code

        assert [await session(address) for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2")] == [401, 429, 401]


@pytest.mark.parametrize("proxies", ["", "192.0.2.1"])
async def test_nobody_says_who_they_are_past_a_proxy(crm: Crm, proxies: str) -> None:
    async with behind(crm, proxies) as http:
        assert [await wrong_secret(http, f"198.51.100.{n}") for n in (1, 2)] == [401, 429]


def test_proxies_are_named_by_address_and_network() -> None:
    settings = load_settings(trusted_proxies="10.1.0.0/16, 192.0.2.1,2001:db8::/32")
    assert settings.trusted_networks == [
        "10.1.0.0/16", "::ffff:10.1.0.0/112", "192.0.2.1/32", "::ffff:192.0.2.1/128", "2001:db8::/32",
    ]  # fmt: skip


@pytest.mark.parametrize("proxies", ["*", "proxy", "10.1.0.1/16", "0.0.0.0/0", "::/0"])
def test_who_is_no_proxy_is_none(proxies: str) -> None:
    with pytest.raises(ValidationError):
        load_settings(trusted_proxies=proxies)
