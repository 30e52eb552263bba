from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path

import pytest
from tests.importers.make_clone import commit_files, git

from project_architect_db.importers import CloneReading, DocumentVersion, Notice, read_clone
from project_architect_db.importers.documents import (
    MAX_DOCUMENT,
    decoded,
    doc_type,
    is_document,
)

pytestmark = [pytest.mark.integration, pytest.mark.sampled(5)]

NewClone = Callable[[dict[str, bytes | str]], Path]


@pytest.fixture(scope="module")
def versions(reading: CloneReading) -> dict[str, list[DocumentVersion]]:
    return by_document(reading.documents())


def by_document(found: Iterable[DocumentVersion]) -> dict[str, list[DocumentVersion]]:
    return {key: list(each) for key, each in groupby(found, lambda each: each.document.path)}


def contents(folder: Path) -> dict[str, list[str]]:
    found = by_document(read_clone(folder).documents())
    return {path: [each.content for each in each_one] for path, each_one in found.items()}


def test_the_documents_are_those_at_head(
    clone: Path, versions: dict[str, list[DocumentVersion]]
) -> None:
    listed = git(clone, "ls-tree", "-r", "--name-only", "-z", "HEAD").split(b"\0")
    wanted = {each.decode(errors="replace") for each in listed if each.endswith((b".md", b".txt"))}

    # A link, one that is binary and one that is huge.
    assert wanted - set(versions) == {"docs/latest.md", "docs/broken.txt", "docs/huge.md"}
    assert set(versions) <= wanted


def test_the_last_version_is_what_head_holds(
    clone: Path, versions: dict[str, list[DocumentVersion]]
) -> None:
    listed = git(clone, "ls-tree", "-r", "-z", "HEAD").decode(errors="replace").split("\0")
    blobs = {line.partition("\t")[2]: line.split()[2] for line in listed if line}

    assert {path: each[-1].blob for path, each in versions.items()} == {
        path: blobs[path] for path in versions
    }


@pytest.mark.slow
def test_versions_are_the_commits_that_git_finds(
    clone: Path, versions: dict[str, list[DocumentVersion]]
) -> None:
    plain = {path: each for path, each in versions.items() if not each[0].document.former_paths}

    counts = {path: len(each) for path, each in plain.items()}

    assert counts == {path: len(changes(clone, path.replace("\ufffd", "*"))) for path in plain}


def changes(clone: Path, path: str) -> list[bytes]:
    """Return the contents that commits gave to a path, and merges that no parent has."""
    options = ("log", "--full-history", "--format=%H", "HEAD")
    single = git(clone, *options, "--no-merges", "--", path).split()
    merged = git(clone, *options, "--merges", "-c", "--raw", "--", path).splitlines()
    return [*single, *(line for line in merged if line.startswith(b"::"))]


def test_a_document_is_followed_across_its_renames(
    clone: Path, versions: dict[str, list[DocumentVersion]]
) -> None:
    moved = {path: each for path, each in versions.items() if each[0].document.former_paths}

    assert moved
    for path, each in moved.items():
        followed = git(clone, "log", "--follow", "--no-merges", "--format=%H", "--", path)
        assert [version.commit for version in each] == followed.decode().split()[::-1]
        assert each[0].path == each[0].document.former_paths[-1]


def test_a_version_says_who_made_it(
    clone: Path, versions: dict[str, list[DocumentVersion]]
) -> None:
    last = versions["docs/p1.md"][-1]

    said = git(clone, "log", "-1", "--format=%aN%n%aE%n%ct%n%s", last.commit).decode().splitlines()

    time = f"{last.changed_at.timestamp():.0f}"
    assert [last.author, last.email, time, last.subject] == said


def test_what_is_left_out_is_named_once(
    reading: CloneReading, versions: dict[str, list[DocumentVersion]]
) -> None:
    named = {(notice.kind, notice.name): notice for notice in reading.notices}

    assert f"more than {MAX_DOCUMENT} bytes" in named["too large", "docs/huge.md"].text
    assert "it is binary (first at " in named["binary", "docs/broken.txt"].text
    assert ("symlink", "docs/latest.md") in named


def test_a_conflict_that_a_merge_resolved_is_a_version(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "base\n"})
    conflict(clone)
    commit_files(clone, {"a.md": "both\n"}, "Merge branch 'topic'")

    assert contents(clone) == {"a.md": ["base\n", "theirs\n", "ours\n", "both\n"]}


def test_a_branch_that_was_left_out_does_not_have_the_last_word(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "base\n"})
    conflict(clone)
    commit_files(clone, {"a.md": "theirs\n"}, "Merge branch 'topic'")

    assert contents(clone)["a.md"] == ["base\n", "theirs\n", "ours\n", "theirs\n"]


