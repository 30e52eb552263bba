"""The steps that series are compared with, at the borders that are known."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from tests.recomputation.steps import begins, day_begins, earlier, step_of, through

pytestmark = pytest.mark.unit

LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
HAVANA = ZoneInfo("America/Havana")


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> dt.datetime:
    return dt.datetime(year, month, day, hour, minute, tzinfo=dt.UTC)


def wall(year: int, month: int, day: int, hour: int = 0) -> dt.datetime:
    return utc(year, month, day, hour).replace(tzinfo=None)


def test_an_hour_that_half_of_is_skipped_begins_where_clocks_are_set_on() -> None:
    assert begins(wall(2025, 10, 5, 2), "hour", LORD_HOWE) == utc(2025, 10, 4, 15, 30)


def test_an_hour_that_comes_half_again_is_one_step() -> None:
    moments = [utc(2026, 4, 4, 14, minute) for minute in (0, 30)] + [utc(2026, 4, 4, 15, 29)]

    assert {step_of(each, "hour", LORD_HOWE) for each in moments} == {wall(2026, 4, 5, 1)}


def test_a_day_without_a_midnight_begins_at_one() -> None:
    assert day_begins(dt.date(2026, 3, 8), HAVANA) == utc(2026, 3, 8, 5)


def test_a_day_with_two_midnights_begins_at_the_first() -> None:
    assert day_begins(dt.date(2025, 11, 2), HAVANA) == utc(2025, 11, 2, 4)


def test_a_skipped_day_begins_with_the_one_after_it() -> None:
    assert day_begins(dt.date(2011, 12, 30), ZoneInfo("Pacific/Apia")) == utc(2011, 12, 30, 10)


def test_a_skipped_hour_is_no_step() -> None:
    steps = through(wall(2026, 3, 7, 23), wall(2026, 3, 8, 2), "hour", HAVANA)

    assert [step.hour for step in steps] == [23, 1, 2]
    assert earlier(wall(2026, 3, 8, 2), 2, "hour", HAVANA) == steps[:2]


@pytest.mark.parametrize(
    ("granularity", "expected"),
    [
        ("week", wall(2026, 3, 2)),
        ("month", wall(2026, 3, 1)),
        ("quarter", wall(2026, 1, 1)),
        ("year", wall(2026, 1, 1)),
    ],
)
def test_a_long_step_begins_with_a_day(granularity: str, expected: dt.datetime) -> None:
    assert step_of(utc(2026, 3, 8, 3), granularity, HAVANA) == expected
