import os
from collections import Counter
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import pytest
from tests.importers.make_clone import commit_files, git, lose, make_clone, partial_clone

from project_architect_db.importers import (
    CloneDamaged,
    CloneReading,
    HistoryRewritten,
    read_clone,
)
from project_architect_db.importers.clone import first_paragraph
from project_architect_db.models.complexity import complexity_score

pytestmark = [pytest.mark.integration, pytest.mark.sampled(5)]

NewClone = Callable[[dict[str, bytes | str]], Path]
README = "# Thing\n\nDoes this.\n"


def kinds(reading: CloneReading) -> Counter[str]:
    return Counter(notice.kind for notice in reading.notices)


def test_a_clone_is_read_as_a_whole(clone: Path, reading: CloneReading) -> None:
    assert (reading.name, reading.description) == ("made-clone", "A made project.")
    assert reading.readme.startswith("# Made")
    assert (reading.branch, reading.is_bare, reading.is_shallow) == ("main", False, False)
    assert reading.count_commits() == 230
    assert reading.tips.head == git(clone, "rev-parse", "HEAD").decode().strip()
    assert complexity_score(reading.architecture.as_json())
    assert reading.is_complete


@pytest.mark.slow
def test_contributors_and_documents_need_no_order(clone: Path) -> None:
    reading = read_clone(clone)

    documents = len(list(reading.documents()))
    commits = sum(each.commits for each in reading.activity.contributors)

    assert (documents > 50, commits) == (True, 230)


@pytest.mark.slow
def test_an_incremental_reading_holds_only_what_is_new(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "a\n", "b.md": "b\n", "c.md": "c\nc\nc\nc\n"})
    first = read_clone(clone)
    list(first.commits())
    (clone / "b.md").unlink()
    (clone / "c.md").rename(clone / "d.md")
    commit_files(clone, {"a.md": "A\n"}, "second")

    reading = read_clone(clone, since=first.cursor)

    assert [each.subject for each in reading.commits()] == ["second"]
    assert [(each.path, each.content) for each in reading.documents()] == [
        ("a.md", "A\n"),
        ("d.md", "c\nc\nc\nc\n"),
    ]
    assert reading.removed_documents == ("b.md", "c.md")
    assert [each.commits for each in reading.activity.days] == [1]
    assert reading.cursor.split()[0] == git(clone, "rev-parse", "HEAD").decode().strip()


def test_nothing_new_is_read_as_nothing(clone: Path, reading: CloneReading) -> None:
    again = read_clone(clone, since=reading.cursor)

    assert list(again.conversations()) == []
    assert list(again.documents()) == []
    assert again.activity.contributors == ()
    assert again.name == reading.name


@pytest.mark.slow
def test_parts_of_a_history_add_up_to_the_whole(clone: Path, reading: CloneReading) -> None:
    middle = git(clone, "rev-parse", "HEAD~20").decode().strip()
    later = [each.id for each in read_clone(clone, since=middle).commits()]

    earlier = set(git(clone, "rev-list", middle).decode().split())

    assert earlier.isdisjoint(later)
    assert sorted([*earlier, *later]) == sorted(each.id for each in reading.commits())


@pytest.mark.slow
def test_a_release_beside_the_main_line_is_read_once(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "a\n"})
    first = read_clone(clone).cursor
    git(clone, "switch", "--quiet", "--detach")
    commit_files(clone, {"b.md": "b\n"}, "beside")
    git(clone, "tag", "v1")
    git(clone, "switch", "--quiet", "main")

    second = read_clone(clone, since=first)
    third = read_clone(clone, since=second.cursor)
    git(clone, "tag", "old", "HEAD")
    fourth = read_clone(clone, since=third.cursor)

    assert [(each.subject, each.is_on_head) for each in second.commits()] == [("beside", False)]
    assert list(second.documents()) == []
    assert list(third.commits()) == list(fourth.commits()) == []
    assert fourth.cursor.split()[:2] == second.cursor.split()[:2]


@pytest.mark.slow
def test_what_was_read_beside_the_main_line_is_merged_later(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "a\n"})
    git(clone, "switch", "--quiet", "-c", "topic")
    commit_files(clone, {"b.md": "b\n"}, "beside")
    git(clone, "tag", "v1")
    git(clone, "switch", "--quiet", "main")
    first = read_clone(clone)
    git(clone, "merge", "--quiet", "--no-ff", "-m", "Merge branch 'topic'", "topic")

    reading = read_clone(clone, since=first.cursor)

    assert [each.subject for each in first.commits()] == ["Initial commit", "beside"]
    assert [each.subject for each in reading.commits()] == ["Merge branch 'topic'"]
    assert [(each.path, each.subject) for each in reading.documents()] == [("b.md", "beside")]


