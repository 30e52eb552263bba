"""The command that looks at what keeps organisations apart."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import rich_click as click

from andamios_orm.cli.running import FAILED, command
from axai_pg.cli.place import on_connection, place_of
from axai_pg.isolation import IsolationRules, holes_as_table, inspect_isolation

if TYPE_CHECKING:
    from andamios_orm.cli.running import Context

__all__ = ["COMMANDS"]


@command(
    examples=["check-isolation", "check-isolation --sql", "check-isolation --json"], watched=False
)
@click.option("--sql", is_flag=True, help="Print the statements that close the holes, no more.")
async def check_isolation_command(context: Context, *, sql: bool) -> int:
    """List every hole in the isolation of organisations, and the statement that closes it.

    It reads the catalogue only. The statements are run in their order, by the owner of the
    tables or a superuser; then look again.
    """
    if sql and context.as_json:
        raise click.UsageError("--sql prints SQL: --json has the same statements with the rest")
    place = place_of(context)
    rules = IsolationRules(schema=place.config.schema)
    holes = await on_connection(place, lambda connection: inspect_isolation(connection, rules))
    if sql:
        for hole in holes:
            click.echo(hole.statement)
    else:
        context.show("holes", list(map(asdict, holes)), [holes_as_table(holes)])
    if holes:
        context.say(f"{len(holes)} hole{'s' * (len(holes) != 1)}")
    return FAILED if holes else 0


COMMANDS: Final = {each.name: each for each in (check_isolation_command,)}
