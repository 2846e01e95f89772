"""The hub that is measured: where it listens, its process, and what it answers to one client after another."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psutil

from bench.database import CRM_GRAPH, Database, crm_graph
from bench.processes import BenchError, free_port, serving

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
