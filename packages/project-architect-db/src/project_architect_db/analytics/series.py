"""A time series out of sums by step: without gaps, and beside the steps before."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from itertools import accumulate, repeat
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter

from andamios_orm.exceptions import ValueRefused
from project_architect_db.analytics.shapes import ratio
from project_architect_db.analytics.steps import beginning, count_steps, earlier, steps_of
from project_architect_db.schemas.analytics import TimePoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from project_architect_db.analytics.metrics import Metric
    from project_architect_db.analytics.scope import Scope

__all__ = ["compared_scope", "counts_of", "series_of"]

_MOVING: Final = 7
_UNCOMPARED: Final[Mapping[str, Any]] = MappingProxyType(
    {"previous": None, "change": None, "change_ratio": None}
)
_POINTS: Final = TypeAdapter(list[TimePoint])


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


def counts_of(metric: Metric, rows: Iterable[Any]) -> Counter[dt.datetime]:
    """Return what a metric counts in each step, of ``rows`` of kind, key, total and step."""
    counts: Counter[dt.datetime] = Counter()
    for kind, key, total, step in rows:
        if kind == metric.kind and metric.key in (None, key):
            counts[step] += total
    return counts


def series_of(
    unit: str, scope: Scope, counts: Counter[dt.datetime], back: int | None
) -> list[TimePoint]:
    """Return the points of a series, each compared with the step that is ``back`` earlier.

    Of fifty thousand points it takes about a second: it is for a thread.

    Raises:
        ValueRefused: there are too many.
    """
    seen = [step for step, value in counts.items() if value]
    starts = steps_of(unit, scope, (min(seen), max(seen)) if seen else None)
    values = [counts[step] for step, _ in starts]
    totals = list(accumulate(values))
    compared: Iterable[Mapping[str, Any]] = repeat(_UNCOMPARED, len(starts))
    if back is not None:
        compared = [
            _compared(value, counts[earlier(unit, step, back)])
            for value, (step, _) in zip(values, starts, strict=True)
        ]
    begins = [begin for _, begin in starts]
    if scope.timezone != "UTC":
        begins = [begin.astimezone(scope.zone) for begin in begins]
    return _POINTS.validate_python(
        [
            {
                "start": begin,
                "value": value,
                "running_total": total,
                "moving_average": average,
                **others,
            }
            for begin, value, total, average, others in zip(
                begins,
                values,
                totals,
                _moving_averages(totals),
                compared,
                strict=True,
            )
        ]
    )


def _moving_averages(totals: Sequence[int]) -> Iterator[float]:
    """Yield the mean of each value and up to six before it, out of their running totals."""
    yield from (total / place for place, total in enumerate(totals[:_MOVING], 1))
    later = zip(totals[_MOVING:], totals, strict=False)
    yield from ((total - before) / _MOVING for total, before in later)


def _compared(value: int, previous: int) -> dict[str, Any]:
    change = value - previous
    return {"previous": previous, "change": change, "change_ratio": ratio(change, previous)}
