"""Figures as people read them."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import pytest
from pydantic import Field
from rich.console import Console

from project_architect_db.cli import figures
from project_architect_db.schemas.analytics import (
    AnalyticsResult,
    DurationStatistics,
    NamedCount,
    TimePoint,
    TimeSeriesData,
)
from project_architect_db.schemas.analytics.results import Part

pytestmark = pytest.mark.unit

NOW = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
HEAD: dict[str, Any] = {"timezone": "UTC", "start": None, "end": None, "as_of": NOW}


class Said(Part):
    """A part that has its words already."""

    code: str
    text: str


class Entry(Part):
    """A part with parts of its own."""

    name: str
    values: list[int]
    words: list[str]
    reasons: list[NamedCount]
    told: list[Said]
    stays: DurationStatistics


class Found(AnalyticsResult):
    """A result with a field of every kind."""

    is_new: bool = True
    seen_at: dt.datetime | None = NOW
    said: str = "a\x1bb"
    counts: dict[str, dict[str, int]] = Field(
        default_factory=lambda: {"inner": {"many": 2}, "none": {"zero": 0}}
    )
    rows_of: list[NamedCount] = Field(default_factory=list)
    entries: list[Entry] = Field(default_factory=list)
    stays: DurationStatistics


def printed(result: AnalyticsResult) -> str:
    """Return what a person reads of a result."""
    file = io.StringIO()
    figures.show(Console(file=file, width=100, markup=False), result)
    return file.getvalue()


def stays() -> DurationStatistics:
    """Return statistics of times, as many fields as there are."""
    names = DurationStatistics.model_fields
    return DurationStatistics(**{name: 7_200 if name != "count" else 3 for name in names})


def test_each_field_is_shown_by_what_it_is() -> None:
    many = [NamedCount(name=f"n{number}", count=number) for number in range(30)]
    text = printed(Found(**HEAD, stays=stays(), rows_of=many))

    assert text.startswith("All time, days of UTC\n")
    assert "is new    True" in text
    assert "seen at   2026-02-01 00:00" in text
    assert "said      a b" in text
    assert "Counts: inner\n" in text
    assert "zero" not in text
    assert "and 5 more: --format csv has all" in text
    assert "n24" in text
    assert "n25" not in text
    assert "count    3" in text
    assert "2.0 h" in text


def test_what_belongs_to_an_entry_stands_in_its_line() -> None:
    reasons = [NamedCount(name="late", count=3)]
    entry = Entry(
        name="Shop",
        values=[0, 7],
        words=["a", "b"],
        reasons=reasons,
        told=[Said(code="x", text="waits for c")],
        stays=stays(),
    )

    text = printed(Found(**HEAD, stays=stays(), entries=[entry]))

    assert "Shop" in text
    assert "▁█" in text
    assert "a; b" in text
    assert "late 3" in text
    assert "waits" in text
    assert "count 3" in text


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (NOW, None, "From 2026-02-01 00:00 to now on (UTC), days of UTC"),
        (None, NOW, "From the beginning to 2026-02-01 00:00 (UTC), days of UTC"),
    ],
)
def test_the_heading_says_which_time_it_is_about(
    start: dt.datetime | None, end: dt.datetime | None, said: str
) -> None:
    found = Found(**{**HEAD, "start": start, "end": end}, stays=stays())

    assert printed(found).startswith(said)


def series(count: int, granularity: str = "day", *, compare: bool = True) -> TimeSeriesData:
    """Return a series of so many points."""
    points = [
        TimePoint(
            start=NOW + dt.timedelta(days=number),
            value=number,
            running_total=0,
            moving_average=0,
            previous=1 if compare else None,
            change=number - 1 if compare else None,
            change_ratio=None,
        )
        for number in range(count)
    ]
    total = sum(point.value for point in points)
    return TimeSeriesData(
        **HEAD,
        metric="messages",
        granularity=granularity,
        points=points,
        total=total,
        previous_total=count if compare else None,
        change=None,
        change_ratio=0.5 if compare and count else None,
    )


@pytest.mark.parametrize(
    ("granularity", "first"),
    [("hour", "2026-02-01 00:00"), ("day", "2026-02-01"), ("month", "2026-02"), ("year", "2026 ")],
)
def test_a_series_has_a_line_for_each_step(granularity: str, first: str) -> None:
    text = printed(series(3, granularity))

    assert f"messages by {granularity}: 3 (3 before, +50 %)" in text
    assert f"  {first}" in text
    assert "before   change" in text
    assert "█" * 24 in text


def test_a_series_that_is_long_shows_its_end() -> None:
    text = printed(series(60, compare=False))

    assert "messages by day: 1,770\n" in text
    assert "and 10 before: --format csv has all" in text
    assert "before   change" not in text


def test_a_series_without_points_says_so() -> None:
    assert "messages by day: 0 (0 before)\n  nothing has happened in this time" in printed(
        series(0)
    )


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("size", None, "-"),
        ("is_new", False, "False"),
        ("project_id", 1_234, "1234"),
        ("bytes", 1_234, "1,234"),
        ("mean", 1.25, "1.2"),
        ("drop_off", 0.5, "50 %"),
        ("waiting_seconds", 0, "0 s"),
        ("waiting_seconds", 59, "59 s"),
        ("waiting_seconds", 3_600, "1.0 h"),
        ("waiting_seconds", 0.25, "0.2 s"),
        ("waiting_seconds", 90_061, "1.0 d"),
        ("waiting_seconds", -90_000, "-1.0 d"),
    ],
)
def test_a_number_is_shown_as_its_name_says(name: str, given: object, said: str) -> None:
    assert figures.value(name, given) == said


def test_bars_stand_any_numbers() -> None:
    assert figures.bar(-1, 5) == figures.bar(1, 0) == ""
