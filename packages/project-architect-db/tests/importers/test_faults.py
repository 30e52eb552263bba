"""Imports that are broken off, and clones that are not whole: nothing half, and it goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select
from tests.importers.make_clone import commit_files, git, lose, make_clone

from andamios_orm import Database
from andamios_orm.exceptions import DiskFull
from andamios_orm.testing.faults import Faults
from project_architect_db.importers import (
    CloneDamaged,
    CloneRefused,
    EmptyRepository,
    GitMissing,
    NotARepository,
    PathMissing,
    import_clone,
)
from project_architect_db.models import (
    Base,
    Contributor,
    Conversation,
    ConversationMessage,
    Document,
    DocumentVersion,
    Project,
    Repository,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    NewClone = Callable[..., Path]

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(4)]

MODELS = (Project, Repository, Conversation, ConversationMessage, Document, Contributor)


async def count(database: Database, model: type[Any]) -> int:
    async with database.session() as session:
        return await session.scalar(select(func.count()).select_from(model)) or 0


async def assert_nothing_then_everything(database: Database, clone: Path) -> None:
    for model in MODELS:
        assert await count(database, model) == 0
    report = await import_clone(database, clone)
    assert report.is_new
    assert report.messages == await count(database, ConversationMessage) > 0


# ---- broken off ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("statement", [3, 8, 14])
async def test_a_disk_that_fills_up_leaves_nothing(
    database: Database, new_clone: NewClone, statement: int
) -> None:
    clone = new_clone({"README.md": "# Shop\n", "docs/a.md": "a\n"})

    with pytest.raises(DiskFull), Faults().disk_full(database, statement=statement):
        await import_clone(database, clone)

    await assert_nothing_then_everything(database, clone)


@pytest.mark.slow
async def test_an_import_that_is_cancelled_leaves_nothing(
    database: Database, new_clone: NewClone
) -> None:
    clone = new_clone({"README.md": "# Shop\n", "docs/a.md": "a\n"})
    stored = asyncio.Event()

    def stop(_done: int, _total: int) -> None:
        stored.set()
        task.cancel()

    task = asyncio.create_task(import_clone(database, clone, progress=stop))
    with pytest.raises(asyncio.CancelledError):
        await task

    assert stored.is_set()
    await assert_nothing_then_everything(database, clone)


@pytest.mark.slow
async def test_what_is_read_ahead_fails_like_the_rest(
    database: Database, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("project_architect_db.importers.storing._AT_ONCE", 5)

    def stop(done: int, _total: int) -> None:
        if done:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await import_clone(database, clone, progress=stop)

    assert await count(database, Project) == 0


KILLED = """
import asyncio, sys
from pathlib import Path
from andamios_orm import Database
from project_architect_db.importers import import_clone, storing

storing._AT_ONCE = 5

async def main():
    async with Database(sys.argv[1]) as database:
        await import_clone(database, sys.argv[2], progress=lambda *_: print("stored", flush=True))

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="nobody sends SIGKILL there")
async def test_an_import_that_is_killed_leaves_nothing(tmp_path: Path, clone: Path) -> None:
    url = f"duckdb:///{tmp_path / 'killed.duckdb'}"
    async with Database(url) as database, database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    child = subprocess.Popen([sys.executable, "-c", KILLED, url, str(clone)], stdout=-1, stderr=-1)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"stored\n"
        child.send_signal(signal.SIGKILL)

    async with Database(url) as database:
        await assert_nothing_then_everything(database, clone)


# ---- not whole ----------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_clone_that_has_lost_a_content_is_imported_without_it(
    database: Database, new_clone: NewClone
) -> None:
    clone = new_clone({"docs/a.md": "one\n", "docs/b.md": "b\n"})
    commit_files(clone, {"docs/a.md": "two\n"}, "second")
    lose(clone, "HEAD~1:docs/a.md")

    report = await import_clone(database, clone)

    assert (report.messages, report.documents) == (2, 2)
    assert await count(database, DocumentVersion) == 0
    assert {each.kind for each in report.notices} == {"damaged"}
    assert any("docs/a.md" in str(each) for each in report.notices)


