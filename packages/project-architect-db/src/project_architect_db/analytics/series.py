"""A time series out of sums by step: without gaps, and beside the steps before."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from andamios_orm.exceptions import ValueRefused
from project_architect_db.analytics.shapes import ratio
from project_architect_db.analytics.steps import beginning, count_steps, earlier, steps_of
from project_architect_db.schemas.analytics import TimePoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from project_architect_db.analytics.metrics import Metric
    from project_architect_db.analytics.scope import Scope

__all__ = ["compared_scope", "series_of"]

_MOVING: Final = 7


def compared_scope(unit: str, scope: Scope) -> tuple[Scope, int]:
    """Return the scope that has as many steps before the range as in it, and their number.

    Raises:
        ValueRefused: the range is open, or begins or ends within a step.
    """
    if scope.start is None or scope.end is None:
        raise ValueRefused(
            "to compare with what was before, it needs a start and an end", None, "date_range"
        )
    bounds = (scope.start, scope.end)
    shown = [beginning(unit, _shown(scope, bound)) for bound in bounds]
    if any(_moment(scope.zone, step) != bound for step, bound in zip(shown, bounds, strict=True)):
        whole = [step.isoformat() for step in shown]
        raise ValueRefused(
            f"to compare with what was before, it has to begin and end with a {unit} in "
            f"{scope.timezone}: such as {whole[0]} to {whole[1]}",
            [_shown(scope, bound).isoformat() for bound in bounds],
            "date_range",
        )
    count = count_steps(unit, shown[0], earlier(unit, shown[1], 1))
    try:
        start = _moment(scope.zone, earlier(unit, shown[0], count))
    except (ValueError, OverflowError):
        raise ValueRefused(
            f"there are no {count} steps before it to compare with", shown[0], "date_range"
        ) from None
    return scope.within(start, scope.end), count


def _shown(scope: Scope, moment: dt.datetime) -> dt.datetime:
    return moment.astimezone(scope.zone).replace(tzinfo=None)


def _moment(zone: dt.tzinfo, shown: dt.datetime) -> dt.datetime:
    """Return the moment at which clocks show a time first; if they skip it, when they do."""
    return shown.replace(tzinfo=zone).astimezone(dt.UTC)


def series_of(
    metric: Metric, unit: str, scope: Scope, rows: Iterable[Any], back: int | None
) -> tuple[list[TimePoint], int, int]:
    """Return the points of a metric, their total, and that of the steps that are no point.

    ``rows`` are of kind, key, total and step; ``back`` is how many steps earlier the others
    are. Of fifty thousand points it takes about a second: it is for a thread.

    Raises:
        ValueRefused: there are too many.
    """
    values: Counter[dt.datetime] = Counter()
    for kind, key, total, step in rows:
        if kind == metric.kind and metric.key in (None, key):
            values[step] += total
    points = list(_points(unit, scope, values, back))
    total = points[-1].running_total if points else 0
    return points, total, values.total() - total


def _points(
    unit: str, scope: Scope, values: Counter[dt.datetime], back: int | None
) -> Iterator[TimePoint]:
    seen = [step for step, value in values.items() if value]
    starts = steps_of(unit, scope, (min(seen), max(seen)) if seen else None)
    zone = scope.zone
    numbers = [values[step] for step, _ in starts]
    running = list(accumulate(numbers))
    for place, ((step, begin), value, total) in enumerate(
        zip(starts, numbers, running, strict=True)
    ):
        earlier_total = running[place - _MOVING] if place >= _MOVING else 0
        previous = None if back is None else values[earlier(unit, step, back)]
        yield TimePoint(
            start=begin.astimezone(zone),
            value=value,
            running_total=total,
            moving_average=(total - earlier_total) / min(place + 1, _MOVING),
            **_changes(value, previous),
        )


def _changes(value: int, previous: int | None) -> dict[str, Any]:
    if previous is None:
        return {"previous": None, "change": None, "change_ratio": None}
    change = value - previous
    return {"previous": previous, "change": change, "change_ratio": ratio(change, previous)}
