"""What a portfolio says equals what is there."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from sqlalchemy import event

from andamios_orm import Database
from andamios_orm.exceptions import ValueRefused
from project_architect_db.models import (
    Build,
    Contributor,
    Conversation,
    Deployment,
    Document,
    Project,
    ProjectMember,
    Repository,
    RepositoryActivity,
)
from project_architect_db.reporting import collect, render_html, render_text
from project_architect_db.reporting.collecting import METRICS
from project_architect_db.repositories import ProjectRepository

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(6)]

Values: TypeAlias = "Callable[..., dict[str, Any]]"
NOW = dt.datetime(2026, 7, 1, 12, 30, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def project(values: Values, name: str, age: int, **given: Any) -> Project:
    """Return a project that was created ``age`` days ago, with one of everything."""
    created = NOW - DAY * age
    repository = Repository(
        name=f"{name}-api",
        created_at=created + DAY,
        builds=[
            Build(status="succeeded", started_at=NOW - DAY * 3),
            Build(status="failed", started_at=NOW - DAY * 2),
        ],
        deployments=[Deployment(status="succeeded", started_at=NOW - DAY * 40)],
        contributors=[Contributor(email=f"{name}@x", name=name, commits=5)],
        activity=[
            RepositoryActivity(day=(NOW - DAY).date(), commits=3, added=1, removed=1),
            RepositoryActivity(day=(NOW - DAY * 45).date(), commits=2, added=1, removed=1),
        ],
    )
    talk = Conversation(
        title=f"{name} talk",
        created_at=created,
        phase="design",
        phase_entered_at=created,
        messages=[{"role": "user", "content": "a b", "time": NOW - dt.timedelta(hours=age)}],
    )
    text = Document(name="plan.md", content="c", created_at=created, changed_at=NOW - DAY * 5)
    return Project(
        **{
            **values(name=name, status="active"),
            "owner": "ana",
            "created_at": created,
            "updated_at": created,
            "conversations": [talk],
            "documents": [text],
            "repositories": [repository],
            **given,
        }
    )


@pytest.fixture
async def filled(database: Database, project_values: Values) -> Database:
    """Return a database with a real project, a sample, one that is quiet, and one deleted."""
    made = project_values
    async with database.transaction() as session:
        session.add_all(
            [
                project(made, "sample", 4, is_sample=True),
                project(made, "real", 10),
                Project(
                    **made(name="quiet", status="completed", owner="ben"),
                    created_at=NOW - DAY * 50,
                    updated_at=NOW - DAY * 20,
                    completed_at=NOW - DAY * 20,
                    members=[ProjectMember(member="eva")],
                ),
                project(made, "gone", 2),
            ]
        )
    repository = ProjectRepository(database)
    await repository.delete((await repository.get_one(name="gone")).id)
    return database


@pytest.mark.slow
async def test_a_portfolio_shows_what_there_is_and_what_happened(filled: Database) -> None:
    found = await collect(filled, now=NOW)

    assert (found.made_at, found.timezone, found.viewer) == (NOW, "UTC", None)
    assert (found.period.start, found.period.end) == (dt.date(2026, 6, 2), dt.date(2026, 7, 2))
    assert (found.projects.total_projects, found.sample_projects) == (3, 1)
    assert found.projects.conversations == found.projects.documents == 2
    changes = {each.name: (each.total, each.previous_total) for each in found.changes}
    assert list(changes) == list(METRICS)
    assert changes["projects_created"] == (2, 1)
    assert changes["projects_completed"] == (1, 0)
    assert changes["commits"] == (6, 4)
    assert (changes["builds"], changes["failed_builds"]) == ((4, 0), (2, 0))
    assert changes["deployments"] == (0, 2)
    assert [len(each.values) for each in found.changes] == [30] * len(METRICS)
    assert found.health.commits == 6
    assert (len(found.commits.points), found.commits.total) == (52, 10)
    assert (len(found.created.points), len(found.completed.points)) == (24, 24)
    assert found.commits.points[-1].start.date() == dt.date(2026, 6, 29)
    assert found.created.points[0].start.date() == dt.date(2024, 8, 1)
    assert {each.project_id for each in found.attention.items} == {1, 2}


async def test_projects_come_one_by_one_those_that_are_real_first(filled: Database) -> None:
    found = await collect(filled, now=NOW)

    shown = [
        (each.name, each.is_sample, each.conversations, each.repositories, each.commits)
        for each in found.lines
    ]
    assert shown == [
        ("real", False, 1, 1, 5),
        ("quiet", False, 0, 0, 0),
        ("sample", True, 1, 1, 5),
    ]
    assert [each.last_activity for each in found.lines] == [
        NOW - dt.timedelta(hours=10),
        NOW - DAY * 20,
        NOW - dt.timedelta(hours=4),
    ]
    assert found.sample_ids == [found.lines[2].id]
    assert [found.is_sample(each.id) for each in found.lines] == [False, False, True]


async def test_what_happened_comes_latest_first(filled: Database) -> None:
    found = await collect(filled, now=NOW)

    shown = [(each.kind, each.project, each.subject, each.detail) for each in found.events]
    assert shown[:4] == [
        ("conversation", "sample", "sample talk", "design"),
        ("conversation", "real", "real talk", "design"),
        ("commits", "sample", "sample-api", "3"),
        ("commits", "real", "real-api", "3"),
    ]
    assert ("build", "sample", "sample-api", "failed") in shown
    assert ("project", "real", None, None) in shown
    assert ("document", "real", "plan.md", None) in shown
    assert [each.at for each in found.events] == sorted(
        (each.at for each in found.events), reverse=True
    )
    assert len(found.events) == 12
    assert all(each.is_sample == (each.project == "sample") for each in found.events)
    commits = next(each for each in found.events if each.kind == "commits")
    assert commits.at == dt.datetime(2026, 6, 30, tzinfo=dt.UTC)


async def test_a_chosen_period_has_its_own_events(filled: Database) -> None:
    found = await collect(filled, now=NOW, since=dt.date(2026, 5, 12), until=dt.date(2026, 6, 12))

    shown = [(each.kind, each.project) for each in found.events]
    assert shown == [
        ("completed", "quiet"),
        ("deployment", "sample"),
        ("deployment", "real"),
        ("commits", "sample"),
        ("commits", "real"),
        ("project", "quiet"),
    ]
    assert not found.period.is_recent
    assert len(found.changes[0].values) == 31


@pytest.mark.slow
async def test_the_strongest_and_the_weakest_repositories_are_others(
    database: Database, project_values: Values
) -> None:
    async with database.transaction() as session:
        ages = (10, 340, 20, 300, 30, 40, 260)
        rows = [
            Repository(
                name=f"r{age}",
                activity=[RepositoryActivity(day=(NOW - DAY * age).date(), commits=1)],
            )
            for age in ages
        ]
        session.add(Project(**project_values(), repositories=[*rows, Repository(name="unknown")]))

    found = await collect(database, now=NOW)

    assert [(each.name, each.grade) for each in found.healthiest] == [
        *(("r10", "A"), ("r20", "A"), ("r30", "A")),
        *(("r40", "A"), ("r260", "F")),
    ]
    assert [(each.name, each.score) for each in found.weakest] == [("r340", 7), ("r300", 19)]
    assert found.healthiest[0].points == {
        "activity": 100,
        "builds": None,
        "deployments": None,
        "contributors": None,
    }
    assert found.health.unscored_repositories == 1


async def test_without_samples_none_of_them_counts(filled: Database) -> None:
    found = await collect(filled, now=NOW, samples=False)

    assert (found.has_samples, found.sample_projects, found.sample_ids) == (False, 0, [])
    assert found.projects.total_projects == 2
    assert found.projects.messages == found.projects.documents == 1
    assert [each.name for each in found.lines] == ["real", "quiet"]
    assert [each.name for each in found.healthiest] == ["real-api"]
    assert {each.project for each in found.events} == {"real", "quiet"}
    assert {each.name: each.total for each in found.changes}["builds"] == 2
    assert found.commits.total == 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("viewer", "names"),
    [("ana", ["real", "sample"]), ("eva", ["quiet"]), ("zoe", [])],
)
async def test_a_viewer_sees_their_own(filled: Database, viewer: str, names: list[str]) -> None:
    found = await collect(filled, now=NOW, viewer=viewer)

    assert found.viewer == viewer
    assert [each.name for each in found.lines] == names
    assert {each.project for each in found.events} == set(names)
    assert found.projects.total_projects == len(names)
    assert {each.project for each in found.healthiest} <= set(names)


async def test_days_are_those_of_the_time_zone(filled: Database) -> None:
    late = dt.datetime(2026, 7, 1, 22, 30, tzinfo=dt.UTC)

    found = await collect(filled, now=late, timezone="Europe/Madrid")

    assert found.made_at.isoformat() == "2026-07-02T00:30:00+02:00"
    assert found.period.end == dt.date(2026, 7, 3)
    assert found.created.points[-1].start.utcoffset() == dt.timedelta(hours=2)


async def test_the_number_of_statements_does_not_grow_with_the_rows(
    filled: Database, project_values: Values
) -> None:
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(filled.engine.sync_engine, "before_cursor_execute", note)
    try:
        await collect(filled, now=NOW)
        few = len(seen)
        async with filled.transaction() as session:
            session.add_all([project(project_values, f"p{n}", n) for n in range(20)])
        filled.cache.clear()  # so that all is asked for again
        seen.clear()
        await collect(filled, now=NOW)
        many = len(seen)
        seen.clear()
        await collect(filled, now=NOW)
    finally:
        event.remove(filled.engine.sync_engine, "before_cursor_execute", note)

    # On PostgreSQL the cache asks how far the change feed is.
    assert many == few
    assert few <= (40 if filled.engine.dialect.name == "duckdb" else 70)
    assert len(seen) <= few - 20  # figures are kept as long as nothing changes


async def test_an_empty_database_has_a_portfolio(database: Database) -> None:
    found = await collect(database)

    assert found.projects.total_projects == 0
    assert (found.lines, found.events, found.healthiest, found.sample_ids) == ([], [], [], [])
    assert "There is no project yet." in render_text(found)
    assert "There is no project yet." in render_html(found)
    assert type(found).model_validate_json(found.to_json()) == found


async def test_what_was_collected_can_be_shown(filled: Database) -> None:
    found = await collect(filled, now=NOW)

    marked = [each.is_sample for each in found.lines]
    marked += [each.is_sample for each in found.events]
    marked += [each.is_sample for each in found.healthiest]
    marked += [found.is_sample(each.project_id) for each in found.attention.items]
    assert "real-api" in render_text(found, width=120)
    assert render_html(found).count('<span class="tag">sample</span>') == sum(marked)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (None, dt.date(2026, 3, 1), (dt.date(2026, 1, 30), dt.date(2026, 3, 1))),
        (dt.date(2026, 3, 1), None, (dt.date(2026, 3, 1), dt.date(2026, 3, 31))),
    ],
)
async def test_of_one_bound_the_period_has_thirty_days(
    database: Database, since: dt.date | None, until: dt.date | None, expected: tuple[Any, Any]
) -> None:
    found = await collect(database, now=NOW, since=since, until=until)

    assert (found.period.start, found.period.end) == expected


@pytest.mark.slow
@pytest.mark.parametrize(("days", "steps"), [(62, 62), (63, 9), (400, 58), (401, 14)], ids=str)
async def test_a_long_period_is_shown_in_longer_steps(
    filled: Database, days: int, steps: int
) -> None:
    until = NOW.date() + DAY

    found = await collect(filled, now=NOW, since=until - DAY * days, until=until)

    assert {len(each.values) for each in found.changes} == {steps}
    assert all(sum(each.values) == each.total for each in found.changes)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"timezone": "Nowhere"}, "there is no time zone of that name"),
        ({"since": dt.date(2026, 3, 1), "until": dt.date(2026, 3, 1)}, "before the end"),
        ({"since": dt.date.min}, "no calendar goes that far"),
        ({"until": dt.date.min}, "no calendar goes that far"),
        ({"since": dt.date.max}, "no calendar goes that far"),
    ],
)
async def test_a_period_or_a_zone_that_there_is_not_is_refused(
    given: dict[str, Any], said: str
) -> None:
    never_opened = Database("duckdb:///nowhere.duckdb")

    with pytest.raises(ValueRefused, match=said):
        await collect(never_opened, now=NOW, **given)
