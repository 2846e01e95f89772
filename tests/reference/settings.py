"""How much is tried: a bounded number of generated examples, the same in every run unless an effort is asked for."""

import os
import secrets
from collections.abc import Iterator
from random import Random

from hypothesis import HealthCheck, Phase, settings

EFFORT = int(os.environ.get("PROOF_EFFORT", "1"))
"""How many times the usual number of examples are tried; when it is given, they are new ones in every run."""


def tried(examples: int) -> settings:
    """Settings for so many examples. Examples come from seeds, which there is nothing to shrink in."""
    return settings(
        max_examples=examples * EFFORT,
        deadline=None,
        derandomize="PROOF_EFFORT" not in os.environ,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )


def seeds(of: object, count: int) -> Iterator[int]:
    """So many seeds of random data, each test's own."""
    fixed = Random(repr(of)) if "PROOF_EFFORT" not in os.environ else None
    for _ in range(count * EFFORT):
        yield fixed.getrandbits(32) if fixed else secrets.randbits(32)
