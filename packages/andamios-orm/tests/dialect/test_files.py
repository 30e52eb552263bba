"""Files of a database: how they are known, and what they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from andamios_orm.dialect.files import complete_file, has_log, identity_of, own_files

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit


def test_a_file_is_known_by_its_inode(tmp_path: Path) -> None:
    path = tmp_path / "file.duckdb"
    path.touch()
    link = path.with_name("link")
    link.hardlink_to(path)

    assert identity_of(path) == identity_of(link) is not None
    assert identity_of(path.with_name("missing")) is None
    assert identity_of(None) is None


def test_a_log_is_something_to_replay_only_if_it_holds_anything(tmp_path: Path) -> None:
    path, log = tmp_path / "file.duckdb", tmp_path / "file.duckdb.wal"

    assert not has_log(None)
    assert not has_log(path)
    log.touch()
    assert not has_log(path)
    log.write_bytes(b"1")
    assert has_log(path)


def test_no_statement_may_reach_the_log_or_the_journal(tmp_path: Path) -> None:
    assert own_files(tmp_path / "File.duckdb") == (
        "file.duckdb",
        "file.duckdb.wal",
        "file.duckdb.journal",
    )
    assert own_files(None) == ()


def test_a_file_takes_its_place_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    with complete_file(path) as file:
        file.write(b"new")
        before = path.read_text()

    assert (before, path.read_text()) == ("old", "new")
    assert list(tmp_path.iterdir()) == [path]


def test_nobody_else_may_read_a_file_that_is_private(tmp_path: Path) -> None:
    path = tmp_path / "archive"

    with complete_file(path, mode=0o600) as file:
        [partial] = tmp_path.iterdir()
        before = partial.stat().st_mode
        file.write(b"new")

    assert (before & 0o777, path.stat().st_mode & 0o777) == (0o600, 0o600)


def test_a_file_that_is_not_completed_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    with pytest.raises(OSError, match="the disk is full"), complete_file(path) as file:
        file.write(b"half")
        raise OSError("the disk is full")

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
