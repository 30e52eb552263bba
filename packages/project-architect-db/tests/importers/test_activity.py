from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.importers.make_clone import commit_files, git

from project_architect_db.importers import Activity, CloneReading
from project_architect_db.importers.activity import (
    read_branches,
    read_releases,
    read_remotes,
    web_address,
    without_credentials,
)
from project_architect_db.importers.plumbing import open_git

pytestmark = [pytest.mark.integration, pytest.mark.sampled(5)]

NewClone = Callable[[dict[str, bytes | str]], Path]


@pytest.fixture(scope="module")
def activity(reading: CloneReading) -> Activity:
    return reading.activity


def test_contributors_are_those_that_git_names(clone: Path, activity: Activity) -> None:
    said = git(clone, "log", "--format=%aE", "HEAD", "--tags").decode().lower().split()

    assert {each.email: each.commits for each in activity.contributors} == Counter(said)
    counts = [each.commits for each in activity.contributors]
    assert counts == sorted(counts, reverse=True)


def test_two_addresses_of_one_person_are_joined_by_the_mailmap(activity: Activity) -> None:
    ada = next(each for each in activity.contributors if each.email == "ada@example.org")

    assert ada.name == "Ada Example"
    assert ada.first_at < ada.last_at
    assert not any(each.email == "ada@home.example" for each in activity.contributors)


def test_days_are_those_of_git(clone: Path, activity: Activity) -> None:
    form = ("--date=format-local:%Y-%m-%d", "--format=%ad %aE")
    said = [
        line.split() for line in git(clone, "log", *form, "HEAD", "--tags").decode().splitlines()
    ]

    assert {str(each.day): each.commits for each in activity.days} == Counter(d for d, _ in said)
    assert {(str(each.day), author) for each in activity.days for author in each.authors} == {
        (day, author.lower()) for day, author in said
    }
    assert list(activity.days) == sorted(activity.days, key=lambda each: each.day)


def test_lines_are_counted_once_by_day_and_once_by_author(activity: Activity) -> None:
    days = [(each.added, each.removed) for each in activity.days]
    authors = [(each.added, each.removed) for each in activity.contributors]

    assert [sum(each) for each in zip(*days, strict=True)] == [
        sum(each) for each in zip(*authors, strict=True)
    ]


def test_releases_are_the_tags(clone: Path) -> None:
    releases, notices = read_releases(open_git(clone))

    assert [each.name for each in releases] == ["v1.0", "v2.0", "side-1"]
    assert [each.is_version for each in releases] == [True, True, False]
    assert releases[0].commit == git(clone, "rev-parse", "v1.0^{commit}").decode().strip()
    assert (releases[0].tagger, releases[0].message) == ("Ada", "Release")
    assert releases[0].released_at.tzinfo is UTC
    assert notices == []


def test_a_plain_tag_is_a_release_without_a_message(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "a"})
    git(clone, "tag", "v1")

    ((release,), notices) = read_releases(open_git(clone))

    assert (release.name, release.message, release.tagger) == ("v1", "", "")
    assert abs((datetime.now(UTC) - release.released_at).total_seconds()) < 3600
    assert notices == []


def test_a_tag_of_a_tag_is_followed_and_one_of_a_file_is_named(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "a"})
    git(clone, "tag", "-m", "first", "v1")
    git(clone, "-c", "advice.nestedTag=false", "tag", "-m", "again", "v1-again", "v1")
    git(clone, "tag", "content", "HEAD:a.md")

    releases, notices = read_releases(open_git(clone))

    head = git(clone, "rev-parse", "HEAD").decode().strip()
    assert {each.name: each.commit for each in releases} == {"v1": head, "v1-again": head}
    assert [str(notice) for notice in notices] == ["content: this tag leads to no commit"]


@pytest.mark.parametrize("name", ["v1.2", "1.2.3-rc1", "release-2.0", "package/v1.0.1", "V2_1"])
def test_the_name_of_a_version_is_known(new_clone: NewClone, name: str) -> None:
    clone = new_clone({"a.md": "a"})
    git(clone, "tag", name)

    ((release,), _) = read_releases(open_git(clone))

    assert release.is_version


def test_branches_are_those_of_the_clone_and_of_its_remotes(
    new_clone: NewClone, tmp_path: Path
) -> None:
    source = new_clone({"a.md": "a"})
    git(source, "branch", "topic/one")
    git(source, "clone", "--quiet", str(source), str(tmp_path / "copy"))
    commit_files(source, {"a.md": "b"}, "two")

    branches = read_branches(open_git(tmp_path / "copy"))

    assert [(each.name, each.is_head, each.is_remote) for each in branches] == [
        ("main", True, False),
        ("origin/main", False, True),
        ("origin/topic/one", False, True),
    ]
    assert branches[0].changed_at.tzinfo is UTC


def test_remotes_come_without_credentials(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "a"})
    git(clone, "remote", "add", "origin", "https://me:secret@github.com/some/thing.git")
    git(clone, "config", "--add", "remote.origin.url", "https://other.example/x")
    git(clone, "remote", "add", "my.fork", "git@gitlab.com:me/thing.git")

    remotes = read_remotes(open_git(clone))

    assert [(each.name, each.url, each.web) for each in remotes] == [
        ("origin", "https://github.com/some/thing.git", "https://github.com/some/thing"),
        ("my.fork", "git@gitlab.com:me/thing.git", "https://gitlab.com/me/thing"),
    ]


def test_a_clone_of_nothing_has_no_remotes(new_clone: NewClone) -> None:
    assert read_remotes(open_git(new_clone({"a.md": "a"}))) == ()


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://token@github.com/a/b", "https://github.com/a/b"),
        ("https://u:p%40x@github.com:8443/a/b.git#x", "https://github.com:8443/a/b.git"),
        ("https://github.com?access_token=x", "https://github.com"),
        ("https://github.com/@scope/b", "https://github.com/@scope/b"),
        ("https://u:p@ss@github.com/a", "https://github.com/a"),
        ("https://u:p/w@github.com/a", "https://github.com/a"),
        ("ssh://git@host/a", "ssh://git@host/a"),
        ("SSH://git:x@host/a", "SSH://git@host/a"),
        ("git@host:a/b.git", "git@host:a/b.git"),
        ("../other", "../other"),
    ],
)
def test_an_address_is_told_without_its_credentials(url: str, clean: str) -> None:
    assert without_credentials(url) == clean


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("ssh://git@github.com:22/a/b.git", "https://github.com/a/b"),
        ("git@codeberg.org:a/b.git", "https://codeberg.org/a/b"),
        ("https://gitlab.example.org/a/b/c.git/", "https://gitlab.example.org/a/b/c"),
        ("https://host.example/a/b", None),
        ("https://[half/a", None),
        ("../other", None),
        ("C:\\clones\\a", None),
    ],
)
def test_the_page_of_a_repository_is_known_on_well_known_hosts(url: str, page: str | None) -> None:
    assert web_address(url) == page
