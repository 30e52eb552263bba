"""The command that copies a database into another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from andamios_orm.cli.running import command
from andamios_orm.core import Database, Settings
from andamios_orm.maintenance import copy_to

if TYPE_CHECKING:
    from andamios_orm.cli.running import Context

__all__ = ["copy_to_command"]


@command(
    examples=[
        "copy-to postgresql://shop@db.example.com/shop",
        "copy-to duckdb:///analysis.duckdb --url postgresql://shop@db.example.com/shop",
    ]
)
@click.argument("target")
@click.option("--batch-size", metavar="ROWS", default=10_000, help="Rows of one transaction.")
async def copy_to_command(context: Context, target: str, *, batch_size: int) -> None:
    """Copy all rows into another database, TARGET, a URL; both are compared at the end.

    Its tables are made from the models, or read from the database if no models are named.
    A copy that was broken off goes on where it was when the command is run again.
    """
    metadata = context.project.metadata() if context.project.models.value else None
    other = Database(settings=Settings(url=target))
    async with context.project.existing() as database, other:
        with context.progress("copied and compared") as progress:
            copied = await copy_to(
                database, other, metadata=metadata, batch_size=batch_size, progress=progress
            )
    for each in copied.left_out:
        context.say(f"left out: {each}")
    rows = [{"rows": copied.rows, "resumed": copied.resumed, "left_out": list(copied.left_out)}]
    tables = f"{len(copied.rows)} table{'s' * (len(copied.rows) != 1)}"
    again = f", {copied.resumed} of them by an earlier run" * bool(copied.resumed)
    line = f"{sum(copied.rows.values())} rows of {tables}{again}: compared, the same"
    context.show("copied", rows, [line])
