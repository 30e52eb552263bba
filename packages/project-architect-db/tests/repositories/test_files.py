"""Files below one folder, which neither a name nor a link leads out of."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from andamios_orm.exceptions import ValueRefused
from project_architect_db.exceptions import FileRefused
from project_architect_db.repositories import files
from project_architect_db.repositories.files import Root

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.unit, pytest.mark.sampled(3)]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Return a folder beside the root with a secret in it."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text("secret", encoding="utf-8")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    return root


def test_what_was_written_is_read(folder: Path) -> None:
    root = Root(folder)

    assert root.write("a/b/c.md", "año") == 4
    assert root.write("a/b/c.md", "uno") == 3

    assert root.read("a/b/c.md") == "uno"
    assert [path.name for path in (folder / "a" / "b").iterdir()] == ["c.md"]


@pytest.mark.parametrize("path", ["../outside/secret", "/etc/passwd", "a/../../outside/secret"])
def test_a_name_does_not_lead_out(folder: Path, outside: Path, path: str) -> None:
    with pytest.raises(ValueRefused):
        Root(folder).read(path)
    with pytest.raises(ValueRefused):
        Root(folder).write(path, "mine")

    assert (outside / "secret").read_text(encoding="utf-8") == "secret"


def test_a_link_to_a_file_does_not_lead_out(folder: Path, outside: Path) -> None:
    (folder / "link").symlink_to(outside / "secret")

    with pytest.raises(FileRefused, match="'link' of a document: a link on its way"):
        Root(folder).read("link")
    Root(folder).write("link", "mine")

    assert (outside / "secret").read_text(encoding="utf-8") == "secret"
    assert not (folder / "link").is_symlink()


def test_a_link_to_a_folder_does_not_lead_out(folder: Path, outside: Path) -> None:
    (folder / "way").symlink_to(outside, target_is_directory=True)

    with pytest.raises(FileRefused, match="a link on its way is not followed"):
        Root(folder).read("way/secret")
    with pytest.raises(FileRefused):
        Root(folder).write("way/secret", "mine")

    assert (outside / "secret").read_text(encoding="utf-8") == "secret"


def test_what_is_missing_is_named(folder: Path) -> None:
    with pytest.raises(FileRefused, match=r"'docs/a\.md' of a document: no such file") as missing:
        Root(folder).read("docs/a.md")
    with pytest.raises(FileRefused):
        Root(folder / "nowhere").write("a.md", "")

    assert (missing.value.path, missing.value.reason[:7]) == ("docs/a.md", "no such")


def test_what_is_no_text_file_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGEST", 10)
    (folder / "bytes").write_bytes(b"\xff\xfe")
    (folder / "large").write_bytes(b"x" * 11)
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()
    (folder / "file").touch()

    for name, reason in (
        ("bytes", "no text in UTF-8"),
        ("large", "more than 10 bytes"),
        ("pipe", "no ordinary file"),
        ("folder", "ordinary file|directory"),
        ("file/a.md", "not a directory"),
    ):
        with pytest.raises(FileRefused, match=reason):
            Root(folder).read(name)


def test_a_file_that_cannot_be_written_leaves_the_old_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Root(folder)
    root.write("a.md", "old")

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileRefused, match="no space left"):
        root.write("a.md", "new")

    assert root.read("a.md") == "old"
    assert [path.name for path in folder.iterdir()] == ["a.md"]
