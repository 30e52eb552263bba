"""Every figure equals one that plain Python makes of the rows, read one by one."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from project_architect_db.analytics import GRANULARITIES, METRICS
from project_architect_db.repositories import (
    AnalyticsRepository,
    RepositoryRepository,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm import Database
    from andamios_orm.testing.clock import FrozenClock

    Values = Callable[..., dict[str, Any]]

from tests.repositories.plain_work import Recomputation
from tests.repositories.portfolio import MODELS, NOW, Portfolio, fill

pytestmark = [pytest.mark.integration, pytest.mark.db]

# ---- both are the same ---------------------------------------------------------------


def close(found: Any, expected: Any, path: str = "") -> None:
    """Compare two documents; floats to one part in a billion."""
    if isinstance(expected, dict):
        assert set(found) == set(expected), path
        for name, each in expected.items():
            close(found[name], each, f"{path}.{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), (path, found, expected)
        for place, each in enumerate(expected):
            close(found[place], each, f"{path}[{place}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-6), path
    else:
        assert found == expected, path


JANUARY = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
APRIL = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)
NOON = dt.datetime(2026, 3, 3, 12, 30, tzinfo=dt.UTC)
CASES: dict[str, dict[str, Any]] = {
    "all": {},
    "whole days": {"start": JANUARY, "end": APRIL},
    "half a day": {"start": NOON, "zone": "America/New_York"},
    "a viewer": {"viewer": "ana"},
    "a viewer in a quarter": {"viewer": "ben", "end": APRIL, "zone": "Asia/Kolkata"},
    "nobody": {"viewer": "eve"},
}
METHODS = (
    *("project_metrics", "project_analytics", "conversation_metrics"),
    *("conversation_flow_analysis", "document_usage_stats", "repository_health_metrics"),
    *("cross_entity_analytics", "needs_attention"),
)
HEAD = {"timezone", "start", "end", "as_of"}


async def everything(database: Database) -> dict[type[Any], list[Any]]:
    async with database.session() as session:
        return {
            model: list(await session.scalars(select(model).order_by(model.id))) for model in MODELS
        }


def asked(database: Database, case: dict[str, Any]) -> tuple[AnalyticsRepository, Any]:
    """Return the repository of a case, and its range."""
    analytics = AnalyticsRepository(
        database, viewer=case.get("viewer"), timezone=case.get("zone", "UTC")
    )
    return analytics, (case.get("start"), case.get("end"))


def shown(result: Any) -> dict[str, Any]:
    """Return what a result says, without the question."""
    found: dict[str, Any] = result.model_dump(exclude=HEAD)
    for item in found.get("items", ()):
        item["reasons"] = [(r["code"], r["count"], r["since"]) for r in item["reasons"]]
    return found


@pytest.fixture
async def portfolio(
    database: Database,
    project_values: Values,
    frozen_clock: FrozenClock,
    rounds: Callable[[int, int, int], int],
) -> dict[type[Any], list[Any]]:
    """Return the rows of a portfolio."""
    frozen_clock.move_to(NOW)
    await fill(database, Portfolio(project_values, 11), rounds(14, 40, 300))
    return await everything(database)


@pytest.mark.sampled(12)
@pytest.mark.parametrize("name", CASES)
async def test_every_figure_of_every_method(
    database: Database, portfolio: dict[type[Any], list[Any]], name: str
) -> None:
    case = CASES[name]
    analytics, date_range = asked(database, case)
    plain = Recomputation(portfolio, **case)
    for method in METHODS:
        if method == "needs_attention":
            found = await analytics.needs_attention(1_000)
        else:
            found = await getattr(analytics, method)(date_range)
        close(shown(found), getattr(plain, method)(), method)

    repositories = RepositoryRepository(database, viewer=case.get("viewer"))
    for each in plain.repositories[:8]:
        close((await repositories.health(each.id)).model_dump(exclude=HEAD), plain.health(each))


@pytest.mark.sampled(4)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Madrid"])
async def test_every_series(
    database: Database, portfolio: dict[type[Any], list[Any]], zone: str
) -> None:
    cases: list[dict[str, Any]] = [
        {"zone": zone},
        {"zone": zone, "start": NOON, "end": APRIL},
        {"zone": zone, "viewer": "ana"},
    ]
    for case, (number, metric) in zip(cases * 6, enumerate(METRICS), strict=True):
        unit = GRANULARITIES[number % 5 + 1] if number % 4 else "day"
        analytics, date_range = asked(database, case)
        found = await analytics.time_series_analysis(metric, unit, date_range)  # type: ignore[arg-type]

        values = Recomputation(portfolio, **case).values(metric, unit)
        points = {point.start.replace(tzinfo=None): point.value for point in found.points}
        assert {step: value for step, value in points.items() if value} == values
        assert found.total == values.total()
        assert list(points) == sorted(points)
