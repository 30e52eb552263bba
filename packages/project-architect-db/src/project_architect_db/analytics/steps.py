"""The steps of a series: hours, days, weeks ... as clocks of a time zone show them."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from andamios_orm.exceptions import ValueRefused

if TYPE_CHECKING:
    from project_architect_db.analytics.scope import Scope

__all__ = [
    "MOST",
    "beginning",
    "count_steps",
    "earlier",
    "refuse_too_many",
    "steps",
    "steps_of",
]

MOST: Final = 50_000
"""How many steps a series may have."""
_MONTHS: Final = {"month": 1, "quarter": 3, "year": 12}
_LENGTHS: Final = {
    "hour": dt.timedelta(hours=1),
    "day": dt.timedelta(days=1),
    "week": dt.timedelta(weeks=1),
}


def beginning(unit: str, shown: dt.datetime) -> dt.datetime:
    """Return when the step begins in which a clock shows ``shown``.

    >>> beginning("quarter", dt.datetime(2026, 5, 17, 9))
    datetime.datetime(2026, 4, 1, 0, 0)
    >>> beginning("week", dt.datetime(2026, 11, 29, 9))
    datetime.datetime(2026, 11, 23, 0, 0)
    """
    if unit == "hour":
        return shown.replace(minute=0, second=0, microsecond=0)
    day = shown.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "week":
        return day - dt.timedelta(days=day.weekday())
    if unit in _MONTHS:
        months = _MONTHS[unit]
        return day.replace(day=1, month=(day.month - 1) // months * months + 1)
    return day


def earlier(unit: str, step: dt.datetime, count: int) -> dt.datetime:
    """Return the step that is ``count`` before ``step``; behind it, if that is negative.

    >>> earlier("month", dt.datetime(2026, 1, 1), 2)
    datetime.datetime(2025, 11, 1, 0, 0)
    >>> earlier("year", dt.datetime(2026, 1, 1), -1)
    datetime.datetime(2027, 1, 1, 0, 0)
    """
    if unit in _LENGTHS:
        return step - count * _LENGTHS[unit]
    month = step.year * 12 + step.month - 1 - count * _MONTHS[unit]
    return step.replace(year=month // 12, month=month % 12 + 1)


def count_steps(unit: str, first: dt.datetime, last: dt.datetime) -> int:
    """Return how many steps there are from ``first`` to ``last``, both among them.

    Raises:
        ValueRefused: there are too many.
    """
    if unit in _LENGTHS:
        count = (last - first) // _LENGTHS[unit] + 1
    else:
        months = (last.year - first.year) * 12 + last.month - first.month
        count = months // _MONTHS[unit] + 1
    if count > MOST:
        raise ValueRefused(
            f"from {first:%Y-%m-%d} to {last:%Y-%m-%d} there are more than {MOST:,} steps: "
            f"pass a shorter date_range, or longer steps",
            unit,
            "granularity",
        )
    return max(count, 0)


def steps(unit: str, first: dt.datetime, last: dt.datetime) -> list[dt.datetime]:
    """Return the steps from ``first`` to ``last``, both among them.

    Raises:
        ValueRefused: there are too many.
    """
    places = range(count_steps(unit, first, last))
    if unit in _LENGTHS:
        length = _LENGTHS[unit]
        return [first + place * length for place in places]
    return [earlier(unit, first, -place) for place in places]


def refuse_too_many(unit: str, scope: Scope) -> None:
    """Raise if a range has more steps than a series may have; an open one is not counted.

    Raises:
        ValueRefused: there are too many.
    """
    bounds = _bounds(unit, scope, None)
    if bounds is not None:
        count_steps(unit, *bounds)


def steps_of(
    unit: str, scope: Scope, seen: tuple[dt.datetime, dt.datetime] | None
) -> list[tuple[dt.datetime, dt.datetime]]:
    """Return the steps that a series has, and when each begins, in UTC.

    They are those of the range, or, where it is open, those seen. What clocks skip is none:
    an hour, and in some zones a day.

    Raises:
        ValueRefused: there are too many.
    """
    bounds = _bounds(unit, scope, seen)
    found = steps(unit, *bounds) if bounds else []
    if not found:
        return []
    if scope.timezone == "UTC":  # which skips nothing, so they need not be looked up
        first, last = (step.replace(tzinfo=dt.UTC) for step in (found[0], found[-1]))
        return list(zip(found, steps(unit, first, last), strict=True))
    zone = scope.zone
    shown = [*found, earlier(unit, found[-1], -1)]
    moments = [step.replace(tzinfo=zone).astimezone(dt.UTC) for step in shown]
    return [
        (step, begin)
        for step, (begin, end) in zip(found, pairwise(moments), strict=True)
        if begin < end
    ]


def _bounds(
    unit: str, scope: Scope, seen: tuple[dt.datetime, dt.datetime] | None
) -> tuple[dt.datetime, dt.datetime] | None:
    """Return the first and the last step; None if nobody knows them."""
    first, last = seen if seen is not None else (None, None)
    if scope.start is not None:
        first = beginning(unit, scope.start.astimezone(scope.zone).replace(tzinfo=None))
    if scope.end is not None:
        before = scope.end - dt.timedelta(microseconds=1)
        last = beginning(unit, before.astimezone(scope.zone).replace(tzinfo=None))
    return None if first is None or last is None else (first, last)
