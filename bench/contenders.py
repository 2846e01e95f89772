"""Who is measured: an address, the question in its own words, and its answer put into common words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson

from bench.processes import BenchError

OURS = """
query($n: Int!) { customers(first: $n) { nodes {
  id name kind lifecycleStage tier city createdAt updatedAt
  interactions(first: 5) { nodes { id channel occurredAt direction } }
  opportunities(first: 200) { nodes { id name expectedCloseOn currency } }
} } }
"""

PEER = """
query($n: Int!) { allCustomers(first: $n, orderBy: [PRIMARY_KEY_DESC]) { nodes {
  rowId name kind lifecycleStage tier city createdAt updatedAt
  interactionsByCustomerId(first: 5, orderBy: [PRIMARY_KEY_DESC]) { nodes { rowId channel occurredAt direction } }
  opportunitiesByCustomerId(first: 200, orderBy: [PRIMARY_KEY_DESC]) { nodes { rowId name expectedCloseOn currency } }
} } }
"""

_COMMON_NAMES = {
    "allCustomers": "customers",
    "rowId": "id",
    "interactionsByCustomerId": "interactions",
    "opportunitiesByCustomerId": "opportunities",
}
_MOMENTS = {"createdAt", "updatedAt", "occurredAt"}


@dataclass(frozen=True, slots=True)
class Contender:
    """One server. `token` is sent as a bearer token where it is set."""

    name: str
    port: int
    document: str
    token: str | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/graphql"

    def body(self, size: int) -> bytes:
        """The request for a page of `size` customers."""
        return orjson.dumps({"query": " ".join(self.document.split()), "variables": {"n": size}})

    def answer(self, size: int) -> Any:
        """What it answers, in common words. Raises BenchError where it answers with an error."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            response = httpx.post(self.address, content=self.body(size), headers=headers, timeout=60)
        except httpx.HTTPError as error:
            raise BenchError(f"{self.name} does not answer: {error}") from error
        parsed = orjson.loads(response.content) if response.status_code == 200 else {}
        if parsed.get("errors") or not parsed.get("data"):
            raise BenchError(f"{self.name} answers {response.status_code}: {response.text[:500]}")
        return _in_common_words(parsed["data"])


def check_same_data(contenders: Sequence[Contender], sizes: Sequence[int]) -> list[str]:
    """Refuse to compare servers that give different rows or fields, or fewer rows than asked for.

    Gives what an answer of each size holds, in words.
    """
    first, *others = contenders
    described = []
    for size in sizes:
        expected = first.answer(size)
        if len(expected["customers"]["nodes"]) != size:
            raise BenchError(f"the database holds fewer than {size} customers")
        for other in others:
            given = other.answer(size)
            if given != expected:
                raise BenchError(f"{other.name} and {first.name} differ at N={size}: {_difference(given, expected)}")
        described.append(f"N={size}: {_described(expected['customers']['nodes'])}")
    return described


def _in_common_words(value: Any, name: str = "") -> Any:
    if isinstance(value, Mapping):
        return {_COMMON_NAMES.get(k, k): _in_common_words(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [_in_common_words(v) for v in value]
    if name in _MOMENTS and isinstance(value, str):
        return datetime.fromisoformat(value).astimezone(UTC).isoformat()
    return value


def _described(customers: Sequence[Mapping[str, Any]]) -> str:
    interactions, opportunities = (
        sum(len(c[key]["nodes"]) for c in customers) for key in ("interactions", "opportunities")
    )
    return f"{len(customers)} customers, {interactions} interactions, {opportunities} opportunities"


def _difference(left: Any, right: Any, path: str = "data") -> str:
    """Where two answers first differ."""
    if isinstance(left, Mapping) and isinstance(right, Mapping) and left.keys() == right.keys():
        pairs = [(left[k], right[k], f"{path}.{k}") for k in left]
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        pairs = [(a, b, f"{path}[{i}]") for i, (a, b) in enumerate(zip(left, right, strict=True))]
    else:
        return f"{path}: {str(left)[:200]} and {str(right)[:200]}"
    return next(_difference(a, b, where) for a, b, where in pairs if a != b)
