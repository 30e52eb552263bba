"""Analytics as they are asked: what is kept, compared, refused, and for whom it is."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from andamios_orm.exceptions import ConfigurationError, NotFound, QueryRefused, ValueRefused
from andamios_orm.testing.budgets import QueryBudget
from project_architect_db.analytics import GRANULARITIES, METRICS
from project_architect_db.analytics.series import series_of
from project_architect_db.models import (
    Conversation,
    ConversationMessage,
    Document,
    Project,
    Repository,
    RepositoryActivity,
)
from project_architect_db.queries import BulkOperations
from project_architect_db.repositories import (
    AnalyticsRepository,
    ConversationRepository,
    DocumentRepository,
    ProjectRepository,
    RepositoryRepository,
)
from project_architect_db.repositories import analytics as asking_for_series

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm import Database
    from andamios_orm.testing.clock import FrozenClock

    Values = Callable[..., dict[str, Any]]

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]

METHODS = (
    *("project_metrics", "project_analytics", "conversation_metrics", "dashboard"),
    *("conversation_flow_analysis", "document_usage_stats", "repository_health_metrics"),
    *("cross_entity_analytics", "needs_attention"),
)
NEW_YEAR = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


async def write_messages(database: Database, values: Values, *times: dt.datetime) -> int:
    """Return the key of a conversation with messages of these times."""
    messages = [{"role": "user", "content": "two words", "time": time} for time in times]
    project = Project(**values(), conversations=[Conversation(messages=messages)])
    async with database.transaction() as session:
        await ProjectRepository(session).create(project)
        return project.conversations[0].id


# ---- from the cache ------------------------------------------------------------------


@pytest.mark.slow
async def test_an_answer_that_was_given_is_given_again_without_a_query(
    database: Database, project_values: Values
) -> None:
    await write_messages(database, project_values, NEW_YEAR)
    analytics = AnalyticsRepository(database)
    first = {name: await getattr(analytics, name)() for name in METHODS}
    misses = database.cache.statistics().misses

    again = {name: await getattr(AnalyticsRepository(database), name)() for name in METHODS}

    assert again == first
    assert database.cache.statistics().misses == misses
    if database.engine.dialect.name == "duckdb":
        with QueryBudget(0):
            await analytics.dashboard()


@pytest.mark.slow
async def test_an_answer_is_never_older_than_what_it_depends_on(
    database: Database, project_values: Values
) -> None:
    key = await write_messages(database, project_values)
    analytics = AnalyticsRepository(database)

    async def said() -> tuple[int, int, int]:
        totals = (await analytics.dashboard()).totals
        return totals["messages"], totals["documents"], totals["conversations"]

    assert await said() == (0, 0, 1)
    await ConversationRepository(database).add_message(key, {"role": "user", "content": "a"})
    assert await said() == (1, 0, 1)
    (project,) = await ProjectRepository(database).list()
    await DocumentRepository(database).create({"project_id": project.id, "name": "a"})
    assert await said() == (1, 1, 1)
    await ConversationRepository(database).delete(key)
    assert await said() == (0, 1, 0)
    await ConversationRepository(database).restore(key)
    assert await said() == (1, 1, 1)
    async with database.transaction() as session:
        await BulkOperations.bulk_analytics_refresh(session)
    assert await said() == (1, 1, 1)
    await ProjectRepository(database).delete(project.id)
    assert await said() == (0, 0, 0)


@pytest.mark.slow
async def test_a_session_sees_what_it_has_written_itself(
    database: Database, project_values: Values
) -> None:
    async with database.session() as session:
        analytics = AnalyticsRepository(session)
        assert (await analytics.project_metrics()).total_projects == 0
        session.add_all([Project(**project_values(status="active"))])
        await session.flush()

        found = await analytics.cross_entity_analytics()

        assert found.projects == 1
        await session.rollback()


async def test_a_cache_that_cannot_tell_for_whom_it_is_is_passed_by(
    database: Database, project_values: Values
) -> None:
    await write_messages(database, project_values)
    async with database.session() as session:
        event.listen(session.sync_session, "do_orm_execute", lambda _state: None)

        found = await AnalyticsRepository(session).project_metrics()

        assert found.total_projects == 1
        with pytest.raises(QueryRefused, match="do_orm_execute"):
            await AnalyticsRepository(session).cached(ttl=60).project_metrics()
        assert await AnalyticsRepository(session).cached(tenant="*").project_metrics() == found
        assert await AnalyticsRepository(session).uncached().project_metrics() == found


# ---- series --------------------------------------------------------------------------


async def test_a_series_has_no_gaps_and_stands_beside_what_was_before(
    database: Database, project_values: Values
) -> None:
    days = [NEW_YEAR - dt.timedelta(days=2), NEW_YEAR, NEW_YEAR, NEW_YEAR + dt.timedelta(days=2)]
    await write_messages(database, project_values, *days)
    january = (dt.date(2026, 1, 1), dt.date(2026, 1, 4))

    found = await AnalyticsRepository(database).time_series_analysis(
        "messages", date_range=january, compare=True
    )

    assert [point.value for point in found.points] == [2, 0, 1]
    assert [point.running_total for point in found.points] == [2, 2, 3]
    assert [point.moving_average for point in found.points] == [2.0, 1.0, 1.0]
    assert [point.previous for point in found.points] == [0, 1, 0]
    assert [point.change for point in found.points] == [2, -1, 1]
    assert [point.change_ratio for point in found.points] == [None, -1.0, None]
    assert (found.total, found.previous_total, found.change) == (3, 1, 2)
    assert found.change_ratio == 2.0
    assert len(found.sql) == 1


@pytest.mark.slow
async def test_other_tasks_go_on_while_points_are_computed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks: list[int] = []
    ticked = threading.Event()

    def computed(*arguments: Any) -> Any:
        before = len(ticks)
        ticked.clear()
        ticked.wait(10)
        found = series_of(*arguments)
        ticks_meanwhile.append(len(ticks) - before)
        return found

    async def tick() -> None:
        while True:
            ticks.append(1)
            ticked.set()
            await asyncio.sleep(0)

    ticks_meanwhile: list[int] = []
    monkeypatch.setattr(asking_for_series, "series_of", computed)
    ticking = asyncio.create_task(tick())
    hours = (NEW_YEAR, NEW_YEAR + dt.timedelta(hours=2_000))

    found = await AnalyticsRepository(database).time_series_analysis("messages", "hour", hours)

    ticking.cancel()
    assert len(found.points) == 2_000
    assert ticks_meanwhile[0] > 0


async def test_months_are_compared_with_as_many_months_before(
    database: Database, project_values: Values
) -> None:
    times = [dt.datetime(2025, month, 15, tzinfo=dt.UTC) for month in (10, 12, 12)]
    await write_messages(
        database, project_values, *times, NEW_YEAR, dt.datetime(2026, 3, 31, tzinfo=dt.UTC)
    )
    quarter = (dt.date(2026, 1, 1), dt.date(2026, 4, 1))

    found = await AnalyticsRepository(database, timezone="Europe/Madrid").time_series_analysis(
        "messages", "month", quarter, compare=True
    )

    assert [(point.value, point.previous) for point in found.points] == [(1, 1), (0, 0), (1, 2)]
    assert found.points[0].start.isoformat() == "2026-01-01T00:00:00+01:00"
    assert found.points[2].start.isoformat() == "2026-03-01T00:00:00+01:00"


async def test_an_hour_that_clocks_show_twice_is_one_step(
    database: Database, project_values: Values
) -> None:
    night = dt.datetime(2026, 10, 25, tzinfo=dt.UTC)
    await write_messages(
        database, project_values, *(night + dt.timedelta(minutes=30 * each) for each in range(6))
    )

    found = await AnalyticsRepository(database, timezone="Europe/Madrid").time_series_analysis(
        "messages", "hour"
    )

    assert [(point.start.hour, point.value) for point in found.points] == [(2, 4), (3, 2)]


@pytest.mark.slow
async def test_a_day_begins_where_it_does_in_the_time_zone(
    database: Database, project_values: Values
) -> None:
    await write_messages(database, project_values, NEW_YEAR - dt.timedelta(minutes=30))

    for zone, day in (("UTC", 31), ("Europe/Madrid", 1)):
        analytics = AnalyticsRepository(database, timezone=zone)
        (point,) = (await analytics.time_series_analysis("words")).points
        assert (point.start.day, point.value) == (day, 2)


# ---- what is refused -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("mesages",), "known are projects_created, projects_completed"),
        ((None,), "known are projects_created"),
        (("messages", "fortnight"), "known are hour, day, week, month, quarter, year"),
        (("commits", "hour"), "commits are counted by day: pass day"),
        (("messages", "day", "2026"), "pass a DateRange"),
        (("messages", "hour", (dt.date(1990, 1, 1), dt.date(2026, 1, 1))), "50,000 steps"),
    ],
)
async def test_a_series_that_cannot_be_is_refused_before_a_query(
    database: Database, arguments: tuple[Any, ...], reason: str
) -> None:
    with QueryBudget(0), pytest.raises(ValueRefused, match=reason):
        await AnalyticsRepository(database).time_series_analysis(*arguments)


@pytest.mark.parametrize(
    ("date_range", "reason"),
    [
        (None, "it needs a start and an end"),
        ((dt.date(2026, 1, 1), None), "it needs a start and an end"),
        ((dt.date(2026, 1, 1), dt.date(2026, 2, 15)), "begin and end with a month"),
        ((dt.date(1200, 1, 1), dt.date(2500, 1, 1)), "no 15600 steps before it"),
    ],
)
async def test_what_has_no_whole_steps_is_not_compared(
    database: Database, date_range: Any, reason: str
) -> None:
    with pytest.raises(ValueRefused, match=reason):
        await AnalyticsRepository(database).time_series_analysis(
            "messages", "month", date_range, compare=True
        )


async def test_other_bad_input_is_refused_with_the_cause(database: Database) -> None:
    analytics = AnalyticsRepository(database)

    for limit in (0, True, "3"):
        with pytest.raises(ValueRefused, match="whole number from 1 up"):
            await analytics.needs_attention(limit)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(ValueRefused, match="no time zone of that name"):
        AnalyticsRepository(database, timezone="Mars/Olympus")
    with pytest.raises(ConfigurationError):
        AnalyticsRepository(object())  # type: ignore[arg-type]  # that is the point
    with pytest.raises(NotFound, match="Repository 7 does not exist"):
        await RepositoryRepository(database).health(7)


@pytest.mark.slow
async def test_nothing_is_0_or_none(database: Database) -> None:
    analytics = AnalyticsRepository(database)

    for name in METHODS:
        rows = (await getattr(analytics, name)()).rows()
        assert {row["value"] for row in rows} <= {0.0, None}
    for metric in [*METRICS][::6]:
        found = await analytics.time_series_analysis(metric, GRANULARITIES[1])  # type: ignore[arg-type]
        assert (found.points, found.total) == ([], 0)


# ---- for each entity -----------------------------------------------------------------------


@pytest.mark.slow
async def test_repositories_of_entities_answer_for_their_viewer(
    database: Database, project_values: Values, frozen_clock: FrozenClock
) -> None:
    projects = ProjectRepository(database)
    mine = await projects.create(project_values(owner="ana", status="active"))
    other = await projects.create(project_values(owner="ben"))
    repositories = RepositoryRepository(database)
    code = await repositories.create({"project_id": other.id, "name": "api"})
    await repositories.record_build(code.id, {"status": "failed"})
    await ConversationRepository(database).create({"project_id": mine.id})

    summary = await ProjectRepository(database, viewer="ana").analytics_summary()
    assert (summary.total_projects, summary.conversations, summary.repositories) == (1, 1, 0)
    assert (await projects.analytics_summary()).total_projects == 2
    talks = await ConversationRepository(database, viewer="ben").conversation_analytics()
    assert talks.total_conversations == 0
    health = await repositories.health(code.id)
    assert (health.score, health.grade) == (0, "F")
    assert [(part.name, part.weight, part.points) for part in health.parts] == [
        ("activity", 30, None),
        ("builds", 30, 0),
        ("deployments", 20, None),
        ("contributors", 20, None),
    ]
    with pytest.raises(NotFound):
        await RepositoryRepository(database, viewer="ana").health(code.id)
    attention = await AnalyticsRepository(database).needs_attention()
    assert [item.project_id for item in attention.items] == [other.id]
    assert attention.items[0].reasons[0].text.startswith("the last build failed in 1 of its")


async def test_phases_of_ones_own_come_in_their_order(
    database: Database, project_values: Values
) -> None:
    class Talks(ConversationRepository):
        phases = ("ask", "answer", "end")

    project = await ProjectRepository(database).create(project_values())
    talks = Talks(database)
    talk = await talks.create({"project_id": project.id, "phase": "ask"})
    await talks.advance_phase(talk.id)

    found = await talks.conversation_analytics()

    assert found.conversations_by_phase == {"ask": 0, "answer": 1, "end": 0}
    assert [flow.stays.count for flow in found.phases] == [1, 0, 0]


@pytest.mark.slow
async def test_a_message_of_a_deleted_conversation_counts_again_when_it_is_restored(
    database: Database, project_values: Values
) -> None:
    key = await write_messages(database, project_values, NEW_YEAR, NEW_YEAR)
    talks = ConversationRepository(database)
    analytics = AnalyticsRepository(database)

    await talks.delete(key)
    gone = await analytics.time_series_analysis("messages")
    await talks.restore(key)
    back = await analytics.time_series_analysis("messages")

    assert (gone.points, back.total) == ([], 2)
    assert "rollup_deltas" in gone.sql[0].sql
    async with database.session() as session:
        assert await session.get(ConversationMessage, 1) is not None
        assert await session.get(Document, 1) is None


# ---- within a transaction that has written -------------------------------------------------


async def test_a_session_sees_what_it_has_written(
    database: Database, project_values: Values
) -> None:
    done = {"status": "completed", "created_at": NEW_YEAR, "completed_at": NEW_YEAR + 2 * DAY}
    async with database.transaction() as session:
        await ProjectRepository(session).create(Project(**project_values(**done)))

        inside = await AnalyticsRepository(session).project_metrics()
        session.add(Project(**project_values()))
        later = await ProjectRepository(session).analytics_summary()

    after = await AnalyticsRepository(database).project_metrics()
    assert (inside.total_projects, inside.median_completion_time) == (1, 172_800)
    assert (later.total_projects, after.total_projects) == (2, 2)


async def test_a_session_does_not_see_what_it_took_back(
    database: Database, project_values: Values
) -> None:
    async with database.session() as session:
        await ProjectRepository(session).create(project_values())
        await session.rollback()

        answer = await AnalyticsRepository(session).project_metrics()

    assert answer.total_projects == 0


async def test_what_is_not_flushed_does_not_count_where_nobody_flushes(
    database: Database, project_values: Values
) -> None:
    async with database.session() as session:
        session.add(Project(**project_values()))
        with session.no_autoflush:
            answer = await AnalyticsRepository(session).project_metrics()
        await session.rollback()

    assert answer.total_projects == 0


# ---- where clocks skip midnight, or show it twice -------------------------------------------


async def write_activity(database: Database, values: Values, day: dt.date) -> None:
    project = Project(**values(), repositories=[Repository(name="core", repo_type="backend")])
    project.repositories[0].activity.append(RepositoryActivity(day=day, commits=9))
    async with database.transaction() as session:
        await ProjectRepository(session).create(project)


async def commits_of(database: Database, zone: str, start: Any, end: Any) -> list[int]:
    analytics = AnalyticsRepository(database, timezone=zone)
    health = await analytics.repository_health_metrics((start, end))
    series = await analytics.time_series_analysis("commits", "day", (start, end))
    return [health.commits, series.total]


@pytest.mark.slow
async def test_a_day_without_midnight_begins_when_it_begins(
    database: Database, project_values: Values
) -> None:
    day = dt.date(2026, 4, 24)  # in Cairo clocks go from 00:00 to 01:00
    await write_activity(database, project_values, day)

    on_it = await commits_of(database, "Africa/Cairo", day, day + DAY)
    before = await commits_of(database, "Africa/Cairo", day - DAY, day)

    assert (on_it, before) == ([9, 9], [0, 0])


@pytest.mark.slow
async def test_a_day_with_two_midnights_begins_with_the_first(
    database: Database, project_values: Values
) -> None:
    await write_activity(database, project_values, dt.date(2025, 11, 2))
    second = dt.datetime(2025, 11, 2, 5, tzinfo=dt.UTC)  # in Havana, as 4 o'clock was

    found = await commits_of(database, "America/Havana", second, second + DAY / 24)

    assert found[0] == 0


async def test_days_without_midnight_are_compared(
    database: Database, project_values: Values
) -> None:
    moment = dt.datetime(2026, 4, 22, 22, 30, tzinfo=dt.UTC)  # on the 23rd in Cairo
    await write_messages(database, project_values, moment, moment + DAY)
    day = dt.date(2026, 4, 24)

    series = await AnalyticsRepository(database, timezone="Africa/Cairo").time_series_analysis(
        "messages", "day", (day, day + DAY), compare=True
    )

    assert [(point.value, point.previous) for point in series.points] == [(1, 1)]
    assert series.points[0].start.isoformat() == "2026-04-24T01:00:00+03:00"


async def test_an_hour_that_was_skipped_counts_for_the_time_before(
    database: Database, project_values: Values
) -> None:
    skipped = dt.datetime(2026, 3, 7, 7, 30, tzinfo=dt.UTC)  # 02:30 in New York, a day earlier
    await write_messages(database, project_values, skipped)
    day = dt.date(2026, 3, 8)

    series = await AnalyticsRepository(database, timezone="America/New_York").time_series_analysis(
        "messages", "hour", (day, day + DAY), compare=True
    )

    assert (len(series.points), series.previous_total) == (23, 1)
    assert sum(point.previous or 0 for point in series.points) == 0


@pytest.mark.slow
async def test_a_deleted_project_is_among_none_of_those_with_most(
    database: Database, project_values: Values
) -> None:
    key = await write_messages(database, project_values, NEW_YEAR)
    async with database.transaction() as session:
        conversation = await ConversationRepository(session).get(key)
        await ProjectRepository(session).delete(conversation.project_id)
    async with database.transaction() as session:
        await ConversationRepository(session).restore(key)

    answer = await AnalyticsRepository(database).cross_entity_analytics()

    assert answer.top_projects.messages == []


@pytest.mark.slow
async def test_a_project_that_changes_needs_no_stays_for_its_reasons(database: Database) -> None:
    long_ago = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    project = await database.create(
        Project, {"name": "a", "project_idea": "an idea of ten letters", "created_at": long_ago}
    )
    analytics = AnalyticsRepository(database)
    before = await analytics.needs_attention()
    await ProjectRepository(database).update(project.id, {"name": "b"})
    after = await analytics.needs_attention()

    assert [item.name for item in before.items] == ["a"]
    assert [item.name for item in after.items] == ["b"]


# ---- what is exactly so in every time zone, and with every blank ------------------------------


@pytest.mark.parametrize("zone", ["UTC", "Europe/Madrid", "Asia/Tokyo", "America/New_York"])
async def test_a_range_of_moments_is_the_same_in_every_zone(
    database: Database, project_values: Values, zone: str
) -> None:
    january = (NEW_YEAR, NEW_YEAR + 31 * DAY)
    async with database.transaction() as session:
        for moment in (january[0] - DAY / 24, *january, january[0], january[1] - DAY / 24):
            await ProjectRepository(session).create(Project(**project_values(created_at=moment)))

    answer = await AnalyticsRepository(database, timezone=zone).project_metrics(january)

    assert answer.total_projects == 3


@pytest.mark.slow
async def test_roles_that_differ_in_a_blank_are_two(
    database: Database, project_values: Values
) -> None:
    said = [("user", "one two"), ("user", "one two"), (" user", "one two")]
    messages = [{"role": role, "content": content, "time": NEW_YEAR} for role, content in said]
    project = Project(**project_values(), conversations=[Conversation(messages=messages)])
    async with database.transaction() as session:
        await ProjectRepository(session).create(project)

    answer = await AnalyticsRepository(database).conversation_metrics()

    found = [(each.role, each.messages, each.words) for each in answer.messages_by_role]
    assert sorted(found) == [(" user", 1, 2), ("user", 2, 4)]


async def test_rows_of_a_series_begin_in_utc(database: Database, project_values: Values) -> None:
    await write_messages(database, project_values, NEW_YEAR)
    analytics = AnalyticsRepository(database, timezone="Europe/Madrid")

    series = await analytics.time_series_analysis("messages")

    assert series.rows()[0]["start"].isoformat() == "2025-12-31T23:00:00+00:00"
