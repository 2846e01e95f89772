"""The measurement: wrk against each contender in turn, round after round, and the medians of what came out."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.contenders import Contender
from bench.processes import BenchError

CONNECTIONS = 16
_SCRIPT = Path(__file__).with_name("post.lua")


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of wrk: requests per second, latencies in milliseconds."""

    rate: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Series:
    """All samples of one contender at one page size, one per round."""

    contender: str
    size: int
    samples: tuple[Sample, ...]

    @property
    def rate(self) -> float:
        return median(s.rate for s in self.samples)

    @property
    def p50_ms(self) -> float:
        return median(s.p50_ms for s in self.samples)

    @property
    def p99_ms(self) -> float:
        return median(s.p99_ms for s in self.samples)

    def ratio(self, other: "Series") -> float:
        """The median over the rounds of our rate by theirs: a drift of the machine touches both alike."""
        return median(a.rate / b.rate for a, b in zip(self.samples, other.samples, strict=True))


def require_wrk() -> None:
    """Raise BenchError where wrk is not installed."""
    if shutil.which("wrk") is None:
        raise BenchError("wrk is missing: apt-get install wrk (Debian, Ubuntu), brew install wrk (macOS)")


def measure(
    contenders: Sequence[Contender],
    size: int,
    *,
    rounds: int,
    seconds: int,
    scratch: Path,
    progress: Callable[[str], None],
) -> list[Series]:
    """Warm each contender up, then measure them in turn. Each round starts with another, so that none has a seat."""
    for contender in contenders:
        progress(f"N={size} warming up {contender.name}")
        _sample(contender, size, seconds=min(2, seconds), scratch=scratch)
    samples: dict[str, list[Sample]] = {c.name: [] for c in contenders}
    for number in range(rounds):
        for offset in range(len(contenders)):
            contender = contenders[(number + offset) % len(contenders)]
            progress(f"N={size} round {number + 1} of {rounds}: {contender.name}")
            samples[contender.name].append(_sample(contender, size, seconds=seconds, scratch=scratch))
    return [Series(c.name, size, tuple(samples[c.name])) for c in contenders]


def _sample(contender: Contender, size: int, *, seconds: int, scratch: Path) -> Sample:
    body = scratch / "body.json"
    body.write_bytes(contender.body(size))
    done = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", _SCRIPT, contender.address],
        env={**os.environ, "BENCH_BODY_FILE": str(body), "BENCH_TOKEN": contender.token or ""},
        stdout=subprocess.PIPE,
        text=True,
        timeout=seconds + 60,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"wrk ended with {done.returncode} against {contender.name}")
    result = json.loads(done.stdout.strip().rpartition("\n")[2])
    if result["errors"]:
        raise BenchError(f"{contender.name} failed {result['errors']} of {result['requests']} requests at N={size}")
    return Sample(result["requests"] / result["seconds"], result["p50_ms"], result["p99_ms"])