def test_a_rewritten_history_is_found_out(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "a\n"})
    cursor = read_clone(clone).cursor
    git(clone, "commit", "--amend", "--quiet", "-m", "other")

    with pytest.raises(HistoryRewritten):
        read_clone(clone, since=cursor)


def test_a_bare_clone_is_read(tmp_path: Path) -> None:
    reading = read_clone(make_clone(tmp_path / "thing.git", commits=12, bare=True))

    assert reading.is_bare
    assert len(list(reading.commits())) == 12


def test_a_worktree_is_read_and_said_to_be_one(new_clone: NewClone, tmp_path: Path) -> None:
    clone = new_clone({"a.md": "a\n"})
    git(clone, "worktree", "add", "--quiet", str(tmp_path / "other"))

    reading = read_clone(tmp_path / "other")

    assert (reading.branch, kinds(reading)) == ("other", Counter(worktree=1))
    assert len(list(reading.commits())) == 1


def test_a_head_without_a_branch_is_read(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "a\n"})
    git(clone, "checkout", "--quiet", "--detach")

    assert read_clone(clone).branch is None


def test_a_shallow_clone_is_read_and_said_to_be_one(clone: Path, tmp_path: Path) -> None:
    git(clone, "clone", "--quiet", "--depth=3", clone.as_uri(), str(tmp_path / "shallow"))

    reading = read_clone(tmp_path / "shallow")

    assert reading.is_shallow
    assert "'git fetch --unshallow'" in str(reading.notices[0])
    said = git(tmp_path / "shallow", "rev-list", "--count", "HEAD", "--tags")
    assert len(list(reading.commits())) == int(said)


@pytest.mark.slow
def test_a_partial_clone_is_read_as_far_as_it_was_fetched(
    new_clone: NewClone, tmp_path: Path
) -> None:
    source = new_clone({"a.md": "one\n", "README.md": README})
    commit_files(source, {"a.md": "two\n"}, "second")
    git(source, "mv", "a.md", "b.md")
    commit_files(source, {}, "third")
    partial = partial_clone(source, tmp_path / "partial")

    reading = read_clone(partial)
    commits = list(reading.commits())

    assert [each.subject for each in commits] == ["Initial commit", "second", "third"]
    assert [(each.status, each.added) for each in commits[-1].files] == [("R", None)]
    assert list(reading.documents()) == []
    assert kinds(reading).keys() == {"partial", "damaged"}
    assert not reading.is_complete
    assert reading.readme == ""


def test_a_damaged_content_costs_the_counts_of_lines_from_there_on(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "one\n", "b.md": "b\n"})
    commit_files(clone, {"a.md": "two\n"}, "second")
    commit_files(clone, {"a.md": "three\n"}, "third")
    lose(clone, "HEAD~1:a.md")

    reading = read_clone(clone)
    commits = list(reading.commits())
    documents = [(each.path, each.content) for each in reading.documents()]

    assert [each.files[0].added for each in commits] == [1, None, None]
    assert documents == [("a.md", "one\n"), ("a.md", "three\n"), ("b.md", "b\n")]
    texts = [str(notice) for notice in reading.notices]
    assert any("lines are not counted in all commits" in text for text in texts)
    assert any("a.md: its content is missing or damaged (first at" in text for text in texts)


def test_a_damaged_history_is_said_to_be_one(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "one\n"})
    commit_files(clone, {"a.md": "two\n"}, "second")
    lose(clone, "HEAD~1^{tree}")

    reading = read_clone(clone)

    with pytest.raises(CloneDamaged, match="git cannot read it"):
        list(reading.commits())


def test_what_git_warns_about_is_repeated_once(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "a\n"})
    (clone / ".git" / "refs" / "tags").mkdir(exist_ok=True)
    (clone / ".git" / "refs" / "tags" / "broken").write_text("no id\n", encoding="utf-8")

    reading = read_clone(clone)
    list(reading.commits())
    list(reading.commits())

    warnings = [str(notice) for notice in reading.notices if notice.kind == "warning"]
    assert warnings == ["warning: ignoring broken ref refs/tags/broken"]


