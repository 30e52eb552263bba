"""Sample data is the same each time, and what the library itself would have stored."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, inspect, select

from andamios_orm.core.changes import Change, ChangeFeed
from andamios_orm.core.records import Entity
from andamios_orm.exceptions import ValueRefused
from andamios_orm.models.paths import checked_path
from project_architect_db import models
from project_architect_db.models import rollups
from project_architect_db.models.complexity import complexity_score, framework_of
from project_architect_db.models.texts import count_words, digest_of, size_of
from project_architect_db.repositories import ProjectRepository
from project_architect_db.schemas.project import Project as ProjectSchema
from project_architect_db.seeding import planned_rows, seed, sowing, unseed

if TYPE_CHECKING:
    from andamios_orm import Database, Session
    from andamios_orm.testing.prepared import PreparedDatabases

pytestmark = [pytest.mark.integration, pytest.mark.db]

SLOW = pytest.mark.slow
UNTIL = dt.datetime(2026, 3, 4, 15, 30, tzinfo=dt.UTC)
TABLES: tuple[Any, ...] = (
    *(models.Project, models.ProjectMember, models.Conversation, models.ConversationMessage),
    *(models.ConversationPhase, models.Document, models.DocumentVersion, models.DocumentAccess),
    *(models.Repository, models.Build, models.Deployment, models.Contributor),
    models.RepositoryActivity,
)
MEASURES: dict[Any, Any] = {
    models.Project: rollups.of_project,
    models.Conversation: rollups.of_conversation,
    models.ConversationMessage: rollups.of_message,
    models.Document: rollups.of_document,
    models.DocumentAccess: rollups.of_access,
    models.Build: rollups.of_build,
    models.Deployment: rollups.of_deployment,
}


def values_of(row: Any) -> dict[str, Any]:
    """Return a row by attribute."""
    return {name: getattr(row, name) for name in inspect(type(row)).column_attrs.keys()}  # noqa: SIM118 - no dict


async def rows_of(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Return all rows by table, in the order of their keys."""
    async with database.session() as session:
        return {
            model.__tablename__: [
                values_of(row) for row in await session.scalars(select(model).order_by(model.id))
            ]
            for model in TABLES
        }


async def changes_of(database: Database) -> dict[str, Change]:
    """Return the last change of each table."""
    async with ChangeFeed(database, models.Base) as feed:
        return {each.entity: each for each in await feed.read()}


async def sums_of(session: Session) -> Counter[rollups.Sum]:
    """Return the sums of all rows that are there, recomputed."""
    found: Counter[rollups.Sum] = Counter()
    for model, measure in MEASURES.items():
        for row in await session.scalars(select(model)):
            for key, amount in measure(values_of(row)):
                found[key] += amount
    return Counter({key: total for key, total in found.items() if total})


@pytest.mark.slow
async def test_rows_are_what_the_library_would_have_stored(database: Database) -> None:
    report = await seed(database, projects=70, until=UNTIL)

    rows = await rows_of(database)
    assert {name: len(found) for name, found in rows.items()} == report.rows
    assert report.total == sum(report.rows.values())
    check_projects(rows)
    check_conversations(rows)
    check_documents(rows)
    check_repositories(rows)
    async with database.session() as session:
        kept: Counter[rollups.Sum] = Counter()
        kinds = select(rollups.deltas.c.kind).distinct()
        for kind in (await session.scalars(kinds)).all():
            for day, key, total in await session.execute(rollups.totals(kind)):
                kept[rollups.Sum(day, kind, key)] = total
        assert kept == await sums_of(session)
        assert {each.kind for each in kept} > {"project.completed", "message.words"}


def check_projects(rows: dict[str, list[dict[str, Any]]]) -> None:
    """Check projects against the functions of the models."""
    for row in rows["projects"]:
        assert row["framework"] == framework_of(row["architecture"])
        assert row["complexity_score"] == complexity_score(row["architecture"])
        assert row["is_sample"]
        assert row["owner"]
        assert row["version"] == 1
        assert row["created_at"] <= row["updated_at"] <= UNTIL
        assert (row["status"] == "completed") <= (row["completed_at"] is not None)
        assert row["completed_at"] is None or row["created_at"] < row["completed_at"] <= UNTIL
    assert {row["status"] for row in rows["projects"]} == set(models.ProjectStatus)
    people = [(row["project_id"], row["member"]) for row in rows["project_members"]]
    people += [(row["id"], row["owner"]) for row in rows["projects"]]
    assert len(people) == len(set(people))


