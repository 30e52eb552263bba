"""Repositories for less, and for questions about many rows."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from tests.repositories.models import Project, Token

from andamios_orm.exceptions import QueryRefused
from andamios_orm.queries.aggregations import count, max_, sum_
from andamios_orm.repositories import AnalyticsRepository, BaseRepository, Point

if TYPE_CHECKING:
    from tests.repositories.conftest import Statements

    from andamios_orm import Session

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


@pytest.fixture
async def analytics(session: Session) -> AnalyticsRepository[Project]:
    """Return the analytics of four projects, one of them deleted."""
    projects = BaseRepository(session, Project)
    await projects.add_many(
        {"name": name, "status": status, "stars": stars}
        for name, status, stars in [
            ("a", "draft", 1),
            ("b", "active", 2),
            ("c", "active", 4),
            ("d", "active", 8),
        ]
    )
    await projects.delete_where(name="d")
    return AnalyticsRepository(session, Project)


async def test_aggregate_is_one_statement(
    analytics: AnalyticsRepository[Project], statements: Statements
) -> None:
    with statements.counted(2):
        assert await analytics.aggregate(n=count(), stars=sum_("stars")) == {"n": 3, "stars": 7}
        assert await analytics.aggregate(Project.stars > 1, best=max_("stars")) == {"best": 4}


async def test_grouped_is_one_statement(
    analytics: AnalyticsRepository[Project], statements: Statements
) -> None:
    with statements.counted(1):
        rows = await analytics.grouped("status", n=count())
    one = await analytics.grouped(["status"], Project.stars > 1, limit=1, stars=sum_("stars"))

    assert rows == [{"status": "active", "n": 2}, {"status": "draft", "n": 1}]
    assert one == [{"status": "active", "stars": 6}]


async def test_a_time_series_is_in_order(session: Session, statements: Statements) -> None:
    tokens = BaseRepository(session, Token)
    day = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
    times = [day + dt.timedelta(days=2), day, day + dt.timedelta(hours=5), None]
    await tokens.add_many(Token(label="x", made=time) for time in times)

    with statements.counted(1):
        series = await AnalyticsRepository(session, Token).time_series("made")

    assert series == [Point(day, 2), Point(day + dt.timedelta(days=2), 1)]


async def test_arrow(analytics: AnalyticsRepository[Project]) -> None:
    table = await analytics.arrow("name", "stars", conditions=[Project.stars < 4])

    assert table.to_pydict() == {"name": ["a", "b"], "stars": [1, 2]}


async def test_what_is_no_measure_is_refused(analytics: AnalyticsRepository[Project]) -> None:
    with pytest.raises(QueryRefused):
        await analytics.aggregate(n="count(*)")
    with pytest.raises(QueryRefused):
        await analytics.grouped("statu", n=count())
    with pytest.raises(QueryRefused):
        await analytics.time_series("created_at", "fortnight")  # type: ignore[arg-type]  # the point
