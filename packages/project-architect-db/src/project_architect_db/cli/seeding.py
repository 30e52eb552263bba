"""The command that makes up projects, and removes them again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import rich_click as click

from andamios_orm.cli.asking import asked
from andamios_orm.cli.running import command
from project_architect_db.seeding import planned_rows, seed, unseed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from andamios_orm.cli.running import Context

__all__ = ["COMMANDS"]


class _Number(click.ParamType[int]):
    """A whole number, which may have underscores or commas between its digits."""

    name = "number"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the number."""
        text = str(value).replace(",", "").replace("_", "")
        if not text.isdecimal() or not text.isascii():
            self.fail(f"{value!r} is no whole number", param, ctx)
        return int(text)


@command(
    examples=["seed", "seed --projects 5_000 --seed 3", "seed --dry-run", "seed --remove --yes"],
    destructive=True,
)
@click.option("--projects", type=_Number(), metavar="N", default=1_000, help="How many. [1,000]")
@click.option(
    "--seed", "number", type=_Number(), metavar="S", default=7, help="The same makes the same. [7]"
)
@click.option("--remove", is_flag=True, help="Remove all sample projects instead; asks before.")
@click.option("--dry-run", is_flag=True, help="Say what would be made, and make nothing.")
async def seed_command(
    context: Context, *, projects: int, number: int, remove: bool, dry_run: bool
) -> None:
    """Make up projects with conversations, documents and repositories, marked as sample data.

    The same number and seed make the same rows, behind those that are there. They are never
    mixed up with others: reports mark them, and leave them out with --no-sample.
    """
    with asked():
        rows = planned_rows(projects, seed=number)
    if remove:
        await _remove(context, dry_run=dry_run)
        return
    if not dry_run:
        async with context.database() as database:
            with context.progress("projects") as progress:
                rows = (
                    await seed(database, projects=projects, seed=number, progress=progress)
                ).rows
    _show(context, rows)
    if dry_run:
        context.say("nothing was made: this is what would be")


def _show(context: Context, rows: Mapping[str, int]) -> None:
    """Print how many rows of each table there are."""
    found = [{"table": name, "rows": count} for name, count in rows.items()]
    width = max(len(f"{count:,}") for count in rows.values())
    lines = (f"{count:>{width},} {name.replace('_', ' ')}" for name, count in rows.items())
    context.show("seeded", found, lines)


async def _remove(context: Context, *, dry_run: bool) -> None:
    if dry_run:
        raise click.UsageError("--remove and --dry-run do not go together")
    context.confirm("all sample projects and what belongs to them would be removed")
    async with context.database() as database:
        with context.progress("projects") as progress:
            removed = await unseed(database, progress=progress)
    noun = "project" if removed == 1 else "projects"
    context.show("removed", [{"projects": removed}], [f"{removed:,} sample {noun} removed"])


COMMANDS: Final = {each.name: each for each in (seed_command,)}
