"""Suspension of users and clients, with two hubs that are processes of their own: everywhere within a second, and under
load no answer is half one.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from joserfc import jws

from .conftest import Answer, Crm, settings_of_own_database
from .machines import WRONG, basic_header
from .processes import HOLDS_WITHIN_S, Processes, ask, refused_in_time, running, served_again
from .registering import REGISTER, RETIRE, ROTATE, values

REFUSED = (401, "UNAUTHENTICATED", "A valid access token is needed.")
PAGE = (
    "query($after: String) { customers(first: 1, after: $after, orderBy: [{ name: ASC }])"
    " { nodes { name } pageInfo { endCursor } } }"
)
RIGHTS = "SELECT version FROM policy_version FOR UPDATE"
"""What every edit of rights waits for."""
LEAD = "mutation($n: String!) { createLead(input: { name: $n }) { lead { id } errors { code } } }"


@pytest.fixture(scope="module")
async def processes(
    cluster_address: str, worker_id: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Processes]:
    settings = await settings_of_own_database(
        cluster_address, worker_id, "processes", tmp_path_factory.mktemp("processes")
    )
    async with running(settings) as processes:
        yield processes


async def told(processes: Processes, verb: str, who: str, by: str = "root", hub: int = 0) -> Any:
    """Suspend or reinstate a user."""
    document = f"mutation($id: ID!) {{ {verb}User(user: $id) {{ user {{ status }} errors {{ code path message }} }} }}"
    crm = processes.hubs[hub]
    payload = (await crm.ask(by, document, {"id": str(crm.users[who])})).payload(f"{verb}User")
    await crm.suspended(str(crm.users[who]))
    return payload


async def client_told(processes: Processes, verb: str, client_id: str) -> None:
    document = f"mutation($id: String!) {{ {verb}Client(clientId: $id) {{ errors {{ code }} }} }}"
    assert (await processes.crm.ask("root", document, {"id": client_id})).payload(f"{verb}Client")["errors"] == []


async def registered(processes: Processes, client_id: str, **more: Any) -> str:
    payload = (await processes.crm.ask("root", REGISTER, values(client_id, **more))).payload("registerClient")
    assert payload["errors"] == []
    return str(payload["secret"])


async def test_suspended_user_is_refused_by_every_process_with_cursors_and_prepared_plans(processes: Processes) -> None:
    for name in ("甲-停", "乙-停"):
        await processes.crm.make("chen", "customer", kind="PERSON", name=name)
    held = processes.crm.token("chen")
    pages = [await ask(hub, held, PAGE) for hub in processes.hubs]
    ends = {"after": pages[0].data["customers"]["pageInfo"]["endCursor"]}
    second = await ask(processes.hubs[1], held, PAGE, ends)

    payload = await told(processes, "suspend", "chen")

    assert (payload["user"], payload["errors"]) == ({"status": "SUSPENDED"}, [])
    refused = await asyncio.gather(*(refused_in_time(partial(ask, hub, held, PAGE, ends)) for hub in processes.hubs))
    assert [answer.error for answer in refused] == [REFUSED] * 2
    assert (await ask(processes.hubs[1], processes.crm.token("chen"), "{ __typename }")).error == REFUSED
    assert (await told(processes, "suspend", "chen", hub=1))["errors"] == []
    assert (await told(processes, "reinstate", "chen", hub=1))["user"] == {"status": "ACTIVE"}
    fresh = processes.crm.token("chen")
    for hub in processes.hubs:
        again = await served_again(partial(ask, hub, fresh, PAGE, ends))
        assert again.data == second.data
        # What was out before stays refused, wherever it has been meanwhile.
        assert (await ask(hub, held, PAGE, ends)).error == REFUSED
    events = await processes.crm.events(str(processes.crm.users["chen"]))
    assert [(e["type"], e["actor_id"], e["before"], e["after"]) for e in events] == [
        ("user.suspended", processes.crm.users["root"], {"status": "ACTIVE"}, {"status": "SUSPENDED"}),
        ("user.reinstated", processes.crm.users["root"], {"status": "SUSPENDED"}, {"status": "ACTIVE"}),
    ]


async def test_in_the_process_of_an_edit_the_next_request_obeys_it(processes: Processes) -> None:
    by = processes.hubs[0]
    for _ in range(20):
        held = processes.crm.token("li")
        assert (await ask(by, held, "{ __typename }")).status == 200
        assert (await told(processes, "suspend", "li"))["errors"] == []
        assert (await ask(by, held, "{ __typename }")).error == REFUSED
        assert (await told(processes, "reinstate", "li"))["errors"] == []


async def test_in_the_process_of_an_edit_the_next_request_of_a_client_obeys_it(processes: Processes) -> None:
    secret = await registered(processes, "prompt")
    by = processes.hubs[0]
    for _ in range(5):
        held = (await processes.token_of("prompt", secret)).json()["access_token"]
        assert (await ask(by, held, PAGE)).status == 200
        await client_told(processes, "suspend", "prompt")
        assert (await ask(by, held, PAGE)).error == REFUSED
        await client_told(processes, "reinstate", "prompt")


async def test_suspended_client_is_refused_by_every_process_and_endpoint(processes: Processes) -> None:
    secret = await registered(processes, "kiosk")
    held = (await processes.token_of("kiosk", secret)).json()["access_token"]
    for hub in processes.hubs:
        assert (await ask(hub, held, PAGE)).status == 200

    await client_told(processes, "suspend", "kiosk")

    for number, hub in enumerate(processes.hubs):
        # These ask the database each time.
        assert (await processes.token_of("kiosk", secret, number)).json() == WRONG
        for path in ("/oauth/introspect", "/oauth/revoke"):
            headers = {"Authorization": basic_header("kiosk", secret)}
            assert (await hub.http.post(path, data={"token": held}, headers=headers)).json() == WRONG
    refused = await asyncio.gather(*(refused_in_time(partial(ask, hub, held, PAGE)) for hub in processes.hubs))
    assert [answer.error for answer in refused] == [REFUSED] * 2
    await client_told(processes, "reinstate", "kiosk")
    fresh = (await processes.token_of("kiosk", secret)).json()["access_token"]
    for hub in processes.hubs:
        assert (await served_again(partial(ask, hub, fresh, PAGE))).status == 200
        assert (await ask(hub, held, PAGE)).error == REFUSED


async def test_all_tokens_of_a_client_are_taken_back_in_every_process_and_new_ones_serve(processes: Processes) -> None:
    secret, other = await registered(processes, "leaky"), await registered(processes, "tight")
    leaked = [(await processes.token_of("leaky", secret, number)).json()["access_token"] for number in (0, 1)]
    beside = (await processes.token_of("tight", other)).json()["access_token"]
    for hub in processes.hubs:
        for held in (*leaked, beside):
            assert (await ask(hub, held, PAGE)).status == 200

    document = 'mutation { revokeClientTokens(clientId: "leaky") { client { status } errors { code } } }'
    payload = (await processes.crm.ask("root", document)).payload("revokeClientTokens")

    assert payload == {"client": {"status": "ACTIVE"}, "errors": []}
    for number, hub in enumerate(processes.hubs):
        fresh = (await processes.token_of("leaky", secret, number)).json()["access_token"]
        for held in leaked:
            assert (await refused_in_time(partial(ask, hub, held, PAGE))).error == REFUSED
            headers = {"Authorization": basic_header("leaky", secret)}
            told = await hub.http.post("/oauth/introspect", data={"token": held}, headers=headers)
            assert told.json() == {"active": False}
        for each in processes.hubs:
            assert (await ask(each, fresh, PAGE)).status == 200
            assert (await ask(each, beside, PAGE)).status == 200


async def test_user_whose_account_a_client_has_is_suspended_with_the_client(processes: Processes) -> None:
    secret = await registered(processes, "robot")
    held = (await processes.token_of("robot", secret)).json()["access_token"]
    account = await processes.crm.database.fetchval("SELECT id FROM users WHERE username = 'robot'")
    processes.crm.users["robot"] = account
    assert (await ask(processes.hubs[1], held, PAGE)).status == 200

    assert (await told(processes, "suspend", "robot"))["errors"] == []

    assert (await processes.token_of("robot", secret, 1)).json() == WRONG
    assert (await refused_in_time(partial(ask, processes.hubs[1], held, PAGE))).error == REFUSED
    assert (await told(processes, "reinstate", "robot"))["errors"] == []
    fresh = (await processes.token_of("robot", secret)).json()["access_token"]
    assert (await served_again(partial(ask, processes.hubs[1], fresh, PAGE))).status == 200
    assert (await ask(processes.hubs[1], held, PAGE)).error == REFUSED


async def hammered(hub: Crm, token: str, what: str, seen: list[tuple[float, float, str, Answer]]) -> None:
    """Write a lead and read a page, again and again, until refused; note when each was sent and answered."""
    number = 0
    while True:
        name = f"{what}-{number}"
        number += 1
        for document, variables in ((LEAD, {"n": name}), (PAGE, None)):
            sent = time.monotonic()
            answer = await ask(hub, token, document, variables)
            seen.append((sent, time.monotonic(), name if document is LEAD else "", answer))
            if answer.status != 200:
                return


async def test_under_load_each_request_is_answered_whole_or_refused(processes: Processes) -> None:
    held = processes.crm.token("li")
    seen: list[list[tuple[float, float, str, Answer]]] = [[] for _ in range(6)]
    load = [asyncio.create_task(hammered(processes.hubs[n % 2], held, f"负载{n}", seen[n])) for n in range(len(seen))]
    while min(len(answers) for answers in seen) < 4:
        await ask(processes.hubs[0], processes.crm.token("root"), "{ __typename }")

    assert (await told(processes, "suspend", "li"))["errors"] == []
    since = time.monotonic()
    await asyncio.gather(*load)

    answers = [one for each in seen for one in each]
    last = {hub: min(each[-1][1] for each in seen[hub::2]) for hub in range(2)}
    for number, each in enumerate(seen):
        assert [answer.error for *_, answer in each if answer.status != 200] == [REFUSED]
        for sent, _, _, answer in each:
            # Once a process has refused somebody, it answers none of their requests that come later.
            assert answer.status == 401 or (sent < last[number % 2] and sent < since + HOLDS_WITHIN_S)
    written = {name for *_, name, answer in answers if name and answer.status == 200 and _made(answer)}
    refused = {name for *_, name, answer in answers if name and answer.status != 200}
    rows = await processes.crm.database.fetch("SELECT name FROM leads WHERE name LIKE '负载%'")
    assert {row["name"] for row in rows} == written
    assert written.isdisjoint(refused)
    assert len(written) >= 12


def _made(answer: Answer) -> bool:
    payload = answer.payload("createLead")
    assert (payload["errors"], payload["lead"] is None) == ([], False)
    return True


async def test_two_rotations_at_once_lose_no_secret(processes: Processes) -> None:
    first = await registered(processes, "pos")
    answers = await processes.held(
        RIGHTS,
        [hub.ask("root", ROTATE, {"id": "pos"}) for hub in processes.hubs],
    )

    payloads = [answer.payload("rotateClientSecret") for answer in answers]
    given = [payload["secret"] for payload in payloads if payload["secret"]]
    assert [e["code"] for payload in payloads for e in payload["errors"]] == ["LIMIT_REACHED"]
    assert len(given) == 1
    assert [(await processes.token_of("pos", secret)).status_code for secret in (first, *given)] == [200, 200]


async def test_two_retirements_at_once_leave_one_secret(processes: Processes) -> None:
    await registered(processes, "pos-2")
    new = (await processes.crm.ask("root", ROTATE, {"id": "pos-2"})).payload("rotateClientSecret")
    answers = await processes.held(
        RIGHTS,
        [
            hub.ask("root", RETIRE, {"id": "pos-2", "secret": secret["id"]})
            for hub, secret in zip(processes.hubs, new["client"]["secrets"], strict=True)
        ],
    )

    codes = [e["code"] for answer in answers for e in answer.payload("retireClientSecret")["errors"]]
    assert codes == ["LIMIT_REACHED"]
    assert await processes.crm.count("clients WHERE client_id = 'pos-2' AND jsonb_array_length(secrets) = 1") == 1


async def test_two_registrations_at_once_make_one_client(processes: Processes) -> None:
    answers = await processes.held(
        RIGHTS,
        [
            processes.hubs[0].ask("root", REGISTER, values("twin", name="Twin")),
            processes.hubs[1].ask("root", REGISTER, values("twin", name="Other twin")),
            processes.hubs[1].ask("root", REGISTER, values("third", name="Twin")),
        ],
    )

    payloads = [answer.payload("registerClient") for answer in answers]
    assert all([e["code"] for e in payload["errors"]] in ([], ["DUPLICATE"]) for payload in payloads)
    made = await processes.crm.database.fetch(
        "SELECT client_id, name FROM clients WHERE client_id IN ('twin', 'third')"
    )
    assert len({row["client_id"] for row in made}) == len({row["name"] for row in made}) == len(made)
    assert len(made) == sum(payload["errors"] == [] for payload in payloads)


async def test_last_two_admins_do_not_suspend_each_other(processes: Processes) -> None:
    """Whoever is second has been suspended while they waited, and may not act any more."""
    crm = processes.crm
    await crm.database.execute(
        "INSERT INTO user_roles (user_id, role_id) SELECT $1, id FROM roles WHERE key = 'admin'", crm.users["qian"]
    )
    await crm.database.execute("UPDATE policy_version SET version = version + 1")
    await served_again(partial(ask, processes.hubs[1], crm.token("qian"), "{ clients(first: 1) { totalCount } }"))
    answers = await processes.held(
        RIGHTS,
        [told(processes, "suspend", "qian"), told(processes, "suspend", "root", "qian", hub=1)],
    )

    assert [e["code"] for answer in answers for e in answer["errors"]] == ["NOT_FOUND"]
    left = "users WHERE status = 'ACTIVE' AND id = ANY($1::uuid[])"
    assert await crm.count(left, [crm.users["root"], crm.users["qian"]]) == 1
    await crm.database.execute("UPDATE users SET status = 'ACTIVE' WHERE username IN ('root', 'qian')")
    await crm.database.execute(
        "DELETE FROM user_roles WHERE user_id = $1 AND role_id = (SELECT id FROM roles WHERE key = 'admin')",
        crm.users["qian"],
    )
    await crm.database.execute("UPDATE policy_version SET version = version + 1")


async def test_rotation_of_keys_drops_no_token_in_any_process(processes: Processes) -> None:
    """Tokens are taken from either process and shown to both at once, while the keys that sign them change."""
    secret = await registered(processes, "turnstile")
    stop = asyncio.Event()
    answered: list[tuple[str, int]] = []

    async def pass_through(number: int) -> None:
        kept = ""
        while not stop.is_set():
            issued = (await processes.token_of("turnstile", secret, number)).json()["access_token"]
            for token in filter(None, (issued, kept)):
                told = await asyncio.gather(*(ask(hub, token, PAGE) for hub in processes.hubs))
                answered.extend((token, answer.status) for answer in told)
            kept = kept or issued

    load = [asyncio.create_task(pass_through(n % 2)) for n in range(4)]
    kids = []
    for _ in range(5):
        kids.append(await processes.rotate_keys())
        seen = len(answered)
        while len(answered) < seen + 40:
            await ask(processes.hubs[0], processes.crm.token("root"), "{ __typename }")
    stop.set()
    await asyncio.gather(*load)

    assert {status for _, status in answered} == {200}
    assert len({token for token, _ in answered}) > 20
    published = [(await hub.http.get("/.well-known/jwks.json")).json() for hub in processes.hubs]
    assert published[0] == published[1]
    assert set(kids) < {key["kid"] for key in published[0]["keys"]}


async def test_tokens_of_a_dropped_key_are_refused_in_every_process_and_new_ones_serve(processes: Processes) -> None:
    secret = await registered(processes, "sluice")
    leaked, held = await processes.rotate_keys(), ""
    async with asyncio.timeout(HOLDS_WITHIN_S):
        while not held or jws.extract_compact(held.encode()).headers()["kid"] != leaked:
            held = (await processes.token_of("sluice", secret, 1)).json()["access_token"]
    for hub in processes.hubs:
        assert (await ask(hub, held, PAGE)).status == 200

    await processes.drop_key(leaked)

    refused = await asyncio.gather(*(refused_in_time(partial(ask, hub, held, PAGE)) for hub in processes.hubs))
    assert [answer.error for answer in refused] == [REFUSED] * 2
    fresh = (await processes.token_of("sluice", secret)).json()["access_token"]
    for hub in processes.hubs:
        assert (await ask(hub, fresh, PAGE)).status == 200
        published = (await hub.http.get("/.well-known/jwks.json")).json()
        assert leaked not in {key["kid"] for key in published["keys"]}
