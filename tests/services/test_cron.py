"""Cron in a time zone, through changes of its clocks."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from crm_graph.services.cron import is_cron, next_after

BERLIN, SHANGHAI, LORD_HOWE = (ZoneInfo(name) for name in ("Europe/Berlin", "Asia/Shanghai", "Australia/Lord_Howe"))


def ticks(expression: str, zone: ZoneInfo, since: str, count: int) -> list[str]:
    """The next moments, as clocks of the zone show them with their offset."""
    moment, found = datetime.fromisoformat(since), []
    for _ in range(count):
        moment = next_after(expression, zone, moment)
        found.append(moment.astimezone(zone).isoformat(timespec="minutes"))
    return found


def test_days_begin_in_the_zone() -> None:
    assert ticks("30 2 * * *", SHANGHAI, "2026-11-22T18:30:00+00:00", 2) == [
        "2026-11-24T02:30+08:00",
        "2026-11-25T02:30+08:00",
    ]


def test_a_time_that_clocks_skip_comes_once_at_the_end_of_the_gap() -> None:
    assert ticks("30 2 * * *", BERLIN, "2026-03-28T00:00:00+00:00", 3) == [
        "2026-03-28T02:30+01:00",
        "2026-03-29T03:00+02:00",
        "2026-03-30T02:30+02:00",
    ]


def test_two_times_of_one_gap_come_once() -> None:
    assert ticks("15,45 2 * * *", BERLIN, "2026-03-28T02:00:00+00:00", 2) == [
        "2026-03-29T03:00+02:00",
        "2026-03-30T02:15+02:00",
    ]


def test_a_gap_of_half_an_hour_ends_when_it_ends() -> None:
    assert ticks("10 2 * * *", LORD_HOWE, "2026-10-03T00:00:00+00:00", 2) == [
        "2026-10-04T02:30+11:00",
        "2026-10-05T02:10+11:00",
    ]


@pytest.mark.parametrize("since", ["2026-10-24T01:00:00+00:00", "2026-10-25T00:00:00+00:00"])
def test_a_time_that_clocks_show_twice_comes_the_first_time(since: str) -> None:
    assert ticks("30 2 * * *", BERLIN, since, 2) == ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]


def test_it_does_not_come_again_when_asked_between_the_two() -> None:
    assert ticks("30 2 * * *", BERLIN, "2026-10-25T00:45:00+00:00", 1) == ["2026-10-26T02:30+01:00"]
    assert ticks("30 2 * * *", BERLIN, "2026-10-25T01:15:00+00:00", 1) == ["2026-10-26T02:30+01:00"]


def test_what_comes_every_half_hour_does_so_through_both_changes() -> None:
    assert ticks("*/30 * * * *", BERLIN, "2026-10-25T00:00:00+00:00", 4) == [
        "2026-10-25T02:30+02:00",
        "2026-10-25T02:00+01:00",
        "2026-10-25T02:30+01:00",
        "2026-10-25T03:00+01:00",
    ]
    assert ticks("*/30 * * * *", BERLIN, "2026-03-29T00:30:00+00:00", 3) == [
        "2026-03-29T03:00+02:00",
        "2026-03-29T03:30+02:00",
        "2026-03-29T04:00+02:00",
    ]


def test_every_second_hour_is_told_by_the_clock() -> None:
    assert ticks("0 */2 * * *", BERLIN, "2026-03-28T23:30:00+00:00", 2) == [
        "2026-03-29T04:00+02:00",
        "2026-03-29T06:00+02:00",
    ]


@pytest.mark.parametrize("expression", ["", "* * * *", "61 * * * *", "* * * * * *", "@daily", "0 0 31 2 x"])
def test_what_is_no_expression_is_told(expression: str) -> None:
    assert not is_cron(expression)
