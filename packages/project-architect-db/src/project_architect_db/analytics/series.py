"""A time series out of sums by step: without gaps, and beside the steps before."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from andamios_orm.exceptions import ValueRefused
from project_architect_db.analytics.shapes import ratio
from project_architect_db.analytics.steps import beginning, earlier, steps, steps_of
from project_architect_db.schemas.analytics import TimePoint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from project_architect_db.analytics.metrics import Metric
    from project_architect_db.analytics.scope import Scope

__all__ = ["Values", "compared_scope", "points_of", "values_of"]

_MOVING: Final = 7
Values = Counter[dt.datetime]
"""A value for each step that has one."""


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
    if any(_moment(scope, step) != bound for step, bound in zip(shown, bounds, strict=True)):
        whole = [step.isoformat() for step in shown]
        raise ValueRefused(
            f"to compare with what was before, it has to begin and end with a {unit} in "
            f"{scope.timezone}: such as {whole[0]} to {whole[1]}",
            [_shown(scope, bound).isoformat() for bound in bounds],
            "date_range",
        )
    count = len(list(steps(unit, shown[0], earlier(unit, shown[1], 1))))
    try:
        start = _moment(scope, earlier(unit, shown[0], count))
    except (ValueError, OverflowError):
        raise ValueRefused(
            f"there are no {count} steps before it to compare with", shown[0], "date_range"
        ) from None
    return scope.within(start, scope.end), count


def _shown(scope: Scope, moment: dt.datetime) -> dt.datetime:
    return moment.astimezone(scope.zone).replace(tzinfo=None)


def _moment(scope: Scope, shown: dt.datetime) -> dt.datetime:
    """Return the moment at which clocks show a time first; if they skip it, when they do."""
    return shown.replace(tzinfo=scope.zone).astimezone(dt.UTC)


def values_of(metric: Metric, rows: Iterable[Any]) -> Values:
    """Return the values of a metric, out of rows of kind, key, total and step."""
    found: Values = Counter()
    for kind, key, total, step in rows:
        if kind == metric.kind and metric.key in (None, key):
            found[step] += total
    return found


def points_of(unit: str, scope: Scope, values: Values, back: int | None) -> list[TimePoint]:
    """Return the points of a series; ``back`` is how many steps earlier the others are.

    Raises:
        ValueRefused: there are too many.
    """
    seen = [step for step, value in values.items() if value]
    starts = steps_of(unit, scope, (min(seen), max(seen)) if seen else None)
    numbers = [values[step] for step in starts]
    points, running = [], 0
    for place, step in enumerate(starts):
        running += numbers[place]
        last = numbers[max(0, place + 1 - _MOVING) : place + 1]
        previous = None if back is None else values[earlier(unit, step, back)]
        points.append(
            TimePoint.model_construct(  # ten thousand would take long to check, and need not be
                start=_moment(scope, step).astimezone(scope.zone),
                value=numbers[place],
                running_total=running,
                moving_average=sum(last) / len(last),
                **_changes(numbers[place], previous),
            )
        )
    return points


def _changes(value: int, previous: int | None) -> dict[str, Any]:
    if previous is None:
        return {"previous": None, "change": None, "change_ratio": None}
    change = value - previous
    return {"previous": previous, "change": change, "change_ratio": ratio(change, previous)}
