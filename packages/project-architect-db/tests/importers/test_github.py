"""Exports of GitHub, stored once however often they are imported, on both databases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select
from tests.importers.github_payloads import (
    PAGE,
    a_comment,
    a_pull,
    a_release,
    a_repository,
    a_review,
    a_run,
    an_issue,
    gh_issue,
    gh_pull,
    gh_release,
    gh_run,
)
from tests.importers.make_clone import git

from andamios_orm.exceptions import DiskFull, NotFound
from andamios_orm.testing.faults import Faults
from project_architect_db.importers import (
    GithubReport,
    SourceMissing,
    import_clone,
    import_github,
)
from project_architect_db.importers import github as importer
from project_architect_db.models import (
    Build,
    Conversation,
    ConversationMessage,
    ConversationPhase,
    Deployment,
    Project,
    Repository,
)
from project_architect_db.repositories import ProjectRepository

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm import Database

    NewClone = Callable[..., Path]

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(4)]

IDEA = "A scaffold for the data of a team"


def write(folder: Path, **files: Any) -> Path:
    """Write files of payloads: a text as it is, all else as JSON."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    return folder


async def rows_of(database: Database, model: type[Any]) -> list[Any]:
    async with database.session() as session:
        return list((await session.scalars(select(model).order_by(model.id))).all())


async def count(database: Database, model: type[Any]) -> int:
    async with database.session() as session:
        return await session.scalar(select(func.count()).select_from(model)) or 0


def export(folder: Path) -> Path:
    """Write an export of everything, as several commands write it."""
    runs = [a_run(1), a_run(2, status="in_progress", conclusion=None)]
    return write(
        folder,
        comments=[a_comment(), a_review()],
        # What older versions of gh print for two pages.
        issues=json.dumps([an_issue()]) + json.dumps([a_pull()], indent=2),
        more="\n".join(map(json.dumps, [gh_issue(), gh_pull()])),
        releases=[[a_release()], [gh_release()]],  # --slurp
        repository=a_repository(),
        runs={"total_count": 2, "workflow_runs": runs},
        runs2=[gh_run()],
    )


@pytest.mark.slow
async def test_an_export_becomes_a_project(database: Database, tmp_path: Path) -> None:
    told: list[int] = []

    report = await import_github(
        database,
        export(tmp_path / "export"),
        viewer="ada",
        on_progress=lambda each: told.append(each.payloads),
    )

    assert report.notices == []
    assert (report.files, report.payloads, told[-1]) == (7, 12, 12)
    assert report.created == {
        "projects": 1,
        "repositories": 1,
        "conversations": 4,
        "messages": 8,
        "builds": 3,
        "deployments": 2,
    }
    (project,) = await rows_of(database, Project)
    assert (project.name, project.owner, project.source) == ("engine", "ada", PAGE)
    assert project.description == project.project_idea
    assert project.description == "An engine that weaves algebraic patterns"
    (repository,) = await rows_of(database, Repository)
    assert (repository.github_url, repository.stars, repository.language) == (
        PAGE,
        80,
        "Python",
    )
    talks = await rows_of(database, Conversation)
    assert [(each.title, each.phase, each.message_count) for each in talks] == [
        ("#1 Notes on the engine", "requirements", 2),
        ("#2 Weave patterns", "review", 2),
        ("#5 Crash", "implementation", 2),
        ("#6 Fix the crash", "done", 2),
    ]
    builds = await rows_of(database, Build)
    assert [each.status for each in builds] == ["succeeded", "running", "failed"]
    deployments = await rows_of(database, Deployment)
    assert [(each.release, each.repository_id) for each in deployments] == [
        ("v1.0.0", repository.id),
        ("v1.1.0", repository.id),
    ]


@pytest.mark.slow
async def test_an_export_that_is_imported_again_changes_nothing(
    database: Database, tmp_path: Path
) -> None:
    folder = export(tmp_path / "export")
    await import_github(database, folder)
    before = await rows_of(database, Conversation)

    again = await import_github(database, folder)

    assert +again.created == {}
    assert +again.updated == {"repositories": 1}  # when it was looked at
    after = await rows_of(database, Conversation)
    assert [(each.version, each.message_count) for each in after] == [
        (each.version, each.message_count) for each in before
    ]
    assert await count(database, ConversationMessage) == 8


