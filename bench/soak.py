"""Memory of the process over a long and mixed load."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random

from bench.hub import Client, Hub
from bench.report import Section

CLIENTS = 4
PAGE = """
query($n: Int!, $offset: Int!) { customers(first: $n, offset: $offset) { nodes {
  id name kind tier city createdAt
  interactions(first: 5) { nodes { id channel occurredAt } }
  opportunities(first: 20) { nodes { id name currency } }
} pageInfo { hasNextPage endCursor } totalCount } }
"""
ODD = '{{ c{number}: customers(first: {size}, where: {{ name: {{ contains: "{text}" }} }}) {{ nodes {{ id name }} }} }}'
MEASURES = 10
FILLING = 5_000
"""So many new documents fill what a process keeps of them, on each connection too: growth after that is growth."""


def measure_soak(hub: Hub, role: str, seconds: int, progress: Callable[[str], None]) -> Section:
    """Ask for pages of all sizes, and now and then with a document that was never seen, for `seconds`."""
    token = hub.token(role)
    progress("soak: filling what is kept of documents")
    with ThreadPoolExecutor(CLIENTS) as filling:
        list(filling.map(lambda seat: _fill(Client(hub, token), seat), range(CLIENTS)))
    until = time.monotonic() + seconds
    answered = [0] * CLIENTS
    failed: list[BaseException] = []

    def ask(seat: int) -> None:
        client, random = Client(hub, token), Random(seat)
        try:
            while time.monotonic() < until:
                if random.random() < 0.05:
                    client.ask(ODD.format(number=random.getrandbits(40), size=random.randint(1, 50), text="公司"))
                else:
                    client.ask(PAGE, n=random.choice((1, 20, 50, 200)), offset=random.randint(0, 5_000))
                answered[seat] += 1
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=ask, args=(seat,), daemon=True) for seat in range(CLIENTS)]
    for thread in threads:
        thread.start()
    rows = []
    for step in range(1, MEASURES + 1):
        while time.monotonic() < until - seconds * (MEASURES - step) / MEASURES:
            time.sleep(0.2)
        memory = hub.process.memory_info().rss / 2**20
        progress(f"soak, {step} of {MEASURES}: {memory:.0f} MiB")
        rows.append((f"{seconds * step / MEASURES:.0f}", f"{sum(answered):,}", f"{memory:.0f}"))
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return Section(f"Memory over {seconds} s of mixed load", ("second", "answers so far", "MiB"), tuple(rows))


def _fill(client: Client, seat: int) -> None:
    for number in range(seat, FILLING, CLIENTS):
        client.ask(ODD.format(number=number, size=1, text="公司"))
