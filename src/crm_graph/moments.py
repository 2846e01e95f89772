"""Relative and calendar values, `{ ago: "P90D" }` or `{ start: "month" }`, reckoned from the moment of a request."""

import re
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from crm_graph.errors import BadVariables

MAX_YEARS = 1_000
"""How far a value may lie from the moment of the request."""

_DURATION = re.compile(
    r"P(?=[0-9T])(?:(\d{1,9})Y)?(?:(\d{1,9})M)?(?:(\d{1,9})W)?(?:(\d{1,9})D)?"
    r"(?:T(?=[0-9])(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?",
    re.ASCII,
)
# What an operating system keeps beside the names of IANA is unknown to Postgres, which cuts moments by the same names.
_ZONE = re.compile(r"(?!posix|right/|localtime)[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*")
_LONGEST_ZONE = 64
_KEYS = frozenset({"start", "ago", "in", "zone"})


class Start(StrEnum):
    """What the beginning of is meant; weeks begin on Monday (ISO 8601)."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Duration:
    """A signed ISO 8601 duration: calendar months and days, then elapsed seconds. A week is seven days."""

    months: int = 0
    days: int = 0
    seconds: int = 0

    def __neg__(self) -> "Duration":
        return Duration(-self.months, -self.days, -self.seconds)


@dataclass(frozen=True, slots=True)
class Relative:
    """A value that depends on when and by whom it is asked: the start of the present period, or the present moment,
    moved by a duration. `zone` is None for the asker's; `dated` gives the day there instead of the moment.
    """

    start: Start | None
    move: Duration
    zone: str | None
    dated: bool

    def value(self, now: datetime, zone: ZoneInfo) -> datetime | date:
        """The moment in UTC, or the day, for a request at `now` by someone in `zone`."""
        there = zone_of(self.zone) if self.zone else zone
        local = now.astimezone(there)
        if self.dated:
            return _moved(_begun(local, self.start), self.move).date()
        if self.start is not None:
            local = _begun(local, self.start)
        if self.move.months or self.move.days:
            local = _moved(local, self.move)
        return local.astimezone(UTC) + timedelta(seconds=self.move.seconds)


def reckoned(value: Any, now: datetime, zone: ZoneInfo) -> Any:
    """A value, or a list of values, with what is relative in it reckoned."""
    if isinstance(value, Relative):
        return value.value(now, zone)
    if isinstance(value, list | tuple):
        return [item.value(now, zone) if isinstance(item, Relative) else item for item in value]
    return value


def is_relative(value: Any) -> bool:
    """Whether a parsed value, or one of a list of them, depends on the request."""
    if isinstance(value, list | tuple):
        return any(isinstance(item, Relative) for item in value)
    return isinstance(value, Relative)


def parse_relative(raw: Mapping[str, Any], *, dated: bool) -> Relative:
    """Read `{ start, ago | in, zone }`. Raises BadVariables with the path to what is wrong. A value that was read can
    be reckoned at every moment: durations are limited to a thousand years.
    """
    if not isinstance(raw, Mapping) or not _KEYS.issuperset(raw) or not {"start", "ago", "in"} & set(raw):
        raise BadVariables("relative_value")
    if "ago" in raw and "in" in raw:
        raise BadVariables("relative_ago_and_in")
    zone = raw.get("zone")
    if "zone" in raw and not (isinstance(zone, str) and is_zone(zone)):
        raise BadVariables("time_zone_invalid", path=("zone",))
    start = _start(raw["start"], dated=dated) if "start" in raw else None
    move = Duration()
    for key in ("ago", "in"):
        if key in raw:
            move = parse_duration(raw[key], key, dated=dated)
    return Relative(start, -move if "ago" in raw else move, zone, dated)


def _start(raw: Any, *, dated: bool) -> Start:
    known = [unit.value for unit in Start if not (dated and unit is Start.HOUR)]
    if not isinstance(raw, str) or raw not in known:
        raise BadVariables("relative_start", path=("start",), units=", ".join(known))
    return Start(raw)


def parse_duration(raw: Any, key: str, *, dated: bool) -> Duration:
    """An ISO 8601 duration of whole numbers, at most a thousand years; of a date without hours, minutes, seconds."""
    found = _DURATION.fullmatch(raw) if isinstance(raw, str) and len(raw) <= 80 else None
    if found is None:
        raise BadVariables("duration_invalid", path=(key,))
    if dated and "T" in found.group():
        raise BadVariables("duration_of_date", path=(key,))
    years, months, weeks, days, hours, minutes, seconds = (int(group or 0) for group in found.groups())
    duration = Duration(
        months=years * 12 + months, days=weeks * 7 + days, seconds=(hours * 60 + minutes) * 60 + seconds
    )
    if duration.months / 12 + duration.days / 365 + duration.seconds / (365 * 86_400) > MAX_YEARS:
        raise BadVariables("duration_range", path=(key,), limit=MAX_YEARS)
    return duration


def is_zone(name: str) -> bool:
    """Whether a name is that of a zone of the IANA database."""
    if len(name) > _LONGEST_ZONE or not _ZONE.fullmatch(name):
        return False
    try:
        zone_of(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


@lru_cache(maxsize=1_000)
def zone_of(name: str) -> ZoneInfo:
    """A zone by its IANA name. There are some 600, so that all of them are kept."""
    return ZoneInfo(name)


def _begun(local: datetime, start: Start | None) -> datetime:
    """The start of the period that a local time lies in. Where clocks show that time twice it is the first one, where
    they skip it, the time right after.
    """
    if start is None:
        return local
    if start is Start.HOUR:
        return local.replace(minute=0, second=0, microsecond=0)
    day = local.date()
    match start:
        case Start.WEEK:
            day -= timedelta(days=day.weekday())
        case Start.MONTH:
            day = day.replace(day=1)
        case Start.QUARTER:
            day = day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        case Start.YEAR:
            day = day.replace(month=1, day=1)
    return datetime.combine(day, time.min, local.tzinfo)


def _moved(local: datetime, move: Duration) -> datetime:
    """A local time some months and days away, at the same time of day; the day of a shorter month is its last."""
    months = local.year * 12 + local.month - 1 + move.months
    year, month = months // 12, months % 12 + 1
    day = date(year, month, min(local.day, monthrange(year, month)[1])) + timedelta(days=move.days)
    return datetime.combine(day, local.time(), local.tzinfo)
