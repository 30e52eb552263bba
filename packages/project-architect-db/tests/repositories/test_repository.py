"""Repositories of code: what is known of them elsewhere, their builds and deployments."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from andamios_orm.exceptions import CheckViolation, NotFound, ValueRefused
from project_architect_db.models import Build, Repository
from project_architect_db.repositories import ProjectRepository, RepositoryRepository
from project_architect_db.schemas import (
    BuildSchema,
    DeploymentSchema,
    RepositoryCreate,
    RepositorySchema,
    RepositoryUpdate,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm import Session
    from project_architect_db.models import Project

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]

URL = "https://github.com/team/api"
PAYLOAD: dict[str, Any] = {
    "name": "api",
    "html_url": URL,
    "description": None,
    "language": "Python",
    "default_branch": "main",
    "stargazers_count": 7,
    "forks_count": True,
    "open_issues_count": "many",
    "pushed_at": "2026-01-31T12:00:00Z",
    "topics": ["orm"],
    "node_id": "not kept",
}


@pytest.fixture
async def project(session: Session, project_values: Callable[..., dict[str, Any]]) -> Project:
    return await ProjectRepository(session).create(project_values(owner="ana"))


@pytest.fixture
def repositories(session: Session) -> RepositoryRepository:
    return RepositoryRepository(session)


async def test_metadata_is_metadata_in_schemas(
    repositories: RepositoryRepository, project: Project
) -> None:
    created = await repositories.create(
        RepositoryCreate(project_id=project.id, name="api", metadata={"ci": "yes"})
    )
    changed = await repositories.update(
        created.id, RepositoryUpdate.model_validate({"metadata": {"ci": "no"}, "repo_type": "docs"})
    )

    read = RepositorySchema.model_validate(changed)

    assert (read.metadata, read.repo_type, read.version) == ({"ci": "no"}, "docs", 2)


async def test_repositories_are_found_by_project_and_type(
    repositories: RepositoryRepository, project: Project
) -> None:
    for name, kind in (("web", "frontend"), ("api", "backend")):
        await repositories.create({"project_id": project.id, "name": name, "repo_type": kind})

    assert [each.name for each in await repositories.get_by_project(project.id)] == ["api", "web"]
    assert [each.name for each in await repositories.get_by_type("frontend")] == ["web"]
    with pytest.raises(ValueRefused, match="known are backend, frontend, docs"):
        await repositories.get_by_type("poem")


async def test_a_payload_of_github_makes_and_updates_a_repository(
    repositories: RepositoryRepository, project: Project
) -> None:
    made = await repositories.sync_github_metadata(PAYLOAD, project_id=project.id)
    renamed = {**PAYLOAD, "stargazers_count": 8, "pushed_at": "soon", "license": {"key": "mit"}}

    changed = await repositories.sync_github_metadata(renamed)

    assert changed is made
    assert (made.name, made.github_url, made.stars, made.forks) == ("api", URL, 8, None)
    assert (made.open_issues, made.language, made.default_branch) == (None, "Python", "main")
    assert made.pushed_at == dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
    assert made.repo_metadata == {"topics": ["orm"], "license": {"key": "mit"}}
    assert made.synced_at is not None


async def test_a_payload_can_be_meant_for_a_repository_by_key(
    repositories: RepositoryRepository, project: Project
) -> None:
    created = await repositories.create(Repository(project_id=project.id, name="old"))

    synced = await repositories.sync_github_metadata(
        {**PAYLOAD, "pushed_at": "2026-01-31T12:00:00"}, key=created.id
    )

    assert (synced.id, synced.name, synced.github_url) == (created.id, "old", URL)
    assert synced.pushed_at is None


async def test_a_payload_of_nothing_known_is_refused(repositories: RepositoryRepository) -> None:
    with pytest.raises(NotFound, match=URL):
        await repositories.sync_github_metadata(PAYLOAD)
    with pytest.raises(NotFound):
        await repositories.sync_github_metadata(PAYLOAD, key=99)
    with pytest.raises(ValueRefused, match="html_url and name"):
        await repositories.sync_github_metadata({"name": "api"})


async def test_builds_and_deployments_are_recorded(
    repositories: RepositoryRepository, project: Project
) -> None:
    key = (await repositories.create({"project_id": project.id, "name": "api"})).id
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

    build = await repositories.record_build(
        key,
        {
            "status": "succeeded",
            "commit": "abc",
            "started_at": start,
            "finished_at": start + dt.timedelta(seconds=90),
        },
    )
    deployment = await repositories.record_deployment(key, {"status": "running", "release": "v1"})

    assert BuildSchema.model_validate(build).seconds == 90
    read = DeploymentSchema.model_validate(deployment)
    assert (read.environment, read.release, read.seconds) == ("production", "v1", None)
    with pytest.raises(ValueRefused, match="known are queued, running"):
        await repositories.record_build(key, {"status": "red"})
    with pytest.raises(NotFound):
        await repositories.record_build(99, {"status": "failed"})


async def test_what_ends_before_it_begins_is_refused(
    repositories: RepositoryRepository, project: Project
) -> None:
    key = (await repositories.create({"project_id": project.id, "name": "api"})).id
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    build = {"started_at": start, "finished_at": start - dt.timedelta(seconds=1)}

    with pytest.raises(CheckViolation):
        await repositories.record_build(key, {"status": "failed", **build})


async def test_builds_are_summed_up(repositories: RepositoryRepository, project: Project) -> None:
    key = (await repositories.create({"project_id": project.id, "name": "api"})).id
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    for hour, (status, seconds) in enumerate(
        [("succeeded", 10), ("succeeded", 20), ("failed", 60), ("running", None)]
    ):
        started_at = start + dt.timedelta(hours=hour)
        end = None if seconds is None else started_at + dt.timedelta(seconds=seconds)
        values = {"status": status, "started_at": started_at, "finished_at": end}
        await repositories.record_build(key, values)

    stats = await repositories.build_stats(key)

    assert stats.by_status == {"succeeded": 2, "failed": 1, "running": 1}
    assert stats.total == 4
    assert stats.success_rate == pytest.approx(2 / 3)
    assert (stats.average_seconds, stats.median_seconds) == (30, 20)
    assert (stats.last_status, stats.last_started_at) == ("running", start + dt.timedelta(hours=3))
    assert await repositories.build_stats() == stats


async def test_no_builds_are_no_rate(repositories: RepositoryRepository, project: Project) -> None:
    key = (await repositories.create({"project_id": project.id, "name": "api"})).id

    stats = await repositories.build_stats(key)

    assert (stats.total, stats.success_rate, stats.last_status) == (0, None, None)
    with pytest.raises(NotFound):
        await repositories.build_stats(99)


async def test_a_viewer_meets_only_repositories_of_their_projects(
    session: Session,
    repositories: RepositoryRepository,
    project_values: Callable[..., dict[str, Any]],
) -> None:
    foreign = await ProjectRepository(session).create(project_values(owner="leo"))
    hidden = await repositories.create({"project_id": foreign.id, "name": "hidden"})
    session.add(Build(repository_id=hidden.id, status="failed"))
    await session.flush()
    ana = RepositoryRepository(session, viewer="ana")

    assert (await ana.build_stats()).total == 0
    with pytest.raises(NotFound):
        await ana.build_stats(hidden.id)
    with pytest.raises(NotFound):
        await ana.record_deployment(hidden.id, {"status": "queued"})
