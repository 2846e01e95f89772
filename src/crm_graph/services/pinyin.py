"""Chinese names as pinyin syllables, surnames read as surnames (单 is Shan). ü is written v, as keyboards have it."""

from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

FIRST_WIDE = "\u2e80"
"""From here on writing is Chinese, Japanese or Korean: a character is a word, or near to one."""

# Surnames whose reading differs from the character's usual one (《姓氏》 entries of 现代汉语词典).
SURNAMES = {
    "单": "shan", "仇": "qiu", "解": "xie", "曾": "zeng", "查": "zha", "盖": "ge", "区": "ou",
    "朴": "piao", "翟": "zhai", "覃": "qin", "乐": "yue", "员": "yun", "缪": "miao", "洗": "xian",
    "折": "she", "种": "chong", "召": "shao", "秘": "bi", "能": "nai", "繁": "po", "祭": "zhai",
    "句": "gou", "黑": "he", "贠": "yun", "牟": "mu", "隗": "wei", "阚": "kan", "薄": "bo",
    "都": "du", "万俟": "moqi", "尉迟": "yuchi", "澹台": "tantai", "单于": "chanyu",
}  # fmt: skip

# Characters whose reading hangs on the word that they stand in: only texts that hold one are looked up by phrases.
_BY_PHRASE = frozenset("重长行乐都还降觉落盛朝厦大六省屏泊番蚌铅堡车会传弹调藏角率适校兴应中种华")


@lru_cache(maxsize=1)
def _library() -> Any:
    """Its dictionaries take half a second to load, which no command should wait for that reads no name."""
    return import_module("pypinyin")


@lru_cache(maxsize=30_000)
def _of_character(character: str) -> str:
    (reading,) = _library().lazy_pinyin(character, errors=lambda _: [""])
    return str(reading)


@lru_cache(maxsize=20_000)
def _of_text(text: str) -> tuple[str, ...]:
    if len(text) > 1 and not _BY_PHRASE.isdisjoint(text):
        found: Sequence[str] = _library().lazy_pinyin(text, errors=lambda other: [""] * len(other))
        return tuple(found)
    return tuple(_of_character(character) for character in text)


def readings(text: str) -> list[list[str]]:
    """The syllables of a text without spaces, one list for each way to read it; letters and digits that stand together
    are one syllable. A text that begins with such a surname is read as a name and as plain text.
    """
    plain = _syllables(text)
    for length in (2, 1):
        surname = SURNAMES.get(text[:length])
        if surname is not None:
            rest = _syllables(text[length:])
            named = [surname, *rest]
            return [named] if "".join(named) == "".join(plain) else [named, plain]
    return [plain]


def _syllables(text: str) -> list[str]:
    found: list[str] = []
    start = 0
    for end in range(1, len(text) + 1):
        wide = text[start] >= FIRST_WIDE
        if end == len(text) or (text[end] >= FIRST_WIDE) is not wide:
            run = text[start:end]
            found.extend(s for s in (_of_text(run) if wide else (run,)) if s)
            start = end
    return found