def break_pack(clone: Path) -> None:
    """Cut the pack with the history in half."""
    git(clone, "repack", "-a", "-d", "-q")
    (pack,) = (clone / ".git" / "objects" / "pack").glob("*.pack")
    pack.chmod(0o600)
    os.truncate(pack, pack.stat().st_size // 2)


def break_head(clone: Path) -> None:
    """Let HEAD be nothing that git can read."""
    (clone / ".git" / "HEAD").write_bytes(b"\0\xff nonsense")


def dangle_head(clone: Path) -> None:
    """Let the branch be at a commit that is not there."""
    (clone / ".git" / "refs" / "heads" / "main").write_text("1" * 40 + "\n", encoding="ascii")


def lose_commit(clone: Path) -> None:
    """Lose the first commit."""
    lose(clone, "HEAD~1")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (break_pack, CloneDamaged),
        (break_head, CloneRefused),
        (dangle_head, CloneRefused),
        (lose_commit, CloneDamaged),
    ],
)
async def test_a_clone_that_is_damaged_is_refused_by_name_and_stores_nothing(
    duckdb_file: Database,
    new_clone: NewClone,
    damage: Callable[[Path], None],
    error: type[CloneRefused],
) -> None:
    clone = new_clone({"docs/a.md": "one\n"})
    commit_files(clone, {"docs/a.md": "two\n"}, "second")
    damage(clone)

    with pytest.raises(error) as refused:
        await import_clone(duckdb_file, clone)

    assert str(refused.value).startswith(str(clone.resolve()))
    for model in MODELS:
        assert await count(duckdb_file, model) == 0


@pytest.mark.slow
async def test_what_is_no_clone_is_refused_by_name(
    duckdb_file: Database, tmp_path: Path, new_clone: NewClone, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "--quiet", "--template=")
    clone = new_clone({"a.md": "a\n"})

    with pytest.raises(EmptyRepository):
        await import_clone(duckdb_file, empty)
    with pytest.raises(NotARepository):
        await import_clone(duckdb_file, tmp_path)
    with pytest.raises(PathMissing):
        await import_clone(duckdb_file, tmp_path / "missing")
    monkeypatch.setenv("PATH", str(empty))
    with pytest.raises(GitMissing):
        await import_clone(duckdb_file, clone)

    assert await count(duckdb_file, Project) == 0


@pytest.mark.slow
async def test_a_folder_whose_link_leads_to_itself_is_refused(
    duckdb_file: Database, tmp_path: Path
) -> None:
    (tmp_path / "loop").symlink_to("loop")

    with pytest.raises(PathMissing):
        await import_clone(duckdb_file, tmp_path / "loop")


@pytest.mark.slow
async def test_clones_of_any_kind_become_projects(
    duckdb_file: Database, new_clone: NewClone, tmp_path: Path
) -> None:
    clone = new_clone({"a.md": "a\n", "big.md": "x" * 1_100_000, "b.md": b"\0\1\2"})
    (clone / "loop.md").symlink_to("loop.md")
    (clone / "out.md").symlink_to("/etc/passwd")
    commit_files(clone, {"caf\u00e9.md": "caf\u00e9\n".encode("latin-1")}, "odd")
    git(clone, "worktree", "add", "--quiet", str(tmp_path / "tree"))
    git(clone, "clone", "--quiet", "--depth=1", clone.as_uri(), str(tmp_path / "shallow"))
    bare = make_clone(tmp_path / "bare.git", commits=12, bare=True)

    own = await import_clone(duckdb_file, clone)
    tree = await import_clone(duckdb_file, tmp_path / "tree")
    shallow = await import_clone(duckdb_file, tmp_path / "shallow")
    whole = await import_clone(duckdb_file, bare)

    assert (own.messages, tree.messages, shallow.messages, whole.messages) == (2, 2, 1, 12)
    assert own.documents == 2
    kinds = {(each.kind, each.name) for each in own.notices}
    assert kinds >= {
        ("symlink", "loop.md"),
        ("symlink", "out.md"),
        ("binary", "b.md"),
        ("too large", "big.md"),
    }
    assert "worktree" in {each.kind for each in tree.notices}
    assert "shallow" in {each.kind for each in shallow.notices}
    assert await count(duckdb_file, Project) == 4


# ---- this very repository -----------------------------------------------------------------


@pytest.mark.slow
async def test_this_very_repository_is_stored_as_git_has_it(
    duckdb_file: Database, root: Path, tmp_path: Path
) -> None:
    if not (root / ".git").exists():
        pytest.skip("the tests were taken out of their repository")
    still = tmp_path / "still"  # somebody may commit meanwhile
    git(root, "clone", "--quiet", "--bare", str(root), str(still))

    report = await import_clone(duckdb_file, still)
    again = await import_clone(duckdb_file, still)

    tips = ("HEAD", "--tags")
    commits = len(git(still, "rev-list", *tips).splitlines())
    people = {each.lower() for each in git(still, "log", "--format=%aE", *tips).splitlines()}
    listed = git(still, "ls-tree", "-r", "--name-only", "-z", "HEAD").split(b"\0")
    texts = [each for each in listed if each.lower().endswith((b".md", b".rst", b".txt"))]
    assert (report.commits, report.messages) == (commits, commits)
    assert report.contributors == await count(duckdb_file, Contributor) == len(people)
    assert report.documents == await count(duckdb_file, Document) >= len(texts) > 0
    assert report.versions == report.documents + await count(duckdb_file, DocumentVersion)
    assert (again.commits, again.versions, again.documents) == (0, 0, 0)
