from collections.abc import Callable
from pathlib import Path

import pytest
from tests.importers.make_clone import git, lose, partial_clone

from project_architect_db.importers import CloneDamaged
from project_architect_db.importers.plumbing import open_git
from project_architect_db.importers.tree import TreeFile, is_inside, read_tree

pytestmark = [pytest.mark.integration, pytest.mark.sampled(5)]

NewClone = Callable[[dict[str, bytes | str]], Path]


def test_the_files_are_those_of_git(clone: Path) -> None:
    files, notices = read_tree(open_git(clone), "HEAD")

    said = git(clone, "ls-tree", "-r", "-z", "--name-only", "HEAD").split(b"\0")[:-1]
    assert [file.raw_path for file in files] == said
    assert notices == []


def test_a_file_has_its_size(new_clone: NewClone) -> None:
    files, _ = read_tree(open_git(new_clone({"a.md": "four"})), "HEAD")

    assert [(file.path, file.size, file.oddity) for file in files] == [("a.md", 4, None)]


def test_a_missing_content_is_named(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "four", "b.md": "b"})
    lose(clone, "HEAD:a.md")

    files, notices = read_tree(open_git(clone), "HEAD")

    assert [(file.path, file.size) for file in files] == [("a.md", 0), ("b.md", 1)]
    assert [str(notice) for notice in notices] == ["a.md: its content is missing or damaged"]


def test_contents_that_were_never_fetched_leave_the_sizes_out(
    new_clone: NewClone, tmp_path: Path
) -> None:
    source = new_clone({"a.md": "four", "b.md": "b"})
    clone = partial_clone(source, tmp_path / "partial")

    files, notices = read_tree(open_git(clone), "HEAD")

    assert [(file.path, file.size) for file in files] == [("a.md", 0), ("b.md", 0)]
    assert [notice.kind for notice in notices] == ["damaged"]
    assert str(notices[0]).startswith("sizes of files are unknown: git cannot read it")


def test_a_missing_tree_is_damage(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "four"})
    lose(clone, "HEAD^{tree}")

    with pytest.raises(CloneDamaged):
        read_tree(open_git(clone), "HEAD")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (TreeFile(b"a", "", "120000", 1), "a: a symbolic link is not followed"),
        (TreeFile(b"a", "", "160000", 0), "a: a submodule is a project of its own"),
        (TreeFile(b"../a", "", "100644", 1), "../a: its path leads out of the repository"),
    ],
)
def test_what_is_not_read_says_why(file: TreeFile, said: str) -> None:
    assert str(file.oddity) == said


@pytest.mark.parametrize(
    "path",
    [
        *(b"/etc/passwd", b"../a", b"a/../../b", b"a/..", b".", b"./a", b"a//b", b"a/", b""),
        *(b"..\\a", b"a\\..\\..\\b", b"\\\\host\\share", b"C:\\a", b"C:a", b"c:/a"),
        *(b".git/config", b"a/.GIT/hooks/x", b"a\\.git\\config"),
    ],
)
def test_a_path_that_leads_out_is_seen(path: bytes) -> None:
    assert not is_inside(path)


@pytest.mark.parametrize("path", [b"a", b"a/b.md", b"..a/b..", b".github/x", b"caf\xe9", b"ab:c"])
def test_a_path_that_stays_inside_is_fine(path: bytes) -> None:
    assert is_inside(path)
