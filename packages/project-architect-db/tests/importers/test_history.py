from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.importers.make_clone import commit_files, git, lose

from project_architect_db.importers import (
    CloneDamaged,
    CloneReading,
    Commit,
    EmptyRepository,
    HistoryRewritten,
)
from project_architect_db.importers.history import (
    commit_count,
    find_tips,
    moment,
    print_main_line,
    read_history,
    tokens,
)
from project_architect_db.importers.plumbing import Git, open_git

pytestmark = [pytest.mark.integration, pytest.mark.sampled(5)]

NewClone = Callable[[dict[str, bytes | str]], Path]


@pytest.fixture(scope="module")
def commits(reading: CloneReading) -> dict[str, Commit]:
    return {commit.id: commit for commit in reading.commits()}


def lines_of(folder: Path, *arguments: str) -> list[str]:
    return git(folder, *arguments).decode(errors="replace").splitlines()


def test_each_commit_comes_once_and_after_its_parents(
    clone: Path, commits: dict[str, Commit]
) -> None:
    place = {commit: number for number, commit in enumerate(commits)}

    assert set(commits) == set(lines_of(clone, "rev-list", "HEAD", "--tags"))
    assert all(
        place[parent] < place[each.id] for each in commits.values() for parent in each.parents
    )


def test_commits_of_tags_come_last_and_say_so(clone: Path, commits: dict[str, Commit]) -> None:
    beside = [commit.id for commit in commits.values() if not commit.is_on_head]

    assert beside == lines_of(clone, "rev-list", "--tags", "--not", "HEAD")
    assert list(commits)[-len(beside) :] == beside


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ("%aN", lambda each: each.author.name),
        ("%aE", lambda each: each.author.email),
        ("%cN", lambda each: each.committer.name),
        ("%cE", lambda each: each.committer.email),
        ("%P", lambda each: " ".join(each.parents)),
        ("%at", lambda each: f"{each.authored_at.timestamp():.0f}"),
        ("%ct", lambda each: f"{each.committed_at.timestamp():.0f}"),
        ("%s", lambda each: each.subject),
    ],
)
def test_what_a_commit_says_is_what_git_says(
    clone: Path, commits: dict[str, Commit], form: str, field: Callable[[Commit], str]
) -> None:
    said = lines_of(clone, "log", f"--format=%H {form}", "HEAD", "--tags")

    found = {f"{each.id} {field(each)}" for each in commits.values()}

    assert found == set(said)


def test_files_and_lines_are_those_of_git(clone: Path, commits: dict[str, Commit]) -> None:
    said = lines_of(clone, "log", "--format=", "--numstat", "HEAD", "--tags")
    files = [change for each in commits.values() for change in each.files]
    counted = [line.split("\t") for line in said if line]

    assert len(files) == len(counted)
    assert sum(each.added or 0 for each in files) == sum(int(a) for a, *_ in counted if a != "-")
    assert sum(each.removed or 0 for each in files) == sum(
        int(r) for _, r, _ in counted if r != "-"
    )
    assert sum(each.is_binary for each in files) == sum(a == "-" for a, *_ in counted)


def test_a_rename_names_both_paths(clone: Path, commits: dict[str, Commit]) -> None:
    said = lines_of(clone, "log", "--format=", "--raw", "--diff-filter=R", "HEAD")
    moved = {
        (change.old_path, change.path)
        for each in commits.values()
        for change in each.files
        if change.status == "R"
    }

    assert moved
    assert moved == {tuple(line.split("\t")[1:]) for line in said if line}


def test_a_path_that_is_no_text_is_shown_and_kept(commits: dict[str, Commit]) -> None:
    changes = [each for commit in commits.values() for each in commit.files]
    odd = next(each for each in changes if b"caf" in each.raw_path)

    assert (odd.raw_path, odd.path) == (b"docs/caf\xe9.md", "docs/caf\ufffd.md")
    assert odd.old_path is None


def test_a_message_in_latin_1_is_read_where_the_commit_says_so(commits: dict[str, Commit]) -> None:
    subjects = {commit.subject for commit in commits.values()}

    assert "docs: café 2" in subjects
    assert "broken \ufffd\ufffd 3" in subjects


def test_a_subject_of_several_lines_is_one(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "a"})
    git(clone, "commit", "--allow-empty", "-q", "-F", "-", given=b"one\ntwo\n \nthree\n\nfour\n")

    commit = list(read_history(open_git(clone), ["HEAD"]))[-1]

    assert (commit.subject, commit.body) == ("one two", "three\n\nfour")
    assert not commit.is_merge


