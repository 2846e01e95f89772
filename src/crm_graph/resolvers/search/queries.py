"""What somebody typed as queries of the search index. Pure: a text, a field and a tier give a tsquery."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from itertools import chain
from typing import Any

from crm_graph.errors import BadVariables
from crm_graph.models.fields import Search
from crm_graph.scalars import parse_text
from crm_graph.services.pinyin import readings
from crm_graph.services.search_keys import (
    END,
    LONGEST_INITIALS,
    LONGEST_PINYIN,
    START,
    Key,
    deletions,
    dialled,
    fold,
    gram_phrase,
    is_wide,
    squeeze,
)

LONGEST_TEXT = 200
MOST_WORDS = 12
_DIGITS = 4
_BETWEEN_WORDS = re.compile(r"[\s,;/|、]+")


class Tier(IntEnum):
    """How like a value is to what was typed, the likest first."""

    EXACT = 0
    PREFIX = 1
    PART = 2
    PINYIN_EXACT = 3
    PINYIN = 4
    INITIALS_EXACT = 5
    INITIALS = 6
    SIMILAR = 7

    @property
    def of_words(self) -> "Tier":
        """The tier of the words of a text of several, of which those that are spelled in pinyin or initials are all of
        one: each further tier takes as long as a search of its own.
        """
        return Tier.PART if Tier.PINYIN_EXACT <= self <= Tier.INITIALS_EXACT else self


@dataclass(frozen=True, slots=True)
class Wanted:
    """A text to look for: all of it without its spaces, and its words, all of which are to be found."""

    whole: str
    words: tuple[str, ...]

    @property
    def apart(self) -> tuple[str, ...]:
        """The words, where they are not the whole: of `a a` there is one, and the whole is another."""
        return () if self.words == (self.whole,) else self.words


@lru_cache(maxsize=256)
def wanted(text: str) -> Wanted:
    """What a text asks for; without a letter or digit it finds nothing. Raises BadVariables for a longer one."""
    folded = fold(text)
    words = tuple(dict.fromkeys(w for part in _BETWEEN_WORDS.split(folded) if (w := squeeze(part))))
    if max(len(text), len(folded)) > LONGEST_TEXT or len(words) > MOST_WORDS:
        raise BadVariables("search_too_long", limit=LONGEST_TEXT, words=MOST_WORDS)
    return Wanted(squeeze(folded), words)


def wanted_text(raw: Any) -> Wanted:
    """Parses a text to look for; every search refuses the same ones, whatever else it is asked."""
    return wanted(parse_text(raw))


@dataclass(frozen=True, slots=True)
class Tagged:
    """A searched field as its keys know it."""

    tag: str
    how: Search


@dataclass(frozen=True, slots=True)
class Likeness:
    """Some fields, and how like to a word they are to be."""

    fields: tuple[Tagged, ...]
    tier: Tier

    def word(self, word: str) -> str:
        """The query for one word; empty where nothing can be like it."""
        return _any(_of_fields(self.fields, word, self.tier))

    def new(self, word: str, before: Tier | None) -> str:
        """Of that query what a tier before does not ask."""
        asked = set() if before is None else set(_of_fields(self.fields, word, before))
        return _any(each for each in _of_fields(self.fields, word, self.tier) if each not in asked)


@dataclass(frozen=True, slots=True)
class FoundIn(Likeness):
    """Parses a text into the query for records that are at least so like to it; with `more`, some of the fields, for
    all that may be so by these fields alone.
    """

    more: tuple[Tagged, ...] | None = None

    def __call__(self, raw: Any) -> str:
        return _asked(self, wanted_text(raw))

    def whole(self, text: Wanted) -> str:
        """The query for the text without its spaces."""
        return self._of_whole.word(text.whole)

    def apart(self, text: Wanted) -> list[str]:
        """The queries for the words of a text of several; a record is to meet all of them."""
        return [self._of_words.word(word) for word in text.apart]

    @property
    def _of_whole(self) -> Likeness:
        return self if self.more is None else Likeness(self.more, self.tier)

    @property
    def _of_words(self) -> Likeness:
        return Likeness(self.fields, self.tier.of_words)


@dataclass(frozen=True, slots=True)
class NewIn(FoundIn):
    """The same, but only by what the tier before does not ask: the others are among what it finds."""

    def whole(self, text: Wanted) -> str:
        return self._of_whole.new(text.whole, self._before)

    def apart(self, text: Wanted) -> list[str]:
        before = None if self._before is None else self._before.of_words
        new = _any(filter(None, (self._of_words.new(word, before) for word in text.apart)))
        return [*FoundIn.apart(self, text), new] if text.apart else []

    @property
    def _before(self) -> Tier | None:
        return Tier(self.tier - 1) if self.tier else None


@dataclass(frozen=True, slots=True)
class Parts:
    """Parses a text of several words into what the query is made of: the one for the whole, and those for the words,
    where there is a record that could meet all of them. Empty for a text of one word.
    """

    of: FoundIn

    def __call__(self, raw: Any) -> list[str]:
        text = wanted_text(raw)
        if not text.apart:
            return []
        apart = self.of.apart(text)
        return [self.of.whole(text), *(apart if all(apart) else ())]


@dataclass(frozen=True, slots=True)
class WholeIn(Likeness):
    """The same for the text without its spaces alone."""

    def __call__(self, raw: Any) -> str:
        return self.word(wanted_text(raw).whole)


@dataclass(frozen=True, slots=True)
class WordsIn(Likeness):
    """The same for each word of a text of several."""

    def __call__(self, raw: Any) -> list[str]:
        words = Likeness(self.fields, self.tier.of_words)
        return [words.word(word) for word in wanted_text(raw).apart]


@lru_cache(maxsize=256)
def _asked(likeness: FoundIn, text: Wanted) -> str:
    return _any(filter(None, (likeness.whole(text), _all(likeness.apart(text)))))


def _of_fields(fields: tuple[Tagged, ...], word: str, tier: Tier) -> Iterator[str]:
    return chain.from_iterable(alternatives(field, word, tier) for field in fields)


def _all(parts: Sequence[str]) -> str:
    return f"({' & '.join(parts)})" if parts and all(parts) else ""


def _any(alternatives_: Iterable[str]) -> str:
    found = list(dict.fromkeys(alternatives_))
    return f"({' | '.join(found)})" if len(found) > 1 else "".join(found)


def alternatives(field: Tagged, word: str, tier: Tier) -> Iterator[str]:
    """What a field's keys may be for a value to be at least as like to a word as `tier`."""
    if not word:
        return
    match field.how:
        case Search.NAME:
            yield from _in_text(field.tag, word, tier)
            yield from _in_name(field.tag, word, tier)
        case Search.TEXT:
            yield from _in_text(field.tag, word, tier)
        case Search.NUMBER:
            yield from _in_number(field.tag, word, [word], tier, prefix=2, tail=3)
        case Search.PHONE:
            if _is_dialled(word):
                yield from _in_number(field.tag, word, dialled(word), tier, prefix=_DIGITS, tail=_DIGITS)
        case Search.EMAIL:
            yield from _in_email(field.tag, word, tier)
        case Search.CONTACT:
            yield from alternatives(Tagged(field.tag, Search.PHONE), word, tier)
            # Both have the same keys, and fewer digits than a phone number is found by find no address either.
            yield from _in_email(field.tag, word, tier, prefix=_DIGITS if _is_dialled(word) else 2)


