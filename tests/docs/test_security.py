"""The threat model names a test for each threat, and each is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODEL = (ROOT / "docs" / "security.md").read_text()
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)(?:\[([^\]]+)\])?`")
NAMED = sorted(set(_NAMED.findall(MODEL)))
THREATS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in MODEL.splitlines()
    if line.startswith("| ") and not line.startswith(("| what", "| ---"))
]
BAD_INPUT = (
    "alg: none",
    "HS256 with the public key",
    "`kid` injection",
    "expired or not yet valid",
    "another issuer, audience or type (`typ`)",
    "oversized",
    "revoked",
    "a scope that the client lacks",
    "a role that inherits itself",
    "to lock everybody out",
    "a `where` that names a field they cannot read",
    "a grant that is edited while many ask",
)
"""What has to be among the threats, whatever else is."""


@pytest.mark.parametrize(("file", "name", "case"), NAMED)
def test_named_test_is_there(file: str, name: str, case: str) -> None:
    text = (ROOT / file).read_text()
    functions = {n.name for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}

    assert name in functions
    assert name.startswith("test_")
    assert case in text


@pytest.mark.parametrize("threat", THREATS, ids=lambda cells: cells[0])
def test_threat_is_met_and_shown_by_a_test(threat: list[str]) -> None:
    attempt, met, shown = threat

    assert attempt
    assert met
    assert _NAMED.findall(shown)
    assert _NAMED.sub("", shown).replace("·", "").strip() == ""


def test_bad_input_is_among_the_threats() -> None:
    attempts = [attempt for attempt, _, _ in THREATS]
    assert len(THREATS) >= 40
    assert [bad for bad in BAD_INPUT if not any(bad in attempt for attempt in attempts)] == []
