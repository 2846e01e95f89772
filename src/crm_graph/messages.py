"""Renders what people read, in English or Chinese: messages of errors and parts of explanations, from `texts/`.

A message is short and says what to do. It is filled from an error's `details`, which never hold what
its reader may not see.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

from crm_graph.errors import CrmError
from crm_graph.texts import (
    clients,
    conditions,
    errors,
    files,
    phrases,
    reading,
    requests,
    rights,
    values,
    workflows,
    writing,
)

Locale = Literal["en", "zh"]


def _together(*themes: Mapping[str, tuple[str, str]]) -> Mapping[str, tuple[str, str]]:
    """The texts of all themes; a key stands in one of them."""
    texts = {key: pair for theme in themes for key, pair in theme.items()}
    if len(texts) != sum(map(len, themes)):
        twice = sorted(key for key in texts if sum(key in theme for theme in themes) > 1)
        raise ValueError(f"these keys have several texts: {', '.join(twice)}")
    return texts


MESSAGES: Mapping[str, tuple[str, str]] = _together(
    errors.TEXTS,
    requests.TEXTS,
    reading.TEXTS,
    rights.TEXTS,
    clients.TEXTS,
    writing.TEXTS,
    workflows.TEXTS,
    values.TEXTS,
    files.TEXTS,
)
"""Of every error, by its template key."""

PHRASES: Mapping[str, tuple[str, str]] = _together(phrases.TEXTS, conditions.TEXTS)
"""What explanations are put together of, in English and Chinese."""


def render(error: CrmError, locale: Locale) -> str:
    """The message of an error; a key that is not in the catalogue falls back to the text of its class."""
    texts = MESSAGES.get(error.template_key) or MESSAGES.get(error.template) or MESSAGES["internal"]
    return _filled(texts, locale, error.details)


def phrase(key: str, locale: Locale, **details: Any) -> str:
    """A part of an explanation."""
    return _filled(PHRASES[key], locale, details)


def _filled(texts: tuple[str, str], locale: Locale, details: Mapping[str, Any]) -> str:
    shown = _Details((key, _shown(value, locale)) for key, value in details.items())
    return texts[locale == "zh"].format_map(shown)


class _Details(dict[str, str]):
    """An error's details; one that was not given must not turn the error into another."""

    def __missing__(self, key: str) -> str:
        return "…"


def _shown(value: Any, locale: Locale) -> str:
    if isinstance(value, list | tuple | set | frozenset):
        return ("、" if locale == "zh" else ", ").join(str(v) for v in value)
    return str(value)


@lru_cache(maxsize=256)
def locale_of(accept_language: str | None) -> Locale:
    """The better of our two languages for an Accept-Language header (RFC 9110, 12.5.4); else English."""
    best: tuple[float, Locale] = (0.0, "en")
    for item in (accept_language or "")[:1000].split(","):
        tag, _, parameters = item.strip().lower().partition(";")
        primary = tag.partition("-")[0]
        quality = _quality(parameters)
        if primary == "zh" and quality > best[0]:
            best = (quality, "zh")
        elif primary in ("en", "*") and quality > best[0]:
            best = (quality, "en")
    return best[1]


def _quality(parameters: str) -> float:
    name, _, value = parameters.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
