"""What a searched value is found by: its keys, which stand in the index, and the words of a text that is looked for.

A value and a text are folded alike: half width, lower case, no accents, no punctuation. Keys are letters and digits
alone, so that they can stand in a tsvector or tsquery without quoting. Each begins with the tag of its field, so that
a field that the asker may not read is not looked into, and with the letter of its `Key`.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from uuid import UUID

from crm_graph.catalog import Searched
from crm_graph.fragments import Fragment, sql
from crm_graph.models.fields import Search
from crm_graph.services.pinyin import FIRST_WIDE, readings

KEYS_VERSION = 3
"""Raised when values get other keys than before: the next `migrate` then writes those of all records."""
LONGEST_VALUE = 500
LONGEST_NUMBER = 400
"""Letters of a number in a key, from its beginning or its end: a key may have some 2,000 bytes. Folding makes texts
longer, of `㌖` six letters; no text that is searched for is as long as this.
"""
LONGEST_NAME = 100
WINDOW = 4
"""Syllables that can be found from the middle of a name; from its start all can."""
LONGEST_PINYIN = 60
LONGEST_INITIALS = 8
SHORTEST_TYPO, LONGEST_TYPO = 4, 20
"""Letters of a word that is found with a letter wrong (after SymSpell, Garbe 2012)."""


class Key(StrEnum):
    """Kinds of keys, by the letter that they begin with after the tag."""

    GRAM = "g"
    FORWARD = "f"
    BACKWARD = "b"
    PART = "d"
    PINYIN = "p"
    INITIALS = "i"
    TYPO = "t"


class RowKey(StrEnum):
    """Keys that tell by which row rules somebody may see a record; no tag begins with a digit."""

    OWN = "1"
    TEAM = "2"
    VALUE = "3"


ROW_KEY_DIGITS = 12
"""How much of an id stands in a row key, from its end: the random part. Two ids that share it cost time, no more."""

_FORWARD, _BACKWARD, _PART = Key.FORWARD.value, Key.BACKWARD.value, Key.PART.value
_PINYIN, _INITIALS, _TYPO = Key.PINYIN.value, Key.INITIALS.value, Key.TYPO.value
_PUNCTUATION = re.compile(r"[\W_]+")
START, END = "^", "$"


def fold(text: str) -> str:
    """Letters and digits in lower case and half width, spaces between words; accents and other marks are gone."""
    if not text.isascii() and not unicodedata.is_normalized("NFKD", text):
        parts = unicodedata.normalize("NFKD", text)
        text = unicodedata.normalize("NFC", "".join(c for c in parts if not unicodedata.combining(c)))
    return text.lower()


def squeeze(text: str) -> str:
    """Only the letters and digits of a folded text."""
    return text if text.isalnum() else _PUNCTUATION.sub("", text)


def grams(text: str) -> list[str]:
    """The pieces of a text between its start and end marks, one for each place: two characters where one of them is
    wide, else three.
    """
    padded = f"{START}{text}{END}"
    return [padded[i : i + _width(padded, i)] for i in range(len(padded) - 1)]


def _width(text: str, place: int) -> int:
    return 2 if text[place] >= FIRST_WIDE or text[place + 1] >= FIRST_WIDE else 3


def is_wide(text: str) -> bool:
    """Whether it is written in Chinese, Japanese or Korean characters alone."""
    return all(c >= FIRST_WIDE for c in text)


def gram_phrase(text: str) -> list[str]:
    """The grams, in a row, that a value has if and only if `text` (marks included) stands in it. A last one that ends
    in `*` may go on.
    """
    found, covered = [], 0
    for i in range(len(text) - 1):
        width = _width(text, i)
        if i + width > len(text):
            break
        found.append(text[i : i + width])
        covered = i + width
    if covered < len(text):
        found.append(f"{text[len(found) :]}*")
    return found


def keys_of(values: Iterable[tuple[Searched, str]]) -> str:
    """The keys of a record as the text of a tsvector: lexemes, grams with their places."""
    found: list[str] = []
    for searched, value in values:
        tag, folded = searched.tag, fold(value[:LONGEST_VALUE])
        if searched.how in (Search.NAME, Search.TEXT):
            text = squeeze(folded)
            places = enumerate(grams(text) if text else (), 1)
            found.extend([f"'{tag}{Key.GRAM.value}{gram}':{place}" for place, gram in places])
        found.extend([f"'{tag}{key}'" for key in keys_in(searched.how, folded)])
    return " ".join(found)


def value_key(path: str, value: str) -> str:
    """The key of what a row rule may ask for: a value of a field by its path."""
    digest = hashlib.sha256(f"{path}={value}".encode()).hexdigest()
    return RowKey.VALUE.value + digest[:ROW_KEY_DIGITS]


def row_keys(people: Iterable[UUID], team: UUID | None, values: Iterable[tuple[str, str]] = ()) -> str:
    """The keys of a record's owner and collaborators, of its team, and of values that row rules ask for, as the text of
    a tsvector.
    """
    of_people = [f"'{RowKey.OWN.value}{id_.hex[-ROW_KEY_DIGITS:]}'" for id_ in people]
    of_team = [] if team is None else [f"'{RowKey.TEAM.value}{team.hex[-ROW_KEY_DIGITS:]}'"]
    return " ".join([*of_people, *of_team, *(f"'{value_key(path, value)}'" for path, value in values)])


def keys_in(how: Search, folded: str) -> list[str]:
    """The keys of a folded value beside its grams, each with its letter and without its tag."""
    if how is Search.CONTACT:
        how = Search.EMAIL if "@" in folded else Search.PHONE
    return _keys_in(how, folded)


# A phone number and an e-mail address stand in their own column and among the contact points.
@lru_cache(maxsize=64)
def _keys_in(how: Search, folded: str) -> list[str]:
    return [key for key in _KEYS[how](folded) if len(key) > 1]


def of_name(value: str) -> list[str]:
    """Pinyin, initials, and words with a letter left out."""
    squeezed = squeeze(value)
    found: list[str] = []
    if not squeezed.isascii():
        for syllables in readings(squeezed[:LONGEST_NAME]):
            found.extend(_of_syllables(syllables, whole=len(squeezed) <= WINDOW))
    for word in value.split():
        plain = squeeze(word)
        if plain.isascii():
            found.extend([f"{_TYPO}{typo}" for typo in deletions(plain)])
    return found


def _of_syllables(syllables: list[str], *, whole: bool) -> list[str]:
    """Pinyin and initials of the whole, with an end mark, and of what begins at each further syllable."""
    joined = "".join(syllables)
    letters = [s[0] if s.isalpha() and s.isascii() else s for s in syllables]
    found = [f"{_PINYIN}{joined[:LONGEST_PINYIN]}{END}", f"{_INITIALS}{''.join(letters)[:LONGEST_INITIALS]}{END}"]
    for i in range(1, len(syllables)):
        found.append(f"{_PINYIN}{''.join(syllables[i : i + WINDOW])[:LONGEST_PINYIN]}")
        found.append(f"{_INITIALS}{''.join(letters[i : i + LONGEST_INITIALS])[:LONGEST_INITIALS]}")
    if whole:
        found += [f"{_TYPO}{typo}" for typo in deletions(joined)]
    return found


def deletions(word: str) -> set[str]:
    """The word and what is left of it without one of its letters; empty for words too short or too long to guess."""
    if not SHORTEST_TYPO <= len(word) <= LONGEST_TYPO or word.isdigit():
        return set()
    return {word, *[word[:i] + word[i + 1 :] for i in range(len(word))]}


def national(number: str) -> str | None:
    """The digits of a person's phone number as people dial it: without +86, and without the zero of an area code.
    None for what is no such number: 400 and 95xxx, extensions, anything not in ITU-T E.164 form.
    """
    digits = number.removeprefix("+")
    if not digits.isascii() or not digits.isdigit():
        return None
    if number.startswith("+"):
        return digits.removeprefix("86") if len(digits) >= 8 else None
    return digits if len(digits) == 11 and digits[0] == "1" else None


def same_number(stored: Fragment, e164: Fragment) -> Fragment:
    """Whether a stored number is this one in E.164 form. Keys have no +86, and take +1 310 555 0123 for the number
    131 0555 0123 of a phone in China; one that is stored may be without it too.
    """
    return sql("{e164} IN ({stored}, '+86' || {stored})", e164=e164, stored=stored)


def same_address(stored: Fragment, address: Fragment) -> Fragment:
    """Whether a stored e-mail address is this one in lower case: keys know letters and digits alone."""
    return sql("lower({stored}) = {address}", stored=stored, address=address)


def dialled(digits: str) -> list[str]:
    """How the digits of a text may stand in the index, however the country or the area was dialled."""
    forms = {digits}
    international = digits.removeprefix("00")
    forms.add(international.removeprefix("86") if len(international) > 8 else international)
    if digits.startswith("0") and not digits.startswith("00"):
        forms.add(digits[1:])
    return sorted(form for form in forms if form)


def of_number(number: str) -> list[str]:
    """A number from its beginning and from its end."""
    return [f"{_FORWARD}{number[:LONGEST_NUMBER]}", f"{_BACKWARD}{number[::-1][:LONGEST_NUMBER]}"]


def of_email(address: str) -> list[str]:
    """An e-mail address as a whole, its domain, and the parts of its name."""
    local, _, domain = address.partition("@")
    parts = [f"{_PART}{part}" for part in _PUNCTUATION.split(local)]
    return [f"{_FORWARD}{squeeze(address)}", f"{_PART}{squeeze(domain)}", *parts]


def of_phone(number: str) -> list[str]:
    """A person's phone number as people dial it."""
    return of_number(national(number) or "")


_KEYS: Mapping[Search, Callable[[str], list[str]]] = {
    Search.NAME: of_name,
    Search.TEXT: lambda _: [],
    Search.NUMBER: lambda folded: of_number(squeeze(folded)),
    Search.PHONE: of_phone,
    Search.EMAIL: of_email,
}
