"""The commands that bring what is outside into projects."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from andamios_orm.cli.running import FAILED, UNSOUND, TaskGroup, command
from andamios_orm.exceptions import AndamiosError, DatabaseUnavailable
from project_architect_db.cli.asking import project_id, shown, viewer_option
from project_architect_db.importers import (
    CloneRefused,
    RowsRefused,
    import_clone,
    import_files,
    import_github,
)
from project_architect_db.importers.clone import check_clone

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    async with AsyncExitStack() as opened:
        database: Database | None = None
        for path in paths:
            if database is None:  # which is not made for what is no clone
                try:
                    await asyncio.to_thread(check_clone, path)
                except CloneRefused as error:
                    work.refuse(path, error)
                    continue
                database = await opened.enter_async_context(context.database())
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
                seen = progress if context.shows_progress else None
                report = await import_clone(database, path, owner=self._owner, progress=seen)
        except DatabaseUnavailable:
            raise
        except AndamiosError as error:
            self.refuse(path, error)
            return
        notices = [str(each) for each in report.notices]
        self.rows.append({"path": str(path), **asdict(report), "notices": notices})
        if not context.as_json:
            click.echo(_line(report))
        for notice in notices:
            context.say(f"  {shown(report.name)}: {shown(notice)}")

    def refuse(self, path: Path, error: AndamiosError) -> None:
        """Say why a path is not imported."""
        self.failed += 1
        first = str(error).splitlines()[0]
        self.rows.append({"path": str(path), "error": type(error).__name__, "text": first})
        click.echo(f"{self._context.program.name}: {shown(first)}", err=True)


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
    name = click.style(shown(report.name), bold=True)
    return f"{name} ({what} {report.project_id}): {', '.join(found) or 'nothing new'}"


_ENTITIES: Final = {
    "projects": "project",
    "conversations": "conversation",
    "documents": "document",
    "repositories": "repository",
    "builds": "build",
    "deployments": "deployment",
}


@command(
    examples=[
        "files projects projects.csv --dry-run",
        "files projects old.csv --map Title=name --map Notes=",
        "files documents - --format ndjson --project shop < documents.ndjson",
    ]
)
@click.argument("entity", type=click.Choice(list(_ENTITIES)))
@click.argument("file", type=click.Path(exists=True, allow_dash=True))
@click.option(
    "--map",
    "names",
    metavar="COLUMN=FIELD",
    multiple=True,
    help="Which field a column is; COLUMN= leaves it out. It may be repeated.",
)
@click.option("--dry-run", is_flag=True, help="Read and check everything; store nothing.")
@click.option("--batches", is_flag=True, help="Commit some thousand rows at a time.")
@click.option("--format", "form", metavar="NAME", help="Of FILE; else what its name ends with.")
@click.option("--encoding", metavar="NAME", help="Of a text; else UTF-8.")
@click.option("--project", metavar="ID|NAME", help="That of rows that name none.")
@viewer_option
async def files_command(  # noqa: PLR0913 - one for each option
    context: Context,
    entity: str,
    file: str,
    *,
    names: tuple[str, ...],
    dry_run: bool,
    batches: bool,
    form: str | None,
    encoding: str | None,
    project: str | None,
    viewer: str | None,
) -> int:
    """Make rows out of a file: NDJSON, JSON, CSV, Parquet or Arrow; - is the standard input.

    All of it is stored, or nothing; it ends with 5 if rows are refused, and names them.
    """
    source: Any = sys.stdin.buffer if file == "-" else Path(file)
    async with context.database() as database:
        try:
            with context.progress(file) as progress:
                report = await import_files(
                    database,
                    source,
                    _ENTITIES[entity],
                    mapping=_mapping(names) or None,
                    dry_run=dry_run,
                    atomic=not batches,
                    format=form,
                    encoding=encoding,
                    project=await project_id(database, project, viewer),
                    viewer=viewer,
                    on_progress=lambda done: progress(round(100 * (done.share or 0)), 100),
                )
        except RowsRefused as refused:
            return _refuse(context, refused)
    for column, why in report.left_out.items():
        context.say(f"  {shown(column)}: {shown(why)}")
    would = "would be " * dry_run
    messages = f", {report.messages:,} messages" * bool(report.messages)
    line = f"{report.created:,} of {report.rows:,} {entity} {would}made{messages}"
    context.show("imported", [asdict(report)], [line])
    return 0


def _mapping(names: Sequence[str]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for each in names:
        column, sign, field = each.partition("=")
        if not sign:
            raise click.UsageError(f"--map takes COLUMN=FIELD, or COLUMN= to leave it out: {each}")
        found[column] = field or None
    return found


def _refuse(context: Context, refused: RowsRefused) -> int:
    """Say which rows are refused, and why."""
    context.show("refused", [{**each._asdict(), "text": str(each)} for each in refused.errors], [])
    for each in refused.errors:
        click.echo(f"  {shown(each)}", err=True)
    more = refused.count - len(refused.errors)
    text = f"{refused.count:,} values" if refused.count > 1 else "a value"
    rest = f"; {more:,} of them are not shown" if more else ""
    click.echo(f"{context.program.name}: {shown(refused.source)}: {text} refused{rest}", err=True)
    return UNSOUND


@command(examples=["github issues.json runs.json", "github exported --project shop"])
@click.argument(
    "paths",
    metavar="PATH...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
)
@click.option("--project", metavar="ID|NAME", help="What all of it belongs to.")
@viewer_option
async def github_command(
    context: Context, paths: tuple[Path, ...], *, project: str | None, viewer: str | None
) -> None:
    """Read what the API of GitHub has answered, out of files or folders; nothing is fetched.

    Issues and pull requests become conversations, workflow runs builds, releases deployments.
    """
    async with context.database() as database:
        with context.progress("payloads") as progress:
            report = await import_github(
                database,
                paths,
                project=await project_id(database, project, viewer),
                viewer=viewer,
                on_progress=lambda done: progress(done.payloads, done.payloads),
            )
    for notice in report.notices:
        context.say(f"  {shown(notice)}")
    new, changed = (
        ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
        for counts in (report.created, report.updated)
    )
    row = {
        "files": report.files,
        "payloads": report.payloads,
        "created": dict(report.created),
        "updated": dict(report.updated),
        "notices": [str(each) for each in report.notices],
    }
    line = f"new: {new or 'nothing'}; changed: {changed or 'nothing'}"
    context.show(
        "imported", [row], [f"{report.payloads:,} payloads of {report.files:,} files: {line}"]
    )


TASKS: Final = {each.name: each for each in (git_command, files_command, github_command)}
"""The commands below ``import``, by what they read."""

COMMANDS: Final = {"import": TaskGroup("Bring what is outside into projects.", TASKS)}
