from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from project_architect_db.reporting import Change, Event, Period, Portfolio, words

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.unit

NOW = dt.datetime(2026, 7, 1, 12, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("two\n lines", "two lines"),
        ("\x1b]0;title\x07x", "]0;title x"),
        ("left\u202eright\u2066", "left right"),
        ("zero\u200bwidth", "zero width"),
        ("c1 \x9b31m", "c1 31m"),
        (" \t\n", words.NOTHING),
        ("naïve 漢字 👩‍💻", "naïve 漢字 👩‍💻"),
    ],
)
def test_a_text_is_shown_without_what_would_be_obeyed(text: str, expected: str) -> None:
    assert words.shown(text) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (0.25, "0.2 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (3_599, "60 min"),
        (3_600, "1.0 h"),
        (40_000, "11 h"),
        (86_400 * 9.5, "9.5 d"),
        (86_400 * 400, "400 d"),
        (86_400 * 900, "2.5 y"),
        (-7_200, "-2.0 h"),
    ],
)
def test_a_duration_has_the_unit_that_fits(seconds: float, expected: str) -> None:
    assert words.duration(seconds) == expected


@pytest.mark.parametrize(
    ("total", "before", "expected"),
    [(15, 10, "▲ 50 %"), (5, 10, "▼ 50 %"), (10, 10, "±0 %"), (3, 0, "new"), (0, 0, words.NOTHING)],
)
def test_a_change_says_up_or_down_without_a_colour(total: int, before: int, expected: str) -> None:
    ratio = (total - before) / before if before else None
    change = Change(
        name="commits", values=[total], total=total, previous_total=before, change_ratio=ratio
    )

    assert words.changed(change) == expected


@pytest.mark.parametrize(
    ("passed", "expected"),
    [
        (dt.timedelta(seconds=-5), "now"),
        (dt.timedelta(minutes=5), "5 min ago"),
        (dt.timedelta(days=59), "59 d ago"),
        (dt.timedelta(days=61), "1 May 2026"),
    ],
)
def test_what_is_long_ago_is_told_by_its_day(passed: dt.timedelta, expected: str) -> None:
    assert words.ago(NOW - passed, NOW) == expected


def test_a_chosen_period_is_named_by_its_first_and_last_day() -> None:
    period = Period(start=dt.date(2026, 1, 1), end=dt.date(2026, 4, 1), is_recent=False)

    assert words.period_title(period) == "1 Jan 2026 to 31 Mar 2026"


@pytest.mark.parametrize(
    ("kind", "subject", "detail", "expected"),
    [
        ("project", None, None, "project added"),
        ("completed", None, None, "project completed"),
        ("conversation", "Which\nway?", "design", "“Which way?” in design"),
        ("conversation", None, "design", "“conversation” in design"),
        ("document", "README.md", None, "README.md written"),
        ("build", "api", "failed", "build of api failed"),
        ("deployment", "api", "succeeded", "deployment of api succeeded"),
        ("commits", "api", "1", "1 commit to api"),
        ("commits", "api", "1200", "1,200 commits to api"),
    ],
)
def test_what_happened_is_told_in_words(
    kind: str, subject: str | None, detail: str | None, expected: str
) -> None:
    event = Event(
        kind=kind,
        at=NOW,
        project_id=1,
        project="Harbour",
        is_sample=False,
        subject=subject,
        detail=detail,
    )

    assert words.event_text(event) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "1 of 2 projects are sample data; totals contain them."),
        ({"sample_projects": 2}, "All of this is sample data."),
        ({"sample_projects": 0}, None),
        ({"has_samples": False, "sample_projects": 0}, "Sample data are left out."),
    ],
)
def test_sample_data_are_said_to_be_some(
    made: Callable[..., Portfolio], changes: dict[str, Any], expected: str | None
) -> None:
    assert words.sample_notice(made(**changes)) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "There is no project yet."),
        ({"has_samples": False}, "There is no project but sample data."),
        ({"viewer": "a\x1bna"}, "There is no project that a na owns or is a member of."),
    ],
)
def test_an_empty_portfolio_says_why(
    made: Callable[..., Portfolio], changes: dict[str, Any], expected: str
) -> None:
    assert words.whom(made(**changes)) == expected


def test_a_sparkline_has_as_many_letters_as_there_are_values() -> None:
    assert words.sparkline([]) == ""
    assert words.sparkline([0, 0]) == "▁▁"
    assert words.sparkline([1, 1_000_000]) == "▂█"
    assert words.sparkline([-1, 0.5, 4.0]) == "▁▂█"
    assert words.sparkline(words.grouped(range(90), 31)) == words.sparkline(
        [sum(range(at, at + 3)) for at in range(0, 90, 3)]
    )
