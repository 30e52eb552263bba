"""Steps of time as clocks in a time zone show them, found by looking at such clocks."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

__all__ = ["GRANULARITIES", "begins", "day_begins", "earlier", "shown", "step_of", "through"]

GRANULARITIES: Final = ("hour", "day", "week", "month", "quarter", "year")
_MINUTE: Final = dt.timedelta(minutes=1)
_AROUND: Final = 26 * 60
"""How many minutes before and after a gap its end is looked for: clocks skip a day at most."""


def shown(moment: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """Return what a clock shows at a moment, without a time zone."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def step_of(moment: dt.datetime, granularity: str, zone: ZoneInfo) -> dt.datetime:
    """Return what a clock showed, or would have shown, when the step of a moment began."""
    return _cut(shown(moment, zone), granularity)


@lru_cache(maxsize=100_000)
def begins(step: dt.datetime, granularity: str, zone: ZoneInfo) -> dt.datetime | None:
    """Return the first moment at which a clock shows a time of the step; None if none does."""
    moment = step.replace(tzinfo=zone).astimezone(dt.UTC)
    if shown(moment, zone) == step:
        return moment
    for minutes in range(-_AROUND, _AROUND):
        tried = moment + minutes * _MINUTE
        if step_of(tried, granularity, zone) == step:
            return tried
    return None


def day_begins(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    """Return the moment at which a day begins; of a skipped one, that of the day after it."""
    step = dt.datetime.combine(day, dt.time())
    found = begins(step, "day", zone)
    return day_begins(day + dt.timedelta(days=1), zone) if found is None else found


def through(
    first: dt.datetime, last: dt.datetime, granularity: str, zone: ZoneInfo
) -> list[dt.datetime]:
    """Return the steps from the one to the other, without those that clocks skip."""
    found = []
    step = first
    while step <= last:
        if begins(step, granularity, zone) is not None:
            found.append(step)
        step = _next(step, granularity)
    return found


def earlier(first: dt.datetime, count: int, granularity: str, zone: ZoneInfo) -> list[dt.datetime]:
    """Return the ``count`` steps before a step, in order."""
    found: list[dt.datetime] = []
    step = first
    while len(found) < count:
        step = _cut(step - dt.timedelta(hours=1), granularity)
        if begins(step, granularity, zone) is not None:
            found.append(step)
    return found[::-1]


def _cut(wall: dt.datetime, granularity: str) -> dt.datetime:
    if granularity == "hour":
        return wall.replace(minute=0, second=0, microsecond=0)
    day = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    if granularity == "day":
        return day
    if granularity == "week":
        return day - dt.timedelta(days=day.weekday())
    if granularity == "month":
        return day.replace(day=1)
    month = day.month - (day.month - 1) % 3 if granularity == "quarter" else 1
    return day.replace(month=month, day=1)


def _next(step: dt.datetime, granularity: str) -> dt.datetime:
    """Return the step after one: so far ahead that it is in the next, and back to its beginning."""
    ahead = {"hour": 1, "day": 24, "week": 7 * 24, "month": 31 * 24, "quarter": 92 * 24}
    return _cut(step + dt.timedelta(hours=ahead.get(granularity, 366 * 24)), granularity)