async def test_what_is_new_is_added_and_what_changed_is_brought_up_to_date(
    database: Database, tmp_path: Path
) -> None:
    await import_github(database, export(tmp_path / "export"))
    later = write(
        tmp_path / "later",
        issues=[
            an_issue(state="closed", closed_at="2026-03-01T12:00:00Z", body="It weaves."),
            a_pull(7, title="More"),
        ],
        comments=[
            a_comment(body="So it does."),
            a_comment(created_at="2026-03-02T12:00Z"),
        ],
        runs=[a_run(2, conclusion="failure"), a_run(1)],
        releases=[a_release(prerelease=True)],
    )

    report = await import_github(database, later)

    assert +report.created == {"conversations": 1, "messages": 2}
    assert +report.updated == {"conversations": 1, "messages": 2, "builds": 1, "deployments": 1}
    first = (await rows_of(database, Conversation))[0]
    assert (first.phase, first.message_count) == ("done", 3)
    assert first.phase_entered_at.isoformat() == "2026-03-01T12:00:00+00:00"
    (left,) = await rows_of(database, ConversationPhase)
    assert (left.phase, left.seconds) == ("requirements", 59 * 86_400)
    messages = await rows_of(database, ConversationMessage)
    texts = {each.content for each in messages if each.conversation_id == first.id}
    assert texts == {"It weaves.", "So it does.", "So it shall."}
    assert [each.status for each in await rows_of(database, Build)] == [
        "succeeded",
        "failed",
        "failed",
    ]
    assert (await rows_of(database, Deployment))[0].environment == "preview"


@pytest.mark.slow
async def test_two_comments_of_one_second_are_two(duckdb_file: Database, tmp_path: Path) -> None:
    twice = [a_comment(body="one"), a_comment(body="two")]
    folder = write(tmp_path / "export", issues=[an_issue()], comments=twice)
    await import_github(duckdb_file, folder)

    again = await import_github(duckdb_file, folder)

    assert (+again.created, +again.updated) == ({}, {})
    assert await count(duckdb_file, ConversationMessage) == 3


@pytest.mark.slow
async def test_payloads_go_into_the_project_of_a_clone(
    database: Database, new_clone: NewClone, tmp_path: Path
) -> None:
    clone = new_clone({"README.md": "# Engine\n\nIt weaves patterns.\n"})
    git(clone, "remote", "add", "origin", "git@github.com:Ada/Engine.git")
    git(clone, "tag", "v1.0.0")
    stored = await import_clone(database, clone)

    report = await import_github(database, export(tmp_path / "export"))
    again = await import_clone(database, clone)

    assert "projects" not in report.created
    assert "repositories" not in report.created
    assert {each.project_id for each in await rows_of(database, Conversation)} == {
        stored.project_id
    }
    deployments = await rows_of(database, Deployment)
    assert [each.release for each in deployments] == ["v1.0.0", "v1.1.0"]
    assert deployments[0].url == f"{PAGE}/releases/tag/v1.0.0"
    assert deployments[0].commit == git(clone, "rev-parse", "HEAD").decode().strip()
    assert again.releases == 0


@pytest.mark.slow
async def test_the_project_that_is_passed_gets_a_repository(
    database: Database, tmp_path: Path
) -> None:
    repository = ProjectRepository(database)
    shop = await repository.create({"name": "Shop", "project_idea": IDEA, "owner": "ada"})
    listed = write(tmp_path / "listed", releases=[gh_release()])
    first = await import_github(database, listed, project="Shop")

    second = await import_github(
        database, export(tmp_path / "export") / "issues.json", project=shop.id, viewer="ada"
    )
    third = await import_github(database, listed, project="Shop", viewer="ada")

    assert [str(each) for each in first.notices] == [
        "1 releases do not say of which repository they are: export their url as well"
    ]
    assert (second.created["projects"], second.created["repositories"]) == (0, 1)
    assert third.created["deployments"] == 1
    assert {each.project_id for each in await rows_of(database, Conversation)} == {shop.id}
    with pytest.raises(NotFound):
        await import_github(database, listed, project="Shop", viewer="eve")


