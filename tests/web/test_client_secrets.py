"""Secrets of clients: shown once, changed over without an outage, retired by choice or by time."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from .conftest import Crm
from .machines import WRONG
from .registering import RETIRE, ROTATE, register, token, told


@pytest.fixture(scope="module")
def crm(registry: Crm) -> Crm:
    return registry


async def rotate(crm: Crm, client_id: str, ends: Any = None) -> Any:
    return (await crm.ask("root", ROTATE, {"id": client_id, "ends": ends})).payload("rotateClientSecret")


async def retire(crm: Crm, client_id: str, secret: str | None = None, ends: Any = None) -> Any:
    answer = await crm.ask("root", RETIRE, {"id": client_id, "secret": secret, "ends": ends})
    return answer.payload("retireClientSecret")


async def statuses(crm: Crm, client_id: str, *secrets: str) -> list[int]:
    return [(await token(crm, client_id, secret)).status_code for secret in secrets]


async def test_secrets_change_over_without_an_outage(crm: Crm) -> None:
    first = (await register(crm, "till-1"))["secret"]
    rotated = await rotate(crm, "till-1")
    both = await statuses(crm, "till-1", first, rotated["secret"])
    third = await rotate(crm, "till-1")
    retired = await retire(crm, "till-1")
    after = await statuses(crm, "till-1", first, rotated["secret"])
    last = await retire(crm, "till-1")

    assert (len(rotated["client"]["secrets"]), len(retired["client"]["secrets"])) == (2, 1)
    assert (both, after) == ([200, 200], [401, 200])
    assert [e["code"] for e in (*third["errors"], *last["errors"])] == ["LIMIT_REACHED", "LIMIT_REACHED"]
    events = await told(crm, "till-1")
    old, new = rotated["client"]["secrets"]
    assert [(e["type"], e["entity_version"]) for e in events[1:]] == [
        ("client.secret_added", 2),
        ("client.secret_retired", 3),
    ]
    assert events[1]["after"] == {"secret_id": new["id"]}
    assert events[2]["after"]["secret_id"] == old["id"]


async def test_old_secret_ends_by_itself(crm: Crm) -> None:
    first = (await register(crm, "till-2"))["secret"]
    end = crm.clock() + timedelta(minutes=30)
    rotated = await rotate(crm, "till-2", end.isoformat())

    assert await statuses(crm, "till-2", first, rotated["secret"]) == [200, 200]
    crm.clock.now += timedelta(minutes=30)
    try:
        assert await statuses(crm, "till-2", first, rotated["secret"]) == [401, 200]
        assert len((await rotate(crm, "till-2"))["client"]["secrets"]) == 2
    finally:
        crm.clock.now -= timedelta(minutes=30)


async def test_secret_that_leaked_is_replaced_at_once(crm: Crm) -> None:
    first = (await register(crm, "till-3"))["secret"]
    rotated = await rotate(crm, "till-3", {"ago": "PT0S"})

    assert len(rotated["client"]["secrets"]) == 1
    assert await statuses(crm, "till-3", first, rotated["secret"]) == [401, 200]


async def test_newer_secret_is_retired_by_its_id(crm: Crm) -> None:
    first = (await register(crm, "till-4"))["secret"]
    rotated = await rotate(crm, "till-4")
    _, newer = rotated["client"]["secrets"]

    assert [e["code"] for e in (await retire(crm, "till-4", "nonsense"))["errors"]] == ["NOT_FOUND"]
    assert (await retire(crm, "till-4", newer["id"]))["errors"] == []
    assert await statuses(crm, "till-4", first, rotated["secret"]) == [200, 401]


async def test_retry_of_a_rotation_makes_no_third_secret(crm: Crm) -> None:
    await register(crm, "till-5")
    asked = [crm.ask("root", ROTATE, {"id": "till-5"}, Idempotency_Key="till-5") for _ in range(2)]
    first, again = (answer.payload("rotateClientSecret") for answer in await asyncio.gather(*asked))

    assert sorted([first["secret"] is None, again["secret"] is None]) == [False, True]
    assert first["client"] == again["client"]
    assert len(first["client"]["secrets"]) == 2


async def test_wrong_secret_is_told_as_ever_while_two_live(crm: Crm) -> None:
    await register(crm, "till-6")
    await rotate(crm, "till-6")

    answer = await token(crm, "till-6", "x" * 43)
    assert (answer.status_code, answer.json()) == (401, WRONG)


async def test_rotation_leaves_what_every_process_knows_of_rights(crm: Crm) -> None:
    """Secrets are asked for each time; a client that rotates often does not make tokens of others be verified anew."""
    await register(crm, "till-7")
    version = "SELECT version FROM policy_version"
    before = await crm.database.fetchval(version)

    await rotate(crm, "till-7")
    await retire(crm, "till-7")

    assert await crm.database.fetchval(version) == before