def _is_dialled(word: str) -> bool:
    return word.isascii() and word.isdigit()


def _key(tag: str, key: Key, text: str, *, begins: bool = False) -> str:
    return f"'{tag}{key}{text}'{':*' if begins else ''}"


def _phrase(tag: str, text: str) -> str:
    grams = gram_phrase(text)
    keys = [_key(tag, Key.GRAM, gram.removesuffix("*"), begins=gram.endswith("*")) for gram in grams]
    return keys[0] if len(keys) == 1 else f"({' <-> '.join(keys)})"


def _in_text(tag: str, word: str, tier: Tier) -> Iterator[str]:
    """A word of one or two letters or digits stands everywhere, so it is looked for at the start alone."""
    if tier is Tier.EXACT:
        yield _phrase(tag, f"{START}{word}{END}")
    elif tier is Tier.PREFIX or (len(word) < 3 and word.isascii()):
        yield _phrase(tag, f"{START}{word}")
    else:
        yield _phrase(tag, word)


def _in_name(tag: str, word: str, tier: Tier) -> Iterator[str]:
    spelled = word.isascii() and not word.isdigit() and len(word) > 1
    if tier >= Tier.PINYIN_EXACT and spelled:
        yield _whole_or_beginning(tag, Key.PINYIN, word[:LONGEST_PINYIN], whole=tier is Tier.PINYIN_EXACT)
    if tier >= Tier.INITIALS_EXACT and spelled and len(word) <= LONGEST_INITIALS:
        yield _whole_or_beginning(tag, Key.INITIALS, word, whole=tier is Tier.INITIALS_EXACT)
    if tier >= Tier.SIMILAR and spelled:
        for typo in sorted(deletions(word)):
            yield _key(tag, Key.TYPO, typo)
    if tier >= Tier.SIMILAR and len(word) > 1 and is_wide(word):
        # Kana and hangul have no reading, and every name begins with nothing.
        for syllables in filter(None, readings(word)):
            yield _key(tag, Key.PINYIN, "".join(syllables)[:LONGEST_PINYIN], begins=True)


def _whole_or_beginning(tag: str, key: Key, text: str, *, whole: bool) -> str:
    return _key(tag, key, f"{text}{END}") if whole else _key(tag, key, text, begins=True)


def _in_number(tag: str, word: str, forms: Sequence[str], tier: Tier, *, prefix: int, tail: int) -> Iterator[str]:
    for form in forms:
        yield _key(tag, Key.FORWARD, form, begins=tier >= Tier.PREFIX and len(form) >= prefix)
    if tier >= Tier.PART and len(word) >= tail:
        yield _key(tag, Key.BACKWARD, word[::-1], begins=True)


def _in_email(tag: str, word: str, tier: Tier, *, prefix: int = 2) -> Iterator[str]:
    yield _key(tag, Key.FORWARD, word, begins=tier >= Tier.PREFIX and len(word) >= prefix)
    if tier >= Tier.PART and len(word) > 2:
        yield _key(tag, Key.PART, word, begins=True)
