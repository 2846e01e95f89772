"""The examples of a document: fenced blocks in order, and whether an answer is the one that a document shows."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

ANYTHING = "…"
"""Stands in an answer for what differs from run to run."""

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"\$[A-Z_]+")
_ANSWERS = ("json", "text")


@dataclass
class Example:
    """Something to run, and the answers that follow it: one for each time it is run."""

    language: str
    text: str
    answers: list[tuple[str, str]] = field(default_factory=list)


def blocks(document: Path) -> list[tuple[str, str]]:
    """The fenced blocks as (language, text)."""
    return [(found[1], found[2]) for found in _BLOCK.finditer(document.read_text(encoding="utf-8"))]


def examples(document: Path) -> list[Example]:
    """What a reader of the document runs."""
    found: list[Example] = []
    for language, text in blocks(document):
        if language in _ANSWERS:
            found[-1].answers.append((language, text))
        else:
            found.append(Example(language, text))
    return found


def differences(shown: Any, given: Any, names: dict[str, str], at: str = "answer") -> Iterator[str]:
    """Where an answer is not what the document shows. `…` fits anything; `$NAME` fits any text, and keeps it."""
    if shown == ANYTHING:
        return
    if isinstance(shown, str) and isinstance(given, str) and _NAME.fullmatch(shown):
        names[shown] = given
    elif isinstance(shown, dict) and isinstance(given, dict) and list(shown) == list(given):
        for key, value in shown.items():
            yield from differences(value, given[key], names, f"{at}.{key}")
    elif isinstance(shown, list) and isinstance(given, list) and len(shown) == len(given):
        for index, value in enumerate(shown):
            yield from differences(value, given[index], names, f"{at}[{index}]")
    elif shown != given:
        yield f"{at} is {given!r}, not {shown!r}"


def line_differences(shown: str, given: str) -> Iterator[str]:
    """The same for lines of text; a line `…` at the end fits all that follows."""
    for wanted, line in zip_longest(shown.splitlines(), given.splitlines()):
        if wanted == ANYTHING:
            return
        if wanted != line:
            yield f"the line is {line!r}, not {wanted!r}"
