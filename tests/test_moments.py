"""Relative and calendar values: exact moments in zones with and without summer time, and what is refused."""

from datetime import UTC, date, datetime
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from crm_graph.errors import BadVariables
from crm_graph.moments import is_zone, parse_relative
from crm_graph.proof.moments import ZONES, reckon, some_relative
from crm_graph.proof.rows import NOON

SHANGHAI, NEW_YORK = ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York")


def moment(raw: dict[str, Any], now: datetime = NOON, zone: ZoneInfo = SHANGHAI) -> datetime | date:
    return parse_relative(raw, dated=False).value(now, zone)


def day(raw: dict[str, Any], now: datetime = NOON, zone: ZoneInfo = SHANGHAI) -> datetime | date:
    return parse_relative(raw, dated=True).value(now, zone)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"ago": "P0D"}, "2026-11-22T04:00"),
        ({"ago": "P90D"}, "2026-08-24T04:00"),
        ({"in": "P7D"}, "2026-11-29T04:00"),
        ({"ago": "PT36H"}, "2026-11-20T16:00"),
        ({"ago": "P1Y2M3W4DT5H6M7S"}, "2025-08-27T22:53:53"),
        ({"start": "hour"}, "2026-11-22T04:00"),
        ({"start": "day"}, "2026-11-21T16:00"),
        ({"start": "week"}, "2026-11-15T16:00"),
        ({"start": "month"}, "2026-10-31T16:00"),
        ({"start": "quarter"}, "2026-09-30T16:00"),
        ({"start": "year"}, "2025-12-31T16:00"),
        ({"start": "month", "ago": "P1M"}, "2026-09-30T16:00"),
        ({"start": "year", "in": "P3M"}, "2026-03-31T16:00"),
        ({"start": "day", "in": "PT9H"}, "2026-11-22T01:00"),
        ({"start": "day", "zone": "UTC"}, "2026-11-22T00:00"),
        ({"start": "month", "zone": "America/New_York"}, "2026-11-01T04:00"),
    ],
)
def test_moment_is_reckoned_from_the_request(raw: dict[str, str], expected: str) -> None:
    assert moment(raw) == utc(expected)


@pytest.mark.parametrize(
    ("raw", "now", "expected"),
    [
        ({"ago": "P1M"}, "2026-03-31T12:00", date(2026, 2, 28)),
        ({"in": "P1M"}, "2024-01-31T12:00", date(2024, 2, 29)),
        ({"ago": "P1Y"}, "2024-02-29T12:00", date(2023, 2, 28)),
        ({"start": "week"}, "2026-11-23T12:00", date(2026, 11, 23)),
        ({"start": "week"}, "2026-11-29T12:00", date(2026, 11, 23)),
        ({"start": "quarter", "ago": "P3M"}, "2026-02-10T12:00", date(2025, 10, 1)),
        ({"ago": "P0D"}, "2026-11-22T15:59", date(2026, 11, 22)),
        ({"ago": "P0D"}, "2026-11-22T16:00", date(2026, 11, 23)),
        ({"ago": "P0D", "zone": "UTC"}, "2026-11-22T16:00", date(2026, 11, 22)),
    ],
)
def test_day_is_that_of_the_zone_and_months_end_where_they_end(raw: dict[str, str], now: str, expected: date) -> None:
    assert day(raw, utc(now)) == expected


@pytest.mark.parametrize(
    ("raw", "now", "expected"),
    [
        # Clocks go forward on 8 March 2026 at 02:00: that day has 23 hours, and no 02:30.
        ({"start": "day"}, "2026-03-08T16:00", "2026-03-08T05:00"),
        ({"ago": "P1D"}, "2026-03-08T16:00", "2026-03-07T17:00"),
        ({"ago": "PT24H"}, "2026-03-08T16:00", "2026-03-07T16:00"),
        ({"ago": "P1D"}, "2026-03-09T06:30", "2026-03-08T07:30"),
        # They go back on 1 November at 02:00: 01:30 is twice, at 05:30 and 06:30 UTC.
        ({"ago": "PT1H"}, "2026-11-01T06:30", "2026-11-01T05:30"),
        ({"start": "hour"}, "2026-11-01T06:30", "2026-11-01T06:00"),
        ({"start": "day"}, "2026-11-01T06:30", "2026-11-01T04:00"),
        ({"in": "P1D"}, "2026-10-31T05:30", "2026-11-01T05:30"),
    ],
)
def test_summer_time_moves_days_but_not_hours(raw: dict[str, str], now: str, expected: str) -> None:
    assert moment(raw, utc(now), NEW_YORK) == utc(expected)


