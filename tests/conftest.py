"""The packages as a user gets them: built, and installed into an empty environment."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PACKAGES = ("andamios-orm", "axai-pg", "project-architect-db")
UV = str(Path(sys.executable).with_name("uv"))

Run = Callable[..., str]


@pytest.fixture(params=PACKAGES)
def package(request: pytest.FixtureRequest) -> str:
    """Return the name of each package in its turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def run() -> Run:
    """Return a function that returns what a command prints, and fails with all of it."""

    def run(*command: str, cwd: Path) -> str:
        finished = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
        assert finished.returncode == 0, finished.stdout + finished.stderr
        return finished.stdout

    return run


@pytest.fixture(scope="session")
def wheels(run: Run, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel of every package, built from its sdist."""
    folder = tmp_path_factory.mktemp("wheels")
    for name in PACKAGES:
        run(
            *(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder)),
            str(root / "packages" / name),
            cwd=folder,
        )
    return folder


@pytest.fixture(scope="session")
def constraints(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file that pins what the lock pins, without the hashes of our own wheels."""
    lock = (root / "requirements.lock").read_text(encoding="utf-8")
    pins = re.findall(r"^[a-z0-9][^\s;\\]*(?: ; [^\\\n]*)?", lock, re.MULTILINE)
    path = tmp_path_factory.mktemp("lock") / "constraints.txt"
    path.write_text("\n".join(pins) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def install(run: Run, wheels: Path, constraints: Path, tmp_path: Path) -> Run:
    """Return a function that installs what it is told and returns that environment's Python."""
    environment = tmp_path / "environment"

    def install(*wanted: str) -> str:
        run(UV, "venv", "--quiet", "--python", sys.executable, str(environment), cwd=tmp_path)
        python = str(environment / "bin" / "python")
        run(
            *(UV, "pip", "install", "--quiet", "--python", python, "--find-links", str(wheels)),
            *("--constraints", str(constraints), *wanted),
            cwd=tmp_path,
        )
        return python

    return install


@pytest.fixture
def install_wheel(wheels: Path, install: Run) -> Run:
    """Return a function that installs the wheel of a package alone and returns the Python."""

    def install_wheel(name: str) -> str:
        (wheel,) = wheels.glob(f"{name.replace('-', '_')}-*.whl")
        return install(str(wheel))

    return install_wheel
