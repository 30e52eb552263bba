"""Series of every metric, computed again in plain Python out of the rows there are."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from tests.recomputation.asking import check_series
from tests.recomputation.comparing import Compared
from tests.recomputation.made import NOW, SIZED, ZONES, Made
from tests.recomputation.of_time import DAILY, METRICS
from tests.recomputation.rows import Question, read_rows
from tests.recomputation.steps import GRANULARITIES

from andamios_orm.exceptions import ValueRefused
from project_architect_db.repositories import AnalyticsRepository

if TYPE_CHECKING:
    from andamios_orm import Database
    from andamios_orm.testing.clock import FrozenClock

pytestmark = [pytest.mark.integration, pytest.mark.db]

UNEVEN: dict[str, Any] = {
    "always": None,
    "from a moment": (dt.datetime(2026, 1, 31, 23, 50, 7, tzinfo=dt.UTC), None),
    "up to a moment": (None, dt.datetime(2026, 4, 4, 15, 20, tzinfo=dt.UTC)),
    "within an hour": (
        dt.datetime(2026, 4, 4, 14, 50, tzinfo=dt.UTC),
        dt.datetime(2026, 4, 4, 14, 50, 1, tzinfo=dt.UTC),
    ),
    "over clocks set on": (
        dt.datetime(2026, 3, 7, 4, 59, tzinfo=dt.UTC),
        dt.datetime(2026, 3, 9, 7, 1, tzinfo=dt.UTC),
    ),
    "before anything": (None, dt.date(1999, 1, 1)),
    "after everything": (dt.date(2031, 1, 1), None),
}
"""Ranges that begin or end in the middle of a step, or nowhere."""
WHOLE: dict[str, list[tuple[dt.date, dt.date]]] = {
    "hour": [
        (dt.date(2026, 3, 14), dt.date(2026, 3, 16)),
        (dt.date(2025, 11, 1), dt.date(2025, 11, 4)),
        (dt.date(2026, 4, 4), dt.date(2026, 4, 6)),
        (dt.date(2025, 10, 5), dt.date(2025, 10, 6)),
    ],
    "day": [
        (dt.date(2026, 3, 1), dt.date(2026, 4, 10)),
        (dt.date(2025, 10, 1), dt.date(2025, 11, 5)),
        (dt.date(2026, 3, 8), dt.date(2026, 3, 9)),
    ],
    "week": [(dt.date(2026, 3, 2), dt.date(2026, 7, 20))],
    "month": [
        (dt.date(2025, 11, 1), dt.date(2026, 4, 1)),
        (dt.date(2026, 3, 1), dt.date(2026, 4, 1)),
    ],
    "quarter": [(dt.date(2025, 10, 1), dt.date(2026, 7, 1))],
    "year": [(dt.date(2026, 1, 1), dt.date(2027, 1, 1))],
}
"""Ranges of whole steps, that have as many before them."""


def known(granularity: str) -> list[str]:
    """Return the metrics that can be counted by steps of a granularity."""
    return [name for name in METRICS if granularity != "hour" or name not in DAILY]


async def check_whole(
    database: Database, timezone: str, granularity: str, viewer: str | None = None
) -> None:
    """Compare all metrics over ranges of whole steps, with what was before and without."""
    async with database.session() as session:
        rows = await read_rows(session)
    for date_range in WHOLE[granularity]:
        question = Question(NOW, viewer, timezone, date_range)
        chosen = [
            (name, granularity, compare) for name in known(granularity) for compare in (True, False)
        ]
        await check_series(database, rows, question, Compared(), chosen)


@pytest.mark.parametrize("timezone", SIZED)
async def test_series_of_whole_steps_are_what_plain_python_computes(
    database: Database, frozen_clock: FrozenClock, timezone: str
) -> None:
    await Made(100 + ZONES.index(timezone), 40, frozen_clock).write(database)

    for granularity in GRANULARITIES:
        await check_whole(database, timezone, granularity)
        await check_whole(database, timezone, granularity, "ben")


@pytest.mark.parametrize("timezone", SIZED)
async def test_series_of_any_time_are_what_plain_python_computes(
    database: Database, frozen_clock: FrozenClock, timezone: str
) -> None:
    await Made(200 + ZONES.index(timezone), 30, frozen_clock).write(database)
    async with database.session() as session:
        rows = await read_rows(session)

    for name, date_range in UNEVEN.items():
        for granularity in GRANULARITIES:
            is_long = granularity == "hour" and name == "always"
            metrics = ["messages"] if is_long else known(granularity)
            chosen = [(metric, granularity, False) for metric in metrics]
            question = Question(NOW, None, timezone, date_range)
            await check_series(database, rows, question, Compared(), chosen)


async def test_a_comparison_needs_whole_steps(
    database: Database, frozen_clock: FrozenClock
) -> None:
    frozen_clock.move_to(NOW)
    analytics = AnalyticsRepository(database)

    for date_range in (None, UNEVEN["from a moment"], UNEVEN["within an hour"]):
        with pytest.raises(ValueRefused):
            await analytics.time_series_analysis("messages", "hour", date_range, compare=True)


async def test_every_metric_is_computed_again(
    database: Database, frozen_clock: FrozenClock
) -> None:
    with pytest.raises(ValueRefused) as refused:
        await AnalyticsRepository(database).time_series_analysis("none")

    assert str(refused.value).split("known are ")[1].split("\n")[0].split(", ") == [*METRICS]
