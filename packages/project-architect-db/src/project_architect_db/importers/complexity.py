"""How complex a project is, from 0 to 100."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import log1p
from typing import Any, Final

__all__ = ["complexity_score"]

# What is counted, the points for having many of it, and how many "many" is.
_PARTS: Final = (
    ("components", 25, 20),
    ("dependencies", 25, 100),
    ("services", 20, 10),
    ("languages", 15, 6),
    ("databases", 10, 3),
    ("entry_points", 5, 10),
)


def complexity_score(architecture: Mapping[str, Any]) -> int:
    """Return how complex a project with this architecture is, from 0 to 100.

    Each part counts with the logarithm of how many there are, so that the tenth service
    adds less than the second::

        points * min(1, log(1 + n) / log(1 + many))

        components    25 points, many are 20      languages     15 points, many are 6
        dependencies  25 points, many are 100     databases     10 points, many are 3
        services      20 points, many are 10      entry points   5 points, many are 10

    Dependencies are counted over all ecosystems. What is missing counts as none.

    >>> complexity_score({"languages": {"Python": 1200}, "dependencies": {"python": ["flask"]}})
    9
    """
    total = 0.0
    for name, points, many in _PARTS:
        total += points * min(1.0, log1p(_count(architecture.get(name))) / log1p(many))
    return round(total)


def _count(part: object) -> int:
    """Return how many there are; of a mapping to lists, in all of these."""
    if isinstance(part, Mapping):
        return sum(len(each) if isinstance(each, list | tuple) else 1 for each in part.values())
    return len(part) if isinstance(part, Collection) and not isinstance(part, str) else 0
