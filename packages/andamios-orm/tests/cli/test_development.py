"""The commands for development."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from andamios_command import COMMANDS
from andamios_orm.cli import development
from andamios_orm.testing import serving

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.e2e, pytest.mark.sampled(5)]

Call: TypeAlias = "Callable[..., Any]"
ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize("name", COMMANDS["Development"])
def test_a_command_says_what_it_would_run(call: Call, project: str, name: str) -> None:
    done = call(name, "--dry-run", "-x")

    module = " ".join(development._MODULES[name])
    assert (done.code, done.err) == (0, f"andamios-orm: {sys.executable} -m {module} -x\n")


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("setup-dev", "setup"),
        ("test", "test"),
        ("test-parallel", "test"),
        ("coverage", "coverage"),
        ("lint", "lint"),
        ("typecheck", "types"),
        ("format", "format"),
        ("benchmark", "bench"),
    ],
)
def test_in_this_repository_it_is_the_make_target(name: str, target: str) -> None:
    assert development.program(name, ROOT) == ["make", target]


def test_a_makefile_without_the_target_is_passed_over(project: str) -> None:
    Path("Makefile").write_text("other:\n\ttrue\n")

    assert development.program("lint", Path.cwd())[1:] == ["-m", "ruff", "check", "."]


def test_the_exit_code_is_that_of_the_program(call: Call, project: str) -> None:
    Path("Makefile").write_text("lint:\n\t@exit 3\n")

    assert call("lint").code == 2  # what make says of it


@pytest.mark.slow
@pytest.mark.db
def test_the_server_of_the_tests_runs_until_it_is_stopped() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", serving.__name__],
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        url = server.stdout.readline()
        server.send_signal(signal.SIGINT)

    assert url.startswith("postgresql")
    assert server.returncode == 0
