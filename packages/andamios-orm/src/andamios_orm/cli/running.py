"""What the commands share: options, results for people and programs, errors, exit codes."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import os
import sys
import traceback
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import rich_click as click
from sqlalchemy.exc import SQLAlchemyError

from andamios_orm.cli.project import Project, imported
from andamios_orm.core.lines import one_line, printable
from andamios_orm.exceptions import (
    AndamiosError,
    BackupFailed,
    ConfigurationError,
    ConstraintViolation,
    DatabaseCorrupt,
    DatabaseUnavailable,
    QueryRefused,
    RevisionsPending,
)
from andamios_orm.runner import run

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Callable,
        Coroutine,
        Iterable,
        Iterator,
        Mapping,
        Sequence,
    )

    from andamios_command.program import Program
    from andamios_orm.core import Database
    from andamios_orm.core.observe import StatementRecord

__all__ = ["AsyncTask", "Context", "TaskGroup", "command", "exit_code"]

FAILED, USAGE, DIFFERS, UNREACHABLE, UNSOUND, INTERRUPTED = 1, 2, 3, 4, 5, 130
_CODES: Final[tuple[tuple[type[BaseException], int], ...]] = (
    (ConfigurationError, USAGE),
    (QueryRefused, USAGE),
    (DatabaseCorrupt, UNSOUND),
    (DatabaseUnavailable, UNREACHABLE),
    (ConstraintViolation, UNSOUND),
    (BackupFailed, UNSOUND),
    (RevisionsPending, DIFFERS),
)


@dataclass(frozen=True, slots=True)
class Context:
    """What a command was called with."""

    project: Project
    as_json: bool
    quiet: bool
    yes: bool = False

    @property
    def program(self) -> Program:
        """The program that the command is one of."""
        return self.project.program

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """Yield the database; a program with tables of its own makes it if it is not there yet.

        Its ``prepare`` is called with this context and the database.
        """
        async with self.project.database() as database:
            if self.program.prepare is not None:
                await imported(self.program.prepare)(self, database)
            yield database

    def say(self, message: str) -> None:
        """Tell a person something; programs read the standard output."""
        if not self.quiet:
            click.echo(printable(message), err=True)

    def show(self, name: str, rows: Sequence[Mapping[str, Any]], text: Iterable[str]) -> None:
        """Print the result: rows for a program, lines of text for a person."""
        if self.as_json:
            click.echo(json.dumps({"schema_version": 1, name: rows}, indent=2, default=str))
        else:
            for line in text:
                click.echo(printable(line))

    @property
    def shows_progress(self) -> bool:
        """Whether a person sees how far something has come."""
        return not self.quiet and sys.stderr.isatty()

    @contextmanager
    def progress(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """Show a person how far ``what`` has come: yield what is called with done and total.

        It may be called on another thread.
        """
        if not self.shows_progress:
            yield lambda _done, _total: None
            return
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(escape(one_line(what)), total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)

    def confirm(self, loss: str) -> None:
        """Go on only if a person says so, or ``--yes`` was given.

        Raises:
            click.UsageError: nobody can be asked.
        """
        if self.yes:
            return
        if not sys.stdin.isatty():
            raise click.UsageError(f"{loss}; to do that without being asked, pass --yes")
        click.confirm(f"{loss}. Go on?", abort=True, err=True)


Work: TypeAlias = "Callable[..., Coroutine[Any, Any, int | None]]"


@dataclass(frozen=True, slots=True)
class AsyncTask:
    """A coroutine function that programs have as a command; see ``command``."""

    function: Work
    examples: tuple[str, ...]
    destructive: bool = False
    watched: bool = True

    @property
    def name(self) -> str:
        """Its name, unless a program calls it otherwise."""
        return self.function.__name__.removesuffix("_command").replace("_", "-")

    def of(self, program: Program, name: str, *, parent: str = "") -> click.Command:
        """Return it as the command ``name`` of ``program``, below ``parent`` if it is below one."""

        @functools.wraps(self.function)
        def run_it(
            *,
            debug: bool,
            **given: Any,
        ) -> None:
            called = _Called.of(program, given)
            sys.exit(_outcome(program, lambda: called.run(self.function), debug=debug))

        # Options are added to the list that is found there, which is that of all programs.
        parameters = list(getattr(self.function, "__click_params__", []))
        run_it.__click_params__ = parameters  # type: ignore[attr-defined]  # click's own
        run_it.__doc__ = "\n\n".join([self._about, self._examples(program, name, parent)])
        wrapped: Any = run_it
        own = [*([_VERBOSE] if self.watched else []), *([_YES] if self.destructive else [])]
        for option in reversed([*_options(program), *own]):
            wrapped = option(wrapped)
        made: click.Command = click.command(name)(wrapped)
        return made

    @property
    def _about(self) -> str:
        # Python before 3.13 leaves the indentation in.
        return inspect.cleandoc(self.function.__doc__ or "")

    def _examples(self, program: Program, name: str, parent: str) -> str:
        given = None if parent else program.listed[name].examples
        examples = given or [name + each.removeprefix(self.name) for each in self.examples]
        begin = f"{program.name} {parent}".rstrip()
        return "\b\nExamples:\n" + "".join(f"  {begin} {each}\n" for each in examples)


@dataclass(frozen=True, slots=True)
class TaskGroup:
    """Several tasks as the commands below one."""

    about: str
    tasks: Mapping[str, AsyncTask]

    def of(self, program: Program, name: str) -> click.Command:
        """Return it as the command ``name`` of ``program``."""
        commands = {key: each.of(program, key, parent=name) for key, each in self.tasks.items()}
        return click.RichGroup(name=name, commands=commands, help=self.about)


@dataclass(frozen=True, slots=True)
class _Called:
    """What a command was called with."""

    program: Program
    flags: Mapping[str, str | None]
    environment: str | None
    verbose: bool
    how: Mapping[str, bool]
    given: Mapping[str, Any]

    @classmethod
    def of(cls, program: Program, given: dict[str, Any]) -> _Called:
        """Take the options that all commands have out of ``given``."""
        flags = {name: given.pop(name) for name in program.variables}
        how = {name: given.pop(name, False) for name in ("as_json", "quiet", "yes")}
        return cls(program, flags, given.pop("env"), given.pop("verbose", False), how, given)

    async def run(self, function: Work) -> int | None:
        """Return what ``function`` returns."""
        project = Project.load(self.flags, program=self.program, environment=self.environment)
        if self.verbose:
            project = replace(project, watch=_tell)
        return await function(Context(project, **self.how), **self.given)


def command(
    *, examples: Sequence[str], destructive: bool = False, watched: bool = True
) -> Callable[[Work], AsyncTask]:
    """Return what makes a task of a coroutine function; it gets a ``Context`` first.

    It is called as the function is, without ``_command``. What the function returns is the
    exit code, None is 0. ``examples`` are shown in the help, each behind the program's name.
    One that is not ``watched`` cannot tell of its statements, and has no ``--verbose``.
    """
    return lambda function: AsyncTask(function, tuple(examples), destructive, watched)


_SETTINGS: Final = {
    "url": ("URL", "The database."),
    "models": ("MODULE:NAME", "The base or metadata of the models."),
    "folder": ("FOLDER", "The folder of the revisions."),
}
_OPTIONS: Final = (
    click.option("--env", metavar="NAME", help="The environment of pyproject.toml to use."),
    click.option("--json", "as_json", is_flag=True, help="Print JSON."),
    click.option("--quiet", "-q", is_flag=True, help="Print results only."),
    click.option("--debug", is_flag=True, help="Print the traceback of an error."),
)
_VERBOSE: Final = click.option(
    "--verbose", "-v", is_flag=True, help="Print each statement, its time and its rows."
)
_YES: Final = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


def _options(program: Program) -> list[Any]:
    """Return the options of all commands of ``program``."""
    settings = [
        click.option(f"--{name}", metavar=metavar, help=f"{about} [{program.variables[name]}]")
        for name, (metavar, about) in _SETTINGS.items()
        if name in program.variables
    ]
    return [*settings, *_OPTIONS]


def _tell(record: StatementRecord) -> None:
    """Tell a person of a statement; values are not in it."""
    ended = record.error or f"{record.rowcount} rows" * (record.rowcount >= 0)
    text = one_line(record.statement).strip()
    click.echo(f"{record.seconds * 1000:8.1f} ms  {text}  {ended}".rstrip(), err=True)


def exit_code(error: BaseException) -> int:
    """Return the exit code for an error.

    >>> exit_code(ConfigurationError("no such thing")), exit_code(AndamiosError("no"))
    (2, 1)
    """
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)


def _outcome(
    program: Program, work: Callable[[], Coroutine[Any, Any, int | None]], *, debug: bool
) -> int:
    """Run a command, and return the exit code; an error becomes one line."""
    try:
        return run(work()) or 0
    except BrokenPipeError:  # whoever read the output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (AndamiosError, SQLAlchemyError, OSError) as error:
        if debug:
            traceback.print_exc()
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        click.echo(f"{program.name}: {program.worded(one_line(first))}", err=True)
        if isinstance(error, AndamiosError):
            click.echo(f"  {program.name} explain {type(error).__name__} says more", err=True)
        return exit_code(error)
    except (KeyboardInterrupt, asyncio.CancelledError):
        click.echo(f"{program.name}: interrupted; nothing is half done", err=True)
        return INTERRUPTED
