from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from andamios_orm.testing.parallel import worker_folder, worker_id

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit


def test_a_worker_has_the_name_that_xdist_gives_it() -> None:
    assert worker_id({"PYTEST_XDIST_WORKER": "gw3"}) == "gw3"
    assert worker_id({}) == "main"


def test_each_worker_has_a_folder(tmp_path: Path) -> None:
    first, second = worker_folder(tmp_path, "gw0"), worker_folder(tmp_path, "gw1")

    assert first.is_dir()
    assert second.is_dir()
    assert worker_folder(tmp_path, "gw0") == first != second
    assert worker_folder(tmp_path).name == worker_id()