def conflict(clone: Path) -> None:
    """Leave a merge to be resolved, of two branches that changed ``a.md``."""
    git(clone, "switch", "--quiet", "-c", "topic")
    commit_files(clone, {"a.md": "theirs\n"}, "theirs")
    git(clone, "switch", "--quiet", "main")
    commit_files(clone, {"a.md": "ours\n"}, "ours")
    with pytest.raises(RuntimeError):
        git(clone, "merge", "--quiet", "topic")


@pytest.mark.slow
def test_a_document_that_comes_back_has_its_earlier_versions(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "one\n", "b.md": "b\n"})
    (clone / "a.md").unlink()
    commit_files(clone, {}, "remove")
    removed = read_clone(clone).removed_documents
    commit_files(clone, {"a.md": "two\n"}, "again")

    assert removed == ("a.md",)
    assert contents(clone) == {"a.md": ["one\n", "two\n"], "b.md": ["b\n"]}
    assert read_clone(clone).removed_documents == ()


def test_a_renamed_document_has_none_of_what_came_under_its_old_name_later(
    new_clone: NewClone,
) -> None:
    clone = new_clone({"a.md": "one\ntwo\n"})
    (clone / "a.md").rename(clone / "b.md")
    commit_files(clone, {}, "rename")
    commit_files(clone, {"a.md": "new\n"}, "again")

    assert contents(clone) == {"a.md": ["one\ntwo\n", "new\n"], "b.md": ["one\ntwo\n"] * 2}


def test_a_document_that_was_no_document_before_has_one_version(new_clone: NewClone) -> None:
    clone = new_clone({"notes": "a\nb\nc\n"})
    (clone / "notes").rename(clone / "notes.md")
    commit_files(clone, {}, "rename")

    (version, *others) = read_clone(clone).documents()

    assert (version.content, version.document.former_paths, others) == ("a\nb\nc\n", ("notes",), [])


def test_a_link_that_became_a_document_starts_there(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "a\n"})
    (clone / "b.md").symlink_to("a.md")
    commit_files(clone, {}, "link")
    (clone / "b.md").unlink()
    commit_files(clone, {"b.md": "b\n"}, "file")

    assert contents(clone)["b.md"] == ["b\n"]


def test_a_path_that_leads_out_is_no_document(new_clone: NewClone) -> None:
    clone = new_clone({"a.md": "a\n"})
    blob = git(clone, "rev-parse", "HEAD:a.md").decode().strip()
    inner = git(clone, "mktree", given=f"100644 blob {blob}\tb.md\n".encode()).decode().strip()
    entries = f"040000 tree {inner}\t..\n100644 blob {blob}\ta.md\n"
    tree = git(clone, "mktree", given=entries.encode()).decode().strip()
    head = git(clone, "commit-tree", tree, "-p", "HEAD", "-m", "out").decode().strip()
    git(clone, "update-ref", "HEAD", head)

    reading = read_clone(clone)

    assert [each.path for each in reading.documents()] == ["a.md"]
    assert Notice("outside", "../b.md", "its path leads out of the repository") in reading.notices


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"plain\n", "plain\n"),
        ("ü".encode(), "ü"),
        (b"\xef\xbb\xbfmark", "mark"),
        ("ü".encode("utf-16"), "ü"),
        (b"\xfe\xff" + "ü".encode("utf-16-be"), "ü"),
        (b"\xff\xfe\x00", "\ufffd"),
        (b"caf\xe9", "café"),
        (b"a" * 8000 + b"\0", "a" * 8000 + "\ufffd"),
        (b"a\0", None),
        (b"", ""),
    ],
)
def test_any_content_is_text_or_binary(content: bytes, text: str | None) -> None:
    assert decoded(content) == text


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("README", True),
        ("docs/Guide.MD", True),
        ("a.rst", True),
        ("notes.txt", True),
        ("LICENSE", True),
        ("CMakeLists.txt", False),
        ("requirements-dev.txt", False),
        ("dev-requirements.txt", False),
        ("node_modules/x/README.md", False),
        ("vendor/x/README.md", False),
        ("../README.md", False),
        ("main.py", False),
    ],
)
def test_a_document_is_known_by_its_path(path: str, expected: bool) -> None:  # noqa: FBT001
    assert is_document(path.encode()) is expected


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("README.md", "readme"),
        ("packages/a/readme.rst", "readme"),
        ("ARCHITECTURE.md", "architecture"),
        ("docs/adr/0001-use-duckdb.md", "architecture"),
        ("docs/design.md", "architecture"),
        ("docs/api/users.md", "api_spec"),
        ("openapi.md", "api_spec"),
        ("docs/deployment.md", "deployment"),
        ("INSTALL", "deployment"),
        ("docs/requirements.md", "requirements"),
        ("specs/login.md", "requirements"),
        ("CHANGELOG.md", "other"),
        ("docs/capital.md", "other"),
    ],
)
def test_the_type_of_a_document_is_known_by_its_path(path: str, kind: str) -> None:
    assert doc_type(path) == kind
