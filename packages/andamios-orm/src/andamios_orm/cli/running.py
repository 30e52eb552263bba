"""What the commands share: options, results for people and programs, errors, exit codes."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import sys
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import rich_click as click
from sqlalchemy.exc import SQLAlchemyError

from andamios_orm.cli.project import Project
from andamios_orm.exceptions import (
    AndamiosError,
    BackupFailed,
    ConfigurationError,
    ConstraintViolation,
    DatabaseCorrupt,
    DatabaseUnavailable,
    QueryRefused,
)
from andamios_orm.runner import run

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence

    from andamios_orm.core.observe import StatementRecord

__all__ = ["Context", "command", "exit_code"]

FAILED, USAGE, DIFFERS, UNREACHABLE, UNSOUND, INTERRUPTED = 1, 2, 3, 4, 5, 130
_CODES: Final[tuple[tuple[type[BaseException], int], ...]] = (
    (ConfigurationError, USAGE),
    (QueryRefused, USAGE),
    (DatabaseCorrupt, UNSOUND),
    (DatabaseUnavailable, UNREACHABLE),
    (ConstraintViolation, UNSOUND),
    (BackupFailed, UNSOUND),
)


@dataclass(frozen=True, slots=True)
class Context:
    """What a command was called with."""

    project: Project
    as_json: bool
    quiet: bool
    yes: bool = False

    def say(self, message: str) -> None:
        """Tell a person something; programs read the standard output."""
        if not self.quiet:
            click.echo(message, err=True)

    def show(self, name: str, rows: Sequence[Mapping[str, Any]], text: Iterable[str]) -> None:
        """Print the result: rows for a program, lines of text for a person."""
        if self.as_json:
            click.echo(json.dumps({"schema_version": 1, name: rows}, indent=2, default=str))
        else:
            for line in text:
                click.echo(line)

    @contextmanager
    def progress(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """Show a person how far ``what`` has come: yield what is called with done and total.

        It may be called on another thread.
        """
        if self.quiet or not sys.stderr.isatty():
            yield lambda _done, _total: None
            return
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=None)
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


def command(
    *, examples: Sequence[str], destructive: bool = False
) -> Callable[[Callable[..., Coroutine[Any, Any, int | None]]], click.Command]:
    """Return what makes a command of a coroutine function; it gets a ``Context`` first.

    It is called as the function is, without ``_command``. What the function returns is the
    exit code, None is 0. ``examples`` are shown in the help.
    """

    def decorate(function: Callable[..., Coroutine[Any, Any, int | None]]) -> click.Command:
        @functools.wraps(function)
        def run_it(  # noqa: PLR0913 - one for each option
            *,
            url: str | None,
            env: str | None,
            models: str | None,
            folder: str | None,
            as_json: bool,
            quiet: bool,
            verbose: bool,
            debug: bool,
            yes: bool = False,
            **given: Any,
        ) -> None:
            flags = {"url": url, "models": models, "folder": folder}

            async def work() -> int | None:
                project = Project.load(flags, environment=env)
                if verbose:
                    project = replace(project, watch=_tell)
                return await function(Context(project, as_json, quiet, yes), **given)

            sys.exit(_outcome(work, debug=debug))

        listed = "\b\nExamples:\n" + "".join(f"  andamios-orm {each}\n" for each in examples)
        # Python before 3.13 leaves the indentation in.
        run_it.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\n{listed}"
        wrapped: Any = run_it
        for option in reversed([*_OPTIONS, *([_YES] if destructive else [])]):
            wrapped = option(wrapped)
        name = function.__name__.removesuffix("_command").replace("_", "-")
        made: click.Command = click.command(name)(wrapped)
        return made

    return decorate


_OPTIONS: Final = (
    click.option("--url", metavar="URL", help="The database. [ANDAMIOS_URL]"),
    click.option("--env", metavar="NAME", help="The environment of pyproject.toml to use."),
    click.option("--models", metavar="MODULE:NAME", help="The base or metadata of the models."),
    click.option("--folder", metavar="FOLDER", help="The folder of the revisions."),
    click.option("--json", "as_json", is_flag=True, help="Print JSON."),
    click.option("--quiet", "-q", is_flag=True, help="Print results only."),
    click.option(
        "--verbose", "-v", is_flag=True, help="Print each statement, its time and its rows."
    ),
    click.option("--debug", is_flag=True, help="Print the traceback of an error."),
)
_YES: Final = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


def _tell(record: StatementRecord) -> None:
    """Tell a person of a statement; values are not in it."""
    ended = record.error or f"{record.rowcount} rows" * (record.rowcount >= 0)
    text = " ".join(record.statement.split())
    click.echo(f"{record.seconds * 1000:8.1f} ms  {text}  {ended}".rstrip(), err=True)


def exit_code(error: BaseException) -> int:
    """Return the exit code for an error.

    >>> exit_code(ConfigurationError("no such thing")), exit_code(AndamiosError("no"))
    (2, 1)
    """
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)


def _outcome(work: Callable[[], Coroutine[Any, Any, int | None]], *, debug: bool) -> int:
    """Run a command, and return the exit code; an error becomes one line."""
    try:
        return run(work()) or 0
    except (AndamiosError, SQLAlchemyError, OSError) as error:
        if debug:
            traceback.print_exc()
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        click.echo(f"andamios-orm: {first}", err=True)
        if isinstance(error, AndamiosError):
            click.echo(f"  andamios-orm explain {type(error).__name__} says more", err=True)
        return exit_code(error)
    except (KeyboardInterrupt, asyncio.CancelledError):
        click.echo("andamios-orm: interrupted; nothing is half done", err=True)
        return INTERRUPTED
