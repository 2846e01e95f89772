"""What a text finds, by its definition: each value that the asker may read is held against each word, one by one.

Only the reading of characters in pinyin is the product's own; there is no index and there are no keys here.
"""

import re
from collections.abc import Iterator, Sequence

from crm_graph.access import Level
from crm_graph.catalog import EntityType, searched_fields
from crm_graph.models.fields import Search
from crm_graph.proof.lookups import folded, national, searched_rows, squeezed
from crm_graph.proof.view import Record, View
from crm_graph.services.pinyin import readings

EXACT, PREFIX, PART, PINYIN_EXACT, PINYIN, INITIALS_EXACT, INITIALS, SIMILAR = range(8)
TIERS = ("EXACT", "PREFIX", "PART", "PINYIN_EXACT", "PINYIN", "INITIALS_EXACT", "INITIALS", "SIMILAR")
WIDE = "\u2e80"
WINDOW = 4


def rank(view: View, record: Record, text: str) -> int | None:
    """How like a record is to a text, in what may be read of it: the likeness of the text without its spaces, or that
    of its least like word, be that spelled in whichever way. None where a word is not found.
    """
    whole = squeezed(folded(text))
    words = [w for w in map(squeezed, re.split(r"[\s,;/|、]+", folded(text))) if w]
    if not whole:
        return None
    found = [_best(view, record, whole)]
    each = [_best(view, record, word) for word in words]
    if all(tier is not None for tier in each):
        least = max(tier for tier in each if tier is not None)
        found.append(INITIALS if PINYIN_EXACT <= least <= INITIALS else least)
    return min((tier for tier in found if tier is not None), default=None)


def _best(view: View, record: Record, word: str) -> int | None:
    tiers = (t for how, value in readable(view, record, Level.READ) for t in likeness(how, value, word))
    return min(tiers, default=None)


def readable(view: View, record: Record, least: Level) -> Iterator[tuple[Search, str]]:
    """The searched values of a record on which the asker has that level."""
    for searched in searched_fields(view.catalog, record.entity):
        for row, prefix in searched_rows(view, record, searched):
            holder = Record(record.entity, row, record.root, record.root_row, prefix)
            value = row[searched.field.name]
            if value is not None and view.level(holder, searched.field.name) >= least:
                yield searched.how, value


def likeness(how: Search, value: str, word: str) -> Iterator[int]:
    """The ways in which a value is like a word."""
    value = folded(value[:500])
    match how:
        case Search.NAME:
            yield from _of_text(squeezed(value), word)
            yield from _of_name(value, word)
        case Search.TEXT:
            yield from _of_text(squeezed(value), word)
        case Search.NUMBER:
            yield from _of_number(squeezed(value), [word], word, 2, 3)
        case Search.PHONE:
            yield from _of_phone(value, word)
        case Search.EMAIL:
            yield from _of_email(value, word)
        case Search.CONTACT:
            digits = word.isascii() and word.isdigit()
            yield from _of_email(value, word, 4 if digits else 2) if "@" in value else _of_phone(value, word)


def _of_text(value: str, word: str) -> Iterator[int]:
    if value == word:
        yield EXACT
    if value.startswith(word):
        yield PREFIX
    if word in value and not (len(word) < 3 and word.isascii()):
        yield PART


def _of_number(value: str, forms: Sequence[str], word: str, prefix: int, tail: int) -> Iterator[int]:
    for form in forms:
        if value and value == form:
            yield EXACT
        if value.startswith(form) and len(form) >= prefix:
            yield PREFIX
    if value.endswith(word) and len(word) >= tail:
        yield PART


def _of_phone(value: str, word: str) -> Iterator[int]:
    number = national(value)
    if number and word.isascii() and word.isdigit():
        abroad = word.removeprefix("00")
        forms = [word, abroad.removeprefix("86") if len(abroad) > 8 else abroad]
        forms += [word[1:]] if word.startswith("0") and not word.startswith("00") else []
        yield from _of_number(number, [form for form in forms if form], word, 4, 4)


def _of_email(value: str, word: str, prefix: int = 2) -> Iterator[int]:
    whole = squeezed(value)
    local, _, domain = value.partition("@")
    if whole and whole == word:
        yield EXACT
    if whole.startswith(word) and len(word) >= prefix:
        yield PREFIX
    if len(word) > 2 and any(squeezed(p).startswith(word) for p in (domain, *re.split(r"[\W_]+", local))):
        yield PART


def _of_name(value: str, word: str) -> Iterator[int]:
    name = squeezed(value)
    spelled = word.isascii() and not word.isdigit() and len(word) > 1
    sounds = [sound for sound in readings(word) if sound] if len(word) > 1 and all(c >= WIDE for c in word) else []
    for syllables in readings(name[:100]) if not name.isascii() else []:
        letters = [s[0] if s.isalpha() and s.isascii() else s for s in syllables]
        whole = "".join(syllables)
        begins = [whole[:60], *("".join(syllables[i : i + WINDOW])[:60] for i in range(1, len(syllables)))]
        short = ["".join(letters[i : i + 8])[:8] for i in range(len(letters))]
        if spelled:
            if begins[0] == word[:60]:
                yield PINYIN_EXACT
            if any(b.startswith(word[:60]) for b in begins):
                yield PINYIN
            if short and short[0] == word:
                yield INITIALS_EXACT
            if any(s.startswith(word) for s in short):
                yield INITIALS
            if len(name) <= WINDOW and almost(whole, word):
                yield SIMILAR
        if any(b.startswith("".join(sound)[:60]) for sound in sounds for b in begins):
            yield SIMILAR
    if spelled and any(almost(w, word) for w in map(squeezed, value.split()) if w.isascii()):
        yield SIMILAR


def almost(one: str, other: str) -> bool:
    """Whether two words of 4 to 20 letters become equal when at most one letter is left out of each."""
    sets = [
        {w, *(w[:i] + w[i + 1 :] for i in range(len(w)))} if 4 <= len(w) <= 20 and not w.isdigit() else set[str]()
        for w in (one, other)
    ]
    return not sets[0].isdisjoint(sets[1])


def types_of(view: View, wanted: Sequence[str] | None) -> list[EntityType]:
    """The searched types that the asker sees, or those of them that are named."""
    found = [e for e in view.catalog.roots if searched_fields(view.catalog, e) and view.access is not None]
    granted = [e for e in found if view.access and view.access.grants(e.name)]
    return [e for e in granted if wanted is None or e.name.upper() in wanted]
