"""Clones stored as projects: what git says is there, once, however often they are imported."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args

import pytest
from sqlalchemy import func, select
from tests.importers.make_clone import commit_files, git

from project_architect_db.importers import (
    HistoryRewritten,
    NotARepository,
    clone_rows,
    documents,
    phases,
)
from project_architect_db.importers.storing import import_clone
from project_architect_db.models import (
    Contributor,
    Conversation,
    ConversationMessage,
    Deployment,
    Document,
    DocumentVersion,
    Project,
    Repository,
    RepositoryActivity,
    RepositoryType,
)
from project_architect_db.models.conversation import PHASES
from project_architect_db.models.document import DocumentType

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from andamios_orm import Database

    NewClone = Callable[..., Path]

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(5)]

README = "# Shop\n\nSells things to people.\n"
LONG = "".join(f"line {number}\n" for number in range(20))
PACKAGE = json.dumps({"name": "shop", "dependencies": {"react": "^19"}})


async def count(database: Database, model: type[Any], *conditions: Any) -> int:
    async with database.session() as session:
        found = await session.scalar(select(func.count()).select_from(model).where(*conditions))
    return int(found or 0)


async def one(database: Database, model: type[Any], *conditions: Any) -> Any:
    async with database.session() as session:
        return (await session.scalars(select(model).where(*conditions))).one()


def lines(clone: Path, *arguments: str) -> int:
    return len(git(clone, *arguments).splitlines())


@pytest.mark.slow
async def test_a_clone_becomes_a_project_as_git_has_it(database: Database, clone: Path) -> None:
    told: list[tuple[int, int]] = []

    report = await import_clone(
        database, clone, owner="ana", progress=lambda *numbers: told.append(numbers)
    )

    assert (report.name, report.is_new) == ("made-clone", True)
    commits = lines(clone, "rev-list", "HEAD", "--tags")
    assert report.commits == report.messages == commits
    assert await count(database, ConversationMessage) == commits
    assert await count(database, Conversation) == report.conversations
    people = lines(clone, "shortlog", "-se", "HEAD", "--tags")
    assert await count(database, Contributor) == report.contributors <= people
    assert await count(database, Deployment) == lines(clone, "tag")
    past = await count(database, DocumentVersion)
    assert await count(database, Document) == report.documents
    assert past == report.versions - report.documents
    async with database.session() as session:
        total = await session.scalar(select(func.sum(RepositoryActivity.commits)))
        assert total == commits
    project = await one(database, Project)
    assert (project.owner, project.source) == ("ana", str(clone.resolve()))
    assert project.framework == "FastAPI"
    assert project.project_idea.startswith("# Made")
    assert {notice.kind for notice in report.notices} >= {"symlink", "submodule"}
    assert told[-1] == (commits, commits)


async def test_a_second_import_brings_what_is_new(database: Database, new_clone: NewClone) -> None:
    clone = new_clone({"README.md": README, "old.md": LONG, "gone.md": "soon\n"})
    first = await import_clone(database, clone)
    (clone / "old.md").rename(clone / "new.md")
    (clone / "gone.md").unlink()
    commit_files(clone, {"package.json": PACKAGE, "new.md": f"{LONG}two\n"}, "feat: a page")
    commit_files(clone, {"README.md": f"{README}\nAnd more.\n"}, "release 1.0")
    git(clone, "tag", "v1.0")

    second = await import_clone(database, clone)
    third = await import_clone(database, clone)

    assert (first.is_new, first.commits, first.documents, first.versions) == (True, 1, 3, 3)
    assert (second.project_id, second.is_new) == (first.project_id, False)
    assert (second.commits, second.messages, second.releases) == (2, 2, 1)
    assert (second.documents, second.versions, second.conversations) == (0, 2, 0)
    assert (third.commits, third.messages, third.versions, third.releases) == (0, 0, 0, 0)
    alive = Document.deleted_at.is_(None)
    assert await count(database, Document, alive) == 2
    document = await one(database, Document, alive, Document.file_path == "new.md")
    assert (document.name, document.content) == ("new.md", f"{LONG}two\n")
    assert await count(database, DocumentVersion, DocumentVersion.document_id == document.id) == 1
    talk = await one(database, Conversation)
    assert (talk.message_count, talk.phase) == (3, "deployment")
    contributor = await one(database, Contributor)
    day = await one(database, RepositoryActivity)
    assert (contributor.commits, day.commits, day.authors) == (3, 3, 1)
    repository = await one(database, Repository)
    assert repository.repo_metadata["git"]["path"] == str(clone.resolve())
    project = await one(database, Project)
    assert project.framework == "React"


@pytest.mark.slow
async def test_a_day_of_two_imports_counts_each_author_once(
    database: Database, new_clone: NewClone
) -> None:
    clone = new_clone({"a.txt": "a"})
    await import_clone(database, clone)
    commit_files(clone, {"a.txt": "b"}, "the same author again")
    git(clone, "commit", "--quiet", "--allow-empty", "--author=O <o@example.org>", "-m", "more")

    await import_clone(database, clone)

    day = await one(database, RepositoryActivity)
    authors = await count(database, Contributor)
    assert (day.commits, day.authors) == (3, authors) == (3, 2)


async def test_what_cannot_be_stored_is_named_and_the_rest_is(
    database: Database, new_clone: NewClone
) -> None:
    clone = new_clone({"README": "x", "docs/a:b.md": "odd", "docs/c.md": "fine"})

    report = await import_clone(database, clone)

    assert [(each.kind, each.name) for each in report.notices] == [("outside", "docs/a:b.md")]
    assert report.documents == 2
    project = await one(database, Project)
    assert project.project_idea == f"x ({report.name}, imported from a clone)"


@pytest.mark.slow
async def test_an_import_that_fails_has_stored_nothing(
    database: Database, new_clone: NewClone, tmp_path: Path
) -> None:
    clone = new_clone({"README.md": README})

    def stop(_done: int, _total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        await import_clone(database, clone, progress=stop)
    with pytest.raises(NotARepository):
        await import_clone(database, tmp_path)

    for model in (Project, Repository, Conversation, ConversationMessage):
        assert await count(database, model) == 0
    assert (await import_clone(database, clone)).is_new


async def test_a_rewritten_history_is_said(database: Database, new_clone: NewClone) -> None:
    clone = new_clone({"README.md": README})
    await import_clone(database, clone)
    git(clone, "commit", "--quiet", "--amend", "-m", "other")

    with pytest.raises(HistoryRewritten):
        await import_clone(database, clone)


@pytest.mark.parametrize(
    ("languages", "kind"),
    [
        ({}, RepositoryType.BACKEND),
        ({"Python": 9, "Markdown": 9}, RepositoryType.BACKEND),
        ({"Markdown": 9, "Python": 1}, RepositoryType.DOCS),
        ({"TypeScript": 5, "CSS": 4, "Go": 8}, RepositoryType.FRONTEND),
        ({"HCL": 5, "YAML": 4, "Go": 8}, RepositoryType.INFRASTRUCTURE),
    ],
)
def test_a_repository_is_what_most_of_it_is(
    languages: dict[str, int], kind: RepositoryType
) -> None:
    assert clone_rows.type_of(languages) == kind
    assert clone_rows.order_of("of our own") > clone_rows.order_of("done")


def test_what_importers_call_phases_and_types_is_what_the_models_have() -> None:
    assert phases.PHASES == PHASES
    assert set(get_args(documents.DocumentType)) == {*DocumentType}
