"""Figures out of rows: what the statements answer, brought into the form of the schemas."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

from project_architect_db.schemas.analytics import NamedCount

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["TENS", "by_name", "most", "ratio", "tens", "totals_of"]

TENS: Final = (*(f"{ten}-{ten + 9}" for ten in range(0, 90, 10)), "90-100")
"""What the ranges of a complexity score are called."""


def totals_of(rows: Iterable[Any]) -> dict[str, Counter[str]]:
    """Return sums by kind and key, out of rows of kind, key and total."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for kind, key, total, *_ in rows:
        found[kind][key] += total
    return found


def by_name(names: Iterable[str], totals: Mapping[str, int]) -> dict[str, int]:
    """Return the total of each name, 0 where there is none, in the order of the names."""
    return {str(name): totals.get(str(name), 0) for name in names}


def most(totals: Mapping[str, int], limit: int = 10) -> list[NamedCount]:
    """Return the largest totals, equals by name."""
    order = sorted(totals.items(), key=lambda pair: (-pair[1], pair[0]))
    return [NamedCount(name=name, count=count) for name, count in order[:limit] if count]


def tens(scores: Mapping[str, int]) -> dict[str, int]:
    """Return how many scores are in each ten; they may have been rounded down to tens."""
    counts = [0] * len(TENS)
    for score, count in scores.items():
        counts[min(int(score) // 10, len(TENS) - 1)] += count
    return dict(zip(TENS, counts, strict=True))


def ratio(part: float, of: float) -> float | None:
    """Return a share, or None of nothing."""
    return part / of if of else None