@pytest.mark.parametrize("dated", [False, True])
def test_reckons_as_the_reference_does(*, dated: bool) -> None:
    random = Random(1)
    for _ in range(1_000):
        raw, zone = some_relative(random, dated=dated), random.choice(ZONES)
        now = datetime.fromtimestamp(random.randint(1_500_000_000, 1_900_000_000), UTC)
        reckoned = parse_relative(raw, dated=dated).value(now, ZoneInfo(zone))
        assert reckoned == reckon(raw, now, zone, dated=dated), (raw, now, zone)


@pytest.mark.parametrize(
    ("raw", "template", "path"),
    [
        ({}, "relative_value", ()),
        ({"zone": "UTC"}, "relative_value", ()),
        ({"ago": "P1D", "before": "P1D"}, "relative_value", ()),
        ({"ago": "P1D", "in": "P1D"}, "relative_ago_and_in", ()),
        ({"start": "decade"}, "relative_start", ("start",)),
        ({"start": None}, "relative_start", ("start",)),
        ({"start": ["month"]}, "relative_start", ("start",)),
        *(
            ({"ago": wrong}, "duration_invalid", ("ago",))
            for wrong in (
                "",
                "P",
                "PT",
                "P1",
                "1D",
                "p1d",
                "-P1D",
                "P-1D",
                "P1.5D",
                "P1DT",
                "P1M1Y",
                "P١D",
                "P1D\n",
                90,
            )
        ),
        ({"in": "P9999999Y"}, "duration_range", ("in",)),
        ({"in": "P1001Y"}, "duration_range", ("in",)),
        ({"in": "P999Y999999999D"}, "duration_range", ("in",)),
        ({"ago": "PT999999999H"}, "duration_range", ("ago",)),
        ({"ago": "P9999999999D"}, "duration_invalid", ("ago",)),
        *(
            ({"start": "day", "zone": wrong}, "time_zone_invalid", ("zone",))
            for wrong in ("", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "Asia", "A" * 10_000, "UTC\0", 8, None)
        ),
    ],
)
def test_what_is_no_relative_value_is_refused(raw: dict[str, Any], template: str, path: tuple[str, ...]) -> None:
    for dated in (False, True):
        with pytest.raises(BadVariables) as caught:
            parse_relative(raw, dated=dated)
        expected = (
            "duration_of_date" if dated and template == "duration_range" and "T" in raw.get("ago", "") else template
        )
        assert (caught.value.template_key, caught.value.path) == (expected, path)


@pytest.mark.parametrize("raw", [{"ago": "PT1H"}, {"in": "P1DT0S"}])
def test_a_date_has_no_hours(raw: dict[str, str]) -> None:
    with pytest.raises(BadVariables) as caught:
        parse_relative(raw, dated=True)
    assert caught.value.template_key == "duration_of_date"
    with pytest.raises(BadVariables, match="relative_start"):
        parse_relative({"start": "hour"}, dated=True)


def test_the_longest_durations_are_reckoned_at_every_moment() -> None:
    for raw in ({"ago": "P1000Y"}, {"in": "P1000Y"}, {"in": "P365000D"}, {"ago": "PT8760000H"}):
        for now in (utc("1971-01-01"), utc("2999-12-31")):
            assert isinstance(moment(raw, now), datetime)


def test_zones_are_those_of_the_iana_database() -> None:
    assert [z for z in ("Asia/Shanghai", "America/Argentina/Buenos_Aires", "Etc/GMT+8", "UTC") if not is_zone(z)] == []
