"""Plans to change, and Sqitch itself where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MISSING = "sqitch is not installed: apt-get install sqitch libdbd-pg-perl postgresql-client"


@pytest.fixture
def folder(tmp_path: Path, scripts: Path) -> Path:
    """Return a copy of the plan and its scripts, to change."""
    copy = tmp_path / "changes"
    copy.mkdir()
    for name in ("deploy", "revert", "verify"):
        shutil.copytree(scripts / name, copy / name)
    for name in ("sqitch.plan", "sqitch.conf"):
        shutil.copyfile(scripts / name, copy / name)
    return copy


@pytest.fixture
def sqitch(tmp_path: Path, scripts: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return ``sqitch(url, "deploy", ..., folder=…)``, which runs the program."""
    program = shutil.which("sqitch")
    if program is None or shutil.which("psql") is None:
        pytest.skip(MISSING)

    def run(url: str, *arguments: str, folder: Path = scripts) -> subprocess.CompletedProcess[str]:
        place = make_url(url).set(drivername="pg").render_as_string(hide_password=False)
        command, *options = arguments
        return subprocess.run(
            [program, command, f"db:{place}", *options],
            cwd=folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "LC_ALL": "C.UTF-8",
                "SQITCH_FULLNAME": "a tester",
                "SQITCH_EMAIL": "tester@example.org",
            },
            capture_output=True,
            text=True,
            check=False,
        )

    return run