def check_conversations(rows: dict[str, list[dict[str, Any]]]) -> None:
    """Check the counts of conversations, and that their phases follow one another."""
    for talk in rows["conversations"]:
        said = [
            row for row in rows["conversation_messages"] if row["conversation_id"] == talk["id"]
        ]
        assert talk["message_count"] == len(said)
        assert talk["word_count"] == sum(row["words"] for row in said)
        assert talk["token_count"] == sum(row["tokens"] for row in said)
        assert talk["last_message_at"] == max((row["time"] for row in said), default=None)
        assert [row["time"] for row in said] == sorted(row["time"] for row in said)
        assert [row["role"] for row in said[:2]] == ["user", "assistant"][: len(said)]
        past = [row for row in rows["conversation_phases"] if row["conversation_id"] == talk["id"]]
        phases = [*(row["phase"] for row in past), talk["phase"]]
        assert phases == list(models.conversation.PHASES[: len(phases)])
        ends = [row["left_at"] for row in past]
        assert ends == [*(row["entered_at"] for row in past), talk["phase_entered_at"]][1:]
        for row in past:
            assert row["seconds"] == (row["left_at"] - row["entered_at"]).total_seconds() >= 0
    for row in rows["conversation_messages"]:
        assert row["words"] == count_words(row["content"])


def check_documents(rows: dict[str, list[dict[str, Any]]]) -> None:
    """Check documents and their versions against the functions of the models."""
    for row in [*rows["documents"], *rows["document_versions"]]:
        assert row["size"] == size_of(row["content"])
        assert row["digest"] == digest_of(row["content"])
        assert row.get("word_count", 0) in {0, count_words(row["content"])}
    for row in rows["documents"]:
        assert row["word_count"]
        assert checked_path(row["file_path"])
        before = [each for each in rows["document_versions"] if each["document_id"] == row["id"]]
        assert [each["number"] for each in before] == list(range(1, len(before) + 1))
        times = [each["changed_at"] for each in [*before, row]]
        assert times == sorted(times)
        assert len({each["digest"] for each in [*before, row]}) == len(times)
        assert row["created_at"] == times[0]


def check_repositories(rows: dict[str, list[dict[str, Any]]]) -> None:
    """Check that runs end after they began, and everything before it is now."""
    for row in [*rows["builds"], *rows["deployments"]]:
        is_over = row["status"] not in {"queued", "running"}
        assert is_over == (row["finished_at"] is not None)
        assert row["finished_at"] is None or row["started_at"] < row["finished_at"] <= UNTIL
        assert re.fullmatch("[0-9a-f]{40}", row["commit"])
    for row in rows["contributors"]:
        assert row["first_at"] <= row["last_at"] <= UNTIL
    assert all(row["day"] <= UNTIL.date() for row in rows["repository_activity"])
    assert all(row["remotes"] for row in rows["repositories"])


@SLOW
async def test_both_databases_get_the_same_rows(database: Database, duckdb_file: Database) -> None:
    await seed(duckdb_file, projects=40, until=UNTIL)

    await seed(database, projects=40, until=UNTIL)

    assert await rows_of(database) == await rows_of(duckdb_file)


