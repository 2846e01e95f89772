"""The hub that is measured: where it listens, its process, and what it answers to one client after another."""

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psutil

from bench.contenders import Contender
from bench.database import CRM_GRAPH, Database, crm_graph
from bench.processes import BenchError, free_port, serving

_END = b"\r\n\r\n"
UNLIMITED = {"CRM_GRAPH_COST_PER_MINUTE": "1000000000000"}
"""A budget that no benchmark spends: it asks as fast as it is answered, and pays for the charging."""


@dataclass(frozen=True, slots=True)
class Hub:
    """A running hub over one database."""

    database: Database
    port: int
    process: psutil.Process
    environment: Mapping[str, str]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def token(self, role: str) -> str:
        """A token of somebody who has that role."""
        return crm_graph("token", "--role", role, environment=self.environment).split()[-1]

    def cpu_s(self) -> float:
        """CPU that the process has used so far, in seconds."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def metric(self, name: str) -> dict[str, float]:
        """The samples of a metric by the value of its only label."""
        samples = {}
        for line in httpx.get(f"{self.address}/metrics", timeout=10).text.splitlines():
            if line.startswith(f"{name}{{"):
                labels, _, value = line.rpartition(" ")
                samples[labels.split('"')[1]] = float(value)
        return samples


class Client:
    """One client that waits for each answer before it asks again."""

    def __init__(self, hub: Hub, token: str) -> None:
        self._http = httpx.Client(
            base_url=hub.address, timeout=120, headers={"Authorization": f"Bearer {token}", "Accept-Encoding": ""}
        )

    def ask(self, document: str, **variables: Any) -> Any:
        """The data of an answer. Raises BenchError for anything else."""
        response = self._http.post("/graphql", json={"query": document, "variables": variables})
        body = response.json()
        if response.status_code != 200 or body.get("errors"):
            raise BenchError(f"the hub answers {response.status_code}: {response.text[:500]}")
        return body["data"]

    def median_ms(self, document: str, *, times: int = 200, **variables: Any) -> float:
        """The median time of an answer, in milliseconds, after a few that do not count."""
        taken = []
        for _ in range(times + 10):
            began = time.perf_counter()
            self.ask(document, **variables)
            taken.append((time.perf_counter() - began) * 1000)
        return median(taken[10:])


class Wire:
    """A connection on which one request is asked again and again, by a client that costs next to nothing."""

    def __init__(self, asked: Contender, size: int) -> None:
        body = asked.body(size)
        head = f"POST /graphql HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {asked.token}\r\n"
        head += f"Content-Type: application/json\r\nAccept: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._request = head.encode() + body
        self._socket = socket.create_connection(("127.0.0.1", asked.port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self) -> None:
        """Wait for the whole answer. Raises BenchError for anything but success."""
        self._socket.sendall(self._request)
        received, whole = b"", None
        while whole is None or len(received) < whole:
            more = self._socket.recv(1 << 20)
            if not more:
                raise BenchError("the hub hung up")
            received += more
            if whole is None and _END in received:
                head, _, _ = received.partition(_END)
                whole = len(head) + len(_END) + int(head.lower().partition(b"content-length:")[2].split()[0])
        if not received.startswith(b"HTTP/1.1 200"):
            raise BenchError(f"the hub answers {received[:500]!r}")

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


@contextmanager
def running_hub(database: Database, scratch: Path, **settings: str) -> Iterator[Hub]:
    """A hub of its own process over a database, gone at the end."""
    port = free_port()
    environment = {
        "DATABASE_URL": database.url,
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "CRM_GRAPH_HOME": str(scratch),
        **UNLIMITED,
        **settings,
    }
    with serving([CRM_GRAPH, "serve"], environment, port, scratch / f"crm-graph-{port}.log") as process:
        yield Hub(database, port, psutil.Process(process.pid), environment)