def test_a_submodule_and_a_link_are_named(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "a\n"})
    (clone / "README.md").symlink_to("/etc/passwd")
    git(clone, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    git(clone, "add", "README.md")
    git(clone, "commit", "--quiet", "-m", "odd")

    reading = read_clone(clone)

    assert kinds(reading) == Counter(symlink=1, submodule=1)
    assert (reading.readme, reading.description) == ("", "")
    assert len(list(reading.commits())) == 2


@pytest.mark.parametrize(
    ("files", "remote", "name"),
    [
        ({"pyproject.toml": '[project]\nname = "named"\n'}, "https://h/x/remote.git", "named"),
        ({"a.md": "a"}, "https://h/x/remote.git", "remote"),
        ({"a.md": "a"}, "git@h:remote.git", "remote"),
        ({"a.md": "a"}, "https://h/x/remote/", "remote"),
        ({"a.md": "a"}, "/srv/here/.", "fresh"),
        ({"a.md": "a"}, "", "fresh"),
    ],
)
def test_a_project_is_named_by_manifest_remote_or_folder(
    new_clone: NewClone, files: dict[str, bytes | str], remote: str, name: str
) -> None:
    clone = new_clone(files)
    if remote:
        git(clone, "remote", "add", "origin", remote)

    assert read_clone(clone).name == name


@pytest.mark.parametrize(
    ("files", "described", "description"),
    [
        ({"package.json": '{"name": "x", "description": "Told."}'}, "git's", "Told."),
        ({"README.md": README}, "git's", "Does this."),
        ({"README": "no heading"}, "git's", "no heading"),
        ({"README.md": b"\0"}, "git's", "git's"),
        ({"README.md": "# Only a heading\n"}, "git's", "git's"),
        ({"a.md": "a"}, "Unnamed repository; edit this file", ""),
        ({"a.md": "a"}, "", ""),
    ],
)
def test_a_project_is_described_by_manifest_readme_or_git(
    new_clone: NewClone, files: dict[str, bytes | str], described: str, description: str
) -> None:
    clone = new_clone(files)
    (clone / ".git" / "description").write_text(described, encoding="utf-8")

    assert read_clone(clone).description == description


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_description_that_is_no_file_is_not_opened(
    new_clone: NewClone, tmp_path: Path, kind: str
) -> None:
    clone = new_clone({"a.md": "a"})
    place = clone / ".git" / "description"
    if kind == "link":
        (tmp_path / "secret").write_text("secret", encoding="utf-8")
        place.symlink_to(tmp_path / "secret")
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.mkdir()

    assert read_clone(clone).description == ""


@pytest.mark.parametrize(
    ("readme", "said"),
    [
        ("", ""),
        ("Thing\n=====\n\nProse\nof two lines.\n\nMore.\n", "Prose of two lines."),
        ("# Thing\n[![a](b)](c)\n\n![x](y)\n\n<p>html</p>\n\nProse.", "Prose."),
        (".. image:: x\n\n:alt: y\n\n| a | b |\n\n```sh\nx\n```\n\nProse.", "Prose."),
        ("---\n\n*Prose* with `code`.\r\n\r\nMore.", "*Prose* with `code`."),
        ("# Only\n\n## headings\n", ""),
    ],
)
def test_the_first_paragraph_is_the_first_prose(readme: str, said: str) -> None:
    assert first_paragraph(readme) == said


@pytest.mark.slow
def test_this_very_repository_is_read_as_git_has_it(root: Path) -> None:
    if not (root / ".git").exists():
        pytest.skip("the tests were taken out of their repository")
    reading = read_clone(root)
    commits = list(reading.commits())
    versions = {key: list(each) for key, each in groupby(reading.documents(), lambda v: v.document)}

    tips = [reading.tips.head, *reading.tips.tags]  # somebody may commit meanwhile
    revisions = git(root, "rev-list", *tips).decode().split()
    emails = git(root, "log", "--format=%aE", *tips).decode().lower().split()
    files = git(root, "log", "--format=", "--numstat", *tips).splitlines()
    plain = [each for each in versions if not each.former_paths]
    assert {each.id for each in commits} == set(revisions)
    assert {each.email for each in reading.activity.contributors} == set(emails)
    assert sum(len(each.files) for each in commits) == len([line for line in files if line])
    assert len(plain) > len(versions) // 2
    for document in plain[:10]:
        assert len(versions[document]) == versions_of(root, tips[0], document.path), document.path


def versions_of(root: Path, head: str, path: str) -> int:
    """Return how many versions of a path git knows: commits, and merges that no parent has."""
    options = ("log", "--full-history", "--format=%H", head)
    single = git(root, *options, "--no-merges", "--", path).split()
    merged = git(root, *options, "--merges", "-c", "--raw", "--", path).splitlines()
    return len(single) + sum(line.startswith(b"::") for line in merged)
