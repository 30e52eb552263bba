"""The commands for development: each runs one program, and says which."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import rich_click as click

if TYPE_CHECKING:
    from andamios_command.program import Program

__all__ = ["COMMANDS", "program"]

_MODULES: Final[dict[str, tuple[str, ...]]] = {
    "setup-dev": ("pip", "install", "--editable", "."),
    "db-start": ("andamios_orm.testing.serving",),
    "test": ("pytest",),
    "test-parallel": ("pytest", "-n", "auto"),
    "coverage": ("coverage", "report"),
    "lint": ("ruff", "check", "."),
    "typecheck": ("mypy", "."),
    "format": ("ruff", "format", "--check", "."),
    "benchmark": ("pytest", "--benchmark-only"),
}
"""What each runs as a module of Python, unless the project's Makefile has its target."""

_TARGETS: Final = {
    "setup-dev": "setup",
    "test-parallel": "test",
    "typecheck": "types",
    "benchmark": "bench",
}
"""The targets that are called otherwise in this repository."""


def program(name: str, folder: Path) -> list[str]:
    """Return what a command runs in ``folder``: the make target of its name, else a module."""
    makefile = folder / "Makefile"
    if makefile.is_file():
        targets = set(re.findall(r"^([a-z][\w-]*):", makefile.read_text("utf-8"), re.MULTILINE))
        for target in (name, _TARGETS.get(name, name)):
            if target in targets:
                return ["make", target]
    return [sys.executable, "-m", *_MODULES[name]]


class _Runs:
    """A task that runs a program; ``key`` is what it is called here."""

    def __init__(self, key: str) -> None:
        self._key = key

    def of(self, whose: Program, name: str) -> click.Command:
        """Return it as the command ``name`` of a program."""

        @click.command(name, context_settings={"ignore_unknown_options": True})
        @click.option("--dry-run", is_flag=True, help="Say what would be run.")
        @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
        def run_it(arguments: tuple[str, ...], *, dry_run: bool) -> None:
            found = [*program(self._key, Path.cwd()), *arguments]
            click.echo(f"{whose.name}: {shlex.join(found)}", err=True)
            if not dry_run:
                sys.exit(subprocess.run(found, check=False).returncode)

        default = shlex.join(_MODULES[self._key])
        run_it.help = (
            f"Run the make target of this project that is called so, else python -m {default}.\n\n"
            f"\b\nExamples:\n  {whose.name} {name} --dry-run\n"
        )
        return run_it


COMMANDS: Final = {name: _Runs(name) for name in _MODULES}
