"""What the tests of the importers share: a made clone, and ways to make small ones."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


def _share(name: str) -> None:
    """Make a module of this folder importable by the name that type checkers know it by."""
    full = f"tests.importers.{name}"
    spec = importlib.util.spec_from_file_location(full, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[full] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


_share("make_clone")
_share("github_payloads")

from tests.importers.make_clone import (  # noqa: E402 - shared just before
    commit_files,
    git,
    make_clone,
)

from project_architect_db.importers import CloneReading, read_clone  # noqa: E402

NewClone = Callable[..., Path]


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the made clone. It is only read: a test that changes one makes its own."""
    return make_clone(tmp_path_factory.mktemp("made") / "clone", commits=230)


@pytest.fixture(scope="session")
def reading(clone: Path) -> CloneReading:
    """Return the made clone as it is read, with nothing iterated by the test itself."""
    return read_clone(clone)


@pytest.fixture
def new_clone(tmp_path: Path) -> NewClone:
    """Return a function that makes a clone with one commit of the given files."""

    def make(files: dict[str, bytes | str], *, name: str = "fresh") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        git(folder, "init", "--quiet", "--template=", "-b", "main")
        commit_files(folder, files, "Initial commit")
        return folder

    return make
