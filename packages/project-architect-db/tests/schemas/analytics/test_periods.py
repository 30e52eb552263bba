"""Ranges of time, and time zones."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from andamios_orm.exceptions import ValueRefused
from project_architect_db.schemas.analytics import DateRange
from project_architect_db.schemas.analytics.periods import zone_of

pytestmark = pytest.mark.unit

MADRID = ZoneInfo("Europe/Madrid")
JANUARY, JUNE = dt.date(2026, 1, 1), dt.date(2026, 6, 1)
MOMENT = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


def test_a_date_is_where_its_day_begins_in_the_time_zone() -> None:
    found = DateRange(JANUARY, JUNE).bounds(MADRID)

    assert found.start == dt.datetime(2025, 12, 31, 23, tzinfo=dt.UTC)
    assert found.end == dt.datetime(2026, 5, 31, 22, tzinfo=dt.UTC)
    assert found.start.tzinfo is found.end.tzinfo is dt.UTC


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, DateRange()),
        (DateRange(JANUARY), DateRange(JANUARY)),
        ((JANUARY, JUNE), DateRange(JANUARY, JUNE)),
        ([None, MOMENT], DateRange(None, MOMENT)),
    ],
)
def test_a_range_is_said_in_one_of_several_ways(given: Any, expected: DateRange) -> None:
    assert DateRange.of(given) == expected


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("2026", "pass a DateRange, or a pair"),
        ((JANUARY,), "pass a DateRange, or a pair"),
        ((JUNE, JANUARY), "its end has to be after its start"),
        ((JANUARY, JANUARY), "its end has to be after its start"),
        ((dt.datetime(2026, 1, 1), None), "it has no time zone"),  # noqa: DTZ001 - that is the point
        (("2026-01-01", None), "pass a date, an aware datetime, or None"),
        ((dt.date.min, None), "no clock goes that far"),
    ],
)
def test_what_is_no_range_is_refused_with_the_cause(given: Any, reason: str) -> None:
    with pytest.raises(ValueRefused, match=reason):
        DateRange.of(given).bounds(ZoneInfo("Asia/Tokyo"))


@pytest.mark.parametrize("name", ["Mars/Olympus", "", None, "../UTC", "/etc/passwd", 7])
def test_a_time_zone_that_is_none_is_refused(name: Any) -> None:
    with pytest.raises(ValueRefused, match="there is no time zone of that name"):
        zone_of(name)


def test_a_time_zone_is_known_by_name_or_as_what_it_is() -> None:
    assert zone_of("Europe/Madrid") == zone_of(MADRID) == MADRID
