"""Figures without sample data, and as they are at another time."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from sqlalchemy import select

from andamios_orm.exceptions import ValueRefused
from project_architect_db.models import Project
from project_architect_db.repositories import AnalyticsRepository, ProjectRepository
from project_architect_db.seeding import seed

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm import Database
    from andamios_orm.testing.clock import FrozenClock
    from project_architect_db.schemas.analytics import AnalyticsResult

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]

Values: TypeAlias = "Callable[..., dict[str, Any]]"
NOW = dt.datetime(2026, 7, 1, 12, 30, tzinfo=dt.UTC)


async def answers(ask: AnalyticsRepository) -> list[AnalyticsResult]:
    """Return what analytics answer to every question."""
    return [
        await ask.project_analytics(),
        await ask.conversation_flow_analysis(),
        await ask.document_usage_stats(),
        await ask.repository_health_metrics(),
        await ask.cross_entity_analytics(),
        await ask.needs_attention(),
        await ask.dashboard(),
        await ask.time_series_analysis("messages", "month"),
        await ask.time_series_analysis("commits", "week"),
    ]


@pytest.mark.slow
async def test_without_samples_answers_are_those_of_a_database_that_has_none(
    database: Database, frozen_clock: FrozenClock
) -> None:
    frozen_clock.move_to(NOW)
    await seed(database, projects=24, until=NOW)
    async with database.transaction() as session:
        rows = (await session.scalars(select(Project).order_by(Project.id))).all()
        for row in rows[::2]:
            row.is_sample = False
        samples = [row.id for row in rows[1::2]]
    ask = AnalyticsRepository(database)

    without = await answers(ask.without_samples())
    for key in samples:
        await ProjectRepository(database).delete(key)
    removed = await answers(ask)

    assert without == removed
    assert without[0].total_projects == 12  # type: ignore[attr-defined]  # it is the first of them


@pytest.mark.slow
async def test_ages_are_as_they_are_at_a_time(
    database: Database, project_values: Values, frozen_clock: FrozenClock
) -> None:
    frozen_clock.move_to(NOW)
    async with database.transaction() as session:
        session.add(Project(**project_values(status="draft")))
    later = NOW + dt.timedelta(days=120)
    ask = AnalyticsRepository(database)

    now, then = await ask.needs_attention(), await ask.at(later).needs_attention()

    assert (now.total, now.as_of) == (0, NOW.replace(minute=0))
    assert (then.total, then.as_of) == (1, later.replace(minute=0))


async def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    naive = NOW.replace(tzinfo=None)

    with pytest.raises(ValueRefused, match="it has no time zone"):
        AnalyticsRepository(database).at(naive)
