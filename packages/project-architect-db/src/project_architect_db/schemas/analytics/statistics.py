"""Numbers about many numbers."""

from __future__ import annotations

from project_architect_db.schemas.analytics.results import Part

__all__ = ["Distribution", "DurationStatistics", "NamedCount"]


class Distribution(Part):
    """How many values there are, and where they lie. Without a value all but the count are None.

    Median and p90 are exact, by linear interpolation between the two values around the place
    ``fraction * (count - 1)`` of the sorted ones, counted from 0: what
    ``statistics.median`` gives, and ``numpy.percentile(values, 90)``. Nothing is rounded.
    """

    count: int
    """How many values there are."""
    mean: float | None
    """Their sum by their number."""
    median: float | None
    """The value in the middle; of an even number of values, the mean of the two."""
    p90: float | None
    """The value that nine tenths of them do not exceed, interpolated."""


class DurationStatistics(Distribution):
    """The same of times, in seconds, with fractions of one."""


class NamedCount(Part):
    """How many there are of something that has a name."""

    name: str
    """What is counted."""
    count: int
    """How many there are; never 0."""
