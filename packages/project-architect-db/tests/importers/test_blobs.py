from collections.abc import Callable
from pathlib import Path

import pytest
from tests.importers.make_clone import git, partial_clone

from project_architect_db.importers.blobs import Blob, Blobs
from project_architect_db.importers.plumbing import open_git

pytestmark = [pytest.mark.integration, pytest.mark.sampled(5)]

NewClone = Callable[[dict[str, bytes | str]], Path]
NOWHERE = "1" * 40


@pytest.fixture
def small(new_clone: NewClone) -> Path:
    return new_clone({"a.md": "a\n", "b.md": b"b" * 5000, "c.md": "c\0\n"})


def ids(folder: Path, *paths: str) -> list[str]:
    return git(folder, "rev-parse", *(f"HEAD:{path}" for path in paths)).decode().split()


def test_contents_come_in_the_order_they_were_asked_for(small: Path) -> None:
    a, c = ids(small, "a.md", "c.md")

    with Blobs(open_git(small)) as blobs:
        found = list(blobs.read_all([a, NOWHERE, c] * 150, 100))

    assert found == [Blob(2, b"a\n"), Blob(), Blob(3, b"c\0\n")] * 150


def test_what_is_too_large_is_measured_and_not_read(small: Path) -> None:
    a, b = ids(small, "a.md", "b.md")

    with Blobs(open_git(small)) as blobs:
        found = list(blobs.read_all([b, a, b, a], 4999))

    assert found == [Blob(5000), Blob(2, b"a\n")] * 2


def test_what_is_damaged_is_passed_over(small: Path) -> None:
    a, c = ids(small, "a.md", "c.md")
    file = small / ".git" / "objects" / a[:2] / a[2:]
    file.chmod(0o600)
    file.write_bytes(b"no zlib")

    with Blobs(open_git(small)) as blobs:
        found = list(blobs.read_all([a, c, a, c], 100))

    assert found == [Blob(), Blob(3, b"c\0\n")] * 2


def test_a_clone_that_lacks_most_is_not_asked_for_ever(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("project_architect_db.importers.blobs._PATIENT", 1)
    a, c = ids(small, "a.md", "c.md")
    partial = partial_clone(small, tmp_path / "partial")
    git(partial, "hash-object", "-w", "--stdin", given=b"c\0\n")

    with Blobs(open_git(partial)) as blobs:
        found = list(blobs.read_all([c, a, c, a, c], 100))

    there = Blob(3, b"c\0\n")
    assert found == [there, Blob(), there, Blob(), Blob()]


def test_answers_that_nobody_waited_for_are_forgotten(small: Path) -> None:
    a, c = ids(small, "a.md", "c.md")

    with Blobs(open_git(small)) as blobs:
        first = next(blobs.read_all([a, a, a], 100))
        second = blobs.read(c, 100)

    assert (first, second) == (Blob(2, b"a\n"), Blob(3, b"c\0\n"))
