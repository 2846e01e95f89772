"""Relative dates and moments, the slow way: a step at a time, by the clocks of a zone."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

UNITS = ("day", "week", "month", "quarter", "year")
ZONES = ("Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "UTC")


def reckon(raw: Mapping[str, Any], now: datetime, zone: str, *, dated: bool) -> datetime | date:
    """What `{ start, ago | in, zone }` means for a request at `now` by someone in `zone`."""
    there = ZoneInfo(raw.get("zone", zone))
    written = raw.get("ago", raw.get("in", "P0D"))
    sign = -1 if "ago" in raw else 1
    calendar, _, clock = written.partition("T")
    amounts = {unit: int(number) for number, unit in re.findall(r"(\d+)([YMWD])", calendar)}
    months = amounts.get("Y", 0) * 12 + amounts.get("M", 0)
    days = amounts.get("W", 0) * 7 + amounts.get("D", 0)
    elapsed = timedelta(0)
    for number, unit in re.findall(r"(\d+)([HMS])", clock):
        elapsed += {"H": timedelta(hours=1), "M": timedelta(minutes=1), "S": timedelta(seconds=1)}[unit] * int(number)
    local = now.astimezone(there)
    if "start" in raw or months or days:
        shown = _shifted(_start(local.replace(tzinfo=None), raw.get("start")), sign * months)
        local = (shown + timedelta(days=sign * days)).replace(tzinfo=there)
    return local.date() if dated else local.astimezone(UTC) + sign * elapsed


def _start(shown: datetime, unit: str | None) -> datetime:
    """The earliest time of the same period, found by going back."""
    if unit is None:
        return shown
    if unit == "hour":
        return datetime(shown.year, shown.month, shown.day, shown.hour)  # noqa: DTZ001 - what clocks show, in no zone
    day = datetime(shown.year, shown.month, shown.day)  # noqa: DTZ001 - what clocks show, in no zone
    while not _begins(unit, day):
        day -= timedelta(days=1)
    return day


def _begins(unit: str, day: datetime) -> bool:
    match unit:
        case "week":
            return day.isoweekday() == 1
        case "month":
            return day.day == 1
        case "quarter":
            return day.day == 1 and day.month in (1, 4, 7, 10)
        case "year":
            return (day.month, day.day) == (1, 1)
    return unit == "day"


def _shifted(shown: datetime, months: int) -> datetime:
    """The same day of another month, or the last one before it that there is."""
    year, month = shown.year, shown.month
    for _ in range(abs(months)):
        month += 1 if months > 0 else -1
        if month in (0, 13):
            year, month = (year - 1, 12) if month == 0 else (year + 1, 1)
    for day in range(shown.day, 0, -1):
        try:
            return shown.replace(year=year, month=month, day=day)
        except ValueError:
            continue
    raise AssertionError(shown)


def some_relative(random: Random, *, dated: bool) -> dict[str, str]:
    """A relative value, near enough to the data that it divides them."""
    made: dict[str, str] = {}
    if random.random() < 0.6:
        made["start"] = random.choice(UNITS if dated else (*UNITS, "hour"))
    if not made or random.random() < 0.6:
        durations = ["P0D", "P1D", "P2W", "P1M", "P1Y", "P1Y2M3D", "P31D", "P400D"]
        made[random.choice(("ago", "in"))] = random.choice(durations if dated else [*durations, "PT1H", "P1DT5M6S"])
    if random.random() < 0.3:
        made["zone"] = random.choice(ZONES)
    return made