def test_a_commit_without_a_message_is_read(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "a"})
    git(clone, "commit", "--allow-empty", "--allow-empty-message", "-q", "-m", "")

    commit = list(read_history(open_git(clone), ["HEAD"]))[-1]

    assert (commit.subject, commit.body, commit.files) == ("", "", ())


@pytest.mark.parametrize(
    ("seconds", "time"),
    [
        (b"0", datetime(1970, 1, 1, tzinfo=UTC)),
        (b"-86400", datetime(1969, 12, 31, tzinfo=UTC)),
        (b"9" * 19, datetime(9999, 12, 31, tzinfo=UTC)),
        (b"-" + b"9" * 19, datetime(1, 1, 1, tzinfo=UTC)),
        (b"", datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_every_time_that_git_says_is_a_time(seconds: bytes, time: datetime) -> None:
    assert moment(seconds) == time


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_tokens_are_the_same_however_they_come(size: int) -> None:
    text = b"ab\0\0cd\0e"

    cut = [text[start : start + size] for start in range(0, len(text), size)]

    assert list(tokens(cut)) == [b"ab", b"", b"cd", b"e"]


def test_only_what_is_new_is_to_be_read(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "a"})
    git(clone, "tag", "v1")
    reader = open_git(clone)
    cursor = find_tips(reader).cursor([])
    commit_files(clone, {"a.md": "b"}, "second")
    git(clone, "tag", "-m", "release", "v2")

    tips = find_tips(reader, cursor)

    assert commit_count(reader, tips) == 1
    assert b"".join(print_main_line(reader, tips)).split() == [tips.head.encode()]
    assert (tips.is_head_new, tips.are_tags_new) == (True, True)
    assert len(tips.tags) == 2


def test_nothing_new_is_seen_without_reading(clone: Path) -> None:
    reader = open_git(clone)

    tips = find_tips(reader, find_tips(reader).cursor([]))

    assert (tips.is_head_new, tips.are_tags_new) == (False, False)


def test_a_tag_that_is_gone_is_not_missed(clone: Path) -> None:
    reader = open_git(clone)

    tips = find_tips(reader, find_tips(reader).cursor(["1" * 40]))

    assert tips.known == (tips.head, "1" * 40)
    assert list(read_history(reader, [tips.head], tips.known)) == []


def test_a_history_that_was_rewritten_is_found_out(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "a"})
    reader = open_git(clone)
    known = find_tips(reader).cursor([])
    git(clone, "commit", "--amend", "--quiet", "-m", "other")

    with pytest.raises(HistoryRewritten, match="history was rewritten") as caught:
        find_tips(reader, known)

    assert caught.value.known == known.split()[0]


def test_a_commit_that_never_was_is_found_out_as_well(clone: Path) -> None:
    with pytest.raises(HistoryRewritten):
        find_tips(open_git(clone), "1" * 40)


@pytest.mark.parametrize("since", ["HEAD", "abc", "--all", "1" * 39, "", "tags-" + "0" * 16])
def test_what_is_no_cursor_is_refused(clone: Path, since: str) -> None:
    with pytest.raises(ValueError, match="give the cursor of a reading"):
        find_tips(open_git(clone), since)


def test_a_repository_without_commits_is_empty(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")

    with pytest.raises(EmptyRepository, match="it has no commits yet"):
        find_tips(open_git(tmp_path))


def test_a_head_without_commits_names_the_other_branches(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "a"})
    git(clone, "symbolic-ref", "HEAD", "refs/heads/gone")

    with pytest.raises(EmptyRepository, match="'gone', which has no commits; there are main"):
        find_tips(open_git(clone))


def test_a_head_whose_commit_is_missing_is_damage(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "a"})
    head = git(clone, "rev-parse", "HEAD").decode().strip()
    lose(clone, "HEAD")

    with pytest.raises(CloneDamaged, match=f"the commit {head[:12]} of its HEAD cannot be read"):
        find_tips(open_git(clone))


@pytest.mark.parametrize(
    "printed",
    [
        r"what\0",
        r"\002id\0parents\0",
        r"\0021\0\0n\0e\0001\0n\0e\0001\0text\0:1 2 3 4 M\0",
    ],
)
def test_what_git_never_prints_is_damage(tmp_path: Path, printed: str) -> None:
    fake = tmp_path / "fake"
    fake.write_text(f"#!/bin/sh\nprintf '{printed}'\n", encoding="utf-8")
    fake.chmod(0o700)

    with pytest.raises(CloneDamaged, match="what it never prints"):
        list(read_history(Git(tmp_path, str(fake)), ["1" * 40]))
