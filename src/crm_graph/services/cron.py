"""When a cron expression in a time zone comes next."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter

_FIELDS = 5
_STEP = timedelta(minutes=1)


def is_cron(expression: str) -> bool:
    """Whether it is an expression of five fields: minute, hour, day of the month, month, day of the week."""
    return len(expression.split()) == _FIELDS and bool(croniter.is_valid(expression))


def next_after(expression: str, zone: ZoneInfo, moment: datetime) -> datetime:
    """The first moment after this one that the expression names on the clocks of the zone.

    Where clocks skip that time, it is the first moment after the gap; where they show it twice, the first of the two.
    An expression for every hour (`*` or `*/n` for the hour) goes by time that passes instead: what comes every ten
    minutes does so through a change of clocks as well.
    """
    if expression.split()[1].startswith("*"):
        return _next_passing(expression, zone, moment)
    shown = moment.astimezone(zone).replace(tzinfo=None)
    while True:
        shown = croniter(expression, shown).get_next(datetime)
        found = _first(shown, zone)
        if found > moment:
            return found


def _first(shown: datetime, zone: ZoneInfo) -> datetime:
    """The first moment at which clocks of the zone show this time; the end of the gap where they never do."""
    moment = shown.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == shown:
        return moment
    # In a gap the offset from before it is taken, which leads as far behind its end as the time is behind its start.
    before = moment
    while before.astimezone(zone).replace(tzinfo=None) > shown:
        before -= timedelta(hours=1)
    while before.astimezone(zone).replace(tzinfo=None) < shown:
        before += _STEP
    return before


def _next_passing(expression: str, zone: ZoneInfo, moment: datetime) -> datetime:
    """By the offset that holds; where that changes on the way, the time that clocks show then has to match too."""
    while True:
        local = moment.astimezone(zone)
        offset = local.utcoffset() or timedelta()
        shown: datetime = croniter(expression, local.replace(tzinfo=None)).get_next(datetime)
        found = (shown - offset).replace(tzinfo=UTC)
        if croniter.match(expression, found.astimezone(zone).replace(tzinfo=None)):
            return found
        moment = found
