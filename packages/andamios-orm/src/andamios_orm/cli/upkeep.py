"""The commands that keep a database in order: room given back, soundness, snapshots."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from andamios_orm.cli.running import UNSOUND, command
from andamios_orm.exceptions import DatabaseLocked
from andamios_orm.maintenance import occupancy, snapshot, vacuum, verify
from andamios_orm.maintenance.advice import readable

if TYPE_CHECKING:
    from andamios_orm.cli.running import Context
    from andamios_orm.core import Database

__all__ = ["snapshot_command", "vacuum_command", "verify_command"]


@command(
    examples=[
        "vacuum",
        "vacuum --dry-run",
        "vacuum --full --url postgresql://shop@db.example.com/shop",
    ]
)
@click.option("--dry-run", is_flag=True, help="Print what there is to gain; change nothing.")
@click.option("--full", is_flag=True, help="On PostgreSQL: write tables anew; others wait.")
async def vacuum_command(context: Context, *, dry_run: bool, full: bool) -> None:
    """Give room back: make a DuckDB file anew, or vacuum the tables of PostgreSQL.

    Nobody may have the DuckDB file open. It is copied, compared with the copy, and swapped;
    whatever stops that, the file is whole.
    """
    if dry_run:
        await _estimate(context)
        return
    async with context.project.existing() as database:
        with context.progress("vacuum") as report:
            done = await vacuum(database, full=full, progress=report)
    sizes = f"{readable(done.before)} -> {readable(done.after)}"
    gain = f"{readable(done.saved)} given back" if done.saved > 0 else "nothing to give back"
    text = f"{sizes}: {gain}, {_count(done.tables, 'table')}"
    context.show("vacuum", [{**asdict(done), "saved": done.saved}], [text])


async def _estimate(context: Context) -> None:
    async with _to_read(context) as database:
        found = await occupancy(database)
        name = database.engine.dialect.name
    share = round(100 * found.free / found.size) if found.size else 0
    if name == "postgresql":
        text = f"dead rows take about {readable(found.free)} ({share} %), which new rows would use"
    else:
        text = f"{readable(found.free)} ({share} %) are free, which a new file would not have"
    context.show(
        "vacuum",
        [{"before": found.size, "free": found.free, "tables": found.tables}],
        [f"{readable(found.size)} in {_count(found.tables, 'table')}: {text}; nothing was changed"],
    )


@command(examples=["verify", "verify --json"])
async def verify_command(context: Context) -> int:
    """Read all of the database, and say what is wrong with which rows; 5 if something is.

    The models, if they are named, tell which foreign keys have to hold.
    """
    metadata = context.project.metadata() if context.project.models.value else []
    async with _to_read(context) as database:
        with context.progress("verify") as report:
            found = await verify(database, metadata=metadata, progress=report)
    worded = context.program.worded
    mended = (replace(each, remedy=worded(each.remedy)) for each in found.findings)
    found = replace(found, findings=tuple(mended))
    context.show(
        "verification", [{"sound": found.sound, **asdict(found)}], map(str, found.findings)
    )
    for note in found.skipped:
        context.say(f"not looked at: {note}")
    outcome = "sound" if found.sound else f"{_count(len(found.findings), 'thing')} to mend"
    context.say(f"{_count(found.tables, 'table')}, {_count(found.rows, 'row')}: {outcome}")
    return 0 if found.sound else UNSOUND


@command(examples=["snapshot shop-now.duckdb", "snapshot shop-now.duckdb --replace"])
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--replace", "overwrite", is_flag=True, help="Take the place of the last snapshot.")
async def snapshot_command(context: Context, target: Path, *, overwrite: bool) -> None:
    """Copy a DuckDB file to TARGET, for others to read: the copy cannot be written.

    A service that runs has to do that by itself, for no other process can read its file:
    snapshot() of andamios_orm.maintenance.
    """
    async with context.project.existing() as database:
        with context.progress("snapshot") as report:
            try:
                copy = await snapshot(database, target, overwrite=overwrite, progress=report)
            except DatabaseLocked as error:
                raise DatabaseLocked(
                    _for_holder(error, target), pid=error.pid, path=error.path
                ) from error
    rows = [{"path": str(copy.path), "size": copy.size, "sha256": copy.digest, "rows": copy.rows}]
    total = _count(sum(copy.rows.values()), "row")
    context.show("snapshot", rows, [f"{copy.path} {readable(copy.size)}, {total}, read-only"])


def _for_holder(error: DatabaseLocked, target: Path) -> str:
    holder = f"process {error.pid}" if error.pid else "another process"
    return (
        f"{holder} has {error.path} open, and only it can make a copy that is whole: let it call "
        f"snapshot(database, {target.name!r}, overwrite=True) of andamios_orm.maintenance, or "
        f"stop it first"
    )


def _to_read(context: Context) -> Database:
    """Return the database, opened so that others can read it as well, if it is a file."""
    project = context.project
    path = project.path
    # A checkpoint that was cut short has to be undone before anybody can read.
    if path is None or Path(f"{path}.journal").exists():
        return project.existing()
    return project.existing(read_only=True)


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
