"""Kept answers that follow changes of projects, at the ends of what they can tell."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from andamios_orm.models import WrittenRow
from project_architect_db.analytics import following, following_attention
from project_architect_db.analytics.near import Near
from project_architect_db.models import Deployment, Project, Repository
from project_architect_db.repositories import AnalyticsRepository, ProjectRepository
from project_architect_db.repositories import analytics as asking

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm import Database

    Values = Callable[..., dict[str, Any]]

pytestmark = [pytest.mark.integration, pytest.mark.db]

LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
METHODS = ("project_metrics", "cross_entity_analytics", "needs_attention")


async def same(database: Database) -> None:
    """Fail if a kept answer is not what the database says."""
    kept, fresh = AnalyticsRepository(database), AnalyticsRepository(database)
    for method in METHODS:
        followed = await getattr(kept, method)()
        assert followed == await getattr(fresh.uncached(), method)()


@pytest.mark.slow
@pytest.mark.parametrize("is_even", [False, True])
async def test_times_follow_completions_and_deployments(
    database: Database, project_values: Values, *, is_even: bool
) -> None:
    async with database.transaction() as session:
        for number in range(40):
            days = 0 if is_even else number
            deployed = Deployment(status="succeeded", started_at=LONG_AGO + days * DAY)
            code = Repository(name="code", deployments=[deployed])
            given = {"completed_at": LONG_AGO + 64 * DAY} if is_even else {}
            values = project_values(created_at=LONG_AGO, status="completed", **given)
            session.add(Project(**values, repositories=[code]))
    await same(database)
    projects = ProjectRepository(database)
    for project in (await projects.list())[:2]:
        for status in ("active", "completed", "active"):
            await projects.update(project.id, {"status": status})
            await same(database)


@pytest.mark.slow
@pytest.mark.parametrize("database", ["duckdb"], indirect=True)
@pytest.mark.parametrize("method", [*METHODS, "dashboard", "project_analytics"])
async def test_an_answer_follows_a_project_without_reading_all(
    database: Database, project_values: Values, method: str
) -> None:
    projects = ProjectRepository(database)
    keys = [(await projects.create(project_values())).id for _ in range(3)]
    ask = getattr(AnalyticsRepository(database), method)
    await ask()
    misses = database.cache.statistics().misses

    await projects.create(project_values())
    created = await ask()
    assert database.cache.statistics().misses == misses
    await projects.update(keys[0], {"name": "another"})
    renamed = await ask()

    # What belongs to a project that was there is asked for, of this one alone.
    around = 2 if method in {"needs_attention", "dashboard"} else 0
    assert database.cache.statistics().misses <= misses + around
    fresh = AnalyticsRepository(database).uncached()
    assert renamed == await getattr(fresh, method)()
    assert created is not renamed


@pytest.mark.slow
async def test_what_a_viewer_sees_is_asked_anew(database: Database, project_values: Values) -> None:
    async with database.transaction() as session:
        session.add(Project(**project_values(created_at=LONG_AGO, owner="ana")))
    mine = AnalyticsRepository(database, viewer="ana")
    before = [await getattr(mine, method)() for method in METHODS]
    await ProjectRepository(database).create(project_values(owner="ben"))

    assert [await getattr(mine, method)() for method in METHODS] == before


@pytest.mark.slow
async def test_a_list_without_room_is_asked_anew(
    database: Database, project_values: Values, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (following_attention, asking):
        monkeypatch.setattr(module, "SPARE", 0)
    monkeypatch.setattr(asking, "_USUAL", 1)
    projects = ProjectRepository(database)
    for number in range(3):
        await database.create(Project, project_values(created_at=LONG_AGO + number * DAY))
    analytics = AnalyticsRepository(database)
    before = await analytics.needs_attention(1)
    last = await database.create(Project, project_values(created_at=LONG_AGO + 9 * DAY))
    behind = await analytics.needs_attention(1)
    await projects.delete(before.items[0].project_id)
    after = await analytics.needs_attention(1)

    assert behind.items == before.items
    assert (before.total, behind.total, after.total) == (3, 4, 3)
    assert after.items[0].project_id not in {before.items[0].project_id, last.id}
    assert after == await analytics.uncached().needs_attention(1)


async def test_a_value_that_is_not_there_cannot_be_taken_away() -> None:
    near = Near(select(Project.id.label("value")), (0.0, 1.0, 2.0, 3.0))

    async def ask(*_: Any, **__: Any) -> Any:
        return []

    async def fewer(*_: Any) -> Counter[float]:
        return Counter({0.5: -1})

    assert await near._follow(fewer, [], [], ask) is None
    assert await near.described(ask, fewer) is None  # of no value at all


async def test_a_quantile_that_is_not_known_one_by_one_is_not_told() -> None:
    near = Near(select(Project.id.label("value")), (0.0, 1.0, 2.0, 3.0))

    async def ask(*_: Any, **__: Any) -> Any:
        return [(1, 0.5, 1, 0.5), (2, None, 9, 13.5)]  # the median is between the bounds

    async def none(*_: Any) -> Counter[float]:
        return Counter()

    assert await near.described(ask, none) is None


async def test_a_completion_counts_from_the_first_deployment(database: Database) -> None:
    async with database.session() as session:
        scope = await AnalyticsRepository(session)._scope(None)
    changed = following._times_since_deployment(scope)
    before: dict[str, Any] = {
        "id": 1, "created_at": LONG_AGO, "completed_at": None, "deleted_at": None
    }  # fmt: skip
    after = {**before, "completed_at": LONG_AGO + DAY}

    async def ask(*_: Any) -> Any:
        return [(1, LONG_AGO)]

    assert await changed([WrittenRow(before, after)], ask) == Counter({DAY.total_seconds(): 1})
    assert await changed([WrittenRow(None, after)], ask) == Counter()
