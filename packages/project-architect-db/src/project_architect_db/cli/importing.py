"""The commands that bring what is outside into projects."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from andamios_orm.cli.running import FAILED, TaskGroup, command
from andamios_orm.exceptions import AndamiosError, DatabaseUnavailable
from project_architect_db.importers import import_clone

if TYPE_CHECKING:
    from andamios_orm.cli.running import Context
    from andamios_orm.core import Database
    from project_architect_db.importers import ImportReport

__all__ = ["COMMANDS", "TASKS"]


@command(examples=["git .", "git shop paint --owner ana"])
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=Path)
@click.option("--owner", metavar="NAME", help="Who owns the projects that are new.")
async def git_command(context: Context, paths: tuple[Path, ...], *, owner: str | None) -> int:
    """Make a project of each local git clone, or bring what is new of one that is known.

    Each clone is one transaction: it is imported wholly, or not at all. What is left out of one
    is named; it ends with 1 if a clone could not be imported, and the others are.
    """
    work = _Importing(context, owner)
    async with context.database() as database:
        for path in paths:
            await work.bring(database, path)
    if context.as_json:
        context.show("imported", work.rows, [])
    return FAILED if work.failed else 0


class _Importing:
    """One call of the command; ``rows`` is what became of each path."""

    def __init__(self, context: Context, owner: str | None) -> None:
        self._context = context
        self._owner = owner
        self.rows: list[dict[str, Any]] = []
        self.failed = 0

    async def bring(self, database: Database, path: Path) -> None:
        """Import one clone, and say what came of it."""
        context = self._context
        try:
            with context.progress(path.name or "commits") as progress:
                report = await import_clone(database, path, owner=self._owner, progress=progress)
        except DatabaseUnavailable:
            raise
        except AndamiosError as error:
            self._refused(path, error)
            return
        notices = [str(each) for each in report.notices]
        self.rows.append({"path": str(path), **asdict(report), "notices": notices})
        if not context.as_json:
            click.echo(_line(report))
        for notice in notices:
            context.say(f"  {report.name}: {notice}")

    def _refused(self, path: Path, error: AndamiosError) -> None:
        self.failed += 1
        first = str(error).splitlines()[0]
        self.rows.append({"path": str(path), "error": type(error).__name__, "text": first})
        click.echo(f"{self._context.program.name}: {first}", err=True)


def _line(report: ImportReport) -> str:
    """Return what was imported of one clone."""
    counts = {
        "commit": report.commits,
        "conversation": report.conversations,
        "document": report.documents,
        "version": report.versions,
        "release": report.releases,
    }
    found = [f"{count:,} {name}{'s' * (count != 1)}" for name, count in counts.items() if count]
    what = "new project" if report.is_new else "project"
    name = click.style(report.name, bold=True)
    return f"{name} ({what} {report.project_id}): {', '.join(found) or 'nothing new'}"


TASKS: Final = {each.name: each for each in (git_command,)}
"""The commands below ``import``, by what they read."""

COMMANDS: Final = {"import": TaskGroup("Bring what is outside into projects.", TASKS)}
