"""The commands for migrations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import rich_click as click
from sqlalchemy import MetaData

from andamios_orm.cli.running import DIFFERS, command
from andamios_orm.dialect.files import first_free
from andamios_orm.maintenance import backup
from andamios_orm.migration import MigrationManager

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from andamios_orm.cli.running import Context
    from andamios_orm.migration import Revision, Step


_ALL_PENDING: Final = "--check looks at all that is pending, up to the newest revision"
_APART: Final = (
    (("TARGET", "--to", "--down"), "each of them says where to go"),
    (("--dry-run", "--check", "--sql"), "each of them shows something else"),
    (("--check", "TARGET"), _ALL_PENDING),
    (("--check", "--to"), _ALL_PENDING),
    (("--check", "--down"), _ALL_PENDING),
    (("--sql", "--down"), "--sql goes up from the beginning; --dry-run shows what is undone"),
    (("--sql", "--json"), "--sql prints SQL; --dry-run has the statements as JSON"),
)
"""Arguments of ``migrate`` of which only one may be given, and why."""


def _show(context: Context, revisions: Iterable[Revision], nothing: str) -> None:
    found = list(revisions)
    rows = [
        {"id": each.id, "message": each.message, "after": each.after, "path": str(each.path)}
        for each in found
    ]
    context.show("revisions", rows, map(str, found))
    if not found:
        context.say(nothing)


def _show_steps(context: Context, steps: Iterable[Step]) -> None:
    found = list(steps)
    rows = [
        {"id": each.revision.id, "direction": each.direction, "statements": each.statements}
        for each in found
    ]
    lines = [f"-- {step}\n" + "".join(f"{sql};\n" for sql in step.statements) for step in found]
    context.show("steps", rows, lines)


@command(examples=["init", "init --folder db/migrations"])
async def init_command(context: Context) -> None:
    """Make the folder of revisions."""
    async with context.project.database() as database:
        folder = MigrationManager(database, MetaData(), str(context.project.folder.value)).init()
    context.show("folder", [{"path": str(folder)}], [str(folder)])
    context.say(f"next: {context.program.name} revision 'first tables'")


@command(examples=["revision 'add prices'", "revision 'fill slugs' --empty"])
@click.argument("message")
@click.option("--empty", is_flag=True, help="Write no operations: they are yours.")
async def revision_command(context: Context, message: str, *, empty: bool) -> None:
    """Write a revision from the difference between models and database."""
    async with context.project.database() as database:
        found = await context.project.manager(database).revision(message, empty=empty)
    if found is None:
        context.show("revisions", [], [])
        context.say("the database is as the models say: there is nothing to write")
        return
    context.show("revisions", [{"id": found.id, "path": str(found.path)}], [str(found.path)])
    context.say(f"next: read it, then {context.program.name} migrate")


@command(
    destructive=True,
    examples=["migrate", "migrate --dry-run", "migrate --check", "migrate head --env test"],
)
@click.argument("target", required=False)
@click.option("--to", metavar="REV", help="The same as TARGET.")
@click.option("--down", metavar="N", type=click.IntRange(1), help="Undo the N newest instead.")
@click.option("--dry-run", is_flag=True, help="Print the SQL; change nothing.")
@click.option("--check", is_flag=True, help="Say what is pending; end with 3 if something is.")
@click.option("--sql", is_flag=True, help="Print the SQL from the beginning, without a database.")
async def migrate_command(  # noqa: PLR0913 - one for each option
    context: Context,
    target: str | None,
    *,
    to: str | None,
    down: int | None,
    dry_run: bool,
    check: bool,
    sql: bool,
) -> int | None:
    """Run the revisions that are pending, up to TARGET, else to the newest."""
    _refuse_mixed(
        {
            "TARGET": target is not None,
            "--to": to is not None,
            "--down": down is not None,
            "--dry-run": dry_run,
            "--check": check,
            "--sql": sql,
            "--json": context.as_json,
        }
    )
    if down is not None:
        await _down(context, f"-{down}", dry_run=dry_run)
        return 0
    target = target or to or "head"
    looks = dry_run or check or sql
    project = context.project
    async with project.looked_at() if looks else project.database() as database:
        manager = project.manager(database, progress=lambda step: context.say(str(step)))
        if sql:
            click.echo(await manager.sql(target), nl=False)
        elif check:
            pending = await manager.pending()
            _show(context, pending, "nothing is pending")
            return DIFFERS if pending else 0
        elif dry_run:
            _show_steps(context, await manager.dry_run(target))
        else:
            _show(context, await manager.upgrade(target), "nothing is pending")
    return 0


def _refuse_mixed(given: Mapping[str, bool]) -> None:
    """Raise if one of the arguments that are given would be of no effect beside another."""
    for names, reason in _APART:
        found = [name for name in names if given[name]]
        if len(found) > 1:
            raise click.UsageError(f"{' and '.join(found)} exclude each other: {reason}")


@command(destructive=True, examples=["downgrade --dry-run -- -1", "downgrade base --yes"])
@click.argument("target")
@click.option("--dry-run", is_flag=True, help="Print the SQL; change nothing.")
async def downgrade_command(context: Context, target: str, *, dry_run: bool) -> None:
    """Undo revisions, down to TARGET: a revision, -1 for the newest, or base."""
    await _down(context, target, dry_run=dry_run)


async def _down(context: Context, target: str, *, dry_run: bool) -> None:
    async with context.project.existing() as database:
        manager = context.project.manager(database, progress=lambda step: context.say(str(step)))
        steps = await manager.dry_run(target, down=True)
        if dry_run:
            _show_steps(context, steps)
            return
        listed = ", ".join(step.revision.id for step in steps) or "no revision"
        context.confirm(f"this undoes {listed}")
        _show(context, await manager.downgrade(target), "nothing was undone")


@command(examples=["stamp", "stamp base"])
@click.argument("target", default="head")
async def stamp_command(context: Context, target: str) -> None:
    """Say at which revision the database is, without running any: TARGET."""
    async with context.project.database() as database:
        found = await context.project.manager(database).stamp(target)
    _show(context, found, "the database is at no revision")


@command(examples=["current", "current --json"])
async def current_command(context: Context) -> None:
    """Show the revision that the database is at."""
    async with context.project.looked_at() as database:
        found = await context.project.manager(database).current()
    _show(context, found, "the database is at no revision")


@command(examples=["history", "history --json"])
async def history_command(context: Context) -> None:
    """Show all revisions, the first one first; * marks those that are pending."""
    async with context.project.looked_at() as database:
        manager = context.project.manager(database)
        pending = {each.id for each in await manager.pending()}
        found = manager.history()
    rows = [
        {"id": each.id, "message": each.message, "pending": each.id in pending} for each in found
    ]
    context.show(
        "revisions", rows, [f"{'*' if each.id in pending else ' '} {each}" for each in found]
    )


@command(examples=["check", "check --json --env production"])
async def check_command(context: Context) -> int:
    """Compare the models with the database; end with 3 if they differ or revisions are pending."""
    async with context.project.looked_at() as database:
        manager = context.project.manager(database)
        pending = await manager.pending()
        differences = await manager.check()
    rows = [{"kind": each.kind, "place": each.place, "text": each.text} for each in differences]
    rows += [
        {"kind": "pending", "place": each.id, "text": f"{each} is pending"} for each in pending
    ]
    context.show("differences", rows, [row["text"] for row in rows])
    context.say(
        "nothing differs" if not rows else f"{len(rows)} difference{'s' * (len(rows) != 1)}"
    )
    return DIFFERS if rows else 0


@command(destructive=True, examples=["db-reset --dry-run", "db-reset --yes --env test"])
@click.option("--dry-run", is_flag=True, help="Say what would be removed; change nothing.")
@click.option("--no-backup", is_flag=True, help="Keep no copy of a DuckDB file.")
async def db_reset_command(context: Context, *, dry_run: bool, no_backup: bool) -> None:
    """Remove everything in the database and migrate it anew."""
    from andamios_orm.cli.emptying import contents, empty

    async with context.project.database() as database:
        found = await contents(database)
        lines = [f"{table}: {rows} rows" for table, rows in found.items()]
        if dry_run:
            context.show("tables", [{"table": t, "rows": n} for t, n in found.items()], lines)
            return
        context.confirm(f"this removes {', '.join(lines) or 'nothing'}")
        path = Path(database.engine.url.database or ":memory:")
        is_file = database.engine.dialect.name == "duckdb" and ":memory:" not in path.name
        if is_file and found and not no_backup:
            place = first_free(path.with_name(f"{path.stem}.before-reset{path.suffix}"))
            copy = await backup(database, place)
            context.say(f"kept: {copy.path}")
        await empty(database)
        manager = context.project.manager(database, backup="never")
        _show(context, await manager.upgrade(), "there are no revisions")


COMMANDS: Final = {
    str(each.name): each
    for each in (
        init_command,
        revision_command,
        migrate_command,
        downgrade_command,
        stamp_command,
        current_command,
        history_command,
        check_command,
        db_reset_command,
    )
}