@SLOW
async def test_several_transactions_make_the_same_rows_as_one(
    database: Database, duckdb_file: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await seed(duckdb_file, projects=70, until=UNTIL)
    monkeypatch.setattr(sowing, "_AT_ONCE", 32)
    told: list[tuple[int, int]] = []

    parts = await seed(
        database,
        projects=70,
        until=UNTIL,
        progress=lambda done, total: told.append((done, total)),
    )

    assert told == [(32, 70), (64, 70), (70, 70)]
    assert parts == whole
    assert await rows_of(database) == await rows_of(duckdb_file)


@SLOW
async def test_another_seed_makes_other_rows(database: Database) -> None:
    await seed(database, projects=2, until=UNTIL)
    await seed(database, projects=2, until=UNTIL)
    await seed(database, projects=2, until=UNTIL, seed=8)

    names = [row["name"] for row in (await rows_of(database))["projects"]]
    assert names[:2] == names[2:4] != names[4:]


@SLOW
async def test_keys_go_on_behind_seeded_ones(database: Database) -> None:
    first = await seed(database, projects=33, until=UNTIL)
    second = await seed(database, projects=1, until=UNTIL)

    project = await ProjectRepository(database).create(
        {"name": "Mine", "project_idea": "Something that is no sample"}
    )

    assert second.project_ids == range(first.project_ids.stop, first.project_ids.stop + 1)
    assert project.id == second.project_ids.stop


@SLOW
async def test_a_seeded_project_can_be_read_with_everything(database: Database) -> None:
    report = await seed(database, projects=20, until=UNTIL)

    async with database.session() as session:
        project = await ProjectRepository(session).get_by_id(report.project_ids[3])

        assert ProjectSchema.model_validate(project).is_sample


@SLOW
async def test_history_has_each_project_as_it_was_created(database: Database) -> None:
    report = await seed(database, projects=3, until=UNTIL)

    entity = Entity.of(models.Project)
    assert entity is not None
    for row in (await rows_of(database))["projects"]:
        (version,) = await ProjectRepository(database).history(row["id"])
        assert version.before is None
        assert version.after == entity.stored(row, database.engine.dialect)
        assert (version.kind, version.version) == ("bulk_create", 1)
        change = (await changes_of(database))["projects"]
        assert (change.position, change.time) == (version.position, version.time)
    assert len(report.project_ids) == 3


@SLOW
async def test_each_table_leaves_a_change(database: Database) -> None:
    report = await seed(database, projects=1_100, until=UNTIL)

    changes = await changes_of(database)
    assert {name: each.count for name, each in changes.items()} == report.rows
    assert {each.kind for each in changes.values()} == {"bulk_create"}
    keys = report.project_ids
    found = changes["projects"]
    assert (found.first_key, found.last_key) == (str(keys[0]), str(keys[-1]))


@SLOW
async def test_progress_is_told_and_the_clock_is_the_default(duckdb_file: Database) -> None:
    told: list[tuple[int, int]] = []

    report = await seed(
        duckdb_file, projects=5, progress=lambda done, total: told.append((done, total))
    )

    assert told == [(5, 5)]
    assert dt.datetime.now(dt.UTC) - report.until < dt.timedelta(minutes=1)


@SLOW
async def test_a_file_is_opened_and_closed(andamios_prepared: PreparedDatabases) -> None:
    with andamios_prepared.duckdb(models.Base.metadata) as url:
        await seed(url, projects=2, until=UNTIL)
        await seed(url.removeprefix("duckdb:///"), projects=1, until=UNTIL)
        assert await unseed(url) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"projects": 0}, "1 to 10,000,000"),
        ({"projects": 10_000_001}, "1 to 10,000,000"),
        ({"until": dt.datetime(2026, 1, 1)}, "time zone"),  # noqa: DTZ001 - that is the point
    ],
)
async def test_what_cannot_be_is_refused(
    duckdb_file: Database, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueRefused, match=message):
        await seed(duckdb_file, **options)


@SLOW
async def test_samples_can_be_removed_without_a_trace_in_sums(database: Database) -> None:
    kept = await ProjectRepository(database).create(
        {"name": "Mine", "project_idea": "Something that is no sample"}
    )
    await seed(database, projects=20, until=UNTIL)
    told: list[tuple[int, int]] = []

    removed = await unseed(database, progress=lambda done, total: told.append((done, total)))

    assert removed == 20
    assert told == [(20, 20)]
    rows = await rows_of(database)
    assert [row["id"] for row in rows.pop("projects")] == [kept.id]
    assert not any(rows.values())
    async with database.session() as session:
        total = select(func.sum(rollups.deltas.c.delta))
        assert await session.scalar(total) == 1


@SLOW
async def test_two_who_remove_samples_at_the_same_time_come_to_an_end(database: Database) -> None:
    await seed(database, projects=20, until=UNTIL)

    removed = await asyncio.gather(unseed(database), unseed(database))

    assert sum(removed) == 20


@SLOW
@pytest.mark.parametrize("projects", [1, 17, 100])
async def test_what_is_planned_is_what_is_made(database: Database, projects: int) -> None:
    done = await seed(database, projects=projects, seed=3, until=UNTIL)

    assert planned_rows(projects, seed=3) == {
        name: count for name, count in done.rows.items() if name != "conversation_phases"
    }


@pytest.mark.parametrize("projects", [0, -1, 10_000_001])
def test_no_portfolio_of_no_project_is_planned(projects: int) -> None:
    with pytest.raises(ValueRefused, match="a portfolio has 1 to 10,000,000 projects"):
        planned_rows(projects)
