"""The command that makes up organisations, and removes them again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import rich_click as click

from andamios_orm.cli.asking import asked
from andamios_orm.cli.running import command
from andamios_orm.core.lines import one_line
from axai_pg.cli.place import on_manager, place_of
from axai_pg.seeding import planned_rows, sample_names, seed, unseed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from andamios_orm.cli.running import Context
    from axai_pg.cli.place import Progress
    from axai_pg.data.config import DatabaseManager

__all__ = ["COMMANDS"]

_ORGANIZATIONS: Final = 3
_DOCUMENTS: Final = 200
_SEED: Final = 7
_MOST_NAMES: Final = 5


@command(
    examples=["seed", "seed --organizations 2 --documents 50 --seed 3", "seed --remove --yes"],
    destructive=True,
)
@click.option("--organizations", metavar="N", type=int, help="How many. [3]")
@click.option("--documents", metavar="N", type=int, help="In each. [200]")
@click.option("--seed", "number", metavar="S", type=int, help="The same makes the same. [7]")
@click.option("--remove", is_flag=True, help="Remove all samples instead; asks before.")
@click.option("--dry-run", is_flag=True, help="Say what would be made, and make nothing.")
async def seed_command(
    context: Context,
    *,
    organizations: int | None,
    documents: int | None,
    number: int | None,
    remove: bool,
    dry_run: bool,
) -> None:
    """Make up organisations with users, topics and documents, marked as samples by their names.

    The same numbers make the same rows; what is there already stays as it is.
    """
    if remove:
        if dry_run:
            raise click.UsageError("--remove and --dry-run do not go together")
        if (organizations, documents, number) != (None, None, None):
            raise click.UsageError("--remove removes all samples: pass no numbers with it")
        await _remove(context)
        return
    organizations = _ORGANIZATIONS if organizations is None else organizations
    documents = _DOCUMENTS if documents is None else documents
    number = _SEED if number is None else number
    with asked():
        rows: Mapping[str, int] = planned_rows(organizations, documents, number)
        if not dry_run:
            rows = await _made(context, organizations, documents, number)
    _show(context, rows)
    if dry_run:
        context.say("nothing was made: this is what would be")
    elif not any(rows.values()):
        context.say("they were there already")


async def _made(
    context: Context, organizations: int, documents: int, number: int
) -> Mapping[str, int]:
    with context.progress("organisations") as progress:

        def work(manager: DatabaseManager, tell: Progress) -> Mapping[str, int]:
            return seed(
                manager,
                organizations=organizations,
                documents=documents,
                seed=number,
                progress=tell,
            )

        return await on_manager(place_of(context), work, progress)


def _show(context: Context, rows: Mapping[str, int]) -> None:
    """Print how many rows of each table there are."""
    found = [{"table": name, "rows": count} for name, count in rows.items()]
    width = max(len(f"{count:,}") for count in rows.values())
    lines = (f"{count:>{width},} {name.replace('_', ' ')}" for name, count in rows.items())
    context.show("seeded", found, lines)


async def _remove(context: Context) -> None:
    place = place_of(context)
    reason = f"{context.program.name} seed --remove"
    names = await on_manager(place, lambda manager, _tell: sample_names(manager, reason=reason))
    removed = 0
    if names:
        context.confirm(f"this removes {_several(names)}, and all that they have")
        removed = await on_manager(place, lambda manager, _tell: unseed(manager, reason=reason))
    context.show("removed", [{"organizations": removed}], [f"{_count(removed)} removed"])


def _count(number: int) -> str:
    return f"{number:,} sample {'organisation' if number == 1 else 'organisations'}"


def _several(names: list[str]) -> str:
    """Return how many samples there are, and the first of them.

    >>> _several(list("abcdefg"))
    '7 sample organisations (a; b; c; d; e; and 2 more)'
    """
    rest = len(names) - _MOST_NAMES
    shown = [*map(one_line, names[:_MOST_NAMES]), *([f"and {rest:,} more"] if rest > 0 else [])]
    return f"{_count(len(names))} ({'; '.join(shown)})"


COMMANDS: Final = {each.name: each for each in (seed_command,)}
