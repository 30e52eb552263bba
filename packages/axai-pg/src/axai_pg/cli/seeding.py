"""The command that makes up organisations, and removes them again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import rich_click as click

from andamios_orm.cli.running import command
from andamios_orm.exceptions import QueryRefused, ValueRefused
from axai_pg.cli.place import on_manager, place_of
from axai_pg.seeding import planned_rows, seed, unseed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from andamios_orm.cli.running import Context
    from axai_pg.data.config import DatabaseManager

__all__ = ["COMMANDS"]


@command(
    examples=["seed", "seed --organizations 2 --documents 50 --seed 3", "seed --remove --yes"],
    destructive=True,
)
@click.option("--organizations", metavar="N", type=int, default=3, help="How many. [3]")
@click.option("--documents", metavar="N", type=int, default=200, help="In each. [200]")
@click.option(
    "--seed", "number", metavar="S", type=int, default=7, help="The same makes the same. [7]"
)
@click.option("--remove", is_flag=True, help="Remove all samples instead; asks before.")
@click.option("--dry-run", is_flag=True, help="Say what would be made, and make nothing.")
async def seed_command(
    context: Context,
    *,
    organizations: int,
    documents: int,
    number: int,
    remove: bool,
    dry_run: bool,
) -> None:
    """Make up organisations with users, topics and documents, marked as samples by their names.

    The same numbers make the same rows; what is there already stays as it is.
    """
    if remove and dry_run:
        raise click.UsageError("--remove and --dry-run do not go together")
    if remove:
        await _remove(context)
        return
    try:
        rows: Mapping[str, int] = planned_rows(organizations, documents)
        if not dry_run:
            rows = await _made(context, organizations, documents, number)
    except ValueRefused as error:
        raise QueryRefused(f"{error.column} {error.value!r}: {error.reason}") from error
    _show(context, rows)
    if dry_run:
        context.say("nothing was made: this is what would be")
    elif not any(rows.values()):
        context.say("they were there already")


async def _made(
    context: Context, organizations: int, documents: int, number: int
) -> Mapping[str, int]:
    with context.progress("organisations") as progress:

        def work(manager: DatabaseManager, go_on: Callable[[], None]) -> Mapping[str, int]:
            def tell(done: int, total: int) -> None:
                go_on()
                progress(done, total)

            return seed(
                manager,
                organizations=organizations,
                documents=documents,
                seed=number,
                progress=tell,
            )

        return await on_manager(place_of(context), work)


def _show(context: Context, rows: Mapping[str, int]) -> None:
    """Print how many rows of each table there are."""
    found = [{"table": name, "rows": count} for name, count in rows.items()]
    width = max(len(f"{count:,}") for count in rows.values())
    lines = (f"{count:>{width},} {name.replace('_', ' ')}" for name, count in rows.items())
    context.show("seeded", found, lines)


async def _remove(context: Context) -> None:
    context.confirm("all sample organisations and what they have would be removed")
    reason = f"{context.program.name} seed --remove"
    removed = await on_manager(place_of(context), lambda manager, _: unseed(manager, reason=reason))
    noun = "organisation" if removed == 1 else "organisations"
    context.show("removed", [{"organizations": removed}], [f"{removed:,} sample {noun} removed"])


COMMANDS: Final = {each.name: each for each in (seed_command,)}
