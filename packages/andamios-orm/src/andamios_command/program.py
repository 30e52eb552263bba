"""What the commands of a program have to know of it, told without importing what does the work.

Two programs share their commands: ``andamios-orm``, which works for any project, and one that
a library brings for its own tables. Both are a ``Program``.
"""

from __future__ import annotations

import importlib
import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import click

__all__ = ["Listed", "Program", "Task"]


class Task(Protocol):
    """What a command does, whichever program it is a command of."""

    def of(self, program: Program, name: str) -> click.Command:
        """Return it as the command ``name`` of ``program``."""
        ...


@dataclass(frozen=True, slots=True)
class Listed:
    """A command in the list of a program.

    ``module`` is imported when the command is run; its ``COMMANDS`` has the task, under
    ``task`` where that is not called as the command is. ``examples`` are those of its help,
    where those of the task would make no sense.
    """

    summary: str
    module: str
    task: str | None = None
    examples: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A command line: its name, its commands, and where it finds what they need."""

    name: str
    """What one types; the distribution is called so as well."""
    about: str
    """What its help says."""
    commands: Mapping[str, Mapping[str, Listed]]
    """Its commands by name, in groups, in the order of the help."""
    section: str
    """Its table below ``[tool]`` in pyproject.toml."""
    variables: Mapping[str, str]
    """The environment variables, by the settings that one may give."""
    defaults: Mapping[str, str | None]
    """What each setting is if nobody gives it; those without a variable are always that."""
    errors: Sequence[str] = ("andamios_orm.cli.remedies",)
    """The modules that say what to do about errors, as ``REMEDIES`` and ``ERRORS``."""
    manager: str | None = None
    """Where the class of its own migrations is, ``module:name``, for a library that has some."""
    prepare: str | None = None
    """Where the function is that makes a database usable, ``module:name``; see ``Context``."""
    findings: str | None = None
    """Where the function is that yields what else its doctor looks at, ``module:name``."""
    bare: str | None = None
    """The command that it is without any; None for the help."""
    listed: Mapping[str, Listed] = field(init=False, repr=False)
    """The commands by name, without their groups."""

    def __post_init__(self) -> None:
        """Find the commands by name."""
        found = {
            name: each for commands in self.commands.values() for name, each in commands.items()
        }
        object.__setattr__(self, "listed", found)

    def command(self, name: str) -> click.Command:
        """Return a command, which is imported."""
        listed = self.listed[name]
        task: Task = importlib.import_module(listed.module).COMMANDS[listed.task or name]
        return task.of(self, name)

    def worded(self, text: str) -> str:
        """Return a text of the libraries with the commands as this program calls them.

        >>> from andamios_command import PROGRAM
        >>> PROGRAM.worded("andamios-orm vacuum writes it anew")
        'andamios-orm vacuum writes it anew'
        """
        return re.sub(r"\bandamios-orm ([a-z][a-z-]*)", self._named, text)

    def _named(self, found: re.Match[str]) -> str:
        shared = {
            each.task or name: name
            for name, each in self.listed.items()
            if each.module.startswith("andamios_orm.")
        }
        name = shared.get(found[1])
        return found[0] if name is None else f"{self.name} {name}"

    def run(self, arguments: Sequence[str] | None = None) -> Any:
        """Run it with ``arguments``, else those of the process; it ends by ``SystemExit``."""
        try:
            import rich_click  # noqa: F401 - what its group is made with
        except ImportError:
            extra = f"{self.name}[cli]"
            sys.exit(f"{self.name}: the command needs an extra: pip install '{extra}'")
        from andamios_command.group import group_of

        given = sys.argv[1:] if arguments is None else list(arguments)
        return group_of(self).main(
            args=self._with_command(given),
            prog_name=self.name,
            complete_var=f"_{self.name.replace('-', '_').upper()}_COMPLETE",
        )

    def _with_command(self, arguments: list[str]) -> list[str]:
        """Return the arguments, beginning with the command that is meant by none."""
        first = arguments[0] if arguments else "-"
        if self.bare is None or not first.startswith("-") or first in _OF_ALL:
            return arguments
        return [self.bare, *arguments]


_OF_ALL = frozenset({"-h", "--help", "-V", "--version"})
"""The options of the program itself."""
