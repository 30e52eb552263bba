"""The commands for the changes of the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import rich_click as click

from andamios_orm.cli.running import DIFFERS, command
from axai_pg.cli.place import on_connection, place_of
from axai_pg.migrations import Runner

if TYPE_CHECKING:
    from collections.abc import Iterable

    from andamios_orm.cli.running import Context
    from axai_pg.cli.place import Place
    from axai_pg.migrations import Status

__all__ = ["COMMANDS"]


def _show(context: Context, names: Iterable[str], nothing: str) -> None:
    """Print the names of changes."""
    found = list(names)
    context.show("changes", [{"change": name} for name in found], found)
    if not found:
        context.say(nothing)


async def _status(place: Place) -> Status:
    return await on_connection(
        place, lambda connection: Runner(connection, schema=place.config.schema).status()
    )


async def _pending(place: Place, to: str | None) -> tuple[str, ...]:
    """Return the changes that are pending, up to one that has to be there."""
    status = await _status(place)
    if to is None:
        return status.pending
    end = _position(to, (*status.deployed, *status.pending)) - len(status.deployed)
    return status.pending[: max(end + 1, 0)]


@command(
    examples=["migrate", "migrate --check", "migrate --to 20261129_0009_feed --dry-run"],
    watched=False,
)
@click.option("--to", metavar="CHANGE", help="Stop after it.")
@click.option("--dry-run", is_flag=True, help="Name the changes; deploy none.")
@click.option("--check", is_flag=True, help="Name what is pending; end with 3 if something is.")
@click.option("--no-verify", is_flag=True, help="Do not verify each change after deploying it.")
async def migrate_command(
    context: Context, *, to: str | None, dry_run: bool, check: bool, no_verify: bool
) -> int | None:
    """Deploy the changes that are pending; each is one transaction, with its verification.

    The roles of the cluster have to be there: init makes them.
    """
    if check and (dry_run or to is not None):
        raise click.UsageError("--check looks at all that is pending: pass nothing else with it")
    place = place_of(context)
    if check or dry_run or to is not None:
        pending = await _pending(place, to)
        if check or dry_run:
            _show(context, pending, "nothing is pending")
            return DIFFERS if check and pending else 0
    done = await on_connection(
        place,
        lambda connection: Runner(connection, schema=place.config.schema).deploy(
            to, verify=not no_verify
        ),
    )
    _show(context, done, "nothing was pending")
    return 0


@command(
    destructive=True,
    examples=["revert --last 1 --dry-run", "revert 20261129_0009_feed --yes"],
    watched=False,
)
@click.argument("change", required=False)
@click.option("--last", metavar="N", type=click.IntRange(1), help="Revert the N newest.")
@click.option("--all", "everything", is_flag=True, help="Revert all of them.")
@click.option("--dry-run", is_flag=True, help="Name the changes; revert none.")
async def revert_command(
    context: Context, change: str | None, *, last: int | None, everything: bool, dry_run: bool
) -> None:
    """Revert what was deployed after CHANGE, newest first, with the rows of those tables."""
    if sum((change is not None, last is not None, everything)) != 1:
        raise click.UsageError("say how far: one of CHANGE, --last N and --all")
    place = place_of(context)
    deployed = (await _status(place)).deployed
    kept = 0
    if last is not None:
        kept = max(len(deployed) - last, 0)
    elif change is not None:
        kept = _position(change, deployed) + 1
    shown = going = deployed[kept:][::-1]
    if dry_run:
        _show(context, going, "nothing would be reverted")
        return
    if going:
        context.confirm(f"this reverts {', '.join(going)}, with all rows of their tables")
        to = deployed[kept - 1] if kept else None
        going = await on_connection(
            place,
            lambda connection: Runner(connection, schema=place.config.schema).revert(
                to, expected=shown
            ),
        )
    _show(context, going, "nothing was reverted")


def _position(change: str, known: tuple[str, ...]) -> int:
    """Return the place of a change, or say which there are."""
    if change not in known:
        listed = ", ".join(known) or "none"
        raise click.UsageError(f"there is no change {change} here; there are: {listed}")
    return known.index(change)


@command(examples=["verify", "verify --json"], watched=False)
async def verify_command(context: Context) -> int:
    """Look whether each change that is deployed is in the database as its script wants it."""
    place = place_of(context)
    problems = await on_connection(
        place, lambda connection: Runner(connection, schema=place.config.schema).verify()
    )
    rows = [{"change": each.change, "reason": each.reason} for each in problems]
    context.show("problems", rows, (f"{each.change}: {each.reason}" for each in problems))
    if not problems:
        context.say("each change is as it should be")
    return DIFFERS if problems else 0


COMMANDS: Final = {each.name: each for each in (migrate_command, revert_command, verify_command)}
