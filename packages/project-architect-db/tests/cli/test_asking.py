"""Values as people type them."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from andamios_orm.exceptions import QueryRefused
from project_architect_db.analytics.steps import beginning
from project_architect_db.cli.asking import moment, shown, whole_steps

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-01-31", "2026-01-31T00:00:00+01:00"),
        ("2026-01-31T10:30", "2026-01-31T10:30:00+01:00"),
        ("2026-01-31T10:30Z", "2026-01-31T10:30:00+00:00"),
    ],
)
def test_a_moment_is_a_day_or_a_time_of_a_zone(text: str, found: str) -> None:
    meant = moment(text, ZoneInfo("Europe/Madrid"))

    assert meant is not None
    assert meant.isoformat() == found


@pytest.mark.parametrize(
    ("text", "days"), [("0d", 0), ("30d", 30), ("2w", 14), ("1m", 30), ("1y", 365)]
)
def test_a_moment_is_so_long_ago(text: str, days: int) -> None:
    today = dt.datetime.now(dt.UTC).date()

    meant = moment(text)

    assert meant is not None
    assert meant.time() == dt.time()
    assert (today - meant.date()).days in {days, days - 1}  # midnight may be between


def test_no_text_is_no_moment() -> None:
    assert moment(None) is None


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "d", "-3d", "12345d", "3 d"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(QueryRefused, match="is no time: pass 2026-01-31"):
        moment(text)


@pytest.mark.parametrize("unit", ["day", "week", "month", "quarter", "year"])
def test_what_is_compared_so_long_ago_is_whole_steps(unit: str) -> None:
    zone = ZoneInfo("Europe/Madrid")

    for since, until in [("400d", None), (None, None), ("400d", "40d")]:
        bounds = whole_steps(unit, since, until, zone)

        for bound in bounds:
            assert bound == beginning(unit, bound.replace(tzinfo=None)).replace(tzinfo=zone)
        assert bounds[0] < bounds[1]
        assert (dt.datetime.now(zone) < bounds[1]) == (until is None)


def test_what_is_compared_from_a_date_begins_with_it() -> None:
    since, until = whole_steps("month", "2026-01-31", "2026-03-01", dt.UTC)

    assert (since, until) == (moment("2026-01-31"), moment("2026-03-01"))


def test_nothing_that_a_terminal_would_obey_is_shown() -> None:
    assert shown("a\x1b[2Jb\r\n\x07c\u202ed") == "a [2Jb c d"
