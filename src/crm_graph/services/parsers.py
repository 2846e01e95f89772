"""Parsers of single values, as lenient as people's files need and no more: a typed value, None, or Invalid."""

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import StrEnum
from math import isfinite
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from crm_graph.errors import Invalid
from crm_graph.scalars import exact_decimal
from crm_graph.services.texts import clean

Parser = Callable[[Any], Any]
DateT = TypeVar("DateT", bound=date)

MIN_YEAR, MAX_YEAR = 1800, 2999
MAX_NUMBER_LENGTH = 64

_NUMBER = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d*)?|[+-]?\.\d+", re.ASCII)
_DATE = re.compile(
    r"(\d{4})(?:-(\d{1,2})-(\d{1,2})|/(\d{1,2})/(\d{1,2})|\.(\d{1,2})\.(\d{1,2})|年(\d{1,2})月(\d{1,2})[日号]?|(\d{2})(\d{2}))"
    r"(?:[T ]*(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6})\d*)?)?\s*(Z|[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)
_CURRENCY_SIGNS = str.maketrans("", "", "¥￥$€£ \u00a0")
_UNITS = {"万": 4, "亿": 8}
_YES = ("true", "yes", "y", "t", "1", "on", "是", "有", "√", "对")
_NO = ("false", "no", "n", "f", "0", "off", "否", "无", "×", "不是")
_BOOLEANS = dict.fromkeys(_YES, True) | dict.fromkeys(_NO, False)


def text(max_length: int, *, multiline: bool) -> Parser:
    """Text, trimmed and composed; numbers as they are written, so that a spreadsheet's codes and phones survive."""

    def parse(value: Any) -> str | None:
        if type(value) is not str:
            value = _written(value)
        return clean(value, max_length=max_length, multiline=multiline)

    return parse


def _written(value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise Invalid("text_invalid")
    if isinstance(value, float):
        value = _exact(value, "text_invalid")
    if isinstance(value, Decimal):
        value = _checked(value, "text_invalid")
        return str(int(value)) if value == value.to_integral_value() else str(value)
    return str(value)


def integer(minimum: int, maximum: int) -> Parser:
    """A whole number within inclusive bounds."""

    def parse(value: Any) -> int | None:
        if type(value) is not int:
            number = _decimal(value, "integer_invalid")
            if number is None:
                return None
            if number != number.to_integral_value():
                raise Invalid("integer_invalid")
            value = int(number)
        if not minimum <= value <= maximum:
            raise Invalid("number_range", min=minimum, max=maximum)
        return int(value)

    return parse


def decimal(precision: int, scale: int, *, money: bool) -> Parser:
    """An exact decimal of `scale` places with `precision` digits in all. More places are refused, never rounded away.

    Money may carry a currency sign, 元, 万 or 亿; other decimals may be percentages.
    """
    quantum = Decimal(1).scaleb(-scale)
    bound = Decimal(10) ** (precision - scale)

    def parse(value: Any) -> Decimal | None:
        if isinstance(value, str):
            value = _amount(value) if money else _fraction(value)
        number = _decimal(value, "number_invalid")
        if number is None:
            return None
        if abs(number) >= bound:
            raise Invalid("number_range", min=quantum - bound, max=bound - quantum)
        exact = number.quantize(quantum)
        if exact != number:
            raise Invalid("number_scale", scale=scale)
        return exact + 0

    return parse


def _amount(value: str) -> Any:
    if value.replace(".", "", 1).isdecimal():
        return value
    plain = _folded(value).translate(_CURRENCY_SIGNS).removesuffix("元").removesuffix("RMB").removeprefix("RMB")
    places = _UNITS.get(plain[-1:])
    if places is None:
        return plain
    number = _decimal(plain[:-1], "number_invalid")
    return None if number is None else number.scaleb(places)


def _fraction(value: str) -> Any:
    plain = _folded(value)
    if not plain.endswith("%"):
        return plain
    number = _decimal(plain[:-1].rstrip(), "number_invalid")
    return None if number is None else number.scaleb(-2)


def _decimal(value: Any, template: str) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise Invalid(template)
    if isinstance(value, str):
        written = _folded(value)
        if not written:
            return None
        if not _NUMBER.fullmatch(written):
            raise Invalid(template)
        return Decimal(written.replace(",", ""))
    return _checked(_exact(value, template) if isinstance(value, float) else Decimal(value), template)


def _exact(value: float, template: str) -> Decimal:
    """A float as it was written; refused where it has been rounded."""
    if not isfinite(value):
        raise Invalid(template)
    number = exact_decimal(value)
    if number is None:
        raise Invalid("number_inexact")
    return number


def _checked(number: Decimal, template: str) -> Decimal:
    if not number.is_finite() or number.adjusted() > MAX_NUMBER_LENGTH:
        raise Invalid(template)
    return number


def _folded(value: str) -> str:
    """Full-width digits and signs as ASCII; a value too long to be one is refused before it costs anything."""
    if len(value) > MAX_NUMBER_LENGTH:
        value = value.strip()
        if len(value) > MAX_NUMBER_LENGTH:
            raise Invalid("number_invalid")
    return (value if value.isascii() else unicodedata.normalize("NFKC", value)).strip()


def boolean(value: Any) -> bool | None:
    """Yes or no in the ways people write it."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    if not isinstance(value, str) or len(value) > MAX_NUMBER_LENGTH:
        raise Invalid("boolean_invalid")
    word = _folded(value).lower()
    if word and word not in _BOOLEANS:
        raise Invalid("boolean_invalid")
    return _BOOLEANS.get(word)


def enumeration(enum: type[StrEnum]) -> Parser:
    """A member by its name, whatever the case, with spaces or hyphens for underscores."""
    members = {member.value: member for member in enum}

    def parse(value: Any) -> StrEnum | None:
        if isinstance(value, str):
            found = members.get(value)
            if found is None and len(value) <= MAX_NUMBER_LENGTH:
                found = members.get(_folded(value).upper().replace(" ", "_").replace("-", "_"))
            if found is not None:
                return found
            if not value.strip():
                return None
        raise Invalid("enum_invalid", allowed=list(members))

    return parse


def day(value: Any) -> date | None:
    """A calendar date: ISO 8601, 2026/1/2, 2026.1.2, 2026年1月2日 or 20260102; a time after it must be midnight.

    Forms that begin with a day or a month are refused, since 03/04 is two dates.
    """
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        return _in_range(value)
    else:
        found = _moment(value, "date_invalid")
        if found is None:
            return None
        moment = found
    if moment.time() != time.min:
        raise Invalid("date_invalid")
    return _in_range(moment.date())


def instant(zone: ZoneInfo) -> Parser:
    """A point in time, in UTC. Without an offset it is taken in `zone`; a date alone is its midnight there."""

    def parse(value: Any) -> datetime | None:
        if isinstance(value, datetime):
            moment: datetime | None = value
        elif isinstance(value, date):
            moment = datetime.combine(value, time.min)
        else:
            moment = _moment(value, "date_time_invalid")
        if moment is None:
            return None
        _in_range(moment)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)

    return parse


def _moment(value: Any, template: str) -> datetime | None:
    if not isinstance(value, str) or len(value) > MAX_NUMBER_LENGTH:
        raise Invalid(template)
    written = _folded(value)
    if not written:
        return None
    found = _DATE.fullmatch(written)
    if not found:
        raise Invalid(template)
    numbers = [int(g) for g in found.groups()[:11] if g is not None]
    hour, minute, second, fraction, offset = found.groups()[11:]
    clock = (int(hour or 0), int(minute or 0), int(second or 0), int((fraction or "").ljust(6, "0")))
    try:
        moment = datetime.combine(date(*numbers), time(*clock))
        return moment.replace(tzinfo=datetime.strptime(offset, "%z").tzinfo) if offset else moment
    except ValueError as fault:
        raise Invalid(template) from fault


def _in_range(value: DateT) -> DateT:
    if not MIN_YEAR <= value.year <= MAX_YEAR:
        raise Invalid("date_range", min=MIN_YEAR, max=MAX_YEAR)
    return value
