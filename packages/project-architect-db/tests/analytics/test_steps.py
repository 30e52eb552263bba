"""Steps of a series, as clocks show them."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import pytest

from andamios_orm.exceptions import ValueRefused
from project_architect_db.analytics import GRANULARITIES
from project_architect_db.analytics.scope import Scope
from project_architect_db.analytics.steps import (
    beginning,
    count_steps,
    earlier,
    refuse_too_many,
    steps,
    steps_of,
)

pytestmark = pytest.mark.unit

SHOWN = dt.datetime(2026, 11, 29, 9, 30)  # noqa: DTZ001 - what a clock shows


def scope(start: dt.datetime | None, end: dt.datetime | None, zone: str = "UTC") -> Scope:
    return Scope(start, end, None, zone, dt.datetime(2026, 1, 1, tzinfo=dt.UTC))


@pytest.mark.parametrize(
    ("unit", "begins"),
    [
        ("hour", "2026-11-29T09:00:00"),
        ("day", "2026-11-29T00:00:00"),
        ("week", "2026-11-23T00:00:00"),
        ("month", "2026-11-01T00:00:00"),
        ("quarter", "2026-10-01T00:00:00"),
        ("year", "2026-01-01T00:00:00"),
    ],
)
def test_a_step_begins_where_its_name_says(unit: str, begins: str) -> None:
    assert beginning(unit, SHOWN).isoformat() == begins


@pytest.mark.parametrize("unit", GRANULARITIES)
def test_each_step_follows_the_one_before(unit: str) -> None:
    first = beginning(unit, SHOWN)
    found = list(steps(unit, first, earlier(unit, first, -30)))

    assert len(found) == 31
    assert all(earlier(unit, later, 1) == step for step, later in pairwise(found))
    assert [beginning(unit, step) for step in found] == found


@pytest.mark.parametrize("unit", GRANULARITIES)
def test_steps_are_counted_without_being_made(unit: str) -> None:
    first = beginning(unit, SHOWN)

    counts = [count_steps(unit, first, earlier(unit, first, -n)) for n in range(-2, 30)]

    assert counts == [0, 0, *range(1, 31)]


def test_an_hour_that_clocks_skip_is_no_step_and_one_shown_twice_is_one() -> None:
    spring = scope(
        dt.datetime(2026, 3, 28, 23, tzinfo=dt.UTC),
        dt.datetime(2026, 3, 29, 22, tzinfo=dt.UTC),
        "Europe/Madrid",
    )
    autumn = scope(
        dt.datetime(2026, 10, 24, 22, tzinfo=dt.UTC),
        dt.datetime(2026, 10, 25, 23, tzinfo=dt.UTC),
        "Europe/Madrid",
    )

    assert [step.hour for step, _ in steps_of("hour", spring, None)] == [0, 1, *range(3, 24)]
    assert [step.hour for step, _ in steps_of("hour", autumn, None)] == list(range(24))
    assert len(steps_of("day", autumn, None)) == 1


def test_a_day_that_clocks_skip_is_no_step() -> None:
    found = steps_of(
        "day",
        scope(
            dt.datetime(2011, 12, 28, 12, tzinfo=dt.UTC),
            dt.datetime(2012, 1, 1, tzinfo=dt.UTC),
            "Pacific/Apia",
        ),
        None,
    )

    assert [step.day for step, _ in found] == [28, 29, 31, 1]


def test_an_open_range_has_the_steps_that_were_seen() -> None:
    start = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)
    seen = (dt.datetime(2026, 1, 6), dt.datetime(2026, 1, 8))  # noqa: DTZ001 - what a clock shows

    assert [step.day for step, _ in steps_of("day", scope(None, None), seen)] == [6, 7, 8]
    assert [step.day for step, _ in steps_of("day", scope(start, None), seen)] == [5, 6, 7, 8]
    assert [step.day for step, _ in steps_of("day", scope(None, start), seen)] == []
    assert steps_of("day", scope(None, None), None) == []


def test_too_many_steps_are_refused() -> None:
    long = scope(dt.datetime(2000, 1, 1, tzinfo=dt.UTC), dt.datetime(2026, 1, 1, tzinfo=dt.UTC))

    with pytest.raises(ValueRefused, match="more than 50,000 steps"):
        steps_of("hour", long, None)
    with pytest.raises(ValueRefused, match="more than 50,000 steps"):
        refuse_too_many("hour", long)
    refuse_too_many("hour", scope(None, dt.datetime(2026, 1, 1, tzinfo=dt.UTC)))
    assert len(steps_of("day", long, None)) == 9_497
