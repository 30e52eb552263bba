"""Numbers about many numbers, by their definitions."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

__all__ = ["distribution", "grouped", "median", "named", "p90", "quotient", "seconds"]

_MEDIAN: Final = Fraction(1, 2)
_P90: Final = Fraction(9, 10)


def quotient(amount: float, by: float) -> float | None:
    """Return the one by the other; None by nothing."""
    return amount / by if by else None


def median(values: Sequence[float]) -> float | None:
    """Return the value in the middle, interpolated."""
    return _at(values, _MEDIAN)


def p90(values: Sequence[float]) -> float | None:
    """Return the value that nine tenths do not exceed, interpolated."""
    return _at(values, _P90)


def distribution(values: Sequence[float]) -> dict[str, Any]:
    """Return the fields of a ``Distribution``."""
    return {
        "count": len(values),
        "mean": quotient(sum(values), len(values)),
        "median": median(values),
        "p90": p90(values),
    }


def named(names: Iterable[str | None]) -> list[dict[str, Any]]:
    """Return the ten most frequent names, equals by code points."""
    counts = Counter(name for name in names if name is not None)
    first = sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:10]
    return [{"name": name, "count": count} for name, count in first]


def seconds(start: dt.datetime, end: dt.datetime) -> float:
    """Return the seconds from one moment to another."""
    return (end - start).total_seconds()


def grouped(rows: Iterable[dict[str, Any]], key: str) -> dict[Any, list[dict[str, Any]]]:
    """Return rows by the value of a column."""
    found: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row[key], []).append(row)
    return found


def _at(values: Sequence[float], fraction: Fraction) -> float | None:
    if not values:
        return None
    ordered = [Fraction(each) for each in sorted(values)]
    place = fraction * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low] + (ordered[high] - ordered[low]) * (place - low))
