from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from project_architect_db.cli.files import complete_file

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit


def test_a_file_takes_its_place_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    with complete_file(path) as file:
        file.write(b"new")
        before = path.read_text()

    assert (before, path.read_text()) == ("old", "new")
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_not_completed_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    with pytest.raises(OSError, match="the disk is full"), complete_file(path) as file:
        file.write(b"half")
        raise OSError("the disk is full")

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
