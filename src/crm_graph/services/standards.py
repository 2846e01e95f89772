"""Codes that a standard lists: currencies, countries, languages, time zones, tax ids."""

import re
import unicodedata
from datetime import date
from functools import lru_cache
from typing import Any

from babel import Locale
from babel.numbers import get_territory_currencies
from stdnum.cn import ric, uscc

from crm_graph.errors import Invalid
from crm_graph.moments import is_zone
from crm_graph.services.texts import clean

# CLDR's two-letter codes that are not in ISO 3166-1: groupings, exceptional reservations, pseudo-locales, unknown.
_NOT_COUNTRIES = frozenset({"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "XK", "ZZ"})
# Records that are still being synced go back this far; the mark and the franc do not.
_CURRENCIES_SINCE, _CURRENCIES_UNTIL = date(2003, 1, 1), date(2999, 1, 1)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}", re.ASCII)
_OLD_TAX_ID = re.compile(r"[0-9]{6}[0-9A-Z]{9}(?:[0-9]{2}|[0-9]{5})?", re.ASCII)
_PUNCTUATION = str.maketrans("", "", " -\u00a0")


@lru_cache(maxsize=1)
def countries() -> frozenset[str]:
    """The codes of ISO 3166-1 alpha-2."""
    codes = (str(code) for code in Locale("en").territories)
    return frozenset(code for code in codes if len(code) == 2 and code.isalpha()) - _NOT_COUNTRIES


@lru_cache(maxsize=1)
def currencies() -> frozenset[str]:
    """The codes of ISO 4217 that have been legal tender somewhere since 2003."""
    return frozenset(
        str(code)
        for country in countries()
        for code in get_territory_currencies(country, _CURRENCIES_SINCE, _CURRENCIES_UNTIL, tender=True)
    )


def currency(value: Any) -> str | None:
    """An ISO 4217 code; RMB is what people call CNY."""
    code = _code(value, 3, "currency_invalid")
    if code == "RMB":
        return "CNY"
    if code is not None and code not in currencies():
        raise Invalid("currency_invalid")
    return code


def country(value: Any) -> str | None:
    """An ISO 3166-1 alpha-2 code."""
    code = _code(value, 2, "country_invalid")
    if code is not None and code not in countries():
        raise Invalid("country_invalid")
    return code


def language(value: Any) -> str | None:
    """A language tag of the shape of BCP 47 (RFC 5646), with a hyphen."""
    if not isinstance(value, str):
        raise Invalid("language_invalid")
    tag = value.strip()
    if tag and not _LANGUAGE.fullmatch(tag):
        raise Invalid("language_invalid")
    return tag.replace("_", "-") or None


def time_zone(value: Any) -> str | None:
    """A name of the IANA time zone database."""
    if not isinstance(value, str) or (value.strip() and not is_zone(value.strip())):
        raise Invalid("time_zone_invalid")
    return value.strip() or None


def tax_id(value: str, country_code: str | None) -> str:
    """A tax id without its spaces. In China: the unified social credit code (GB 32100-2015, with a check character), a
    citizen's number (GB 11643-1999), or a number of 15, 17 or 20 characters from before. Without a country only what
    has the length of a unified code is checked. Raises Invalid.
    """
    number = value.translate(_PUNCTUATION).upper()
    if country_code not in (None, "CN"):
        return value
    if len(number) == 18:
        if not (uscc.is_valid(number) or ric.is_valid(number)):
            raise Invalid("tax_id_invalid")
    elif country_code == "CN" and not _OLD_TAX_ID.fullmatch(number):
        raise Invalid("tax_id_invalid")
    return number


def _code(value: Any, length: int, template: str) -> str | None:
    if not isinstance(value, str):
        raise Invalid(template)
    code = unicodedata.normalize("NFKC", clean(value, max_length=200) or "").upper()
    if code and (len(code) != length or not code.isascii() or not code.isalpha()):
        raise Invalid(template)
    return code or None
