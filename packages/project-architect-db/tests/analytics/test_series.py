"""Points out of sums by step."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import pytest

from project_architect_db.analytics.scope import Scope
from project_architect_db.analytics.series import series_of

pytestmark = pytest.mark.unit

MONDAY = dt.datetime(2026, 11, 23)  # noqa: DTZ001 - what a clock shows


def scope(days: int, zone: str) -> Scope:
    start = MONDAY.replace(tzinfo=dt.UTC)
    return Scope(start, start + dt.timedelta(days=days), None, zone, start)


@pytest.mark.parametrize("zone", ["UTC", "Etc/UCT"])
def test_points_have_their_means_and_what_was_before(zone: str) -> None:
    counts = Counter({MONDAY + dt.timedelta(days=day): day + 9 for day in range(-9, 9)})

    points = series_of("day", scope(9, zone), counts, 9)

    assert [point.start.isoformat() for point in points[:2]] == [
        "2026-11-23T00:00:00+00:00",
        "2026-11-24T00:00:00+00:00",
    ]
    assert str(points[0].start.tzinfo) == zone
    assert [point.value for point in points] == list(range(9, 18))
    assert [point.running_total for point in points[:3]] == [9, 19, 30]
    assert [point.moving_average for point in points[5:]] == [11.5, 12.0, 13.0, 14.0]
    assert [point.previous for point in points] == list(range(9))
    assert {point.change for point in points} == {9}
    assert [point.change_ratio for point in points[:2]] == [None, 9.0]