async def test_what_a_viewer_does_not_see_is_not_added_to(
    database: Database, tmp_path: Path
) -> None:
    folder = write(tmp_path / "export", about=a_repository(description="Weaves"))
    await import_github(database, folder, viewer="ada")

    report = await import_github(database, folder, viewer="eve")

    assert report.created["projects"] == 1
    projects = await rows_of(database, Project)
    assert [each.owner for each in projects] == ["ada", "eve"]
    assert (projects[0].description, projects[0].project_idea) == (
        "Weaves",
        "engine, imported from GitHub",
    )


@pytest.mark.slow
async def test_what_cannot_be_read_is_named_and_the_rest_is_stored(
    duckdb_file: Database, tmp_path: Path
) -> None:
    folder = write(
        tmp_path / "export",
        damaged=f"[{json.dumps(an_issue())}, {{",
        empty="",
        odd=[7, {"login": "x"}, {"login": "y"}, an_issue(3), an_issue(4, html_url=None)],
        lost=[
            a_comment(99),
            a_comment(98, html_url="https://github.com/no/one/issues/1"),
        ],
    )
    (folder / "latin.json").write_bytes(b'[{"title": "caf\xe9"}]')
    (folder / "notes.txt").write_text("no payload", encoding="utf-8")

    report = await import_github(duckdb_file, folder)

    said = [(each.kind, Path(each.name).name, each.text) for each in report.notices]
    assert [each[:2] for each in said] == [
        ("damaged", "damaged.json"),
        ("damaged", "latin.json"),
        ("payload", "odd.json"),
        ("payload", "odd.json"),
        ("payload", "odd.json"),
        ("payload", "lost.json"),
    ]
    assert said[0][2].startswith("line 1: it is no JSON: Expecting property name")
    assert said[1][2].startswith("byte 15 (0xe9) is no UTF-8")
    assert said[2][2] == "line 1: a row is an object, not a number"
    assert said[3][2] == "line 1: no known payload: it has login (and 1 more)"
    assert said[4][2].startswith("line 1: an issue has html_url")
    assert said[5][2] == "2 comments belong to issues that are not here: export those as well"
    assert report.created["conversations"] == 2


async def test_paths_that_lead_nowhere_are_refused(duckdb_file: Database, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")

    for path in (tmp_path / "missing.json", tmp_path / "loop", f"{tmp_path}/a\0b"):
        with pytest.raises(SourceMissing, match="it cannot be opened"):
            await import_github(duckdb_file, path)
    with pytest.raises(SourceMissing, match=r"it has no files of \.json, \.ndjson, \.jsonl"):
        await import_github(duckdb_file, [tmp_path])


@pytest.mark.slow
async def test_a_long_export_is_read_some_at_a_time(
    duckdb_file: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer, "_AT_ONCE", 7)
    issues = [an_issue(number) for number in range(1, 31)]
    comments = [a_comment(number) for number in range(1, 31)]
    told: list[int] = []

    report = await import_github(
        duckdb_file,
        write(tmp_path / "export", a=comments, b=issues),
        on_progress=lambda each: told.append(each.created["messages"]),
    )

    assert report.created["messages"] == 60
    assert len(told) == 3 * 5
    assert told == sorted(told)


@pytest.mark.slow
async def test_a_full_disk_leaves_nothing_and_the_next_import_everything(
    database: Database, tmp_path: Path
) -> None:
    folder = export(tmp_path / "export")

    with pytest.raises(DiskFull), Faults().disk_full(database, statement=6):
        await import_github(database, folder)

    for model in (Project, Conversation, ConversationMessage, Build):
        assert await count(database, model) == 0
    assert (await import_github(database, folder)).created["conversations"] == 4


def test_a_report_begins_empty() -> None:
    assert GithubReport().created["builds"] == 0
