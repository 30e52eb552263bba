"""Figures by time, and a page that shows the most important ones."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import ClassVar

from project_architect_db.schemas.analytics.lifecycle import Attention
from project_architect_db.schemas.analytics.projects import ProjectMetrics
from project_architect_db.schemas.analytics.results import AnalyticsResult, Figure, Part

__all__ = ["Dashboard", "SeriesChange", "TimePoint", "TimeSeriesData"]


class TimePoint(Part):
    """One step of a series: an hour, a day, a month ..."""

    start: dt.datetime
    """When it begins, in the time zone: what clocks show then, so 01:00 where they skip midnight.
    The first one of a range may have begun before it."""
    value: int
    """What counts from its beginning to the next, and within the range; 0 if nothing does."""
    running_total: int
    """The sum of the values up to and with this one."""
    moving_average: float
    """The mean of this value and up to six before it, of those there are in the series."""
    previous: int | None
    """The value of the step at the same time on the clock, as many steps of the clock earlier as
    there are from the start of the range to its end; 0 if clocks skipped it; None without
    ``compare``."""
    change: int | None
    """``value - previous``; None without ``compare``."""
    change_ratio: float | None
    """``change / previous``; None without ``compare``, or if ``previous`` is 0."""


class TimeSeriesData(AnalyticsResult):
    """A metric by hour, day, week, month, quarter or year, without gaps.

    What each metric counts, and by which moment, is in the table of ``docs/howto/analytics.md``
    and of ``project_architect_db.analytics.metrics``. Rows that are deleted do not count, nor
    those of a deleted conversation, document or repository.

    Steps begin at the full hour, at midnight, on Monday, on the first day of a month, quarter
    or year, as clocks in the time zone show it. An hour that clocks show twice is one step, one
    that they skip is none. With a range the steps are all that have a part in it. Without one,
    or with an open end, they go from the first (or to the last) step with a value other than 0;
    there may be none.

    ``rows()`` are the points, with the columns ``start`` (in UTC), ``value``,
    ``running_total``, ``moving_average``, ``previous``, ``change``, ``change_ratio``.
    """

    columns: ClassVar[Mapping[str, str]] = {
        "start": "moment",
        "value": "whole",
        "running_total": "whole",
        "moving_average": "number",
        "previous": "whole",
        "change": "whole",
        "change_ratio": "number",
    }

    metric: str
    """What is counted."""
    granularity: str
    """How long a step is: ``hour``, ``day``, ``week``, ``month``, ``quarter`` or ``year``."""
    points: list[TimePoint]
    """The steps in order."""
    total: int
    """The sum of their values."""
    previous_total: int | None
    """The sum of the values of as many steps of the clock before the range; None without
    ``compare``. A step there that clocks skipped in the range is in it, beside no point."""
    change: int | None
    """``total - previous_total``; None without ``compare``."""
    change_ratio: float | None
    """``change / previous_total``; None without ``compare``, or if ``previous_total`` is 0."""

    def rows(self) -> list[Figure]:
        """Return the points, one row each."""
        return [
            {name: getattr(point, name) for name in self.columns}
            | {"start": point.start.astimezone(dt.UTC)}
            for point in self.points
        ]


class SeriesChange(Part):
    """A metric in the last 30 days, beside the 30 days before."""

    name: str
    """The metric."""
    values: list[int]
    """Its value on each of the 30 days, the last one being today in the time zone."""
    total: int
    """Their sum."""
    previous_total: int
    """The same of the 30 days before."""
    change_ratio: float | None
    """``(total - previous_total) / previous_total``; None if that is 0."""


class Dashboard(AnalyticsResult):
    """What one looks at first. ``start`` and ``end`` are those of the last 30 days.

    They begin 29 days before today, and end where tomorrow begins, in the time zone.
    """

    projects: ProjectMetrics
    """All projects, whenever they were created."""
    totals: dict[str, int]
    """How many there are in all, at any time: ``conversations``, ``messages``, ``words``,
    ``tokens``, ``documents``, ``document_bytes``, ``accesses``, ``builds``, ``failed_builds``,
    ``deployments``: the metrics of these names, over all time."""
    conversations_by_phase: dict[str, int]
    """In which phase all conversations are now, as in ``ConversationMetrics``."""
    recent: list[SeriesChange]
    """The last 30 days of ``projects_created``, ``projects_completed``, ``conversations``,
    ``messages``, ``documents``, ``accesses``, ``builds``, ``failed_builds`` and
    ``deployments``, in this order."""
    attention: Attention
    """The first ten projects that need attention."""
